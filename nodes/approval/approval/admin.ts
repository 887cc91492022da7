/** What the node's dialog asks for. */
import type { AdminRoutes } from '../../node/index.ts';
import { listPolicies, readPolicy } from '../policy-file.ts';

export function dialogRoutes({ get, RED }: AdminRoutes): void {
  const userDir = () => RED.settings.userDir ?? process.cwd();

  get('policies', 'healthflows.configure', (_, response) => response.json({ policies: listPolicies(userDir()) }));

  get('policies/:name', 'healthflows.configure', (request, response) =>
    response.json(readPolicy(userDir(), request.params.name ?? '')),
  );
}

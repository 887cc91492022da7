/**
 * What the connector relies on, held against the sandbox always and against a real Odoo when `ODOO_URL`, `ODOO_DB`,
 * `ODOO_API_KEY` and, for JSON-RPC, `ODOO_LOGIN` are set. Cases that need the sandbox's switches are skipped there.
 */
import { after, before, describe } from 'node:test';
import type { OdooVersion } from '../../../sandbox/odoo/index.ts';
import { actions } from './actions.ts';
import { agreement } from './agreement.ts';
import { facilities } from './facilities.ts';
import { inventory } from './inventory.ts';
import { json2Contract } from './json2.ts';
import { jsonrpcContract } from './jsonrpc.ts';
import { loading } from './load.ts';
import { probing } from './probing.ts';
import { records } from './records.ts';
import { type Protocol, realServer, realTarget, sandboxTarget, type Target } from './target.ts';
import { xmlrpcContract } from './xmlrpc.ts';

function contract(name: string, start: () => Promise<Target>, protocols: readonly Protocol[]): void {
  describe(name, () => {
    let target: Target | undefined;
    const current = () => {
      if (!target) throw new Error('The server is not started.');
      return target;
    };
    before(async () => {
      target = await start();
    });
    after(() => target?.close());

    probing(current);
    if (protocols.includes('json2')) json2Contract(current);
    if (protocols.includes('jsonrpc')) {
      jsonrpcContract(current);
      xmlrpcContract(current);
    }
    for (const protocol of protocols) {
      records(current, protocol);
      loading(current, protocol);
      actions(current, protocol);
      inventory(current, protocol);
      agreement(current, protocol);
      facilities(current, protocol);
    }
  });
}

for (const version of ['17', '18', '19'] as const satisfies OdooVersion[]) {
  contract(`sandbox ${version}`, () => sandboxTarget(version), version === '19' ? ['json2', 'jsonrpc'] : ['jsonrpc']);
}

if (realServer) {
  const real = await realTarget();
  const protocols: Protocol[] = [
    ...(real.version >= 19 ? (['json2'] as const) : []),
    ...(real.login ? (['jsonrpc'] as const) : []),
  ];
  contract(`Odoo ${real.version} at ODOO_URL`, async () => real, protocols);
}

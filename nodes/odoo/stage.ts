/** Keeps a flow that is meant for trying things out away from a production Odoo. */
import { Failure } from '../kernel/failure.ts';
import type { NodeContext } from '../node/index.ts';
import { type OdooServer, odooServer } from './index.ts';

export type Stage = 'production' | 'test' | 'sandbox';

const stages: readonly string[] = ['production', 'test', 'sandbox'] satisfies Stage[];
/** Set for the whole Node-RED, or for one flow or group in its own environment, which then goes first. */
export const stageVariable = 'HEALTHFLOWS_ENVIRONMENT';

/**
 * The server a node works on.
 * @throws Failure `policy-rejection` (`ODOO_STAGE`) for a production server where the node's group, flow or Node-RED is
 * marked test or sandbox; what `resolve` throws
 */
export function serverOf<C extends { server: string }>(
  context: Pick<NodeContext<C>, 'RED' | 'node' | 'config' | 'resolve'>,
): OdooServer {
  const { RED, node, config, resolve } = context;
  const server = resolve(odooServer, config.server);
  const given = String(RED.util.evaluateNodeProperty(stageVariable, 'env', node, {}) ?? '');
  refuseProduction(given, server.environment, server.client.url);
  return server;
}

/** @param marked what the flow is marked as; empty for not marked */
export function refuseProduction(marked: string, server: Stage, url: string): void {
  const stage = marked.trim().toLowerCase();
  if (stage === '' || (stage === 'production' && stages.includes(server))) return;
  if (!stages.includes(stage)) {
    throw new Failure(
      'configuration',
      'ODOO_STAGE',
      `${stageVariable} must be production, test or sandbox for this flow; it is something else.`,
      { outcome: 'none' },
    );
  }
  if (server !== 'production') return;
  throw new Failure(
    'policy-rejection',
    'ODOO_STAGE',
    `This flow is marked ${stage} (${stageVariable}) and the server ${url} is marked production, so nothing was sent. Choose another odoo-server, or change the mark where it is set: in the group, the flow, or Node-RED's environment.`,
    { outcome: 'none' },
  );
}

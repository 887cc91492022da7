import type { NodeContext } from '../node/index.ts';
import { refuseStage, type Stage, stageMark } from '../node/stage.ts';
import { type OdooServer, odooServer } from './index.ts';

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
  refuseProduction(stageMark(RED, node), server.environment, server.client.url);
  return server;
}

/** @param marked what the flow is marked as; empty for not marked */
export function refuseProduction(marked: string, stage: Stage, url: string): void {
  refuseStage(marked, { stage, url, node: 'odoo-server', code: 'ODOO_STAGE' });
}

/** What the flows ask of an Odoo server, found in the settings of the nodes that use it. */
import type { RuntimeApi } from '../node/index.ts';
import { actions, isActionName } from './client/actions.ts';
import { type Operation, odooRpcDefinition } from './odoo-rpc/odoo-rpc.def.ts';

/** Operations of `ir.model.access`. */
export type Right = 'read' | 'write' | 'create' | 'unlink';

/** What each operation of `odoo-rpc` needs on its model. */
const needed: Record<Operation, readonly Right[]> = {
  upsert: ['read', 'write', 'create'],
  create: ['create'],
  write: ['read', 'write'],
  unlink: ['read', 'unlink'],
  action: ['read', 'write'],
  'search-read': ['read'],
  read: ['read'],
  count: ['read'],
  aggregate: ['read'],
  // A file or a message needs what its document needs (`ir.attachment`, `mail.thread`).
  attach: ['read', 'write'],
  'post-message': ['read'],
  call: ['read'],
};

/** Models that deployed nodes name for the server, with the rights they need there; names in variables are unknown. */
export function modelsInUse(RED: RuntimeApi, server: string): Map<string, Set<Right>> {
  const used = new Map<string, Set<Right>>();
  const add = (model: unknown, rights: readonly Right[]) => {
    if (typeof model !== 'string' || !/^[a-z_][a-z0-9_.]*$/.test(model)) return;
    const known = used.get(model) ?? new Set<Right>();
    for (const right of rights) known.add(right);
    used.set(model, known);
  };
  RED.nodes.eachNode((node) => {
    if (node.server !== server || node.d === true) return;
    if (node.type === 'odoo-changes') add(node.model, ['read']);
    if (node.type !== 'odoo-rpc') return;
    const { operation, action, model, leftOut } = { ...odooRpcDefinition.defaults, ...node };
    if (operation === 'action') {
      if (isActionName(action)) add(actions[action].model, needed.action);
    } else if (Object.hasOwn(needed, operation)) {
      add(model, needed[operation]);
      if (operation === 'upsert' && leftOut === 'remove') add(model, ['unlink']);
    }
  });
  return used;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idsUsedDownstream } from '../../nodes/node/downstream.ts';
import type { RuntimeApi } from '../../nodes/node/index.ts';

const runtime = (nodes: Record<string, unknown>[]): RuntimeApi =>
  ({ nodes: { eachNode: (callback: (node: unknown) => void) => nodes.forEach(callback) } }) as unknown as RuntimeApi;

test('what nodes behind a node use is found over wires, links and subflows, and round a loop; not what is before', () => {
  const RED = runtime([
    { id: 'before', type: 'odoo-rpc', server: 'before-server', wires: [['from']] },
    { id: 'from', type: 'amqp-consume', connection: 'own', wires: [['a'], ['off']] },
    { id: 'a', type: 'function', wires: [['out', 'a']] },
    { id: 'off', type: 'odoo-rpc', server: 'disabled-server', d: true, wires: [['behind-off']] },
    { id: 'behind-off', type: 'odoo-rpc', server: 'behind-disabled', wires: [] },
    { id: 'out', type: 'link out', links: ['in'], wires: [] },
    { id: 'in', type: 'link in', wires: [['sub']] },
    { id: 'sub', type: 'subflow:s', wires: [['after']] },
    { id: 'inside', z: 's', type: 'odoo-rpc', server: 'inside-server', wires: [[]] },
    { id: 'after', type: 'settle', store: 'after-store', wires: [[]] },
    { id: 'elsewhere', type: 'odoo-rpc', server: 'other-server', wires: [[]] },
  ]);
  const used = idsUsedDownstream(RED, 'from');
  for (const id of ['inside-server', 'after-store']) assert.ok(used.has(id), id);
  for (const id of ['own', 'before-server', 'disabled-server', 'behind-disabled', 'other-server'])
    assert.ok(!used.has(id), id);
});

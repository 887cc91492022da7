/** replenishment in Node-RED: one output a verdict, the example as it is imported, and what it cannot propose from. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Proposal } from '../../nodes/inventory/propose.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';

let nodeRed: EmbeddedNodeRed;
before(async () => {
  nodeRed = await embedNodeRed();
});
after(() => nodeRed.stop());

test('the shelves of the example leave by the output of their verdict', async () => {
  const file = join(packageRoot, 'examples/10 Inventory/03 - replenishment proposal.json');
  await nodeRed.setFlows(JSON.parse(readFileSync(file, 'utf8')) as FlowNode[]);
  for (const [button, output, verdict, quantity] of [
    ['hf0703p0', 'hf0703order', 'order', '40'],
    ['hf0703p1', 'hf0703enough', 'enough', '0'],
    ['hf0703p2', 'hf0703check', 'check', '0'],
  ] as const) {
    const arrived = nodeRed.receive(output);
    nodeRed.node(button).receive({});
    const { proposal, failure } = (await arrived)[0] as unknown as { proposal: Proposal; failure?: { code: string } };
    assert.deepEqual([proposal.verdict, proposal.quantity], [verdict, quantity], proposal.because.join(' '));
    assert.equal(failure?.code, verdict === 'check' ? 'REPLENISHMENT_STOCK_NEGATIVE' : undefined);
  }
});

const flow: FlowNode[] = [
  { id: 'tab', type: 'tab', label: 'Replenishment' },
  { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['failed']] } as unknown as FlowNode,
  ...['failed', 'order', 'enough', 'check'].map((id) => ({ id, type: 'junction', z: 'tab', wires: [[]] })),
];

test('records of Odoo are taken as they are read, and the facts from where the node is told', async () => {
  const paths = { rule: 'payload.rule', stock: 'payload.quants', incoming: 'payload.moves', price: '' };
  const wires = [['order'], ['enough'], ['check']];
  await nodeRed.setFlows([...flow, { id: 'much', type: 'replenishment', z: 'tab', configVersion: 1, ...paths, wires }]);
  const arrived = nodeRed.receive('order');
  nodeRed.node('much').receive({
    payload: {
      rule: [{ product_min_qty: '20', product_max_qty: '100', qty_multiple: '10' }],
      quants: [{ quantity: '12', reserved_quantity: '2' }],
      moves: [{ product_qty: '5', origin: 'WH/INT/00003' }],
    },
  });
  const { proposal } = (await arrived)[0] as unknown as { proposal: Proposal };
  assert.deepEqual(
    [proposal.quantity, proposal.packs, proposal.available, proposal.value, proposal.documents],
    ['80', '8', '15', null, ['WH/INT/00003']],
  );
});

test('a missing rule, and a number that is a float, are the document’s fault and reach Catch', async () => {
  const wires = [['order'], ['enough'], ['check']];
  await nodeRed.setFlows([...flow, { id: 'much', type: 'replenishment', z: 'tab', wires }]);
  for (const [facts, code] of [
    [{ stock: '3', incoming: [] }, 'REPLENISHMENT_FACT_MISSING'],
    [{ rule: { minimum: '5' }, stock: 0.1, incoming: [] }, 'REPLENISHMENT_FACT_INVALID'],
  ] as const) {
    const failed = nodeRed.receive('failed');
    nodeRed.node('much').receive({ facts });
    const { failure } = (await failed)[0] as unknown as { failure: { class: string; code: string } };
    assert.deepEqual([failure.class, failure.code], ['data-quality', code]);
  }
});

/** document-match in Node-RED: one output a verdict, and the example as it is imported. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Match } from '../../nodes/matching/difference.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';

let nodeRed: EmbeddedNodeRed;
before(async () => {
  nodeRed = await embedNodeRed();
});
after(() => nodeRed.stop());

test('the bills of the example leave by the output of their verdict', async () => {
  const file = join(packageRoot, 'examples/08 Matching/01 - match a bill.json');
  await nodeRed.setFlows(JSON.parse(readFileSync(file, 'utf8')) as FlowNode[]);
  const expected = [
    [1, 'matched', undefined],
    [2, 'within-tolerance', undefined],
    [3, 'hold', 'purchasing'],
    [4, 'rejected', 'accounts-payable'],
  ] as const;
  for (const [n, outcome, owner] of expected) {
    const arrived = nodeRed.receive(`hfmat01dbg0000${n}`);
    nodeRed.node(`hfmat01inj0000${n}`).receive({});
    const { match } = (await arrived)[0] as unknown as { match: Match };
    assert.deepEqual([match.outcome, match.owner], [outcome, owner], match.summary);
    assert.deepEqual(match.profile, { id: 'example', version: '1.0.0' });
  }
});

test('a table that cannot be read is told at deploy, and no document passes', async () => {
  await nodeRed.setFlows([
    { id: 'tab', type: 'tab', label: 'Match' },
    { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['failed']] } as unknown as FlowNode,
    { id: 'failed', type: 'junction', z: 'tab', wires: [[]] },
    { id: 'match', type: 'document-match', z: 'tab', rules: [{ priceUp: 'two' }], wires: [[], [], [], []] },
  ]);
  const failed = nodeRed.receive('failed');
  nodeRed.node('match').receive({ payload: { number: '1', lines: [] } });
  const { failure } = (await failed)[0] as { failure: { code: string } };
  assert.equal(failure.code, 'MATCH_TOLERANCE');
});

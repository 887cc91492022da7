/** What an error of the runtime quotes, a line of the log must not. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';

const patient = 'Canary-Patient 4711';

let nodeRed: EmbeddedNodeRed;
before(async () => {
  nodeRed = await embedNodeRed();
});
after(() => nodeRed.stop());

test('an expression that fails on a value shows the value neither in the log nor in msg.failure', async () => {
  await nodeRed.setFlows([
    { id: 'tab', type: 'tab' },
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'log.sqlite' },
    {
      id: 'gate',
      z: 'tab',
      type: 'idempotency-gate',
      store: 'store',
      keySource: 'jsonata',
      keyExpression: '$number(payload.name)',
      wires: [[], [], [], []],
    },
    { id: 'catch', z: 'tab', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    { id: 'caught', z: 'tab', type: 'junction', wires: [[]] },
  ] as FlowNode[]);
  const caught = nodeRed.receive('caught');
  nodeRed.node('gate').receive({ payload: { name: patient } });
  const [message] = await caught;
  assert.doesNotMatch(JSON.stringify([message?.failure, message?.error]), /Canary/);
  assert.doesNotMatch(JSON.stringify(nodeRed.log), /Canary/);
});

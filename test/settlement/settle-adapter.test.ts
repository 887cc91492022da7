/** The adapter of `settle` under node-red-node-test-helper: what reaches the next node, and what never reaches Catch. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { afterEach, test } from 'node:test';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import settle from '../../nodes/settlement/settle/settle.ts';

interface Helper {
  init(runtime: string): void;
  load(nodes: unknown, flow: object[]): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): {
    on(event: 'input', listener: (message: FlowMessage) => void): void;
    receive(message: FlowMessage): void;
  };
}

const require = createRequire(import.meta.url);
const helper = require('node-red-node-test-helper') as Helper;
helper.init(require.resolve('node-red'));
afterEach(() => helper.unload());

/** With a place each: Node-RED takes a node without one for a config node. */
const flow = (more: object = {}) =>
  [
    { id: 'tab', type: 'tab' },
    { id: 'settle', z: 'tab', type: 'settle', wires: [['next']], ...more },
    { id: 'next', z: 'tab', type: 'helper', wires: [] },
    { id: 'catch', z: 'tab', type: 'catch', scope: null, wires: [['caught']] },
    { id: 'caught', z: 'tab', type: 'helper', wires: [] },
  ].map((node) => (node.type === 'tab' ? node : { x: 100, y: 100, ...node }));

function next(id: string): Promise<FlowMessage> {
  return new Promise((resolve) => helper.getNode(id).on('input', resolve));
}

test('a message that owes nothing is passed on with its settlement', async () => {
  await helper.load(settle, flow());
  const passed = next('next');
  helper.getNode('settle').receive({ payload: 'kept' });
  const message = await passed;
  assert.equal(message.payload, 'kept');
  assert.deepEqual(message.settlement, { disposition: 'none', result: 'settled' });
});

test('a failed HTTP message leaves with its problem description for http response', async () => {
  await helper.load(settle, flow());
  const passed = next('next');
  helper.getNode('settle').receive({
    res: {},
    failure: { class: 'policy-rejection', code: 'SCOPE', retryable: false, message: 'Not allowed.' },
  });
  const message = await passed;
  assert.equal(message.statusCode, 403);
  assert.equal((message.payload as { code: string }).code, 'SCOPE');
});

test('a delivery whose connection is gone is reported and passed on, not thrown to Catch', async () => {
  await helper.load(settle, flow());
  let caught = 0;
  helper.getNode('caught').on('input', () => caught++);
  const passed = next('next');
  helper.getNode('settle').receive({
    delivery: { connection: 'gone', queue: 'q', tag: 't', attempt: 1, redelivered: false },
  });
  const { settlement } = await passed;
  assert.equal((settlement as { result: string }).result, 'unreachable');
  assert.match((settlement as { reason: string }).reason, /CONFIG_NODE_MISSING/);
  assert.equal(caught, 0);
});

test('an outcome that does not exist stops the node with words for its owner', async () => {
  await helper.load(settle, flow({ outcome: 'perhaps' }));
  const caught = next('caught');
  helper.getNode('settle').receive({ payload: 1 });
  assert.equal((await caught).failure?.code, 'SETTLE_OUTCOME');
});

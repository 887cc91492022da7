/** A queue whose dead letters no node collects: the console counts them all the same. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Now } from '../../nodes/console/now.ts';
import { type EmbeddedNodeRed, embedNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

let red: EmbeddedNodeRed;
before(async () => {
  red = await embedNodeRed({ settings: { healthflows: { allowUnauthenticatedOperations: true } } });
});
after(() => red?.stop());

test('dead letters without a dead-letter node are counted with their queue', async () => {
  const common = { z: 'tab', configVersion: 1, connection: 'amqp' };
  await red.setFlows([
    { id: 'tab', type: 'tab', label: 'Orders' },
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'left.sqlite', configVersion: 1 },
    { id: 'amqp', type: 'amqp-connection', engine: 'embedded', namespace: 'left', store: 'store', configVersion: 1 },
    { ...common, id: 'publish', type: 'amqp-publish', wires: [[]] },
    { ...common, id: 'consume', type: 'amqp-consume', queue: 'orders', bindings: 'order', wires: [[]] },
  ]);
  // Not what it says it is, so the consumer refuses it.
  red.node('publish').receive({
    payload: '{"a":',
    event: { id: '1', source: '/acme', type: 'order', datacontenttype: 'application/json' },
  });
  const queue = await waitUntil('the letter is counted', async () => {
    const now = (await (await fetch(`${red.url}/healthflows/console/api/now`)).json()) as Now;
    return now.flows.flatMap(({ queues }) => queues).find(({ letters }) => letters > 0);
  });
  assert.deepEqual([queue.queue, queue.letters], ['left.orders', 1]);
});

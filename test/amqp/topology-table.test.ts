/** The dialog shows everything that a connection declares, as the engine declares it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topologyRows } from '../../nodes/amqp/amqp-connection/topology-table.ts';
import { queue } from './engines.ts';

const bindings = [{ exchange: 'hf.events', routingKey: 'order.#' }];
const topology = {
  exchanges: ['hf.events'],
  queues: [queue('hf.orders', { bindings, retrySteps: [10_000, 60_000], maxLength: 500, singleActiveConsumer: true })],
};
const told = (engine: 'rabbitmq' | 'embedded') =>
  topologyRows(engine, topology).map(({ name, role, type, terms }) => [name, role, type, terms.map(({ key }) => key)]);

test('on RabbitMQ each retry step is a queue of its own, and the dead letters are one', () => {
  assert.deepEqual(told('rabbitmq'), [
    ['hf.events', 'exchange', undefined, ['topic']],
    ['hf.orders', 'work', 'quorum', ['deliveries', 'length', 'single']],
    ['hf.orders.retry.10s', 'retry', undefined, ['step']],
    ['hf.orders.retry.1m', 'retry', undefined, ['step']],
    ['hf.orders.dead', 'dead', undefined, ['letters']],
  ]);
});

test('the embedded queue keeps its retries, knows no types, and lets every consumer of this Node-RED take', () => {
  assert.deepEqual(told('embedded'), [
    ['hf.events', 'exchange', undefined, ['topic']],
    ['hf.orders', 'work', undefined, ['deliveries', 'length', 'waits']],
    ['hf.orders.dead', 'dead', undefined, ['letters']],
  ]);
});

test('a classic queue says its priorities; the embedded one has none to say', () => {
  const queues = [queue('hf.urgent', { type: 'classic', maxPriority: 9 })];
  const keys = (engine: 'rabbitmq' | 'embedded') =>
    topologyRows(engine, { exchanges: [], queues })[0]!.terms.map(({ key }) => key);
  assert.deepEqual(keys('rabbitmq'), ['deliveries', 'priorities']);
  assert.deepEqual(keys('embedded'), ['deliveries', 'waits']);
});

test('a queue without retries has neither retry nor dead letter queues', () => {
  const { retrySteps: _steps, ...plain } = queue('hf.plain');
  assert.deepEqual(
    topologyRows('rabbitmq', { exchanges: [], queues: [plain] }).map(({ role }) => role),
    ['work'],
  );
});

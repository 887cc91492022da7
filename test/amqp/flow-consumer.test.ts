/** What lies between a subscription and a flow, on an engine in a temporary store. */
import assert from 'node:assert/strict';
import { after, before, describe, mock, test } from 'node:test';
import { startConnection } from '../../nodes/amqp/connection-service.ts';
import { FlowConsumer, type FlowConsumerOptions } from '../../nodes/amqp/flow-consumer.ts';
import { defaultRetryPolicy } from '../../nodes/amqp/retry-policy.ts';
import type { AmqpConnectionService } from '../../nodes/amqp/service.ts';
import type { Failure } from '../../nodes/kernel/failure.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { type Bench, failure, message, queue, rabbitKind, sqliteKind, until } from './engines.ts';

describe('Flow consumer', () => {
  let bench: Bench;
  let service: AmqpConnectionService;
  let n = 0;
  const consumers: FlowConsumer[] = [];

  before(async () => {
    bench = await sqliteKind.open();
    const store = { id: 'store', store: bench.store! };
    service = startConnection({ id: 'amqp', namespace: 'ns', engine: bench.engine, store }).service;
  });
  after(async () => {
    for (const consumer of consumers) await consumer.close(0);
    await bench.dispose();
  });

  async function consuming(more: Partial<FlowConsumerOptions> = {}) {
    const name = `ns.q${++n}`;
    await service.declare({ exchanges: [], queues: [queue(name)] });
    const seen: FlowMessage[] = [];
    const problems: Failure[] = [];
    const consumer = new FlowConsumer({
      connection: service,
      queue: name,
      prefetch: 10,
      concurrency: 10,
      orderByKey: false,
      policy: { ...defaultRetryPolicy, steps: [50], cap: 50 },
      maxBody: 100,
      settleDeadline: 60_000,
      deliveryLimit: 20,
      node: { id: 'n1', type: 'amqp-consume' },
      emit: (each) => seen.push(each),
      onProblem: (failure) => problems.push(failure),
      onChange: () => undefined,
      ...more,
    });
    consumers.push(consumer);
    return { name, seen, problems, consumer };
  }

  test('nothing is taken before the flows have started', async () => {
    const { name, seen, consumer } = await consuming();
    await service.publish(message('', name));
    assert.equal((await service.depth(name)).ready, 1);
    consumer.start();
    await until('it came', () => seen.length === 1);
    await service.settle(seen[0]!.delivery!.tag, { kind: 'done' });
    assert.equal(consumer.inFlight, 0);
  });

  test('a body over the limit goes to the dead letters with its size and the node, and the flow never sees it', async () => {
    const { name, seen, problems, consumer } = await consuming();
    consumer.start();
    await service.publish(message('', name, { body: Buffer.alloc(101) }));
    await until(
      'it is refused',
      async () => problems.length === 1 && (await service.depth(`${name}.dead`)).ready === 1,
    );
    assert.equal(problems[0]!.code, 'AMQP_BODY_TOO_LARGE');
    assert.equal(seen.length, 0);
  });

  test('what a flow never settles is reported once, and tried again as the next try', async () => {
    const { name, seen, problems, consumer } = await consuming({ settleDeadline: 5 });
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      consumer.start();
      await service.publish(message('', name));
      await until('it came', () => seen.length === 1);
      await new Promise((resolve) => setTimeout(resolve, 10));
      mock.timers.tick(15_000);
      mock.timers.tick(15_000);
      await until('it came again', () => seen.length === 2);
    } finally {
      mock.timers.reset();
    }
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['AMQP_UNSETTLED'],
    );
    assert.match(problems[0]!.message, /settle node/);
    assert.equal(seen[1]!.delivery!.attempt, 2);
    // The late settle of the first delivery reaches nothing.
    assert.equal((await service.settle(seen[0]!.delivery!.tag, { kind: 'done' })).result, 'already-settled');
    assert.equal((await service.settle(seen[1]!.delivery!.tag, { kind: 'done' })).result, 'settled');
  });

  test('a settle that comes too late or twice does nothing, and is counted', async () => {
    const { name, seen, consumer } = await consuming();
    consumer.start();
    await service.publish(message('', name));
    await until('it came', () => seen.length === 1);
    const { stale, alreadySettled } = service.counters;
    const { tag } = seen[0]!.delivery!;
    await consumer.close(0);
    const again = await consuming();
    assert.equal((await service.settle(tag, { kind: 'done' })).result, 'stale');
    assert.equal((await service.depth(name)).ready, 1, 'it comes again');
    again.consumer.start();
    await service.publish(message('', again.name));
    await until('it came', () => again.seen.length === 1);
    const next = again.seen[0]!.delivery!.tag;
    await service.settle(next, { kind: 'done' });
    assert.equal((await service.settle(next, { kind: 'dead-letter', failure })).result, 'already-settled');
    assert.deepEqual([service.counters.stale - stale, service.counters.alreadySettled - alreadySettled], [1, 1]);
  });

  test('a message that waited for its turn longer than the deadline has its whole time in the flow', async () => {
    const { name, seen, problems, consumer } = await consuming({ concurrency: 1, settleDeadline: 60_000 });
    mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() });
    try {
      consumer.start();
      for (let i = 0; i < 2; i++) await service.publish(message('', name));
      await until('both are here', () => seen.length === 1 && service.openDeliveries(name).length === 2);
      mock.timers.tick(3_600_000);
      await service.settle(seen[0]!.delivery!.tag, { kind: 'done' });
      await until('the second is in the flow', () => seen.length === 2);
      mock.timers.tick(15_000);
      assert.equal((await service.settle(seen[1]!.delivery!.tag, { kind: 'done' })).disposition, 'done');
    } finally {
      mock.timers.reset();
    }
    assert.deepEqual(problems.slice(1), [], 'only the first, which was an hour in the flow by the clock, may be late');
  });

  test('while the retry budget is spent, what the flow has not seen stays here in its order', async () => {
    const { service: thrifty } = startConnection({
      id: 'thrifty',
      namespace: 'ns',
      engine: bench.another(),
      store: { id: 'store', store: bench.store! },
      retryBudget: { share: 0, floor: 1 },
    });
    const { name, seen, consumer } = await consuming({ connection: thrifty, concurrency: 1 });
    for (let i = 0; i < 8; i++) await service.publish(message('', name));
    consumer.start();
    const outage = { class: 'dependency-outage', code: 'X', retryable: true, message: 'm' } as const;
    for (let i = 0; i < 6; i++) {
      await until('it came', () => seen.length === i + 1 && thrifty.openDeliveries(name).length > 0);
      await thrifty.settle(seen[i]!.delivery!.tag, { kind: 'retry', delay: 3_600_000, failure: outage });
    }
    assert.equal(consumer.halted?.kind, 'budget');
    assert.equal(thrifty.openDeliveries(name).length, 2);
  });

  test('a deploy hands back at once what the flow has not seen', async () => {
    const { name, seen, consumer } = await consuming({ concurrency: 1 });
    consumer.start();
    for (let i = 0; i < 3; i++) await service.publish(message('', name));
    await until('one is in the flow', () => seen.length === 1);
    consumer.stop();
    await until('two are back', async () => (await service.depth(name)).ready === 2);
    assert.equal((await service.settle(seen[0]!.delivery!.tag, { kind: 'done' })).result, 'settled');
    consumer.start();
    await until('the next one comes', () => seen.length === 2);
    await service.settle(seen[1]!.delivery!.tag, { kind: 'done' });
    await until('and the last', () => seen.length === 3);
    await service.settle(seen[2]!.delivery!.tag, { kind: 'done' });
  });

  test('a paused queue gives nothing until it is resumed', async () => {
    const { name, seen, consumer } = await consuming();
    await service.pause(name);
    consumer.start();
    await service.publish(message('', name));
    assert.equal(consumer.halted?.kind, 'paused');
    assert.equal(seen.length, 0);
    await service.resume(name);
    await until('it came', () => seen.length === 1);
    await service.settle(seen[0]!.delivery!.tag, { kind: 'done' });
  });

  test('the policy of the consumer decides what a failure becomes', async () => {
    const { name, seen, consumer } = await consuming();
    consumer.start();
    await service.publish(message('', name));
    await until('it came', () => seen.length === 1);
    const outage = { class: 'dependency-outage', code: 'X', retryable: true, message: 'm' } as const;
    const first = await service.settle(seen[0]!.delivery!.tag, { kind: 'failed', failure: outage });
    assert.equal(first.disposition, 'retry');
    assert.ok(first.delay! >= 50 && first.delay! <= 55);
    await until('it came again', () => seen.length === 2);
    const bad = { ...outage, class: 'data-quality', retryable: false } as const;
    const second = await service.settle(seen[1]!.delivery!.tag, { kind: 'failed', failure: bad });
    assert.deepEqual(second, {
      result: 'settled',
      disposition: 'dead-letter',
      reason: 'A data-quality failure is not retried.',
    });
  });
});

describe('Flow consumer on RabbitMQ', { skip: rabbitKind.skip }, () => {
  test('what was on its way when its queue was paused goes back, for whoever may take it', async () => {
    const bench = await rabbitKind.open();
    const { service, close } = startConnection({ id: 'amqp', namespace: bench.prefix, engine: bench.another() });
    const name = `${bench.prefix}.q`;
    await service.declare({ exchanges: [], queues: [queue(name)] });
    const count = 200;
    await Promise.all(Array.from({ length: count }, () => service.publish(message('', name))));
    const seen: FlowMessage[] = [];
    let pausing: Promise<void> | undefined;
    const consumer = new FlowConsumer({
      connection: service,
      queue: name,
      prefetch: 100,
      concurrency: 1,
      orderByKey: false,
      policy: defaultRetryPolicy,
      maxBody: 1_000_000,
      settleDeadline: 60_000,
      deliveryLimit: 20,
      node: { id: 'c', type: 'amqp-consume' },
      emit(each) {
        seen.push(each);
        pausing ??= service.pause(name);
      },
      onProblem: () => undefined,
      onChange: () => undefined,
    });
    consumer.start();
    await until('one is in the flow', () => seen.length === 1);
    await pausing;
    await until('all others are in the queue', async () => (await service.depth(name)).ready === count - 1);
    await service.settle(seen[0]!.delivery!.tag, { kind: 'done' });
    await consumer.close(0);
    await close();
    await bench.dispose();
  });
});

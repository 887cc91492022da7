import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RunningConnection, startConnection } from '../../nodes/amqp/connection-service.ts';
import { defaultRetryPolicy } from '../../nodes/amqp/retry-policy.ts';
import { RetryBudget } from '../../nodes/amqp/retry-budget.ts';
import { allKinds, type Bench, failure, message, queue, until } from './engines.ts';

describe('Retry budget', () => {
  test('a fault may spend what five minutes have saved; then consumers wait until time has paid for the debt', () => {
    let now = 0;
    const budget = new RetryBudget({ share: 0.2, floor: 60 }, () => now);
    for (let i = 0; i < 300; i++) budget.retried();
    assert.deepEqual([budget.state.available, budget.state.spent], [0, false]);
    // What is in flight may still fail; nothing is refused its retry.
    for (let i = 0; i < 10; i++) budget.retried();
    assert.deepEqual(budget.state, { available: -10, capacity: 300, spent: true, resumesIn: 11_000 });
    now += 10_500;
    assert.equal(budget.state.spent, true);
    now += 500;
    assert.equal(budget.state.spent, false);
  });

  test('successes pay their share and no more than the budget holds', () => {
    const budget = new RetryBudget({ share: 0.25, floor: 60 }, () => 0);
    for (let i = 0; i < 1_000; i++) budget.succeeded();
    assert.equal(budget.state.available, 300);
    for (let i = 0; i < 4_000; i++) {
      if (i % 4 === 0) budget.retried();
      budget.succeeded();
    }
    assert.equal(budget.state.available, 300, 'one retry in four successes costs nothing');
  });

  test('over a long storm no more is retried than the floor and what was saved', () => {
    let now = 0;
    const budget = new RetryBudget({ share: 0, floor: 120 }, () => now);
    let retried = 0;
    for (; now < 3_600_000; now += 100) {
      // Each look finds twenty messages, and all of them fail.
      if (budget.state.spent) continue;
      for (let i = 0; i < 20; i++) budget.retried();
      retried += 20;
    }
    assert.ok(retried <= 120 * 60 + 600 + 20, `${retried} retries in an hour`);
  });

  test('without a floor in the settings there is one still, so that nothing waits for ever', () => {
    const budget = new RetryBudget({ share: 0, floor: 0 }, () => 0);
    assert.equal(budget.state.capacity, 5);
  });
});

for (const kind of allKinds) {
  describe(`A storm of retries on ${kind.title}`, { skip: kind.skip }, () => {
    let bench: Bench;
    let running: RunningConnection;
    before(async () => {
      bench = await kind.open();
      running = startConnection({
        id: 'amqp',
        namespace: bench.prefix,
        engine: bench.engine,
        ...(bench.store === undefined ? {} : { store: { id: 'store', store: bench.store } }),
        // Ten saved up, one more every half second.
        retryBudget: { share: 0, floor: 120 },
      });
    });
    after(async () => {
      await running.close();
      await bench.dispose();
    });

    test('slows the consumers down by itself, says so, and loses nothing', async () => {
      const { service } = running;
      const name = `${bench.prefix}.storm`;
      await service.declare({ exchanges: [], queues: [queue(name)] });
      const halts: (string | undefined)[] = [];
      const ids = new Set<string>();
      let broken = true;
      await service.consume(
        {
          queue: name,
          prefetch: 5,
          policy: { ...defaultRetryPolicy, attempts: 1_000, steps: [200, 1_000], cap: 200 },
          onHalt: () => halts.push(service.halted(name)?.kind),
        },
        (delivery) => {
          const done = broken ? ({ kind: 'failed', failure } as const) : ({ kind: 'done' } as const);
          void service.settle(delivery.handle, done).then(({ disposition }) => {
            if (disposition === 'done') ids.add(delivery.properties.messageId);
          });
        },
      );
      const sent = Array.from({ length: 700 }, () => message('', name));
      await Promise.all(sent.map((each) => service.publish(each)));
      await until('the budget is used up', () => service.budget().spent);
      await until('the consumer is told', () => halts.includes('budget'));
      assert.match(service.held(name) ?? '', /retry budget/);
      assert.equal(service.paused(name), false, 'nobody has paused it');
      broken = false;
      await until('all are done', () => ids.size === sent.length);
      assert.equal(service.budget().spent, false);
    });
  });
}

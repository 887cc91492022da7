import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../../nodes/kernel/failure.ts';
import { fullJitter } from '../../../nodes/kernel/resilience/backoff.ts';
import { Breaker, type BreakerState } from '../../../nodes/kernel/resilience/breaker.ts';
import { Bulkhead } from '../../../nodes/kernel/resilience/bulkhead.ts';
import { Deadline, sleep } from '../../../nodes/kernel/resilience/deadline.ts';
import { Guard } from '../../../nodes/kernel/resilience/guard.ts';
import { RateLimit } from '../../../nodes/kernel/resilience/rate-limit.ts';
import { RetryBudget, retry } from '../../../nodes/kernel/resilience/retry.ts';

const outage = (more: { retryAfter?: number } = {}) => new Failure('dependency-outage', 'DOWN', 'down', more);
const refusal = () => new Failure('data-quality', 'BAD', 'bad');
const fail = (failure: Failure) => async (): Promise<never> => {
  throw failure;
};
const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('backoff', () => {
  test('waits are spread over the whole interval, which doubles up to the cap', () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 40].map((attempt) =>
      fullJitter(attempt, { base: 100, cap: 1_000, random: () => 0.999 }),
    );
    assert.deepEqual(ceilings, [99, 199, 399, 799, 999, 999, 999]);
    assert.equal(fullJitter(5, { random: () => 0 }), 0);
  });
});

describe('deadline', () => {
  test('aborts with its own error when it passes, and tells what is left', async () => {
    const deadline = new Deadline(5, () => outage());
    assert.ok(deadline.remaining > 0);
    await assert.rejects(sleep(60_000, deadline.signal), code('DOWN'));
    assert.equal(deadline.remaining, 0);
    deadline.clear();
  });

  test('follows an outer signal, before and after it fired', async () => {
    const outer = new AbortController();
    const deadline = new Deadline(60_000, () => outage(), outer.signal);
    outer.abort(refusal());
    await assert.rejects(sleep(60_000, deadline.signal), code('BAD'));
    deadline.clear();
    const late = new Deadline(60_000, () => outage(), outer.signal);
    assert.ok(late.signal.aborted);
    late.clear();
  });
});

describe('bulkhead', () => {
  test('lets so many in, queues so many in order, refuses the next', async () => {
    const bulkhead = new Bulkhead({ name: 'X', concurrency: 2, queue: 2 });
    const order: number[] = [];
    const gates: (() => void)[] = [];
    const work = (n: number) =>
      bulkhead.run(
        () =>
          new Promise<void>((resolve) => {
            order.push(n);
            gates.push(resolve);
          }),
      );
    const all = [1, 2, 3, 4].map(work);
    await turn();
    assert.deepEqual([bulkhead.active, bulkhead.queued], [2, 2]);
    await assert.rejects(work(5), (error: Failure) => error.class === 'saturation' && error.code === 'BULKHEAD_FULL');
    for (let i = 0; i < 4; i++) {
      gates[i]!();
      await turn();
    }
    await Promise.all(all);
    assert.deepEqual(order, [1, 2, 3, 4]);
    assert.deepEqual([bulkhead.active, bulkhead.queued], [0, 0]);
  });

  test('work that fails gives its place back; who gives up waiting leaves the queue', async () => {
    const bulkhead = new Bulkhead({ name: 'X', concurrency: 1, queue: 5 });
    await assert.rejects(bulkhead.run(fail(outage())), code('DOWN'));
    let open = () => {};
    const first = bulkhead.run(
      () =>
        new Promise<void>((resolve) => {
          open = resolve;
        }),
    );
    const impatient = new AbortController();
    const waiting = bulkhead.run(async () => 'never', impatient.signal);
    impatient.abort(refusal());
    await assert.rejects(waiting, code('BAD'));
    assert.equal(bulkhead.queued, 0);
    open();
    await first;
    assert.equal(await bulkhead.run(async () => 'free'), 'free');
  });
});

describe('rate limit', () => {
  test('a burst goes at once, then one by one at the rate, and a wait too long is refused with its length', () => {
    let now = 0;
    const limit = new RateLimit({ name: 'X', perSecond: 2, burst: 3, maxWait: 1_000, now: () => now });
    assert.deepEqual([limit.reserve(), limit.reserve(), limit.reserve()], [0, 0, 0]);
    assert.deepEqual([limit.reserve(), limit.reserve()], [500, 1_000]);
    assert.throws(
      () => limit.reserve(),
      (error: Failure) => error.code === 'RATE_LIMITED' && error.retryAfter === 1_500,
    );
    now = 10_000;
    assert.equal(limit.reserve(), 0);
  });

  test('0 is no limit, and who gives up waiting gives the token back', async () => {
    const free = new RateLimit({ name: 'X', perSecond: 0 });
    for (let i = 0; i < 1_000; i++) assert.equal(free.reserve(), 0);
    const now = 0;
    const limit = new RateLimit({ name: 'X', perSecond: 1, burst: 1, now: () => now });
    await limit.take();
    await assert.rejects(limit.take(AbortSignal.abort(refusal())), code('BAD'));
    assert.equal(limit.reserve(), 1_000);
  });
});

describe('breaker', () => {
  const make = (more = {}) => {
    const clock = { now: 1_000_000 };
    const seen: BreakerState['kind'][] = [];
    const breaker = new Breaker({
      name: 'X',
      minimum: 4,
      openFor: 1_000,
      openMost: 4_000,
      now: () => clock.now,
      ...more,
    });
    breaker.onChange((state) => seen.push(state.kind));
    return { breaker, clock, seen };
  };
  const failing = async (breaker: Breaker, times: number) => {
    for (let i = 0; i < times; i++) await assert.rejects(breaker.run(fail(outage())), code('DOWN'));
  };

  test('opens at the ratio, refuses without calling, half-opens after the pause, closes after its probes', async () => {
    const { breaker, clock, seen } = make();
    await breaker.run(async () => 1);
    await failing(breaker, 3);
    assert.equal(breaker.state.kind, 'open');
    let called = false;
    await assert.rejects(
      breaker.run(async () => {
        called = true;
      }),
      (error: Failure) => error.code === 'BREAKER_OPEN' && error.retryAfter === 1_000 && error.outcome === 'none',
    );
    assert.equal(called, false);
    clock.now += 1_000;
    assert.equal(breaker.wait, 0);
    await breaker.run(async () => 1);
    assert.equal(breaker.state.kind, 'half-open');
    await breaker.run(async () => 1);
    assert.deepEqual(seen, ['open', 'half-open', 'closed']);
  });

  test('a failed probe opens it again for twice as long, up to the most', async () => {
    const { breaker, clock } = make();
    await failing(breaker, 4);
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      waits.push(breaker.wait);
      clock.now += breaker.wait;
      await failing(breaker, 1);
    }
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 4_000]);
  });

  test('only so many probes run at once', async () => {
    const { breaker, clock } = make();
    await failing(breaker, 4);
    clock.now += 1_000;
    const gates: (() => void)[] = [];
    const probe = () => breaker.run(() => new Promise<void>((resolve) => gates.push(resolve)));
    const running = [probe(), probe()];
    await assert.rejects(probe(), code('BREAKER_OPEN'));
    for (const open of gates) open();
    await Promise.all(running);
    assert.equal(breaker.state.kind, 'closed');
  });

  test('what is the document’s fault never counts; old failures leave the window', async () => {
    const { breaker, clock } = make({ window: 10_000 });
    for (let i = 0; i < 20; i++) await assert.rejects(breaker.run(fail(refusal())), code('BAD'));
    assert.equal(breaker.state.kind, 'closed');
    const other = make({ window: 10_000 });
    await failing(other.breaker, 3);
    other.clock.now += 11_000;
    await failing(other.breaker, 3);
    assert.equal(other.breaker.state.kind, 'closed');
    assert.ok(clock.now > 0);
  });

  test('slow successes count as failures where that is wanted', async () => {
    const { breaker, clock } = make({ slowCall: 100 });
    for (let i = 0; i < 4; i++)
      await breaker.run(async () => {
        clock.now += 200;
      });
    assert.equal(breaker.state.kind, 'open');
  });

  test('an operator isolates it and releases it', async () => {
    const { breaker, clock } = make();
    breaker.isolate();
    clock.now += 1_000_000;
    await assert.rejects(
      breaker.run(async () => 1),
      code('BREAKER_OPEN'),
    );
    breaker.release();
    assert.equal(await breaker.run(async () => 1), 1);
  });
});

describe('retry', () => {
  test('repeats what may pass, at most so often, and never what cannot', async () => {
    let calls = 0;
    await assert.rejects(
      retry(
        async () => {
          calls++;
          throw outage();
        },
        { attempts: 4, base: 1 },
      ),
      code('DOWN'),
    );
    assert.equal(calls, 4);
    calls = 0;
    await assert.rejects(
      retry(async () => {
        calls++;
        throw refusal();
      }),
      code('BAD'),
    );
    assert.equal(calls, 1);
  });

  test('waits at least as long as it was asked to; longer than the cap is left to the queue', async () => {
    let calls = 0;
    const result = await retry(
      async (attempt) => {
        calls++;
        if (attempt === 1) throw outage({ retryAfter: 5 });
        return attempt;
      },
      { base: 1 },
    );
    assert.deepEqual([result, calls], [2, 2]);
    await assert.rejects(retry(fail(outage({ retryAfter: 60_000 }))), (error: Failure) => error.retryAfter === 60_000);
  });

  test('a wait that does not fit the time left is not begun', async () => {
    await assert.rejects(retry(fail(outage({ retryAfter: 4_000 })), { remaining: () => 3_000 }), code('DOWN'));
  });

  test('repeats are a share of the calls: with all failing, load grows by a tenth', async () => {
    const budget = new RetryBudget(0.1, 10);
    let calls = 0;
    for (let i = 0; i < 200; i++) {
      await assert.rejects(
        retry(
          async () => {
            calls++;
            throw outage();
          },
          { base: 0.001, budget },
        ),
        code('DOWN'),
      );
    }
    assert.ok(calls <= 200 + 10 + 20, `${calls} calls`);
  });
});

describe('guard', () => {
  test('the deadline covers waiting and all tries', async () => {
    const guard = new Guard({ name: 'X', deadline: 20, attempts: 100 });
    await assert.rejects(
      guard.run((signal) => sleep(60_000, signal)),
      code('DEADLINE'),
    );
  });

  test('a retry passes the breaker again, so that an open one ends the tries', async () => {
    const guard = new Guard({ name: 'X', attempts: 10, breaker: { minimum: 2, openFor: 60_000 } });
    let calls = 0;
    await assert.rejects(
      guard.run(async () => {
        calls++;
        throw outage();
      }),
      (error: Failure) => error.code === 'BREAKER_OPEN' && (error.retryAfter ?? 0) > 50_000,
    );
    assert.equal(calls, 2);
  });
});

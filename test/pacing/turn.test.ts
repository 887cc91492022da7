/** Numbered messages in order, on both stores: early, late, doubled, missing, failed, and a clock that jumps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { listAudit } from '../../nodes/kernel/audit/index.ts';
import { endTurn, takeTurn, type TurnRequest } from '../../nodes/pacing/turn.ts';
import { type StoreFixture, storesUnderTest } from '../support/store.ts';

const deadline = 60_000;
let keys = 0;

function stream(fixture: StoreFixture, over: Partial<TurnRequest> = {}) {
  const of = { scope: 's', key: `k${++keys}` };
  const come = async (number: number, options: { event?: string; at?: number; replayed?: boolean } = {}) => {
    fixture.setClock(options.at ?? 0);
    return await fixture.store.run(takeTurn, {
      ...of,
      number,
      event: options.event ?? `e${number}`,
      begins: 'one',
      deadline,
      replayed: options.replayed ?? false,
      node: 'n',
      ...over,
    });
  };
  const done = (number: number, event = `e${number}`) => fixture.store.run(endTurn, { ...of, number, event });
  return { come, done };
}

for (const { name, options, fresh } of storesUnderTest()) {
  const promise = (title: string, body: (fixture: StoreFixture) => Promise<void>): void => {
    void test(`${title} (${name})`, options, async () => {
      await using fixture = await fresh();
      await body(fixture);
    });
  };

  promise('a message goes on when the one before it is done, not when it has passed', async (fixture) => {
    const { come, done } = stream(fixture);
    assert.deepEqual(await come(1), { kind: 'pass' });
    assert.equal((await come(2)).kind, 'wait');
    await done(1);
    assert.equal((await come(2)).kind, 'pass');
    assert.equal((await come(2)).kind, 'pass', 'redelivered after a crash');
    await done(2);
    assert.equal((await come(2)).kind, 'duplicate');
  });

  promise('any order of arrival leaves the order of the numbers', async (fixture) => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7], { minLength: 7 }), async (arrivals) => {
        const { come, done } = stream(fixture);
        const effects: number[] = [];
        for (let queue = arrivals; queue.length > 0; ) {
          const number = queue[0]!;
          queue = queue.slice(1);
          if ((await come(number)).kind === 'pass') {
            effects.push(number);
            await done(number);
          } else queue.push(number);
        }
        assert.deepEqual(effects, [1, 2, 3, 4, 5, 6, 7]);
      }),
      { numRuns: 20 },
    );
  });

  promise('a new key may begin with the first number that comes', async (fixture) => {
    const { come, done } = stream(fixture, { begins: 'seen' });
    assert.equal((await come(41)).kind, 'pass');
    await done(41);
    assert.equal((await come(43)).kind, 'wait');
    assert.equal((await come(42)).kind, 'pass');
  });

  promise('a gap waits for the deadline, then a person is told once, by the lowest that waits', async (fixture) => {
    const { come, done } = stream(fixture);
    await come(1);
    await done(1);
    assert.equal((await come(4)).kind, 'wait');
    assert.equal((await come(5)).kind, 'wait');
    assert.equal((await come(4, { at: deadline - 1_000 })).kind, 'wait');
    assert.equal((await come(5, { at: deadline + 1_000 })).kind, 'wait');
    assert.deepEqual(await come(4, { at: deadline + 1_000 }), { kind: 'gap', from: 2, to: 3, failed: false });
    await come(4, { at: deadline + 2_000 });
    const { records } = await fixture.store.run(listAudit, { filter: { action: 'sequence.gap' } });
    assert.deepEqual(
      records.map(({ detail }) => [detail?.number, detail?.from, detail?.to]),
      [[4, 2, 3]],
    );
  });

  promise(
    'a replay of the one that waited goes on without, and what was missing comes to a person',
    async (fixture) => {
      const { come, done } = stream(fixture);
      await come(1);
      await done(1);
      await come(4);
      await come(4, { at: deadline });
      assert.deepEqual(await come(4, { at: deadline, replayed: true }), { kind: 'pass', skipped: { from: 2, to: 3 } });
      await done(4);
      assert.equal((await come(5)).kind, 'pass');
      assert.deepEqual(await come(2), { kind: 'late', taken: false, head: 4 });
      assert.equal((await come(2, { replayed: true })).kind, 'pass');
      await done(2);
      assert.equal((await come(2)).kind, 'duplicate');
      const { records } = await fixture.store.run(listAudit, {});
      assert.deepEqual(
        records.map(({ action }) => action),
        ['sequence.late', 'sequence.gap-accepted', 'sequence.gap'],
      );
    },
  );

  promise('a replay before anybody was told of a gap does not jump it', async (fixture) => {
    const { come, done } = stream(fixture);
    await come(1);
    await done(1);
    assert.equal((await come(3, { replayed: true })).kind, 'wait');
  });

  promise('the gap says when the one before came and failed', async (fixture) => {
    const { come } = stream(fixture);
    await come(1);
    await come(2);
    assert.deepEqual(await come(2, { at: deadline }), { kind: 'gap', from: 1, to: 1, failed: true });
  });

  promise('a number that another message had goes to a person, before and after it is done', async (fixture) => {
    const { come, done } = stream(fixture);
    await come(1);
    assert.deepEqual(await come(1, { event: 'twin' }), { kind: 'late', taken: true, head: 0 });
    await done(1);
    assert.equal((await come(1, { event: 'twin' })).kind, 'late');
    await come(3);
    assert.equal((await come(3, { event: 'twin' })).kind, 'late');
    assert.equal((await come(1, { event: 'twin', replayed: true })).kind, 'pass');
  });

  promise(
    'a clock that jumps an hour either way changes no order, and a step back only delays the telling',
    async (fixture) => {
      const { come, done } = stream(fixture);
      await come(1, { at: 3_600_000 });
      assert.equal((await come(2, { at: 3_600_000 })).kind, 'wait');
      assert.equal((await come(2, { at: 0 })).kind, 'wait');
      await done(1);
      assert.equal((await come(2, { at: -3_600_000 })).kind, 'pass');
    },
  );

  promise('ending a turn twice, or that of a late one, moves nothing', async (fixture) => {
    const { come, done } = stream(fixture);
    await come(1);
    await done(1);
    await done(1);
    await come(2);
    await done(1);
    assert.equal((await come(3)).kind, 'wait');
    await done(2);
    assert.equal((await come(3)).kind, 'pass');
  });
}

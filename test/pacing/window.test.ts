/** One message a key within a window, whatever is redelivered, on both stores. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetWindows, type Knock, knock } from '../../nodes/pacing/window.ts';
import { type StoreFixture, storesUnderTest } from '../support/store.ts';

const window = 60_000;

function knocker(fixture: StoreFixture, mode: Knock['mode'], longest = 10 * window) {
  return async (event: string, at = 0, key = 'GLOVE-M|WARD-3E') => {
    fixture.setClock(at);
    return await fixture.store.run(knock, { scope: 's', key, event, mode, window, longest });
  };
}

for (const { name, options, fresh } of storesUnderTest()) {
  const promise = (title: string, body: (fixture: StoreFixture) => Promise<void>): void => {
    void test(`${title} (${name})`, options, async () => {
      await using fixture = await fresh();
      await body(fixture);
    });
  };

  promise('the first goes on at once, the newest of the others when the window ends', async (fixture) => {
    const come = knocker(fixture, 'first');
    assert.equal((await come('A')).kind, 'pass');
    const waiting = await come('B', 10_000);
    assert.ok(waiting.kind === 'wait' && waiting.retryAfter <= 50_000 && waiting.retryAfter > 40_000);
    assert.equal((await come('C', 20_000)).kind, 'wait');
    assert.equal((await come('other', 20_000, 'another key')).kind, 'pass');
    assert.deepEqual(await come('B', 61_000), { kind: 'merged' });
    const passed = await come('C', 61_000);
    assert.ok(passed.kind === 'pass' && passed.merged === 1, JSON.stringify(passed));
    assert.equal((await come('D', 62_000)).kind, 'wait', 'the next window has begun');
  });

  promise(
    'one that comes when the window has ended goes on before those that still wait, and tells them',
    async (fixture) => {
      const come = knocker(fixture, 'first');
      await come('A');
      await come('B', 10_000);
      const passed = await come('C', 61_000);
      assert.ok(passed.kind === 'pass' && passed.merged === 1);
      assert.equal((await come('B', 62_000)).kind, 'merged');
    },
  );

  promise('when nothing new has come for the quiet time, the newest goes on', async (fixture) => {
    const come = knocker(fixture, 'quiet');
    assert.equal((await come('A')).kind, 'wait');
    assert.equal((await come('B', 50_000)).kind, 'wait');
    assert.equal((await come('A', 60_500)).kind, 'merged');
    assert.equal((await come('B', 100_000)).kind, 'wait');
    const passed = await come('B', 111_000);
    assert.ok(passed.kind === 'pass' && passed.merged === 1);
  });

  promise('alarms that never stop go on at the latest after the longest wait', async (fixture) => {
    const come = knocker(fixture, 'quiet', 2 * window);
    for (let at = 0; at < 2 * window; at += 30_000) await come(`E${at}`, at);
    const last = await come('last', 110_000);
    assert.ok(last.kind === 'wait' && last.retryAfter <= 10_000, JSON.stringify(last));
    const passed = await come('last', 2 * window + 1_000);
    assert.ok(passed.kind === 'pass' && passed.merged === 4, JSON.stringify(passed));
  });

  promise('a redelivery changes nothing: what passed passes again, what waits waits on', async (fixture) => {
    const come = knocker(fixture, 'first');
    await come('A');
    await come('B', 10_000);
    assert.equal((await come('A', 11_000)).kind, 'pass');
    assert.equal((await come('B', 12_000)).kind, 'wait');
    await come('C', 13_000);
    // The old one comes again after a crash, and is not taken for news.
    assert.equal((await come('B', 14_000)).kind, 'merged');
    const passed = await come('C', 61_000);
    assert.ok(passed.kind === 'pass' && passed.merged === 1);
    assert.deepEqual(await come('C', 62_000), passed);
  });

  promise('a clock that is set back does not lengthen the window', async (fixture) => {
    const come = knocker(fixture, 'first');
    await come('A', 3_600_000);
    const waiting = await come('B', 0);
    assert.ok(waiting.kind === 'wait' && waiting.retryAfter <= window, JSON.stringify(waiting));
  });

  promise('two processes let one of two first messages through', async (fixture) => {
    const come = knocker(fixture, 'first');
    const kinds = (await Promise.all(Array.from({ length: 20 }, (_, index) => come(`P${index}`)))).map(
      ({ kind }) => kind,
    );
    assert.equal(kinds.filter((kind) => kind === 'pass').length, 1);
  });

  promise('keys that nothing comes for are forgotten, others are not', async (fixture) => {
    const come = knocker(fixture, 'first');
    await come('A', 0, 'old');
    await come('B', 0, 'old');
    await come('A', 86_400_000, 'young');
    assert.equal(await fixture.store.run(forgetWindows, { age: 3_600_000, limit: 100 }), 1);
    assert.equal((await come('B', 86_400_001, 'young')).kind, 'wait');
    assert.equal((await come('B', 86_400_001, 'old')).kind, 'pass');
  });
}

/** What the first page tells of the last hour, on both engines. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { recentActs } from '../../nodes/console/changes.ts';
import { record } from '../kernel/audit/operations.ts';
import { packageRoot } from '../support/node-red.ts';
import { storesUnderTest } from '../support/store.ts';

for (const { name, options, fresh } of storesUnderTest()) {
  test(`acts of people since an instant, the newest first, without what messages do (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const hour = 3_600_000;
    const ok = { outcome: 'success' } as const;
    fixture.setClock(-2 * hour);
    await store.run(record, [{ action: 'queue.paused', actor: 'ada', ...ok }]);
    fixture.setClock(0);
    await store.run(record, [{ action: 'queue.resumed', actor: 'ada', subject: 'orders', reason: 'mended', ...ok }]);
    fixture.setClock(1000);
    const accepted = { action: 'message.accepted', actor: 'flow', ...ok };
    // Whoever opens a document is a person.
    await store.run(record, [{ action: 'message.revealed', actor: 'cy', ...ok }]);
    fixture.setClock(2000);
    await store.run(record, [
      ...Array.from({ length: 50 }, () => accepted),
      { action: 'deadletter.replayed', actor: 'bo', ...ok },
    ]);
    const since = Date.now() - hour;
    const told = (await store.run(recentActs, { since, limit: 10 })).map(({ at: _, ...change }) => change);
    assert.deepEqual(told, [
      { kind: 'act', what: 'deadletter.replayed', who: 'bo' },
      { kind: 'act', what: 'message.revealed', who: 'cy' },
      { kind: 'act', what: 'queue.resumed', who: 'ada', on: 'orders', reason: 'mended' },
    ]);
    assert.equal((await store.run(recentActs, { since, limit: 1 })).length, 1);
    assert.equal((await store.run(recentActs, { since: 0, limit: 10 })).length, 4);
  });

  test(`a trail without entries tells of no act (${name})`, options, async () => {
    await using fixture = await fresh();
    assert.deepEqual(await fixture.store.run(recentActs, { since: 0, limit: 10 }), []);
  });
}

test('each action that the sources write into the trail has its words on the console', async () => {
  const { acts } = (await import('../../nodes/console/assets/actions.js' as string)) as {
    acts: Record<string, string>;
  };
  const written = globSync('nodes/**/*.ts', { cwd: packageRoot }).flatMap((file) =>
    [...readFileSync(join(packageRoot, file), 'utf8').matchAll(/\baction: ['`]([a-z]+\.[a-z-]+)['`]/g)].map(
      ([, action]) => action!,
    ),
  );
  assert.ok(written.length > 20);
  assert.deepEqual(
    written.filter((action) => acts[action] === undefined),
    [],
  );
});

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { claim, find } from '../../../nodes/idempotency/index.ts';
import { verifyAudit } from '../../../nodes/kernel/audit/index.ts';
import { Failure } from '../../../nodes/kernel/failure.ts';
import { openStore, type StoreStatus } from '../../../nodes/kernel/store/index.ts';
import { waitUntil } from '../../support/processes.ts';
import { smallDisk } from './small-disk.ts';

test('a full disk is told as such, accepts nothing by half, and the store goes on when there is room', async (t) => {
  using disk = smallDisk();
  if (disk === undefined) {
    t.skip('mounting a small file system needs root');
    return;
  }
  const ballast = join(disk.path, 'ballast');
  writeFileSync(ballast, Buffer.alloc(4 * 1024 * 1024));
  const store = openStore({ engine: 'sqlite', file: join(disk.path, 'store.sqlite'), reopenDelay: 100 });
  const seen: StoreStatus['state'][] = [];
  store.onStatus(({ state }) => seen.push(state));
  const accepted: string[] = [];
  const refused: string[] = [];
  const padding = 'x'.repeat(900);
  const attempt = async (key: string): Promise<void> => {
    try {
      await store.run(claim, {
        scope: 'disk',
        key: `${key}-${padding}`,
        fingerprint: '',
        owner: 'test',
        lease: 60_000,
        retention: 60_000,
      });
      accepted.push(key);
    } catch (error) {
      assert(error instanceof Failure);
      assert.equal(error.code, 'STORE_FULL', error.message);
      assert.equal(error.class, 'dependency-outage');
      assert(error.retryable);
      refused.push(key);
    }
  };
  const check = async (): Promise<void> => {
    for (const [keys, there] of [
      [accepted, true],
      [refused, false],
    ] as const) {
      for (const key of keys) {
        const state = await store.run(find, { scope: 'disk', key: `${key}-${padding}` });
        assert.equal(state !== undefined, there, key);
      }
    }
    assert.equal((await verifyAudit(store)).kind, 'intact');
  };
  try {
    for (let batch = 0; refused.length === 0; batch++) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => attempt(`b${batch}-${index}`)));
    }
    assert(accepted.length > 0);
    assert.equal(store.status().state, 'down');
    assert.match(store.status().problem ?? '', /full/);
    await check();

    rmSync(ballast);
    await waitUntil('the store takes work again', async () => {
      const before = accepted.length;
      await attempt(`again-${refused.length}`);
      return accepted.length > before;
    });
    assert.equal(store.status().state, 'ready');
    await Promise.all(Array.from({ length: 50 }, (_, index) => attempt(`after-${index}`)));
    assert.equal(accepted.filter((key) => key.startsWith('after')).length, 50);
    await check();
    assert(seen.includes('down') && seen.at(-1) === 'ready');
    t.diagnostic(`${accepted.length} accepted and there, ${refused.length} refused and not there`);
  } finally {
    await store.close();
  }
});

import { setTimeout as sleep } from 'node:timers/promises';
import { toFailure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import { countRows, listTables } from '../kernel/store/transfer/tables.ts';
import { telemetry } from '../kernel/telemetry/telemetry.ts';
import { purge } from './keys.ts';

/** Keys removed in one transaction: claims wait a few milliseconds for it, not longer. */
const slice = 200;
/** Milliseconds between slices, so that claims go first. */
const pause = 50;
/** Milliseconds between rounds. */
const interval = 60_000;

/** Rows of a table are counted up to here. */
const countLimit = 100_000;

/** What the store holds, for the metrics. */
export async function reportGrowth(store: Store, label: string): Promise<void> {
  const { pending, size } = store.status();
  telemetry.gauge('store_pending', { store: label }, pending);
  if (size !== undefined) telemetry.gauge('store_size_bytes', { store: label }, size);
  const tables = (await store.run(listTables, undefined)).map(({ name }) => name);
  const counts = await store.run(countRows, { tables, limit: countLimit });
  for (const [table, rows] of Object.entries(counts)) telemetry.gauge('store_rows', { store: label, table }, rows);
}

/**
 * Purges keys past their retention and reports the store's size, every minute until stopped. A failure ends the round;
 * the store tells its own troubles.
 */
export function keepHouse(store: Store, label: string, onFailure: (code: string) => void): { stop(): Promise<void> } {
  const abort = new AbortController();
  const done = (async () => {
    for (;;) {
      await sleep(interval * (0.9 + Math.random() / 5), undefined, { signal: abort.signal, ref: false });
      try {
        while ((await store.run(purge, { limit: slice })) === slice) {
          await sleep(pause, undefined, { signal: abort.signal });
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        onFailure(toFailure(error).code);
      }
      await reportGrowth(store, label).catch(() => {});
    }
  })().catch(() => {});
  return {
    async stop() {
      abort.abort();
      await done;
    },
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { purgeOriginals } from '../evidence/index.ts';
import { type AuditKeys, AuditWatch, keepAudit, noteVerdict } from '../kernel/audit/index.ts';
import { toFailure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import { countRows, listTables } from '../kernel/store/transfer/tables.ts';
import { telemetry } from '../kernel/telemetry/telemetry.ts';
import type { Log } from '../node/index.ts';
import { purge } from './keys.ts';

/**
 * Keys removed in one transaction, and milliseconds until the next: claims wait for one transaction at most. 200 every
 * 50 ms remove as many and cost claims more (docs/store.md).
 */
const slice = 50;
const pause = 12;
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

export interface HousekeepingOptions {
  /** Of the store, in the metrics. */
  label: string;
  /** That the audit trail is signed with. */
  keys: AuditKeys;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/**
 * Purges keys and originals past their retention, signs the audit trail, lets its beginning go and checks its chain piece by piece, and
 * reports the store's size, every minute until stopped. A failure ends the round; the store tells its own troubles.
 */
export function keepHouse(store: Store, { label, keys, log }: HousekeepingOptions): { stop(): Promise<void> } {
  const abort = new AbortController();
  const watch = new AuditWatch(store, { keys });
  const tell = ({ seq, problem }: { seq: number; problem: string }) =>
    log.error('audit.broken', { entry: seq, problem });
  const done = (async () => {
    for (;;) {
      await sleep(interval * (0.9 + Math.random() / 5), undefined, { signal: abort.signal, ref: false });
      try {
        for (const operation of [purge, purgeOriginals]) {
          while ((await store.run(operation, { limit: slice })) === slice) {
            await sleep(pause, undefined, { signal: abort.signal });
          }
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        log.warn('store.purge_failed', { code: toFailure(error).code });
      }
      try {
        const kept = await keepAudit(store, { keys, actor: 'housekeeping', signal: abort.signal });
        // Kept elsewhere with the log, this state shows a tail that was cut.
        if (kept.kind === 'kept' && kept.checkpoint !== undefined) log.info('audit.checkpoint', kept.checkpoint);
        const found = await watch.round();
        if (kept.kind === 'broken' && noteVerdict(store, kept.verdict)) tell(kept.verdict);
        else if (found !== undefined) tell(found);
      } catch (error) {
        if (abort.signal.aborted) return;
        log.warn('audit.keeping_failed', { code: toFailure(error).code });
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

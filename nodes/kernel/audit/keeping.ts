/** What is done with the trail over time: signing it, and letting its beginning go when the retention is over. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../store/store.ts';
import type { AuditKeys } from './audit-key.ts';
import {
  addCheckpoint,
  beginAt,
  checkpointEnds,
  purgeable,
  purgeEntries,
  signCheckpoint,
  signPurge,
} from './checkpoints.ts';
import { type AuditVerdict, verifyAudit } from './verify.ts';

/** Milliseconds from one checkpoint to the next, when there are new entries. */
export const checkpointInterval = 3_600_000;

export type Kept =
  | { kind: 'no-key' }
  /** `checkpoint`: one was signed; `removed`: entries. */
  | { kind: 'kept'; checkpoint?: { seq: number; hash: string; key: string }; removed: number }
  /** Nothing is removed from a trail that does not verify: it is evidence. */
  | { kind: 'broken'; verdict: AuditVerdict & { kind: 'broken' } };

export interface KeepOptions {
  keys: AuditKeys;
  /** Who removes, for the trail. */
  actor: string;
  /** Milliseconds since the epoch. */
  now?: number;
  /** Signs now, whenever the last checkpoint was. */
  sign?: boolean;
  /** Entries removed in one transaction, and the pause after it in milliseconds: writers go first. */
  slice?: number;
  pause?: number;
  signal?: AbortSignal;
}

export async function keepAudit(
  store: Store,
  { keys, actor, now = Date.now(), sign = false, slice = 200, pause = 50, signal }: KeepOptions,
): Promise<Kept> {
  const key = keys.current;
  if (key === undefined) return { kind: 'no-key' };
  const { head, last } = await store.run(checkpointEnds, undefined);
  // A clock set back must not put off the next one.
  const due = sign || last === undefined || Math.abs(now - last.at) >= checkpointInterval;
  let checkpoint: { seq: number; hash: string; key: string } | undefined;
  if (due && head.seq > (last?.seq ?? 0)) {
    const signed = signCheckpoint({ seq: head.seq, hash: head.hash, previous: last?.seq ?? 0, at: now }, key);
    if (await store.run(addCheckpoint, signed))
      checkpoint = { seq: head.seq, hash: Buffer.from(head.hash).toString('hex'), key: key.id };
  }
  const candidate = await store.run(purgeable, { before: now - keys.retention });
  if (candidate !== undefined) {
    const verdict = await verifyAudit(store, { keys });
    if (verdict.kind === 'broken') return { kind: 'broken', verdict };
    await store.run(beginAt, { seq: candidate.seq, purge: signPurge(candidate, now, key).purge, actor });
  }
  let removed = 0;
  for (;;) {
    const gone = await store.run(purgeEntries, { limit: slice });
    removed += gone;
    if (gone < slice) break;
    await sleep(pause, undefined, signal === undefined ? {} : { signal });
  }
  return { kind: 'kept', removed, ...(checkpoint === undefined ? {} : { checkpoint }) };
}

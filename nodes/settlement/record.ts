/** What a settle writes to the store: key, result of a replay and audit entry in one transaction. */
import { complete, type HeldKey, release, type StoredReply } from '../idempotency/index.ts';
import type { AuditEntry } from '../kernel/audit/entry.ts';
import { defineOperation, type Row, type Statement } from '../kernel/store/operation.ts';
import { type Resolution, resolveLetter } from './letters/collect.ts';

export interface SettleRecord {
  /** Completed (with the reply that a duplicate gets), or released so that the next delivery runs again. */
  key?: { held: HeldKey; action: 'complete' | 'release'; reply?: StoredReply };
  /** The message is a replayed letter that is done now. */
  replay?: Resolution;
  audit?: AuditEntry;
}

export interface Recorded {
  key: 'completed' | 'released' | 'lost-lease' | 'none';
}

export const settleMessage = defineOperation(
  import.meta.url,
  'settleMessage',
  function* (record: SettleRecord, context): Generator<Statement, Recorded, Row[]> {
    const key = yield* settleKey(record.key, context);
    if (record.replay !== undefined) yield* resolveLetter(record.replay, context.now);
    if (record.audit !== undefined) context.audit(record.audit);
    return { key };
  },
);

function* settleKey(
  key: SettleRecord['key'],
  context: Parameters<typeof complete.body>[1],
): Generator<Statement, Recorded['key'], Row[]> {
  if (key === undefined) return 'none';
  if (key.action === 'release') return yield* release.body(key.held, context);
  return yield* complete.body({ ...key.held, ...(key.reply === undefined ? {} : { reply: key.reply }) }, context);
}

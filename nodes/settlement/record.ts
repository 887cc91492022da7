/** What a settle writes to the store: key, turn, result of a replay and audit entry in one transaction. */
import {
  type Completion,
  complete,
  completeAll,
  type HeldKey,
  release,
  type StoredReply,
} from '../idempotency/index.ts';
import type { AuditEntry } from '../kernel/audit/entry.ts';
import { defineOperation, type OperationContext, type Row, type Statement } from '../kernel/store/operation.ts';
import { endTurn, type Turn } from '../pacing/index.ts';
import { type Resolution, resolveLetter } from './letters/collect.ts';

export interface SettleRecord {
  /** Completed (with the reply that a duplicate gets), or released so that the next delivery runs again. */
  key?: { held: HeldKey; action: 'complete' | 'release'; reply?: StoredReply };
  /** The numbered message is done: the next of its key may go on. */
  turn?: Turn;
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
    if (record.turn !== undefined && key !== 'lost-lease') yield* endTurn.body(record.turn, context);
    if (record.replay !== undefined) yield* resolveLetter(record.replay, context.now);
    if (record.audit !== undefined) context.audit(record.audit);
    return { key };
  },
  {
    // A replayed letter changes the counts of its group, which other letters share.
    key: ({ key, turn, replay }) =>
      turn === undefined && replay === undefined ? `${key?.held.scope ?? ''}\0${key?.held.key ?? ''}` : undefined,
    together: settleAll,
  },
);

/** {@link settleMessage} for messages with keys that differ, none of them a replayed letter: completions as one. */
function* settleAll(
  records: readonly SettleRecord[],
  context: OperationContext,
): Generator<Statement, Recorded[], Row[]> {
  const completions = records.flatMap(({ key }) => (key?.action === 'complete' ? [completionOf(key)] : []));
  const completed = (yield* completeAll(completions, context)).values();
  const recorded: Recorded[] = [];
  for (const { key, audit } of records) {
    recorded.push({
      key: key?.action === 'complete' ? completed.next().value! : yield* settleKey(key, context),
    });
    if (audit !== undefined) context.audit(audit);
  }
  return recorded;
}

function* settleKey(key: SettleRecord['key'], context: OperationContext): Generator<Statement, Recorded['key'], Row[]> {
  if (key === undefined) return 'none';
  if (key.action === 'release') return yield* release.body(key.held, context);
  return yield* complete.body(completionOf(key), context);
}

function completionOf({ held, reply }: NonNullable<SettleRecord['key']>): Completion {
  return { ...held, ...(reply === undefined ? {} : { reply }) };
}

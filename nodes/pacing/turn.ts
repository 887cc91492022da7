/**
 * Numbered messages of a key one after the other, as store operations. The number decides, never a clock: a message
 * passes when the one before it is done. One that is early goes back to its queue; when its predecessor has not come
 * within the deadline, a person is told, and by replaying the early one says that the flow goes on without.
 *
 * ```
 *  arrives   3        5          4      (5 again)    4 (late twin)
 *            pass ──▶ wait       pass   pass         to a person: its number was taken
 *            done: 3             done: 4
 * ```
 */
import type { AuditEntry } from '../kernel/audit/entry.ts';
import { defineOperation, query, type Row, type Statement } from '../kernel/store/operation.ts';
import { hashOf } from './key.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export interface TurnRequest {
  scope: string;
  key: string;
  number: number;
  event: string;
  /** A new key begins with the first number that comes, or with number 1. */
  begins: 'seen' | 'one';
  /** Milliseconds that an early message waits for its predecessor before a person is told. */
  deadline: number;
  /** The message was sent again by a person. */
  replayed: boolean;
  node: string;
  correlationId?: string;
}

export type TurnVerdict =
  /** `skipped`: numbers that a person went on without. */
  | { kind: 'pass'; skipped?: { from: number; to: number } }
  /** It was done before. */
  | { kind: 'duplicate' }
  /** `for`: milliseconds that it has waited. */
  | { kind: 'wait'; after: number; for: number }
  /** `failed`: the message before it came and has not been done. */
  | { kind: 'gap'; from: number; to: number; failed: boolean }
  /** `taken`: another message had this number; else its number had been given up. */
  | { kind: 'late'; taken: boolean; head: number };

/** Numbers that are remembered behind the one a key has come to. */
const remembered = 1_000;

interface NumberRow extends Row {
  event_id: string;
  state: 'waiting' | 'passed' | 'done';
  since: number;
  told: number;
}

export const takeTurn = defineOperation(
  import.meta.url,
  'takeTurn',
  function* (request: TurnRequest, context): Step<TurnVerdict> {
    const { scope, key, number, event, begins, replayed } = request;
    const { now } = context;
    const hash = hashOf(request);
    // First, so that two processes with one key wait for one another here.
    const [row] = yield* query<{ head: number }>(
      `INSERT INTO sequence_keys (hash, scope, key, head, updated_at) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (hash) DO UPDATE SET updated_at = $5 RETURNING head`,
      hash,
      scope,
      key,
      begins === 'one' ? 0 : number - 1,
      now,
    );
    const { head } = row!;
    const [found] = yield* query<NumberRow>(
      'SELECT event_id, state, since, told FROM sequence_numbers WHERE hash = $1 AND number = $2',
      hash,
      number,
    );
    const own = found === undefined || found.event_id === event;
    if (found?.state === 'done' && own) return { kind: 'duplicate' };
    if (!replayed && (!own || (number <= head && found === undefined))) {
      context.audit(entryOf(request, 'sequence.late', { head }));
      return { kind: 'late', taken: !own, head };
    }
    const since = found === undefined || !own ? now : Math.min(found.since, now);
    if (number <= head + 1) {
      yield* note(hash, number, event, 'passed', since);
      return { kind: 'pass' };
    }
    if (replayed && found?.told === 1) {
      const skipped = { from: head + 1, to: number - 1 };
      yield* query('UPDATE sequence_keys SET head = $1 WHERE hash = $2', number - 1, hash);
      yield* note(hash, number, event, 'passed', since);
      context.audit(entryOf(request, 'sequence.gap-accepted', skipped));
      return { kind: 'pass', skipped };
    }
    yield* note(hash, number, event, 'waiting', since);
    const [lowest] = yield* query<{ number: number | null }>(
      "SELECT MIN(number) AS number FROM sequence_numbers WHERE hash = $1 AND state = 'waiting'",
      hash,
    );
    if (lowest?.number !== number || now - since < request.deadline)
      return { kind: 'wait', after: head, for: now - since };
    const [before] = yield* query<{ state: string }>(
      'SELECT state FROM sequence_numbers WHERE hash = $1 AND number = $2',
      hash,
      head + 1,
    );
    if (found?.told !== 1) context.audit(entryOf(request, 'sequence.gap', { from: head + 1, to: number - 1 }));
    yield* query('UPDATE sequence_numbers SET told = 1 WHERE hash = $1 AND number = $2', hash, number);
    return { kind: 'gap', from: head + 1, to: number - 1, failed: before?.state === 'passed' };
  },
  { key: ({ scope, key }) => `${scope}\0${key}` },
);

function* note(hash: Buffer, number: number, event: string, state: NumberRow['state'], since: number): Step<void> {
  yield* query(
    `INSERT INTO sequence_numbers (hash, number, event_id, state, since, told) VALUES ($1, $2, $3, $4, $5, 0)
     ON CONFLICT (hash, number) DO UPDATE SET event_id = $3, state = $4, since = $5`,
    hash,
    number,
    event,
    state,
    since,
  );
}

function entryOf(request: TurnRequest, action: string, detail: NonNullable<AuditEntry['detail']>): AuditEntry {
  return {
    action,
    outcome: action === 'sequence.gap-accepted' ? 'success' : 'failure',
    actor: 'flow',
    node: request.node,
    subject: request.event,
    ...(request.correlationId === undefined ? {} : { correlationId: request.correlationId }),
    detail: { scope: request.scope, number: request.number, ...detail },
  };
}

export interface Turn {
  scope: string;
  key: string;
  number: number;
  event: string;
}

/** The message is done: its successor may go on. Doing it again changes nothing. */
export const endTurn = defineOperation(
  import.meta.url,
  'endTurn',
  function* ({ number, event, ...of }: Turn, { now }): Step<void> {
    const hash = hashOf(of);
    yield* query(
      'UPDATE sequence_keys SET head = $1, updated_at = $2 WHERE hash = $3 AND head = $4',
      number,
      now,
      hash,
      number - 1,
    );
    yield* query(
      "UPDATE sequence_numbers SET state = 'done' WHERE hash = $1 AND number = $2 AND event_id = $3",
      hash,
      number,
      event,
    );
    yield* query('DELETE FROM sequence_numbers WHERE hash = $1 AND number < $2', hash, number - remembered);
  },
  { key: ({ scope, key }) => `${scope}\0${key}` },
);

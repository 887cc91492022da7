/** Taking letters in, and learning what became of a replay. */
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';
import { enterGroup, moveAll, moveInGroup } from './groups.ts';
import type { LetterInput } from './letter.ts';
import type { LetterState } from './state.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export type Collected = {
  /** `known`: the store has this death already (a delivery repeated after a crash). */
  kind: 'new' | 'again' | 'known';
  id: string;
  state: LetterState;
};

type Existing = {
  id: string;
  state: LetterState;
  generation: number;
  fingerprint: string;
  last_failed_at: number;
};

/**
 * The state after a further death of a message that already has a letter. A copy of an earlier generation that dies
 * while a replay is on its way says nothing about the replay; everything else waits for a person again.
 */
export function stateAfterDeath(before: LetterState, generation: number, copyGeneration: number): LetterState {
  if (before === 'open') return 'open';
  if ((before === 'replaying' || before === 'replayed') && copyGeneration < generation) return before;
  return 'failed-again';
}

/** Stores a letter, once a death, however often it is delivered. */
export const collectLetter = defineOperation(
  import.meta.url,
  'collectLetter',
  function* (letter: LetterInput, context): Step<Collected> {
    const inserted = yield* query<{ id: string }>(
      `INSERT INTO dead_letters
         (id, queue, message_id, connection, exchange, routing_key, correlation_id, business_key, event_type,
          content_type, properties, body, body_key, body_size, failure_class, failure_code, failure_message,
          fingerprint, node_id, node_type, node_name, flow_id, attempts, state, generation, deaths,
          first_failed_at, last_failed_at, received_at, lease_until)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
               $23, 'open', $24, 1, $25, $26, $27, 0)
       ON CONFLICT (queue, message_id) DO NOTHING
       RETURNING id`,
      letter.id,
      letter.queue,
      letter.messageId,
      letter.connection,
      letter.exchange,
      letter.routingKey,
      letter.correlationId,
      letter.businessKey,
      letter.eventType,
      letter.contentType,
      letter.properties,
      letter.body,
      letter.bodyKey,
      letter.bodySize,
      letter.failureClass,
      letter.failureCode,
      letter.failureMessage,
      letter.fingerprint,
      letter.nodeId,
      letter.nodeType,
      letter.nodeName,
      letter.flowId,
      letter.attempts,
      letter.generation,
      letter.firstFailedAt,
      letter.lastFailedAt,
      context.now,
    );
    if (inserted.length > 0) {
      yield* enterGroup(letter, 'open');
      return { kind: 'new', id: letter.id, state: 'open' };
    }
    const [row] = yield* query<Existing>(
      `SELECT id, state, generation, fingerprint, last_failed_at FROM dead_letters
       WHERE queue = $1 AND message_id = $2${context.dialect === 'postgresql' ? ' FOR UPDATE' : ''}`,
      letter.queue,
      letter.messageId,
    );
    if (row === undefined) throw new Error('A letter vanished inside its transaction.');
    const generation = Number(row.generation);
    if (letter.generation <= generation && letter.lastFailedAt <= Number(row.last_failed_at)) {
      return { kind: 'known', id: row.id, state: row.state };
    }
    const state = stateAfterDeath(row.state, generation, letter.generation);
    const closed = row.state === 'resolved' || row.state === 'discarded';
    // A sender may send a corrected document under the old id after its letter was closed: that is the document now.
    if (closed && letter.generation === 0) {
      yield* query(
        'UPDATE dead_letters SET body = $1, body_key = $2, body_size = $3, content_type = $4, properties = $5 WHERE id = $6',
        letter.body,
        letter.bodyKey,
        letter.bodySize,
        letter.contentType,
        letter.properties,
        row.id,
      );
      yield* query('DELETE FROM dead_letter_edits WHERE letter_id = $1', row.id);
    }
    yield* query(
      `UPDATE dead_letters SET state = $1, generation = $2, deaths = deaths + 1, connection = $3, failure_class = $4,
         failure_code = $5, failure_message = $6, fingerprint = $7, node_id = $8, node_type = $9, node_name = $10,
         flow_id = $11, attempts = $12, last_failed_at = $13, closed_at = NULL, closed_by = NULL, closed_reason = NULL
       WHERE id = $14`,
      state,
      Math.max(generation, letter.generation),
      letter.connection,
      letter.failureClass,
      letter.failureCode,
      letter.failureMessage,
      letter.fingerprint,
      letter.nodeId,
      letter.nodeType,
      letter.nodeName,
      letter.flowId,
      letter.attempts,
      letter.lastFailedAt,
      row.id,
    );
    if (row.fingerprint === letter.fingerprint) yield* moveInGroup(letter, row.state, state, 1);
    else {
      yield* moveInGroup({ queue: letter.queue, fingerprint: row.fingerprint }, row.state, undefined, 1);
      yield* enterGroup(letter, state);
    }
    return { kind: 'again', id: row.id, state };
  },
);

/** The document of the letter of this message. */
export const letterBody = defineOperation(
  import.meta.url,
  'letterBody',
  function* (args: {
    queue: string;
    messageId: string;
  }): Step<{ body: Uint8Array; bodyKey: string | null } | undefined> {
    const [row] = yield* query<{ body: Uint8Array; body_key: string | null }>(
      'SELECT body, body_key FROM dead_letters WHERE queue = $1 AND message_id = $2',
      args.queue,
      args.messageId,
    );
    return row === undefined ? undefined : { body: row.body, bodyKey: row.body_key };
  },
  { readOnly: true },
);

export interface Resolution {
  queue: string;
  messageId: string;
  generation: number;
}

/** The flow settled a replayed message as done. @returns true when it was a letter that waited for this */
export function* resolveLetter(resolution: Resolution, now: number): Step<boolean> {
  // `replaying` too: the flow may be faster than the note that the message was sent.
  for (const before of ['replayed', 'replaying'] as const) {
    const rows = yield* query<{ queue: string; fingerprint: string }>(
      `UPDATE dead_letters SET state = 'resolved', closed_at = $1, closed_by = 'flow', closed_reason = 'settled as done'
       WHERE queue = $2 AND message_id = $3 AND generation = $4 AND state = $5
       RETURNING queue, fingerprint`,
      now,
      resolution.queue,
      resolution.messageId,
      resolution.generation,
      before,
    );
    yield* moveAll(rows, before, 'resolved');
    if (rows.length > 0) return true;
  }
  return false;
}

/** Removes closed letters that were closed before an instant; at most `limit` a call. @returns how many */
export const purgeLetters = defineOperation(
  import.meta.url,
  'purgeLetters',
  function* (args: { queue: string; before: number; limit: number }): Step<number> {
    const rows = yield* query<{ id: string }>(
      `SELECT id FROM dead_letters WHERE closed_at IS NOT NULL AND closed_at < $1 AND queue = $2
         AND state IN ('resolved', 'discarded') ORDER BY closed_at LIMIT $3`,
      args.before,
      args.queue,
      args.limit,
    );
    for (const { id } of rows) {
      yield* query('DELETE FROM dead_letter_edits WHERE letter_id = $1', id);
      yield* query('DELETE FROM dead_letters WHERE id = $1', id);
    }
    yield* query(
      'DELETE FROM dead_letter_groups WHERE queue = $1 AND unresolved = 0 AND announced = 0 AND last_at < $2',
      args.queue,
      args.before,
    );
    return rows.length;
  },
);

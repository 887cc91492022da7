/** Reading letters: lists without payloads, one letter with its payload, and the count of a dry run. */
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';
import { conditionOf, type LetterFilter } from './filter.ts';
import { actableStates, type LetterState } from './state.ts';

type Step<R> = Generator<Statement, R, Row[]>;

/** A letter without its payload. Instants are milliseconds since the epoch. */
export interface LetterSummary {
  id: string;
  queue: string;
  messageId: string;
  connection: string;
  correlationId: string | null;
  businessKey: string | null;
  eventType: string | null;
  contentType: string;
  size: number;
  encrypted: boolean;
  class: string;
  code: string;
  message: string;
  fingerprint: string;
  node: { id: string | null; type: string | null; name: string | null; flow: string | null };
  attempts: number;
  state: LetterState;
  generation: number;
  deaths: number;
  firstFailedAt: number;
  lastFailedAt: number;
  receivedAt: number;
  job: string | null;
  closedAt: number | null;
  closedBy: string | null;
  closedReason: string | null;
}

type LetterRow = {
  id: string;
  queue: string;
  message_id: string;
  connection: string;
  exchange: string;
  routing_key: string;
  correlation_id: string | null;
  business_key: string | null;
  event_type: string | null;
  content_type: string;
  properties: string;
  body_size: number;
  body_key: string | null;
  failure_class: string;
  failure_code: string;
  failure_message: string;
  fingerprint: string;
  node_id: string | null;
  node_type: string | null;
  node_name: string | null;
  flow_id: string | null;
  attempts: number;
  state: LetterState;
  generation: number;
  deaths: number;
  first_failed_at: number;
  last_failed_at: number;
  received_at: number;
  job_id: string | null;
  closed_at: number | null;
  closed_by: string | null;
  closed_reason: string | null;
};

const columns = `id, queue, message_id, connection, exchange, routing_key, correlation_id, business_key, event_type,
  content_type, properties, body_size, body_key, failure_class, failure_code, failure_message, fingerprint, node_id,
  node_type, node_name, flow_id, attempts, state, generation, deaths, first_failed_at, last_failed_at, received_at,
  job_id, closed_at, closed_by, closed_reason`;

function summaryOf(row: LetterRow): LetterSummary {
  return {
    id: row.id,
    queue: row.queue,
    messageId: row.message_id,
    connection: row.connection,
    correlationId: row.correlation_id,
    businessKey: row.business_key,
    eventType: row.event_type,
    contentType: row.content_type,
    size: Number(row.body_size),
    encrypted: row.body_key !== null,
    class: row.failure_class,
    code: row.failure_code,
    message: row.failure_message,
    fingerprint: row.fingerprint,
    node: { id: row.node_id, type: row.node_type, name: row.node_name, flow: row.flow_id },
    attempts: Number(row.attempts),
    state: row.state,
    generation: Number(row.generation),
    deaths: Number(row.deaths),
    firstFailedAt: Number(row.first_failed_at),
    lastFailedAt: Number(row.last_failed_at),
    receivedAt: Number(row.received_at),
    job: row.job_id,
    closedAt: row.closed_at === null ? null : Number(row.closed_at),
    closedBy: row.closed_by,
    closedReason: row.closed_reason,
  };
}

export interface LetterPage {
  letters: LetterSummary[];
  /** Give it as `after` for the next page; absent on the last. */
  next?: string;
}

/** Newest first. Keyset paging: a page costs the same however far down it is. */
export const listLetters = defineOperation(
  import.meta.url,
  'listLetters',
  function* (args: { filter: LetterFilter; after?: string; limit: number }): Step<LetterPage> {
    const condition = conditionOf(args.filter, 3);
    const rows = yield* query<LetterRow>(
      `SELECT ${columns} FROM dead_letters WHERE id < $1 AND ${condition.text} ORDER BY id DESC LIMIT $2`,
      // Above every UUID in every collation.
      args.after ?? 'zzzz',
      args.limit + 1,
      ...condition.values,
    );
    const letters = rows.slice(0, args.limit).map(summaryOf);
    return rows.length > args.limit ? { letters, next: letters.at(-1)!.id } : { letters };
  },
  { readOnly: true },
);

export interface KeptLetter {
  id: string;
  queue: string;
  messageId: string;
  businessKey: string | null;
  contentType: string;
  /** As it was collected; encrypted when `bodyKey` says so. */
  body: Uint8Array;
  bodyKey: string | null;
}

/** Newest first, with what was collected, for those who look into many. The next page begins after the last id. */
export const listBodies = defineOperation(
  import.meta.url,
  'listBodies',
  function* (args: { filter: LetterFilter; after?: string; limit: number }): Step<KeptLetter[]> {
    const condition = conditionOf(args.filter, 3);
    type KeptRow = Pick<LetterRow, 'id' | 'queue' | 'message_id' | 'business_key' | 'content_type' | 'body_key'>;
    const rows = yield* query<KeptRow & { body: Uint8Array }>(
      `SELECT id, queue, message_id, business_key, content_type, body, body_key FROM dead_letters
       WHERE id < $1 AND ${condition.text} ORDER BY id DESC LIMIT $2`,
      args.after ?? 'zzzz',
      args.limit,
      ...condition.values,
    );
    return rows.map((row) => ({
      id: row.id,
      queue: row.queue,
      messageId: row.message_id,
      businessKey: row.business_key,
      contentType: row.content_type,
      body: row.body,
      bodyKey: row.body_key,
    }));
  },
  { readOnly: true },
);

export interface LetterEdit {
  generation: number;
  actor: string;
  reason: string;
  at: number;
  originalHash: string;
  editedHash: string;
}

export interface Letter extends LetterSummary {
  exchange: string;
  routingKey: string;
  properties: unknown;
  /** As it was collected; encrypted when `bodyKey` says so. */
  body: Uint8Array;
  bodyKey: string | null;
  /** What a replay sends, when a person has edited it. */
  edited: { body: Uint8Array; bodyKey: string | null; contentType: string } | null;
  edits: LetterEdit[];
}

type EditRow = {
  generation: number;
  body: Uint8Array;
  body_key: string | null;
  content_type: string;
  original_hash: string;
  edited_hash: string;
  actor: string;
  reason: string;
  at: number;
};

/** One letter with its payload; composes into the acts that need it. */
export function* readLetter(id: string): Step<Letter | undefined> {
  const [row] = yield* query<LetterRow & { body: Uint8Array }>(
    `SELECT ${columns}, body FROM dead_letters WHERE id = $1`,
    id,
  );
  if (row === undefined) return undefined;
  const edits = yield* query<EditRow>(
    'SELECT * FROM dead_letter_edits WHERE letter_id = $1 ORDER BY generation DESC LIMIT 50',
    id,
  );
  const latest = edits[0];
  return {
    ...summaryOf(row),
    exchange: row.exchange,
    routingKey: row.routing_key,
    properties: JSON.parse(row.properties),
    body: row.body,
    bodyKey: row.body_key,
    edited:
      latest === undefined ? null : { body: latest.body, bodyKey: latest.body_key, contentType: latest.content_type },
    edits: edits.map((edit) => ({
      generation: Number(edit.generation),
      actor: edit.actor,
      reason: edit.reason,
      at: Number(edit.at),
      originalHash: edit.original_hash,
      editedHash: edit.edited_hash,
    })),
  };
}

export const getLetter = defineOperation(
  import.meta.url,
  'getLetter',
  function* (args: { id: string }): Step<Letter | undefined> {
    return yield* readLetter(args.id);
  },
  { readOnly: true },
);

export interface Preview {
  count: number;
  /** Letters among them that were refused by a policy; a bulk replay leaves them out unless told. */
  policyRejections: number;
  oldest: number | null;
  newest: number | null;
  bytes: number;
  queues: string[];
}

/** What a replay or discard of this filter would touch: letters that wait for a person. */
export const previewAct = defineOperation(
  import.meta.url,
  'previewAct',
  function* (args: { filter: LetterFilter }): Step<Preview> {
    const condition = conditionOf({ ...args.filter, states: actableStates(args.filter.ids !== undefined) }, 1);
    const rows = yield* query<{
      queue: string;
      count: number;
      refused: number;
      oldest: number;
      newest: number;
      bytes: number;
    }>(
      `SELECT queue, COUNT(*) AS count,
              CAST(SUM(CASE WHEN failure_class = 'policy-rejection' THEN 1 ELSE 0 END) AS BIGINT) AS refused,
              MIN(first_failed_at) AS oldest, MAX(last_failed_at) AS newest, CAST(SUM(body_size) AS BIGINT) AS bytes
       FROM dead_letters WHERE ${condition.text} GROUP BY queue ORDER BY queue`,
      ...condition.values,
    );
    const preview: Preview = { count: 0, policyRejections: 0, oldest: null, newest: null, bytes: 0, queues: [] };
    for (const row of rows) {
      preview.count += Number(row.count);
      preview.policyRejections += Number(row.refused);
      preview.bytes += Number(row.bytes);
      preview.oldest = Math.min(preview.oldest ?? Number.POSITIVE_INFINITY, Number(row.oldest));
      preview.newest = Math.max(preview.newest ?? 0, Number(row.newest));
      preview.queues.push(row.queue);
    }
    return preview;
  },
  { readOnly: true },
);

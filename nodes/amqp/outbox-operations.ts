/**
 * Accepting a message in one transaction: the idempotency key is completed, the message is durable and the audit
 * entry is written, or none of it. And the rows between accepting and forwarding.
 */
import { complete, type StoredReply } from '../idempotency/index.ts';
import type { AuditEntry } from '../kernel/audit/entry.ts';
import { Failure } from '../kernel/failure.ts';
import { defineOperation, type OperationContext, query, type Row } from '../kernel/store/operation.ts';
import { seal, unseal } from '../kernel/store/sealing.ts';
import { type KeptBody, keepBody } from './claim-operations.ts';
import { enqueue, type QueuedMessage, sealContext } from './engines/embedded/operations.ts';
import { noExchange, unroutable } from './engines/routing-failures.ts';

export interface Completion {
  scope: string;
  key: string;
  token: number;
  reply?: StoredReply;
}

export interface AcceptArgs {
  message: QueuedMessage;
  /** Its body, when it is too large for the broker. */
  kept?: KeptBody;
  completion: Completion | null;
  audit: AuditEntry;
}

function* completeLease({ completion }: AcceptArgs, context: OperationContext) {
  if (completion === null) return;
  const verdict = yield* complete.body(completion, context);
  if (verdict === 'lost-lease') throw leaseLost(completion.key);
}

export function leaseLost(key: string): Failure {
  return new Failure(
    'conflict',
    'IDEMPOTENCY_LEASE_LOST',
    `The lease on idempotency key "${key}" ended before the message was accepted and somebody else holds it now. Nothing was published.`,
    { outcome: 'none' },
  );
}

/** After the broker's confirm. False when the lease was lost in this very moment. */
export const noteConfirmed = defineOperation(
  import.meta.url,
  'noteConfirmed',
  function* ({ completion, audit }: { completion: Completion; audit: AuditEntry }, context) {
    context.audit(audit);
    return (yield* complete.body(completion, context)) === 'completed';
  },
);

/** With the embedded engine on the same store the queue itself is the outbox: no second hop. */
export const acceptIntoQueue = defineOperation(
  import.meta.url,
  'acceptIntoQueue',
  function* (args: AcceptArgs, context) {
    yield* completeLease(args, context);
    const { message } = args;
    const [routed] = yield* enqueue.body({ messages: [message] }, context);
    if (routed?.kind === 'no-exchange') throw noExchange(message.exchange);
    if (routed?.kind === 'unroutable') throw unroutable(message);
    context.audit(args.audit);
    return routed!;
  },
);

export interface OutboxArgs extends AcceptArgs {
  /** Id of the `amqp-connection`. */
  connection: string;
  partitionKey: string | null;
  /** Rows at which no more are taken. */
  limit: number;
}

export const acceptIntoOutbox = defineOperation(
  import.meta.url,
  'acceptIntoOutbox',
  function* (args: OutboxArgs, context) {
    yield* completeLease(args, context);
    yield* checkRoom(args);
    if (args.kept !== undefined) yield* keepBody.body(args.kept, context);
    const { connection, partitionKey, message } = args;
    yield* query(
      `INSERT INTO messaging_outbox
         (connection, partition_key, exchange, routing_key, expiration, properties, body, enqueued_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      connection,
      partitionKey,
      message.exchange,
      message.routingKey,
      message.expiration,
      message.properties,
      seal(message.body, sealContext(message.exchange, message.routingKey)),
      context.now,
    );
    context.audit(args.audit);
  },
);

/** The span of ids is found at once and never smaller than the number of rows; only a wide span is counted. */
function* checkRoom({ connection, limit }: OutboxArgs) {
  const [edges] = yield* query<{ first: number | null; last: number | null }>(
    `SELECT (SELECT min(id) FROM messaging_outbox WHERE connection = $1) AS first,
            (SELECT max(id) FROM messaging_outbox WHERE connection = $2) AS last`,
    connection,
    connection,
  );
  if (edges?.first == null || edges.last == null || edges.last - edges.first + 1 < limit) return;
  const [counted] = yield* query<{ rows: number }>(
    'SELECT count(*) AS rows FROM messaging_outbox WHERE connection = $1',
    connection,
  );
  if (Number(counted!.rows) < limit) return;
  throw new Failure(
    'saturation',
    'OUTBOX_FULL',
    `${limit} messages wait in the outbox for the broker, which is its limit. See why the broker does not take them; senders should try again later.`,
    { retryAfter: 10_000, outcome: 'none' },
  );
}

interface StoredRow extends Row {
  id: number;
  partition_key: string | null;
  exchange: string;
  routing_key: string;
  expiration: number | null;
  properties: string;
  body: Uint8Array;
  enqueued_at: number;
}

export interface OutboxRow {
  id: number;
  partitionKey: string | null;
  message: QueuedMessage;
  enqueuedAt: number;
}

export const peekOutbox = defineOperation(
  import.meta.url,
  'peekOutbox',
  function* ({ connection, after, limit }: { connection: string; after: number; limit: number }) {
    const rows = yield* query<StoredRow>(
      `SELECT ${rowColumns} FROM messaging_outbox WHERE connection = $1 AND id > $2 ORDER BY id LIMIT $3`,
      connection,
      after,
      limit,
    );
    return rows.map(opened);
  },
  { readOnly: true },
);

/** From the start, without reading the bodies of those in `known`. */
export const peekOutboxBeside = defineOperation(
  import.meta.url,
  'peekOutboxBeside',
  function* ({ connection, known, limit }: { connection: string; known: number[]; limit: number }) {
    const seen = new Set(known);
    const ids = yield* query<{ id: number }>(
      'SELECT id FROM messaging_outbox WHERE connection = $1 ORDER BY id LIMIT $2',
      connection,
      limit + seen.size,
    );
    const unseen = ids.map(({ id }) => id).filter((id) => !seen.has(id));
    return (yield* rowsOf(unseen.slice(0, limit))).sort((a, b) => a.id - b.id);
  },
  { readOnly: true },
);

/** Null when it is not there any more. */
export const readOutboxRow = defineOperation(
  import.meta.url,
  'readOutboxRow',
  function* ({ id }: { id: number }) {
    return (yield* rowsOf([id]))[0] ?? null;
  },
  { readOnly: true },
);

const rowColumns = 'id, partition_key, exchange, routing_key, expiration, properties, body, enqueued_at';

function* rowsOf(ids: number[]) {
  const rows: OutboxRow[] = [];
  for (const some of inStatements(ids)) {
    const found = yield* query<StoredRow>(
      `SELECT ${rowColumns} FROM messaging_outbox WHERE id IN (${placesOf(some)})`,
      ...some,
    );
    rows.push(...found.map(opened));
  }
  return rows;
}

function opened(row: StoredRow): OutboxRow {
  return {
    id: row.id,
    partitionKey: row.partition_key,
    enqueuedAt: row.enqueued_at,
    message: {
      exchange: row.exchange,
      routingKey: row.routing_key,
      expiration: row.expiration,
      properties: row.properties,
      body: unseal(row.body, sealContext(row.exchange, row.routing_key)),
    },
  };
}

const idsPerStatement = 50;

/** In portions of one or two sizes, so that few statements are prepared. */
function* inStatements(ids: number[]): Generator<number[], void, undefined> {
  for (let at = 0; at < ids.length; ) {
    const count = ids.length - at >= idsPerStatement ? idsPerStatement : 1;
    yield ids.slice(at, at + count);
    at += count;
  }
}

function placesOf(ids: number[]): string {
  return ids.map((_, i) => `$${i + 1}`).join(', ');
}

export const deleteFromOutbox = defineOperation(
  import.meta.url,
  'deleteFromOutbox',
  function* ({ ids }: { ids: number[] }) {
    for (const some of inStatements(ids)) {
      yield* query(`DELETE FROM messaging_outbox WHERE id IN (${placesOf(some)})`, ...some);
    }
  },
);

export const outboxDepth = defineOperation(
  import.meta.url,
  'outboxDepth',
  function* ({ connection }: { connection: string }, { now }) {
    const [row] = yield* query<{ depth: number; oldest: number | null }>(
      'SELECT count(*) AS depth, min(enqueued_at) AS oldest FROM messaging_outbox WHERE connection = $1',
      connection,
    );
    const oldest = row?.oldest ?? null;
    return { depth: Number(row?.depth ?? 0), lag: oldest === null ? 0 : Math.max(0, now - Number(oldest)) };
  },
  { readOnly: true },
);

/** Takes or keeps a lease; true while `holder` has it. */
export const holdLease = defineOperation(
  import.meta.url,
  'holdLease',
  function* ({ name, holder, duration }: { name: string; holder: string; duration: number }, { now }) {
    const rows = yield* query(
      `INSERT INTO messaging_leases (name, holder, held_until) VALUES ($1, $2, $3)
       ON CONFLICT (name) DO UPDATE SET holder = $4, held_until = $5
         WHERE messaging_leases.holder = $6 OR messaging_leases.held_until < $7
       RETURNING holder`,
      name,
      holder,
      now + duration,
      holder,
      now + duration,
      holder,
      now,
    );
    return rows.length > 0;
  },
);

export const dropLease = defineOperation(
  import.meta.url,
  'dropLease',
  function* ({ name, holder }: { name: string; holder: string }) {
    yield* query('DELETE FROM messaging_leases WHERE name = $1 AND holder = $2', name, holder);
  },
);

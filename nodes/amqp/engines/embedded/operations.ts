/** The embedded queue as store operations. */
import { Failure } from '../../../kernel/failure.ts';
import { defineOperation, query, type Row, type SqlValue } from '../../../kernel/store/operation.ts';
import { seal, unseal } from '../../../kernel/store/sealing.ts';
import { brokerReasonHeader } from '../../failure-headers.ts';
import type { MessageProperties } from '../engine.ts';
import { matchesTopic } from './topic.ts';

/** Marks a queue whose messages may be delivered without limit. */
export const unlimited = -1;
/** `ready_at` of a message that waits for nothing: its place is its id, whatever the clock does. */
const readyNow = 0;

export interface DeclareArgs {
  exchanges: string[];
  queues: { name: string; deliveryLimit: number; maxLength: number | null }[];
  bindings: { exchange: string; routingKey: string; queue: string }[];
}

export const declareTopology = defineOperation(import.meta.url, 'declareTopology', function* (args: DeclareArgs) {
  for (const exchange of args.exchanges) {
    yield* query('INSERT INTO messaging_exchanges (name) VALUES ($1) ON CONFLICT (name) DO NOTHING', exchange);
  }
  for (const { name, deliveryLimit, maxLength } of args.queues) {
    yield* query(
      `INSERT INTO messaging_queues (name, delivery_limit, max_length) VALUES ($1, $2, $3)
       ON CONFLICT (name) DO UPDATE SET delivery_limit = $4, max_length = $5`,
      name,
      deliveryLimit,
      maxLength,
      deliveryLimit,
      maxLength,
    );
  }
  for (const { exchange, routingKey, queue } of args.bindings) {
    yield* query(
      `INSERT INTO messaging_bindings (exchange, routing_key, queue) VALUES ($1, $2, $3)
       ON CONFLICT (exchange, routing_key, queue) DO NOTHING`,
      exchange,
      routingKey,
      queue,
    );
  }
});

/** A message as it goes into its queues. */
export interface QueuedMessage {
  exchange: string;
  routingKey: string;
  /** {@link MessageProperties} as JSON. */
  properties: string;
  /** Milliseconds from now. */
  expiration: number | null;
  body: Uint8Array;
}

export type Routed =
  | { kind: 'routed'; queues: string[] }
  /** No queue is bound: nothing was stored. */
  | { kind: 'unroutable' }
  | { kind: 'no-exchange' };

/** Statements are cached by their text, so that batches come in few sizes. */
const rowsPerInsert = 32;

/** Stores messages in all queues they are routed to. Other operations compose it with `yield* enqueue.body(…)`. */
export const enqueue = defineOperation(
  import.meta.url,
  'enqueue',
  function* ({ messages }: { messages: QueuedMessage[] }, { now }) {
    const routes = new Map<string, Routed>();
    const results: Routed[] = [];
    const rows: SqlValue[][] = [];
    for (const message of messages) {
      const key = `${message.exchange}\0${message.routingKey}`;
      let routed = routes.get(key);
      if (routed === undefined) {
        routed = yield* route(message.exchange, message.routingKey);
        routes.set(key, routed);
      }
      results.push(routed);
      if (routed.kind !== 'routed') continue;
      const expires = message.expiration === null ? null : now + message.expiration;
      for (const queue of routed.queues) {
        rows.push([
          queue,
          readyNow,
          now,
          null,
          0,
          expires,
          message.exchange,
          message.routingKey,
          message.properties,
          seal(message.body, sealContext(message.exchange, message.routingKey)),
        ]);
      }
    }
    for (let at = 0; at < rows.length; ) {
      const count = rows.length - at >= rowsPerInsert ? rowsPerInsert : 1;
      yield* insertRows(rows.slice(at, at + count));
      at += count;
    }
    return results;
  },
);

function* insertRows(rows: SqlValue[][]) {
  const width = rows[0]!.length;
  const tuples = rows.map((_, row) => `(${rows[0]!.map((_value, i) => `$${row * width + i + 1}`).join(', ')})`);
  yield* query(
    `INSERT INTO messaging_messages
       (queue, ready_at, enqueued_at, owner, deliveries, expires_at, exchange, routing_key, properties, body)
     VALUES ${tuples.join(', ')}`,
    ...rows.flat(),
  );
}

function* route(exchange: string, routingKey: string) {
  if (exchange === '') {
    const found = yield* query('SELECT name FROM messaging_queues WHERE name = $1', routingKey);
    return (found.length > 0 ? { kind: 'routed', queues: [routingKey] } : { kind: 'unroutable' }) as Routed;
  }
  const bindings = yield* query<{ routing_key: string; queue: string }>(
    'SELECT routing_key, queue FROM messaging_bindings WHERE exchange = $1',
    exchange,
  );
  const queues = new Set<string>();
  for (const binding of bindings) if (matchesTopic(binding.routing_key, routingKey)) queues.add(binding.queue);
  if (queues.size > 0) return { kind: 'routed', queues: [...queues].sort() } as Routed;
  const known = yield* query('SELECT name FROM messaging_exchanges WHERE name = $1', exchange);
  return { kind: known.length > 0 ? 'unroutable' : 'no-exchange' } as Routed;
}

interface MessageRow extends Row {
  id: number;
  queue: string;
  deliveries: number;
  expires_at: number | null;
  exchange: string;
  routing_key: string;
  properties: string;
  body: Uint8Array;
}

export interface FetchedMessage {
  id: number;
  exchange: string;
  routingKey: string;
  properties: string;
  body: Uint8Array;
  /** Deliveries before this one that nobody settled. */
  redeliveries: number;
}

export interface Fetched {
  messages: FetchedMessage[];
  /** Letters put aside now: too many deliveries, or too old. */
  dead: number;
  /** Milliseconds until the next message becomes ready, by the store's clock, when none is ready now. */
  nextReadyIn: number | null;
  /** The store's clock. */
  now: number;
}

/** Retries whose delay is over become ready, in their old place. */
function* wakeDelayed(queue: string, now: number) {
  yield* query(
    `UPDATE messaging_messages SET ready_at = ${readyNow}
     WHERE queue = $1 AND ready_at > ${readyNow} AND ready_at <= $2 AND owner IS NULL`,
    queue,
    now,
  );
}

/** After the clock was set back: a retry that would wait longer than its delay begins its delay again. */
export const restartWaits = defineOperation(import.meta.url, 'restartWaits', function* (_: undefined, { now }) {
  yield* query(
    `UPDATE messaging_messages SET ready_at = $1 + wait
     WHERE ready_at > ${readyNow} AND wait > 0 AND ready_at - wait > $2`,
    now,
    now,
  );
});

/** Takes up to `limit` ready messages for `owner`, in the order in which they were published. */
export const fetch = defineOperation(
  import.meta.url,
  'fetch',
  function* ({ queue, owner, limit }: { queue: string; owner: string; limit: number }, { now }) {
    yield* wakeDelayed(queue, now);
    const rows = yield* query<MessageRow>(
      `UPDATE messaging_messages SET owner = $1, deliveries = deliveries + 1
       WHERE id IN (SELECT id FROM messaging_messages WHERE queue = $2 AND owner IS NULL AND ready_at = ${readyNow}
                    ORDER BY ready_at, id LIMIT $3)
       RETURNING id, queue, deliveries, expires_at, exchange, routing_key, properties, body`,
      owner,
      queue,
      limit,
    );
    rows.sort((a, b) => a.id - b.id);
    const messages: FetchedMessage[] = [];
    let dead = 0;
    let deliveryLimit: number | undefined;
    for (const row of rows) {
      const expired = row.expires_at !== null && row.expires_at <= now;
      if (row.deliveries > 1 && deliveryLimit === undefined) deliveryLimit = yield* deliveryLimitOf(queue);
      // As on RabbitMQ the limit counts redeliveries.
      const poison = deliveryLimit !== undefined && deliveryLimit >= 0 && row.deliveries - 1 > deliveryLimit;
      if (expired || poison) {
        yield* putAside(row, expired ? 'expired' : 'delivery_limit', now);
        dead++;
        continue;
      }
      messages.push({
        id: row.id,
        exchange: row.exchange,
        routingKey: row.routing_key,
        properties: row.properties,
        body: bodyOf(row),
        redeliveries: row.deliveries - 1,
      });
    }
    let nextReadyIn: number | null = null;
    if (rows.length < limit) {
      const [next] = yield* query<{ ready_at: number }>(
        `SELECT ready_at FROM messaging_messages WHERE queue = $1 AND owner IS NULL AND ready_at > ${readyNow}
         ORDER BY ready_at LIMIT 1`,
        queue,
      );
      nextReadyIn = next === undefined ? null : Math.max(0, next.ready_at - now);
    }
    return { messages, dead, nextReadyIn, now } as Fetched;
  },
);

/** What a stored body is bound to; neither changes while the message waits. */
export function sealContext(exchange: string, routingKey: string): string {
  return `${exchange}\n${routingKey}`;
}

/** One that was tampered with goes out as it lies there: the consumer cannot read it and puts it with the dead. */
function bodyOf({ body, exchange, routing_key }: MessageRow): Uint8Array {
  try {
    return unseal(body, sealContext(exchange, routing_key));
  } catch (error) {
    if (error instanceof Failure && error.code === 'PAYLOAD_TAMPERED') return body;
    throw error;
  }
}

function* deliveryLimitOf(queue: string) {
  const [row] = yield* query<{ delivery_limit: number }>(
    'SELECT delivery_limit FROM messaging_queues WHERE name = $1',
    queue,
  );
  return row?.delivery_limit ?? unlimited;
}

/** What a broker does with a message beyond its limits. */
function* putAside(row: MessageRow, reason: string, now: number) {
  const properties = JSON.parse(row.properties) as MessageProperties;
  properties.headers = {
    'x-origin-queue': row.queue,
    'x-origin-exchange': row.exchange,
    'x-origin-routing-key': row.routing_key,
    ...properties.headers,
    [brokerReasonHeader]: reason,
  };
  yield* query(
    `UPDATE messaging_messages SET queue = $1, ready_at = ${readyNow}, enqueued_at = $2, owner = NULL, deliveries = 0,
       expires_at = NULL, properties = $3 WHERE id = $4`,
    `${row.queue}.dead`,
    now,
    JSON.stringify(properties),
    row.id,
  );
}

export type Settling =
  | { kind: 'done'; id: number }
  | { kind: 'release'; id: number }
  /** `delay` in milliseconds. */
  | { kind: 'retry'; id: number; delay: number; properties: string }
  | { kind: 'dead-letter'; id: number; queue: string; properties: string };

/** Settles deliveries of `owner`; those it no longer owns are left alone. */
export const settle = defineOperation(
  import.meta.url,
  'settle',
  function* ({ owner, settlings }: { owner: string; settlings: Settling[] }, { now }) {
    const done: number[] = [];
    for (const settling of settlings) {
      switch (settling.kind) {
        case 'done':
          done.push(settling.id);
          break;
        case 'release':
          // Handed back unharmed: that was no delivery.
          yield* query(
            'UPDATE messaging_messages SET owner = NULL, deliveries = deliveries - 1 WHERE id = $1 AND owner = $2',
            settling.id,
            owner,
          );
          break;
        case 'retry':
          yield* query(
            `UPDATE messaging_messages SET owner = NULL, deliveries = 0, expires_at = NULL, ready_at = $1, wait = $2,
               properties = $3 WHERE id = $4 AND owner = $5`,
            now + settling.delay,
            settling.delay,
            settling.properties,
            settling.id,
            owner,
          );
          break;
        case 'dead-letter':
          yield* query(
            `INSERT INTO messaging_queues (name, delivery_limit, max_length) VALUES ($1, ${unlimited}, NULL)
             ON CONFLICT (name) DO NOTHING`,
            settling.queue,
          );
          yield* query(
            `UPDATE messaging_messages SET queue = $1, owner = NULL, deliveries = 0, expires_at = NULL,
               ready_at = ${readyNow}, enqueued_at = $2, properties = $3 WHERE id = $4 AND owner = $5`,
            settling.queue,
            now,
            settling.properties,
            settling.id,
            owner,
          );
      }
    }
    for (let at = 0; at < done.length; ) {
      const count = done.length - at >= rowsPerInsert ? rowsPerInsert : 1;
      const ids = done.slice(at, at + count);
      const places = ids.map((_, i) => `$${i + 2}`).join(', ');
      yield* query(`DELETE FROM messaging_messages WHERE owner = $1 AND id IN (${places})`, owner, ...ids);
      at += count;
    }
  },
);

/**
 * Makes available again what was delivered and never settled: all owners but those alive in this process. The
 * delivery stays counted, so that a message that ends the process each time meets its limit.
 */
export const recover = defineOperation(import.meta.url, 'recover', function* ({ alive }: { alive: string[] }) {
  const places = alive.map((_, i) => `$${i + 1}`).join(', ');
  yield* query(
    `UPDATE messaging_messages SET owner = NULL WHERE owner IS NOT NULL AND owner NOT IN (${places})`,
    ...alive,
  );
});

/** A clean goodbye: everything this owner still holds goes back uncounted. */
export const releaseOwner = defineOperation(import.meta.url, 'releaseOwner', function* ({ owner }: { owner: string }) {
  yield* query('UPDATE messaging_messages SET owner = NULL, deliveries = deliveries - 1 WHERE owner = $1', owner);
});

/**
 * Makes available, uncounted, what the store says `owner` holds of a queue and what it does not: the answer of a fetch
 * was lost, or the release did not arrive.
 */
export const releaseOthers = defineOperation(
  import.meta.url,
  'releaseOthers',
  function* ({ owner, queue, held }: { owner: string; queue: string; held: number[] }) {
    const places = held.map((_, i) => `$${i + 3}`).join(', ');
    yield* query(
      `UPDATE messaging_messages SET owner = NULL, deliveries = deliveries - 1
       WHERE owner = $1 AND queue = $2${held.length === 0 ? '' : ` AND id NOT IN (${places})`}`,
      owner,
      queue,
      ...held,
    );
  },
);

export interface Depth {
  ready: number;
  /** Waiting for the end of their retry delay. */
  delayed: number;
  unsettled: number;
  /** When the oldest of the ready ones was put into the queue; a retry counts from its publishing. */
  oldestReadyAt: number | null;
  now: number;
}

/** Undefined when there is no such queue. */
export const depthOf = defineOperation(
  import.meta.url,
  'depthOf',
  function* ({ queue }: { queue: string }, { now }) {
    const known = yield* query('SELECT name FROM messaging_queues WHERE name = $1', queue);
    if (known.length === 0) return undefined;
    const [row] = yield* query<{ total: number; unsettled: number; delayed: number; oldest: number | null }>(
      `SELECT count(*) AS total,
         count(owner) AS unsettled,
         count(CASE WHEN owner IS NULL AND ready_at > $1 THEN 1 END) AS delayed,
         min(CASE WHEN owner IS NULL AND ready_at <= $2 THEN enqueued_at END) AS oldest
       FROM messaging_messages WHERE queue = $3`,
      now,
      now,
      queue,
    );
    const { total, unsettled, delayed, oldest } = row!;
    const depth: Depth = {
      ready: Number(total) - Number(unsettled) - Number(delayed),
      delayed: Number(delayed),
      unsettled: Number(unsettled),
      oldestReadyAt: oldest,
      now,
    };
    return depth;
  },
  { readOnly: true },
);

/** Operations on kept originals. */
import { type Dialect, defineOperation, query, type Row, rowsOf, type Statement } from '../kernel/store/operation.ts';
import { keyIdSql, seal, unseal } from '../kernel/store/sealing.ts';

type Step<R> = Generator<Statement, R, Row[]>;

/** Bytes of one document that are kept; of a larger one only that it came, and its size. */
export const originalLimit = 5 * 1024 * 1024;

/** Different originals kept of one sender under one message id: one that uses an id twice must not fill the store. */
const perMessage = 5;

/** Bound to the row: moved to another, the bytes do not open. */
const contextOf = (id: string): string => `original ${id}`;

export interface OriginalInput {
  id: string;
  /** Id of the event. */
  messageId: string;
  /** By `senderOf`: ids are the senders' choice, and two may choose the same. */
  sender: string;
  /** Node that kept it. */
  node: string;
  /** `bytes` as they came over the wire, or `text` that was decoded before the node saw it. */
  form: 'bytes' | 'text';
  contentType: string;
  body: Uint8Array;
  /** Milliseconds that it is kept. */
  retention: number;
}

/** What is told of an original without opening it. Instants are milliseconds since the epoch. */
export interface Original {
  id: string;
  messageId: string;
  sender: string;
  node: string;
  form: 'bytes' | 'text';
  contentType: string;
  /** Bytes. */
  size: number;
  /** False: it was larger than {@link originalLimit}, and only this line is kept. */
  kept: boolean;
  encrypted: boolean;
  at: number;
  expiresAt: number;
}

export interface OriginalBody extends Original {
  body: Uint8Array;
}

type OriginalRow = {
  id: string;
  message_id: string;
  sender: string;
  node_id: string;
  form: 'bytes' | 'text';
  content_type: string;
  size: number;
  held: number;
  key_id: string | null;
  kept_at: number;
  expires_at: number;
};

const columns = (dialect: Dialect): string =>
  `id, message_id, sender, node_id, form, content_type, size, CASE WHEN body IS NULL THEN 0 ELSE 1 END AS held,
   ${keyIdSql('body', dialect)} AS key_id, kept_at, expires_at`;

function originalOf(row: OriginalRow): Original {
  return {
    id: row.id,
    messageId: row.message_id,
    sender: row.sender,
    node: row.node_id,
    form: row.form,
    contentType: row.content_type,
    size: Number(row.size),
    kept: Number(row.held) === 1,
    encrypted: row.key_id !== null,
    at: Number(row.kept_at),
    expiresAt: Number(row.expires_at),
  };
}

/**
 * Keeps a document once: a retry of its sender with the same bytes under the same message id adds nothing.
 * @returns `new`, `known`, or `full` when too many different ones of this sender came under this id
 */
export const keepOriginal = defineOperation(
  import.meta.url,
  'keepOriginal',
  function* (input: OriginalInput, { now }): Step<'new' | 'known' | 'full'> {
    const { id, messageId, sender, node, form, contentType, body, retention } = input;
    const rows = yield* query<{ id: string; size: number; body: Uint8Array | null }>(
      'SELECT id, size, body FROM message_originals WHERE message_id = $1 AND sender = $2 ORDER BY kept_at LIMIT $3',
      messageId,
      sender,
      perMessage,
    );
    const kept = body.byteLength <= originalLimit;
    if (rows.some((row) => Number(row.size) === body.byteLength && (!kept || holds(row, body)))) return 'known';
    if (rows.length >= perMessage) return 'full';
    yield* query(
      `INSERT INTO message_originals (id, message_id, sender, node_id, form, content_type, size, body, kept_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      id,
      messageId,
      sender,
      node,
      form,
      contentType,
      body.byteLength,
      kept ? seal(body, contextOf(id)) : null,
      now,
      now + retention,
    );
    return 'new';
  },
  { key: ({ messageId }) => `original ${messageId}` },
);

function holds({ id, body }: { id: string; body: Uint8Array | null }, bytes: Uint8Array): boolean {
  if (body === null) return false;
  try {
    return Buffer.from(unseal(body, contextOf(id))).equals(bytes);
  } catch {
    // Sealed with a key that is gone, or changed behind the store's back: it proves nothing of these bytes.
    return false;
  }
}

/** Whose originals are looked at; undefined: everybody's. Compared in the store, so that others' are never read. */
type Senders = readonly string[] | undefined;

/** Originals of one message that a timeline lists: of several senders when they share its id. */
const listed = 50;

function ofSenders(senders: Senders, from: number): string {
  if (senders === undefined) return '';
  return ` AND sender IN (${senders.map((_, n) => `$${from + n}`).join(', ')})`;
}

/** What was kept of one message, oldest first. */
export const originalsOf = defineOperation(
  import.meta.url,
  'originalsOf',
  function* ({ messageId, senders }: { messageId: string; senders?: Senders }, { dialect }): Step<Original[]> {
    if (senders?.length === 0) return [];
    const rows = yield* query<OriginalRow>(
      `SELECT ${columns(dialect)} FROM message_originals WHERE message_id = $1${ofSenders(senders, 3)}
       ORDER BY kept_at, id LIMIT $2`,
      messageId,
      listed,
      ...(senders ?? []),
    );
    return rows.map(originalOf);
  },
  { readOnly: true },
);

/**
 * Opens an original to a person's eyes, said in the audit trail in the same transaction; undefined when there is none
 * of these senders under this message, or only its size was kept.
 */
export const revealOriginal = defineOperation(
  import.meta.url,
  'revealOriginal',
  function* (
    request: {
      id: string;
      messageId: string;
      senders?: Senders;
      actor: string;
      reason: string;
      correlationId?: string;
    },
    context,
  ): Step<OriginalBody | undefined> {
    const { senders } = request;
    if (senders?.length === 0) return undefined;
    const [row] = yield* query<OriginalRow & { body: Uint8Array }>(
      `SELECT ${columns(context.dialect)}, body FROM message_originals
       WHERE id = $1 AND message_id = $2 AND body IS NOT NULL${ofSenders(senders, 3)}`,
      request.id,
      request.messageId,
      ...(senders ?? []),
    );
    if (row === undefined) return undefined;
    const body = unseal(row.body, contextOf(row.id));
    context.audit({
      action: 'message.revealed',
      outcome: 'success',
      actor: request.actor,
      subject: request.messageId,
      reason: request.reason,
      node: row.node_id,
      detail: { original: row.id, size: Number(row.size) },
      ...(request.correlationId === undefined ? {} : { correlationId: request.correlationId }),
    });
    return { ...originalOf(row), body };
  },
);

/** The latest whose bytes are kept and are at most `size` of them, newest first. Looks at no body. */
export const latestOriginals = defineOperation(
  import.meta.url,
  'latestOriginals',
  function* ({ limit, size }: { limit: number; size: number }): Step<{ id: string; messageId: string }[]> {
    const rows = yield* query<{ id: string; message_id: string }>(
      `SELECT id, message_id FROM message_originals WHERE body IS NOT NULL AND size <= $2
       ORDER BY kept_at DESC, id DESC LIMIT $1`,
      limit,
      size,
    );
    return rows.map(({ id, message_id }) => ({ id, messageId: message_id }));
  },
  { readOnly: true },
);

/** Those of these ids that can be opened; whoever shows them says so in the audit trail. */
export const readOriginals = defineOperation(
  import.meta.url,
  'readOriginals',
  function* ({ ids }: { ids: readonly string[] }, { dialect }): Step<OriginalBody[]> {
    const found: OriginalBody[] = [];
    for (const id of ids) {
      const [row] = yield* query<OriginalRow & { body: Uint8Array }>(
        `SELECT ${columns(dialect)}, body FROM message_originals WHERE id = $1 AND body IS NOT NULL`,
        id,
      );
      if (row === undefined) continue;
      try {
        found.push({ ...originalOf(row), body: unseal(row.body, contextOf(id)) });
      } catch {
        // Its key is gone: the others can still be read.
      }
    }
    return found;
  },
  { readOnly: true },
);

/** Removes those of messages that the journal lets go; composes into that operation. */
export function* forgetOriginals(messageIds: readonly string[], dialect: Dialect): Step<void> {
  if (messageIds.length === 0) return;
  if (dialect === 'postgresql') {
    yield* query(
      `DELETE FROM message_originals AS o USING json_to_recordset($1::json) AS r (id text) WHERE o.message_id = r.id`,
      rowsOf(messageIds.map((id) => ({ id }))),
    );
    return;
  }
  for (const id of messageIds) yield* query('DELETE FROM message_originals WHERE message_id = $1', id);
}

/** Removes at most `limit` whose retention is over. @returns how many */
export const purgeOriginals = defineOperation(
  import.meta.url,
  'purgeOriginals',
  function* ({ limit }: { limit: number }, { now }): Step<number> {
    const gone = yield* query(
      `DELETE FROM message_originals WHERE id IN
         (SELECT id FROM message_originals WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) RETURNING id`,
      now,
      limit,
    );
    return gone.length;
  },
);

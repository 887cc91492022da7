/**
 * Idempotency keys as store operations. A key is claimed for a lease with a fencing token; whoever holds the highest
 * token may complete, release or renew, and an older holder is told that its lease is lost.
 *
 * ```
 *            claim                complete
 *   (none) ────────▶ claimed ───────────────▶ completed ──▶ (purged after the retention)
 *                    │  ▲  ▲
 *            release │  │  │ claim after the lease ended: taken over, token + 1
 *                    ▼  │ claim
 *                  released
 * ```
 *
 * A completed key stays a duplicate until `purge` removes it, whatever the clock says: setting a clock forward or
 * back never lets a known key run twice. The retention counts from the claim, because that is when the sender's own
 * time for repeating begins.
 */
import { hash as digest } from 'node:crypto';
import { Failure } from '../kernel/failure.ts';
import {
  defineOperation,
  type OperationContext,
  query,
  type Row,
  rowsOf,
  type Statement,
} from '../kernel/store/operation.ts';
import { seal, unseal } from '../kernel/store/sealing.ts';

/** The answer a duplicate gets again. */
export interface StoredReply {
  statusCode: number;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

export interface Claim {
  /** Keys of different scopes never meet. At most 256 characters. */
  scope: string;
  /** At most 1024 characters. */
  key: string;
  /** Hash of the payload: a held or completed key with another fingerprint is a mismatch. */
  fingerprint: string;
  /** Who claims, for people: node and process. */
  owner: string;
  /** Milliseconds. */
  lease: number;
  /** Milliseconds from now after which the key may be purged. */
  retention: number;
}

export type ClaimVerdict =
  | { kind: 'new'; token: number }
  /** The holder before did not finish within its lease (it crashed, or is slow and will be refused). */
  | { kind: 'taken-over'; token: number }
  | { kind: 'duplicate'; completedAt: number; reply?: StoredReply }
  /** `retryAfter`: milliseconds until the lease ends. */
  | { kind: 'in-progress'; retryAfter: number }
  | { kind: 'mismatch' };

export interface KeyReference {
  scope: string;
  key: string;
}

export interface HeldKey extends KeyReference {
  token: number;
}

const limits = { scope: 256, key: 1024, replyHeaders: 16 * 1024, replyBody: 256 * 1024 };

/** 32 bytes for scope and key; the NUL between them is refused in both, so no two pairs share a hash. */
export function keyHash({ scope, key }: KeyReference): Buffer {
  for (const [name, text, limit] of [
    ['scope', scope, limits.scope],
    ['key', key, limits.key],
  ] as const) {
    if (typeof text !== 'string' || text === '') {
      throw new Failure('data-quality', 'IDEMPOTENCY_KEY_MISSING', `The idempotency ${name} is empty.`);
    }
    if (text.length > limit || text.includes('\0')) {
      throw new Failure(
        'data-quality',
        'IDEMPOTENCY_KEY_INVALID',
        `The idempotency ${name} is longer than ${limit} characters or holds a NUL character.`,
      );
    }
  }
  return digest('sha256', `${scope}\0${key}`, 'buffer');
}

/** Operations on different keys never meet; see `OperationOptions.key`. */
const onOneKey = { key: ({ scope, key }: KeyReference): string => `${scope}\0${key}` };

interface KeyRow extends Row {
  state: string;
  fence: number;
  fingerprint: string;
  lease_until: number;
  claimed_at: number;
  lease: number;
  completed_at: number | null;
}

/** Claims a key, or says who has it. */
export const claim = defineOperation(
  import.meta.url,
  'claim',
  function* (wanted: Claim, { now }) {
    const row = newKey(wanted, now);
    const inserted = yield* query(
      `INSERT INTO idempotency_keys
         (hash, scope, key, fingerprint, state, fence, owner, attempts, claimed_at, lease, lease_until, expires_at)
       VALUES ($1, $2, $3, $4, 'claimed', $5, $6, 1, $7, $8, $9, $10)
       ON CONFLICT (hash) DO NOTHING RETURNING fence`,
      row.hash,
      row.scope,
      row.key,
      row.fingerprint,
      row.fence,
      row.owner,
      row.claimed_at,
      row.lease,
      row.lease_until,
      row.expires_at,
    );
    if (inserted.length > 0) return { kind: 'new', token: now } as ClaimVerdict;
    return yield* claimKnown(wanted, row.hash, now);
  },
  { ...onOneKey, together: claimAll },
);

/** {@link claim} for keys that differ, on PostgreSQL: one statement when all are new, as most are. */
export function* claimAll(all: readonly Claim[], { now }: Pick<OperationContext, 'now'>) {
  const hashes = all.map(keyHash);
  const rows = all.map(({ scope, key, fingerprint, owner, lease, retention }, index) => ({
    hash: hashes[index]!,
    scope,
    key,
    fingerprint,
    owner,
    lease: Math.round(lease),
    retention: Math.round(retention),
  }));
  // In the order of the hashes, so that two processes with the same keys do not wait for one another.
  const inserted = yield* query<{ hash: Uint8Array }>(
    `INSERT INTO idempotency_keys
       (hash, scope, key, fingerprint, state, fence, owner, attempts, claimed_at, lease, lease_until, expires_at)
     SELECT decode(hash, 'hex'), scope, key, fingerprint, 'claimed', $2::bigint, owner, 1, $2::bigint, lease,
       $2::bigint + lease, $2::bigint + retention
     FROM json_to_recordset($1::json) AS row (hash text, scope text, key text, fingerprint text, owner text, lease bigint,
       retention bigint)
     ORDER BY hash
     ON CONFLICT (hash) DO NOTHING RETURNING hash`,
    rowsOf(rows),
    now,
  );
  const fresh = hashSet(inserted);
  const verdicts: ClaimVerdict[] = [];
  for (const [index, wanted] of all.entries()) {
    const hash = hashes[index]!;
    verdicts.push(fresh.has(hash.toString('hex')) ? { kind: 'new', token: now } : yield* claimKnown(wanted, hash, now));
  }
  return verdicts;
}

/** The clock as first token keeps tokens rising even when a key returns after it was purged. */
function newKey({ scope, key, fingerprint, owner, lease, retention }: Claim, now: number) {
  return {
    hash: keyHash({ scope, key }),
    scope,
    key,
    fingerprint,
    fence: now,
    owner,
    claimed_at: now,
    lease: Math.round(lease),
    lease_until: now + Math.round(lease),
    expires_at: now + Math.round(retention),
  };
}

function hashSet(rows: readonly { hash: Uint8Array }[]): Set<string> {
  return new Set(rows.map(({ hash }) => Buffer.from(hash).toString('hex')));
}

function* claimKnown(wanted: Claim, hash: Uint8Array, now: number) {
  for (;;) {
    const [row] = yield* query<KeyRow>(
      `SELECT state, fence, fingerprint, claimed_at, lease, lease_until, completed_at
       FROM idempotency_keys WHERE hash = $1`,
      hash,
    );
    // Purged between the two statements by another process: the sender's retry will find it new.
    if (row === undefined) return { kind: 'in-progress', retryAfter: 1000 } as ClaimVerdict;
    // A released key has had no effect: a corrected document may come under it (an edited replay, a sender's fix).
    if (row.fingerprint !== wanted.fingerprint && row.state !== 'released') return { kind: 'mismatch' } as ClaimVerdict;
    if (row.state === 'completed') {
      const reply = yield* storedReply(hash);
      return {
        kind: 'duplicate',
        completedAt: row.completed_at!,
        ...(reply === undefined ? {} : { reply }),
      } as ClaimVerdict;
    }
    if (row.state === 'claimed' && row.lease_until > now) {
      const retryAfter = yield* boundedWait(hash, row, now);
      return { kind: 'in-progress', retryAfter } as ClaimVerdict;
    }
    const token = Math.max(row.fence + 1, now);
    const taken = yield* query(
      `UPDATE idempotency_keys
       SET state = 'claimed', fence = $1, owner = $2, attempts = attempts + 1, claimed_at = $3, lease = $4,
           lease_until = $5, expires_at = $6, fingerprint = $7
       WHERE hash = $8 AND fence = $9 AND state = $10 RETURNING fence`,
      token,
      wanted.owner,
      now,
      Math.round(wanted.lease),
      now + Math.round(wanted.lease),
      now + Math.round(wanted.retention),
      wanted.fingerprint,
      hash,
      row.fence,
      row.state,
    );
    if (taken.length > 0) {
      return { kind: row.state === 'released' ? 'new' : 'taken-over', token } as ClaimVerdict;
    }
    // Another process was faster: look again.
  }
}

/**
 * Milliseconds until the lease ends. More than a whole lease to wait means that the clock was set back since: then the
 * lease is made to end one lease from now, so that a crashed holder's key does not wait for the clock to catch up.
 */
function* boundedWait(hash: Uint8Array, row: KeyRow, now: number) {
  if (row.lease_until - now <= row.lease) return row.lease_until - now;
  yield* query(
    "UPDATE idempotency_keys SET lease_until = $1 WHERE hash = $2 AND fence = $3 AND state = 'claimed'",
    now + row.lease,
    hash,
    row.fence,
  );
  return row.lease;
}

function* storedReply(hash: Uint8Array) {
  const [row] = yield* query<{ status_code: number; headers: string; body: Uint8Array | null }>(
    'SELECT status_code, headers, body FROM idempotency_replies WHERE hash = $1',
    hash,
  );
  if (row === undefined) return undefined;
  const reply: StoredReply = {
    statusCode: row.status_code,
    headers: JSON.parse(row.headers) as Record<string, string>,
    ...(row.body === null ? {} : { body: unseal(row.body, replyContext(hash)) }),
  };
  return reply;
}

export type Completion = HeldKey & { reply?: StoredReply };

/**
 * Marks a held key as done and keeps the reply for its duplicates. Completing again with the same token is
 * `completed`, so that a caller who lost the answer may repeat.
 *
 * @throws Failure `data-quality` `IDEMPOTENCY_REPLY_TOO_LARGE`: headers over 16 KiB or a body over 256 KiB
 */
export const complete = defineOperation(
  import.meta.url,
  'complete',
  function* ({ reply, ...held }: Completion, { now }) {
    const hash = keyHash(held);
    const done = yield* query(
      `UPDATE idempotency_keys SET state = 'completed', completed_at = COALESCE(completed_at, $1)
       WHERE hash = $2 AND fence = $3 AND state IN ('claimed', 'completed') RETURNING fence`,
      now,
      hash,
      held.token,
    );
    if (done.length === 0) return 'lost-lease' as 'completed' | 'lost-lease';
    if (reply !== undefined) {
      const { status_code, headers, body } = replyRow(held, hash, reply);
      yield* query(
        `INSERT INTO idempotency_replies (hash, status_code, headers, body) VALUES ($1, $2, $3, $4)
         ON CONFLICT (hash) DO NOTHING`,
        hash,
        status_code,
        headers,
        body,
      );
    }
    return 'completed' as 'completed' | 'lost-lease';
  },
  { ...onOneKey, together: completeAll },
);

/** {@link complete} for keys that differ, on PostgreSQL: one statement for all. */
export function* completeAll(
  all: readonly Completion[],
  { now }: Pick<OperationContext, 'now'>,
): Generator<Statement, ('completed' | 'lost-lease')[], Row[]> {
  if (all.length === 0) return [];
  const hashes = all.map((held) => keyHash(held).toString('hex'));
  const tokens = Object.fromEntries(all.map(({ token }, index) => [hashes[index]!, token]));
  const replies = all.flatMap(({ reply, ...held }) =>
    reply === undefined ? [] : [replyRow(held, keyHash(held), reply)],
  );
  // The keys are not joined, because a join planned while the table was empty would go on reading all of it.
  const done = hashSet(
    yield* query<{ hash: Uint8Array }>(
      `WITH done AS (
         UPDATE idempotency_keys SET state = 'completed', completed_at = COALESCE(completed_at, $1)
         WHERE hash = ANY (ARRAY(SELECT decode(jsonb_object_keys($2::jsonb), 'hex')))
           AND fence = ((SELECT $2::jsonb) ->> encode(hash, 'hex'))::bigint AND state IN ('claimed', 'completed')
         RETURNING hash
       ), kept AS (
         INSERT INTO idempotency_replies (hash, status_code, headers, body)
         SELECT done.hash, status_code, headers, decode(body, 'hex')
         FROM json_to_recordset($3::json) AS reply (hash text, status_code bigint, headers text, body text)
           JOIN done ON done.hash = decode(reply.hash, 'hex')
         ON CONFLICT (hash) DO NOTHING
       )
       SELECT hash FROM done`,
      now,
      JSON.stringify(tokens),
      rowsOf(replies),
    ),
  );
  return hashes.map((hash) => (done.has(hash) ? 'completed' : 'lost-lease'));
}

function replyRow({ scope }: HeldKey, hash: Uint8Array, reply: StoredReply) {
  const headers = JSON.stringify(reply.headers ?? {});
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : (reply.body ?? null);
  if (headers.length > limits.replyHeaders || (body?.byteLength ?? 0) > limits.replyBody) {
    throw new Failure(
      'data-quality',
      'IDEMPOTENCY_REPLY_TOO_LARGE',
      `The reply to keep for duplicates of a message in scope ${scope} is larger than ${limits.replyBody} bytes. Answer with a reference instead of the document.`,
    );
  }
  return {
    hash,
    status_code: reply.statusCode,
    headers,
    body: body === null ? null : seal(body, replyContext(hash)),
  };
}

const replyContext = (hash: Uint8Array): string => `reply ${Buffer.from(hash).toString('hex')}`;

/** Gives a held key back undone: the next claim of it is new. */
export const release = defineOperation(
  import.meta.url,
  'release',
  function* (held: HeldKey) {
    const released = yield* query(
      `UPDATE idempotency_keys SET state = 'released'
     WHERE hash = $1 AND fence = $2 AND state IN ('claimed', 'released') RETURNING fence`,
      keyHash(held),
      held.token,
    );
    return (released.length > 0 ? 'released' : 'lost-lease') as 'released' | 'lost-lease';
  },
  onOneKey,
);

/** Extends a held lease to `lease` milliseconds from now. A lease that ended but was not taken over is still held. */
export const renew = defineOperation(
  import.meta.url,
  'renew',
  function* (held: HeldKey & { lease: number }, { now }) {
    const renewed = yield* query(
      `UPDATE idempotency_keys SET lease = $1, lease_until = $2
     WHERE hash = $3 AND fence = $4 AND state = 'claimed' RETURNING fence`,
      Math.round(held.lease),
      now + Math.round(held.lease),
      keyHash(held),
      held.token,
    );
    return (renewed.length > 0 ? 'renewed' : 'lost-lease') as 'renewed' | 'lost-lease';
  },
  onOneKey,
);

/**
 * Renews several held keys, one statement for all.
 *
 * @returns the indexes of those still held
 */
export const renewAll = defineOperation(
  import.meta.url,
  'renewAll',
  function* ({ lease, keys }: { lease: number; keys: readonly HeldKey[] }, { now }) {
    if (keys.length === 0) return [];
    const hashes = keys.map(keyHash);
    const held = keys.map((_, index) => `(hash = $${2 * index + 3} AND fence = $${2 * index + 4})`).join(' OR ');
    const renewed = yield* query<{ hash: Uint8Array }>(
      `UPDATE idempotency_keys SET lease = $1, lease_until = $2 WHERE state = 'claimed' AND (${held}) RETURNING hash`,
      Math.round(lease),
      now + Math.round(lease),
      ...keys.flatMap(({ token }, index) => [hashes[index]!, token]),
    );
    const still = new Set(renewed.map(({ hash }) => Buffer.from(hash).toString('hex')));
    return [...keys.keys()].filter((index) => still.has(hashes[index]!.toString('hex')));
  },
);

/**
 * Removes at most `limit` keys whose retention has passed and that nobody holds. Small slices: the writer is shared.
 *
 * @returns how many were removed; fewer than `limit` means that none are left
 */
export const purge = defineOperation(import.meta.url, 'purge', function* ({ limit }: { limit: number }, { now }) {
  const purged = yield* query<{ hash: Uint8Array }>(
    `DELETE FROM idempotency_keys WHERE hash IN (
       SELECT hash FROM idempotency_keys
       WHERE expires_at < $1 AND (state <> 'claimed' OR lease_until < $2) ORDER BY expires_at LIMIT $3)
     RETURNING hash`,
    now,
    now,
    limit,
  );
  if (purged.length > 0) {
    const places = purged.map((_, index) => `$${index + 1}`).join(', ');
    yield* query(`DELETE FROM idempotency_replies WHERE hash IN (${places})`, ...purged.map((row) => row.hash));
  }
  return purged.length;
});

export interface KeyState {
  scope: string;
  key: string;
  state: 'claimed' | 'released' | 'completed';
  token: number;
  owner: string;
  /** Claims so far. */
  attempts: number;
  /** Instants in milliseconds since the epoch. */
  claimedAt: number;
  leaseUntil: number;
  expiresAt: number;
  completedAt?: number;
  reply?: StoredReply;
}

/** Looks a key up; undefined when it is unknown or purged. */
export const find = defineOperation(
  import.meta.url,
  'find',
  function* (reference: KeyReference) {
    const hash = keyHash(reference);
    const [row] = yield* query(
      `SELECT scope, key, state, fence, owner, attempts, claimed_at, lease_until, expires_at, completed_at
       FROM idempotency_keys WHERE hash = $1`,
      hash,
    );
    if (row === undefined) return undefined;
    const reply = yield* storedReply(hash);
    const state: KeyState = {
      scope: row.scope as string,
      key: row.key as string,
      state: row.state as KeyState['state'],
      token: row.fence as number,
      owner: row.owner as string,
      attempts: row.attempts as number,
      claimedAt: row.claimed_at as number,
      leaseUntil: row.lease_until as number,
      expiresAt: row.expires_at as number,
      ...(row.completed_at === null ? {} : { completedAt: row.completed_at as number }),
      ...(reply === undefined ? {} : { reply }),
    };
    return state;
  },
  { readOnly: true },
);

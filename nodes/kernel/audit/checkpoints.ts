/**
 * Checkpoints: signed states of the trail, which show a chain that was rewritten as a whole, and let its beginning go
 * when the retention is over without the rest losing its proof.
 */
import { canonicalJson } from '../json.ts';
import { defineOperation, query, type Row } from '../store/operation.ts';
import { type AuditKey, auditKeyId, isSignedBy } from './audit-key.ts';

interface Signature {
  keyId: string;
  publicKey: Uint8Array;
  signature: Uint8Array;
}

export interface Checkpoint extends Signature {
  /** The last entry it covers, and the hash of that. */
  seq: number;
  hash: Uint8Array;
  /** The checkpoint before; 0 for the first. */
  previous: number;
  /** Milliseconds since the epoch. */
  at: number;
  /** The entries up to `seq` were removed. */
  purge?: Signature & { at: number };
}

type Unsigned = Pick<Checkpoint, 'seq' | 'hash' | 'previous' | 'at'>;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function checkpointStatement({ seq, hash, previous, at }: Unsigned, keyId: string): Buffer {
  return Buffer.from(
    canonicalJson({ type: 'healthflows.audit.checkpoint', version: 1, seq, hash: hex(hash), previous, at, keyId }),
  );
}

function purgeStatement({ seq, hash }: Pick<Checkpoint, 'seq' | 'hash'>, at: number, keyId: string): Buffer {
  return Buffer.from(canonicalJson({ type: 'healthflows.audit.purge', version: 1, seq, hash: hex(hash), at, keyId }));
}

export function signCheckpoint(state: Unsigned, key: AuditKey): Checkpoint {
  return { ...state, keyId: key.id, publicKey: key.publicKey, signature: key.sign(checkpointStatement(state, key.id)) };
}

export function signPurge(checkpoint: Checkpoint, at: number, key: AuditKey): Checkpoint & { purge: object } {
  const signature = key.sign(purgeStatement(checkpoint, at, key.id));
  return { ...checkpoint, purge: { at, keyId: key.id, publicKey: key.publicKey, signature } };
}

/**
 * What is wrong with a checkpoint by itself:
 * - `signature`: it, or that its entries were removed, was not signed by the key it names;
 * - `unknown-key`: it was, by a key that is none of ours.
 */
export function problemOf(
  checkpoint: Checkpoint,
  trusted: ReadonlySet<string>,
): 'signature' | 'unknown-key' | undefined {
  const { purge } = checkpoint;
  const signed: [Signature, Buffer][] = [[checkpoint, checkpointStatement(checkpoint, checkpoint.keyId)]];
  if (purge !== undefined) signed.push([purge, purgeStatement(checkpoint, purge.at, purge.keyId)]);
  for (const [{ keyId, publicKey, signature }, statement] of signed) {
    if (keyId !== auditKeyId(publicKey) || !isSignedBy(publicKey, statement, signature)) return 'signature';
    if (trusted.size > 0 && !trusted.has(keyId)) return 'unknown-key';
  }
  return undefined;
}

const columns =
  'seq, previous, hash, at, key_id, public_key, signature, purged_at, purge_key_id, purge_public_key, purge_signature';

/** At most `limit` checkpoints after `after`, in order. */
export const listCheckpoints = defineOperation(
  import.meta.url,
  'listCheckpoints',
  function* ({ after, limit }: { after: number; limit: number }) {
    const rows = yield* query(
      `SELECT ${columns} FROM audit_checkpoints WHERE seq > $1 ORDER BY seq LIMIT $2`,
      after,
      limit,
    );
    return rows.map(checkpointOf);
  },
  { readOnly: true },
);

/** The newest checkpoint, and the one that the trail begins at. */
export const checkpointEnds = defineOperation(
  import.meta.url,
  'checkpointEnds',
  function* (_: undefined) {
    const [last] = yield* query(`SELECT ${columns} FROM audit_checkpoints ORDER BY seq DESC LIMIT 1`);
    const [purged] = yield* query(
      `SELECT ${columns} FROM audit_checkpoints WHERE purged_at IS NOT NULL ORDER BY seq DESC LIMIT 1`,
    );
    const [head] = yield* query<{ entries: number; hash: Uint8Array }>(
      'SELECT entries, hash FROM audit_head WHERE id = 1',
    );
    return {
      head: { seq: head?.entries ?? 0, hash: head?.hash ?? new Uint8Array(32) },
      ...(last === undefined ? {} : { last: checkpointOf(last) }),
      ...(purged === undefined ? {} : { purged: checkpointOf(purged) }),
    };
  },
  { readOnly: true },
);

/** @returns false when another process has added one meanwhile */
export const addCheckpoint = defineOperation(
  import.meta.url,
  'addCheckpoint',
  function* (checkpoint: Checkpoint, { dialect }) {
    // Two at a time would both name the same one before.
    yield* query(`SELECT id FROM audit_head WHERE id = 1${dialect === 'postgresql' ? ' FOR UPDATE' : ''}`);
    const [last] = yield* query<{ seq: number | null }>('SELECT MAX(seq) AS seq FROM audit_checkpoints');
    if ((last?.seq ?? 0) !== checkpoint.previous || checkpoint.seq <= checkpoint.previous) return false;
    const { seq, previous, hash, at, keyId, publicKey, signature } = checkpoint;
    yield* query(
      `INSERT INTO audit_checkpoints (seq, previous, hash, at, key_id, public_key, signature)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      seq,
      previous,
      hash,
      at,
      keyId,
      publicKey,
      signature,
    );
    return true;
  },
);

/** The newest checkpoint made before `before` whose entries are still there. */
export const purgeable = defineOperation(
  import.meta.url,
  'purgeable',
  function* ({ before }: { before: number }) {
    const [row] = yield* query(
      `SELECT ${columns} FROM audit_checkpoints WHERE at < $1
         AND seq > COALESCE((SELECT MAX(seq) FROM audit_checkpoints WHERE purged_at IS NOT NULL), 0)
       ORDER BY seq DESC LIMIT 1`,
      before,
    );
    return row === undefined ? undefined : checkpointOf(row);
  },
  { readOnly: true },
);

/** Says, signed, that the trail begins at a checkpoint from now on, and that in the trail itself. */
export const beginAt = defineOperation(
  import.meta.url,
  'beginAt',
  function* ({ seq, purge, actor }: { seq: number; purge: NonNullable<Checkpoint['purge']>; actor: string }, context) {
    const marked = yield* query(
      `UPDATE audit_checkpoints SET purged_at = $1, purge_key_id = $2, purge_public_key = $3, purge_signature = $4
       WHERE seq = $5 AND purged_at IS NULL RETURNING seq`,
      purge.at,
      purge.keyId,
      purge.publicKey,
      purge.signature,
      seq,
    );
    if (marked.length === 0) return;
    context.audit({ action: 'audit.purged', outcome: 'success', actor, detail: { through: seq, key: purge.keyId } });
  },
);

/** Removes at most `limit` entries before the trail's beginning. @returns how many */
export const purgeEntries = defineOperation(import.meta.url, 'purgeEntries', function* ({ limit }: { limit: number }) {
  const gone = yield* query(
    `DELETE FROM audit_trail WHERE seq IN (
         SELECT seq FROM audit_trail
         WHERE seq <= (SELECT MAX(seq) FROM audit_checkpoints WHERE purged_at IS NOT NULL) ORDER BY seq LIMIT $1)
       RETURNING seq`,
    limit,
  );
  return gone.length;
});

function checkpointOf(row: Row): Checkpoint {
  const checkpoint: Checkpoint = {
    seq: row.seq as number,
    previous: row.previous as number,
    hash: row.hash as Uint8Array,
    at: row.at as number,
    keyId: row.key_id as string,
    publicKey: row.public_key as Uint8Array,
    signature: row.signature as Uint8Array,
  };
  if (row.purged_at === null) return checkpoint;
  return {
    ...checkpoint,
    purge: {
      at: row.purged_at as number,
      // Missing parts make a purge that nobody signed.
      keyId: (row.purge_key_id as string | null) ?? '',
      publicKey: (row.purge_public_key as Uint8Array | null) ?? new Uint8Array(),
      signature: (row.purge_signature as Uint8Array | null) ?? new Uint8Array(),
    },
  };
}

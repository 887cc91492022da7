/**
 * The hash chain of the audit trail. Each row's hash is SHA-256 over the hash before it and the row's own canonical
 * JSON, so a changed, deleted, inserted or reordered row breaks the chain at its sequence number. The head row holds
 * count and last hash, so a truncated tail shows too. Who can rewrite every row and the head can still forge the
 * chain; signed checkpoints (checkpoints.ts) and a head that is kept elsewhere show that.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../json.ts';
import { type Dialect, query, type Row, type SqlValue, type Statement } from '../store/operation.ts';
import type { AuditEntry } from './entry.ts';

/** An entry as it stands in the trail. */
export interface AuditRecord extends AuditEntry {
  /** 1, 2, 3 … without a gap. */
  seq: number;
  /** Milliseconds since the epoch. */
  at: number;
}

/** Columns that {@link recordOfRow} reads, and the hash. */
export const auditColumns = 'seq, at, action, outcome, actor, subject, correlation_id, node, reason, detail, hash';

/** What the first entry is chained to. */
export const genesis = Buffer.alloc(32);

export function chainHash(previous: Uint8Array, record: AuditRecord): Buffer {
  return createHash('sha256').update(previous).update(canonicalJson(record)).digest();
}

/** Longest text kept in one field. */
const fieldLimit = 1024;

/**
 * Rows in one INSERT, 11 parameters each, far below the limits of both engines. Statements are cached by their text, so
 * that they come in few sizes.
 */
const rowsPerInsert = [50, 10, 1] as const;

/** Appends entries within the caller's transaction. On PostgreSQL the head row is locked until the commit. */
export function* appendAudit(
  entries: readonly AuditEntry[],
  now: number,
  dialect: Dialect,
): Generator<Statement, void, Row[]> {
  if (entries.length === 0) return;
  const [head] = yield* query<{ entries: number; hash: Uint8Array }>(
    `SELECT entries, hash FROM audit_head WHERE id = 1${dialect === 'postgresql' ? ' FOR UPDATE' : ''}`,
  );
  let seq = head!.entries;
  let hash: Uint8Array = head!.hash;
  for (let start = 0; start < entries.length; ) {
    const rows = rowsPerInsert.find((size) => size <= entries.length - start)!;
    const values: SqlValue[] = [];
    for (const entry of entries.slice(start, start + rows)) {
      const record = recordOf(entry, ++seq, now);
      hash = chainHash(hash, record);
      values.push(
        record.seq,
        record.at,
        record.action,
        record.outcome,
        record.actor,
        record.subject ?? null,
        record.correlationId ?? null,
        record.node ?? null,
        record.reason ?? null,
        record.detail === undefined ? null : canonicalJson(record.detail),
        hash,
      );
    }
    start += rows;
    yield* query(insertOf(rows), ...values);
  }
  yield* query('UPDATE audit_head SET entries = $1, hash = $2 WHERE id = 1', seq, hash);
}

const inserts = new Map<number, string>();

function insertOf(rows: number): string {
  let text = inserts.get(rows);
  if (text === undefined) {
    const group = (row: number) =>
      `(${Array.from({ length: 11 }, (_, column) => `$${row * 11 + column + 1}`).join(', ')})`;
    text = `INSERT INTO audit_trail (seq, at, action, outcome, actor, subject, correlation_id, node, reason, detail, hash)
       VALUES ${Array.from({ length: rows }, (_, row) => group(row)).join(', ')}`;
    inserts.set(rows, text);
  }
  return text;
}

function recordOf(entry: AuditEntry, seq: number, at: number): AuditRecord {
  return {
    seq,
    at,
    action: clean(entry.action),
    outcome: entry.outcome,
    actor: clean(entry.actor),
    ...(entry.subject === undefined ? {} : { subject: clean(entry.subject) }),
    ...(entry.correlationId === undefined ? {} : { correlationId: clean(entry.correlationId) }),
    ...(entry.node === undefined ? {} : { node: clean(entry.node) }),
    ...(entry.reason === undefined ? {} : { reason: clean(entry.reason) }),
    ...(entry.detail === undefined ? {} : { detail: entry.detail }),
  };
}

/** What both engines give back unchanged: no NUL (PostgreSQL refuses it), no lone surrogate, bounded. */
function clean(text: string): string {
  return text.slice(0, fieldLimit).replaceAll('\0', '').toWellFormed();
}

/** A row of `audit_trail` as it was when it was hashed. */
export function recordOfRow(row: Row): AuditRecord {
  const optional = (column: string): string | undefined => (row[column] as string | null) ?? undefined;
  const subject = optional('subject');
  const correlationId = optional('correlation_id');
  const node = optional('node');
  const reason = optional('reason');
  const detail = optional('detail');
  return {
    seq: row.seq as number,
    at: row.at as number,
    action: row.action as string,
    outcome: row.outcome as AuditRecord['outcome'],
    actor: row.actor as string,
    ...(subject === undefined ? {} : { subject }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(node === undefined ? {} : { node }),
    ...(reason === undefined ? {} : { reason }),
    ...(detail === undefined ? {} : { detail: JSON.parse(detail) as NonNullable<AuditRecord['detail']> }),
  };
}

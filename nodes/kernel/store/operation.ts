/**
 * A store operation is a generator that yields SQL statements and is sent their rows. The engine decides how the
 * statements run (synchronously in the SQLite worker thread, asynchronously on PostgreSQL) and how many operations
 * share one durable transaction (group commit). So every operation is written once, and operations compose with
 * `yield*`: completing an idempotency key and writing the outbox is one transaction because one body does both.
 *
 * A body may run twice (an engine repeats operations one by one when a batch fails), so it must not touch anything
 * but its arguments, the context and the database.
 */
import type { AuditEntry } from '../audit/entry.ts';

export type SqlValue = string | number | bigint | null | Uint8Array;
export type Row = Record<string, SqlValue>;
export type Dialect = 'sqlite' | 'postgresql';

/** SQL in the common subset of SQLite 3.45+ and PostgreSQL 13+, with `$1`-style parameters. */
export interface Statement {
  text: string;
  values: readonly SqlValue[];
}

export interface OperationContext {
  /** Milliseconds since the epoch, read once for the transaction. */
  readonly now: number;
  readonly dialect: Dialect;
  /** Appends to the hash-chained audit trail in the same transaction. */
  audit(entry: AuditEntry): void;
}

export type OperationBody<A, R> = (args: A, context: OperationContext) => Generator<Statement, R, Row[]>;

export interface Operation<A, R> {
  /** `import.meta.url` of the defining module: the SQLite worker thread imports it to find the body. */
  readonly module: string;
  /** The name under which that module exports this operation. */
  readonly name: string;
  readonly body: OperationBody<A, R>;
  /** True for an operation that only reads; it does not wait for a durable commit. */
  readonly readOnly: boolean;
  /** Names what the operation works on; absent: it may touch anything. */
  readonly key?: (args: A) => string | undefined;
  readonly together?: TogetherBody<A, R>;
}

/** Does what the body does, for several arguments at once; the results are in their order. */
export type TogetherBody<A, R> = (
  all: readonly A[],
  context: OperationContext,
) => Generator<Statement, readonly R[], Row[]>;

export interface OperationOptions<A, R> {
  readOnly?: boolean;
  /**
   * Names what the operation works on, e.g. its idempotency key. By giving it, the author says that operations with
   * different keys never read or write the same rows (appending to a table is fine). On PostgreSQL their statements
   * may then alternate within a transaction, which saves most of the round trips; operations with the same key, and
   * those without (or with undefined for their arguments), run one after the other.
   */
  key?(args: A): string | undefined;
  /**
   * For an operation on the path of every message, with a `key`: PostgreSQL runs neighbours of different keys by this
   * instead, because there a statement costs more than a row. One statement for all needs {@link rowsOf}. What it
   * throws concerns all; they then run by the body one at a time.
   */
  together?: TogetherBody<A, R>;
}

/**
 * Defines an operation. Export the result under exactly `name` from the module whose `import.meta.url` is given, which
 * must do nothing else when it is imported: the SQLite worker thread imports it too.
 * Arguments and result must be structured-cloneable (they cross a thread boundary).
 */
export function defineOperation<A, R>(
  module: string,
  name: string,
  body: OperationBody<A, R>,
  options: OperationOptions<A, R> = {},
): Operation<A, R> {
  return { module, name, body, ...options, readOnly: options.readOnly ?? false };
}

/**
 * Rows as the one argument of a statement that reads them `FROM json_to_recordset($1::json) AS …` (PostgreSQL only).
 * Bytes arrive as hexadecimal text for `decode(…, 'hex')`; what UTF-8 cannot hold as U+FFFD, as in any parameter.
 */
export function rowsOf(rows: readonly Row[]): string {
  const plain = (value: SqlValue): unknown => {
    if (typeof value === 'string') return value.toWellFormed();
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
  };
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]))),
  );
}

/** Runs one statement inside an operation: `const rows = yield* query<{ fence: number }>('SELECT …', key)`. */
export function* query<T extends Row = Row>(text: string, ...values: SqlValue[]): Generator<Statement, T[], Row[]> {
  return (yield { text, values }) as T[];
}

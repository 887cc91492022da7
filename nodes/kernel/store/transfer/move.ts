/**
 * Copies a SQLite store into PostgreSQL in one transaction: all of it is there and verified afterwards, or nothing.
 * The source is read only, and held so that no Node-RED can open it meanwhile.
 */
import pg from 'pg';
import { appendAudit } from '../../audit/chain.ts';
import { type AuditVerdict, problemWords, verifyTrail } from '../../audit/verify.ts';
import { Failure } from '../../failure.ts';
import { drive } from '../drive.ts';
import type { OperationContext, Row, SqlValue } from '../operation.ts';
import { execute, prepareSchema, setUpSession, type Target, targetOf } from '../postgresql/connection.ts';
import type { PostgresqlOptions } from '../postgresql/engine.ts';
import { connectFailure, kindOf } from '../postgresql/errors.ts';
import type { Store } from '../store.ts';
import { Digest, type TableDigest } from './digest.ts';
import { listTables, pageBytes, pagesOf, quoted, type Table } from './tables.ts';

export interface Moved {
  tables: Record<string, TableDigest>;
  audit: AuditVerdict;
}

export interface MoveOptions {
  /** A SQLite store that nobody else uses. */
  from: Store;
  to: PostgresqlOptions;
  /** Who moves it, for the audit trail. */
  actor: string;
  onTable?: (name: string, digest: TableDigest) => void;
}

/**
 * @throws Failure `configuration` `STORE_NOT_EMPTY` when the target holds anything, `STORE_TABLE_UNKNOWN` when the
 *   source has a table that this version does not know, `STORE_AUDIT_BROKEN` when its audit trail does not verify;
 *   `defect` `STORE_MOVE_DIFFERS` when what arrived is not what was sent. In each case nothing was changed.
 */
export async function moveStore({ from, to, actor, onTable }: MoveOptions): Promise<Moved> {
  const tables = await from.run(listTables, undefined);
  const target = targetOf(to);
  const client = new pg.Client(target.config);
  // A broken connection also fails the statement under way.
  client.on('error', () => {});
  try {
    await client.connect();
    await setUpSession({ client, schema: target.schema });
    await prepareSchema(client, target);
    await client.query('BEGIN');
    await client.query('SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0');
    await checkTarget(client, tables, target);
    const moved: Record<string, TableDigest> = {};
    for (const table of tables) {
      moved[table.name] = await moveTable(from, client, table);
      onTable?.(table.name, moved[table.name]!);
    }
    const audit = await verify(client);
    if (audit.kind === 'broken') throw auditBroken(audit);
    const detail = { rows: Object.values(moved).reduce((sum, { rows }) => sum + rows, 0) };
    const entry = { action: 'store.moved', outcome: 'success', actor, subject: target.where, detail } as const;
    await drive(appendAudit([entry], Date.now(), 'postgresql'), (statement) => execute(client, statement));
    await client.query('COMMIT');
    return { tables: moved, audit };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error instanceof Failure || kindOf(error) === 'operation' ? error : connectFailure(error, target.where);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Locks the tables against a Node-RED that may already be at the target, and sees that they are empty. */
async function checkTarget(client: pg.Client, tables: readonly Table[], { where, schema }: Target): Promise<void> {
  const { rows: present } = await client.query<{ name: string }>(
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1',
    [schema],
  );
  for (const { name } of tables) {
    if (present.some((one) => one.name === name)) continue;
    throw new Failure(
      'configuration',
      'STORE_TABLE_UNKNOWN',
      `The SQLite store has a table "${name}" that this version of the package does not make on PostgreSQL. Nothing was copied.`,
    );
  }
  await client.query(`LOCK TABLE ${tables.map(({ name }) => quoted(name)).join(', ')} IN ACCESS EXCLUSIVE MODE`);
  for (const { name } of tables) {
    const condition = name === headTable ? 'entries > 0' : 'true';
    const { rows } = await client.query(`SELECT 1 FROM ${quoted(name)} WHERE ${condition} LIMIT 1`);
    if (rows.length === 0) continue;
    throw new Failure(
      'configuration',
      'STORE_NOT_EMPTY',
      `Table "${name}" in schema ${schema} of PostgreSQL ${where} is not empty. A store is moved into an empty one: name another schema, or drop this one if it is not needed.`,
    );
  }
}

/** Every schema begins with its one row. */
const headTable = 'audit_head';

/** Far below the 65,535 parameters of a statement. */
const parametersPerInsert = 5000;

async function moveTable(from: Store, client: pg.Client, table: Table): Promise<TableDigest> {
  const { name, columns, numbered } = table;
  if (name === headTable) await client.query(`DELETE FROM ${headTable}`);
  const sent = new Digest();
  const rowsPerInsert = Math.max(1, Math.floor(parametersPerInsert / columns.length));
  let largest = 1;
  for await (const page of pagesOf(from, table)) {
    for (const row of page) {
      sent.add(row, columns);
      largest = Math.max(largest, sizeOf(row));
    }
    for (let start = 0; start < page.length; start += rowsPerInsert) {
      await insert(client, table, page.slice(start, start + rowsPerInsert));
    }
  }
  if (numbered !== undefined && numbered.last > 0) {
    await client.query(`SELECT setval(pg_get_serial_sequence($1, $2), $3)`, [
      quoted(name),
      numbered.column,
      numbered.last,
    ]);
  }
  const arrived = await digestOf(client, table, Math.max(1, Math.min(500, Math.floor(pageBytes / largest))));
  if (arrived.rows !== sent.value.rows || arrived.hash !== sent.value.hash) {
    throw new Failure(
      'defect',
      'STORE_MOVE_DIFFERS',
      `Table "${name}" has ${sent.value.rows} rows in SQLite (${sent.value.hash.slice(0, 12)}…) and ${arrived.rows} in PostgreSQL (${arrived.hash.slice(0, 12)}…). Nothing was kept there.`,
    );
  }
  return arrived;
}

async function insert(client: pg.Client, { name, columns }: Table, rows: readonly Row[]): Promise<void> {
  const values: SqlValue[] = [];
  const groups = rows.map((row) => {
    const places = columns.map((column) => `$${values.push(row[column] as SqlValue)}`);
    return `(${places.join(', ')})`;
  });
  try {
    await client.query(
      `INSERT INTO ${quoted(name)} (${columns.map(quoted).join(', ')}) VALUES ${groups.join(', ')}`,
      values,
    );
  } catch (error) {
    if (kindOf(error) !== 'operation') throw error;
    throw new Failure(
      'data-quality',
      'STORE_MOVE_REFUSED',
      `PostgreSQL refuses a row of table "${name}"${error instanceof Error ? `: ${error.message}` : ''}. Nothing was kept there.`,
      { cause: error },
    );
  }
}

/** Bytes of what a row holds, numbers left out. */
function sizeOf(row: Row): number {
  let size = 0;
  for (const value of Object.values(row)) {
    if (typeof value === 'string') size += value.length;
    else if (value instanceof Uint8Array) size += value.byteLength;
  }
  return size;
}

/** @param fetched rows that are read at a time */
async function digestOf(client: pg.Client, { name, columns }: Table, fetched: number): Promise<TableDigest> {
  const digest = new Digest();
  await client.query(
    `DECLARE moved NO SCROLL CURSOR FOR SELECT ${columns.map(quoted).join(', ')} FROM ${quoted(name)}`,
  );
  for (;;) {
    const { rows } = await client.query<Row>(`FETCH ${fetched} FROM moved`);
    for (const row of rows) digest.add(row, columns);
    if (rows.length === 0) break;
  }
  await client.query('CLOSE moved');
  return digest.value;
}

/** The trail as it stands in the transaction. */
function verify(client: pg.Client): Promise<AuditVerdict> {
  const context: OperationContext = { now: Date.now(), dialect: 'postgresql', audit: () => {} };
  return verifyTrail((operation, args) =>
    drive(operation.body(args, context), (statement) => execute(client, statement)),
  );
}

export function auditBroken({ seq, problem }: AuditVerdict & { kind: 'broken' }): Failure {
  return new Failure(
    'configuration',
    'STORE_AUDIT_BROKEN',
    `The audit trail of the store does not verify: entry ${seq} ${problemWords[problem]}. Keep the file as evidence and find out who changed it.`,
  );
}

/**
 * One SQLite file, opened for this process alone, and batches of operations on it. Synchronous: lives in the worker
 * thread.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { appendAudit } from '../../audit/chain.ts';
import type { AuditEntry } from '../../audit/entry.ts';
import { Failure } from '../../failure.ts';
import { driveSync } from '../drive.ts';
import { auditInto } from '../failures.ts';
import { migrations } from '../migrations/index.ts';
import { migrate, type Stand, standOf } from '../migrations/migrate.ts';
import type { OperationBody, OperationContext, Row, SqlValue, Statement } from '../operation.ts';
import { damaged, engineFailure, resultCode } from './errors.ts';

export interface DatabaseOptions {
  file: string;
  /** Milliseconds to wait for another process that is just closing the file. */
  busyTimeout: number;
  /** Bytes; a larger file is not checked when it is opened, because that reads all of it. */
  integrityCheckLimit: number;
}

/** An operation with its body found. */
export interface BoundOperation {
  body: OperationBody<unknown, unknown>;
  args: unknown;
  readOnly: boolean;
}

/** `engine`: the error is a Failure of the database itself and hit every operation of the batch. */
export type Result = { ok: true; value: unknown } | { ok: false; error: unknown; engine: boolean };

interface Prepared {
  statement: StatementSync;
  /** For each `?` in order, the index of its value. */
  order: number[];
}

const preparedLimit = 300;

export class Database {
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, Prepared>();
  readonly version: string;

  /** @throws Failure `configuration` when another process has the file, it is damaged, or its schema is newer */
  constructor(options: DatabaseOptions) {
    this.#file = options.file;
    this.#db = open(options);
    try {
      this.version = String(this.#execute({ text: 'SELECT sqlite_version() AS v', values: [] })[0]!.v);
      this.#db.exec('BEGIN IMMEDIATE');
      driveSync(migrate(migrations, 'sqlite', Date.now()), (statement) => this.#execute(statement));
      this.#db.exec('COMMIT');
    } catch (error) {
      this.close();
      throw engineFailure(error, this.#file) ?? error;
    }
  }

  /**
   * Runs operations in one transaction, and those that only read after its commit. When one operation throws, the
   * rest still commit.
   *
   * @returns results in order; an error of the database itself is a Failure on every operation it hit
   */
  run(operations: readonly BoundOperation[], now: number): Result[] {
    const results: Result[] = Array.from({ length: operations.length });
    const writes = [...operations.keys()].filter((index) => !operations[index]!.readOnly);
    if (writes.length > 0) this.#write(operations, writes, results, now);
    if (writes.length < operations.length) {
      this.#db.exec('PRAGMA query_only = ON');
      for (const [index, operation] of operations.entries()) {
        if (operation.readOnly) results[index] = this.#read(operation, now);
      }
      this.#db.exec('PRAGMA query_only = OFF');
    }
    return results;
  }

  /**
   * Copies the database into a new file, which is complete and on the disk or not there.
   *
   * @throws Failure `STORE_FULL` and the like, of the file that is written
   */
  backup(file: string): void {
    const partial = `${file}.partial`;
    try {
      rmSync(partial, { force: true });
      this.#db.prepare('VACUUM INTO ?').run(partial);
      chmodSync(partial, 0o600);
      sync(partial);
      renameSync(partial, file);
      sync(dirname(file));
    } catch (error) {
      rmSync(partial, { force: true });
      throw engineFailure(error, file) ?? error;
    }
  }

  close(): void {
    this.#prepared.clear();
    this.#db.close();
    rmSync(ownerFile(this.#file), { force: true });
  }

  #write(operations: readonly BoundOperation[], writes: readonly number[], results: Result[], now: number): void {
    // Hopefully all go well; when not, once more with a savepoint around each.
    for (const isolated of [false, true]) {
      const audit: AuditEntry[] = [];
      let failed = false;
      try {
        this.#db.exec('BEGIN IMMEDIATE');
        for (const index of writes) {
          results[index] = isolated
            ? this.#isolated(operations[index]!, audit, now)
            : { ok: true, value: this.#drive(operations[index]!, audit, now) };
        }
        driveSync(appendAudit(audit, now, 'sqlite'), (statement) => this.#execute(statement));
        this.#db.exec('COMMIT');
      } catch (error) {
        failed = true;
        this.#rollback();
        const failure = engineFailure(error, this.#file);
        if (failure !== undefined || isolated || writes.length === 1) {
          for (const index of writes) results[index] = refused(error, failure);
          return;
        }
      }
      if (!failed) return;
    }
  }

  #isolated(operation: BoundOperation, audit: AuditEntry[], now: number): Result {
    const own: AuditEntry[] = [];
    this.#db.exec('SAVEPOINT operation');
    try {
      const value = this.#drive(operation, own, now);
      this.#db.exec('RELEASE operation');
      audit.push(...own);
      return { ok: true, value };
    } catch (error) {
      if (engineFailure(error, this.#file) !== undefined) throw error;
      this.#db.exec('ROLLBACK TO operation');
      this.#db.exec('RELEASE operation');
      return refused(error);
    }
  }

  #read(operation: BoundOperation, now: number): Result {
    try {
      this.#db.exec('BEGIN');
      const value = this.#drive(operation, undefined, now);
      this.#db.exec('COMMIT');
      return { ok: true, value };
    } catch (error) {
      this.#rollback();
      // 8 is SQLITE_READONLY: not the file, but an operation that claims to read only and writes.
      return refused(error, resultCode(error) === 8 ? undefined : engineFailure(error, this.#file));
    }
  }

  #drive(operation: BoundOperation, audit: AuditEntry[] | undefined, now: number): unknown {
    const context: OperationContext = { now, dialect: 'sqlite', audit: auditInto(audit) };
    return driveSync(operation.body(operation.args, context), (statement) => this.#execute(statement));
  }

  /** SQLite itself rolls back on some errors, e.g. on a full disk. */
  #rollback(): void {
    try {
      this.#db.exec('ROLLBACK');
    } catch (error) {
      if (resultCode(error) !== 1) throw error;
    }
  }

  #execute({ text, values }: Statement): Row[] {
    const { statement, order } = this.#prepare(text);
    return statement.all(...order.map((index) => values[index] as SqlValue)) as Row[];
  }

  #prepare(text: string): Prepared {
    let prepared = this.#prepared.get(text);
    if (prepared === undefined) {
      const { sql, order } = positional(text);
      prepared = { statement: this.#db.prepare(sql), order };
      if (this.#prepared.size >= preparedLimit) this.#prepared.delete(this.#prepared.keys().next().value!);
      this.#prepared.set(text, prepared);
    }
    return prepared;
  }
}

/** What is in a file, read and nothing else. @throws Failure and errors of SQLite */
export function standOfFile(db: DatabaseSync): Stand {
  return driveSync(
    standOf(migrations, 'sqlite'),
    ({ text, values }) => db.prepare(positional(text).sql).all(...(values as SqlValue[])) as Row[],
  );
}

/** Has a file or a folder on the disk; VACUUM INTO does not. */
function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function refused(error: unknown, failure?: Failure): Result {
  return failure === undefined ? { ok: false, error, engine: false } : { ok: false, error: failure, engine: true };
}

/** `$n` parameters as the bare `?` that node:sqlite binds fastest; string literals and quoted names are left alone. */
export function positional(text: string): { sql: string; order: number[] } {
  const order: number[] = [];
  const sql = text.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\d+)/g, (token, number?: string) => {
    if (number === undefined) return token;
    order.push(Number(number) - 1);
    return '?';
  });
  return { sql, order };
}

function open({ file, busyTimeout, integrityCheckLimit }: DatabaseOptions): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    // A new file holds documents, so it is its owner's alone; SQLite gives its WAL the same mode.
    closeSync(openSync(file, 'a', 0o600));
    db = new DatabaseSync(file);
    // busy_timeout must come before the change of journal mode, which else fails at once beside another process.
    // The exclusive lock is the operating system's: it ends with the process, however that ends.
    db.exec(`PRAGMA busy_timeout = ${busyTimeout}; PRAGMA locking_mode = EXCLUSIVE`);
    // Before anything is changed: the file may be another program's.
    standOfFile(db);
    db.exec(`PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA temp_store = MEMORY;
      PRAGMA foreign_keys = ON;
      PRAGMA cache_size = -16384;
      PRAGMA wal_autocheckpoint = 4000;
      PRAGMA journal_size_limit = 67108864`);
    db.exec('BEGIN IMMEDIATE; COMMIT');
    if (statSync(file).size <= integrityCheckLimit) {
      const [verdict] = db.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[];
      if (verdict?.quick_check !== 'ok') throw damaged(file);
    }
    writeFileSync(ownerFile(file), JSON.stringify({ pid: process.pid, host: hostname() }), { mode: 0o600 });
    return db;
  } catch (error) {
    db?.close();
    if (resultCode(error) === 5) throw secondWriter(file);
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw engineFailure(Object.assign(new Error(), { code: 'ERR_SQLITE_ERROR', errcode: 13 }), file) ?? error;
    }
    if ((error as NodeJS.ErrnoException).syscall !== undefined) {
      throw engineFailure(Object.assign(new Error(), { code: 'ERR_SQLITE_ERROR', errcode: 14 }), file) ?? error;
    }
    throw engineFailure(error, file) ?? error;
  }
}

/** Tells a second process who the first one is; the lock itself is on the database file. */
function ownerFile(file: string): string {
  return `${file}-owner`;
}

export function secondWriter(file: string): Failure {
  let who = 'another process';
  try {
    const owner = JSON.parse(readFileSync(ownerFile(file), 'utf8')) as { pid: number; host: string };
    who = `process ${owner.pid} on ${owner.host}`;
  } catch {
    // The owner has only just opened it, or is another program, such as the sqlite3 shell.
  }
  return new Failure(
    'configuration',
    'STORE_IN_USE',
    `The integration store ${file} is in use by ${who}. The embedded store serves one Node-RED: stop the other one, choose another file, or use PostgreSQL.`,
    { retryable: true },
  );
}

import { createHash } from 'node:crypto';
import { Failure } from '../../failure.ts';
import { type Dialect, query, type Row, type Statement } from '../operation.ts';
import { type Migration, statementsFor } from './migration.ts';

/** SHA-256 of the migration as it runs on this engine. */
export function checksum(migration: Migration, dialect: Dialect): string {
  return createHash('sha256').update(statementsFor(migration, dialect).join(';\n')).digest('hex');
}

interface Applied extends Row {
  version: number;
  name: string;
  checksum: string;
}

/** What is there before the schema is brought forward. */
export type Stand =
  /** No table at all. */
  | { kind: 'empty' }
  /** `schema`: its version; `pending`: migrations that have not run yet. */
  | { kind: 'ours'; schema: number; pending: number };

const tables: Record<Dialect, string> = {
  sqlite: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
  postgresql: 'SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()',
};

/**
 * Reads what is there and changes nothing.
 *
 * @throws Failure `configuration` `STORE_FOREIGN` when another program's tables are there, and as {@link migrate} does
 */
export function* standOf(all: readonly Migration[], dialect: Dialect): Generator<Statement, Stand, Row[]> {
  const names = (yield* query<{ name: string }>(tables[dialect])).map(({ name }) => name);
  if (names.length === 0) return { kind: 'empty' };
  // All columns, because a table of that name in another program may have others.
  const rows = names.includes('schema_migrations') ? yield* query<Applied>('SELECT * FROM schema_migrations') : [];
  rows.sort((a, b) => a.version - b.version);
  if (rows[0]?.version !== 1 || rows[0].name !== all[0]?.name) {
    throw new Failure(
      'configuration',
      'STORE_FOREIGN',
      dialect === 'sqlite'
        ? 'The SQLite file belongs to another program: its tables are not those of an integration store. Name another file; this one is left as it is.'
        : 'The PostgreSQL schema belongs to another program: its tables are not those of an integration store. Name another schema; this one is left as it is.',
    );
  }
  checkApplied(all, dialect, rows);
  return { kind: 'ours', schema: rows.length, pending: all.length - rows.length };
}

function checkApplied(all: readonly Migration[], dialect: Dialect, rows: readonly Applied[]): void {
  for (const row of rows) {
    const known = all[row.version - 1];
    if (known === undefined) {
      throw new Failure(
        'configuration',
        'STORE_SCHEMA_NEWER',
        `The integration store has schema version ${row.version} (${row.name}), which this version of the package does not know. Install the newer version again; a store is never taken back.`,
      );
    }
    if (checksum(known, dialect) !== row.checksum) {
      throw new Failure(
        'configuration',
        'STORE_SCHEMA_CHANGED',
        `Migration ${row.version} (${row.name}) of the integration store is not the one that was applied. Install an unmodified release of the package.`,
      );
    }
  }
}

/**
 * Brings the schema forward, in the one transaction the engine runs this in; the engine also keeps a second starter
 * out meanwhile.
 *
 * @returns the names of the migrations that were applied now
 * @throws Failure `configuration`: `STORE_SCHEMA_CHANGED` when a migration that already ran reads differently now,
 *   `STORE_SCHEMA_NEWER` when the store was written by a newer version of this package, `STORE_FOREIGN` when it is
 *   none
 */
export function* migrate(
  all: readonly Migration[],
  dialect: Dialect,
  now: number,
): Generator<Statement, string[], Row[]> {
  const stand = yield* standOf(all, dialect);
  if (stand.kind === 'empty') {
    yield* query(
      `CREATE TABLE schema_migrations (
         version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)`,
    );
  }
  const present = stand.kind === 'ours' ? stand.schema : 0;
  const applied: string[] = [];
  for (const [index, migration] of all.entries()) {
    if (migration.version !== index + 1) {
      throw new Failure('defect', 'MIGRATION_ORDER', `Migration ${migration.name} is not in its place.`);
    }
    if (index < present) continue;
    for (const statement of statementsFor(migration, dialect)) yield* query(statement);
    yield* query(
      'INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)',
      migration.version,
      migration.name,
      checksum(migration, dialect),
      new Date(now).toISOString(),
    );
    applied.push(migration.name);
  }
  return applied;
}

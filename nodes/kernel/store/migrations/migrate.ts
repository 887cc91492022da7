import { createHash } from 'node:crypto';
import { Failure } from '../../failure.ts';
import { type Dialect, query, type Row, type Statement } from '../operation.ts';
import { type Migration, statementsFor } from './migration.ts';

/** SHA-256 of the migration as it runs on this engine. */
export function checksum(migration: Migration, dialect: Dialect): string {
  return createHash('sha256').update(statementsFor(migration, dialect).join(';\n')).digest('hex');
}

/**
 * Brings the schema forward, in the one transaction the engine runs this in; the engine also keeps a second starter
 * out meanwhile.
 *
 * @returns the names of the migrations that were applied now
 * @throws Failure `configuration`: `STORE_SCHEMA_CHANGED` when a migration that already ran reads differently now,
 *   `STORE_SCHEMA_NEWER` when the store was written by a newer version of this package
 */
export function* migrate(
  all: readonly Migration[],
  dialect: Dialect,
  now: number,
): Generator<Statement, string[], Row[]> {
  yield* query(
    `CREATE TABLE IF NOT EXISTS schema_migrations (
       version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)`,
  );
  const rows = yield* query<{ version: number; name: string; checksum: string }>(
    'SELECT version, name, checksum FROM schema_migrations ORDER BY version',
  );
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
  const applied: string[] = [];
  for (const [index, migration] of all.entries()) {
    if (migration.version !== index + 1) {
      throw new Failure('defect', 'MIGRATION_ORDER', `Migration ${migration.name} is not in its place.`);
    }
    if (index < rows.length) continue;
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

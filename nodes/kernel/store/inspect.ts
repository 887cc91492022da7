/** What a store's file or database is, for the Test button: looked at and left as it is, never made, never migrated. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import type { Stand } from './migrations/migrate.ts';
import { setUpSession, standOfSchema, targetOf } from './postgresql/connection.ts';
import { connectFailure } from './postgresql/errors.ts';
import type { PostgresqlOptions } from './postgresql/engine.ts';
import { secondWriter, standOfFile } from './sqlite/database.ts';
import { engineFailure, resultCode } from './sqlite/errors.ts';

export type Inspected = Stand & { version: string; size?: number };

/**
 * @throws Failure that says why the store could not be used: in use by another process, damaged, another program's,
 *   without the right to write
 */
export function inspectFile(file: string): Inspected | { kind: 'absent' } {
  if (!existsSync(file)) {
    let folder = dirname(file);
    while (!existsSync(folder)) folder = dirname(folder);
    writable(file, folder);
    return { kind: 'absent' };
  }
  writable(file, file);
  writable(file, dirname(file));
  let db: DatabaseSync | undefined;
  try {
    db = openUntouched(file);
    const stand = standOfFile(db);
    const [{ v }] = db.prepare('SELECT sqlite_version() AS v').all() as [{ v: string }];
    return { ...stand, version: `SQLite ${v}`, size: statSync(file).size };
  } catch (error) {
    if (resultCode(error) === 5) throw secondWriter(file);
    throw engineFailure(error, file) ?? error;
  } finally {
    db?.close();
  }
}

/**
 * A file that was closed properly has no WAL beside it: nobody has it open, and SQLite needs to make no file to read
 * it when told that it will not change. Node.js 22.13 and 22.14 know no such addresses.
 */
function openUntouched(file: string): DatabaseSync {
  const plain = (): DatabaseSync => new DatabaseSync(file, { readOnly: true });
  if (existsSync(`${file}-wal`)) return plain();
  try {
    return new DatabaseSync(`${pathToFileURL(file).href}?immutable=1`, { readOnly: true });
  } catch (error) {
    if (resultCode(error) !== 14) throw error;
    return plain();
  }
}

function writable(file: string, path: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch {
    throw engineFailure(Object.assign(new Error(), { code: 'ERR_SQLITE_ERROR', errcode: 8 }), file);
  }
}

/**
 * With the user and password given; commits a change of nothing where the store is there and up to date.
 *
 * @throws Failure that says why it could not be used
 */
export async function inspectDatabase(options: PostgresqlOptions): Promise<Inspected> {
  const target = targetOf(options);
  const client = new pg.Client({ ...target.config, query_timeout: 10_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await setUpSession({ client, schema: target.schema });
    const { server, ...stand } = await standOfSchema(client, target);
    if (stand.kind === 'ours' && stand.pending === 0) {
      await client.query(
        'BEGIN; SET LOCAL lock_timeout = 5000; UPDATE audit_head SET entries = entries WHERE id = 1; COMMIT',
      );
    }
    return { ...stand, version: `PostgreSQL ${server}` };
  } catch (error) {
    throw connectFailure(error, target.where);
  } finally {
    await client.end().catch(() => {});
  }
}

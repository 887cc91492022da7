/** A store of an older version is brought forward with everything in it. The older ones are written down in fixtures/. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import pg from 'pg';
import { enter } from '../../../nodes/idempotency/gate/enter.ts';
import { claim } from '../../../nodes/idempotency/index.ts';
import { listAudit, verifyAudit } from '../../../nodes/kernel/audit/index.ts';
import { type Dialect, openStore, type SqlValue, type StoreOptions } from '../../../nodes/kernel/store/index.ts';
import { migrations } from '../../../nodes/kernel/store/migrations/index.ts';
import { storesUnderTest } from '../../support/store.ts';
import { sql } from './operations.ts';

interface Fixture {
  migrations: Record<Dialect, { version: number; name: string; checksum: string; statements: string[] }[]>;
  rows: Record<string, Record<string, string | number | null | { hex: string }>[]>;
}

const folder = new URL('./fixtures/', import.meta.url);
const fixtures = readdirSync(folder).filter((name) => name.startsWith('schema-'));

/** Puts the older store where `options` point. */
async function lay(fixture: Fixture, options: StoreOptions): Promise<void> {
  let execute: (text: string, values: SqlValue[]) => unknown;
  let end: () => unknown;
  if (options.engine === 'sqlite') {
    const db = new DatabaseSync(options.file);
    execute = (text, values) => db.prepare(text.replaceAll(/\$\d+/g, '?')).run(...values);
    end = () => db.close();
  } else {
    const client = new pg.Client({ connectionString: options.url });
    await client.connect();
    await client.query(`CREATE SCHEMA ${options.schema}; SET search_path = ${options.schema}`);
    execute = (text, values) => client.query(text, values);
    end = () => client.end();
  }
  await execute(
    'CREATE TABLE schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)',
    [],
  );
  for (const { version, name, checksum, statements } of fixture.migrations[options.engine]) {
    for (const statement of statements) await execute(statement, []);
    await execute('INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)', [version, name, checksum, '2026-11-20']);
  }
  await execute('DELETE FROM audit_head', []);
  for (const [table, rows] of Object.entries(fixture.rows)) {
    for (const row of rows) {
      const values = Object.values(row).map((value) =>
        value !== null && typeof value === 'object' ? Buffer.from(value.hex, 'hex') : value,
      );
      const places = values.map((_, index) => `$${index + 1}`);
      await execute(`INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${places.join(', ')})`, values);
    }
  }
  await end();
}

for (const { name, options, fresh } of storesUnderTest()) {
  for (const file of fixtures) {
    test(
      `a store of ${file.replace('.json', '')} comes forward with its keys, replies and audit trail (${name})`,
      options,
      async () => {
        // For its place, and to have it removed.
        await using place = await fresh();
        await place.store.run(sql, { text: 'SELECT 1 AS one' });
        const older: StoreOptions =
          place.options.engine === 'sqlite'
            ? { ...place.options, file: `${place.options.file}-older` }
            : { ...place.options, schema: `${place.options.schema}_older` };
        await lay(JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Fixture, older);
        const store = openStore(older);
        try {
          const wanted = {
            scope: 'orders',
            key: 'PO-1001',
            fingerprint: 'f1',
            owner: 'test',
            lease: 60_000,
            retention: 60_000,
          };
          const verdict = await store.run(enter, { wanted, visitor: { node: 'n', actor: 'acme', subject: 'PO-1001' } });
          assert(verdict.kind === 'duplicate');
          assert.equal(Buffer.from(verdict.reply?.body as Uint8Array).toString(), '{"status":"accepted"}');
          assert.equal((await store.run(claim, { ...wanted, key: 'PO-1002' })).kind, 'taken-over');
          assert.equal((await store.run(listAudit, {})).records.length, 2);
          assert.equal((await verifyAudit(store)).kind, 'intact');
          const applied = await store.run(sql, { text: 'SELECT version FROM schema_migrations ORDER BY version' });
          assert.deepEqual(
            applied.map(({ version }) => Number(version)),
            migrations.map(({ version }) => version),
          );
        } finally {
          await store.close();
          if (older.engine === 'postgresql') {
            await place.store.run(sql, { text: `DROP SCHEMA ${older.schema} CASCADE` });
          }
        }
      },
    );
  }
}

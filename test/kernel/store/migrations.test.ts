import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Failure } from '../../../nodes/kernel/failure.ts';
import { driveSync } from '../../../nodes/kernel/store/drive.ts';
import { type Migration, migrations } from '../../../nodes/kernel/store/migrations/index.ts';
import { migrate } from '../../../nodes/kernel/store/migrations/migrate.ts';
import { statementsFor } from '../../../nodes/kernel/store/migrations/migration.ts';
import type { Row, Statement } from '../../../nodes/kernel/store/operation.ts';
import { positional } from '../../../nodes/kernel/store/sqlite/database.ts';

const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

function database(db = new DatabaseSync(':memory:')): (all: readonly Migration[]) => string[] {
  const execute = ({ text, values }: Statement): Row[] => {
    const { sql, order } = positional(text);
    return db.prepare(sql).all(...order.map((index) => values[index]!)) as Row[];
  };
  return (all) => driveSync(migrate(all, 'sqlite', 0), execute);
}

const first: Migration = { version: 1, name: 'first', statements: () => ['CREATE TABLE a (x TEXT)'] };
const second: Migration = { version: 2, name: 'second', statements: () => ['CREATE TABLE b (x TEXT)'] };

test('only what is new is applied', () => {
  const bring = database();
  assert.deepEqual(bring([first]), ['first']);
  assert.deepEqual(bring([first, second]), ['second']);
  assert.deepEqual(bring([first, second]), []);
});

test('a migration that reads differently from what was applied is refused', () => {
  const bring = database();
  bring([first, second]);
  const changed: Migration = { ...first, statements: () => ['CREATE TABLE a (x TEXT, y TEXT)'] };
  assert.throws(() => bring([changed, second]), code('STORE_SCHEMA_CHANGED'));
});

test('a store of a newer version is refused', () => {
  const bring = database();
  bring([first, second]);
  assert.throws(() => bring([first]), code('STORE_SCHEMA_NEWER'));
});

test('the migrations of the package are numbered without a gap and differ by engine only in types, or concern SQLite alone', () => {
  assert.deepEqual(
    migrations.map(({ version }) => version),
    migrations.map((_, index) => index + 1),
  );
  for (const migration of migrations) {
    const { length } = statementsFor(migration, 'postgresql');
    if (length > 0) assert.equal(statementsFor(migration, 'sqlite').length, length);
  }
});

test('the terms of the journal are all there after they were put in order, and none can stand twice', () => {
  const db = new DatabaseSync(':memory:');
  const bring = database(db);
  bring(migrations.filter(({ version }) => version < 16));
  const terms = [
    { term: 'flow:b', started_at: 2, message_id: 'm-2' },
    { term: 'corr:a', started_at: 1, message_id: 'm-1' },
    { term: 'flow:b', started_at: 1, message_id: 'm-1' },
  ];
  const insert = db.prepare('INSERT INTO journal_terms (term, started_at, message_id) VALUES (?, ?, ?)');
  for (const { term, started_at, message_id } of terms) insert.run(term, started_at, message_id);
  bring(migrations);
  const found = db
    .prepare('SELECT * FROM journal_terms')
    .all()
    .map((row) => ({ ...row }));
  assert.deepEqual(found, [terms[1], terms[2], terms[0]]);
  assert.throws(() => db.prepare("INSERT INTO journal_terms VALUES ('flow:b', 2, 'm-2')").run(), /UNIQUE/);
});

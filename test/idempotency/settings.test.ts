import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import pg from 'pg';
import { integrationStoreDefinition } from '../../nodes/idempotency/integration-store/integration-store.def.ts';
import { probe, touch } from '../../nodes/idempotency/integration-store/probe.ts';
import { storeOptionsOf } from '../../nodes/idempotency/integration-store/settings.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { openPrivateStore, type StoreOptions } from '../../nodes/kernel/store/index.ts';
import { migrations } from '../../nodes/kernel/store/migrations/index.ts';
import { targetOf } from '../../nodes/kernel/store/postgresql/connection.ts';
import { removeDirectory, spawnOwned, temporaryDirectory, waitUntil } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';

const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;
const { defaults } = integrationStoreDefinition;
/** How a dialog refers to an environment variable. */
const variable = (name: string): string => `$\{${name}}`;
const around = (env: Record<string, string> = {}) => ({ userDir: '/user', env });

test('automatic is SQLite in the user directory, or the PostgreSQL of the environment', () => {
  assert.deepEqual(storeOptionsOf(defaults, {}, around()), { engine: 'sqlite', file: '/user/healthflows.sqlite' });
  const env = { HEALTHFLOWS_POSTGRES_URL: 'postgres://u:p@db/hf' };
  assert.deepEqual(storeOptionsOf(defaults, {}, around(env)), {
    engine: 'postgresql',
    url: env.HEALTHFLOWS_POSTGRES_URL,
    schema: 'healthflows',
  });
  assert.equal(storeOptionsOf({ ...defaults, engine: 'sqlite' }, {}, around(env)).engine, 'sqlite');
});

test('variables of the environment stand for text in any field, and a missing one is named', () => {
  const config = { ...defaults, engine: 'postgresql' as const, url: `postgres://${variable('HOST')}:5433/hf` };
  const env = { HOST: 'db.example.org', SECRET: 's3' };
  assert.deepEqual(storeOptionsOf(config, { user: 'flow', password: variable('SECRET') }, around(env)), {
    engine: 'postgresql',
    url: 'postgres://db.example.org:5433/hf',
    schema: 'healthflows',
    user: 'flow',
    password: 's3',
  });
  assert.throws(
    () => storeOptionsOf(config, {}, around()),
    (error: unknown) => {
      return code('STORE_ENVIRONMENT_MISSING')(error) && (error as Failure).message.includes('HOST');
    },
  );
});

test('TLS is verified by default except towards this machine, and as sslmode says', () => {
  const ssl = (url: string, over = {}) => targetOf({ url, ...over }).config.ssl;
  assert.equal(ssl('postgres://localhost/hf'), false);
  assert.equal(ssl('postgres://u@127.0.0.1:5432/hf'), false);
  assert.deepEqual(ssl('postgres://db.example.org/hf'), { rejectUnauthorized: true });
  assert.deepEqual(ssl('postgres://db.example.org/hf?sslmode=require'), { rejectUnauthorized: false });
  assert.equal(ssl('postgres://db.example.org/hf?sslmode=disable'), false);
  assert.deepEqual(ssl('postgres://127.0.0.1/hf', { tls: 'verify', ca: 'PEM' }), {
    rejectUnauthorized: true,
    ca: 'PEM',
  });
});

test('a URL that is not valid is refused without being quoted', () => {
  for (const url of [
    '',
    'nonsense s3cret',
    'mysql://u:s3cret@h/db',
    'postgres://u:s3cret@h/',
    'postgres://u:s3cret@h/db?sslmode=maybe',
  ]) {
    assert.throws(
      () => targetOf({ url }),
      (error: unknown) => {
        assert(code('STORE_URL_INVALID')(error));
        assert(!(error as Failure).message.includes('s3cret'));
        return true;
      },
    );
  }
  assert.throws(() => targetOf({ url: 'postgres://h/db', schema: 'a; DROP' }), code('STORE_URL_INVALID'));
});

test('user and password may hold any character', () => {
  const { config, where } = targetOf({ url: 'postgres://us%40er:p%2Fw%3A@h:1/my%20db' });
  assert.equal(config.user, 'us@er');
  assert.equal(config.password, 'p/w:');
  assert.equal(config.database, 'my db');
  assert.equal(where, 'h:1/my db');
});

test('a CA file that cannot be read is named', () => {
  const config = { ...defaults, engine: 'postgresql' as const, url: 'postgres://h/db', ca: 'none.pem' };
  assert.throws(() => storeOptionsOf(config, {}, around()), code('STORE_CA_UNREADABLE'));
  const folder = temporaryDirectory('ca');
  writeFileSync(join(folder, 'ca.pem'), 'PEM');
  const options = storeOptionsOf({ ...config, ca: 'ca.pem' }, {}, { userDir: folder, env: {} });
  assert(options.engine === 'postgresql' && options.ca === 'PEM');
  removeDirectory(folder);
});

/** A folder as user directory. */
function userDirectory() {
  const userDir = temporaryDirectory('probe');
  return {
    userDir,
    limits: { userDir, deployed: [] },
    file: (name: string) => ({ engine: 'sqlite' as const, file: join(userDir, name) }),
    /** Names and contents of all files, so that a test can tell that none was made or changed. */
    all: () =>
      Object.fromEntries(
        readdirSync(userDir)
          .sort()
          .map((name) => [
            name,
            createHash('sha256')
              .update(readFileSync(join(userDir, name)))
              .digest('hex'),
          ]),
      ),
    [Symbol.dispose]: () => removeDirectory(userDir),
  };
}

/** A store in that file, closed again. */
async function makeStore(options: StoreOptions): Promise<void> {
  const store = openPrivateStore(options);
  await store.run(touch, undefined).finally(() => store.close());
}

for (const { name, options, fresh } of storesUnderTest()) {
  test(`Test tells the version of a store that is at work (${name})`, options, async () => {
    await using fixture = await fresh();
    await fixture.store.run(touch, undefined);
    const file = fixture.options.engine === 'sqlite' ? fixture.options.file : '';
    const result = await probe(fixture.options, { userDir: '/none', deployed: [file] });
    assert.equal(result.kind, fixture.options.engine === 'sqlite' ? 'at-work' : 'ready');
    assert.match(result.version!, /^(SQLite|PostgreSQL) \d/);
  });
}

test('Test makes no file where none is, and no folder', async () => {
  using user = userDirectory();
  const options = user.file('sub/store.sqlite');
  assert.deepEqual(await probe(options, user.limits), { kind: 'absent', file: options.file });
  assert.deepEqual(user.all(), {});
  writeFileSync(join(user.userDir, 'empty.sqlite'), '');
  const result = await probe(user.file('empty.sqlite'), user.limits);
  assert.equal(result.kind, 'absent');
  assert.equal(statSync(join(user.userDir, 'empty.sqlite')).size, 0);
});

test('Test of a store that is not deployed reads it and changes nothing', async () => {
  using user = userDirectory();
  const options = user.file('store.sqlite');
  await makeStore(options);
  const before = user.all();
  assert.deepEqual(await probe(options, user.limits), {
    kind: 'ready',
    version: (await probe(options, user.limits)).version,
    pending: 0,
  });
  assert.deepEqual(user.all(), before);
});

test('Test does not bring an older store forward, and refuses a newer one', async () => {
  using user = userDirectory();
  const options = user.file('store.sqlite');
  await makeStore(options);
  const change = (sql: string): void => {
    const db = new DatabaseSync(options.file);
    db.exec(`PRAGMA journal_mode = DELETE; ${sql}`);
    db.close();
  };
  change(`DELETE FROM schema_migrations WHERE version > ${migrations.length - 2}`);
  const before = user.all();
  const result = await probe(options, user.limits);
  assert.equal(result.kind === 'ready' && result.pending, 2);
  assert.deepEqual(user.all(), before);
  change("INSERT INTO schema_migrations VALUES (99, 'later', 'x', 'x')");
  await assert.rejects(probe(options, user.limits), code('STORE_SCHEMA_NEWER'));
});

const foreign: [string, string, (file: string) => void][] = [
  ['another program', 'STORE_FOREIGN', (file) => sqlite(file, 'CREATE TABLE notes (text TEXT)')],
  [
    'another program in WAL mode',
    'STORE_FOREIGN',
    (file) => sqlite(file, 'PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT)'),
  ],
  [
    'a program that migrates too',
    'STORE_FOREIGN',
    (file) => sqlite(file, "CREATE TABLE schema_migrations (version TEXT); INSERT INTO schema_migrations VALUES ('1')"),
  ],
  ['no database', 'STORE_DAMAGED', (file) => writeFileSync(file, 'flows and credentials '.repeat(100))],
];
function sqlite(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}
for (const [what, expected, make] of foreign) {
  test(`a file of ${what} is refused by Test and by a deploy, and stays as it is`, async () => {
    using user = userDirectory();
    const options = user.file('foreign.sqlite');
    make(options.file);
    const before = user.all();
    await assert.rejects(probe(options, user.limits), code(expected));
    await assert.rejects(makeStore(options), code(expected));
    assert.deepEqual(user.all(), before);
  });
}

test('Test looks at no file outside the user directory, whatever path or link leads there, unless it is deployed', async () => {
  using user = userDirectory();
  using other = userDirectory();
  const elsewhere = other.file('store.sqlite');
  await makeStore(elsewhere);
  symlinkSync(elsewhere.file, join(user.userDir, 'link.sqlite'));
  symlinkSync(other.userDir, join(user.userDir, 'folder'));
  for (const file of [
    elsewhere.file,
    join(user.userDir, '..', 'x.sqlite'),
    join(user.userDir, 'link.sqlite'),
    join(user.userDir, 'folder', 'store.sqlite'),
    join(user.userDir, 'folder', 'none.sqlite'),
    '/etc/passwd',
  ])
    await assert.rejects(probe({ engine: 'sqlite', file }, user.limits), code('STORE_FILE_ELSEWHERE'), file);
  const limits = { ...user.limits, deployed: [elsewhere.file] };
  assert.equal((await probe(elsewhere, limits)).kind, 'at-work');
});

test('Test says who has a file that another process uses', async () => {
  using user = userDirectory();
  const options = user.file('store.sqlite');
  await makeStore(options);
  const holder = spawnOwned(process.execPath, [
    '-e',
    `const { DatabaseSync } = require('node:sqlite');
     const db = new DatabaseSync(process.argv[1]);
     db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; COMMIT');
     require('node:fs').writeFileSync(process.argv[1] + '-owner', JSON.stringify({ pid: process.pid, host: 'there' }));
     setInterval(() => {}, 1000);`,
    options.file,
  ]);
  try {
    await waitUntil('the file is held', () => existsSync(`${options.file}-owner`));
    await assert.rejects(
      probe(options, user.limits),
      (error: unknown) => code('STORE_IN_USE')(error) && (error as Failure).message.includes(`${holder.pid} on there`),
    );
  } finally {
    await holder.stop();
  }
});

const postgres = storesUnderTest().find(({ name }) => name !== 'sqlite')!;
test('Test makes no schema on PostgreSQL, and refuses one of another program', postgres.options, async () => {
  await using fixture = await postgres.fresh();
  const { options } = fixture;
  assert(options.engine === 'postgresql');
  const limits = { userDir: '/none', deployed: [] };
  const schema = `${options.schema}_new`;
  const client = new pg.Client({ connectionString: options.url });
  await client.connect();
  try {
    const absent = await probe({ ...options, schema }, limits);
    assert.equal(absent.kind, 'absent');
    const { rows } = await client.query('SELECT to_regnamespace($1) AS oid', [schema]);
    assert.equal(rows[0].oid, null);
    await client.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.notes (text TEXT)`);
    await assert.rejects(probe({ ...options, schema }, limits), code('STORE_FOREIGN'));
    await assert.rejects(makeStore({ ...options, schema }), code('STORE_FOREIGN'));
    const tables = await client.query('SELECT tablename FROM pg_tables WHERE schemaname = $1', [schema]);
    assert.deepEqual(tables.rows, [{ tablename: 'notes' }]);
  } finally {
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await client.end();
  }
});

test('Test tells a user who may not make the schema', postgres.options, async () => {
  await using fixture = await postgres.fresh();
  const { options } = fixture;
  assert(options.engine === 'postgresql');
  const client = new pg.Client({ connectionString: options.url });
  await client.connect();
  const user = `${options.schema}_guest`;
  try {
    await client.query(`CREATE ROLE ${user} LOGIN PASSWORD 'guest-guest'`);
    const asGuest = { ...options, user, password: 'guest-guest', schema: `${options.schema}_new` };
    await assert.rejects(
      probe(asGuest, { userDir: '/none', deployed: [] }),
      (error: unknown) => code('STORE_MISCONFIGURED')(error) && /Grant it CREATE/.test((error as Failure).message),
    );
  } finally {
    await client.query(`DROP ROLE IF EXISTS ${user}`);
    await client.end();
  }
});

test('Test says why a server cannot be used', async () => {
  await assert.rejects(
    probe({ engine: 'postgresql', url: 'postgres://127.0.0.1:1/none' }, { userDir: '/none', deployed: [] }),
    (error: unknown) => code('STORE_UNAVAILABLE')(error) && (error as Failure).message.includes('ECONNREFUSED'),
  );
});

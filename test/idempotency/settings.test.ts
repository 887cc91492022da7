import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { integrationStoreDefinition } from '../../nodes/idempotency/integration-store/integration-store.def.ts';
import { probe, touch } from '../../nodes/idempotency/integration-store/probe.ts';
import { storeOptionsOf } from '../../nodes/idempotency/integration-store/settings.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { targetOf } from '../../nodes/kernel/store/postgresql/connection.ts';
import { removeDirectory, temporaryDirectory } from '../support/processes.ts';
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

for (const { name, options, fresh } of storesUnderTest()) {
  test(`Test tells the version of a store that works, in use or not (${name})`, options, async () => {
    await using fixture = await fresh();
    await fixture.store.run(touch, undefined);
    const result = await probe(fixture.options);
    assert(result.kind === 'connected');
    assert.match(result.version, /^(SQLite|PostgreSQL) \d/);
  });
}

test('Test makes no file where none is', async () => {
  const file = join(tmpdir(), 'hf-none', 'store.sqlite');
  assert.deepEqual(await probe({ engine: 'sqlite', file }), { kind: 'absent', file });
  assert(!existsSync(file));
});

test('Test says why a server cannot be used', async () => {
  await assert.rejects(
    probe({ engine: 'postgresql', url: 'postgres://127.0.0.1:1/none', patience: 50 }),
    (error: unknown) => code('STORE_UNAVAILABLE')(error) && (error as Failure).message.includes('ECONNREFUSED'),
  );
});

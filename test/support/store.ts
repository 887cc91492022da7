/**
 * Fresh stores for tests, so that every operation is proven on both engines:
 *
 *     for (const under of storesUnderTest()) {
 *       test(`a promise (${under.name})`, under.options, async () => {
 *         await using fixture = await under.fresh();
 *         await fixture.store.run(operation, args);
 *       });
 *     }
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openStore, type Store, type StoreOptions } from '../../nodes/kernel/store/index.ts';
import { waitUntil } from './processes.ts';

export interface StoreFixture extends AsyncDisposable {
  readonly store: Store;
  /** To open the same store again, or a second time. */
  readonly options: StoreOptions;
  /** Moves the clock that operations see, in milliseconds from the real one. */
  setClock(offset: number): void;
}

export interface StoreUnderTest {
  readonly name: 'sqlite' | 'postgresql';
  /** For `test(name, options, fn)`: says why an engine is skipped. */
  readonly options: { skip?: string };
  readonly fresh: () => Promise<StoreFixture>;
}

export function storesUnderTest(): StoreUnderTest[] {
  return [
    { name: 'sqlite', options: {}, fresh: freshSqlite },
    {
      name: 'postgresql',
      options: process.env.POSTGRES_URL ? {} : { skip: 'POSTGRES_URL is not set: no PostgreSQL server to test on' },
      fresh: freshPostgresql,
    },
  ];
}

function freshSqlite(): Promise<StoreFixture> {
  const folder = mkdtempSync(join(tmpdir(), 'hf-store-'));
  return fixture({ engine: 'sqlite', file: join(folder, 'test.sqlite') }, async () =>
    rmSync(folder, { recursive: true, force: true }),
  );
}

async function freshPostgresql(): Promise<StoreFixture> {
  const url = process.env.POSTGRES_URL!;
  const schema = `hf_test_${randomBytes(6).toString('hex')}`;
  return fixture({ engine: 'postgresql', url, schema }, async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await client.end();
  });
}

async function fixture(options: StoreOptions, remove: () => Promise<void>): Promise<StoreFixture> {
  let offset = 0;
  const full: StoreOptions = { ...options, clockOffset: () => offset };
  const store = openStore(full);
  // A store refuses work after seconds without a connection, which a busy machine may need for the first one.
  await waitUntil('the store is open', () => store.status().state === 'ready', undefined, 5);
  return {
    store,
    options: full,
    setClock: (value) => {
      offset = value;
    },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await remove();
    },
  };
}

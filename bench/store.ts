/**
 * Claims and completions a second through the store, against one durable insert a request at the same concurrency on
 * the same engine in the same run: by a program that opens the database itself, and by the store, whose inserts share
 * commits as claims do. The gate's own cost is claim against the store's insert; a key that is completed by the outbox
 * costs no transaction more.
 *
 *     node bench/store.ts [--seconds 2] [--rounds 3]
 *
 * Prints JSON lines, then a table of medians. Compare ratios, not absolute numbers: disks differ. PostgreSQL is that of
 * POSTGRES_URL, else a private one.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { claim, complete } from '../nodes/idempotency/index.ts';
import { openStore, type StoreOptions } from '../nodes/kernel/store/index.ts';
import { startPrivatePostgres } from '../test/support/services.ts';
import { median, publish } from './report.ts';
import { insertBare, makeBare } from './store-insert.ts';

const { values: flags } = parseArgs({
  options: { seconds: { type: 'string', default: '2' }, rounds: { type: 'string', default: '3' } },
});
const duration = Number(flags.seconds) * 1000;
const rounds = Number(flags.rounds);
const concurrencies = [1, 16, 64, 256];

type Engine = 'sqlite' | 'postgresql';
type Subject = 'bare insert' | 'store insert' | 'claim' | 'claim and complete';

interface Contender {
  engine: Engine;
  subject: Subject;
  /** One request's work, durable when it resolves. */
  readonly request: (key: string) => Promise<unknown>;
}

interface Measurement {
  engine: Engine;
  subject: Subject;
  concurrency: number;
  perSecond: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

const closers: (() => unknown)[] = [];
const run = randomBytes(4).toString('hex');

/** On the disk under the working directory, since a temporary directory may be in memory. */
const folder = mkdtempSync(join(process.cwd(), '.bench-store-'));
closers.push(() => rmSync(folder, { recursive: true, force: true }));

const bareTable = (integer: string, blob: string): string =>
  `CREATE TABLE bare (hash ${blob} NOT NULL PRIMARY KEY, key TEXT NOT NULL, fingerprint TEXT NOT NULL, expires_at ${integer} NOT NULL)`;
const bareInsert = 'INSERT INTO bare (hash, key, fingerprint, expires_at) VALUES ($1, $2, $3, $4)';
const fingerprint = 'f'.repeat(64);

function bareSqlite(): Contender {
  const db = new DatabaseSync(join(folder, 'bare.sqlite'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  db.exec(bareTable('INTEGER', 'BLOB'));
  const insert = db.prepare(bareInsert.replaceAll(/\$\d/g, '?'));
  closers.push(() => db.close());
  return {
    engine: 'sqlite',
    subject: 'bare insert',
    // Synchronous and on the main thread; the turn of the event loop is what lets other requests in.
    request: async (key) => {
      insert.run(randomBytes(32), key, fingerprint, Date.now());
      await new Promise(setImmediate);
    },
  };
}

async function barePostgresql(url: string, schema: string): Promise<Contender> {
  const pool = new pg.Pool({ connectionString: url, max: 16 });
  await pool.query(`CREATE SCHEMA ${schema}`);
  await pool.query(bareTable('BIGINT', 'BYTEA').replace('bare', `${schema}.bare`));
  closers.push(async () => {
    await pool.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.end();
  });
  const text = bareInsert.replace('bare', `${schema}.bare`);
  return {
    engine: 'postgresql',
    subject: 'bare insert',
    request: (key) => pool.query({ name: 'bare', text, values: [randomBytes(32), key, fingerprint, Date.now()] }),
  };
}

async function ours(options: StoreOptions): Promise<Contender[]> {
  const store = openStore(options);
  closers.push(() => store.close());
  await store.run(makeBare, undefined);
  const scope = 'bench';
  const wanted = (key: string) => ({
    scope,
    key,
    fingerprint,
    owner: 'bench',
    lease: 60_000,
    retention: 3_600_000,
  });
  const reply = { statusCode: 202, headers: { 'content-type': 'application/json' }, body: '{"status":"accepted"}' };
  return [
    { engine: options.engine, subject: 'store insert', request: (key) => store.run(insertBare, { key, fingerprint }) },
    { engine: options.engine, subject: 'claim', request: (key) => store.run(claim, wanted(key)) },
    {
      engine: options.engine,
      subject: 'claim and complete',
      request: async (key) => {
        const verdict = await store.run(claim, wanted(key));
        if (verdict.kind !== 'new') throw new Error(`${key} is ${verdict.kind}`);
        await store.run(complete, { scope, key, token: verdict.token, reply });
      },
    },
  ];
}

let serial = 0;

async function measure({ engine, subject, request }: Contender, concurrency: number): Promise<Measurement> {
  const latencies: number[] = [];
  const started = performance.now();
  const side = async (): Promise<void> => {
    for (;;) {
      const begun = performance.now();
      if (begun - started >= duration) return;
      await request(`${run}-${serial++}`);
      latencies.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, side));
  const elapsed = performance.now() - started;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))]!;
  return {
    engine,
    subject,
    concurrency,
    perSecond: Math.round((latencies.length / elapsed) * 1000),
    p50: Number(at(0.5).toFixed(2)),
    p99: Number(at(0.99).toFixed(2)),
  };
}

async function privatePostgres(): Promise<string> {
  const postgres = await startPrivatePostgres();
  closers.push(() => postgres.stop());
  return postgres.url;
}

try {
  const contenders: Contender[] = [
    bareSqlite(),
    ...(await ours({ engine: 'sqlite', file: join(folder, 'store.sqlite') })),
  ];
  const url = process.env.POSTGRES_URL ?? (await privatePostgres());
  contenders.push(await barePostgresql(url, `bench_bare_${run}`));
  const schema = `bench_${run}`;
  const admin = new pg.Pool({ connectionString: url, max: 1 });
  closers.push(async () => {
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await admin.end();
  });
  contenders.push(...(await ours({ engine: 'postgresql', url, schema })));
  const measured: Measurement[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const concurrency of concurrencies) {
      for (const contender of contenders) {
        const measurement = await measure(contender, concurrency);
        measured.push(measurement);
        console.log(JSON.stringify({ bench: 'store', round, ...measurement }));
      }
    }
  }
  const table = [];
  for (const engine of ['sqlite', 'postgresql'] as const) {
    for (const concurrency of concurrencies) {
      const of = (subject: Subject, value: 'perSecond' | 'p50' | 'p99'): number =>
        median(
          measured
            .filter((one) => one.engine === engine && one.subject === subject && one.concurrency === concurrency)
            .map((one) => one[value]),
        );
      const rate = (subject: Subject): number => of(subject, 'perSecond');
      const ratio = (subject: Subject, base: Subject): number => Number((rate(subject) / rate(base)).toFixed(2));
      const row = {
        engine,
        concurrency,
        'bare/s': rate('bare insert'),
        'store/s': rate('store insert'),
        'claim/s': rate('claim'),
        'pair/s': rate('claim and complete'),
        'claim to bare': ratio('claim', 'bare insert'),
        'pair to bare': ratio('claim and complete', 'bare insert'),
        'claim to store': ratio('claim', 'store insert'),
        'pair to store': ratio('claim and complete', 'store insert'),
        'claim p50 ms': of('claim', 'p50'),
        'claim p99 ms': of('claim', 'p99'),
      };
      table.push(row);
      console.log(JSON.stringify({ bench: 'store', median: true, ...row }));
    }
  }
  console.table(table);
  publish('store', { rounds, seconds: duration / 1000, rows: table });
} finally {
  for (const close of closers.reverse()) await close();
}

/**
 * What a store full of idempotency keys costs: claims beside a purge, and the purge itself.
 *
 *     node bench/store-keys.ts [--keys 1000000] [--seconds 5] [--generations 15]
 *
 * A tenth of the keys is past its retention. PostgreSQL runs when POSTGRES_URL is set. Compare with `claims, no purge` of
 * the same run; disks and the machine's load differ. With `--generations` also, on SQLite, the same number of keys in a
 * table for each generation, of which the oldest is dropped.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { claim, purge } from '../nodes/idempotency/index.ts';
import { fill } from './store-fill.ts';
import { claimInGenerations, dropGeneration, fillGeneration } from './store-generations.ts';
import { openStore, type Store, type StoreOptions } from '../nodes/kernel/store/index.ts';

const { values: flags } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '5' },
    generations: { type: 'string', default: '0' },
  },
});
const keys = Number(flags.keys);
const duration = Number(flags.seconds) * 1000;
const concurrency = 16;

interface Figures {
  engine: string;
  what: string;
  perSecond: number;
  p50?: number;
  p99?: number;
  longest?: number;
  note?: string;
}

const figures: Figures[] = [];
const run = randomBytes(4).toString('hex');
let serial = 0;

const claimOne = (store: Store) =>
  store.run(claim, {
    scope: 'bench',
    key: `${run}-${serial++}`,
    fingerprint: '',
    owner: 'bench',
    lease: 60_000,
    retention: 86_400_000,
  });

async function claims(store: Store, what: string, one: (store: Store) => Promise<unknown> = claimOne): Promise<void> {
  const latencies: number[] = [];
  const started = performance.now();
  const side = async (): Promise<void> => {
    for (;;) {
      const begun = performance.now();
      if (begun - started > duration) return;
      await one(store);
      latencies.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, side));
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => Number(latencies[Math.floor((latencies.length - 1) * share)]!.toFixed(1));
  const perSecond = Math.round((latencies.length / (performance.now() - started)) * 1000);
  figures.push({ engine: store.engine, what, perSecond, p50: at(0.5), p99: at(0.99), longest: at(1) });
}

/** Purges in slices until told to stop or nothing is left. */
async function purging(store: Store, limit: number, pause: number, until: () => boolean): Promise<number> {
  let total = 0;
  while (!until()) {
    const purged = await store.run(purge, { limit });
    total += purged;
    if (purged < limit) break;
    if (pause > 0) await sleep(pause);
  }
  return total;
}

async function besidePurge(store: Store, limit: number, pause: number): Promise<void> {
  let done = false;
  const started = performance.now();
  const purged = purging(store, limit, pause, () => done);
  await claims(store, `claims beside a purge of ${limit} every ${pause} ms`);
  done = true;
  const total = await purged;
  figures.at(-1)!.note = `${Math.round((total / (performance.now() - started)) * 1000)} keys/s purged`;
}

async function measure(options: StoreOptions): Promise<void> {
  const store = openStore(options);
  try {
    const step = 100_000;
    const started = performance.now();
    for (let from = 0; from < keys; from += step) await store.run(fill, { from, count: Math.min(step, keys - from) });
    const size = store.status().size;
    figures.push({
      engine: store.engine,
      what: 'fill',
      perSecond: Math.round((keys / (performance.now() - started)) * 1000),
      ...(size === undefined || store.engine === 'postgresql' ? {} : { note: `${Math.round(size / keys)} bytes/key` }),
    });
    await claims(store, 'claims, no purge');
    await besidePurge(store, 50, 12);
    await besidePurge(store, 200, 50);
    await besidePurge(store, 1000, 50);
    const begun = performance.now();
    const total = await purging(store, 1000, 0, () => performance.now() - begun > duration * 2);
    figures.push({
      engine: store.engine,
      what: 'purge of 1000 without pause, alone',
      perSecond: Math.round((total / (performance.now() - begun)) * 1000),
    });
  } finally {
    await store.close();
  }
}

/** The same number of keys, in generations: a retention of days and the one that is being filled. */
async function measureGenerations(file: string, generations: number): Promise<void> {
  const store = openStore({ engine: 'sqlite', file });
  const add = (what: string, perSecond: number, note: string): void => {
    figures.push({ engine: `${store.engine}, ${generations} tables`, what, perSecond: Math.round(perSecond), note });
  };
  try {
    const each = Math.round(keys / generations);
    const step = 100_000;
    const started = performance.now();
    for (let generation = 0; generation < generations; generation++) {
      for (let from = 0; from < each; from += step)
        await store.run(fillGeneration, { generation, count: Math.min(step, each - from) });
    }
    const { size = 0 } = store.status();
    add('fill', (keys / (performance.now() - started)) * 1000, `${Math.round(size / keys)} bytes/key`);
    const last = generations - 1;
    let first = 0;
    const one = (): Promise<unknown> => store.run(claimInGenerations, { key: `${run}-${serial++}`, first, last });
    await claims(store, `claims into ${generations} generations, no drop`, one);
    // Dropped behind the claims that are under way; those after it look into one table less.
    const dropped = async (): Promise<number> => {
      await sleep(duration / 3);
      const begun = performance.now();
      await store.run(dropGeneration, { generation: first++ });
      return performance.now() - begun;
    };
    const drop = dropped();
    await claims(store, `claims beside one drop of ${each}`, one);
    figures.at(-1)!.note = `the drop took ${Math.round(await drop)} ms`;
    const begun = performance.now();
    await store.run(dropGeneration, { generation: first++ });
    add(
      `drop of ${each}, alone`,
      (each / (performance.now() - begun)) * 1000,
      `${Math.round(performance.now() - begun)} ms`,
    );
  } finally {
    await store.close();
  }
}

/** On the disk under the working directory, since a temporary directory may be in memory. */
const folder = mkdtempSync(join(process.cwd(), '.bench-store-'));
console.log(JSON.stringify({ keys, load: loadavg().map((one) => Number(one.toFixed(1))) }));
try {
  await measure({ engine: 'sqlite', file: join(folder, 'store.sqlite') });
  if (flags.generations !== '0')
    await measureGenerations(join(folder, 'generations.sqlite'), Number(flags.generations));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const url = process.env.POSTGRES_URL;
if (url) {
  const schema = `bench_${run}`;
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await measure({ engine: 'postgresql', url, schema });
    const { rows } = await admin.query<{ size: string }>('SELECT pg_total_relation_size($1) AS size', [
      `${schema}.idempotency_keys`,
    ]);
    figures.push({
      engine: 'postgresql',
      what: 'size at the end',
      perSecond: 0,
      note: `${Math.round(Number(rows[0]!.size) / keys)} bytes/key`,
    });
  } finally {
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await admin.end();
  }
}
console.table(figures);
console.log(JSON.stringify({ load: loadavg().map((one) => Number(one.toFixed(1))) }));

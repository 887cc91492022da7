/**
 * What the Odoo client costs against the same work written by hand with axios, on the sandbox in a process of its own:
 * wall time, this process's CPU, requests made. `npx node bench/odoo.ts`; rounds are interleaved, medians are shown.
 *
 * By hand means what a flow's author would write: JSON-2, one call a record, numbers as floats, no checks.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import axios from 'axios';
import { create, OdooClient, searchRead, upsert, write } from '../nodes/odoo/index.ts';

const rounds = 5;
const cli = fileURLToPath(new URL('../sandbox/odoo/cli.ts', import.meta.url));

interface Measured {
  /** Milliseconds. */
  wall: number;
  /** Milliseconds of user and system time. */
  cpu: number;
  requests: number;
}

interface Odoo {
  url: string;
  requests(): Promise<number>;
  stop(): void;
}

async function sandbox(port: number): Promise<Odoo> {
  const child = spawn(process.execPath, [cli, '--port', String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', reject);
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    requests: async () => {
      const { data } = await axios.get<{ counters: { requests: number } }>(`${url}/sandbox/state`);
      return data.counters.requests;
    },
    stop: () => void child.kill(),
  };
}

const odoo = await sandbox(18_069);
const client = new OdooClient({ url: odoo.url, database: 'sandbox', apiKey: 'sandbox-key', queue: 20_000 });

async function byHand(model: string, method: string, body: Record<string, unknown>): Promise<unknown> {
  const { data } = await axios.post(`${odoo.url}/json/2/${model}/${method}`, body, {
    headers: { Authorization: 'bearer sandbox-key' },
  });
  return data;
}

let run = 0;
const partners = (n: number) =>
  Array.from({ length: n }, (_, i) => ({
    name: `Partner ${run}-${i}`,
    ref: `B${run}-${i}`,
    city: 'Gent',
    email: 'a@example.org',
  }));
const fields = ['name', 'ref', 'city', 'email', 'country_id'];
const domain = [['ref', '=like', 'R%']];
let ids: number[] = [];

const races: { name: string; ours: () => Promise<unknown>; hand: () => Promise<unknown> }[] = [
  {
    name: '200 creates',
    ours: () => create(client, 'res.partner', partners(200)),
    hand: async () => {
      for (const values of partners(200)) await byHand('res.partner', 'create', { vals_list: values });
    },
  },
  {
    name: '200 creates, by hand in one call too',
    ours: () => create(client, 'res.partner', partners(200)),
    hand: () => byHand('res.partner', 'create', { vals_list: partners(200) }),
  },
  {
    name: '200 upserts (by hand: search, then write or create)',
    ours: () =>
      upsert(
        client,
        'res.partner',
        partners(200).map((values, i) => ({ externalId: `hf_bench.p_${run}_${i}`, values })),
      ),
    hand: async () => {
      for (const values of partners(200)) {
        const found = (await byHand('res.partner', 'search', { domain: [['ref', '=', values.ref]] })) as number[];
        if (found.length > 0) await byHand('res.partner', 'write', { ids: found, vals: values });
        else await byHand('res.partner', 'create', { vals_list: values });
      }
    },
  },
  {
    name: '1,000 records written the same values',
    ours: () => write(client, 'res.partner', ids.slice(0, 1_000), { city: `Brugge ${run}` }),
    hand: async () => {
      for (const id of ids.slice(0, 1_000))
        await byHand('res.partner', 'write', { ids: [id], vals: { city: `Brugge ${run}` } });
    },
  },
  {
    name: 'read of 10,000 records, 5 fields',
    ours: () => searchRead(client, 'res.partner', domain, { fields, limit: 0 }),
    hand: async () => {
      for (let offset = 0; ; offset += 80) {
        const page = (await byHand('res.partner', 'search_read', { domain, fields, offset, limit: 80 })) as unknown[];
        if (page.length < 80) break;
      }
    },
  },
  {
    name: 'read of 10,000 records, by hand in one call',
    ours: () => searchRead(client, 'res.partner', domain, { fields, limit: 0, page: 5_000 }),
    hand: () => byHand('res.partner', 'search_read', { domain, fields, limit: 0 }),
  },
];

async function measure(work: () => Promise<unknown>): Promise<Measured> {
  run++;
  const before = await odoo.requests();
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const wall = performance.now() - started;
  const used = process.cpuUsage(cpu);
  return { wall, cpu: (used.user + used.system) / 1000, requests: (await odoo.requests()) - before };
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
const middle = (all: Measured[]): Measured => ({
  wall: median(all.map(({ wall }) => wall)),
  cpu: median(all.map(({ cpu }) => cpu)),
  requests: median(all.map(({ requests }) => requests)),
});

try {
  const made = await create(
    client,
    'res.partner',
    Array.from({ length: 10_000 }, (_, i) => ({ name: `Reader ${i}`, ref: `R${i}` })),
  );
  ids = made.flatMap((outcome) => (outcome.kind === 'done' ? [outcome.value] : []));
  const table = [];
  for (const { name, ours, hand } of races) {
    const mine: Measured[] = [];
    const theirs: Measured[] = [];
    for (let round = 0; round < rounds; round++) {
      theirs.push(await measure(hand));
      mine.push(await measure(ours));
    }
    const [a, b] = [middle(mine), middle(theirs)];
    table.push({
      work: name,
      'wall ms': Math.round(a.wall),
      'by hand': Math.round(b.wall),
      ratio: (a.wall / b.wall).toFixed(2),
      'CPU ms': Math.round(a.cpu),
      'CPU by hand': Math.round(b.cpu),
      'CPU ratio': (a.cpu / b.cpu).toFixed(2),
      requests: a.requests,
      'requests by hand': b.requests,
    });
  }
  console.table(table);
} finally {
  await client.close(0);
  odoo.stop();
}

/**
 * What the Odoo client costs against the same work written by hand with axios, on the sandbox in a process of its own:
 * wall time, this process's CPU, requests made, and two other packages beside them. Rounds are interleaved, medians shown.
 *
 * By hand means what a flow's author would write: JSON-2, one call a record, numbers as floats, no checks.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import axios from 'axios';
import { create, OdooClient, searchRead, upsert, write } from '../nodes/odoo/index.ts';
import { peers } from './peers.ts';

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

/** What two other packages offer for the same work; they speak XML-RPC only. */
interface Peer {
  create(model: string, values: object): Promise<unknown>;
  update(model: string, id: number, values: object): Promise<unknown>;
  searchRead(model: string, domain: unknown[], fields: string[], limit: number): Promise<unknown[]>;
}

async function peersOn(url: string): Promise<Record<string, Peer>> {
  const load = peers({ 'odoo-await': '3.4.1', 'odoo-xmlrpc': '1.0.8' });
  if (load === undefined) return {};
  const { hostname, port } = new URL(url);
  const login = { db: 'sandbox', username: 'bot', password: 'sandbox-key' };
  const OdooAwait = load('odoo-await') as new (
    options: object,
  ) => {
    connect(): Promise<number>;
    create(model: string, values: object): Promise<number>;
    update(model: string, id: number, values: object): Promise<boolean>;
    searchRead(model: string, domain: unknown[], fields: string[], options: object): Promise<unknown[]>;
  };
  const first = new OdooAwait({ baseUrl: `http://${hostname}`, port: Number(port), ...login });
  await first.connect();
  type Callback = (error: unknown, value: never) => void;
  const OdooXmlrpc = load('odoo-xmlrpc') as new (
    options: object,
  ) => {
    connect(callback: Callback): void;
    execute_kw(model: string, method: string, params: unknown[], callback: Callback): void;
  };
  const second = new OdooXmlrpc({ url, ...login });
  const promised = (work: (callback: Callback) => void) =>
    new Promise<never>((resolve, reject) => {
      work((error, value) => (error ? reject(error as Error) : resolve(value)));
    });
  await promised((callback) => second.connect(callback));
  const execute = (model: string, method: string, args: unknown[], options?: object) =>
    promised((callback) =>
      second.execute_kw(model, method, options === undefined ? [args] : [args, options], callback),
    );
  return {
    'odoo-await': {
      create: (model, values) => first.create(model, values),
      update: (model, id, values) => first.update(model, id, values),
      searchRead: (model, domain, fields, limit) => first.searchRead(model, domain, fields, { offset: 0, limit }),
    },
    'odoo-xmlrpc': {
      create: (model, values) => execute(model, 'create', [values]),
      update: (model, id, values) => execute(model, 'write', [[id], values]),
      searchRead: (model, domain, fields, limit) => execute(model, 'search_read', [domain], { fields, limit }),
    },
  };
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

interface Race {
  name: string;
  ours: () => Promise<unknown>;
  hand: () => Promise<unknown>;
  peer?: (peer: Peer) => Promise<unknown>;
}

const races: Race[] = [
  {
    name: '200 creates',
    ours: () => create(client, 'res.partner', partners(200)),
    peer: async (peer) => {
      for (const values of partners(200)) await peer.create('res.partner', values);
    },
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
    peer: async (peer) => {
      for (const id of ids.slice(0, 1_000)) await peer.update('res.partner', id, { city: `Brugge ${run}` });
    },
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
    peer: (peer) => peer.searchRead('res.partner', domain, fields, 10_000),
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
  const others = Object.entries(await peersOn(odoo.url));
  const table = [];
  for (const { name, ours, hand, peer } of races) {
    const contenders: [who: string, work: () => Promise<unknown>][] = [
      ['by hand', hand],
      ['this client', ours],
      ...(peer === undefined
        ? []
        : others.map(([who, one]): [string, () => Promise<unknown>] => [who, () => peer(one)])),
    ];
    const measured = new Map<string, Measured[]>(contenders.map(([who]) => [who, []]));
    for (let round = 0; round < rounds; round++)
      for (const [who, work] of contenders) measured.get(who)!.push(await measure(work));
    const base = middle(measured.get('by hand')!);
    for (const [who] of contenders) {
      const one = middle(measured.get(who)!);
      table.push({
        work: who === 'by hand' ? name : '',
        who,
        'wall ms': Math.round(one.wall),
        'wall ratio': (one.wall / base.wall).toFixed(2),
        'CPU ms': Math.round(one.cpu),
        'CPU ratio': (one.cpu / base.cpu).toFixed(2),
        requests: one.requests,
      });
    }
  }
  console.table(table);
} finally {
  await client.close(0);
  odoo.stop();
}

/**
 * What the console's journal answers with a million messages in it, and what keeping it costs.
 *
 *     node bench/console.ts [--messages 1000000] [--runs 25] [--engine sqlite|postgresql]
 *
 * A browser then looks at the same store through a Node-RED of its own: first paint, and from typing to the answer.
 * PostgreSQL runs when POSTGRES_URL is set. The aim is a median of at most 300 ms for every search. The messages are
 * written as the recorder writes them, so the time of the fill is the cost of the journal on an otherwise idle store.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { flowOfPartner, type JournalEntry, type JournalOutcome } from '../nodes/console/journal/entry.ts';
import { JournalRecorder } from '../nodes/console/journal/recorder.ts';
import { journalPartners, readLife, searchJournal } from '../nodes/console/journal/search.ts';
import { journalOverflow, purgeJournal, writeJournal } from '../nodes/console/journal/write.ts';
import { openStore, type Store, type StoreOptions } from '../nodes/kernel/store/index.ts';
import { launchBrowser } from '../test/editor/editor.ts';
import { startNodeRed } from '../test/support/node-red.ts';
import { median, print, publish } from './report.ts';

const { values: flags } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '25' },
    engine: { type: 'string' },
  },
});
const messages = Number(flags.messages);
const runs = Number(flags.runs);
const base = Date.now() - 14 * 86_400_000;
const step = (14 * 86_400_000) / messages;
const flows = ['receive', 'place', 'invoice', 'stock', 'charge'];

/** Of a thousand: most are done; what people look for is rare. */
function outcomeOf(n: number): JournalOutcome {
  const share = n % 1000;
  return share < 3 ? 'dead' : share < 5 ? 'rejected' : share < 8 ? 'retrying' : 'done';
}

function entryOf(n: number): JournalEntry {
  const at = Math.floor(base + n * step);
  const flow = flows[n % flows.length]!;
  const outcome = outcomeOf(n);
  // Dead letters come from two partners only, so that a filter for another finds nothing and has to find that out.
  const partner = `urn:partner:${outcome === 'dead' ? n % 2 : n % 40}`;
  const hop = { t: at, d: 1.5, n: 'a1b2c3d4e5f6a7b8', s: 'canonical-mapper', f: flow };
  return {
    id: `msg_${n}_${(n * 2_654_435_761) % 4_294_967_296}`,
    startedAt: at,
    changedAt: at + 180,
    outcome,
    outcomeAt: at + 180,
    partner,
    correlationId: `corr-${Math.floor(n / 3)}`,
    eventType: 'healthflows.procurement.order.received.v1',
    subject: `ACME/PO-2026-${n}`,
    flow,
    ...(outcome === 'done'
      ? { odoo: { model: 'purchase.order', ids: String(n) } }
      : {
          failure: {
            class: 'data-quality',
            code: 'UNKNOWN_UNIT',
            message: 'Unit "bx" of line 1 is not known.',
            node: 'a1',
          },
        }),
    attempts: 1,
    terms: [
      `flow:${flow}`,
      flowOfPartner(flow, partner),
      `corr:corr-${Math.floor(n / 3)}`,
      `key:acme/po-2026-${n}`,
      `key:po-2026-${n}`,
    ],
    hops: Array.from({ length: 9 }, () => hop),
  };
}

interface Figure {
  engine: string;
  what: string;
  median: number;
  p95: number;
  note?: string;
}
const figures: Figure[] = [];
const round = (value: number): number => Math.round(value * 10) / 10;

async function measure(store: Store, what: string, ask: (n: number) => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  let size = 0;
  for (let i = 0; i < runs; i++) {
    // Another place each time: what was just read is in memory.
    const n = Math.floor(((i * 0.618_034) % 1) * messages);
    const begun = performance.now();
    const answer = (await ask(n)) as { messages?: unknown[] } | undefined;
    times.push(performance.now() - begun);
    size = answer?.messages?.length ?? 0;
  }
  times.sort((a, b) => a - b);
  figures.push({
    engine: store.engine,
    what,
    median: round(median(times)),
    p95: round(times[Math.floor(times.length * 0.95)]!),
    note: `${size} rows`,
  });
}

async function bench(options: StoreOptions): Promise<void> {
  const store = openStore(options);
  try {
    const chunk = 1_000;
    const begun = performance.now();
    for (let from = 0; from < messages; from += chunk) {
      await store.run(
        writeJournal,
        Array.from({ length: Math.min(chunk, messages - from) }, (_, i) => entryOf(from + i)),
      );
    }
    const seconds = (performance.now() - begun) / 1000;
    figures.push({
      engine: store.engine,
      what: 'write 1,000 messages of 9 hops and 5 terms',
      median: round((seconds * 1000 * 1000) / messages),
      p95: 0,
      note: `${Math.round(messages / seconds)} messages/s${store.engine === 'sqlite' ? `, ${Math.round((store.status().size ?? 0) / messages)} bytes each` : ''}`,
    });
    const search = (filter: object, more: object = {}) => store.run(searchJournal, { filter, limit: 50, ...more });
    await measure(store, 'order number', (n) => search({ text: `PO-2026-${n}` }));
    await measure(store, 'beginning of an order number (up to 1,000 match)', (n) =>
      search({ text: `po-2026-${String(n).slice(0, 3)}` }),
    );
    await measure(store, 'correlation id', (n) => search({ text: `corr-${Math.floor(n / 3)}` }));
    await measure(store, 'unknown number', (n) => search({ text: `nobody-${n}` }));
    await measure(store, 'newest of all', () => search({}));
    await measure(store, 'partner', (n) => search({ partner: `urn:partner:${n % 40}` }));
    await measure(store, 'flow', (n) => search({ flow: flows[n % 5] }));
    await measure(store, 'dead letters', () => search({ outcomes: ['dead', 'rejected'] }));
    await measure(store, 'dead letters of a flow in a day', (n) => {
      const from = Math.floor(base + n * step);
      return search({ outcomes: ['dead'], flow: flows[n % 5], from, to: from + 86_400_000 });
    });
    await measure(store, 'dead letters of a partner that has none', () =>
      search({ outcomes: ['dead'], partner: 'urn:partner:17' }),
    );
    await measure(store, 'partner and flow that never meet', () =>
      search({ partner: 'urn:partner:1', flow: 'receive' }),
    );
    await measure(store, 'a page in the middle', (n) => search({}, { after: `${Math.floor(base + n * step)}~msg` }));
    await measure(store, 'scoped to a partner', (n) => search({}, { scope: { partners: [`urn:partner:${n % 40}`] } }));
    await measure(store, 'partners for the list', () => store.run(journalPartners, undefined));
    await measure(store, 'life of one message', (n) => store.run(readLife, { id: entryOf(n).id }));
    await measure(store, 'more messages than are kept?', () => store.run(journalOverflow, { limit: messages - 1 }));
    const before = performance.now();
    const gone = await store.run(purgeJournal, { before: Number.MAX_SAFE_INTEGER, limit: 200 });
    figures.push({
      engine: store.engine,
      what: `purge of ${gone} messages`,
      median: round(performance.now() - before),
      p95: 0,
    });
  } finally {
    await store.close();
  }
}

/** Milliseconds of a person: from opening a page to its first paint, and from the last key to the row that was looked for. */
async function browse(config: Record<string, unknown>, engine: string): Promise<void> {
  const nodeRed = await startNodeRed({
    settings: { healthflows: { journal: { days: 60, messages: 2 * messages } } },
    flows: [
      { id: 'tab', type: 'tab', label: 'receive' },
      { id: 'store', type: 'integration-store', name: 'Main', configVersion: 1, ...config },
      { id: 'settle', z: 'tab', type: 'settle', store: 'store', configVersion: 1, wires: [[]] },
    ],
  });
  const browser = await launchBrowser();
  try {
    const paints: number[] = [];
    const answers: number[] = [];
    for (let i = 0; i < runs; i++) {
      const page = await (await browser.newContext()).newPage();
      await page.goto(`${nodeRed.adminUrl}/healthflows/console#messages`);
      await page.locator('main tbody tr').first().waitFor({ timeout: 60_000 });
      paints.push(Number(await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")));
      // The oldest went with the purge.
      const n = Math.max(1_000, Math.floor(((i * 0.618_034) % 1) * messages));
      const begun = performance.now();
      await page.getByRole('searchbox').first().fill(`PO-2026-${n}`);
      await page.getByRole('link', { name: `ACME/PO-2026-${n}`, exact: true }).waitFor({ timeout: 60_000 });
      answers.push(performance.now() - begun);
      await page.context().close();
    }
    for (const [what, times] of [
      ['browser: first paint of Messages', paints],
      ['browser: a number typed to its row, 250 ms of waiting for more keys in it', answers],
    ] as const) {
      times.sort((a, b) => a - b);
      figures.push({
        engine,
        what,
        median: round(median(times)),
        p95: round(times[Math.floor(times.length * 0.95)]!),
      });
    }
  } finally {
    await browser.close();
    await nodeRed.stop();
  }
}

/** Processor time that noting a hop takes in the flow's own thread, without the store. */
function noting(): void {
  const store = { run: async () => undefined } as unknown as Store;
  const recorder = new JournalRecorder({
    store: () => store,
    classes: ['P', 'I', 'C'],
    every: 60_000,
    capacity: 100_000,
  });
  const hops = 200_000;
  const begun = process.cpuUsage();
  for (let n = 0; n < hops; n++) {
    const id = `msg-${Math.floor(n / 9)}`;
    recorder.hop(
      { stage: 'odoo-rpc', nodeId: 'a1b2c3', flowId: 'receive', outcome: 'ok', duration: 1.2 },
      { event: { id, source: 'urn:acme', type: 'order', subject: `ACME/${id}`, correlationid: id } },
    );
  }
  const { user, system } = process.cpuUsage(begun);
  figures.push({ engine: '', what: 'note a hop, CPU in microseconds', median: round((user + system) / hops), p95: 0 });
}

const loadBefore = loadavg().map((one) => Number(one.toFixed(1)));
noting();
if (flags.engine !== 'postgresql') {
  /** On the disk under the working directory, since a temporary directory may be in memory. */
  const folder = mkdtempSync(join(process.cwd(), '.bench-store-'));
  try {
    const file = join(folder, 'store.sqlite');
    await bench({ engine: 'sqlite', file });
    await browse({ engine: 'sqlite', file }, 'sqlite');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const url = process.env.POSTGRES_URL;
if (url && flags.engine !== 'sqlite') {
  const schema = `bench_${randomBytes(4).toString('hex')}`;
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await bench({ engine: 'postgresql', url, schema });
    const { username: user, password, host, pathname } = new URL(url);
    await browse(
      { engine: 'postgresql', url: `postgres://${host}${pathname}`, schema, credentials: { user, password } },
      'postgresql',
    );
  } finally {
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await admin.end();
  }
}
print(`The journal with ${messages.toLocaleString('en')} messages, milliseconds`, figures);
publish('console', { messages, runs, load: { before: loadBefore, after: loadavg() }, figures });
const missed = figures.filter(({ median: took, note }) => note?.endsWith('rows') === true && took > 300);
if (missed.length > 0) console.log(`Above the aim of 300 ms: ${missed.map(({ what }) => what).join('; ')}.`);

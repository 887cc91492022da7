/**
 * What the console answers with a million messages in its journal, and what keeping them costs.
 *
 *     node bench/console.ts [--messages 1000000] [--runs 25] [--engine sqlite|postgresql] [--keep name]
 *         [--only fill|searches|browser]
 *
 * With `--keep` the store stays (`.bench-<name>/` or the schema `bench_<name>` of POSTGRES_URL), and a fill that was
 * broken off goes on; `--only` ends after it, or measures only one part.
 *
 * A browser then looks at the same store through a Node-RED of its own, signed in as each role: every page's first
 * paint, content and weight, and from typing to the answer. Beside the messages the store holds dead letters (one of a
 * hundred messages) and an audit trail (one entry of five messages).
 *
 * PostgreSQL is that of POSTGRES_URL, else one of the bench's own. The aims: a median of at most 300 ms for every search,
 * first paint within 1 s, at most 300 kB a page. The messages are written as the recorder writes them, so the time of the
 * fill is the cost of the journal on an otherwise idle store.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import { flowOfPartner, type JournalEntry, type JournalOutcome } from '../nodes/console/journal/entry.ts';
import { JournalRecorder } from '../nodes/console/journal/recorder.ts';
import { journalPartners, readLife, searchJournal } from '../nodes/console/journal/search.ts';
import { journalOverflow, purgeJournal, writeJournal } from '../nodes/console/journal/write.ts';
import { listAudit, verifyAudit } from '../nodes/kernel/audit/index.ts';
import { openStore, type Store, type StoreOptions } from '../nodes/kernel/store/index.ts';
import { countRows } from '../nodes/kernel/store/transfer/tables.ts';
import {
  causeStory,
  causeTrends,
  letterTotals,
  listGroups,
  listLetters,
  previewAct,
} from '../nodes/settlement/index.ts';
import type { LetterFilter } from '../nodes/settlement/letters/filter.ts';
import { collectLetter } from '../nodes/settlement/letters/collect.ts';
import { letterOf } from '../nodes/settlement/letters/letter.ts';
import { launchBrowser } from '../test/editor/editor.ts';
import { type FlowNode, type NodeRed, startNodeRed } from '../test/support/node-red.ts';
import { temporaryDirectory } from '../test/support/processes.ts';
import { startPrivatePostgres } from '../test/support/services.ts';
import { fillTrail } from './console-fill.ts';
import { median, print, publish } from './report.ts';

const { values: flags } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '25' },
    engine: { type: 'string' },
    keep: { type: 'string' },
    only: { type: 'string' },
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

/** Dead letters by cause, and a trail: what the other pages read. */
async function fillAround(store: Store, held: Record<string, number>): Promise<void> {
  const letters = Math.ceil(messages / 100);
  for (let from = held.dead_letters ?? 0; from < letters; from += 200) {
    await Promise.all(
      Array.from({ length: Math.min(200, letters - from) }, (_, i) => store.run(collectLetter, letter(from + i))),
    );
  }
  const entries = Math.ceil(messages / 5);
  for (let from = held.audit_trail ?? 0; from < entries; from += 1_000)
    await store.run(fillTrail, { from, count: 1_000 });
}

function letter(n: number): ReturnType<typeof letterOf> {
  const at = new Date(base + n * step * 100).toISOString();
  const kind = n % 20;
  return letterOf(
    {
      handle: 'h',
      queue: 'healthflows.orders.dead',
      exchange: '',
      routingKey: 'healthflows.orders',
      attempt: 1,
      redelivered: false,
      body: Buffer.from(
        JSON.stringify({ order: `PO-2026-${n}`, lines: Array.from({ length: 10 }, (_, line) => ({ line })) }),
      ),
      properties: {
        messageId: `letter-${n}`,
        correlationId: `corr-${n}`,
        contentType: 'application/json',
        timestamp: 1,
        headers: {
          'cloudEvents:subject': `ACME/PO-2026-${n}`,
          'x-failure-class': kind < 15 ? 'data-quality' : 'policy-rejection',
          'x-failure-code': `CODE_${kind}`,
          'x-failure-message': `Rule ${String.fromCharCode(65 + kind)} does not hold for line ${n % 10}.`,
          'x-failure-at': at,
          'x-first-failed-at': at,
          'x-origin-queue': 'healthflows.orders',
        },
      },
    },
    'amqp',
  );
}

/** @param settled called when everything is in the store */
async function bench(options: StoreOptions, settled?: () => Promise<unknown>): Promise<void> {
  const store = openStore(options);
  try {
    const chunk = 1_000;
    const held = await store.run(countRows, {
      tables: ['journal_messages', 'dead_letters', 'audit_trail'],
      limit: 2 * messages,
    });
    const begun = performance.now();
    const first = held.journal_messages ?? 0;
    for (let from = first; from < messages; from += chunk) {
      await store.run(
        writeJournal,
        Array.from({ length: Math.min(chunk, messages - from) }, (_, i) => entryOf(from + i)),
      );
    }
    const seconds = (performance.now() - begun) / 1000;
    const written = messages - first;
    if (written > 0)
      figures.push({
        engine: store.engine,
        what: 'write 1,000 messages of 9 hops and 5 terms',
        median: round((seconds * 1000 * 1000) / written),
        p95: 0,
        note: `${Math.round(written / seconds)} messages/s${store.engine === 'sqlite' ? `, ${Math.round((store.status().size ?? 0) / messages)} bytes each` : ''}`,
      });
    await fillAround(store, held);
    await settled?.();
    if (flags.only === 'fill' || flags.only === 'browser') return;
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
    await measure(store, 'failed for good', () => search({ outcomes: ['dead', 'rejected'] }));
    await measure(store, 'under way (none)', () => search({ outcomes: ['open', 'queued'] }));
    await measure(store, 'being retried, of a flow', (n) =>
      search({ outcomes: ['failing', 'retrying'], flow: flows[n % 5] }),
    );
    await measure(store, 'done, of a partner', (n) => search({ outcomes: ['done'], partner: `urn:partner:${n % 40}` }));
    await measure(store, 'failed for good, of a flow in the last week', (n) =>
      search({ outcomes: ['dead', 'rejected'], flow: flows[n % 5], from: Date.now() - 7 * 86_400_000 }),
    );
    await measure(store, 'failed for good, of a partner and a flow', (n) =>
      search({ outcomes: ['dead', 'rejected'], partner: `urn:partner:${n % 40}`, flow: flows[n % 5] }),
    );
    await measure(store, 'duplicates of a flow (none)', (n) => search({ outcomes: ['duplicate'], flow: flows[n % 5] }));
    await measure(store, 'beginning of an order number, of a flow, failed', (n) =>
      search({ text: `po-2026-${String(n).slice(0, 3)}`, flow: flows[n % 5], outcomes: ['dead', 'rejected'] }),
    );
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
    await measure(store, 'scoped to a partner, failed for good (none)', () =>
      search({ outcomes: ['dead', 'rejected'] }, { scope: { partners: ['urn:partner:17'] } }),
    );
    await measure(store, 'scoped to a flow', (n) => search({}, { scope: { flows: [flows[n % 5]!] } }));
    await measure(store, 'scoped to a flow, failed for good', (n) =>
      search({ outcomes: ['dead', 'rejected'] }, { scope: { flows: [flows[n % 5]!] } }),
    );
    await measure(store, 'scoped to a flow that has none', () => search({}, { scope: { flows: ['no-such-flow'] } }));
    await measure(store, 'partners for the list', () => store.run(journalPartners, undefined));
    await measure(store, 'life of one message', (n) => store.run(readLife, { id: entryOf(n).id }));
    await measure(store, 'more messages than are kept?', () => store.run(journalOverflow, { limit: messages - 1 }));
    const pages = async <T>(found: Promise<T[]>) => ({ messages: await found });
    await measure(store, 'causes of dead letters', () => pages(store.run(listGroups, {})));
    await measure(store, 'how the causes have grown in a day', () => pages(store.run(causeTrends, undefined)));
    const [cause] = await store.run(listGroups, {});
    await measure(store, 'the story of a cause', () => store.run(causeStory, cause!));
    const letters = async (filter: LetterFilter) => ({
      messages: (await store.run(listLetters, { filter, limit: 50 })).letters,
    });
    await measure(store, 'dead letters that wait', () => letters({ states: ['open', 'failed-again'] }));
    await measure(store, 'dead letters of an order number', (n) => letters({ text: `PO-2026-${Math.floor(n / 100)}` }));
    await measure(store, 'dead letters of words that none has', () => letters({ text: 'nobody wrote this' }));
    await measure(store, 'dead letters of a class that has none', () => letters({ class: 'conflict' }));
    await measure(store, 'dry run of a replay of all', () => store.run(previewAct, { filter: {} }));
    await measure(store, 'dead letters of a queue, counted', () =>
      store.run(letterTotals, { queue: 'healthflows.orders' }),
    );
    const trail = async (filter: object) => ({ messages: (await store.run(listAudit, { filter })).records });
    await measure(store, 'newest entries of the trail', () => trail({}));
    await measure(store, 'entries of one correlation id', (n) =>
      trail({ correlationId: `corr-${Math.floor(n / 15)}` }),
    );
    await measure(store, 'entries of a person', (n) => trail({ actor: `person.${n % 7}` }));
    await measure(store, 'entries of a person who has none', () => trail({ actor: 'nobody' }));
    await measure(store, 'entries of a person for an action of flows (none)', () =>
      trail({ actor: 'person.1', action: 'message.accepted' }),
    );
    await measure(store, 'entries of flows for an action of people (none)', () =>
      trail({ actor: 'flow', action: 'deadletter.discarded' }),
    );
    await measure(store, 'entries of a message', (n) => trail({ subject: `msg_${Math.floor(n / 5)}` }));
    await measure(store, 'entries of an action that has none', () => trail({ action: 'queue.paused' }));
    const proof = performance.now();
    const verdict = await verifyAudit(store);
    const took = round(performance.now() - proof);
    figures.push({
      engine: store.engine,
      what: 'the whole trail verified',
      median: took,
      p95: 0,
      note: JSON.stringify(verdict).slice(0, 40),
    });
    const before = performance.now();
    const gone =
      flags.keep === undefined ? await store.run(purgeJournal, { before: Number.MAX_SAFE_INTEGER, limit: 200 }) : 0;
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

const bcrypt = createRequire(import.meta.url)('bcryptjs') as { hashSync(text: string, rounds: number): string };

const people = {
  viewer: ['healthflows.view'],
  operator: ['healthflows.operate'],
  administrator: ['healthflows.administer', 'healthflows.approve'],
  partner: ['healthflows.view', 'healthflows.partner:urn:partner:17'],
} as const;
type Person = keyof typeof people;

const allPages = ['now', 'messages', 'failures', 'approvals', 'reconciliation', 'connections', 'audit'];
const visits = Math.min(runs, 5);

/** Signs in as a person does, in a tab of its own. */
async function signIn(browser: Browser, nodeRed: NodeRed, person: Person): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 1366, height: 768 } })).newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${nodeRed.adminUrl}/healthflows/console`);
  await page.getByLabel('User').fill(person);
  await page.getByLabel('Password').fill(person);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Now', exact: true }).waitFor();
  return page;
}

interface Visit {
  paint: number;
  content: number;
  weight: number;
}

/** Opens a page with nothing in the browser's cache; milliseconds, and bytes as they came over the wire. */
async function visit(page: Page, url: string): Promise<Visit> {
  const wire = await page.context().newCDPSession(page);
  await wire.send('Network.enable');
  await wire.send('Network.setCacheDisabled', { cacheDisabled: true });
  let weight = 0;
  wire.on('Network.loadingFinished', ({ encodedDataLength }) => {
    weight += encodedDataLength;
  });
  await page.goto('about:blank');
  await page.goto(url);
  await page
    .locator('main h1')
    .waitFor()
    .catch(async (error: unknown) => {
      throw new Error(`${url} shows: ${await page.locator('body').innerText()}`, { cause: error });
    });
  await page.locator('main .loading').first().waitFor({ state: 'detached' });
  const at = await page.evaluate('performance.now()');
  const paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime");
  await wire.detach();
  return { paint: Number(paint), content: Number(at), weight };
}

const policy = {
  rules: [{ name: 'all', upTo: '', currency: '', category: '', costCentre: '', approvers: 'leads' }],
  groups: [{ name: 'leads', people: 'anna, bo' }],
};

/** Flows that make every page appear. */
function flowsOn(config: Record<string, unknown>): FlowNode[] {
  return [
    ...flows.map((id) => ({ id, type: 'tab', label: id })),
    { id: 'store', type: 'integration-store', name: 'Main', configVersion: 1, ...config },
    { id: 'amqp', type: 'amqp-connection', name: 'Queue', engine: 'embedded', store: 'store', configVersion: 1 },
    { id: 'in', z: 'receive', type: 'amqp-consume', connection: 'amqp', queue: 'orders', wires: [['settle']] },
    { id: 'settle', z: 'receive', type: 'settle', store: 'store', configVersion: 1, wires: [[]] },
    {
      id: 'dead',
      z: 'receive',
      type: 'dead-letter',
      connection: 'amqp',
      store: 'store',
      queue: 'orders',
      wires: [[]],
    },
    {
      id: 'ask',
      z: 'place',
      type: 'approval',
      store: 'store',
      process: 'orders',
      ...policy,
      wires: [[], [], [], [], []],
    },
    { id: 'two', z: 'stock', type: 'reconcile', store: 'store', scope: 'ward', wires: [[], []] },
  ].map((node, index) => ('z' in node ? { x: 200, y: 60 + 50 * index, ...node } : node));
}

/** What people wait for in the browser, signed in as each role. */
async function browse(
  config: Record<string, unknown>,
  engine: string,
  env: Record<string, string> = {},
): Promise<void> {
  const userDir = temporaryDirectory('bench-console');
  writeFileSync(join(userDir, 'flows.json'), JSON.stringify(flowsOn(config)));
  const nodeRed = await startNodeRed({
    userDir,
    env,
    settings: {
      healthflows: { journal: { days: 60, messages: 2 * messages } },
      adminAuth: {
        type: 'credentials',
        users: Object.entries(people).map(([username, permissions]) => ({
          username,
          password: bcrypt.hashSync(username, 4),
          permissions,
        })),
      },
    },
  });
  const browser = await launchBrowser();
  const note = (what: string, times: number[], more?: string) => {
    times.sort((a, b) => a - b);
    const p95 = round(times[Math.floor(times.length * 0.95)]!);
    figures.push({ engine, what, median: round(median(times)), p95, ...(more === undefined ? {} : { note: more }) });
  };
  try {
    const seen: (Visit & { person: Person; name: string })[] = [];
    for (const person of Object.keys(people) as Person[]) {
      const page = await signIn(browser, nodeRed, person);
      const console = `${nodeRed.adminUrl}/healthflows/console`;
      const known = await page.locator('#pages a').evaluateAll((all) => all.map((a) => a.dataset.page ?? ''));
      if (person === 'administrator' && known.join() !== allPages.join())
        throw new Error(`${person} sees ${known.join()}\n${nodeRed.logs().slice(-2_000)}`);
      const opened = [...known, `messages?id=${encodeURIComponent(entryOf(297).id)}`];
      for (let i = 0; i < visits; i++) {
        for (const name of opened) {
          seen.push({
            person,
            name: name.includes('?') ? 'one message' : name,
            ...(await visit(page, `${console}#${name}`)),
          });
        }
      }
      await page.context().close();
    }
    for (const person of Object.keys(people) as Person[]) {
      const of = seen.filter((one) => one.person === person);
      for (const name of new Set(of.map((one) => one.name))) {
        const these = of.filter((one) => one.name === name);
        const weight = Math.round(Math.max(...these.map((one) => one.weight)) / 1000);
        const paint = round(median(these.map((one) => one.paint)));
        note(
          `browser, ${person}: ${name}, until its content`,
          these.map((one) => one.content),
          `first paint ${paint} ms, ${weight} kB`,
        );
      }
    }
    note(
      'browser: first paint of every page and role',
      seen.map((one) => one.paint),
    );
    for (const person of ['operator', 'partner'] as const) {
      const page = await signIn(browser, nodeRed, person);
      const answers: number[] = [];
      for (let i = 0; i < runs; i++) {
        await page.goto(`${nodeRed.adminUrl}/healthflows/console#messages`);
        await page.reload();
        await page.locator('main tbody tr').first().waitFor();
        // The oldest went with the purge; the partner's own are those of 17 that did not die.
        const n = 17 + 40 * Math.floor((Math.max(1_000, ((i * 0.618_034) % 1) * (messages - 100)) - 17) / 40);
        const begun = performance.now();
        await page.getByRole('searchbox').first().fill(`PO-2026-${n}`);
        await page.getByRole('link', { name: `ACME/PO-2026-${n}`, exact: true }).waitFor();
        answers.push(performance.now() - begun);
      }
      note(`browser, ${person}: a number typed to its row, 250 ms of waiting for more keys in it`, answers);
      await page.context().close();
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

process.once('SIGTERM', () => process.exit(143));

/** Also of a run that failed half way: what was measured until then took long. */
process.once('exit', () => {
  print(`The console with ${messages.toLocaleString('en')} messages, milliseconds`, figures);
  publish(`console${flags.engine === undefined ? '' : `-${flags.engine}`}`, {
    messages,
    runs,
    load: { before: loadBefore, after: loadavg() },
    figures,
  });
  const missed = figures.filter(({ median: took, note }) => note?.endsWith('rows') === true && took > 300);
  if (missed.length > 0) console.log(`Above the aim of 300 ms: ${missed.map(({ what }) => what).join('; ')}.`);
});

const browsing = flags.only === undefined || flags.only === 'browser';

noting();
if (flags.engine !== 'postgresql') {
  /** On the disk under the working directory, since a temporary directory may be in memory. */
  const folder =
    flags.keep === undefined
      ? mkdtempSync(join(process.cwd(), '.bench-store-'))
      : join(process.cwd(), `.bench-${flags.keep}`);
  mkdirSync(folder, { recursive: true });
  try {
    const file = join(folder, 'store.sqlite');
    await bench({ engine: 'sqlite', file });
    if (browsing) await browse({ engine: 'sqlite', file }, 'sqlite');
  } finally {
    if (flags.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}
if (flags.engine !== 'sqlite') {
  const own = process.env.POSTGRES_URL === undefined ? await startPrivatePostgres() : undefined;
  const url = own?.url ?? process.env.POSTGRES_URL!;
  const schema = `bench_${flags.keep ?? randomBytes(4).toString('hex')}`;
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    // As autovacuum does by itself where it is on.
    const analyse = () => admin.query(`SET search_path TO ${schema}; ANALYZE`);
    await bench({ engine: 'postgresql', url, schema }, analyse);
    if (browsing) await browse({ engine: 'auto', schema }, 'postgresql', { HEALTHFLOWS_POSTGRES_URL: url });
  } finally {
    if (flags.keep === undefined) await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await admin.end();
    await own?.stop();
  }
}

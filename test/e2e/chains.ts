/** Plays chains of documents against the running flows and judges what was told and what stands in Odoo in the end. */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { add, compare, multiply } from '../../nodes/kernel/decimal.ts';
import { act, OdooClient } from '../../nodes/odoo/index.ts';
import type { Chain, Step, Told } from '../../sandbox/chains.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import { startPartners } from '../../sandbox/partners/host.ts';
import { Supplier } from '../../sandbox/partners/supplier.ts';
import type { FlowNode } from '../support/node-red.ts';
import { freePort, temporaryDirectory, waitUntil } from '../support/processes.ts';
import { inParallel, post, webhookSecret } from './sender.ts';
import { type Engines, messageId, type Stack, startStack, referenceFlows } from './stack.ts';

export interface Verdict {
  chain: Chain;
  /** Every difference from what was expected, in words; empty when the outcome is right. */
  wrong: string[];
}

export interface Totals {
  /** Decimals, EUR: what the chains say, and what Odoo's posted bills and paid bills come to. */
  billed: { expected: string; odoo: string };
  paid: { expected: string; odoo: string };
  /** Pieces that the chains say are on the shelves, and by how much Odoo's quantities rose. */
  stock: { expected: string; odoo: string };
  /** Chains that wait for a named person. */
  waiting: number;
}

export interface ChainStack {
  readonly stack: Stack;
  readonly supplier: Supplier;
  /** Plays the chains, at most `width` at once, each step within `patience` milliseconds. */
  play(
    chains: readonly Chain[],
    options?: { width?: number; patience?: number },
  ): Promise<{ verdicts: Verdict[]; totals: Totals }>;
  /** Waits until somebody is asked about something. @returns the request, and the links of those who are asked */
  asked(process: string, subject: string): Promise<Asked>;
  /** Number of the order that came of a requisition, once it was sent. */
  orderOf(requisition: string): string | undefined;
  /** What was told about an order, or about a requisition that has none. */
  told(subject: string): readonly Told[];
  /** Whom each open request asks, by what it is about: a requisition, an order. */
  open(): Promise<Map<string, string[]>>;
  close(): Promise<void>;
}

export interface Asked {
  id: string;
  people: { person: string; link: string }[];
}

type Row = Record<string, unknown>;

/** The debug nodes that show events and notices: here they write them into a file, which is cheaper than the log. */
function tapped(flows: FlowNode[], file: string): FlowNode[] {
  const shows = ['hf-r-show', 'hf-s-show', 'hf-b-show', 'hf-r-notice', 'hf-s-a-notice', 'hf-s-r-notice', 'hf-b-notice'];
  const tap = (node: FlowNode): FlowNode => ({
    id: node.id,
    type: 'change',
    ...(node.z === undefined ? {} : { z: node.z }),
    x: Number(node.x),
    y: Number(node.y),
    rules: [
      {
        t: 'set',
        p: 'payload',
        pt: 'msg',
        to: '{"id":event.id,"type":event.type,"payload":payload,"approval":approval}',
        tot: 'jsonata',
      },
    ],
    wires: [['chains-tap']],
  });
  return [
    ...flows.map((node) => (shows.includes(node.id) ? tap(node) : node)),
    {
      id: 'chains-tap',
      type: 'file',
      z: 'hf-requisition',
      x: 100,
      y: 20,
      filename: file,
      filenameType: 'str',
      appendNewline: true,
      createDir: false,
      overwriteFile: 'false',
      encoding: 'none',
      wires: [[]],
    },
  ];
}

interface TapLine {
  id?: string;
  type?: string;
  payload?: Row;
  approval?: Asked & { notice: string; process: string; title: string };
}

/** What was told, by the requisition or order that it is about. */
class Ears {
  /** Events by order number, or by requisition until there is an order. */
  readonly #told = new Map<string, Told[]>();
  readonly #seen = new Set<string>();
  readonly #orders = new Map<string, string>();
  readonly #requests = new Map<string, Asked>();
  readonly #file: string;
  #offset = 0;
  #rest = '';

  constructor(file: string) {
    this.#file = file;
  }

  orderOf = (requisition: string): string | undefined => this.#orders.get(requisition);
  told = (subject: string): readonly Told[] => this.#told.get(subject) ?? [];
  /** The request for a decision about something. */
  request = (process: string, subject: string): Asked | undefined => this.#requests.get(`${process} ${subject}`);

  listen(): void {
    let descriptor: number;
    try {
      descriptor = openSync(this.#file, 'r');
    } catch {
      // Nothing was told yet.
      return;
    }
    const buffer = Buffer.alloc(1 << 20);
    try {
      for (let read = 1; read > 0; ) {
        read = readSync(descriptor, buffer, 0, buffer.length, this.#offset);
        // Lines are ASCII but for what people wrote: a character that is cut in two is read again with its line.
        const end = buffer.subarray(0, read).lastIndexOf('\n'.charCodeAt(0)) + 1;
        if (end === 0) break;
        this.#rest = buffer.subarray(0, end).toString('utf8');
        this.#offset += end;
        for (const line of this.#rest.split('\n')) if (line !== '') this.#hear(JSON.parse(line) as TapLine);
      }
    } finally {
      closeSync(descriptor);
    }
  }

  #hear({ id, type, payload, approval }: TapLine): void {
    if (approval?.notice === 'requested') {
      // The title ends with what it is about: the requisition, "Answer to P00012", "INV-P00012-1 of P00012".
      this.#requests.set(`${approval.process} ${aboutOf(approval.title)}`, approval);
      return;
    }
    const name = /^healthflows\.procurement\.(.+)\.v1$/.exec(type ?? '')?.[1];
    // Events are told at least once: the id says which is the same.
    if (name === undefined || payload === undefined || id === undefined || this.#seen.has(id)) return;
    this.#seen.add(id);
    if (name === 'order.sent') this.#orders.set(String(payload.requisition), String(payload.order));
    const subject = String(payload.order ?? payload.requisition);
    const event: Told = {
      type: name,
      ...(payload.reason === undefined ? {} : { reason: String(payload.reason) }),
      ...(payload.owner === undefined ? {} : { owner: String(payload.owner) }),
    };
    const before = this.#told.get(subject);
    if (before === undefined) this.#told.set(subject, [event]);
    else before.push(event);
  }
}

const shown = ({ type, reason, owner }: Told): string =>
  [type, reason, owner].filter((part) => part !== undefined).join(' ');
const listed = (events: readonly Told[]): string => events.map(shown).sort().join(', ');
const euros = (cents: number): string => (cents / 100).toFixed(2);
const total = (amounts: Iterable<string>): string => [...amounts].reduce(add, '0');

/** @param env added to the environment of Node-RED */
export async function startChains(engines: Engines, env: Record<string, string> = {}): Promise<ChainStack> {
  const port = await freePort();
  const supplier = new Supplier({
    flowsUrl: `http://127.0.0.1:${port}/`,
    secret: webhookSecret,
    apiKey: 'supplier-key',
  });
  const host = await startPartners([supplier]);
  const file = join(temporaryDirectory('chains'), 'told.jsonl');
  const flows = referenceFlows('procurement-requisition', 'procurement-supply', 'procurement-bills');
  // Nobody waits half a minute for news of a payment.
  for (const node of flows) if (node.type === 'odoo-changes') node.interval = 2;
  const stack = await startStack({
    engines,
    flows: tapped(flows, file),
    port,
    env: {
      SUPPLIER_URL: `${host.url}/supplier`,
      SUPPLIER_API_KEY: 'supplier-key',
      HOSPITAL_WEBHOOK_SECRET: webhookSecret,
      ...env,
    },
  });
  await stack.queuesReady();
  const client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
  const ears = new Ears(file);
  return {
    stack,
    supplier,
    play: (chains, options = {}) => play(stack, supplier, client, ears, chains, options),
    asked: (process, subject) =>
      waitUntil(
        `somebody is asked about ${subject}`,
        () => {
          ears.listen();
          return ears.request(process, subject);
        },
        120_000,
        100,
      ),
    orderOf: ears.orderOf,
    told(subject) {
      ears.listen();
      return ears.told(subject);
    },
    open: () => openRequests(stack),
    async close() {
      await client.close(0);
      await host.close();
      await stack.close();
    },
  };
}

async function play(
  stack: Stack,
  supplier: Supplier,
  client: OdooClient,
  ears: Ears,
  chains: readonly Chain[],
  { width = 32, patience = 120_000 }: { width?: number; patience?: number },
): Promise<{ verdicts: Verdict[]; totals: Totals }> {
  const before = shelves(stack);
  const foreign = `whsec_${Buffer.from('the secret of somebody else, long enough').toString('base64')}`;
  const url = `${stack.nodeRed.url}/procurement/requisitions`;
  let listening = true;
  const listener = (async () => {
    while (listening) {
      ears.listen();
      await sleep(100);
    }
  })();

  /** Posts as an honest sender: again while it is asked to wait. */
  const accepted = async (message: Parameters<typeof post>[1]) => {
    for (;;) {
      const { status, body } = await post(url, message);
      if (status === 202) return;
      if (status !== 0 && status !== 409 && status !== 429 && status < 500) throw new Error(`${status}: ${body}`);
      await sleep(200);
    }
  };
  const subjectOf = (chain: Chain) => ears.orderOf(chain.number) ?? chain.number;
  const heard = (chain: Chain, step: Step, events: readonly Told[]) =>
    waitUntil(
      `${step.kind === 'supplier' ? step.act : step.kind} is followed by ${listed(step.told)}`,
      () => {
        const told = ears.told(subjectOf(chain)).map(shown);
        // How often each was told so far, this step's included.
        return events.every((event) => {
          const name = shown(event);
          return told.filter((one) => one === name).length >= events.filter((one) => shown(one) === name).length;
        });
      },
      patience,
      100,
    );

  async function take(chain: Chain, step: Step): Promise<void> {
    if (step.kind === 'requisition') {
      const message = { id: messageId(chain.number), body: JSON.stringify(chain.requisition) };
      if (step.forgedFirst) {
        const { status } = await post(url, { ...message, secret: foreign });
        if (status !== 401) throw new Error(`the forged requisition was answered ${status}`);
      }
      for (let time = 0; time < step.times; time++) await accepted(message);
      return;
    }
    if (step.kind === 'decision') {
      const subject = subjectOf(chain);
      const { id } = await waitUntil(
        `somebody is asked about ${subject}`,
        () => ears.request(step.process, subject),
        patience,
        100,
      );
      const { as, verdict } = step;
      await stack.console(`approvals/requests/${id}/vote`, { as, verdict, revision: 1 });
      return;
    }
    const order = subjectOf(chain);
    if (step.kind === 'supplier') {
      const { act: what, times, flaw } = step;
      const replies = await supplier.act(what, order, { times, ...(flaw === undefined ? {} : { flaw }) });
      if (replies.length === 0) throw new Error(`the supplier does not know ${order}`);
      for (const { status, body } of replies)
        if (status !== (flaw === undefined ? 202 : 401)) throw new Error(`${what} was answered ${status}: ${body}`);
      return;
    }
    const bills = stack.odoo
      .records('account.move', { invoice_origin: order })
      .filter(({ state }) => state === 'posted');
    await act(
      client,
      'register-payment',
      bills.map(({ id }) => Number(id)),
    );
  }

  const failed = new Map<Chain, string>();
  const fail = (chain: Chain) => (error: unknown) => void failed.set(chain, (error as Error).message);
  /** News of payments come when Odoo is asked for them: whoever waits for them keeps no other chain from beginning. */
  const later: Promise<void>[] = [];
  try {
    await inParallel(chains, width, async (chain) => {
      const so: Told[] = [];
      try {
        for (const step of chain.steps) {
          await take(chain, step);
          so.push(...step.told);
          if (step.kind === 'payment') later.push(heard(chain, step, [...so]).then(() => undefined, fail(chain)));
          else if (step.told.length > 0) await heard(chain, step, so);
        }
      } catch (error) {
        fail(chain)(error);
      }
    });
    await Promise.all(later);
    // What comes too much comes late.
    await sleep(2_000);
  } finally {
    listening = false;
    await listener;
  }
  ears.listen();
  return judge(stack, ears, chains, failed, before);
}

/** Pieces of each item on the hospital's own shelves. */
function shelves(stack: Stack): Map<string, string> {
  const own = new Set(stack.odoo.records('stock.location', { usage: 'internal' }).map(({ id }) => id));
  const skus = new Map(stack.odoo.records('product.product').map(({ id, default_code: sku }) => [id, String(sku)]));
  const found = new Map<string, string>();
  for (const row of stack.odoo.records('stock.quant')) {
    if (!own.has(row.location_id)) continue;
    const sku = skus.get(row.product_id)!;
    found.set(sku, add(found.get(sku) ?? '0', String(row.quantity)));
  }
  return found;
}

async function judge(
  stack: Stack,
  ears: Ears,
  chains: readonly Chain[],
  failed: ReadonlyMap<Chain, string>,
  before: ReadonlyMap<string, string>,
): Promise<{ verdicts: Verdict[]; totals: Totals }> {
  const by = (model: string, field: string, filter: Row = {}): ((value: unknown) => Row[]) => {
    const rows = Map.groupBy(stack.odoo.records(model, filter as never) as Row[], (row) => row[field]);
    return (value) => rows.get(value) ?? [];
  };
  const orders = by('purchase.order', 'origin');
  const lines = by('purchase.order.line', 'order_id');
  const bills = by('account.move', 'invoice_origin', { move_type: 'in_invoice' });
  const notes = by('mail.message', 'res_id', { model: 'purchase.order' });
  const scraps = Map.groupBy(stack.odoo.records('stock.scrap'), ({ origin }) => String(origin).split(' ')[0]);
  const partners = new Map(stack.odoo.records('res.partner').map(({ id, ref }) => [id, String(ref)]));
  const skus = new Map(stack.odoo.records('product.product').map(({ id, default_code: sku }) => [id, String(sku)]));
  const open = await openRequests(stack);
  const sums = { billed: [] as string[], paid: [] as string[] };

  const verdicts = chains.map((chain) => {
    const wrong: string[] = [];
    const differs = (what: string, expected: unknown, found: unknown) => {
      if (String(expected) !== String(found)) wrong.push(`${what}: ${String(found)} instead of ${String(expected)}`);
    };
    const why = failed.get(chain);
    if (why !== undefined) wrong.push(why);
    const { order, received, scrapped, billed, paid, waitingFor = [] } = chain.expected;
    const found = orders(chain.number);
    differs('orders', order === undefined ? 0 : 1, found.length);
    const name = String(found[0]?.name);
    const told = [...ears.told(chain.number), ...(found.length === 0 ? [] : ears.told(name))];
    const expected = chain.steps.flatMap((step) => step.told);
    differs('told', listed(expected), listed(told));
    const asked = open.get(chain.number) ?? open.get(name);
    differs('waiting for', [...waitingFor].join(), asked?.join() ?? '');
    for (const row of found) {
      differs('state', 'purchase', row.state);
      differs('supplier', order?.supplier, partners.get(row.partner_id as never));
      if (order !== undefined && compare(String(row.amount_untaxed), euros(order.cents)) !== 0)
        differs('ordered', euros(order.cents), row.amount_untaxed);
      const bodies = notes(row.id).map(({ body }) => String(body));
      for (const { type, reason, owner } of expected) {
        if (reason !== undefined && !bodies.some((body) => body.includes(`${reason} · ${owner}`)))
          wrong.push(`no note of ${type} (${reason} · ${owner}) stands on the order`);
      }
      const had = lines(row.id);
      const arrived = Object.fromEntries(
        had.map((line) => [skus.get(line.product_id as never), String(line.qty_received)]),
      );
      for (const sku of new Set([...Object.keys(arrived), ...Object.keys(received)])) {
        if (compare(arrived[sku] ?? '0', String(received[sku] ?? 0)) !== 0)
          differs(`${sku} received`, received[sku] ?? 0, arrived[sku] ?? 0);
      }
      const invoiced = total(had.map((line) => multiply(String(line.qty_invoiced), String(line.price_unit))));
      if (compare(invoiced, euros(billed ?? 0)) !== 0) differs('invoiced on the lines', euros(billed ?? 0), invoiced);
      const broken = total((scraps.get(name) ?? []).map(({ scrap_qty: quantity }) => String(quantity)));
      const breakage = total(Object.values(scrapped).map(String));
      if (compare(broken, breakage) !== 0) differs('scrapped', breakage, broken);
      const moves = bills(name);
      differs('bills', billed === undefined ? 0 : 1, moves.length);
      for (const move of moves) {
        differs('bill', 'posted', move.state);
        if (compare(String(move.amount_untaxed), euros(billed ?? 0)) !== 0)
          differs('billed', euros(billed ?? 0), move.amount_untaxed);
        const settled = move.payment_state === 'paid' || move.payment_state === 'in_payment';
        differs('paid', paid, settled);
        sums.billed.push(String(move.amount_untaxed));
        if (settled) sums.paid.push(String(move.amount_untaxed));
      }
    }
    return { chain, wrong };
  });

  const after = shelves(stack);
  const rise = [...after].map(([sku, quantity]) => subtracted(quantity, before.get(sku)));
  const wanted = chains.flatMap(({ expected: { received, scrapped } }) => [
    ...Object.values(received).map(String),
    ...Object.values(scrapped).map((quantity) => `-${quantity}`),
  ]);
  const expectedOf = (which: (chain: Chain) => boolean) =>
    total(chains.filter(which).map(({ expected: { billed = 0 } }) => euros(billed)));
  return {
    verdicts,
    totals: {
      billed: { expected: expectedOf(() => true), odoo: total(sums.billed) },
      paid: { expected: expectedOf(({ expected: { paid } }) => paid), odoo: total(sums.paid) },
      stock: { expected: total(wanted), odoo: total(rise) },
      waiting: open.size,
    },
  };
}

const subtracted = (from: string, what: string | undefined): string =>
  what === undefined ? from : add(from, what.startsWith('-') ? what.slice(1) : `-${what}`);

const aboutOf = (title: string): string => title.split(' ').at(-1)!;

/** One who is asked, of those whom the flows ask: a request is shown to nobody else. By process, of bills by owner. */
const oneAsked: Readonly<Record<string, string>> = {
  'goods-in': 'gil',
  'accounts-payable': 'ada',
  treasury: 'cy',
  'master-data': 'mia',
};

/** Whom each open request asks, by what it is about. */
async function openRequests(stack: Stack): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  let after: string | undefined;
  do {
    const page = await stack.console<{
      requests: { id: string; title: string; process: string; category: string | null }[];
      next?: string;
    }>(`approvals/list?list=open${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`);
    for (const { id, title, process, category } of page.requests) {
      const as = (process === 'procurement.bill' ? oneAsked[category ?? ''] : undefined) ?? 'anna';
      const { people } = await stack.console<{ people: string[] }>(`approvals/requests/${id}?as=${as}`);
      found.set(aboutOf(title), people);
    }
    after = page.next;
  } while (after !== undefined);
  return found;
}

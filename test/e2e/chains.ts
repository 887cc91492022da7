/** Plays chains of documents against the running flows and judges what stands in Odoo in the end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { act, OdooClient } from '../../nodes/odoo/index.ts';
import type { Chain } from '../../sandbox/chains.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import type { FlowNode } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { ubl } from './bill-documents.ts';
import { inParallel, post } from './sender.ts';
import { messageId, type Stack, referenceFlows } from './stack.ts';

/** The flows that a chain runs through. */
export const chainFlows = (): FlowNode[] => referenceFlows('procurement', 'procurement-bills');

export interface Verdict {
  chain: Chain;
  /** Every difference from what was expected, in words; empty when the outcome is right. */
  wrong: string[];
}

type Row = Record<string, unknown>;

/** What stands in Odoo, read again every half second: looking it up for each chain would read everything for each. */
class Books {
  orders = new Map<string, Row[]>();
  bills = new Map<string, Row[]>();
  notes = new Map<number, string[]>();
  readonly #odoo: Stack['odoo'];

  constructor(odoo: Stack['odoo']) {
    this.#odoo = odoo;
  }

  read(): void {
    const by = (model: string, field: string) => {
      const found = new Map<string, Row[]>();
      for (const row of this.#odoo.records(model)) {
        const key = String(row[field]);
        const rows = found.get(key);
        if (rows === undefined) found.set(key, [row]);
        else rows.push(row);
      }
      return found;
    };
    this.orders = by('purchase.order', 'partner_ref');
    this.bills = by('account.move', 'ref');
    this.notes = new Map();
    for (const row of this.#odoo.records('mail.message', { model: 'purchase.order' })) {
      const id = Number(row.res_id);
      this.notes.set(id, [...(this.notes.get(id) ?? []), String(row.body)]);
    }
  }
}

const cents = (amount: unknown): number => Math.round(Number(amount) * 100);

export async function playChains(
  stack: Stack,
  chains: readonly Chain[],
  options: { width?: number; patience?: number } = {},
): Promise<Verdict[]> {
  const { width = 32, patience = 120_000 } = options;
  const client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
  const books = new Books(stack.odoo);
  let reading = true;
  const reader = (async () => {
    while (reading) {
      books.read();
      await sleep(500);
    }
  })();
  const billsUrl = `${stack.nodeRed.url}/procurement/bills`;
  const foreign = `whsec_${Buffer.from('the secret of somebody else, long enough').toString('base64')}`;

  /** Posts as an honest sender: again while it is asked to wait. */
  const accepted = async (url: string, message: Parameters<typeof post>[1]) => {
    for (;;) {
      const { status, body } = await post(url, message);
      if (status === 202) return;
      if (status !== 0 && status !== 409 && status !== 429 && status < 500) throw new Error(`${status}: ${body}`);
      await sleep(200);
    }
  };

  async function play(chain: Chain): Promise<void> {
    const message = { id: messageId(chain.number), body: JSON.stringify(chain.order) };
    if (chain.forgedFirst) {
      const { status } = await post(stack.ordersUrl, { ...message, secret: foreign });
      if (status !== 401) throw new Error(`the forged order was answered ${status}`);
    }
    for (let time = 0; time < chain.orderTimes; time++) await accepted(stack.ordersUrl, message);
    const order = await waitUntil(
      'the order is confirmed',
      () => books.orders.get(chain.number)?.find(({ state }) => state === 'purchase'),
      patience,
      200,
    );
    if (chain.received) {
      const pickings = stack.odoo.records('stock.picking', { origin: order.name }).map(({ id }) => Number(id));
      await act(client, 'validate-picking', pickings);
    }
    const [line] = stack.odoo.records('purchase.order.line', { order_id: order.id });
    const { sku } = chain.order.lines[0]!;
    for (const bill of chain.bills) {
      const body = ubl(bill.number, String(order.name), Number(line!.id), bill.price, bill.net, bill.quantity, sku);
      for (let time = 0; time < bill.times; time++) {
        await accepted(billsUrl, { id: messageId(bill.number), body, contentType: 'application/xml' });
      }
      // A supplier that sends the same bill in other letters does so later.
      if (chain.expected.posted.includes(bill.number)) {
        await waitUntil(
          'the bill is posted',
          () => books.bills.get(bill.number)?.some(({ state }) => state === 'posted'),
          patience,
          200,
        );
      }
    }
    const { reason } = chain.expected;
    if (reason === undefined) return;
    await waitUntil(
      `the note ${reason} stands on the order`,
      () => books.notes.get(Number(order.id))?.some((note) => note.includes(`${reason} ·`)),
      patience,
      200,
    );
  }

  const failed = new Map<Chain, string>();
  try {
    await inParallel(chains, width, async (chain) => {
      await play(chain).catch((error: unknown) => void failed.set(chain, (error as Error).message));
    });
  } finally {
    reading = false;
    await reader;
    await client.close(0);
  }
  books.read();
  return chains.map((chain) => {
    const wrong: string[] = [];
    const why = failed.get(chain);
    if (why !== undefined) wrong.push(why);
    const orders = books.orders.get(chain.number) ?? [];
    if (orders.length !== 1) wrong.push(`the order stands in Odoo ${orders.length} times`);
    const bills = chain.bills.flatMap(({ number }) => books.bills.get(number) ?? []);
    const posted = bills.filter(({ state }) => state === 'posted');
    const numbers = posted.map(({ ref }) => String(ref)).sort();
    if (numbers.join() !== [...chain.expected.posted].sort().join())
      wrong.push(`posted are ${numbers.join() || 'none'}`);
    if (bills.length !== posted.length) wrong.push(`${bills.length - posted.length} bills stand unposted`);
    const sum = posted.reduce((total, { amount_untaxed }) => total + cents(amount_untaxed), 0);
    if (sum !== chain.expected.cents) wrong.push(`${sum} cents instead of ${chain.expected.cents}`);
    return { chain, wrong };
  });
}

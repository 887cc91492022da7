/** Whole chains of documents, some with a fault: each must end as its generator says. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { chainFaults, generateChains } from '../../sandbox/chains.ts';
import { type ChainStack, startChains } from '../e2e/chains.ts';
import { waitUntil } from '../support/processes.ts';
import { drill, engines, size } from './drill.ts';
import { balanced, onShelves, sum, untaxed } from './invariants.ts';

describe(`drills with chains, ${engines} engines`, { timeout: 1_800_000 }, () => {
  let running: ChainStack;
  before(async () => {
    running = await startChains(engines);
  });
  after(() => running?.close());

  drill(
    'Purchases from requisition to payment, four in five with a fault',
    'each ends as it must: told, in Odoo, in money and on the shelves',
    async () => {
      const chains = [...generateChains(80 * size, { seed: 8, faulty: 0.8 })];
      const { verdicts, totals } = await running.play(chains);
      const wrong = verdicts.filter((verdict) => verdict.wrong.length > 0);
      assert.deepEqual(
        wrong.map(({ chain, wrong: why }) => `${chain.number} ${chain.fault ?? ''}: ${why.join('; ')}`),
        [],
      );
      const { billed, paid, stock, waiting } = totals;
      for (const { expected, odoo } of [billed, paid, stock]) assert.equal(Number(odoo), Number(expected));
      assert.deepEqual(await running.stack.deadLetters(), []);
      assert.equal((await running.stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');
      const faults = new Set(chains.flatMap(({ fault }) => fault ?? []));
      return `${chains.length} chains with ${faults.size} of ${chainFaults.length} kinds of fault, all with the expected outcome; ${billed.odoo} EUR billed, ${paid.odoo} EUR paid and ${stock.odoo} pieces in stock on both sides; ${waiting} wait for a named person`;
    },
  );

  drill(
    'A supplier sends every document thrice, out of order, late, forged and stale',
    'one order, one receipt and one bill; what comes too early waits for goods-in, the forgeries are refused',
    async () => {
      const { stack, supplier } = running;
      const [chain] = generateChains(1, { seed: 3, faulty: 0, prefix: 'ORDER' });
      const first = { ...chain!, steps: chain!.steps.filter(({ kind }) => kind !== 'supplier' && kind !== 'payment') };
      const number = first.number;
      await running.play([first]);
      const name = running.orderOf(number)!;
      const shelves = onShelves(stack.odoo);
      /** The bill before the goods, and the answer when all has arrived. */
      const late = ['bill', 'despatch', 'arrive', 'accept', 'bill'] as const;
      const statuses: number[] = [];
      for (const what of late) {
        for (const flaw of ['bad-signature', 'stale'] as const) {
          for (const { status } of await supplier.again({ flaw })) statuses.push(status);
        }
        for (const { status } of await supplier.act(what, name, { times: 3 })) statuses.push(status);
        const told = { bill: 'invoice', arrive: 'receipt', despatch: 'despatch', accept: 'order.acknowledged' }[what];
        await waitUntil(
          `${what} was taken`,
          () => running.told(name).some(({ type }) => type.startsWith(told)),
          120_000,
        );
      }
      await waitUntil(
        'the second bill is posted',
        () => running.told(name).some(({ type }) => type === 'invoice.posted'),
        120_000,
      );
      const events = running
        .told(name)
        .map(({ type, reason, owner }) => [type, reason, owner].filter(Boolean).join(' '));
      assert.deepEqual(events.sort(), [
        'despatch.announced',
        'invoice.held DEL goods-in',
        'invoice.posted',
        'order.acknowledged',
        'order.sent',
        'receipt.posted',
      ]);
      assert.deepEqual(Map.groupBy(statuses, (status) => status).get(202)?.length, 15);
      const [order] = stack.odoo.records('purchase.order', { origin: number });
      const lines = stack.odoo.records('purchase.order.line', { order_id: order!.id });
      const bills = stack.odoo.records('account.move', { invoice_origin: name });
      const pieces = sum(lines.map(({ product_qty: quantity }) => String(quantity)));
      const words = balanced({
        accepted: [`INV-${name}-1`, `INV-${name}-2`],
        inOdoo: (ref) => bills.filter((bill) => bill.ref === ref && bill.state === 'posted').length,
        waiting: new Map([[`INV-${name}-1`, 'goods-in']]),
        money: { sent: untaxed([order!]), odoo: untaxed(bills) },
        pieces: { sent: sum([shelves, pieces]), odoo: onShelves(stack.odoo) },
      });
      assert.equal(stack.odoo.records('stock.picking', { purchase_id: order!.id as number }).length, 1);
      return `${statuses.length} posts: 15 taken as 5 documents, ${statuses.filter((status) => status === 401).length} refused with 401; bills: ${words}`;
    },
  );
});

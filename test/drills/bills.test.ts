/** Drills with suppliers' bills: packs, price lists, look-alike numbers, a locked period, and orders in their thousands beside them. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe } from 'node:test';
import { OdooClient } from '../../nodes/odoo/index.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import { type PartnerHost, startPartners } from '../../sandbox/partners/host.ts';
import { Supplier } from '../../sandbox/partners/supplier.ts';
import { confirmedOrder, ubl } from '../e2e/bill-documents.ts';
import { Ledger } from '../e2e/ledger.ts';
import { deliver, inParallel, post, webhookSecret } from '../e2e/sender.ts';
import { messageId, orderPost, type Stack, startStack, supplierOrder, referenceFlows } from '../e2e/stack.ts';
import { waitUntil } from '../support/processes.ts';
import { drill, engines, keys, size } from './drill.ts';
import { balanced, onShelves, sum, times, untaxed } from './invariants.ts';

describe(`drills with bills, ${engines} engines`, { timeout: 1_800_000 }, () => {
  let stack: Stack;
  let client: OdooClient;
  let host: PartnerHost;
  const supplier = new Supplier({ secret: webhookSecret });
  before(async () => {
    const flows = referenceFlows('procurement', 'procurement-bills');
    // What was told is read where the flow shows it.
    for (const node of flows) if (node.id === 'hf-b-show' || node.id === 'hf-b-mail') node.console = true;
    host = await startPartners([supplier]);
    stack = await startStack({
      engines,
      flows,
      env: { SUPPLIER_URL: `${host.url}/supplier`, SUPPLIER_API_KEY: 'supplier-key' },
    });
    client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
  });
  after(async () => {
    await client?.close(0);
    await host?.close();
    await stack?.close();
  });

  const order = (key: string, line?: Record<string, unknown>) => {
    books.orders += 1;
    return confirmedOrder(stack.odoo, client, key, true, line);
  };
  /** What was sent since the drill began, and what the shelves held then. */
  let books = { sent: new Map<string, string>(), orders: 0, shelves: '0' };
  beforeEach(() => {
    books = { sent: new Map(), orders: 0, shelves: onShelves(stack.odoo, 'GLOVE-M') };
  });
  const send = async (id: string, ref: string, body: string, net = '42.00') => {
    const reply = await post(`${stack.nodeRed.url}/procurement/bills`, { id, body, contentType: 'application/xml' });
    assert.equal(reply.status, 202, reply.body);
    books.sent.set(ref, net);
  };
  const booked = (ref: string, state: string) => stack.odoo.records('account.move', { ref, state });
  const told = (number: string, outcome: string) =>
    stack.nodeRed.waitForLog(new RegExp(`invoice: '${number}',[^}]*outcome: '${outcome}'`), { timeout: 180_000 });
  const notes = (orderId: number) =>
    stack.odoo.records('mail.message', { model: 'purchase.order', res_id: orderId }).map(({ body }) => String(body));
  const intact = async () => assert.equal((await stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');
  /** Whom the event of a bill that was not booked names. */
  const ownerOf = (number: string): string => {
    const found = new RegExp(`invoice: '${number}',[^}]*outcome: '(\\w+)',[^}]*owner: '([\\w-]+)'`).exec(
      stack.nodeRed.logs(),
    );
    return found === null ? 'nobody' : `${found[2]} (${found[1]})`;
  };
  /** Bills that are posted once, those that wait for somebody, money of the bills and pieces of the receipts: all of the drill. */
  const balance = (waiting: readonly string[], owner: (ref: string) => string = ownerOf): string => {
    const refs = [...books.sent.keys()];
    const posted = refs.flatMap((ref) => booked(ref, 'posted'));
    for (const ref of waiting) assert.equal(booked(ref, 'posted').length, 0, ref);
    return balanced({
      accepted: refs,
      inOdoo: (ref) => booked(ref, 'posted').length,
      waiting: new Map(waiting.map((ref) => [ref, owner(ref)])),
      money: {
        sent: sum([...books.sent].filter(([ref]) => !waiting.includes(ref)).map(([, net]) => net)),
        odoo: untaxed(posted),
      },
      pieces: {
        sent: times('10', books.orders),
        odoo: sum([onShelves(stack.odoo, 'GLOVE-M'), `-${books.shelves}`]),
      },
    });
  };

  drill(
    'The pack factor of an item changes',
    'a box is never taken for another number of pieces: what is not ten is somebody’s, what is ten is booked',
    async () => {
      const box = { product_qty: '1', price_unit: '42.00', product_uom_id: { match: { name: 'Box of 10' } } };
      const pieces = await order('PACK-10', box);
      const changed = await order('PACK-12', box);
      const unsaid = await order('PACK-BX', box);
      await send('msg_PACK-10', 'INV-PACK-10', ubl('INV-PACK-10', pieces.name, pieces.line));
      await send('msg_PACK-12', 'INV-PACK-12', ubl('INV-PACK-12', changed.name, changed.line, '4.20', '50.40', '12'));
      const boxed = ubl('INV-PACK-BX', unsaid.name, unsaid.line, '42.00', '42.00', '1', 'GLOVE-M', 'BX');
      await send('msg_PACK-BX', 'INV-PACK-BX', boxed);
      await waitUntil('ten pieces are the box', () => booked('INV-PACK-10', 'posted')[0], 120_000);
      for (const [number, { id }] of [
        ['INV-PACK-12', changed],
        ['INV-PACK-BX', unsaid],
      ] as const) {
        await told(number, 'hold');
        assert.ok(
          notes(id).some((body) => body.includes('QTY · goods-in')),
          notes(id).join('\n'),
        );
      }
      // An order that a supplier sends us in boxes of another size has no unit in Odoo to stand in.
      const lines = (packSize: string) => [
        {
          lineNo: 1,
          sku: 'GLOVE-M',
          description: 'Gloves',
          qty: '2',
          unit: 'BX',
          packSize,
          unitPrice: '42.00',
          needBy: '2026-12-01',
        },
      ];
      const ledger = new Ledger();
      for (const [key, packSize] of [
        ['PACK-O10', '10'],
        ['PACK-O12', '12'],
      ] as const) {
        const body = supplierOrder(key, { lines: lines(packSize) });
        const reply = await deliver(stack.ordersUrl, key, { id: messageId(key), body }, ledger);
        assert.equal(reply.status, 202, reply.body);
      }
      const letters = await waitUntil('the other box is a letter', async () => {
        const open = await stack.deadLetters();
        return open.length > 0 ? open : undefined;
      });
      assert.deepEqual(
        letters.map(({ messageId: id, class: kind }) => [id, kind]),
        [[messageId('PACK-O12'), 'data-quality']],
      );
      await waitUntil('the known box stands in Odoo', () => stack.confirmed().has('PACK-O10'), 120_000);
      const [placed] = stack.odoo.records('purchase.order', { partner_ref: 'PACK-O10' });
      const [line] = stack.odoo.records('purchase.order.line', { order_id: placed!.id });
      assert.equal(stack.odoo.records('uom.uom', { id: line!.product_uom_id as number })[0]!.name, 'Box of 10');
      const effects = stack.effects();
      const orders = balanced({
        accepted: ledger.accepted,
        inOdoo: (key) => effects.get(key) ?? 0,
        waiting: new Map([['PACK-O12', `the data steward (${letters[0]!.code})`]]),
        money: { sent: '84.00', odoo: untaxed([placed!]) },
      });
      await stack.console('discard', { filter: { ids: [letters[0]!.id] }, expected: 1 });
      await intact();
      return `bills: ${balance(['INV-PACK-12', 'INV-PACK-BX'])}; orders: ${orders}`;
    },
  );

  drill(
    'A price list rises by 8 % overnight',
    'every bill is held, its owner gets one alert and not one a bill',
    async () => {
      const count = 20 * size;
      const names = keys('RISE', count);
      await inParallel(names, 4, async (key) => {
        const { name, line } = await order(key);
        await send(`msg_${key}`, `INV-${key}`, ubl(`INV-${key}`, name, line, '4.54', '45.40'));
      });
      for (const key of names) await told(`INV-${key}`, 'hold');
      const alerts = () =>
        [...stack.nodeRed.logs().matchAll(/owner: 'purchasing'[\s\S]{0,2000}?debounce: \{[^}]*\}/g)].length;
      await waitUntil('the alert was raised', () => alerts() > 0);
      // One that comes after the others has overtaken whatever they could still have caused.
      const last = await order('RISE-LAST');
      await send('msg_RISE-LAST', 'INV-RISE-LAST', ubl('INV-RISE-LAST', last.name, last.line, '4.20', '43.00'));
      await waitUntil('the alert of another cause was raised', () =>
        /owner: 'treasury'[\s\S]{0,2000}?debounce:/.test(stack.nodeRed.logs()),
      );
      assert.equal(alerts(), 1);
      assert.deepEqual(await stack.deadLetters(), []);
      await intact();
      const refs = [...books.sent.keys()];
      assert.deepEqual(
        refs.filter((ref) => stack.odoo.records('account.move', { ref }).length > 0),
        [],
      );
      return `1 alert of ${count} bills, and 1 of another cause; ${balance(refs)}`;
    },
  );

  drill(
    'The same bill comes again with O for 0 and with a leading zero',
    'both are rejected and name the first',
    async () => {
      const { id, name, line } = await order('TWIN');
      await send('msg_TWIN1', 'INV-T-2017', ubl('INV-T-2017', name, line));
      const first = await waitUntil('the bill is posted', () => booked('INV-T-2017', 'posted')[0], 120_000);
      await send('msg_TWIN2', 'INV-T-2O17', ubl('INV-T-2O17', name, line));
      await send('msg_TWIN3', 'INV-T-02017', ubl('INV-T-02017', name, line));
      await told('INV-T-2O17', 'rejected');
      await told('INV-T-02017', 'rejected');
      assert.equal(stack.odoo.records('account.move.line', { purchase_line_id: line }).length, 1);
      assert.equal(notes(id).filter((body) => body.includes(String(first.name))).length, 2);
      await intact();
      return `2 look-alikes rejected, each with a note that names ${first.name}; ${balance(['INV-T-2O17', 'INV-T-02017'])}`;
    },
  );

  drill(
    'The period is locked while bills come',
    'they wait as letters of one cause, accounting is told once, and each is posted once after it has opened the period',
    async () => {
      const count = 5 * size;
      stack.odoo.closeBooks(new Date().toISOString().slice(0, 10));
      const names = keys('LOCK', count);
      for (const key of names) {
        const { name, line } = await order(key);
        await send(`msg_${key}`, `INV-${key}`, ubl(`INV-${key}`, name, line));
      }
      const letters = await waitUntil(
        'every bill is a letter',
        async () => {
          const open = await stack.deadLetters();
          return open.length === count ? open : undefined;
        },
        180_000,
      );
      const kinds = [...new Set(letters.map(({ class: kind, code }) => `${kind} ${code}`))];
      assert.deepEqual(kinds, ['policy-rejection ODOO_PERIOD_LOCKED']);
      for (const key of names) await told(`INV-${key}`, 'hold');
      const alerts = () =>
        [...stack.nodeRed.logs().matchAll(/owner: 'accounting'[\s\S]{0,2000}?debounce: \{[^}]*\}/g)].length;
      await waitUntil('accounting was told', () => alerts() > 0);
      const groups = await stack.console<unknown[]>('groups?state=open');
      assert.equal(groups.length, 1, JSON.stringify(groups));
      const midway = balance([...books.sent.keys()]);
      stack.odoo.closeBooks();
      await stack.console('replay', { filter: { ids: letters.map(({ id }) => id) }, expected: count });
      for (const key of names) {
        await waitUntil(`INV-${key} is posted`, () => booked(`INV-${key}`, 'posted')[0], 180_000);
        assert.equal(stack.odoo.records('account.move', { ref: `INV-${key}` }).length, 1);
      }
      assert.deepEqual(await stack.deadLetters(), []);
      await intact();
      assert.equal(alerts(), 1);
      for (const key of names)
        await waitUntil(`the supplier hears of INV-${key}`, () =>
          supplier.answers.some(({ invoice, code }) => invoice === `INV-${key}` && code === 'AP'),
        );
      return `1 group of letters (${kinds.join()}), 1 alert: ${midway}; after the replay: ${balance([])}`;
    },
  );

  drill(
    'A wave of orders, ten times the usual, with bills on their own lane',
    'the bills pass while the wave still stands',
    async () => {
      const wave = 300 * size;
      const ledger = new Ledger();
      const bills = keys('LANE', 5);
      const documents = await Promise.all(
        bills.map(async (key) => {
          const { name, line } = await order(key);
          return ubl(`INV-${key}`, name, line);
        }),
      );
      stack.odoo.faults.set({ kind: 'slow', method: 'load', model: 'purchase.order', ms: 400 });
      try {
        await inParallel(keys('WAVE', wave), 16, async (key) => {
          await deliver(stack.ordersUrl, key, orderPost(key), ledger, { tries: 1_000 });
        });
        for (const [index, key] of bills.entries()) await send(`msg_${key}`, `INV-${key}`, documents[index]!);
        for (const key of bills)
          await waitUntil(`INV-${key} is posted`, () => booked(`INV-${key}`, 'posted')[0], 180_000);
        const confirmed = stack.confirmed();
        const behind = wave - ledger.accepted.filter((key) => confirmed.has(key)).length;
        assert.ok(behind > 0, 'the wave was over before the bills had passed: nothing is shown');
        stack.odoo.faults.clear();
        await stack.assertDelivered(ledger);
        const effects = stack.effects();
        const orders = balanced({
          accepted: ledger.accepted,
          inOdoo: (key) => effects.get(key) ?? 0,
          money: {
            sent: times('62.00', wave),
            odoo: untaxed(
              stack.odoo.records('purchase.order').filter(({ partner_ref }) => String(partner_ref).startsWith('WAVE-')),
            ),
          },
        });
        return `${bills.length} bills posted while ${behind} of ${wave} orders still waited; bills: ${balance([])}; orders: ${orders}`;
      } finally {
        stack.odoo.faults.clear();
      }
    },
  );
});

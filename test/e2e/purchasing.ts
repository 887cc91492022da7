/** From requisition to received goods: one order, priced, approved, answered, received as counted; each exception somebody's. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { act, OdooClient } from '../../nodes/odoo/index.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import { type PartnerHost, startPartners } from '../../sandbox/partners/host.ts';
import { type Act, Supplier } from '../../sandbox/partners/supplier.ts';

import { freePort, waitUntil } from '../support/processes.ts';
import { post, webhookSecret } from './sender.ts';
import { type Engines, type Stack, startStack, referenceFlows } from './stack.ts';
import { accepted, decided, done, told as reported, trailOf } from './trail.ts';

interface Request {
  id: string;
  title: string;
}

const today = new Date().toISOString();
const inTwoWeeks = new Date(Date.now() + 14 * 86_400_000).toISOString().slice(0, 10);

export function purchasingPromises(engines: Engines): void {
  describe(`from requisition to receipt, ${engines} engines`, { timeout: 600_000 }, () => {
    let stack: Stack;
    let host: PartnerHost;
    let supplier: Supplier;
    let client: OdooClient;
    before(async () => {
      const port = await freePort();
      supplier = new Supplier({ flowsUrl: `http://127.0.0.1:${port}/`, secret: webhookSecret, apiKey: 'supplier-key' });
      host = await startPartners([supplier]);
      const flows = referenceFlows('procurement-requisition', 'procurement-supply', 'procurement-bills');
      // What was published is read where the flows show it.
      for (const node of flows) if (['hf-r-show', 'hf-s-show', 'hf-b-show'].includes(node.id)) node.console = true;
      for (const node of flows) if (node.type === 'odoo-changes') node.interval = 1;
      stack = await startStack({
        engines,
        flows,
        port,
        env: {
          SUPPLIER_URL: `${host.url}/supplier`,
          SUPPLIER_API_KEY: 'supplier-key',
          HOSPITAL_WEBHOOK_SECRET: webhookSecret,
        },
      });
      await stack.queuesReady();
      client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
    });
    after(async () => {
      await client?.close(0);
      await host?.close();
      await stack?.close();
    });

    const state = async (error: unknown): Promise<never> => {
      throw new Error(
        `${JSON.stringify(await stack.deadLetters()).slice(0, 2_000)}\n${stack.nodeRed.logs().slice(-4_000)}`,
        { cause: error },
      );
    };
    const until = <T>(what: string, look: () => T | Promise<T>) => waitUntil(what, look, 60_000, 50).catch(state);

    async function ask(number: string, change: Record<string, unknown> = {}, line: Record<string, unknown> = {}) {
      const requisition = {
        number,
        requestedAt: today,
        neededBy: inTwoWeeks,
        requester: { identifiers: [{ type: 'EMPLOYEE', value: 'rita' }] },
        costCentre: 'W3-EAST',
        lines: [
          {
            number: '1',
            product: { identifiers: [{ type: 'SKU', value: 'GLOVE-M' }] },
            quantity: { value: '10', unit: '{each}' },
            ...line,
          },
        ],
        ...change,
      };
      const reply = await post(`${stack.nodeRed.url}/procurement/requisitions`, {
        id: `msg_${number}`,
        body: JSON.stringify(requisition),
      });
      assert.equal(reply.status, 202, reply.body);
    }

    const ordersOf = (requisition: string) => stack.odoo.records('purchase.order', { origin: requisition });
    const placed = async (requisition: string) =>
      until(`${requisition} is a confirmed order at the supplier`, () => {
        const [order] = ordersOf(requisition);
        return order?.state === 'purchase' && supplier.orders.has(String(order.name)) ? order : undefined;
      });
    const lineOf = (orderId: unknown) => stack.odoo.records('purchase.order.line', { order_id: orderId })[0]!;
    const pickings = (orderId: unknown) => stack.odoo.records('stock.picking', { purchase_id: orderId });
    /** The supplier, or goods-in, does something; every delivery is accepted. */
    const happens = async (step: Act, name: unknown) => {
      for (const { status, body } of await supplier.act(step, String(name))) assert.equal(status, 202, body);
    };
    const noted = (orderId: unknown, pattern: RegExp) =>
      until(`a note ${pattern} stands on the order`, () =>
        stack.odoo
          .records('mail.message', { model: 'purchase.order', res_id: orderId })
          .find(({ body }) => pattern.test(String(body))),
      );
    const told = (pattern: RegExp) => stack.nodeRed.waitForLog(pattern, { timeout: 60_000 }).catch(state);

    /** Somebody decides about the request, once it is there. */
    async function decide(title: string, as: string, verdict: 'approve' | 'reject'): Promise<void> {
      const request = await until(`${as} is asked about ${title}`, async () =>
        (await stack.console<{ requests: Request[] }>(`approvals/list?list=mine&as=${as}`)).requests.find((one) =>
          one.title.includes(title),
        ),
      );
      await stack.console(`approvals/requests/${request.id}/vote`, { as, verdict, revision: 1 });
    }

    it('a small requisition becomes one order, which is sent, accepted, received and billed', async () => {
      await ask('REQ-A');
      await ask('REQ-A');
      const order = await placed('REQ-A');
      assert.equal(ordersOf('REQ-A').length, 1);
      assert.equal(Number(order.amount_total), 42);
      for (const step of ['accept', 'despatch', 'arrive'] as const) {
        await happens(step, order.name);
        if (step === 'accept') {
          await until('the answer stands on the order', () => {
            const [row] = ordersOf('REQ-A');
            return row!.partner_ref === `OR-${String(order.name)}-1`;
          });
        }
      }
      await noted(order.id, /Despatch DN-.* is on its way/);
      await until('all of it is received', () => Number(lineOf(order.id).qty_received) === 10);
      await happens('bill', order.name);
      await until('the bill is posted', () =>
        stack.odoo
          .records('account.move', { ref: `INV-${String(order.name)}-1` })
          .find((bill) => bill.state === 'posted'),
      );
      assert.equal(Number(lineOf(order.id).qty_invoiced), 10);
      const [bill] = stack.odoo.records('account.move', { ref: `INV-${String(order.name)}-1` });
      await act(client, 'register-payment', [Number(bill!.id)]);
      await told(new RegExp(`bill: '${String(bill!.name)}',\\s+outcome: 'matched'`));
      await told(new RegExp(`bill: '${String(bill!.name)}',[^}]*amount: '42`));
      assert.equal(pickings(order.id).length, 1);
      assert.equal(supplier.orders.get(String(order.name))?.revision, 0);
      assert.deepEqual(await stack.deadLetters(), []);
    });

    it('a button makes the supplier act on the last order', async () => {
      await ask('REQ-BUTTON');
      const order = await placed('REQ-BUTTON');
      assert.equal((await stack.nodeRed.admin('/inject/hf-s-try-accept', { method: 'POST' })).status, 200);
      await until('the answer stands on the order', () => {
        const [row] = ordersOf('REQ-BUTTON');
        return row!.partner_ref === `OR-${String(order.name)}-1`;
      });
    });

    it('a larger one waits for a buyer and finance, and is nobody’s order when it is rejected', async () => {
      const hundred = { quantity: { value: '100', unit: '{each}' } };
      await ask('REQ-B1', {}, hundred);
      await ask('REQ-B2', {}, hundred);
      await ask('REQ-B3', {}, { quantity: { value: '1000', unit: '{each}' } });
      await decide('REQ-B1', 'anna', 'approve');
      await decide('REQ-B2', 'bo', 'reject');
      await decide('REQ-B3', 'anna', 'approve');
      assert.equal(Number((await placed('REQ-B1')).amount_total), 420);
      await told(/requisition: 'REQ-B2',\s+outcome: 'rejected',\s+reason: 'OTH',\s+owner: 'requester'/);
      assert.equal(ordersOf('REQ-B3').length, 0);
      await decide('REQ-B3', 'cy', 'approve');
      assert.equal(Number((await placed('REQ-B3')).amount_total), 4200);
      assert.equal(ordersOf('REQ-B2').length, 0);
      // An emergency does not wait; somebody looks at it afterwards.
      await ask('REQ-B4', { priority: 'stat' }, hundred);
      await placed('REQ-B4');
    });

    it('a controlled medicine needs a pharmacist, however small; a blanket order comes before a price list', async () => {
      await ask('REQ-C1', {}, { product: { identifiers: [{ type: 'SKU', value: 'MORPH-10' }] } });
      await decide('REQ-C1', 'pia', 'approve');
      await decide('REQ-C1', 'anna', 'approve');
      await placed('REQ-C1');
      await ask('REQ-C2', {}, { product: { identifiers: [{ type: 'SKU', value: 'GLOVE-L' }] } });
      const order = await placed('REQ-C2');
      assert.equal(Number(order.amount_total), 39.5);
      assert.match(String(stack.odoo.records('res.partner', { id: order.partner_id })[0]!.ref), /NORDIC/);
    });

    it('what cannot be ordered is somebody’s, with a reason, and no order', async () => {
      await ask('REQ-D1', {}, { supplier: { identifiers: [{ type: 'CODE', value: 'PHARMA1' }] } });
      await ask('REQ-D2', {}, { estimatedPrice: { amount: '3.50', currency: 'EUR' } });
      await ask('REQ-D3', {}, { product: { identifiers: [{ type: 'SKU', value: 'NO-SUCH-1' }] } });
      await ask('REQ-D4', { costCentre: undefined });
      const item = (number: string, sku: string, supplier?: string) => ({
        number,
        product: { identifiers: [{ type: 'SKU', value: sku }] },
        quantity: { value: '10', unit: '{each}' },
        ...(supplier === undefined ? {} : { supplier: { identifiers: [{ type: 'CODE', value: supplier }] } }),
      });
      await ask('REQ-D5', { lines: [item('1', 'GLOVE-L'), item('2', 'GLOVE-M', 'ACME')] });
      for (const [number, outcome, reason, owner] of [
        ['REQ-D1', 'held', 'PRI', 'purchasing'],
        ['REQ-D2', 'held', 'PRI', 'purchasing'],
        ['REQ-D3', 'held', 'ITM', 'master-data'],
        ['REQ-D4', 'rejected', 'REF', 'requester'],
        ['REQ-D5', 'held', 'OTH', 'purchasing'],
      ] as const) {
        await told(
          new RegExp(
            `requisition: '${number}',\\s+outcome: '${outcome}',\\s+reason: '${reason}',\\s+owner: '${owner}'`,
          ),
        );
        assert.equal(ordersOf(number).length, 0, number);
      }
    });

    it('a changed answer is a buyer’s: approved, the order follows and goes out again; refused, it stays', async () => {
      for (const number of ['REQ-E1', 'REQ-E2', 'REQ-E3']) await ask(number);
      const [less, dearer, late] = [await placed('REQ-E1'), await placed('REQ-E2'), await placed('REQ-E3')];
      await happens('short', less.name);
      await happens('dearer', dearer.name);
      await happens('late', late.name);
      await decide(String(less.name), 'anna', 'approve');
      await until('the changed order is at the supplier', () => supplier.orders.get(String(less.name))?.revision === 1);
      assert.equal(Number(lineOf(less.id).product_qty), 6);
      assert.equal(supplier.orders.get(String(less.name))?.order.lines[0]?.quantity.value, '6');
      await decide(String(dearer.name), 'anna', 'reject');
      await noted(dearer.id, /PRI · purchasing: anna refuses/);
      assert.equal(Number(lineOf(dearer.id).price_unit), 4.2);
      await decide(String(late.name), 'bo', 'approve');
      await until('the promised date stands on the line', () => {
        const planned = String(lineOf(late.id).date_planned).slice(0, 10);
        return planned > inTwoWeeks;
      });
      // What they offered and we ordered again, they accept; the demand at the dock is the new one.
      await happens('accept', less.name);
      await happens('despatch', less.name);
      await happens('arrive', less.name);
      await until('six are received', () => Number(lineOf(less.id).qty_received) === 6);
      assert.deepEqual(
        pickings(less.id).map((picking) => picking.state),
        ['done'],
      );
    });

    it('a rejection is for purchasing; a forged answer is refused, one that comes thrice counts once', async () => {
      await ask('REQ-F');
      const order = await placed('REQ-F');
      const [forged] = await supplier.act('reject', String(order.name), { flaw: 'bad-signature' });
      assert.equal(forged?.status, 401);
      const [stale] = await supplier.act('reject', String(order.name), { flaw: 'stale' });
      assert.equal(stale?.status, 401);
      await supplier.again({ times: 3 });
      await noted(order.id, /DEL · .*rejects the order/);
      await told(new RegExp(`order: '${String(order.name)}',[^}]*outcome: 'rejected'`));
      const notes = stack.odoo
        .records('mail.message', { model: 'purchase.order', res_id: order.id })
        .filter(({ body }) => String(body).includes('rejects'));
      assert.equal(notes.length, 1);
    });

    it('part of it leaves a backorder, damaged goods are refused or scrapped, too many are a buyer’s', async () => {
      for (const number of ['REQ-G1', 'REQ-G2', 'REQ-G3', 'REQ-G4', 'REQ-G5']) await ask(number);
      const part = await placed('REQ-G1');
      await happens('arrive-part', part.name);
      await until('five are received', () => Number(lineOf(part.id).qty_received) === 5);
      const [first, backorder] = pickings(part.id);
      assert.deepEqual([first?.state, backorder?.state], ['done', 'assigned']);
      assert.equal(backorder?.backorder_id, first?.id);
      // The same count again is the same receipt.
      assert.equal((await supplier.again())[0]?.status, 202);
      await happens('arrive', part.name);
      await until('ten are received', () => Number(lineOf(part.id).qty_received) === 10);
      assert.equal(pickings(part.id).length, 2);

      const refused = await placed('REQ-G2');
      await happens('arrive-refused', refused.name);
      await noted(refused.id, /QUA · /);
      assert.equal(Number(lineOf(refused.id).qty_received), 8);
      const scrapped = await placed('REQ-G3');
      await happens('arrive-scrap', scrapped.name);
      await noted(scrapped.id, /QUA · /);
      assert.equal(Number(lineOf(scrapped.id).qty_received), 10);
      const scraps = stack.odoo
        .records('stock.scrap')
        .filter(({ origin }) => String(origin).startsWith(`${String(scrapped.name)} `));
      assert.deepEqual(
        scraps.map((scrap) => [scrap.state, Number(scrap.scrap_qty)]),
        [['done', 2]],
      );

      const kept = await placed('REQ-G4');
      await happens('arrive-over', kept.name);
      await decide(String(kept.name), 'anna', 'approve');
      await until('twelve are received', () => Number(lineOf(kept.id).qty_received) === 12);
      const back = await placed('REQ-G5');
      await happens('arrive-over', back.name);
      await decide(String(back.name), 'bo', 'reject');
      await noted(back.id, /What is too many goes back/);
      assert.equal(Number(lineOf(back.id).qty_received), 10);
    });

    it('a despatch of more than was ordered is held', async () => {
      await ask('REQ-H');
      const order = await placed('REQ-H');
      await happens('despatch-over', order.name);
      await noted(order.id, /QTY · /);
      await happens('arrive', order.name);
      await decide(String(order.name), 'anna', 'approve');
      await until('it is received', () => Number(lineOf(order.id).qty_received) === 12);
      assert.deepEqual(await stack.deadLetters(), []);
      assert.equal((await stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');
    });

    it('replies of Odoo that are lost after it has written leave one order and one receipt', async () => {
      stack.odoo.faults.set(
        { kind: 'drop-reply', model: 'purchase.order', method: 'load', times: 1 },
        { kind: 'drop-reply', method: 'button_confirm', times: 1 },
        { kind: 'drop-reply', method: 'button_validate', times: 1 },
      );
      await ask('REQ-I');
      const order = await placed('REQ-I');
      assert.equal(ordersOf('REQ-I').length, 1);
      await happens('arrive-part', order.name);
      await until('five are received', () => Number(lineOf(order.id).qty_received) === 5);
      stack.odoo.faults.clear();
      assert.equal(pickings(order.id).length, 2);
      assert.deepEqual(await stack.deadLetters(), []);
    });

    it('the audit trail tells what became of each requisition: ordered, rejected, held', async () => {
      const process = 'procurement.requisition';
      const came = accepted(`${process}.submitted`);
      const expected = {
        'REQ-B1': [
          came,
          ...decided(process, 'approved', 'anna'),
          accepted('procurement.order.confirmed'),
          done(`approval:${process}`),
          ...reported('procurement.order.sent', 'procurement.orders.out', 'procurement.supply.events'),
        ],
        'REQ-B2': [
          came,
          ...decided(process, 'rejected', 'bo'),
          ...reported(`${process}.rejected`, `approval:${process}`, 'procurement.requisition.events'),
        ],
        'REQ-D3': [came, ...reported(`${process}.held`, 'procurement.requisitions', 'procurement.requisition.events')],
      };
      for (const [number, entries] of Object.entries(expected)) {
        assert.deepEqual(await trailOf(stack, `msg_${number}`), entries.sort(), number);
      }
    });
  });
}

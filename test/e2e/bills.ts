/** The flow of bills: what agrees is booked once, what does not is somebody's with a reason, and both are told. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { act, OdooClient } from '../../nodes/odoo/index.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';

import { waitUntil } from '../support/processes.ts';
import { confirmedOrder, ubl } from './bill-documents.ts';
import { post } from './sender.ts';
import { type Engines, type Stack, startStack, referenceFlows } from './stack.ts';

export function billPromises(engines: Engines): void {
  describe(`the flow of bills, ${engines} engines`, { timeout: 600_000 }, () => {
    let stack: Stack;
    let client: OdooClient;
    before(async () => {
      const flows = referenceFlows('procurement-bills');
      // What was published is read where the flow shows it.
      for (const node of flows) if (node.id === 'hf-b-show') node.console = true;
      stack = await startStack({ engines, flows });
      client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
    });
    after(async () => {
      await client?.close(0);
      await stack?.close();
    });

    const order = (key: string, received: boolean) => confirmedOrder(stack.odoo, client, key, received);

    async function send(id: string, body: string): Promise<void> {
      const reply = await post(`${stack.nodeRed.url}/procurement/bills`, { id, body, contentType: 'application/xml' });
      assert.equal(reply.status, 202, reply.body);
    }

    const bills = (ref: string) =>
      stack.odoo.records('account.move', { ref }).filter(({ state }) => state !== 'cancel');
    const posted = (ref: string) =>
      waitUntil(
        `the bill ${ref} is posted`,
        () => bills(ref).find(({ state }) => state === 'posted'),
        120_000,
        50,
      ).catch(async (error: unknown) => {
        throw new Error(
          `${JSON.stringify(await stack.deadLetters()).slice(0, 2_000)}\n${stack.nodeRed.logs().slice(-3_000)}`,
          { cause: error },
        );
      });
    /** The note that an exception leaves on the order. */
    const noted = (orderId: number, pattern: RegExp) =>
      waitUntil(
        `a note ${pattern} stands on the order`,
        () =>
          stack.odoo
            .records('mail.message', { model: 'purchase.order', res_id: orderId })
            .find(({ body }) => pattern.test(String(body))),
        120_000,
        50,
      ).catch(async (error: unknown) => {
        throw new Error(
          `${JSON.stringify(await stack.deadLetters()).slice(0, 2_000)}\n${stack.nodeRed.logs().slice(-3_000)}`,
          { cause: error },
        );
      });

    /** The event that was published of a bill. */
    const told = (number: string, outcome: string) =>
      stack.nodeRed.waitForLog(new RegExp(`invoice: '${number}',[^}]*outcome: '${outcome}'`), { timeout: 120_000 });

    it('a bill that agrees is posted once, its line tied to that of the order, however often it is sent', async () => {
      const { id, name, line } = await order('A', true);
      const body = ubl('INV-A-0017', name, line);
      await send('msg_A1', body);
      const bill = await posted('INV-A-0017');
      assert.equal(Number(bill.amount_total), 42);
      assert.equal(bill.invoice_origin, name);
      await send('msg_A1', body);
      await send('msg_A2', body);
      await told('INV-A-0017', 'matched');
      const lines = stack.odoo.records('account.move.line', { purchase_line_id: line });
      assert.equal(lines.length, 1);
      // What was sent after the copies has gone through, so the copies have too.
      const other = await order('A2', true);
      await send('msg_A3', ubl('INV-A-0099', other.name, other.line));
      await posted('INV-A-0099');
      assert.equal(bills('INV-A-0017').length, 1);
      assert.equal(Number(stack.odoo.records('purchase.order.line', { order_id: id })[0]!.qty_invoiced), 10);
    });

    it('the same bill with O for 0 is rejected, and the first one is named', async () => {
      const { id, name, line } = await order('B', true);
      await send('msg_B1', ubl('INV-B-0017', name, line));
      const first = await posted('INV-B-0017');
      await send('msg_B2', ubl('INV-B-OO17', name, line));
      await noted(id, new RegExp(`REF · accounts-payable: .*${String(first.name)}`));
      assert.equal(bills('INV-B-OO17').length, 0);
      await told('INV-B-OO17', 'rejected');
    });

    it('a bill before the receipt waits for goods-in, a dearer one for purchasing, a wrong sum goes back', async () => {
      const early = await order('C', false);
      await send('msg_C1', ubl('INV-C', early.name, early.line));
      await noted(early.id, /DEL · goods-in/);
      const dearer = await order('D', true);
      await send('msg_D1', ubl('INV-D', dearer.name, dearer.line, '4.54', '45.40'));
      await noted(dearer.id, /PRI · purchasing: .*4\.54/);
      const wrong = await order('E', true);
      await send('msg_E1', ubl('INV-E', wrong.name, wrong.line, '4.20', '43.00'));
      await noted(wrong.id, /FIN · treasury/);
      for (const ref of ['INV-C', 'INV-D', 'INV-E']) assert.equal(bills(ref).length, 0, ref);
      await told('INV-D', 'hold');
      await told('INV-E', 'rejected');
    });

    it('a bill for no order of ours is held without one, and what was held can be booked once it agrees', async () => {
      await send('msg_F1', ubl('INV-F', 'P99999', 1));
      await told('INV-F', 'hold');
      const late = await order('G', false);
      await send('msg_G1', ubl('INV-G', late.name, late.line));
      await noted(late.id, /DEL · goods-in/);
      assert.equal(bills('INV-F').length, 0);
      const pickings = stack.odoo.records('stock.picking', { origin: late.name }).map(({ id }) => Number(id));
      await act(client, 'validate-picking', pickings);
      await send('msg_G2', ubl('INV-G', late.name, late.line));
      await posted('INV-G');
      assert.deepEqual(await stack.deadLetters(), []);
    });

    it('a reply of Odoo that is lost after it has written leaves one bill', async () => {
      const orders = await Promise.all(['H1', 'H2', 'H3', 'H4'].map((key) => order(key, true)));
      stack.odoo.faults.set(
        { kind: 'drop-reply', method: 'load', times: 4 },
        { kind: 'drop-reply', method: 'action_post', times: 2 },
      );
      for (const [n, { name, line }] of orders.entries()) await send(`msg_H${n}`, ubl(`INV-H${n}`, name, line));
      for (const n of orders.keys()) {
        await posted(`INV-H${n}`);
        assert.equal(bills(`INV-H${n}`).length, 1);
      }
      stack.odoo.faults.clear();
      assert.deepEqual(await stack.deadLetters(), []);
      assert.equal((await stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');
    });
  });
}

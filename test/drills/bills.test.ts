/** Drills with suppliers' bills: packs, price lists, look-alike numbers, a locked period, and orders in their thousands beside them. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { OdooClient } from '../../nodes/odoo/index.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import { confirmedOrder, ubl } from '../e2e/bill-documents.ts';
import { Ledger } from '../e2e/ledger.ts';
import { deliver, inParallel, post } from '../e2e/sender.ts';
import { orderPost, type Stack, startStack, referenceFlows } from '../e2e/stack.ts';

import { waitUntil } from '../support/processes.ts';
import { drill, engines, keys, size } from './drill.ts';

describe(`drills with bills, ${engines} engines`, { timeout: 1_800_000 }, () => {
  let stack: Stack;
  let client: OdooClient;
  before(async () => {
    const flows = referenceFlows('procurement', 'procurement-bills');
    // What was told is read where the flow shows it.
    for (const node of flows) if (node.id === 'hf-b-show' || node.id === 'hf-b-mail') node.console = true;
    stack = await startStack({ engines, flows });
    client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
  });
  after(async () => {
    await client?.close(0);
    await stack?.close();
  });

  const order = (key: string) => confirmedOrder(stack.odoo, client, key, true);
  const send = async (id: string, body: string) => {
    const reply = await post(`${stack.nodeRed.url}/procurement/bills`, { id, body, contentType: 'application/xml' });
    assert.equal(reply.status, 202, reply.body);
  };
  const booked = (ref: string, state: string) => stack.odoo.records('account.move', { ref, state });
  const told = (number: string, outcome: string) =>
    stack.nodeRed.waitForLog(new RegExp(`invoice: '${number}',[^}]*outcome: '${outcome}'`), { timeout: 180_000 });
  const notes = (orderId: number) =>
    stack.odoo.records('mail.message', { model: 'purchase.order', res_id: orderId }).map(({ body }) => String(body));
  const intact = async () => assert.equal((await stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');

  drill(
    'A supplier packs twelve where ten were ordered',
    'the bill is held for its quantity, nothing is booked',
    async () => {
      const { id, name, line } = await order('PACK');
      await send('msg_PACK', ubl('INV-PACK', name, line, '4.20', '50.40', '12'));
      await told('INV-PACK', 'hold');
      assert.equal(stack.odoo.records('account.move', { ref: 'INV-PACK' }).length, 0);
      const note = notes(id).find((body) => /QTY|DEL/.test(body));
      assert.ok(note !== undefined, notes(id).join('\n'));
      await intact();
      return `held with a note on ${name}`;
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
        await send(`msg_${key}`, ubl(`INV-${key}`, name, line, '4.54', '45.40'));
      });
      for (const key of names) await told(`INV-${key}`, 'hold');
      const alerts = () =>
        [...stack.nodeRed.logs().matchAll(/owner: 'purchasing'[\s\S]{0,2000}?debounce: \{[^}]*\}/g)].length;
      await waitUntil('the alert was raised', () => alerts() > 0);
      // One that comes after the others has overtaken whatever they could still have caused.
      const last = await order('RISE-LAST');
      await send('msg_RISE-LAST', ubl('INV-RISE-LAST', last.name, last.line, '4.20', '43.00'));
      await waitUntil('the alert of another cause was raised', () =>
        /owner: 'treasury'[\s\S]{0,2000}?debounce:/.test(stack.nodeRed.logs()),
      );
      assert.equal(alerts(), 1);
      assert.equal(
        names.filter((key) => stack.odoo.records('account.move', { ref: `INV-${key}` }).length > 0).length,
        0,
      );
      assert.deepEqual(await stack.deadLetters(), []);
      await intact();
      return `${count} bills held, 0 booked, 1 alert`;
    },
  );

  drill(
    'The same bill comes again with O for 0 and with a leading zero',
    'both are rejected and name the first',
    async () => {
      const { id, name, line } = await order('TWIN');
      await send('msg_TWIN1', ubl('INV-T-2017', name, line));
      const first = await waitUntil('the bill is posted', () => booked('INV-T-2017', 'posted')[0], 120_000);
      await send('msg_TWIN2', ubl('INV-T-2O17', name, line));
      await send('msg_TWIN3', ubl('INV-T-02017', name, line));
      await told('INV-T-2O17', 'rejected');
      await told('INV-T-02017', 'rejected');
      assert.equal(stack.odoo.records('account.move.line', { purchase_line_id: line }).length, 1);
      assert.equal(notes(id).filter((body) => body.includes(String(first.name))).length, 2);
      await intact();
      return `2 look-alikes rejected, each with a note that names ${first.name}`;
    },
  );

  drill(
    'The period is locked while bills come',
    'they wait as letters of one cause, and are posted once after the decision',
    async () => {
      const count = 5 * size;
      stack.odoo.faults.set({
        kind: 'error',
        method: 'action_post',
        name: 'odoo.exceptions.UserError',
        message: 'You cannot add/modify entries prior to and inclusive of: Global Lock Date (11/30/2026).',
      });
      const names = keys('LOCK', count);
      for (const key of names) {
        const { name, line } = await order(key);
        await send(`msg_${key}`, ubl(`INV-${key}`, name, line));
      }
      const letters = await waitUntil(
        'every bill is a letter',
        async () => {
          const open = await stack.deadLetters();
          return open.length === count ? open : undefined;
        },
        180_000,
      );
      const kinds = new Set(letters.map(({ class: kind, code }) => `${kind} ${code}`));
      const groups = await stack.console<unknown[]>('groups?state=open');
      assert.equal(groups.length, 1, JSON.stringify(groups));
      stack.odoo.faults.clear();
      await stack.console('replay', { filter: { ids: letters.map(({ id }) => id) }, expected: count });
      for (const key of names) {
        await waitUntil(`INV-${key} is posted`, () => booked(`INV-${key}`, 'posted')[0], 180_000);
        assert.equal(stack.odoo.records('account.move', { ref: `INV-${key}` }).length, 1);
      }
      assert.deepEqual(await stack.deadLetters(), []);
      await intact();
      return `${count} bills set aside as ${[...kinds].join(', ')} in 1 group, ${count} posted once after the replay`;
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
        for (const [index, key] of bills.entries()) await send(`msg_${key}`, documents[index]!);
        for (const key of bills)
          await waitUntil(`INV-${key} is posted`, () => booked(`INV-${key}`, 'posted')[0], 180_000);
        const behind = wave - ledger.accepted.filter((key) => stack.confirmed().has(key)).length;
        assert.ok(behind > 0, 'the wave was over before the bills had passed: nothing is shown');
        stack.odoo.faults.clear();
        await stack.assertDelivered(ledger);
        return `${bills.length} bills posted while ${behind} of ${wave} orders still waited; then all ${wave} were confirmed`;
      } finally {
        stack.odoo.faults.clear();
      }
    },
  );
});

/** The flow of bills: what agrees is booked once, what does not is decided once by its owner, and the supplier is told. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { act, OdooClient } from '../../nodes/odoo/index.ts';
import { apiKeys, blockedSupplier } from '../../sandbox/odoo/index.ts';
import { type PartnerHost, startPartners } from '../../sandbox/partners/host.ts';
import { Supplier } from '../../sandbox/partners/supplier.ts';
import { freePort, waitUntil } from '../support/processes.ts';
import { confirmedOrder, orderAsUbl, ubl } from './bill-documents.ts';
import { post, webhookSecret } from './sender.ts';
import { type Engines, type Stack, startStack, referenceFlows } from './stack.ts';
import { accepted, decided, done, trailOf } from './trail.ts';

export function billPromises(engines: Engines): void {
  describe(`the flow of bills, ${engines} engines`, { timeout: 600_000 }, () => {
    let stack: Stack;
    let client: OdooClient;
    let supplier: Supplier;
    let host: PartnerHost;
    before(async () => {
      const flows = referenceFlows('procurement-bills');
      // What was published is read where the flow shows it.
      for (const node of flows) if (node.id === 'hf-b-show') node.console = true;
      const port = await freePort();
      supplier = new Supplier({ flowsUrl: `http://127.0.0.1:${port}/`, secret: webhookSecret, apiKey: 'supplier-key' });
      host = await startPartners([supplier]);
      const env = { SUPPLIER_URL: `${host.url}/supplier`, SUPPLIER_API_KEY: 'supplier-key' };
      stack = await startStack({ engines, flows, port, env });
      client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
    });
    after(async () => {
      await client?.close(0);
      await host?.close();
      await stack?.close();
    });

    const order = (key: string, received: boolean) => confirmedOrder(stack.odoo, client, key, received);

    async function send(id: string, body: string): Promise<void> {
      const reply = await post(`${stack.nodeRed.url}/procurement/bills`, { id, body, contentType: 'application/xml' });
      assert.equal(reply.status, 202, reply.body);
    }

    const bills = (ref: string) =>
      stack.odoo.records('account.move', { ref }).filter(({ state }) => state !== 'cancel');
    const explained = async (error: unknown): Promise<never> => {
      throw new Error(
        `${JSON.stringify(await stack.deadLetters()).slice(0, 2_000)}\n${stack.nodeRed.logs().slice(-3_000)}`,
        { cause: error },
      );
    };
    const posted = (ref: string) =>
      waitUntil(
        `the bill ${ref} is posted`,
        () => bills(ref).find(({ state }) => state === 'posted'),
        120_000,
        50,
      ).catch(explained);
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
      ).catch(explained);

    /** The bill waits for a person, who decides. */
    async function decide(ref: string, as: string, verdict: 'approve' | 'reject', wait = true): Promise<void> {
      const { id } = await waitUntil(
        `${as} is asked about ${ref}`,
        async () =>
          (
            await stack.console<{ requests: { id: string; title: string }[] }>(`approvals/list?list=mine&as=${as}`)
          ).requests.find(({ title }) => title.split(' ')[0] === ref),
        120_000,
        50,
      ).catch(explained);
      await stack.console(`approvals/requests/${id}/vote`, { as, verdict, revision: 1 });
      if (wait)
        await waitUntil(`${ref} went on`, async () => ((await open(ref)) === undefined ? true : undefined), 60_000, 50);
    }
    const open = async (ref: string, list = 'open') =>
      (await stack.console<{ requests: { id: string; title: string }[] }>(`approvals/list?list=${list}`)).requests.find(
        ({ title }) => title.split(' ')[0] === ref,
      );
    /** What the supplier was told about a bill, once the last is as it should be. */
    const heard = async (ref: string, ...codes: string[]) => {
      const of = () => supplier.answers.filter(({ invoice }) => invoice === ref);
      await waitUntil(
        `the supplier hears ${codes.join(', ')} of ${ref}`,
        () => of().length >= codes.length,
        60_000,
        50,
      ).catch(explained);
      assert.deepEqual(
        of().map(({ code, reason, action }) => [code, reason, action].filter(Boolean).join(' ')),
        codes,
        ref,
      );
      return of().at(-1)!;
    };

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
      assert.equal((await heard('INV-A-0017', 'AP', 'AP')).words, undefined);
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
      assert.match(String((await heard('INV-B-OO17', 'RE REF CNF')).words), /INV-B-0017/);
      assert.equal(await open('INV-B-OO17'), undefined);
    });

    it('what does not agree waits for its owner: accepted it is booked as billed, refused it goes back; the supplier hears each', async () => {
      const early = await order('C', false);
      await send('msg_C1', ubl('INV-C', early.name, early.line));
      await noted(early.id, /DEL · goods-in/);
      // Nothing is asked of the supplier: it is in process.
      await heard('INV-C', 'IP DEL NOA');
      const dearer = await order('D', true);
      await send('msg_D1', ubl('INV-D', dearer.name, dearer.line, '4.54', '45.40'));
      await noted(dearer.id, /PRI · purchasing: .*4\.54/);
      assert.match(String((await heard('INV-D', 'UQ PRI CNP')).words), /Line 1: The price is 4\.54 EUR/);
      const wrong = await order('E', true);
      await send('msg_E1', ubl('INV-E', wrong.name, wrong.line, '4.20', '43.00'));
      await noted(wrong.id, /FIN · treasury/);
      for (const ref of ['INV-C', 'INV-D', 'INV-E']) assert.equal(bills(ref).length, 0, ref);
      await told('INV-D', 'hold');
      await told('INV-E', 'rejected');
      await heard('INV-E', 'RE FIN NIN');

      await decide('INV-D', 'anna', 'approve');
      assert.equal(Number((await posted('INV-D')).amount_total), 45.4);
      await told('INV-D', 'accepted');
      await heard('INV-D', 'UQ PRI CNP', 'AP');
      assert.equal(stack.odoo.records('account.move.line', { purchase_line_id: dearer.line }).length, 1);
      await decide('INV-C', 'gil', 'reject');
      await told('INV-C', 'rejected');
      await noted(early.id, /DEL · goods-in: gil refuses the bill INV-C/);
      await heard('INV-C', 'IP DEL NOA', 'RE DEL NIN');
      assert.equal(bills('INV-C').length, 0);
      assert.deepEqual(await stack.deadLetters(), []);
    });

    it('a look-alike is accounts payable’s; one that is booked another way meanwhile is not booked again, whatever is decided', async () => {
      const { name, line } = await order('L', true);
      await send('msg_L1', ubl('INV-L1', name, line));
      await posted('INV-L1');
      await send('msg_L2', ubl('INV-L2', name, line));
      await decide('INV-L2', 'ada', 'reject');
      await heard('INV-L2', 'UQ REF PIN', 'RE REF PIN');
      assert.equal(bills('INV-L2').length, 0);
      // Held before the goods came, sent again after: the first request is still open.
      const late = await order('M', false);
      await send('msg_M1', ubl('INV-M', late.name, late.line));
      await heard('INV-M', 'IP DEL NOA');
      const pickings = stack.odoo.records('stock.picking', { origin: late.name }).map(({ id }) => Number(id));
      await act(client, 'validate-picking', pickings);
      await send('msg_M2', ubl('INV-M', late.name, late.line));
      await posted('INV-M');
      await heard('INV-M', 'IP DEL NOA', 'AP');
      await decide('INV-M', 'gus', 'reject');
      await heard('INV-M', 'IP DEL NOA', 'AP', 'AP');
      assert.equal(bills('INV-M').length, 1);
    });

    it('another total in Odoo is a draft that waits: accepted it is posted as it stands there, refused it is cancelled', async () => {
      for (const [key, verdict] of [
        ['N1', 'approve'],
        ['N2', 'reject'],
      ] as const) {
        const { name, line } = await order(key, true);
        await send(`msg_${key}`, ubl(`INV-${key}`, name, line, '4.20', '42.00', '10', 'GLOVE-M', undefined, '4.20'));
        await heard(`INV-${key}`, 'IP FIN NOA');
        assert.deepEqual(
          bills(`INV-${key}`).map(({ state }) => state),
          ['draft'],
        );
        await decide(`INV-${key}`, 'alf', verdict);
      }
      assert.equal(Number((await posted('INV-N1')).amount_total), 42);
      await heard('INV-N1', 'IP FIN NOA', 'AP');
      await heard('INV-N2', 'IP FIN NOA', 'RE FIN NIN');
      assert.deepEqual(
        stack.odoo.records('account.move', { ref: 'INV-N2' }).map(({ state }) => state),
        ['cancel'],
      );
      // One that was accepted for its price is asked about once more.
      const { name, line } = await order('N3', true);
      await send('msg_N3', ubl('INV-N3', name, line, '4.54', '45.40', '10', 'GLOVE-M', undefined, '4.54'));
      await decide('INV-N3', 'anna', 'approve', false);
      await heard('INV-N3', 'UQ PRI CNP', 'IP FIN NOA');
      await decide('INV-N3', 'ada', 'approve');
      await posted('INV-N3');
      await heard('INV-N3', 'UQ PRI CNP', 'IP FIN NOA', 'AP');
      assert.equal(bills('INV-N3').length, 1);
    });

    it('a decision outlives a crash, and has one effect', async () => {
      const one = await order('O1', true);
      const two = await order('O2', true);
      await send('msg_O1', ubl('INV-O1', one.name, one.line, '4.54', '45.40'));
      await send('msg_O2', ubl('INV-O2', two.name, two.line, '4.54', '45.40'));
      await heard('INV-O1', 'UQ PRI CNP');
      await heard('INV-O2', 'UQ PRI CNP');
      await stack.nodeRed.kill();
      await stack.nodeRed.restart();
      await decide('INV-O1', 'bo', 'approve');
      await decide('INV-O2', 'bo', 'reject');
      await posted('INV-O1');
      await heard('INV-O1', 'UQ PRI CNP', 'AP');
      await heard('INV-O2', 'UQ PRI CNP', 'RE PRI CNP');
      assert.equal(stack.odoo.records('account.move.line', { purchase_line_id: one.line }).length, 1);
      assert.equal(bills('INV-O2').length, 0);
      assert.deepEqual(await stack.deadLetters(), []);
    });

    it('an accepted bill whose supplier is archived is purchasing’s, and goes on once the supplier is back', async () => {
      const archived = (active: boolean) =>
        stack.odoo.engine.transaction((env) => {
          const [id] = env.with({ active_test: false }).search('res.partner', [['ref', '=', blockedSupplier]]);
          env.write('res.partner', [id!], { active });
        });
      await send(
        'msg_P1',
        ubl('INV-P', undefined, undefined, '4.20', '42.00', '10', 'GLOVE-M', undefined, '0.00', blockedSupplier),
      );
      await heard('INV-P', 'UQ REF PIN');
      await decide('INV-P', 'ada', 'approve', false);
      await stack.nodeRed.waitForLog(/invoice: 'INV-P',[^}]*owner: 'purchasing',\s+code: 'BILL_SUPPLIER_ARCHIVED'/, {
        timeout: 60_000,
      });
      const { id } = await waitUntil('it is held up in the inbox', () => open('INV-P', 'failed'), 60_000, 50);
      assert.equal(bills('INV-P').length, 0);
      archived(true);
      await stack.console(`approvals/requests/${id}/continue`, {});
      await posted('INV-P');
      await heard('INV-P', 'UQ REF PIN', 'AP');
      archived(false);
      assert.equal(bills('INV-P').length, 1);
      assert.deepEqual(await stack.deadLetters(), []);
    });

    it('closed books are accounting’s: bills wait as letters, the decided one in the inbox, and each is posted once', async () => {
      const held = await order('Q0', true);
      await send('msg_Q0', ubl('INV-Q0', held.name, held.line, '4.54', '45.40'));
      await heard('INV-Q0', 'UQ PRI CNP');
      stack.odoo.closeBooks(new Date().toISOString().slice(0, 10));
      for (const key of ['Q1', 'Q2']) {
        const { name, line } = await order(key, true);
        await send(`msg_${key}`, ubl(`INV-${key}`, name, line));
        await stack.nodeRed.waitForLog(
          new RegExp(`invoice: 'INV-${key}',[^}]*owner: 'accounting',\\s+code: 'ODOO_PERIOD_LOCKED'`),
          { timeout: 60_000 },
        );
        await noted(
          stack.odoo.records('purchase.order', { name })[0]!.id as number,
          /OTH · accounting: .*Accounting opens/,
        );
      }
      await decide('INV-Q0', 'anna', 'approve', false);
      const { id } = await waitUntil('it is held up in the inbox', () => open('INV-Q0', 'failed'), 60_000, 50);
      const letters = await waitUntil('both are letters', async () => {
        const found = await stack.deadLetters();
        return found.length === 2 ? found : undefined;
      });
      assert.deepEqual(
        [...new Set(letters.map(({ class: kind, code }) => `${kind} ${code}`))],
        ['policy-rejection ODOO_PERIOD_LOCKED'],
      );
      for (const ref of ['INV-Q0', 'INV-Q1', 'INV-Q2'])
        assert.deepEqual(
          bills(ref).map(({ state }) => state),
          ['draft'],
          ref,
        );
      stack.odoo.closeBooks();
      await stack.console('replay', { filter: { ids: letters.map((letter) => letter.id) }, expected: 2 });
      await stack.console(`approvals/requests/${id}/continue`, {});
      for (const ref of ['INV-Q0', 'INV-Q1', 'INV-Q2']) {
        await posted(ref);
        assert.equal(bills(ref).length, 1, ref);
      }
      await heard('INV-Q0', 'UQ PRI CNP', 'AP');
      await heard('INV-Q1', 'AP');
      await heard('INV-Q2', 'AP');
      assert.deepEqual(await stack.deadLetters(), []);
    });

    it('a bill for no order of ours is held without one, and what was held can be booked once it agrees', async () => {
      await send('msg_F1', ubl('INV-F', 'P99999', 1));
      await told('INV-F', 'hold');
      const late = await order('G', false);
      await send('msg_G1', ubl('INV-G', late.name, late.line));
      await noted(late.id, /DEL · goods-in/);
      await heard('INV-F', 'UQ UNR PIN');
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

    it('a bill that nobody decides goes back, and accounts payable is told', async () => {
      // A second in the place of ten days.
      const hurried = stack.flows.map((node) => (node.type === 'approval' ? { ...node, deadline: 0.0003 } : node));
      await stack.nodeRed.deploy(hurried, 'nodes');
      const { name, line } = await order('T', true);
      await send('msg_T1', ubl('INV-T', name, line, '4.54', '45.40'));
      await heard('INV-T', 'UQ PRI CNP', 'RE PRI CNP');
      await stack.nodeRed.waitForLog(
        /invoice: 'INV-T',[^}]*outcome: 'rejected',[^}]*owner: 'accounts-payable',[^}]*Nobody decided/,
      );
      assert.equal(bills('INV-T').length, 0);
      await stack.nodeRed.deploy(stack.flows, 'nodes');
    });

    it('every button does what it says', async () => {
      const { name, line } = await order('R', true);
      const sent = await fetch(`${host.url}/supplier/orders`, {
        method: 'POST',
        headers: { 'x-api-key': 'supplier-key', 'idempotency-key': 'R' },
        body: orderAsUbl(name, line),
      });
      assert.equal(sent.status, 202, await sent.text());
      const buttons = stack.flows.filter(({ type }) => type === 'inject');
      assert.equal(buttons.length, 15);
      for (const { id, name: words } of buttons.filter(({ id }) => id !== 'hf-b-try-twin' && id !== 'hf-b-try-order')) {
        const before = supplier.sent.length;
        assert.equal((await stack.nodeRed.admin(`/inject/${id}`, { method: 'POST' })).status, 200, String(words));
        if (id === 'hf-b-try-close') await waitUntil('the books are closed', () => stack.odoo.engine.db.refusesClosed);
        else if (id === 'hf-b-try-open')
          await waitUntil('the books are open', () => !stack.odoo.engine.db.refusesClosed);
        else
          await waitUntil(
            `${String(words)}: it is sent`,
            () => supplier.sent[before]?.reply?.status === 202,
            30_000,
          ).catch(explained);
      }
      const [first] = supplier.sent;
      assert.ok(first !== undefined);
      await waitUntil('what was to be posted, queried and refused is', () => {
        const codes = new Set(supplier.answers.filter(({ invoice }) => invoice.includes(name)).map(({ code }) => code));
        return ['AP', 'UQ', 'RE'].every((code) => codes.has(code));
      });
    });

    it('the audit trail tells of each document what became of it', async () => {
      /** What follows the events may come at any time, and is told elsewhere. */
      const others = /settled \w+ procurement\.bill\.(events|alerts|answers)|^message\.duplicate/;
      const bill = 'procurement.bill';
      const event = (name: string) => accepted(`procurement.invoice.${name}`);
      const held = [event('received'), event('held'), event('answered')];
      const posted = [event('answered'), event('posted')];
      const rejected = [event('rejected'), event('answered')];
      const bills = done('procurement.bills');
      const went = done(`approval:${bill}`);
      const expected = {
        msg_A1: [event('received'), ...posted, bills],
        msg_B2: [event('received'), ...rejected, bills],
        msg_C1: [...held, ...decided(bill, 'rejected', 'gil'), ...rejected, went],
        msg_D1: [...held, ...decided(bill, 'approved', 'anna'), ...posted, went],
        msg_N2: [...held, ...decided(bill, 'rejected', 'alf'), ...rejected, went],
        msg_P1: [
          ...held,
          ...decided(bill, 'approved', 'ada'),
          event('held'),
          `message.settled failed approval:${bill} BILL_SUPPLIER_ARCHIVED`,
          'approval.resume-failed by flow',
          'approval.continued by anonymous',
          ...posted,
          went,
        ],
        msg_Q1: [
          event('received'),
          event('held'),
          'message.settled failed procurement.bills ODOO_PERIOD_LOCKED',
          ...posted,
          bills,
        ],
      };
      for (const [message, entries] of Object.entries(expected)) {
        const trail = await trailOf(stack, message);
        assert.deepEqual(
          trail.filter((line) => !others.test(line)),
          entries.sort(),
          message,
        );
      }
    });
  });
}

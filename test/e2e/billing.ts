/** The flow of billing: charges are billed once, payments settle what they pay, everything else has an owner; nothing of the patient is anywhere. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startPartners, type PartnerHost } from '../../sandbox/partners/host.ts';
import { Payer } from '../../sandbox/partners/payer.ts';
import { freePort, waitUntil } from '../support/processes.ts';
import { type Charge, dft } from './charges.ts';

import { post, webhookSecret } from './sender.ts';
import { type Engines, type Stack, startStack, referenceFlows } from './stack.ts';
import { accepted, decided, done, trailOf } from './trail.ts';

/** In every field of the patient that a charge can bring. */
const marks = [
  'MARKNAME',
  'MARKMRN',
  'MARKACC',
  'MARKSTREET',
  'MARKVISIT',
  'MARKDIAG',
  'MARKDOC',
  'MARKWORDS',
  '19551231',
];

/** Every file below a folder, byte for byte. */
const textsUnder = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));

export function billingPromises(engines: Engines): void {
  describe(`the flow of billing, ${engines} engines`, { timeout: 600_000 }, () => {
    let stack: Stack;
    let payer: Payer;
    let partners: PartnerHost;
    before(async () => {
      const flows = referenceFlows('billing');
      // What was published is read where the flow shows it.
      for (const node of flows) if (node.id === 'hf-be-show') node.console = true;
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      payer = new Payer({ remittancesUrl: `${url}/billing/remittances`, secret: webhookSecret });
      partners = await startPartners([payer]);
      stack = await startStack({
        engines,
        flows,
        port,
        env: {
          HEALTHFLOWS_URL: url,
          HEALTHFLOWS_PSEUDONYM_KEY: 'a key of the end to end tests, long enough',
          CHARGES_WEBHOOK_SECRET: webhookSecret,
          PAYER_WEBHOOK_SECRET: webhookSecret,
          PAYER_URL: `${partners.url}/payer`,
        },
      });
    });
    after(async () => {
      await stack?.close();
      await partners?.close();
    });

    async function charge(charge: Charge, id = `msg_${charge.number}_${charge.kind ?? 'CG'}`): Promise<void> {
      const body = dft(charge);
      const reply = await post(`${stack.nodeRed.url}/billing/hl7`, { id, body, contentType: 'application/hl7-v2' });
      assert.equal(reply.status, 202, reply.body);
    }

    /** Waits, and says what stands in the way when it does not come. */
    const until = <T>(what: string, look: () => T | undefined | Promise<T | undefined>) =>
      waitUntil(what, look, 60_000, 50).catch(async (error: unknown) => {
        throw new Error(
          `${JSON.stringify(await stack.deadLetters()).slice(0, 3_000)}\n${stack.nodeRed.logs().slice(-3_000)}`,
          { cause: error },
        );
      });
    const moves = (number: string) => stack.odoo.records('account.move', { ref: `HIS-${number}` });
    const posted = (number: string) =>
      until(`${number} is posted`, () => moves(number).find(({ state }) => state === 'posted'));
    /** The payer has it. */
    const arrived = async (number: string) => {
      const move = await posted(number);
      return until(`${number} is with the payer`, () => payer.invoices.get(String(move.name)));
    };
    const state = (number: string, wanted: string) =>
      until(`${number} is ${wanted}`, () => moves(number).find(({ payment_state }) => payment_state === wanted));
    const exception = (reason: string, owner: string, about: string) =>
      stack.nodeRed.waitForLog(new RegExp(`reason: '${reason}',\\s+owner: '${owner}',\\s+summary:[^}]*${about}`), {
        timeout: 60_000,
      });
    const told = (claim: string) =>
      until(`the payer is told about ${claim}`, () =>
        payer.told.map(({ body }) => body as Record<string, unknown>).find((body) => body.claim === claim),
      );
    /** A person decides in the console's inbox. */
    async function decide(number: string, people: string[], verdict: 'approve' | 'reject' = 'approve'): Promise<void> {
      for (const person of people) {
        const { id, revision } = await until(`${number} waits for ${person}`, async () => {
          const { requests } = await stack.console<{ requests: { id: string; revision: number; title: string }[] }>(
            `approvals/list?as=${person}`,
          );
          return requests.find(({ title }) => title === `HIS-${number}`);
        });
        await stack.console(`approvals/requests/${id}/vote`, { as: person, verdict, revision });
      }
    }

    it('a charge becomes one posted invoice that the payer gets and pays, and hears so', async () => {
      await charge({ number: 'A1', quantity: '2', amount: '240.00' });
      const invoice = await arrived('A1');
      const [move] = moves('A1');
      assert.equal(Number(move!.amount_total), 240);
      assert.equal(move!.move_type, 'out_invoice');
      assert.equal(invoice.grossAmount.amount, '240');
      const reply = await payer.remit([invoice.number]);
      assert.equal(reply?.status, 202);
      await state('A1', 'paid');
      assert.equal(Number(moves('A1')[0]!.amount_residual), 0);
      const answer = await told(invoice.number);
      assert.deepEqual([answer.outcome, Number(answer.residual)], ['matched', 0]);
      const payments = stack.odoo
        .records('account.payment')
        .filter(({ memo }) => String(memo).includes(invoice.number));
      assert.equal(payments.length, 1);
      assert.equal(Number(payments[0]!.amount), 240);
    });

    it('one charge is billed once: its message sent again, the charge sent again, and all at the same time', async () => {
      const copies = Array.from({ length: 6 }, (_, n) => charge({ number: 'B1' }, `msg_B1_${n % 3}`));
      await Promise.allSettled(copies);
      await charge({ number: 'B1' }, 'msg_B1_0');
      await arrived('B1');
      await charge({ number: 'B2' });
      await arrived('B2');
      assert.equal(moves('B1').length, 1);
      await charge({ number: 'B1', unit: '119.00' }, 'msg_B1_other');
      await exception('REF', 'billing-office', 'HIS-B1');
      assert.equal(moves('B1').length, 1);
      assert.equal(Number(moves('B1')[0]!.amount_total), 120);
    });

    it('FHIR: a charge item is billed for the same pseudonym as HL7 v2, one that is not billable is answered and left', async () => {
      const item = (number: string, status: string) =>
        JSON.stringify({
          resourceType: 'ChargeItem',
          identifier: [{ value: number }],
          status,
          code: { coding: [{ system: 'urn:x', code: 'SVC-VISIT', display: 'MARKWORDS' }], text: 'MARKWORDS' },
          subject: { identifier: { value: 'MARKMRN' }, display: 'MARKNAME' },
          account: [{ identifier: { value: 'MARKACC' } }],
          context: { identifier: { value: 'MARKVISIT' } },
          occurrenceDateTime: new Date().toISOString().slice(0, 10),
          reason: [{ text: 'MARKDIAG' }],
        });
      const url = `${stack.nodeRed.url}/billing/charge-items`;
      const planned = await post(url, { id: 'msg_F0', body: item('HIS-F0', 'planned') });
      assert.deepEqual([planned.status, JSON.parse(planned.body).status], [200, 'ignored']);
      assert.equal((await post(url, { id: 'msg_F1', body: item('HIS-F1', 'billable') })).status, 202);
      const move = await posted('F1');
      assert.equal(Number(move.amount_total), 120);
      await charge({ number: 'F2' });
      assert.equal((await posted('F2')).partner_id, move.partner_id);
      assert.equal(moves('F0').length, 0);
    });

    it('FHIR: each service of a claim is billed once, for the pseudonym of its account; one that does not add up is not', async () => {
      const claim = (number: string, total: string, more: Record<string, unknown> = {}) => {
        const item = (sequence: number, code: string, value: number, quantity?: number) => ({
          sequence,
          productOrService: { coding: [{ system: 'urn:x', code, display: 'MARKWORDS' }], text: 'MARKWORDS' },
          ...(quantity === undefined ? {} : { quantity: { value: quantity } }),
          net: { value, currency: 'EUR' },
        });
        return JSON.stringify({
          resourceType: 'Claim',
          identifier: [{ value: number }],
          status: 'active',
          use: 'claim',
          patient: { identifier: { value: 'MARKACC' }, display: 'MARKNAME' },
          diagnosis: [{ sequence: 1, diagnosisCodeableConcept: { text: 'MARKDIAG' } }],
          careTeam: [{ sequence: 1, provider: { display: 'MARKDOC' } }],
          billablePeriod: { start: new Date().toISOString().slice(0, 10) },
          insurer: { identifier: { value: 'PAYER1' } },
          item: [item(1, 'SVC-VISIT', 240, 2), item(2, 'SVC-XRAY', 90)],
          total: { value: Number(total), currency: 'EUR' },
          ...more,
        });
      };
      const send = (id: string, body: string) => post(`${stack.nodeRed.url}/billing/claims`, { id, body });
      for (const more of [{ status: 'draft' }, { use: 'preauthorization' }]) {
        const ignored = await send(`msg_CL0_${JSON.stringify(more).length}`, claim('HIS-CL0', '330', more));
        assert.deepEqual([ignored.status, JSON.parse(ignored.body).status], [200, 'ignored']);
      }
      for (const id of ['msg_CL1', 'msg_CL1', 'msg_CL1_again']) {
        const reply = await send(id, claim('HIS-CL1', '330'));
        assert.equal(reply.status, 202, reply.body);
      }
      assert.equal((await send('msg_CL2', claim('HIS-CL2', '300'))).status, 202);
      await exception('FIN', 'billing-office', 'HIS-CL2');
      const [visit, xray] = [await posted('CL1-1'), await posted('CL1-2')];
      assert.deepEqual([Number(visit.amount_total), Number(xray.amount_total)], [240, 90]);
      await charge({ number: 'CL3' });
      assert.equal((await posted('CL3')).partner_id, visit.partner_id);
      for (const [number, count] of [
        ['CL0-1', 0],
        ['CL1-1', 1],
        ['CL1-2', 1],
        ['CL2-1', 0],
      ] as const)
        assert.equal(moves(number).length, count, number);
    });

    it('what is no invoice, has no service or does not multiply out has an owner, and nothing in Odoo', async () => {
      await charge({ number: 'C1', kind: 'PY' });
      await charge({ number: 'C2', code: 'SVC-NONE', unit: '10.00' });
      await charge({ number: 'C3', quantity: '2', amount: '200.00' });
      await exception('OTH', 'cash-posting', 'HIS-C1');
      await exception('ITM', 'charge-master', 'SVC-NONE');
      await exception('FIN', 'billing-office', 'HIS-C3');
      for (const number of ['C1', 'C2', 'C3']) assert.deepEqual(moves(number), [], number);
    });

    it('a manual price and a late charge wait for a person; what is rejected goes back to its owner', async () => {
      await charge({ number: 'D1', unit: '150.00' });
      await charge({ number: 'D2', days: 60 });
      await charge({ number: 'D3', unit: '1.00' });
      await decide('D1', ['bea']);
      await decide('D2', ['max']);
      await decide('D3', ['bea'], 'reject');
      const manual = await arrived('D1');
      assert.equal(manual.grossAmount.amount, '150');
      const late = await posted('D2');
      assert.equal(late.invoice_date, new Date().toISOString().slice(0, 10));
      assert.match(String(late.invoice_origin), /^Service of \d{4}-\d\d-\d\d$/);
      await exception('NON', 'billing-office', 'HIS-D3');
      assert.deepEqual(moves('D3'), []);
    });

    it('a charge that nobody decides goes to the billing office', async () => {
      // A second in the place of three days.
      const hurried = stack.flows.map((node) => (node.type === 'approval' ? { ...node, deadline: 0.0003 } : node));
      await stack.nodeRed.deploy(hurried, 'nodes');
      await charge({ number: 'D4', unit: '150.00' });
      await exception('NON', 'billing-office', 'Nobody decided about the charge HIS-D4');
      await stack.nodeRed.deploy(stack.flows, 'nodes');
      assert.deepEqual(moves('D4'), []);
    });

    it('a credit waits for its invoice and for people; its note settles the invoice, and the payer gets both', async () => {
      await charge({ number: 'E1', kind: 'CR' });
      await charge({ number: 'E1' });
      await decide('E1-CR', ['bea', 'cy']);
      const invoice = await posted('E1');
      const note = await arrived('E1-CR');
      await state('E1', 'reversed');
      assert.equal(note.kind, 'credit');
      assert.deepEqual(note.credited?.identifiers[0]?.value, invoice.name);
      const [move] = moves('E1-CR');
      assert.deepEqual(
        [move!.move_type, move!.reversed_entry_id, Number(move!.amount_residual)],
        ['out_refund', invoice.id, 0],
      );
      // A credit of an invoice that is paid is a refund for somebody.
      await charge({ number: 'E2' });
      await payer.remit([(await arrived('E2')).number]);
      await state('E2', 'paid');
      await charge({ number: 'E2', kind: 'CR' });
      await decide('E2-CR', ['max', 'dora']);
      await exception('PPD', 'treasury', 'is paid');
      assert.equal(Number((await posted('E2-CR')).amount_residual), 120);
    });

    it('a credit of more than was billed, and a draft of another amount in Odoo, are for the billing office', async () => {
      await charge({ number: 'L1' });
      await arrived('L1');
      await charge({ number: 'L1', kind: 'CR', unit: '130.00' });
      await exception('FIN', 'billing-office', 'HIS-L1-CR');
      assert.deepEqual(moves('L1-CR'), []);
      stack.odoo.engine.transaction((env) => {
        const [visit] = env.search('product.product', [['default_code', '=', 'SVC-VISIT']]);
        env.create('account.move', {
          move_type: 'out_invoice',
          ref: 'HIS-L2',
          partner_id: moves('L1')[0]!.partner_id,
          invoice_line_ids: [[0, 0, { product_id: visit, quantity: 1, price_unit: 99 }]],
        });
      });
      await charge({ number: 'L2' });
      await exception('FIN', 'billing-office', 'HIS-L2');
      assert.deepEqual(
        moves('L2').map(({ state }) => state),
        ['draft'],
      );
    });

    it('short-paid, denied, forwarded, overpaid, taken back and unknown: each with its owner, a note, and an answer to the payer', async () => {
      const services = { G1: ['SVC-XRAY', '90.00'], G2: ['SVC-PHYSIO', '60.00'], G3: ['SVC-VISIT', '120.00'] } as const;
      for (const [number, [code, unit]] of Object.entries(services)) await charge({ number, code, unit });
      const names = await Promise.all(Object.keys(services).map(async (number) => (await arrived(number)).number));
      const [short, denied, whole] = names as [string, string, string];
      // One remittance of two claims.
      await payer.remit([short, denied]);
      await exception('PAY', 'billing-office', short);
      await exception('NON', 'billing-office', denied);
      await state('G1', 'partial');
      assert.equal(Number(moves('G1')[0]!.amount_residual), 18);
      assert.equal(moves('G2')[0]!.payment_state, 'not_paid');
      assert.deepEqual([(await told(short)).outcome, Number((await told(short)).residual)], ['short-paid', 18]);
      assert.equal((await told(denied)).outcome, 'denied');
      const notes = (id: unknown) => stack.odoo.records('mail.message', { model: 'account.move', res_id: Number(id) });
      assert.ok(notes(moves('G1')[0]!.id).some(({ body }) => /PAY · billing-office: .*CO-45/.test(String(body))));
      assert.ok(notes(moves('G2')[0]!.id).some(({ body }) => /NON · billing-office: .*CO-197/.test(String(body))));

      const before = stack.odoo.records('account.payment').length;
      await payer.remit([whole], 'forwarded');
      await exception('OTH', 'payer-relations', `forwarded for ${whole}`);
      await until('the payer hears so', () =>
        payer.told.some(({ body }) => (body as { outcome: string }).outcome === 'other'),
      );
      payer.told.length = 0;
      await payer.remit([whole], 'over');
      await exception('PPD', 'treasury', `${whole}, of which`);
      assert.deepEqual([(await told(whole)).outcome, (await told(whole)).reason], ['overpaid', 'PPD']);
      await payer.remit([whole], 'reversed');
      await exception('PPD', 'treasury', `${whole} back`);
      await payer.remit([whole], 'unknown');
      await exception('UNR', 'cash-posting', `${whole}-UNKNOWN`);
      assert.equal(stack.odoo.records('account.payment').length, before);
      assert.equal(Number(moves('G3')[0]!.amount_residual), 120);
    });

    it('a remittance that does not add up is refused as a whole; one that comes again pays once', async () => {
      await charge({ number: 'H1' });
      const { number } = await arrived('H1');
      const refused = await payer.remit([number], 'wrong-total');
      assert.equal(refused?.status, 422, refused?.body);
      assert.match(String(refused?.body), /REMITTANCE_TOTALS/);
      await exception('FIN', 'payer-relations', 'does not add up');
      assert.equal(Number(moves('H1')[0]!.amount_residual), 120);
      await payer.remit([number]);
      await state('H1', 'paid');
      assert.equal((await payer.sendAgain())?.status, 202);
      assert.equal((await payer.sendAgain('msg_H1_another'))?.status, 202);
      await charge({ number: 'H2' });
      await payer.remit([(await arrived('H2')).number]);
      await state('H2', 'paid');
      const paid = stack.odoo.records('account.payment').filter(({ memo }) => String(memo).includes(number));
      assert.equal(paid.length, 1);
      assert.equal(stack.odoo.records('account.partial.reconcile').filter(({ amount }) => amount === 0).length, 0);
    });

    it('a payment of which Odoo makes no entry is ours to mend, and no short payment of the payer', async () => {
      const bank = (account: unknown) =>
        stack.odoo.engine.transaction((env) => {
          const [method] = env.search('account.payment.method.line', [['payment_type', '=', 'inbound']]);
          env.write('account.payment.method.line', [method!], { payment_account_id: account });
        });
      const [{ payment_account_id: account }] = stack.odoo.records('account.payment.method.line', {
        payment_type: 'inbound',
      }) as [Record<string, unknown>];
      await charge({ number: 'J1' });
      const { number } = await arrived('J1');
      bank(false);
      try {
        await payer.remit([number]);
        await exception('OTH', 'integration', 'has no journal entry');
        assert.deepEqual([(await told(number)).outcome, (await told(number)).reason], ['not-settled', 'OTH']);
      } finally {
        bank(account);
      }
      assert.equal(Number(moves('J1')[0]!.amount_residual), 120);
      const notes = stack.odoo.records('mail.message', { model: 'account.move', res_id: moves('J1')[0]!.id });
      assert.ok(notes.some(({ body }) => /OTH · integration: /.test(String(body))));
      assert.ok(!notes.some(({ body }) => /PAY · /.test(String(body))));
    });

    it('replies of Odoo that are lost after it has written leave one invoice and one payment', async () => {
      stack.odoo.faults.set(
        { kind: 'drop-reply', method: 'load', times: 4 },
        { kind: 'drop-reply', method: 'action_post', times: 2 },
      );
      for (const number of ['K1', 'K2', 'K3']) await charge({ number });
      const names = await Promise.all(['K1', 'K2', 'K3'].map(async (number) => (await arrived(number)).number));
      stack.odoo.faults.set(
        { kind: 'drop-reply', method: 'load', times: 2 },
        { kind: 'drop-reply', method: 'action_post', times: 2 },
        { kind: 'drop-reply', method: 'reconcile', times: 2 },
      );
      await payer.remit(names);
      for (const number of ['K1', 'K2', 'K3']) {
        await state(number, 'paid');
        assert.equal(moves(number).length, 1);
      }
      stack.odoo.faults.clear();
      for (const name of names) {
        assert.equal((await told(name)).outcome, 'matched');
        const payments = stack.odoo.records('account.payment').filter(({ memo }) => String(memo).includes(name));
        assert.equal(payments.length, 1, name);
      }
    });

    it('every button sends what it says', async () => {
      const buttons = stack.flows.filter(({ type }) => type === 'inject');
      assert.equal(buttons.length, 26);
      const before = payer.remittances.length;
      for (const { id, name } of buttons) {
        const pressed = await stack.nodeRed.admin(`/inject/${id}`, { method: 'POST' });
        assert.equal(pressed.status, 200, String(name));
      }
      const ofButtons = () =>
        stack.odoo
          .records('account.move', { state: 'posted', move_type: 'out_invoice' })
          .filter(({ ref }) => /^(HIS-B\d{4}|F\d{4})/.test(String(ref)));
      // Paid, three visits, short, denied, reversed, reversed when paid, reversed before, twice, other price, credited too much,
      // ChargeItem, two of a claim.
      await until('the buttons made their invoices', () => (ofButtons().length === 13 ? true : undefined));
      await until('credits, the manual price and the late charge wait', async () => {
        const { requests } = await stack.console<{ requests: { title: string }[] }>('approvals/list?as=bea');
        return requests.filter(({ title }) => /^HIS-B\d{4}/.test(title)).length === 5 ? true : undefined;
      });
      await exception('ITM', 'charge-master', 'HIS-B\\d{4}');
      await exception('FIN', 'billing-office', 'HIS-B\\d{4}');
      await exception('REF', 'billing-office', 'HIS-B\\d{4}');
      await exception('OTH', 'cash-posting', 'HIS-B\\d{4}');
      await exception('FIN', 'billing-office', 'The claim F\\d{4}');
      await exception('UNR', 'billing-office', 'The credit U\\d{4}');
      await until('the payer was asked six times', () => (payer.remittances.length === before + 5 ? true : undefined));
      assert.equal(ofButtons().length, 13);
    });

    it('the audit trail tells of each document what became of it', async () => {
      /** What follows the events may come at any time, and is told elsewhere. */
      const others = /settled \w+ billing\.(exceptions|claims|to-payer)$/;
      const [captured, invoiced, raised] = ['charge.captured', 'invoice.posted', 'exception.raised'].map((event) =>
        accepted(`billing.${event}`),
      ) as [string, string, string];
      const divided = [accepted('billing.claim.captured'), done('billing.claims.captured')];
      const charges = done('billing.charges');
      const process = 'billing charges';
      const expected = {
        msg_A1_CG: [captured, invoiced, charges],
        msg_C2_CG: [captured, raised, charges],
        msg_D1_CG: [captured, ...decided(process, 'approved', 'bea'), invoiced, done(`approval:${process}`)],
        msg_D3_CG: [captured, ...decided(process, 'rejected', 'bea'), raised, done(`approval:${process}`)],
        msg_CL1: [...divided, captured, captured, invoiced, invoiced, charges, charges],
        msg_CL2: [...divided, raised],
      };
      for (const [message, entries] of Object.entries(expected)) {
        const trail = await trailOf(stack, message);
        assert.deepEqual(
          trail.filter((line) => !others.test(line) && !line.startsWith('message.duplicate')),
          entries.sort(),
          message,
        );
      }
    });

    it('nothing of the patient is in Odoo, at the payer, in a queue, in the store, in the audit trail or in a log', async () => {
      assert.deepEqual(await stack.deadLetters(), []);
      assert.equal((await stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');
      const pseudonym = String(stack.odoo.records('res.partner', { id: (await posted('A1')).partner_id })[0]!.ref);
      assert.match(pseudonym, /^PSN-[0-9A-Z]{20}$/);
      const inOdoo = [
        'res.partner',
        'account.move',
        'account.move.line',
        'account.payment',
        'mail.message',
        'ir.model.data',
      ];
      const places: Record<string, string[]> = {
        Odoo: [JSON.stringify(inOdoo.map((model) => stack.odoo.records(model)))],
        'the payer': [JSON.stringify(payer.state())],
        'the audit trail': [JSON.stringify(await stack.console('audit?limit=500'))],
        // The store's file, the outbox and the embedded queue in it, and whatever else Node-RED wrote.
        'the folder of Node-RED': textsUnder(stack.nodeRed.userDir),
        'the log of Node-RED': [stack.nodeRed.logs()],
        ...(stack.postgres === undefined ? {} : { PostgreSQL: textsUnder(stack.postgres.dataDirectory) }),
        ...(stack.rabbitmq === undefined ? {} : { RabbitMQ: textsUnder(stack.rabbitmq.dataDirectory) }),
      };
      for (const [place, texts] of Object.entries(places)) {
        for (const mark of marks) {
          assert.ok(!texts.some((text) => text.includes(mark)), `${mark} is in ${place}`);
        }
      }
      // The charges themselves are there to be found: by their pseudonym, where documents are kept.
      const kept = engines === 'servers' ? ['PostgreSQL', 'RabbitMQ'] : ['the folder of Node-RED'];
      for (const place of ['Odoo', 'the payer', ...kept]) {
        assert.ok(
          places[place]!.some((text) => text.includes(pseudonym)),
          `${place} was looked at where charges are`,
        );
      }
    });
  });
}

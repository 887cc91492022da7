/** A bill and a charge on Node-RED 4.1, from the document to the money: what the flows use of it is there too. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OdooClient } from '../../nodes/odoo/index.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import { type PartnerHost, startPartners } from '../../sandbox/partners/host.ts';
import { Payer } from '../../sandbox/partners/payer.ts';
import { Supplier } from '../../sandbox/partners/supplier.ts';
import { freePort, waitUntil } from '../support/processes.ts';
import { confirmedOrder, ubl } from './bill-documents.ts';
import { dft } from './charges.ts';
import { post, webhookSecret } from './sender.ts';
import { referenceFlows, type Stack, startStack } from './stack.ts';

describe('the flows of bills and of billing on Node-RED 4.1', { timeout: 300_000 }, () => {
  let stack: Stack;
  let client: OdooClient;
  let host: PartnerHost;
  let supplier: Supplier;
  let payer: Payer;
  before(async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    supplier = new Supplier({ secret: webhookSecret });
    payer = new Payer({ remittancesUrl: `${url}/billing/remittances`, secret: webhookSecret });
    host = await startPartners([supplier, payer]);
    stack = await startStack({
      engines: 'embedded',
      version: '4.1',
      flows: referenceFlows('procurement-bills', 'billing'),
      port,
      env: {
        HEALTHFLOWS_URL: url,
        HEALTHFLOWS_PSEUDONYM_KEY: 'a key of the end to end tests, long enough',
        CHARGES_WEBHOOK_SECRET: webhookSecret,
        PAYER_WEBHOOK_SECRET: webhookSecret,
        PAYER_URL: `${host.url}/payer`,
        SUPPLIER_URL: `${host.url}/supplier`,
        SUPPLIER_API_KEY: 'supplier-key',
      },
    });
    client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
  });
  after(async () => {
    await client?.close(0);
    await host?.close();
    await stack?.close();
  });
  const move = (ref: string, field: string, value: string) =>
    waitUntil(
      `${ref} is ${value}`,
      () => stack.odoo.records('account.move', { ref }).find((row) => row[field] === value),
      60_000,
      50,
    );

  it('a bill that agrees is posted and the supplier hears so; one that does not is accepted by its owner', async () => {
    for (const [ref, price, net] of [
      ['INV-1', '4.20', '42.00'],
      ['INV-2', '4.54', '45.40'],
    ] as const) {
      const { name, line } = await confirmedOrder(stack.odoo, client, ref, true);
      const body = ubl(ref, name, line, price, net);
      const url = `${stack.nodeRed.url}/procurement/bills`;
      assert.equal((await post(url, { id: `msg_${ref}`, body, contentType: 'application/xml' })).status, 202);
    }
    await move('INV-1', 'state', 'posted');
    const { id } = await waitUntil('purchasing is asked', async () => {
      const path = 'approvals/list?list=mine&as=anna';
      return (await stack.console<{ requests: { id: string }[] }>(path)).requests[0];
    });
    await stack.console(`approvals/requests/${id}/vote`, { as: 'anna', verdict: 'approve', revision: 1 });
    await move('INV-2', 'state', 'posted');
    await waitUntil('the supplier has heard', () => supplier.answers.length === 3);
    assert.deepEqual(supplier.answers.map(({ invoice, code }) => `${invoice} ${code}`).sort(), [
      'INV-1 AP',
      'INV-2 AP',
      'INV-2 UQ',
    ]);
  });

  it('a charge is invoiced, paid and answered', async () => {
    const body = dft({ number: 'V1' });
    const url = `${stack.nodeRed.url}/billing/hl7`;
    assert.equal((await post(url, { id: 'msg_V1', body, contentType: 'application/hl7-v2' })).status, 202);
    const { name } = await move('HIS-V1', 'state', 'posted');
    await waitUntil('the payer has it', () => payer.invoices.has(String(name)));
    assert.equal((await payer.remit([String(name)]))?.status, 202);
    await move('HIS-V1', 'payment_state', 'paid');
    await waitUntil('the payer has heard', () => payer.told.length === 1);
    assert.deepEqual(await stack.deadLetters(), []);
  });
});

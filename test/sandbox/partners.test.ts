/** The supplier of the sandbox: orders are taken once and by key only; documents go out signed, right or with a fault. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { readDocument, writeDocument } from '../../nodes/canonical/formats/index.ts';
import { MappingLibrary } from '../../nodes/canonical/index.ts';
import { scenarios } from '../../sandbox/partners/cabinet.ts';
import { type PartnerHost, startPartners } from '../../sandbox/partners/host.ts';
import { Supplier } from '../../sandbox/partners/supplier.ts';
import { keyOf, signedHeaders } from '../../sandbox/supplier/supplier.ts';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const library = new MappingLibrary();

function ubl(number: string, note?: string): string {
  const order = {
    number,
    issueDate: '2026-11-23',
    currency: 'EUR',
    ...(note === undefined ? {} : { note }),
    buyer: { identifiers: [{ type: 'CODE', value: 'SITE-1' }], name: 'Hospital' },
    supplier: { identifiers: [{ type: 'CODE', value: 'ACME' }], name: 'ACME' },
    lines: [
      {
        number: '71',
        product: { identifiers: [{ type: 'SKU', value: 'GLOVE-M' }], name: 'Gloves' },
        description: 'Gloves',
        quantity: { value: '10', unit: '{each}' },
        unitPrice: { amount: '4.20', currency: 'EUR' },
      },
    ],
  };
  const { mapping } = library.get('order-to-ubl-order');
  const { value, violations } = library.get('order-to-ubl-order').run(order, {});
  assert.deepEqual(violations, []);
  assert.ok('format' in mapping.target);
  return writeDocument(mapping.target.format, value, mapping.target.options);
}

function canonical(id: string, text: string): Record<string, unknown> {
  const { mapping } = library.get(id);
  assert.ok('format' in mapping.source);
  const { value, violations } = library
    .get(id)
    .run(readDocument(mapping.source.format, text, mapping.source.options), {});
  assert.deepEqual(violations, []);
  return value as Record<string, unknown>;
}

describe('the sandbox cabinet', () => {
  it('does what every button of the inventory flow asks, and nothing that no button asks', () => {
    const nodes = JSON.parse(readFileSync(new URL('../../flows/inventory.json', import.meta.url), 'utf8')) as {
      type: string;
      topic?: string;
    }[];
    const asked = nodes.flatMap(({ type, topic }) => (type === 'inject' && topic ? [topic] : []));
    assert.deepEqual([...new Set(asked)].sort(), Object.keys(scenarios).sort());
  });
});

describe('the sandbox supplier', () => {
  interface Arrival {
    path: string;
    id: string;
    body: string;
    genuine: boolean;
  }
  const arrivals: Arrival[] = [];
  const flows = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const id = String(request.headers['webhook-id']);
      const wanted = signedHeaders(keyOf(secret), id, Number(request.headers['webhook-timestamp']), body);
      const genuine = request.headers['webhook-signature'] === wanted['webhook-signature'];
      arrivals.push({ path: request.url!, id, body, genuine });
      response.writeHead(genuine ? 202 : 401).end();
    });
  });
  let host: PartnerHost;
  let supplier: Supplier;
  before(async () => {
    await new Promise<void>((resolve) => flows.listen(0, '127.0.0.1', resolve));
    const flowsUrl = `http://127.0.0.1:${(flows.address() as AddressInfo).port}/`;
    supplier = new Supplier({ flowsUrl, secret, apiKey: 'the-key' });
    host = await startPartners([supplier]);
  });
  after(async () => {
    await host.close();
    flows.close();
  });
  beforeEach(() => arrivals.splice(0));

  const place = (key: string, body: string, apiKey = 'the-key') =>
    fetch(`${host.url}/supplier/orders`, {
      method: 'POST',
      headers: { 'x-api-key': apiKey, 'idempotency-key': key, 'content-type': 'application/xml' },
      body,
    });
  const tell = (command: unknown) =>
    fetch(`${host.url}/supplier/act`, { method: 'POST', body: JSON.stringify(command) });

  it('takes an order by key only, once for each idempotency key, and shows it', async () => {
    assert.equal((await place('a', ubl('P1'), 'another')).status, 401);
    assert.equal((await place('a', 'no order')).status, 400);
    assert.equal(supplier.orders.size, 0);
    assert.equal((await place('a', ubl('P1'))).status, 202);
    assert.equal((await place('a', ubl('P1'))).status, 202);
    assert.equal(supplier.orders.get('P1')?.revision, 0);
    assert.equal((await place('b', ubl('P1'))).status, 202);
    assert.equal(supplier.orders.get('P1')?.revision, 1);
    const page = await (await fetch(`${host.url}/supplier/`)).text();
    assert.match(page, /<td>P1<\/td><td>changed 1 ×/);
  });

  it('answers, sends goods and bills them, each document readable and signed', async () => {
    await place('c', ubl('P2'));
    for (const act of ['short', 'despatch-part', 'despatch', 'bill-dearer']) await tell({ act, order: 'P2' });
    assert.deepEqual(
      arrivals.map(({ path, genuine }) => [path, genuine]),
      [
        ['/procurement/responses', true],
        ['/procurement/despatches', true],
        ['/procurement/despatches', true],
        ['/procurement/bills', true],
      ],
    );
    const quantities = (at: number, mapping: string) =>
      (canonical(mapping, arrivals[at]!.body).lines as { quantity: { value: string } }[]).map(
        ({ quantity }) => quantity.value,
      );
    // 6 of 10 are promised; half of them goes first.
    assert.deepEqual(quantities(0, 'ubl-order-response-to-order-response'), ['6']);
    assert.deepEqual(quantities(1, 'ubl-despatch-to-despatch'), ['3']);
    assert.deepEqual(quantities(2, 'ubl-despatch-to-despatch'), ['3']);
    const bill = canonical('ubl-invoice-to-invoice', arrivals[3]!.body) as unknown as {
      grossAmount: { amount: string };
    };
    // 6 at 4.54.
    assert.equal(bill.grossAmount.amount, '27.24');
  });

  it('forges a signature and repeats itself when it is told to', async () => {
    await place('d', ubl('P3'));
    await tell({ act: 'accept', flaw: 'bad-signature' });
    await tell({ again: true, times: 3 });
    assert.deepEqual(
      arrivals.map(({ genuine }) => genuine),
      [false, true, true, true],
    );
    assert.equal(new Set(arrivals.map(({ id }) => id)).size, 1);
    assert.equal((await tell({ act: 'dance' })).status, 400);
    assert.equal((await tell({ act: 'accept', order: 'P99' })).status, 404);
  });
});

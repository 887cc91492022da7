/** Confirmed orders in the sandbox Odoo, and the bills that a supplier sends of them. */
import assert from 'node:assert/strict';
import { writeDocument } from '../../nodes/canonical/formats/index.ts';
import { MappingLibrary } from '../../nodes/canonical/index.ts';
import { add } from '../../nodes/kernel/decimal.ts';
import { act, type OdooClient, upsert } from '../../nodes/odoo/index.ts';
import type { SandboxOdoo } from '../../sandbox/odoo/index.ts';

export interface ConfirmedOrder {
  id: number;
  name: string;
  line: number;
}

/** Ten gloves at 4.20 of ACME, or what `line` says of them, confirmed; received as told. */
export async function confirmedOrder(
  odoo: SandboxOdoo,
  client: OdooClient,
  key: string,
  received: boolean,
  line: Record<string, unknown> = {},
): Promise<ConfirmedOrder> {
  const externalId = `hf_test.po_${key}`;
  const document = {
    externalId,
    values: {
      partner_id: { match: { ref: 'ACME' } },
      origin: key,
      order_line: [
        {
          externalId: `${externalId}_1`,
          values: {
            product_id: { match: { default_code: 'GLOVE-M' } },
            product_qty: '10',
            price_unit: '4.20',
            ...line,
          },
        },
      ],
    },
  };
  const [outcome] = await upsert(client, 'purchase.order', [document]);
  assert.ok(outcome?.kind === 'done', JSON.stringify(outcome));
  const { id } = outcome.value;
  await act(client, 'confirm-purchase', [id]);
  const [row] = odoo.records('purchase.order', { id });
  if (received) {
    const pickings = odoo.records('stock.picking', { origin: row!.name }).map((picking) => Number(picking.id));
    await act(client, 'validate-picking', pickings);
  }
  const [placed] = odoo.records('purchase.order.line', { order_id: id });
  return { id, name: String(row!.name), line: Number(placed!.id) };
}

const library = new MappingLibrary();

/**
 * The bill of an order as UBL, written by the shipped mapping. Without an order it names none. `pack`: the quantity counts
 * packages of this code.
 */
export function ubl(
  number: string,
  orderName: string | undefined,
  line: number | undefined,
  price = '4.20',
  net = '42.00',
  quantity = '10',
  sku = 'GLOVE-M',
  pack?: string,
  tax = '0.00',
  issuer = 'ACME',
): string {
  const eur = (amount: string) => ({ amount, currency: 'EUR' });
  const invoice = {
    number,
    direction: 'in',
    kind: 'invoice',
    issueDate: '2026-11-28',
    currency: 'EUR',
    issuer: { identifiers: [{ type: 'CODE', value: issuer }], name: issuer },
    recipient: { identifiers: [{ type: 'CODE', value: 'WH' }], name: 'Hospital' },
    ...(orderName === undefined ? {} : { order: { identifiers: [{ type: 'ORDER', value: orderName }] } }),
    netAmount: eur(net),
    taxAmount: eur(tax),
    grossAmount: eur(add(net, tax)),
    dueAmount: eur(add(net, tax)),
    lines: [
      {
        number: '1',
        ...(line === undefined ? {} : { orderLine: String(line) }),
        product: { identifiers: [{ type: 'SKU', value: sku }], name: 'Gloves' },
        description: 'Nitrile gloves, medium',
        quantity: {
          value: quantity,
          unit: '{each}',
          ...(pack === undefined ? {} : { unit: '{box}', pack: { code: pack } }),
        },
        unitPrice: eur(price),
        netAmount: eur(net),
      },
    ],
  };
  return written('invoice-to-ubl-invoice', invoice);
}

/** Ten gloves, as the supplier gets the order. */
export const orderAsUbl = (number: string, line: number): string =>
  written('order-to-ubl-order', {
    number,
    issueDate: '2026-11-28',
    currency: 'EUR',
    supplier: { identifiers: [{ type: 'CODE', value: 'ACME' }], name: 'ACME' },
    buyer: { identifiers: [{ type: 'CODE', value: 'WH' }], name: 'Hospital' },
    lines: [
      {
        number: String(line),
        product: { identifiers: [{ type: 'SKU', value: 'GLOVE-M' }], name: 'Gloves' },
        description: 'Nitrile gloves, medium',
        quantity: { value: '10', unit: '{each}' },
        unitPrice: { amount: '4.20', currency: 'EUR' },
      },
    ],
  });

function written(id: string, document: unknown): string {
  const mapping = library.get(id);
  const { value, violations } = mapping.run(document, {});
  assert.deepEqual(violations, []);
  const { target } = mapping.mapping;
  assert.ok('format' in target);
  return writeDocument(target.format, value, target.options);
}

/** The shipped Odoo mappings against the sandbox: what they make is what Odoo takes, in every version. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';
import { type OdooClient, searchRead, type UpsertDocument, upsert } from '../../nodes/odoo/index.ts';
import { clientOf, sandbox, versions } from '../odoo/support.ts';
import { supplierOrder } from './order.ts';

const library = new MappingLibrary();

function documentOf(id: string, source: unknown): UpsertDocument {
  const { value, violations } = library.get(id).run(source);
  assert.deepEqual(violations, [], id);
  return value as unknown as UpsertDocument;
}

async function put(
  client: OdooClient,
  model: string,
  document: UpsertDocument,
): Promise<{ id: number; effect: string }> {
  const [outcome] = await upsert(client, model, [document]);
  if (outcome?.kind !== 'done') throw outcome?.failure ?? new Error('no outcome');
  return outcome.value as { id: number; effect: string };
}

for (const version of versions) {
  describe(`Odoo ${version}`, () => {
    test('takes a supplier order once, with its packages and exact prices, and gives it back', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const order = library.get('supplier-order-json-to-order').run(supplierOrder).value;
      const document = documentOf('order-to-odoo-purchase-order', order);
      const first = await put(client, 'purchase.order', document);
      const again = await put(client, 'purchase.order', document);
      assert.equal(again.id, first.id);
      const [record] = await searchRead(client, 'purchase.order', [['id', '=', first.id]], {
        fields: ['partner_ref', 'order_line', 'date_order'],
      });
      assert.equal(record!.partner_ref, 'PO-1001');
      const lines = await searchRead(client, 'purchase.order.line', [['order_id', '=', first.id]], {
        fields: ['product_qty', 'price_unit', 'product_uom_id', 'sequence', 'date_planned'],
        order: 'sequence',
      });
      assert.deepEqual(
        lines.map(({ product_qty, price_unit }) => [Number(product_qty), Number(price_unit)]),
        [
          [10, 235.4],
          [200, 0.1],
        ],
      );
      assert.match(JSON.stringify(lines[0]!.product_uom_id), /Box of 10/);
      assert.match(String(lines[0]!.date_planned), /^2026-12-01/);
    });

    const samples: [id: string, model: string, prepare?: readonly string[]][] = [
      ['supplier-to-odoo-partner', 'res.partner'],
      [version === '17' ? 'product-to-odoo-17-product' : 'product-to-odoo-product', 'product.product'],
      ['invoice-to-odoo-move', 'account.move'],
      ['requisition-to-odoo-purchase-order', 'purchase.order'],
      ['despatch-to-odoo-picking', 'stock.picking'],
      ['receipt-to-odoo-picking', 'stock.picking'],
      ['stock-movement-to-odoo-stock-move', 'stock.move'],
      ['stock-movement-to-odoo-scrap', 'stock.scrap'],
      ['location-to-odoo-stock-location', 'stock.location'],
      ['admin-party-to-odoo-partner', 'res.partner'],
      ['charge-to-odoo-invoice', 'account.move', ['admin-party-to-odoo-partner']],
      ['claim-to-odoo-invoice', 'account.move'],
      ['payment-to-odoo-payment', 'account.payment'],
      ['service-request-to-odoo-maintenance', 'maintenance.request'],
    ];
    for (const [id, model, before = []] of samples) {
      test(`takes the sample of ${id}, once`, async () => {
        const odoo = await sandbox(version);
        const client = clientOf(odoo);
        for (const first of before) await put(client, 'res.partner', documentOf(first, library.source(first).sample));
        const { prices: _, ...sample } = library.source(id).sample as Record<string, unknown>;
        const document = documentOf(id, sample);
        const first = await put(client, model, document);
        assert.equal((await put(client, model, document)).id, first.id);
      });
    }

    test('takes a supplier’s answer on the lines of the order it answers', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const { id } = await put(
        client,
        'purchase.order',
        documentOf('order-to-odoo-purchase-order', library.source('order-to-odoo-purchase-order').sample),
      );
      const writeBack = `order-response-to-odoo-${version === '19' ? '19-' : ''}purchase-order`;
      const answered = await put(client, 'purchase.order', documentOf(writeBack, library.source(writeBack).sample));
      assert.deepEqual(answered, { id, effect: 'updated', externalId: 'hf_orders.po_ACME_PO__2d1001' });
      const lines = await searchRead(client, 'purchase.order.line', [['order_id', '=', id]], {
        fields: ['date_planned', 'product_qty'],
        order: 'id',
      });
      assert.match(String(lines[0]!.date_planned), /^2026-12-03/);
      assert.equal(lines[0]!.product_qty, '10', 'the quantity is a decision of the buyer');
      assert.equal(lines.length, 2);
    });

    test('takes a count of a product at a place, whose quant it finds by what it is', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const { lot: _, ...level } = library.source('inventory-level-to-odoo-quant').sample as Record<string, unknown>;
      const document = documentOf('inventory-level-to-odoo-quant', level);
      const first = await put(client, 'stock.quant', document);
      assert.equal((await put(client, 'stock.quant', document)).id, first.id);
    });

    test('gives an order back as a canonical order, from what is read of it', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const sent = library.source('order-to-odoo-purchase-order').sample as Record<string, unknown>;
      const { id } = await put(client, 'purchase.order', documentOf('order-to-odoo-purchase-order', sent));
      const [order] = await searchRead(client, 'purchase.order', [['id', '=', id]], {
        fields:
          'name partner_ref state date_order date_approve currency_id partner_id company_id user_id origin note amount_untaxed amount_tax amount_total'.split(
            ' ',
          ),
      });
      const order_line = await searchRead(client, 'purchase.order.line', [['order_id', '=', id]], {
        fields:
          'product_id name product_qty product_uom_id price_unit discount price_subtotal date_planned qty_received qty_invoiced'.split(
            ' ',
          ),
      });
      const { value, violations } = library.get('odoo-purchase-order-to-order').run({ ...order, order_line });
      assert.deepEqual(violations, []);
      assert.deepEqual(validatorOf('order', 'strict')(value).violations, []);
      const { lines, currency, supplierOrderNumber } = value as {
        lines: { quantity: unknown; unitPrice: unknown; product: { identifiers: { type: string; value: string }[] } }[];
      } & Record<string, unknown>;
      assert.deepEqual([currency, supplierOrderNumber], ['EUR', 'PO-1001']);
      assert.deepEqual(lines[0]!.quantity, { value: '10', unit: '{box}', pack: { code: 'BX', perBase: '10' } });
      assert.deepEqual(lines[0]!.unitPrice, { amount: '42', currency: 'EUR' });
      assert.deepEqual(lines[0]!.product.identifiers[0], { type: 'SKU', value: 'GLOVE-M' });
    });
  });
}

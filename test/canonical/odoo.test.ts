/** The shipped Odoo mappings against the sandbox: what they make is what Odoo takes, in every version. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
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

    for (const [id, model] of [
      ['supplier-to-odoo-partner', 'res.partner'],
      ['product-to-odoo-product', 'product.product'],
      ['invoice-to-odoo-move', 'account.move'],
    ] as const) {
      // Odoo 17 has no is_storable; the mapping says so.
      if (version === '17' && model === 'product.product') continue;
      test(`takes the sample of ${id}, once`, async () => {
        const odoo = await sandbox(version);
        const client = clientOf(odoo);
        const { prices: _, ...sample } = library.source(id).sample as Record<string, unknown>;
        const document = documentOf(id, sample);
        const first = await put(client, model, document);
        assert.equal((await put(client, model, document)).id, first.id);
      });
    }
  });
}

/** Blanket orders (module purchase_requisition) as the purchasing flow reads them: from 18 on, under these names. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Caller, type Fixture, fixture, type Protocol, type Target } from './target.ts';

interface Named {
  requisition_id: [number, string];
  product_id: [number, string];
  price_unit: number;
}

export function agreement(target: () => Target, protocol: Protocol): void {
  describe(`blanket orders over ${protocol}`, () => {
    let odoo: Caller;
    let own: Fixture;
    let isThere = false;
    before(async () => {
      odoo = new Caller(target(), protocol);
      own = await fixture(odoo);
      if (target().version < 18) return;
      isThere = await odoo.call('purchase.requisition', 'search_count', { domain: [] }).then(
        () => true,
        () => false,
      );
      assert.ok(isThere || !target().sandbox, 'the sandbox has agreements from 18 on');
    });
    after(() => odoo.tidy());

    const absent = (t: TestContext): boolean => {
      if (isThere) return false;
      t.skip(target().version < 18 ? '17 has other states and a type record' : 'the module is not installed');
      return true;
    };
    const blanket = (price: number, quantity = 100): Promise<number> =>
      odoo.create('purchase.requisition', {
        vendor_id: own.supplier,
        requisition_type: 'blanket_order',
        date_start: '2026-01-01',
        date_end: '2030-12-31',
        line_ids: [[0, 0, { product_id: own.product, product_qty: quantity, price_unit: price }]],
      });
    const confirm = (id: number) => odoo.call('purchase.requisition', 'action_confirm', { ids: [id] });
    /** As the flow asks: what is agreed for these products, of confirmed blanket orders. */
    const agreed = () =>
      odoo.call<Named[]>('purchase.requisition.line', 'search_read', {
        domain: [
          ['product_id', 'in', [own.product]],
          ['requisition_id.requisition_type', '=', 'blanket_order'],
          ['requisition_id.state', '=', 'confirmed'],
        ],
        fields: ['product_id', 'price_unit', 'requisition_id'],
        order: 'id',
      });

    it('a draft agrees nothing; confirmed it has a number, a supplier, dates and a currency, and its prices hold', async (t) => {
      if (absent(t)) return;
      const id = await blanket(3.95);
      assert.deepEqual(await agreed(), []);
      await confirm(id);
      const [line] = await agreed();
      assert.deepEqual([line!.product_id[0], line!.requisition_id[0]], [own.product, id]);
      assert.equal(line!.price_unit.toFixed(2), '3.95');
      const head = await odoo.read<Record<string, unknown>>('purchase.requisition', id, [
        'name',
        'vendor_id',
        'date_start',
        'date_end',
        'currency_id',
        'state',
      ]);
      assert.equal((head.vendor_id as [number, string])[0], own.supplier);
      assert.deepEqual([head.date_start, head.date_end, head.state], ['2026-01-01', '2030-12-31', 'confirmed']);
      assert.ok(String(head.name).length > 3 && head.name !== 'New', String(head.name));
      assert.ok(Array.isArray(head.currency_id));
      await odoo.call('purchase.requisition', 'action_cancel', { ids: [id] });
      assert.deepEqual(await agreed(), []);
    });

    it('without a price or without lines it is a UserError, and stays a draft', async (t) => {
      if (absent(t)) return;
      const free = await blanket(0);
      const empty = await odoo.create('purchase.requisition', { vendor_id: own.supplier });
      for (const id of [free, empty]) {
        const fault = await odoo.fault('purchase.requisition', 'action_confirm', { ids: [id] });
        assert.equal(fault.odooName, 'odoo.exceptions.UserError');
        assert.equal((await odoo.read<{ state: string }>('purchase.requisition', id, ['state'])).state, 'draft');
      }
    });
  });
}

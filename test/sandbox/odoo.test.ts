import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  apiKeys,
  products,
  type SandboxOdoo,
  startSandboxOdoo,
  suppliers,
  withCheckDigit,
} from '../../sandbox/odoo/index.ts';
import { fromZone } from '../../sandbox/odoo/zone.ts';

const callOf =
  (odoo: SandboxOdoo, key: string = apiKeys.bot) =>
  async <T = unknown>(path: string, body: unknown): Promise<T> => {
    const response = await fetch(`${odoo.url}/json/2/${path}`, {
      method: 'POST',
      headers: { authorization: `bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as T;
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  };

describe('the sandbox Odoo', () => {
  let odoo: SandboxOdoo;
  let call: ReturnType<typeof callOf>;
  before(async () => {
    odoo = await startSandboxOdoo();
    call = callOf(odoo);
  });
  after(() => odoo.close());

  const one = (model: string, filter: Record<string, unknown>) => {
    const found = odoo.records(model, filter);
    assert.equal(found.length, 1, `${model} ${JSON.stringify(filter)}`);
    return found[0]!;
  };
  const orderFields = [
    'id',
    'partner_id/.id',
    'partner_ref',
    'order_line/id',
    'order_line/product_id/.id',
    'order_line/product_uom_id/.id',
    'order_line/product_qty',
    'order_line/price_unit',
  ];
  const loadOrder = (key: string, sku: string, unit: string, quantity: string, price: string) => {
    const id = (model: string, filter: Record<string, unknown>) => String(one(model, filter).id);
    const line = [
      `t.${key}_1`,
      id('product.product', { default_code: sku }),
      id('uom.uom', { name: unit }),
      quantity,
      price,
    ];
    const data = [[`t.${key}`, id('res.partner', { ref: 'ACME' }), key, ...line]];
    return call<{ ids: number[] }>('purchase.order/load', { fields: orderFields, data });
  };

  it('starts with the suppliers, products with valid GTIN-14, units and keys that its README names', () => {
    for (const { ref, gln } of suppliers) assert.equal(one('res.partner', { ref }).global_location_number, gln);
    for (const { sku } of products) {
      const barcode = String(one('product.product', { default_code: sku }).barcode);
      assert.match(barcode, /^\d{14}$/);
      assert.equal(withCheckDigit(barcode.slice(0, 13)), barcode);
    }
    assert.equal(withCheckDigit('400638133393'), '4006381333931', 'a GTIN-13 of the GS1 handbook');
    for (const name of ['Units', 'Box of 10', 'Box of 100']) one('uom.uom', { name });
    assert.equal(new Set(Object.values(apiKeys)).size, 5);
  });

  it('totals are exact where doubles are not, and rounded to the currency', async () => {
    const { ids } = await loadOrder('exact', 'SVC-CALIB', 'Hours', '1.1', '1.15');
    const order = one('purchase.order', { id: ids[0] });
    // 1.1 x 1.15 = 1.265 rounds half up to 1.27; 20 % of it is 0.254, rounded 0.25.
    assert.deepEqual([order.amount_untaxed, order.amount_tax, order.amount_total], [1.27, 0.25, 1.52]);
  });

  it('a record is found once, however often its id or what it points to is named', async () => {
    const { id } = one('product.product', { default_code: 'GLOVE-M' });
    const twice = { domain: [['id', 'in', [id, id]]], fields: ['default_code'] };
    assert.equal((await call<unknown[]>('product.product/search_read', twice)).length, 1);
    const prices = { domain: [['product_tmpl_id.default_code', 'in', ['GLOVE-M', 'GLOVE-M']]], fields: ['price'] };
    assert.equal((await call<unknown[]>('product.supplierinfo/search_read', prices)).length, 2);
  });

  it('a receipt in boxes puts pieces on stock', async () => {
    const { ids } = await loadOrder('boxes', 'MASK-FFP2', 'Box of 10', '3', '6.00');
    await call('purchase.order/button_confirm', { ids });
    const picking = one('stock.picking', { purchase_id: ids[0] });
    assert.equal(await call('stock.picking/button_validate', { ids: [picking.id] }), true);
    assert.equal(one('product.product', { default_code: 'MASK-FFP2' }).qty_available, 30);
    assert.equal(odoo.records('purchase.order.line', { order_id: ids[0] })[0]?.qty_received, 3);
  });

  it('goods tracked by lot are not received without one', async () => {
    const { ids } = await loadOrder('lots', 'SALINE-500', 'Units', '5', '1.08');
    await call('purchase.order/button_confirm', { ids });
    const picking = one('stock.picking', { purchase_id: ids[0] });
    await assert.rejects(call('stock.picking/button_validate', { ids: [picking.id] }), /Lot\/Serial Number/);
    const move = one('stock.move', { picking_id: picking.id });
    const vals_list = [{ move_id: move.id, quantity: 5, lot_name: 'L-2026-1' }];
    await call('stock.move.line/create', { vals_list });
    assert.equal(await call('stock.picking/button_validate', { ids: [picking.id] }), true);
    const lot = one('stock.lot', { name: 'L-2026-1' });
    const quants = odoo.records('stock.quant', { lot_id: lot.id }).map((quant) => quant.quantity);
    assert.deepEqual(
      quants.toSorted((a, b) => Number(a) - Number(b)),
      [-5, 5],
    );
  });

  it('a failed call leaves nothing behind', async () => {
    const before = odoo.records('purchase.order').length;
    const supplier = one('res.partner', { ref: 'ACME' }).id;
    const vals_list = [{ partner_id: supplier, order_line: [[0, 0, { product_qty: 'x', name: 'x' }]] }];
    await assert.rejects(call('purchase.order/create', { vals_list }), /could not convert string to float/);
    assert.equal(odoo.records('purchase.order').length, before);
    assert.deepEqual(
      await call('purchase.order/search', {
        domain: [
          ['partner_id', '=', supplier],
          ['order_line', '=', false],
        ],
      }),
      [],
    );
  });

  it('the effects of a call are in the log', async () => {
    odoo.log.clear();
    await loadOrder('logged', 'GLOVE-M', 'Units', '1', '4.20');
    await loadOrder('logged', 'GLOVE-M', 'Units', '2', '4.20');
    assert.equal(odoo.log.counters.created['purchase.order'], 1);
    const [first, second] = odoo.log.list({ model: 'purchase.order', method: 'load' });
    assert.equal(first?.effects?.created['purchase.order.line']?.length, 1);
    assert.equal(second?.effects?.updated['purchase.order']?.length, 1);
  });

  it('a row of another company is not readable without that company', async () => {
    const vals_list = [{ name: 'Laboratory only', company_id: 3 }];
    const [id] = await callOf(odoo, apiKeys.admin)<number[]>('res.partner/create', {
      vals_list,
      context: { allowed_company_ids: [3] },
    });
    assert.deepEqual(await call('res.partner/search', { domain: [['id', '=', id]] }), []);
    await assert.rejects(call('res.partner/read', { ids: [id], fields: ['name'] }), /AccessError/);
  });

  it('translations are read, written and searched by context.lang', async () => {
    const id = one('product.template', { default_code: 'GLOVE-L' }).id;
    const french = { context: { lang: 'fr_FR' } };
    await call('product.template/write', { ids: [id], vals: { name: 'Gants nitrile' }, ...french });
    const read = async (more: object) =>
      (await call<{ name: string }[]>('product.template/read', { ids: [id], fields: ['name'], ...more }))[0]?.name;
    assert.deepEqual([await read({}), await read(french)], ['Nitrile gloves, large', 'Gants nitrile']);
    const domain = [['name', '=', 'Gants nitrile']];
    assert.deepEqual(await call('product.template/search', { domain }), []);
    assert.deepEqual(await call('product.template/search', { domain, ...french }), [id]);
  });

  it('load takes a datetime as the user’s wall clock, write takes it as UTC', async () => {
    const supplier = String(one('res.partner', { ref: 'ACME' }).id);
    const data = [['t.clock', supplier, '2026-07-01 12:00:00']];
    const { ids } = await call<{ ids: number[] }>('purchase.order/load', {
      fields: ['id', 'partner_id/.id', 'date_order'],
      data,
    });
    assert.equal(one('purchase.order', { id: ids[0] }).date_order, '2026-07-01 10:00:00', 'Brussels in summer');
    for (const [local, zone, utc] of [
      ['2026-10-25 02:30:00', 'Europe/Brussels', '2026-10-25 01:30:00'],
      ['2026-11-01 01:30:00', 'America/New_York', '2026-11-01 06:30:00'],
    ] as const) {
      assert.equal(fromZone(local, zone), utc, 'shown twice: standard time');
    }
  });

  it('a key reads its own expiry and nobody’s secret', async () => {
    const keys = await call<Record<string, unknown>[]>('res.users.apikeys/search_read', {
      domain: [],
      fields: ['name', 'expiration_date'],
    });
    assert.ok(keys.length >= 2 && keys.every((key) => !('key' in key)));
    await assert.rejects(call('res.users.apikeys/search_read', { fields: ['key'] }), /Invalid field/);
  });

  it('its page shows the orders and says that it is a stand-in', async () => {
    await loadOrder('<shown>', 'GLOVE-M', 'Units', '1', '4.20');
    for (const path of ['/', '/odoo']) {
      const html = await (await fetch(odoo.url + path)).text();
      assert.match(html, /<title>Sandbox Odoo \(stand-in, not Odoo\)<\/title>/);
      assert.match(html, /&#60;shown&#62;/);
      assert.match(html, /GLOVE-M/);
    }
  });

  it('its state, records and calls are served as JSON', async () => {
    const get = async (path: string) => (await (await fetch(odoo.url + path)).json()) as Record<string, unknown>;
    assert.equal((await get('/sandbox/state')).version, '19');
    assert.equal((await get('/sandbox/records/res.partner?ref=ACME')).length, 1);
    assert.equal((await fetch(`${odoo.url}/sandbox/records/no.model`)).status, 404);
    assert.ok('counters' in (await get('/sandbox/calls?model=res.partner&limit=1')));
  });
});

describe('the sandbox Odoo with a data file', () => {
  it('has its records, external ids and sequences back after a restart, even after a line cut short', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sandbox-odoo-'));
    const data = join(folder, 'journal.ndjson');
    try {
      const first = await startSandboxOdoo({ data });
      const body = {
        fields: ['id', 'partner_id/.id'],
        data: [['t.one', String(first.records('res.partner', { ref: 'ACME' })[0]!.id)]],
      };
      const { ids } = await callOf(first)<{ ids: number[] }>('purchase.order/load', body);
      await callOf(first)('purchase.order/button_confirm', { ids });
      const before = first.records('purchase.order');
      await first.close();
      appendFileSync(data, '{"model":"res.partner","id":99');

      const second = await startSandboxOdoo({ data });
      assert.deepEqual(second.records('purchase.order'), before);
      const again = await callOf(second)<{ ids: number[] }>('purchase.order/load', body);
      assert.deepEqual(again.ids, ids);
      const more = { ...body, data: [['t.two', body.data[0]![1]!]] };
      await callOf(second)('purchase.order/load', more);
      await second.close();

      const third = await startSandboxOdoo({ data });
      assert.deepEqual(
        third.records('purchase.order').map((order) => order.name),
        ['P00001', 'P00002'],
      );
      await third.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

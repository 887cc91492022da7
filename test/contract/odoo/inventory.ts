/** Stock of a place: counts, reservation, transfers that say they are ready, scrap. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Caller, type Protocol, type Target, unique } from './target.ts';

interface WindowAction {
  type: string;
  target?: string;
  res_model: string;
}

export function inventory(target: () => Target, protocol: Protocol): void {
  describe(`inventory over ${protocol}`, () => {
    let odoo: Caller;
    let shelf: number;
    let ward: number;
    let type: number;
    before(async () => {
      odoo = new Caller(target(), protocol);
      const [store] = await odoo.call<{ lot_stock_id: [number, string] }[]>('stock.warehouse', 'search_read', {
        domain: [],
        fields: ['lot_stock_id'],
        limit: 1,
        order: 'id',
      });
      const tag = unique();
      const place = (name: string) =>
        odoo.create('stock.location', {
          name: `${name} ${tag}`,
          usage: 'internal',
          location_id: store!.lot_stock_id[0],
        });
      shelf = await place('Shelf');
      ward = await place('Ward');
      type = (
        await odoo.call<{ id: number }[]>('stock.picking.type', 'search_read', {
          domain: [['code', '=', 'internal']],
          fields: ['name'],
          limit: 1,
          order: 'id',
        })
      )[0]!.id;
    });
    after(() => odoo.tidy());

    const press = <T = unknown>(model: string, method: string, id: number) =>
      odoo.call<T>(model, method, { ids: [id] });
    const value = async <T>(model: string, id: number, field: string): Promise<T> =>
      (await odoo.read<Record<string, T>>(model, id, [field]))[field]!;

    /** Goods of their own of which the shelf has so many, by a count. */
    async function goods(counted: number): Promise<number> {
      const tag = unique();
      const stored = target().version >= 18 ? { type: 'consu', is_storable: true } : { type: 'product' };
      const product = await odoo.create('product.product', { name: tag, default_code: tag, ...stored });
      if (counted > 0) await count(product, counted);
      return product;
    }
    async function count(product: number, counted: number): Promise<void> {
      const [known] = await quants(product, shelf);
      let id = known?.id;
      if (id === undefined) {
        id = await odoo.create('stock.quant', { product_id: product, location_id: shelf, inventory_quantity: counted });
      } else await odoo.call('stock.quant', 'write', { ids: [id], vals: { inventory_quantity: counted } });
      await press('stock.quant', 'action_apply_inventory', id);
    }
    const quants = (product: number, location: number) =>
      odoo.call<{ id: number; quantity: number; reserved_quantity: number }[]>('stock.quant', 'search_read', {
        domain: [
          ['product_id', '=', product],
          ['location_id', '=', location],
        ],
        fields: ['quantity', 'reserved_quantity'],
      });
    const transfer = (product: number | undefined, quantity: number) =>
      odoo.create('stock.picking', {
        picking_type_id: type,
        location_id: shelf,
        location_dest_id: ward,
        ...(product === undefined
          ? {}
          : {
              move_ids: [
                [
                  0,
                  0,
                  {
                    ...(target().version >= 19 ? {} : { name: 'Contract' }),
                    product_id: product,
                    product_uom_qty: quantity,
                    location_id: shelf,
                    location_dest_id: ward,
                  },
                ],
              ],
            }),
      });
    const scrap = (product: number, quantity: number) =>
      odoo.create('stock.scrap', { product_id: product, location_id: shelf, scrap_qty: quantity });

    it('a count that is applied is a move from the place of inventory losses', async () => {
      const product = await goods(7);
      await count(product, 5);
      assert.equal((await quants(product, shelf))[0]!.quantity, 5);
      const moves = await odoo.call<{ quantity: number; state: string }[]>('stock.move', 'search_read', {
        domain: [
          ['product_id', '=', product],
          ['is_inventory', '=', true],
        ],
        fields: ['quantity', 'state'],
        order: 'id',
      });
      assert.deepEqual(
        moves.map(({ quantity, state }) => [quantity, state]),
        [
          [7, 'done'],
          [2, 'done'],
        ],
      );
    });

    it('stock.picking.action_confirm answers true and reserves what is there', async () => {
      const product = await goods(10);
      const picking = await transfer(product, 4);
      assert.equal(await value('stock.picking', picking, 'state'), 'draft');
      assert.equal(await press('stock.picking', 'action_confirm', picking), true);
      assert.equal(await value('stock.picking', picking, 'state'), 'assigned');
      assert.equal((await quants(product, shelf))[0]!.reserved_quantity, 4);
      assert.equal(await press('stock.picking', 'action_confirm', picking), true);
      assert.equal((await quants(product, shelf))[0]!.reserved_quantity, 4);
    });

    it('stock.picking.action_confirm answers true for a transfer of nothing, which stays a draft', async () => {
      const picking = await transfer(undefined, 0);
      assert.equal(await press('stock.picking', 'action_confirm', picking), true);
      assert.equal(await value('stock.picking', picking, 'state'), 'draft');
    });

    it('a transfer of which a part is reserved says it is ready; one of which nothing is, that it waits', async () => {
      const product = await goods(3);
      const some = await transfer(product, 5);
      await press('stock.picking', 'action_confirm', some);
      assert.equal(await value('stock.picking', some, 'state'), 'assigned');
      const [move] = await value<number[]>('stock.picking', some, 'move_ids');
      assert.equal(await value('stock.move', move!, 'state'), 'partially_available');
      const none = await transfer(product, 5);
      assert.equal(await press('stock.picking', 'action_confirm', none), true);
      assert.equal(await value('stock.picking', none, 'state'), 'confirmed');
    });

    it('a draft transfer that is validated moves what is not there: the stock is negative', async () => {
      const product = await goods(0);
      const picking = await transfer(product, 2);
      assert.equal(await press('stock.picking', 'button_validate', picking), true);
      assert.equal(await value('stock.picking', picking, 'state'), 'done');
      assert.equal((await quants(product, shelf))[0]!.quantity, -2);
      assert.equal((await quants(product, ward))[0]!.quantity, 2);
    });

    it('stock.picking.do_unreserve gives back what a transfer holds, which waits again', async () => {
      const product = await goods(10);
      const picking = await transfer(product, 4);
      await press('stock.picking', 'action_confirm', picking);
      await press('stock.picking', 'do_unreserve', picking);
      assert.equal((await quants(product, shelf))[0]!.reserved_quantity, 0);
      assert.equal(await value('stock.picking', picking, 'state'), 'confirmed');
      await press('stock.picking', 'action_assign', picking);
      assert.equal((await quants(product, shelf))[0]!.reserved_quantity, 4);
    });

    it('a quantity is written together with the move that changed it; its rule tells what is forecast', async () => {
      const product = await goods(7);
      const rule = await odoo.create('stock.warehouse.orderpoint', {
        product_id: product,
        location_id: shelf,
        product_min_qty: 5,
        product_max_qty: 10,
      });
      const forecast = async () => {
        const read = await odoo.read<Record<string, number>>('stock.warehouse.orderpoint', rule, [
          'qty_on_hand',
          'qty_forecast',
        ]);
        return [read.qty_on_hand, read.qty_forecast];
      };
      assert.deepEqual(await forecast(), [7, 7]);
      await count(product, 6);
      const [moved] = await odoo.call<{ write_date: string }[]>('stock.move', 'search_read', {
        domain: [['product_id', '=', product]],
        fields: ['write_date'],
        order: 'id desc',
        limit: 1,
      });
      const [quant] = await quants(product, shelf);
      assert.equal(await value('stock.quant', quant!.id, 'write_date'), moved!.write_date);
      await press('stock.picking', 'action_confirm', await transfer(product, 4));
      assert.deepEqual(await forecast(), [6, 2]);
    });

    it('stock.scrap.action_validate of more than is there answers a wizard, and nothing is scrapped', async () => {
      const product = await goods(1);
      const id = await scrap(product, 2);
      const asked = await press<WindowAction>('stock.scrap', 'action_validate', id);
      assert.deepEqual(
        [asked.type, asked.target, asked.res_model],
        ['ir.actions.act_window', 'new', 'stock.warn.insufficient.qty.scrap'],
      );
      assert.equal(await value('stock.scrap', id, 'state'), 'draft');
      assert.equal((await quants(product, shelf))[0]!.quantity, 1);
    });

    it('stock.scrap.action_validate answers true, and called again it scraps once more', async () => {
      const product = await goods(10);
      const id = await scrap(product, 2);
      assert.equal(await press('stock.scrap', 'action_validate', id), true);
      assert.equal(await value('stock.scrap', id, 'state'), 'done');
      assert.equal(await press('stock.scrap', 'action_validate', id), true);
      assert.equal((await quants(product, shelf))[0]!.quantity, 6);
    });
  });
}

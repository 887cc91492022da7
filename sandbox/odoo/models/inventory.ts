/** Quants with their counts, reordering rules, scrap with its wizard. */
import { userError } from '../errors.ts';
import { difference, sum } from '../exact.ts';
import { boolean, char, date, datetime, float, many2one, one2many, related, type Row, selection } from '../fields.ts';
import { action, type Database, type Env, number, ref, text } from '../orm.ts';
import { groups, nextNumber } from './base.ts';
import { freeAt, inProductUnit, isStored, reservedOf, stockAt, transfer } from './stock.ts';

export function defineInventory(db: Database): void {
  const { profile } = db;
  const access = {
    read: [groups.stock],
    write: [groups.stock],
    create: [groups.stock],
    unlink: [groups.stock],
  };
  db.define({
    name: 'stock.quant',
    description: 'Quants',
    recName: 'product_id',
    fields: {
      product_id: many2one('product.product', 'Product', { required: true }),
      location_id: many2one('stock.location', 'Location', { required: true }),
      lot_id: many2one('stock.lot', 'Lot/Serial Number'),
      product_uom_id: related(many2one('uom.uom', 'Unit of Measure'), 'product_id', 'uom_id'),
      quantity: float('Quantity', { readonly: true }),
      reserved_quantity: float('Reserved Quantity', { compute: (env, row) => reservedOf(env, row) }),
      available_quantity: float('Available Quantity', {
        compute: (env, row) => difference(number(row, 'quantity'), reservedOf(env, row)),
      }),
      inventory_quantity: float('Counted Quantity'),
      in_date: datetime('Incoming Date', { default: (env: Env) => env.now() }),
      inventory_date: date('Scheduled Date'),
    },
    access: { ...access, read: [groups.stock, groups.purchase, groups.sales] },
    displayName: (env, row) => {
      const product = env.follow(row, 'product_id');
      return product ? env.label(env.db.get('product.product'), product) : '';
    },
    methods: {
      action_apply_inventory: action((env, ids) => {
        env.check(env.db.get('stock.quant'), 'write');
        for (const quant of env.browse('stock.quant', ids)) applyCount(env.sudo(), quant);
        return null;
      }),
    },
  });
  db.define({
    name: 'stock.warehouse.orderpoint',
    description: 'Minimum Inventory Rule',
    order: 'location_id, product_id, id',
    fields: {
      name: char('Name', { copy: false, readonly: true }),
      trigger: selection('Trigger', { auto: 'Auto', manual: 'Manual' }, { default: 'auto', required: true }),
      active: boolean('Active', { default: true }),
      warehouse_id: many2one('stock.warehouse', 'Warehouse', { default: 1 }),
      location_id: many2one('stock.location', 'Location', { required: true }),
      product_id: many2one('product.product', 'Product', { required: true }),
      product_min_qty: float('Min Quantity', { default: 0, required: true }),
      product_max_qty: float('Max Quantity', { default: 0, required: true }),
      // Up to 18 a number, from 19 on a unit of measure.
      ...(profile.version === '19'
        ? { replenishment_uom_id: many2one('uom.uom', 'Multiple') }
        : { qty_multiple: float('Multiple Quantity', { default: 1, required: true }) }),
      product_uom_name: char('Product unit of measure label', {
        compute: (env, row) => {
          const kept = env.value('product.product', env.follow(row, 'product_id')!, 'uom_id');
          return text(env.one('uom.uom', Number(kept)), 'name');
        },
      }),
      qty_on_hand: float('On Hand', {
        compute: (env, row) => stockAt(env, ref(row, 'product_id')!, ref(row, 'location_id')!),
      }),
      qty_forecast: float('Forecast', {
        compute: (env, row) => {
          const [product, location] = [ref(row, 'product_id')!, ref(row, 'location_id')!];
          return sum([stockAt(env, product, location), openAt(env, product, location)]);
        },
      }),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    access,
    prepare: (env, row) => {
      row.name = `OP/${String(nextNumber(env, 'stock.warehouse.orderpoint')).padStart(5, '0')}`;
      const same = env.db.get('stock.warehouse.orderpoint').table.lookup('product_id', ref(row, 'product_id')!) ?? [];
      for (const id of same) {
        const other = env.row('stock.warehouse.orderpoint', id)!;
        if (other.location_id === row.location_id && other.company_id === row.company_id) {
          throw userError('A replenishment rule already exists for this product on this location.');
        }
      }
    },
  });
  db.define({
    name: 'stock.scrap',
    description: 'Scrap',
    order: 'id desc',
    thread: true,
    fields: {
      name: char('Reference', { default: 'New', copy: false, readonly: true }),
      origin: char('Source Document'),
      product_id: many2one('product.product', 'Product', { required: true }),
      product_uom_id: many2one('uom.uom', 'Unit', { default: 1, required: true }),
      lot_id: many2one('stock.lot', 'Lot/Serial'),
      location_id: many2one('stock.location', 'Source Location', { required: true }),
      scrap_location_id: many2one('stock.location', 'Scrap Location', { required: true }),
      scrap_qty: float('Quantity', { default: 1, required: true }),
      state: selection('Status', { draft: 'Draft', done: 'Done' }, { default: 'draft', readonly: true, copy: false }),
      date_done: datetime('Date', { readonly: true }),
      picking_id: many2one('stock.picking', 'Picking'),
      move_ids: one2many('stock.move', 'scrap_id', 'Moves'),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    access,
    prepare: (env, row) => {
      row.location_id ??= env
        .search('stock.warehouse', [['id', '=', 1]])
        .map((id) => ref(env.one('stock.warehouse', id), 'lot_stock_id')!)[0]!;
      row.scrap_location_id ??= lossLocation(env, 'Scrap');
    },
    beforeUnlink: (_env, rows) => {
      if (rows.some((row) => row.state === 'done')) throw userError('You cannot delete a scrap which is done.');
    },
    methods: {
      // Odoo does not look at the state: the button is hidden, and a second call scraps a second time.
      action_validate: action((env, ids) => {
        const scrap = env.one('stock.scrap', ids[0]!);
        if (number(scrap, 'scrap_qty') <= 0) throw userError('You can only enter positive quantities.');
        const [product, location] = [ref(scrap, 'product_id')!, ref(scrap, 'location_id')!];
        const goods = env.one('product.product', product);
        const free = freeAt(env.sudo(), product, location, ref(scrap, 'lot_id'));
        if (!isStored(env, goods) || free >= number(scrap, 'scrap_qty')) return scrapNow(env, scrap);
        return {
          name: `${env.label(env.db.get('product.product'), goods)}: Insufficient Quantity To Scrap`,
          type: 'ir.actions.act_window',
          res_model: 'stock.warn.insufficient.qty.scrap',
          view_mode: 'form',
          views: [[false, 'form']],
          target: 'new',
          context: {
            ...env.context,
            default_product_id: product,
            default_location_id: location,
            default_scrap_id: scrap.id,
            default_quantity: number(scrap, 'scrap_qty'),
          },
        };
      }),
      do_scrap: action((env, ids) => {
        for (const scrap of env.browse('stock.scrap', ids)) scrapNow(env, scrap);
        return true;
      }),
    },
  });
  db.define({
    name: 'stock.warn.insufficient.qty.scrap',
    description: 'Warn Insufficient Scrap Quantity',
    transient: true,
    fields: {
      product_id: many2one('product.product', 'Product', { required: true }),
      location_id: many2one('stock.location', 'Location', { required: true }),
      scrap_id: many2one('stock.scrap', 'Scrap'),
      quantity: float('Quantity', { required: true }),
    },
    methods: {
      action_done: action((env, ids) => {
        for (const warning of env.browse('stock.warn.insufficient.qty.scrap', ids)) {
          scrapNow(env, env.one('stock.scrap', ref(warning, 'scrap_id')!));
        }
        return true;
      }),
    },
  });
}

function scrapNow(env: Env, scrap: Row): true {
  env.check(env.db.get('stock.scrap'), 'write');
  const root = env.sudo();
  const product = env.one('product.product', ref(scrap, 'product_id')!);
  if (env.value('product.product', product, 'tracking') !== 'none' && scrap.lot_id === null) {
    throw userError(
      `You need to supply a Lot/Serial Number for product:\n${env.label(env.db.get('product.product'), product)}`,
    );
  }
  const name = `SP/${String(nextNumber(root, 'stock.scrap')).padStart(5, '0')}`;
  root.set(scrap, { name });
  move(root, {
    product: product.id,
    uom: ref(scrap, 'product_uom_id'),
    lot: ref(scrap, 'lot_id'),
    from: ref(scrap, 'location_id')!,
    to: ref(scrap, 'scrap_location_id')!,
    quantity: number(scrap, 'scrap_qty'),
    title: name,
    values: { scrap_id: scrap.id, origin: scrap.origin ?? name },
  });
  root.set(scrap, { state: 'done', date_done: env.now() });
  return true;
}

/** A count that is applied becomes a move from or to the place of inventory losses. */
export function applyCount(env: Env, quant: Row): void {
  const counted = number(quant, 'inventory_quantity');
  const by = difference(counted, number(quant, 'quantity'));
  const [place, loss] = [ref(quant, 'location_id')!, lossLocation(env, 'Inventory adjustment')];
  env.set(quant, { inventory_quantity: 0 });
  if (by === 0) return;
  move(env, {
    product: ref(quant, 'product_id')!,
    uom: null,
    lot: ref(quant, 'lot_id'),
    from: by > 0 ? loss : place,
    to: by > 0 ? place : loss,
    quantity: Math.abs(by),
    title: 'Product Quantity Updated',
    values: { is_inventory: true },
  });
}

interface Done {
  product: number;
  uom: number | null;
  lot: number | null;
  from: number;
  to: number;
  quantity: number;
  title: string;
  values: Record<string, unknown>;
}

/** A move without a transfer, done at once. */
function move(env: Env, { product, uom, lot, from, to, quantity, title, values }: Done): void {
  const id = env.create('stock.move', {
    ...(env.profile.moveName ? { name: title } : {}),
    product_id: product,
    product_uom: uom ?? env.value('product.product', env.one('product.product', product), 'uom_id'),
    product_uom_qty: quantity,
    quantity,
    picked: true,
    location_id: from,
    location_dest_id: to,
    ...values,
  });
  const line = { move_id: id, lot_id: lot ?? false, quantity, picked: true };
  env.create('stock.move.line', line);
  const made = env.one('stock.move', id);
  transfer(env, made, quantity);
  env.set(made, { state: 'done', date: env.now() });
}

function lossLocation(env: Env, name: string): number {
  const [id] = env.sudo().search('stock.location', [
    ['name', '=', name],
    ['usage', '=', 'inventory'],
  ]);
  if (id === undefined) throw userError(`There is no location ${name}.`);
  return id;
}

/** What open moves will bring to a place, less what they will take. */
function openAt(env: Env, product: number, location: number): number {
  const parts: number[] = [];
  for (const id of env.db.get('stock.move').table.lookup('product_id', product) ?? []) {
    const open = env.row('stock.move', id)!;
    if (['draft', 'done', 'cancel'].includes(text(open, 'state'))) continue;
    const amount = inProductUnit(env, open, number(open, 'product_uom_qty'));
    if (open.location_dest_id === location) parts.push(amount);
    if (open.location_id === location) parts.push(-amount);
  }
  return sum(parts);
}

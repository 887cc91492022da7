/** Warehouse, transfers with their wizards, lots and quants. */
import { userError } from '../errors.ts';
import { difference, roundNumber, sum } from '../exact.ts';
import {
  boolean,
  char,
  datetime,
  float,
  html,
  integer,
  many2many,
  many2one,
  one2many,
  related,
  type Row,
  selection,
} from '../fields.ts';
import { action, type Database, type Env, flag, list, number, ref, text } from '../orm.ts';
import { groups, nextNumber } from './base.ts';

const usages = {
  supplier: 'Vendor',
  view: 'Virtual',
  internal: 'Internal',
  customer: 'Customer',
  inventory: 'Inventory Loss',
  production: 'Production',
  transit: 'Transit',
};

export function defineStock(db: Database): void {
  const { profile } = db;
  const access = {
    read: [groups.stock, groups.purchase, groups.sales],
    write: [groups.stock],
    create: [groups.stock],
    unlink: [groups.stock],
  };
  db.define({
    name: 'stock.location',
    description: 'Inventory Locations',
    recName: 'complete_name',
    order: 'complete_name, id',
    fields: {
      name: char('Location Name', { required: true }),
      complete_name: char('Full Location Name', { index: true }),
      barcode: char('Barcode', { index: true }),
      usage: selection('Location Type', usages, { default: 'internal', required: true }),
      location_id: many2one('stock.location', 'Parent Location'),
      active: boolean('Active', { default: true }),
      company_id: many2one('res.company', 'Company'),
    },
    access,
    prepare: (env, row) => {
      const parent = env.follow(row, 'location_id');
      row.complete_name = parent ? `${text(parent, 'complete_name')}/${text(row, 'name')}` : text(row, 'name');
    },
  });
  db.define({
    name: 'stock.warehouse',
    description: 'Warehouse',
    fields: {
      name: char('Warehouse', { required: true }),
      code: char('Short Name', { required: true, index: true }),
      lot_stock_id: many2one('stock.location', 'Location Stock'),
      company_id: many2one('res.company', 'Company', { required: true }),
      active: boolean('Active', { default: true }),
    },
    access,
  });
  db.define({
    name: 'stock.picking.type',
    description: 'Picking Type',
    fields: {
      name: char('Operation Type', { required: true }),
      code: selection('Type of Operation', {
        incoming: 'Receipt',
        outgoing: 'Delivery',
        internal: 'Internal Transfer',
      }),
      sequence_code: char('Sequence Prefix'),
      warehouse_id: many2one('stock.warehouse', 'Warehouse'),
      default_location_src_id: many2one('stock.location', 'Source Location'),
      default_location_dest_id: many2one('stock.location', 'Destination Location'),
      company_id: many2one('res.company', 'Company', { required: true }),
      active: boolean('Active', { default: true }),
    },
    access,
    displayName: (env, row) => {
      const warehouse = env.follow(row, 'warehouse_id');
      return warehouse ? `${text(warehouse, 'name')}: ${text(row, 'name')}` : text(row, 'name');
    },
  });
  const states = {
    draft: 'Draft',
    waiting: 'Waiting Another Operation',
    confirmed: 'Waiting',
    assigned: 'Ready',
    done: 'Done',
    cancel: 'Cancelled',
  };
  db.define({
    name: 'stock.picking',
    description: 'Transfer',
    order: 'priority desc, scheduled_date, id desc',
    thread: true,
    fields: {
      name: char('Reference', { index: true, copy: false }),
      priority: selection('Priority', { '0': 'Normal', '1': 'Urgent' }, { default: '0' }),
      origin: char('Source Document', { index: true }),
      partner_id: many2one('res.partner', 'Contact'),
      picking_type_id: many2one('stock.picking.type', 'Operation Type', { required: true }),
      picking_type_code: related(
        selection('Type of Operation', { incoming: 'Receipt', outgoing: 'Delivery', internal: 'Internal Transfer' }),
        'picking_type_id',
        'code',
      ),
      location_id: many2one('stock.location', 'Source Location', { required: true }),
      location_dest_id: many2one('stock.location', 'Destination Location', { required: true }),
      state: selection('Status', states, { default: 'draft', readonly: true, index: true, copy: false }),
      scheduled_date: datetime('Scheduled Date', { default: (env: Env) => env.now() }),
      date_done: datetime('Date of Transfer', { readonly: true, copy: false }),
      move_ids: one2many('stock.move', 'picking_id', 'Stock Moves'),
      move_line_ids: one2many('stock.move.line', 'picking_id', 'Operations'),
      backorder_id: many2one('stock.picking', 'Back Order of', { copy: false }),
      backorder_ids: one2many('stock.picking', 'backorder_id', 'Back Orders'),
      purchase_id: many2one('purchase.order', 'Purchase Order'),
      sale_id: many2one('sale.order', 'Sales Order'),
      note: html('Notes'),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    access,
    prepare: (env, row) => {
      if (row.name !== null && row.name !== '/') return;
      const type = env.follow(row, 'picking_type_id');
      const warehouse = type ? env.follow(type, 'warehouse_id') : undefined;
      const prefix = `${warehouse ? text(warehouse, 'code') : 'WH'}/${type ? text(type, 'sequence_code') : 'INT'}`;
      row.name = `${prefix}/${String(nextNumber(env, `stock.picking ${prefix}`)).padStart(5, '0')}`;
    },
    methods: {
      action_confirm: action((env, ids) => {
        for (const picking of env.browse('stock.picking', ids)) confirm(env, picking);
        return true;
      }),
      action_assign: action((env, ids) => {
        for (const picking of env.browse('stock.picking', ids)) {
          confirm(env, picking);
          const open = openMoves(env, picking);
          if (open.length === 0) throw userError('Nothing to check the availability for.');
          for (const move of open) reserve(env.sudo(), move);
          settlePicking(env, picking);
        }
        return true;
      }),
      do_unreserve: action((env, ids) => {
        for (const picking of env.browse('stock.picking', ids)) {
          for (const move of openMoves(env, picking)) unreserve(env.sudo(), move);
          settlePicking(env, picking);
        }
        return null;
      }),
      button_validate: action((env, ids) => validate(env, ids)),
      action_cancel: action((env, ids) => {
        for (const picking of env.browse('stock.picking', ids)) cancelPicking(env, picking);
        return true;
      }),
    },
  });
  db.define({
    name: 'stock.move',
    description: 'Stock Move',
    order: 'sequence, id',
    recName: 'reference',
    fields: {
      ...(profile.moveName ? { name: char('Description') } : {}),
      reference: char('Reference', {
        compute: (env, row) => (env.follow(row, 'picking_id')?.name as string | null) ?? null,
      }),
      sequence: integer('Sequence', { default: 10 }),
      picking_id: many2one('stock.picking', 'Transfer', { ondelete: 'cascade' }),
      product_id: many2one('product.product', 'Product', { required: true, ondelete: 'restrict' }),
      product_uom_qty: float('Demand', { digits: 2, default: 0 }),
      product_uom: many2one('uom.uom', 'Unit', { default: 1 }),
      product_qty: float('Real Quantity', {
        compute: (env, row) => inProductUnit(env, row, number(row, 'product_uom_qty')),
      }),
      quantity: float('Quantity', { digits: 2 }),
      picked: boolean('Picked'),
      state: selection(
        'Status',
        {
          draft: 'New',
          waiting: 'Waiting Another Move',
          confirmed: 'Waiting Availability',
          partially_available: 'Partially Available',
          assigned: 'Available',
          done: 'Done',
          cancel: 'Cancelled',
        },
        { default: 'draft', readonly: true, index: true, copy: false },
      ),
      date: datetime('Date Scheduled', { default: (env: Env) => env.now() }),
      location_id: many2one('stock.location', 'Source Location', { required: true }),
      location_dest_id: many2one('stock.location', 'Intermediate Location', { required: true }),
      origin: char('Source Document'),
      purchase_line_id: many2one('purchase.order.line', 'Purchase Order Line'),
      sale_line_id: many2one('sale.order.line', 'Sales Order Line'),
      move_line_ids: one2many('stock.move.line', 'move_id', 'Move Lines'),
      lot_ids: many2many('stock.lot', 'Serial Numbers'),
      is_inventory: boolean('Inventory'),
      scrap_id: many2one('stock.scrap', 'Scrap Operation', { readonly: true }),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    access,
    prepare: (env, row) => {
      const picking = env.follow(row, 'picking_id');
      row.location_id ??= picking ? ref(picking, 'location_id') : null;
      row.location_dest_id ??= picking ? ref(picking, 'location_dest_id') : null;
    },
  });
  db.define({
    name: 'stock.move.line',
    description: 'Product Moves (Stock Move Line)',
    fields: {
      picking_id: many2one('stock.picking', 'Transfer', { ondelete: 'cascade' }),
      move_id: many2one('stock.move', 'Stock Operation', { ondelete: 'cascade' }),
      reference: related(char('Reference'), 'move_id', 'reference'),
      product_id: many2one('product.product', 'Product'),
      quantity: float('Quantity', { digits: 2 }),
      product_uom_id: many2one('uom.uom', 'Unit', { default: 1 }),
      lot_id: many2one('stock.lot', 'Lot/Serial Number'),
      lot_name: char('Lot/Serial Number Name'),
      picked: boolean('Picked'),
      location_id: many2one('stock.location', 'From'),
      location_dest_id: many2one('stock.location', 'To'),
      location_usage: related(selection('Source Location Type', usages), 'location_id', 'usage'),
      location_dest_usage: related(selection('Destination Location Type', usages), 'location_dest_id', 'usage'),
      state: related(
        selection('Status', { ...states, partially_available: 'Partially Available' }),
        'move_id',
        'state',
      ),
      date: datetime('Date', { default: (env: Env) => env.now() }),
    },
    access,
    prepare: (env, row) => {
      const move = env.follow(row, 'move_id');
      if (!move) return;
      for (const field of ['picking_id', 'product_id', 'location_id', 'location_dest_id']) row[field] ??= move[field]!;
    },
    afterCreate: (env, row) => countLines(env, ref(row, 'move_id')),
    afterWrite: (env, rows) => {
      for (const row of rows) countLines(env, ref(row, 'move_id'));
    },
  });
  db.define({
    name: 'stock.lot',
    description: 'Lot/Serial',
    order: 'name, id',
    thread: true,
    fields: {
      name: char('Lot/Serial Number', { required: true, index: true }),
      ref: char('Internal Reference', { index: true }),
      product_id: many2one('product.product', 'Product', { required: true }),
      expiration_date: datetime('Expiration Date'),
      note: html('Description'),
      company_id: many2one('res.company', 'Company'),
    },
    access,
  });
  db.define({
    name: 'stock.backorder.confirmation',
    description: 'Backorder Confirmation',
    transient: true,
    fields: { pick_ids: many2many('stock.picking', 'Transfers') },
    methods: {
      process: action((env, ids) => resume(env, 'stock.backorder.confirmation', ids, { skip_backorder: true })),
      process_cancel_backorder: action((env, ids) => {
        const picks = env.browse('stock.backorder.confirmation', ids).flatMap((row) => pickings(env, row));
        return resume(env, 'stock.backorder.confirmation', ids, {
          skip_backorder: true,
          picking_ids_not_to_backorder: picks,
        });
      }),
    },
  });
  db.define({
    name: 'confirm.stock.sms',
    description: 'Confirm Stock SMS',
    transient: true,
    fields: { pick_ids: many2many('stock.picking', 'Pickings') },
    methods: {
      send_sms: action((env, ids) => resume(env, 'confirm.stock.sms', ids, { skip_sms: true })),
      dont_send_sms: action((env, ids) => resume(env, 'confirm.stock.sms', ids, { skip_sms: true })),
    },
  });
}

/** The transfers a wizard is about: its own field, else what its context names. */
function pickings(env: Env, wizard: Row): number[] {
  const own = list(wizard, 'pick_ids');
  return [...(own.length > 0 ? own : ((env.context.button_validate_picking_ids as number[] | undefined) ?? []))];
}

function resume(env: Env, wizard: string, ids: number[], context: Record<string, unknown>): unknown {
  const picks = env.browse(wizard, ids).flatMap((row) => pickings(env, row));
  return validate(env.with(context), picks);
}

/** `button_validate`: `true`, or the window action of a wizard and then nothing is done yet. */
function validate(env: Env, ids: number[]): unknown {
  env.check(env.db.get('stock.picking'), 'write');
  const root = env.sudo();
  const open = env.browse('stock.picking', ids).filter((picking) => picking.state !== 'done');
  for (const picking of open) {
    if (picking.state === 'draft') force(root, picking);
    const moves = openMoves(root, picking);
    if (moves.length === 0) throw userError('Please add some items to move.');
    if (moves.every((move) => number(move, 'quantity') === 0)) {
      throw userError(
        'You cannot validate a transfer if no quantities are reserved. To force the transfer, encode quantities.',
      );
    }
    for (const move of picked(moves)) checkLots(root, move);
  }
  if (!env.context.skip_sms) {
    const outgoing = open.filter((picking) => root.follow(picking, 'picking_type_id')?.code === 'outgoing');
    const company = root.row('res.company', env.company());
    if (outgoing.length > 0 && company && !flag(company, 'has_received_warning_stock_sms')) {
      root.set(company, { has_received_warning_stock_sms: true });
      return wizard(env, 'confirm.stock.sms', 'SMS', ids, outgoing);
    }
  }
  const partial = open.filter((picking) =>
    openMoves(root, picking).some((move) => done(root, picking, move) < number(move, 'product_uom_qty')),
  );
  if (partial.length > 0 && !env.context.skip_backorder) {
    return wizard(env, 'stock.backorder.confirmation', 'Create Backorder?', ids, partial);
  }
  const dropped = (env.context.picking_ids_not_to_backorder as number[] | undefined) ?? [];
  for (const picking of open) finish(root, picking, !dropped.includes(picking.id));
  root.flush();
  return true;
}

function wizard(env: Env, model: string, name: string, ids: number[], about: Row[]): unknown {
  return {
    name,
    type: 'ir.actions.act_window',
    res_model: model,
    view_mode: 'form',
    views: [[false, 'form']],
    target: 'new',
    context: {
      ...env.context,
      button_validate_picking_ids: ids,
      default_pick_ids: about.map((picking) => [4, picking.id]),
    },
  };
}

function confirm(env: Env, picking: Row): void {
  for (const move of env.lines(picking, 'move_ids')) {
    if (move.state !== 'draft') continue;
    env.set(move, { state: 'confirmed' });
    // Operation types reserve at confirmation unless they are set up otherwise.
    reserve(env.sudo(), move);
  }
  settlePicking(env, picking);
}

/** A draft that is validated is confirmed, and what could not be reserved counts as moved: stock may become negative. */
function force(env: Env, picking: Row): void {
  confirm(env, picking);
  for (const move of openMoves(env, picking)) {
    if (number(move, 'quantity') === 0) env.set(move, { quantity: number(move, 'product_uom_qty') });
  }
}

const openMoves = (env: Env, picking: Row): Row[] =>
  env.lines(picking, 'move_ids').filter((move) => move.state !== 'done' && move.state !== 'cancel');

/** The moves that count: the picked ones, or all when nothing is marked as picked. */
function picked(moves: Row[]): Row[] {
  const marked = moves.filter((move) => flag(move, 'picked'));
  return marked.length > 0 ? marked : moves;
}

function done(env: Env, picking: Row, move: Row): number {
  return picked(openMoves(env, picking)).includes(move) ? number(move, 'quantity') : 0;
}

function checkLots(env: Env, move: Row): void {
  const product = env.follow(move, 'product_id')!;
  if (env.value('product.product', product, 'tracking') === 'none' || number(move, 'quantity') === 0) return;
  const lines = env.lines(move, 'move_line_ids').filter((line) => number(line, 'quantity') > 0);
  if (lines.length === 0 || lines.some((line) => line.lot_id === null && line.lot_name === null)) {
    throw userError(
      `You need to supply a Lot/Serial Number for product:\n${env.label(env.db.get('product.product'), product)}`,
    );
  }
}

function finish(env: Env, picking: Row, backorder: boolean): void {
  const rest: { move: Row; quantity: number }[] = [];
  const moves = openMoves(env, picking);
  const quantities = new Map(moves.map((move) => [move.id, done(env, picking, move)]));
  for (const move of moves) {
    const quantity = quantities.get(move.id)!;
    const missing = difference(number(move, 'product_uom_qty'), quantity);
    if (missing > 0) rest.push({ move, quantity: missing });
    if (quantity === 0) {
      if (!backorder) env.set(move, { state: 'cancel' });
      continue;
    }
    env.set(move, {
      state: 'done',
      picked: true,
      date: env.now(),
      ...(missing > 0 ? { product_uom_qty: quantity } : {}),
    });
    if (env.lines(move, 'move_line_ids').length === 0) {
      env.create('stock.move.line', {
        move_id: move.id,
        quantity,
        picked: true,
        product_uom_id: move.product_uom ?? false,
      });
    }
    transfer(env, move, quantity);
    const line = env.follow(move, 'purchase_line_id');
    if (line) {
      env.set(line, { qty_received: sum([number(line, 'qty_received'), quantity]) });
      env.touch('purchase.order.line', line.id);
    }
    const sold = env.follow(move, 'sale_line_id');
    if (sold) env.set(sold, { qty_delivered: sum([number(sold, 'qty_delivered'), quantity]) });
  }
  env.set(picking, { state: 'done', date_done: env.now() });
  if (rest.length === 0 || !backorder) return;
  const follower = env.create('stock.picking', {
    origin: picking.origin ?? false,
    partner_id: picking.partner_id ?? false,
    picking_type_id: picking.picking_type_id,
    location_id: picking.location_id,
    location_dest_id: picking.location_dest_id,
    company_id: picking.company_id,
    backorder_id: picking.id,
    purchase_id: picking.purchase_id ?? false,
    sale_id: picking.sale_id ?? false,
  });
  for (const { move, quantity } of rest) {
    if (move.state !== 'done') {
      env.set(move, { picking_id: follower });
      continue;
    }
    addMove(env, env.one('stock.picking', follower), {
      product: ref(move, 'product_id')!,
      uom: ref(move, 'product_uom'),
      quantity,
      purchaseLine: ref(move, 'purchase_line_id'),
      saleLine: ref(move, 'sale_line_id'),
    });
  }
  settlePicking(env, env.one('stock.picking', follower));
}

/** Moves stock between the quants of two locations, by lot where lines name one. */
export function transfer(env: Env, move: Row, quantity: number): void {
  const product = ref(move, 'product_id')!;
  const lines = env.lines(move, 'move_line_ids').filter((line) => number(line, 'quantity') > 0);
  const parts = lines.length > 0 ? lines.map((line) => ({ line, part: number(line, 'quantity') })) : [];
  for (const { line, part } of parts.length > 0 ? parts : [{ line: undefined, part: quantity }]) {
    let lot = line ? ref(line, 'lot_id') : null;
    if (line && lot === null && line.lot_name) {
      const [known] = env.search('stock.lot', [
        ['name', '=', line.lot_name],
        ['product_id', '=', product],
      ]);
      lot = known ?? env.create('stock.lot', { name: line.lot_name, product_id: product, company_id: move.company_id });
      env.set(line, { lot_id: lot });
    }
    const pieces = inProductUnit(env, move, part);
    change(env, product, ref(move, 'location_id')!, lot, -pieces);
    change(env, product, ref(move, 'location_dest_id')!, lot, pieces);
  }
}

/** A move's quantity, which is in its own unit, in the unit in which the product is kept. */
export function inProductUnit(env: Env, move: Row, quantity: number): number {
  const product = env.follow(move, 'product_id')!;
  const own = env.follow(move, 'product_uom');
  const kept = env.row('uom.uom', Number(env.value('product.product', product, 'uom_id') ?? 0));
  if (!own || !kept || own.id === kept.id) return quantity;
  return roundNumber((quantity * number(own, 'factor')) / number(kept, 'factor'), 6);
}

function change(env: Env, product: number, location: number, lot: number | null, by: number): void {
  if (!isStored(env, env.one('product.product', product))) return;
  for (const id of env.db.get('stock.quant').table.lookup('product_id', product) ?? []) {
    const quant = env.row('stock.quant', id)!;
    if (quant.location_id === location && ref(quant, 'lot_id') === lot) {
      env.set(quant, { quantity: sum([number(quant, 'quantity'), by]) });
      return;
    }
  }
  env.create('stock.quant', { product_id: product, location_id: location, lot_id: lot ?? false, quantity: by });
}

interface Demand {
  product: number;
  uom: number | null;
  quantity: number;
  purchaseLine?: number | null;
  saleLine?: number | null;
}

export function addMove(env: Env, picking: Row, demand: Demand): Row {
  const product = env.one('product.product', demand.product);
  const id = env.create('stock.move', {
    ...(env.profile.moveName ? { name: env.label(env.db.get('product.product'), product) } : {}),
    picking_id: picking.id,
    product_id: demand.product,
    product_uom: demand.uom ?? false,
    product_uom_qty: demand.quantity,
    location_id: picking.location_id,
    location_dest_id: picking.location_dest_id,
    company_id: picking.company_id,
    origin: picking.origin ?? false,
    purchase_line_id: demand.purchaseLine ?? false,
    sale_line_id: demand.saleLine ?? false,
    state: 'confirmed',
  });
  const move = env.one('stock.move', id);
  reserve(env, move);
  return move;
}

/** Odoo counts only what is marked as storable; other goods are always there. */
export function isStored(env: Env, product: Row): boolean {
  return env.profile.storable === 'type'
    ? env.value('product.product', product, 'type') === 'product'
    : env.value('product.product', product, 'is_storable') === true;
}

/** Goods from a vendor are always there; others as far as stock reaches. */
function reserve(env: Env, move: Row): void {
  if (!['draft', 'confirmed', 'partially_available', 'waiting'].includes(text(move, 'state'))) return;
  const source = env.follow(move, 'location_id')!;
  const demand = number(move, 'product_uom_qty');
  const product = env.follow(move, 'product_id')!;
  let quantity = demand;
  if (source.usage === 'internal' && isStored(env, product)) {
    env.set(move, { state: 'confirmed' });
    quantity =
      env.value('product.product', product, 'tracking') === 'none' && env.lines(move, 'move_line_ids').length === 0
        ? reservable(env, move, demand, freeAt(env, product.id, source.id, undefined, move.id))
        : reserveLots(env, move, demand);
  }
  env.set(move, {
    quantity,
    state: quantity >= demand ? 'assigned' : quantity > 0 ? 'partially_available' : 'confirmed',
  });
}

/** What was reserved is free again; a move that is picked already keeps what it holds. */
function unreserve(env: Env, move: Row): void {
  if (!['assigned', 'partially_available'].includes(text(move, 'state')) || flag(move, 'picked')) return;
  const lines = env.lines(move, 'move_line_ids').map(({ id }) => id);
  env.unlink('stock.move.line', lines);
  env.set(move, { quantity: 0, state: 'confirmed' });
}

function reservable(env: Env, move: Row, demand: number, free: number): number {
  return Math.max(0, Math.min(demand, free / inProductUnit(env, move, 1)));
}

/** The lots that a move names already, then the oldest quants that have some left. */
function reserveLots(env: Env, move: Row, demand: number): number {
  const [product, location] = [ref(move, 'product_id')!, ref(move, 'location_id')!];
  let reserved = sum(env.lines(move, 'move_line_ids').map((line) => number(line, 'quantity')));
  for (const quant of quantsAt(env, product, location)) {
    if (reserved >= demand) break;
    const free = freeAt(env, product, location, ref(quant, 'lot_id'));
    const part = reservable(env, move, difference(demand, reserved), free);
    if (part <= 0) continue;
    env.create('stock.move.line', { move_id: move.id, lot_id: quant.lot_id ?? false, quantity: part });
    reserved = sum([reserved, part]);
  }
  return reserved;
}

function quantsAt(env: Env, product: number, location: number): Row[] {
  return [...(env.db.get('stock.quant').table.lookup('product_id', product) ?? [])]
    .map((id) => env.row('stock.quant', id)!)
    .filter((quant) => quant.location_id === location);
}

export function stockAt(env: Env, product: number, location: number): number {
  return sum(quantsAt(env, product, location).map((quant) => number(quant, 'quantity')));
}

/** What open moves hold at a place: of one lot (null: without one), or of all (undefined); `without` one move. */
function reservedAt(
  env: Env,
  product: number,
  location: number,
  lot: number | null | undefined,
  without?: number,
): number {
  const parts: number[] = [];
  for (const id of env.db.get('stock.move').table.lookup('product_id', product) ?? []) {
    const move = env.row('stock.move', id)!;
    if (id === without || move.location_id !== location) continue;
    if (!['assigned', 'partially_available', 'confirmed'].includes(text(move, 'state'))) continue;
    const lines = env.lines(move, 'move_line_ids');
    const held = lines.length === 0 ? [move] : lines.filter((line) => lot === undefined || ref(line, 'lot_id') === lot);
    if (lines.length === 0 && lot !== undefined && lot !== null) continue;
    for (const each of held) parts.push(inProductUnit(env, move, number(each, 'quantity')));
  }
  return sum(parts);
}

export function reservedOf(env: Env, quant: Row): number {
  const place = env.follow(quant, 'location_id');
  if (place?.usage !== 'internal') return 0;
  return reservedAt(env, ref(quant, 'product_id')!, place.id, ref(quant, 'lot_id'));
}

/** On hand less reserved, at exactly this place; a lot, none (null), or all (undefined). */
export function freeAt(
  env: Env,
  product: number,
  location: number,
  lot: number | null | undefined,
  without?: number,
): number {
  const onHand = quantsAt(env, product, location).filter((quant) => lot === undefined || ref(quant, 'lot_id') === lot);
  return difference(
    sum(onHand.map((quant) => number(quant, 'quantity'))),
    reservedAt(env, product, location, lot, without),
  );
}

/** Incoming transfer of a confirmed order, for the lines that have none yet: a second confirmation adds nothing. */
export function createReceipt(env: Env, order: Row): void {
  const { profile } = env;
  const lines = env.lines(order, 'order_line').filter((line) => {
    const product = env.follow(line, 'product_id');
    if (!product || env.value('product.product', product, 'type') === 'service') return false;
    return env.lines(line, 'move_ids').every((move) => move.state === 'cancel');
  });
  if (lines.length === 0) return;
  const type = env.follow(order, 'picking_type_id')!;
  const open = env.lines(order, 'picking_ids').find((row) => row.state !== 'done' && row.state !== 'cancel');
  const picking =
    open ??
    env.one(
      'stock.picking',
      env.create('stock.picking', {
        picking_type_id: type.id,
        partner_id: order.partner_id,
        origin: order.name,
        location_id: type.default_location_src_id,
        location_dest_id: type.default_location_dest_id,
        company_id: order.company_id,
        purchase_id: order.id,
        scheduled_date: order.date_planned ? String(order.date_planned).slice(0, 19) : env.now(),
      }),
    );
  for (const line of lines) {
    addMove(env, picking, {
      product: ref(line, 'product_id')!,
      uom: ref(line, profile.lineUom),
      quantity: number(line, 'product_qty'),
      purchaseLine: line.id,
    });
  }
  settlePicking(env, picking);
}

/** A changed quantity of a confirmed line changes the open demand. */
export function followDemand(env: Env, line: Row): void {
  const move = env.lines(line, 'move_ids').find((row) => row.state !== 'done' && row.state !== 'cancel');
  if (!move) return;
  const demand = difference(number(line, 'product_qty'), number(line, 'qty_received'));
  env.set(move, { product_uom_qty: demand, state: 'confirmed' });
  reserve(env, move);
}

export function cancelPicking(env: Env, picking: Row): void {
  if (picking.state === 'done') throw userError('You cannot cancel a stock move that has been set to ‘Done’.');
  for (const move of env.lines(picking, 'move_ids')) env.set(move, { state: 'cancel', quantity: 0 });
  env.set(picking, { state: 'cancel' });
}

/** State of a transfer from its moves. */
export function settlePicking(env: Env, picking: Row): void {
  const states = env
    .lines(picking, 'move_ids')
    .map((move) => move.state)
    .filter((state) => state !== 'cancel');
  if (states.length === 0) return;
  // Ready as soon as something can go: "as soon as possible" is Odoo's usual shipping policy.
  const state = states.includes('draft')
    ? 'draft'
    : states.every((s) => s === 'done')
      ? 'done'
      : states.some((s) => s === 'assigned' || s === 'partially_available')
        ? 'assigned'
        : 'confirmed';
  env.set(picking, { state });
}

function countLines(env: Env, moveId: number | null): void {
  const move = moveId === null ? undefined : env.row('stock.move', moveId);
  if (!move || move.state === 'done') return;
  const lines = env.lines(move, 'move_line_ids');
  env.set(move, { quantity: sum(lines.map((line) => number(line, 'quantity'))) });
}

/** Sales orders: confirmation (once, then refused), delivery, invoice through its wizard. */
import { userError } from '../errors.ts';
import { difference, lineAmount, sum } from '../exact.ts';
import {
  boolean,
  char,
  datetime,
  float,
  html,
  integer,
  many2many,
  many2one,
  monetary,
  one2many,
  related,
  type Row,
  selection,
} from '../fields.ts';
import { action, type Database, type Env, list, number, ref, text } from '../orm.ts';
import { companyCurrency, decimalsOf, groups, nextNumber } from './base.ts';
import { taxOf } from './purchase.ts';
import { addMove, cancelPicking, settlePicking } from './stock.ts';

export function defineSale(db: Database): void {
  const { profile } = db;
  const access = {
    read: [groups.sales, groups.account],
    write: [groups.sales],
    create: [groups.sales],
    unlink: [groups.sales],
  };
  const states = { draft: 'Quotation', sent: 'Quotation Sent', sale: 'Sales Order', cancel: 'Cancelled' };
  db.define({
    name: 'sale.order',
    description: 'Sales Order',
    order: 'date_order desc, id desc',
    thread: true,
    fields: {
      name: char('Order Reference', { required: true, index: true, default: 'New', copy: false }),
      client_order_ref: char('Customer Reference', { index: true, copy: false }),
      origin: char('Source Document', { index: true }),
      partner_id: many2one('res.partner', 'Customer', { required: true, ondelete: 'restrict' }),
      company_id: many2one('res.company', 'Company', { required: true, default: (env: Env) => env.company() }),
      currency_id: many2one('res.currency', 'Currency', {
        required: true,
        default: (env: Env) => companyCurrency(env),
      }),
      user_id: many2one('res.users', 'Salesperson', { default: (env: Env) => env.uid, index: false }),
      date_order: datetime('Order Date', { required: true, default: (env: Env) => env.now() }),
      commitment_date: datetime('Delivery Date', { copy: false }),
      state: selection('Status', states, { default: 'draft', readonly: true, index: true, copy: false }),
      locked: boolean('Locked', { copy: false }),
      order_line: one2many('sale.order.line', 'order_id', 'Order Lines'),
      note: html('Terms and conditions'),
      amount_untaxed: monetary('Untaxed Amount', { readonly: true, copy: false }),
      amount_tax: monetary('Taxes', { readonly: true, copy: false }),
      amount_total: monetary('Total', { readonly: true, copy: false }),
      invoice_ids: many2many('account.move', 'Invoices', { readonly: true, copy: false }),
      picking_ids: one2many('stock.picking', 'sale_id', 'Transfers'),
      duplicated_order_ids: many2many('sale.order', 'Duplicated Orders', {
        compute: (env, row) =>
          row.client_order_ref === null
            ? []
            : [...(env.db.get('sale.order').table.lookup('client_order_ref', row.client_order_ref!) ?? [])].filter(
                (id) => id !== row.id,
              ),
      }),
    },
    access,
    prepare: (env, row) => {
      if (row.name === 'New' || row.name === null) {
        row.name = `S${String(nextNumber(env, 'sale.order')).padStart(5, '0')}`;
      }
    },
    beforeUnlink: (_env, rows) => {
      if (rows.some((row) => row.state !== 'draft' && row.state !== 'cancel')) {
        throw userError('You can not delete a sent quotation or a confirmed sales order. You must first cancel it.');
      }
    },
    recompute: (env, order) => {
      const lines = env.lines(order, 'order_line');
      const untaxed = sum(lines.map((line) => number(line, 'price_subtotal')));
      const tax = sum(lines.map((line) => number(line, 'price_tax')));
      env.set(order, { amount_untaxed: untaxed, amount_tax: tax, amount_total: sum([untaxed, tax]) });
    },
    methods: {
      action_confirm: action((env, ids) => {
        env.check(env.db.get('sale.order'), 'write');
        const orders = env.browse('sale.order', ids);
        if (orders.some((order) => order.state !== 'draft' && order.state !== 'sent')) {
          throw userError('Some orders are not in a state requiring confirmation.');
        }
        for (const order of orders) {
          env.set(order, { state: 'sale', date_order: env.now() });
          createDelivery(env.sudo(), order);
          for (const line of env.lines(order, 'order_line')) env.touch('sale.order.line', line.id);
        }
        env.flush();
        return true;
      }),
      action_cancel: action((env, ids) => {
        env.check(env.db.get('sale.order'), 'write');
        for (const order of env.browse('sale.order', ids)) {
          for (const picking of env.lines(order, 'picking_ids')) {
            if (picking.state !== 'done') cancelPicking(env.sudo(), picking);
          }
          env.set(order, { state: 'cancel' });
        }
        return true;
      }),
      action_draft: action((env, ids) => {
        for (const order of env.browse('sale.order', ids)) {
          if (order.state === 'cancel' || order.state === 'sent') env.set(order, { state: 'draft' });
        }
        return true;
      }),
    },
  });
  db.define({
    name: 'sale.order.line',
    description: 'Sales Order Line',
    order: 'order_id, sequence, id',
    fields: {
      order_id: many2one('sale.order', 'Order Reference', { required: true, ondelete: 'cascade' }),
      sequence: integer('Sequence', { default: 10 }),
      name: char('Description', { required: true }),
      product_id: many2one('product.product', 'Product', { ondelete: 'restrict' }),
      product_uom_qty: float('Quantity', { required: true, digits: 2, default: 1 }),
      [profile.lineUom]: many2one('uom.uom', 'Unit'),
      price_unit: float('Unit Price', { required: true, ...(profile.version === '19' ? {} : { digits: 2 }) }),
      discount: float('Discount (%)', { digits: 2 }),
      [profile.saleLineTaxes]: many2many('account.tax', 'Taxes'),
      display_type: selection('Display Type', { line_section: 'Section', line_note: 'Note' }),
      price_subtotal: monetary('Subtotal', { readonly: true, copy: false }),
      price_tax: monetary('Total Tax', { readonly: true, copy: false }),
      price_total: monetary('Total', { readonly: true, copy: false }),
      qty_delivered: float('Delivery Quantity', { copy: false }),
      qty_invoiced: float('Invoiced Quantity', { readonly: true, copy: false }),
      qty_to_invoice: float('Quantity To Invoice', {
        compute: (_env, row) => difference(number(row, 'product_uom_qty'), number(row, 'qty_invoiced')),
      }),
      move_ids: one2many('stock.move', 'sale_line_id', 'Stock Moves'),
      state: related(selection('Order Status', states), 'order_id', 'state'),
    },
    access,
    prepare: (env, row, given) => {
      const product = env.follow(row, 'product_id');
      if (!product) return;
      row.name ??= env.sudo().label(env.db.get('product.product'), product);
      row[profile.lineUom] ??= env.value('product.product', product, 'uom_id');
      if (!given.has('price_unit')) row.price_unit = env.value('product.product', product, 'list_price');
      if (!given.has(profile.saleLineTaxes)) {
        row[profile.saleLineTaxes] = env.value('product.product', product, 'taxes_id');
      }
    },
    beforeUnlink: (env, rows) => {
      if (rows.some((row) => env.follow(row, 'order_id')?.state === 'sale' && !row.display_type)) {
        throw userError('Once a sales order is confirmed, you can’t remove one of its lines.');
      }
    },
    afterUnlink: (env, rows) => {
      for (const row of rows) env.touch('sale.order', ref(row, 'order_id')!);
    },
    recompute: (env, row) => {
      const order = env.follow(row, 'order_id');
      if (!order) return;
      const decimals = decimalsOf(env, ref(order, 'currency_id'));
      const subtotal = row.display_type
        ? 0
        : lineAmount(number(row, 'product_uom_qty'), number(row, 'price_unit'), number(row, 'discount'), decimals);
      const tax = taxOf(env, list(row, profile.saleLineTaxes), subtotal, decimals);
      env.set(row, { price_subtotal: subtotal, price_tax: tax, price_total: sum([subtotal, tax]) });
      env.touch('sale.order', order.id);
    },
  });
  db.define({
    name: 'sale.advance.payment.inv',
    description: 'Sales Advance Payment Invoice',
    recName: 'advance_payment_method',
    transient: true,
    fields: {
      advance_payment_method: selection(
        'Create Invoice',
        { delivered: 'Regular invoice', percentage: 'Down payment (percentage)', fixed: 'Down payment (fixed amount)' },
        { default: 'delivered', required: true },
      ),
      sale_order_ids: many2many('sale.order', 'Sales Orders', {
        default: (env: Env) => [[6, 0, (env.context.active_ids as number[] | undefined) ?? []]],
      }),
    },
    methods: {
      create_invoices: action((env, ids) => {
        const orders = env
          .browse('sale.advance.payment.inv', ids)
          .flatMap((wizard) => env.browse('sale.order', list(wizard, 'sale_order_ids')));
        return invoice(env, orders);
      }),
    },
  });
}

function createDelivery(env: Env, order: Row): void {
  const { profile } = env;
  const lines = env.lines(order, 'order_line').filter((line) => {
    const product = env.follow(line, 'product_id');
    return product !== undefined && env.value('product.product', product, 'type') !== 'service';
  });
  if (lines.length === 0) return;
  const [type] = env.search('stock.picking.type', [
    ['code', '=', 'outgoing'],
    ['company_id', '=', order.company_id],
  ]);
  if (type === undefined) return;
  const row = env.one('stock.picking.type', type);
  const picking = env.one(
    'stock.picking',
    env.create('stock.picking', {
      picking_type_id: type,
      partner_id: order.partner_id,
      origin: order.name,
      location_id: row.default_location_src_id,
      location_dest_id: row.default_location_dest_id,
      company_id: order.company_id,
      sale_id: order.id,
    }),
  );
  for (const line of lines) {
    addMove(env, picking, {
      product: ref(line, 'product_id')!,
      uom: ref(line, profile.lineUom),
      quantity: number(line, 'product_uom_qty'),
      saleLine: line.id,
    });
  }
  settlePicking(env, picking);
}

function invoice(env: Env, orders: Row[]): unknown {
  const root = env.sudo();
  const invoices: number[] = [];
  for (const order of orders) {
    const lines = env
      .lines(order, 'order_line')
      .filter((line) => order.state === 'sale' && Number(env.value('sale.order.line', line, 'qty_to_invoice')) > 0);
    if (lines.length === 0) {
      throw userError('Cannot create an invoice. No items are available to invoice.');
    }
    const move = root.create('account.move', {
      move_type: 'out_invoice',
      partner_id: order.partner_id,
      currency_id: order.currency_id,
      company_id: order.company_id,
      invoice_origin: text(order, 'name'),
      ref: order.client_order_ref ?? false,
      invoice_line_ids: lines.map((line) => [
        0,
        0,
        {
          name: line.name,
          product_id: line.product_id ?? false,
          quantity: env.value('sale.order.line', line, 'qty_to_invoice'),
          price_unit: line.price_unit,
          discount: line.discount,
          tax_ids: [[6, 0, list(line, env.profile.saleLineTaxes)]],
          sale_line_ids: [[6, 0, [line.id]]],
        },
      ]),
    });
    for (const line of lines) root.set(line, { qty_invoiced: number(line, 'product_uom_qty') });
    root.set(order, { invoice_ids: [...list(order, 'invoice_ids'), move] });
    invoices.push(move);
  }
  env.flush();
  return {
    type: 'ir.actions.act_window',
    name: 'Invoices',
    res_model: 'account.move',
    view_mode: 'form',
    ...(invoices.length === 1 ? { res_id: invoices[0] } : { domain: [['id', 'in', invoices]] }),
  };
}

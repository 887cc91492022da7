/** Purchase orders: totals, confirmation (one receipt, once), cancellation, vendor bill. */
import { userError, validationError } from '../errors.ts';
import { difference, lineAmount, percentage, sum } from '../exact.ts';
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
import { supplierPrice } from './product.ts';
import { cancelPicking, createReceipt, followDemand } from './stock.ts';

export function definePurchase(db: Database): void {
  const { profile } = db;
  const access = {
    read: [groups.purchase, groups.account],
    write: [groups.purchase],
    create: [groups.purchase],
    unlink: [groups.purchase],
  };
  const states = {
    draft: 'RFQ',
    sent: 'RFQ Sent',
    'to approve': 'To Approve',
    purchase: 'Purchase Order',
    ...(profile.purchaseLocked === 'state' ? { done: 'Locked' } : {}),
    cancel: 'Cancelled',
  };
  db.define({
    name: 'purchase.order',
    description: 'Purchase Order',
    order: 'priority desc, id desc',
    thread: true,
    fields: {
      name: char('Order Reference', { required: true, index: true, default: 'New', copy: false }),
      priority: selection('Priority', { '0': 'Normal', '1': 'Urgent' }, { default: '0' }),
      origin: char('Source', { index: true, copy: false }),
      partner_ref: char('Vendor Reference', { index: true, copy: false }),
      partner_id: many2one('res.partner', 'Vendor', { required: true, ondelete: 'restrict' }),
      company_id: many2one('res.company', 'Company', { required: true, default: (env: Env) => env.company() }),
      currency_id: many2one('res.currency', 'Currency', {
        required: true,
        default: (env: Env) => companyCurrency(env),
      }),
      user_id: many2one('res.users', 'Buyer', { default: (env: Env) => env.uid, index: false }),
      date_order: datetime('Order Deadline', { required: true, default: (env: Env) => env.now() }),
      date_approve: datetime('Confirmation Date', { readonly: true, copy: false }),
      date_planned: datetime('Expected Arrival'),
      state: selection('Status', states, { default: 'draft', readonly: true, index: true, copy: false }),
      ...(profile.purchaseLocked === 'field'
        ? { locked: boolean('Locked', { copy: false }), acknowledged: boolean('Acknowledged', { copy: false }) }
        : {}),
      picking_type_id: many2one('stock.picking.type', 'Deliver To', {
        required: true,
        default: (env: Env) => receiptType(env),
      }),
      order_line: one2many('purchase.order.line', 'order_id', 'Order Lines'),
      [profile.purchaseNote]: html('Terms and Conditions'),
      amount_untaxed: monetary('Untaxed Amount', { readonly: true, copy: false }),
      amount_tax: monetary('Taxes', { readonly: true, copy: false }),
      amount_total: monetary('Total', { readonly: true, copy: false }),
      invoice_ids: many2many('account.move', 'Bills', { readonly: true, copy: false }),
      invoice_count: integer('Bill Count', { compute: (_env, row) => list(row, 'invoice_ids').length }),
      invoice_status: selection(
        'Billing Status',
        { no: 'Nothing to Bill', 'to invoice': 'Waiting Bills', invoiced: 'Fully Billed' },
        { readonly: true, default: 'no', copy: false },
      ),
      picking_ids: one2many('stock.picking', 'purchase_id', 'Receptions'),
      incoming_picking_count: integer('Incoming Shipment count', {
        compute: (env, row) => env.lines(row, 'picking_ids').length,
      }),
      receipt_status: selection(
        'Receipt Status',
        { pending: 'Not Received', partial: 'Partially Received', full: 'Fully Received' },
        { compute: (env, row) => receiptStatus(env, row) },
      ),
    },
    access,
    displayName: (_env, row) => text(row, 'name') + (row.partner_ref === null ? '' : ` (${text(row, 'partner_ref')})`),
    prepare: (env, row, given) => {
      const currency = env.follow(row, 'partner_id')?.property_purchase_currency_id;
      if (currency && !given.has('currency_id')) row.currency_id = currency;
      if (row.name === 'New' || row.name === null) {
        row.name = `P${String(nextNumber(env, 'purchase.order')).padStart(5, '0')}`;
      }
    },
    beforeUnlink: (_env, rows) => {
      for (const row of rows) {
        if (row.state !== 'cancel') {
          throw userError('In order to delete a purchase order, you must cancel it first.');
        }
      }
    },
    recompute: (env, order) => {
      const lines = env.lines(order, 'order_line');
      const untaxed = sum(lines.map((line) => number(line, 'price_subtotal')));
      const tax = sum(lines.map((line) => number(line, 'price_tax')));
      env.set(order, {
        amount_untaxed: untaxed,
        amount_tax: tax,
        amount_total: sum([untaxed, tax]),
        invoice_status: invoiceStatus(order, lines),
        ...(order.date_planned === null && lines.length > 0
          ? { date_planned: lines.map((line) => text(line, 'date_planned')).sort()[0] ?? null }
          : {}),
      });
    },
    methods: {
      button_confirm: action((env, ids) => {
        for (const order of env.browse('purchase.order', ids)) {
          env.check(env.db.get('purchase.order'), 'write');
          if (order.state !== 'draft' && order.state !== 'sent') continue;
          env.set(order, { state: 'purchase', date_approve: env.now() });
          createReceipt(env.sudo(), order);
          rememberVendor(env.sudo(), order);
          for (const line of env.lines(order, 'order_line')) env.touch('purchase.order.line', line.id);
          env.touch('purchase.order', order.id);
        }
        env.flush();
        return true;
      }),
      button_cancel: action((env, ids) => {
        const root = env.sudo();
        for (const order of env.browse('purchase.order', ids)) {
          env.check(env.db.get('purchase.order'), 'write');
          if (order.locked === true || order.state === 'done') {
            throw userError(`Unable to cancel purchase order(s): ${text(order, 'name')}. You must first unlock them.`);
          }
          for (const bill of list(order, 'invoice_ids')) {
            const state = env.row('account.move', bill)?.state;
            if (state === 'posted') {
              throw userError(
                `Unable to cancel purchase order(s): ${text(order, 'name')}. You must first cancel their related vendor bills.`,
              );
            }
          }
          for (const picking of root.lines(order, 'picking_ids')) {
            if (picking.state === 'done') {
              throw userError(
                `Unable to cancel purchase order(s): ${text(order, 'name')}. You have received products already.`,
              );
            }
            cancelPicking(root, picking);
          }
          env.set(order, { state: 'cancel' });
        }
        return null;
      }),
      button_draft: action((env, ids) => {
        for (const order of env.browse('purchase.order', ids)) env.set(order, { state: 'draft' });
        return {};
      }),
      button_lock: action((env, ids) => lock(env, ids, true)),
      button_unlock: action((env, ids) => lock(env, ids, false)),
      action_create_invoice: action((env, ids) => createBills(env, env.browse('purchase.order', ids))),
    },
  });
  db.define({
    name: 'purchase.order.line',
    description: 'Purchase Order Line',
    order: 'order_id, sequence, id',
    fields: {
      order_id: many2one('purchase.order', 'Order Reference', { required: true, ondelete: 'cascade' }),
      sequence: integer('Sequence', { default: 10 }),
      name: char('Description', { required: true }),
      product_id: many2one('product.product', 'Product', { ondelete: 'restrict' }),
      product_qty: float('Quantity', { required: true, digits: 2, default: 1 }),
      [profile.lineUom]: many2one('uom.uom', 'Unit'),
      price_unit: float('Unit Price', { required: true, ...(profile.version === '19' ? {} : { digits: 2 }) }),
      discount: float('Discount (%)', { digits: 2 }),
      [profile.purchaseLineTaxes]: many2many('account.tax', 'Taxes'),
      date_planned: datetime('Expected Arrival'),
      display_type: selection('Display Type', {
        line_section: 'Section',
        line_subsection: 'Subsection',
        line_note: 'Note',
      }),
      price_subtotal: monetary('Subtotal', { readonly: true, copy: false }),
      price_tax: monetary('Tax', { readonly: true, copy: false }),
      price_total: monetary('Total', { readonly: true, copy: false }),
      qty_received: float('Received Qty', { copy: false }),
      qty_invoiced: float('Billed Qty', { readonly: true, copy: false }),
      qty_to_invoice: float('To Invoice Quantity', { readonly: true, copy: false }),
      move_ids: one2many('stock.move', 'purchase_line_id', 'Reservation'),
      invoice_lines: one2many('account.move.line', 'purchase_line_id', 'Bill Lines'),
      partner_id: related(many2one('res.partner', 'Partner'), 'order_id', 'partner_id'),
      currency_id: related(many2one('res.currency', 'Currency'), 'order_id', 'currency_id'),
      company_id: related(many2one('res.company', 'Company'), 'order_id', 'company_id'),
      state: related(selection('Status', states), 'order_id', 'state'),
    },
    access,
    prepare: (env, row, given) => prepareLine(env, row, given),
    afterCreate: (env, row) => {
      const order = env.follow(row, 'order_id');
      if (order?.state === 'purchase') createReceipt(env.sudo(), order);
      if (order) env.touch('purchase.order', order.id);
    },
    beforeWrite: (env, rows, values) => {
      for (const row of rows) {
        if ('product_qty' in values && number(row, 'qty_received') > (values.product_qty as number)) {
          throw userError(
            `You cannot decrease the ordered quantity below the received quantity of ${text(row, 'name')}.`,
          );
        }
        if ('order_id' in values && ref(row, 'order_id') !== values.order_id) {
          const former = ref(row, 'order_id');
          if (former !== null) env.touch('purchase.order', former);
        }
      }
    },
    afterWrite: (env, rows, changed) => {
      for (const row of rows) {
        const order = env.follow(row, 'order_id');
        if (changed.has('product_qty') && order?.state === 'purchase') followDemand(env.sudo(), row);
        if (order) env.touch('purchase.order', order.id);
      }
    },
    beforeUnlink: (env, rows) => {
      for (const row of rows) {
        const order = env.follow(row, 'order_id');
        if (order && ['purchase', 'done'].includes(text(order, 'state')) && !row.display_type) {
          throw userError('Cannot delete a purchase order line which is in state “Purchase Order”.');
        }
      }
    },
    afterUnlink: (env, rows) => {
      for (const row of rows) env.touch('purchase.order', ref(row, 'order_id')!);
    },
    recompute: (env, row) => {
      const order = env.follow(row, 'order_id');
      if (!order) return;
      const decimals = decimalsOf(env, ref(order, 'currency_id'));
      const subtotal = row.display_type
        ? 0
        : lineAmount(number(row, 'product_qty'), number(row, 'price_unit'), number(row, 'discount'), decimals);
      const tax = taxOf(env, list(row, profile.purchaseLineTaxes), subtotal, decimals);
      const product = env.follow(row, 'product_id');
      const policy = product ? env.value('product.product', product, 'purchase_method') : 'purchase';
      const billed = sum(
        env.lines(row, 'invoice_lines').flatMap((line) => {
          const bill = env.follow(line, 'move_id');
          if (!bill || bill.state === 'cancel') return [];
          return [bill.move_type === 'in_refund' ? -number(line, 'quantity') : number(line, 'quantity')];
        }),
      );
      const billable = policy === 'receive' ? number(row, 'qty_received') : number(row, 'product_qty');
      const open = order.state === 'purchase' || order.state === 'done';
      env.set(row, {
        price_subtotal: subtotal,
        price_tax: tax,
        price_total: sum([subtotal, tax]),
        qty_invoiced: billed,
        qty_to_invoice: open ? difference(billable, billed) : 0,
      });
      env.touch('purchase.order', order.id);
    },
  });
}

function receiptType(env: Env): number | null {
  for (const [id, row] of env.db.get('stock.picking.type').table.rows) {
    if (row.code === 'incoming' && row.company_id === env.company()) return id;
  }
  return null;
}

function prepareLine(env: Env, row: Row, given: ReadonlySet<string>): void {
  const { profile } = env;
  const order = env.follow(row, 'order_id');
  const product = env.follow(row, 'product_id');
  if (row.display_type !== null) {
    Object.assign(row, {
      product_id: null,
      price_unit: 0,
      product_qty: 0,
      [profile.lineUom]: null,
      date_planned: null,
    });
    return;
  }
  if (!product) throw validationError('Missing required fields on accountable purchase order line.');
  if (row.date_planned === null) {
    row.date_planned = (order?.date_planned as string | null) ?? (order?.date_order as string | null) ?? env.now();
  }
  if (row.name === null) row.name = env.sudo().label(env.db.get('product.product'), product);
  if (row[profile.lineUom] === null) row[profile.lineUom] = env.value('product.product', product, 'uom_id');
  if (!given.has('price_unit')) {
    row.price_unit =
      supplierPrice(env, product.id, order ? ref(order, 'partner_id') : null) ?? number(product, 'standard_price');
  }
  if (!given.has(profile.purchaseLineTaxes)) {
    row[profile.purchaseLineTaxes] = env.value('product.product', product, 'supplier_taxes_id');
  }
}

/** Confirming adds the vendor to the vendors of each product that did not have it. */
function rememberVendor(env: Env, order: Row): void {
  for (const line of env.lines(order, 'order_line')) {
    const product = env.follow(line, 'product_id');
    const template = product ? ref(product, 'product_tmpl_id') : null;
    if (product === undefined || template === null) continue;
    if (supplierPrice(env, product.id, ref(order, 'partner_id')) !== undefined) continue;
    env.create('product.supplierinfo', {
      partner_id: order.partner_id,
      product_tmpl_id: template,
      price: line.price_unit,
      min_qty: 1,
      currency_id: order.currency_id,
    });
  }
}

/** Sum of percentage taxes, each rounded per line (`round_per_line`). */
export function taxOf(env: Env, taxes: readonly number[], base: number, decimals: number): number {
  return sum(taxes.map((id) => percentage(base, number(env.row('account.tax', id)!, 'amount'), decimals)));
}

function invoiceStatus(order: Row, lines: Row[]): string {
  if (order.state !== 'purchase' && order.state !== 'done') return 'no';
  if (lines.some((line) => number(line, 'qty_to_invoice') !== 0)) return 'to invoice';
  return lines.length > 0 && list(order, 'invoice_ids').length > 0 ? 'invoiced' : 'no';
}

function receiptStatus(env: Env, order: Row): string | null {
  const states = env
    .lines(order, 'picking_ids')
    .map((picking) => picking.state)
    .filter((state) => state !== 'cancel');
  if (states.length === 0) return null;
  if (states.every((state) => state === 'done')) return 'full';
  return states.includes('done') ? 'partial' : 'pending';
}

function lock(env: Env, ids: number[], locked: boolean): null {
  for (const order of env.browse('purchase.order', ids)) {
    env.set(order, env.profile.purchaseLocked === 'field' ? { locked } : { state: locked ? 'done' : 'purchase' });
  }
  return null;
}

/** One draft bill an order. @returns the window action that shows it, as Odoo's button does */
function createBills(env: Env, orders: Row[]): unknown {
  const bills: number[] = [];
  const { profile } = env;
  for (const order of orders) {
    env.check(env.db.get('purchase.order'), 'write');
    const lines = env.lines(order, 'order_line').filter((line) => number(line, 'qty_to_invoice') > 0);
    if (lines.length === 0) {
      throw userError(
        'There is no invoiceable line. If a product has a control policy based on received quantity, ' +
          'please make sure that a quantity has been received.',
      );
    }
    const root = env.sudo();
    const bill = root.create('account.move', {
      move_type: 'in_invoice',
      partner_id: order.partner_id,
      currency_id: order.currency_id,
      company_id: order.company_id,
      invoice_origin: order.name,
      ref: order.partner_ref ?? false,
      invoice_line_ids: lines.map((line) => [
        0,
        0,
        {
          name: line.name,
          product_id: line.product_id ?? false,
          product_uom_id: line[profile.lineUom] ?? false,
          quantity: line.qty_to_invoice,
          price_unit: line.price_unit,
          discount: line.discount,
          tax_ids: [[6, 0, list(line, profile.purchaseLineTaxes)]],
          purchase_line_id: line.id,
        },
      ]),
    });
    env.set(order, { invoice_ids: [...list(order, 'invoice_ids'), bill] });
    bills.push(bill);
  }
  env.flush();
  return {
    type: 'ir.actions.act_window',
    name: 'Vendor Bills',
    res_model: 'account.move',
    view_mode: 'form',
    views: [[false, 'form']],
    target: 'current',
    context: { default_move_type: 'in_invoice' },
    ...(bills.length === 1 ? { res_id: bills[0] } : { domain: [['id', 'in', bills]] }),
  };
}

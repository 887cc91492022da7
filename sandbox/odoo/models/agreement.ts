/** Blanket orders (module `purchase_requisition`), as 18 and 19 name them; 17 has other states and a type record. */
import { userError } from '../errors.ts';
import { char, date, float, html, many2one, one2many, related, selection } from '../fields.ts';
import { action, type Database, type Env, number, ref, text } from '../orm.ts';
import { companyCurrency, groups, nextNumber } from './base.ts';

export function defineAgreement(db: Database): void {
  const { profile } = db;
  if (profile.version === '17') return;
  const access = {
    read: [groups.purchase],
    write: [groups.purchase],
    create: [groups.purchase],
    unlink: [groups.purchase],
  };
  const states = { draft: 'Draft', confirmed: 'Confirmed', done: 'Closed', cancel: 'Cancelled' };
  db.define({
    name: 'purchase.requisition',
    description: 'Purchase Requisition',
    order: 'id desc',
    thread: true,
    fields: {
      name: char('Agreement', { required: true, default: 'New', copy: false, readonly: true }),
      reference: char('Reference'),
      vendor_id: many2one('res.partner', 'Vendor'),
      requisition_type: selection(
        'Agreement Type',
        { blanket_order: 'Blanket Order', purchase_template: 'Purchase Template' },
        { required: true, default: 'blanket_order' },
      ),
      date_start: date('Start Date'),
      date_end: date('End Date'),
      user_id: many2one('res.users', 'Purchase Representative', { default: (env: Env) => env.uid, index: false }),
      description: html('Description'),
      company_id: many2one('res.company', 'Company', { required: true, default: (env: Env) => env.company() }),
      currency_id: many2one('res.currency', 'Currency', {
        required: true,
        default: (env: Env) => companyCurrency(env),
      }),
      line_ids: one2many('purchase.requisition.line', 'requisition_id', 'Products to Purchase'),
      state: selection('Status', states, { required: true, default: 'draft', copy: false }),
    },
    access,
    methods: {
      action_confirm: action((env, ids) => {
        for (const agreement of env.browse('purchase.requisition', ids)) {
          const lines = env.lines(agreement, 'line_ids');
          if (lines.length === 0) {
            throw userError(
              `You cannot confirm agreement '${text(agreement, 'name')}' because it does not contain any product lines.`,
            );
          }
          if (agreement.requisition_type === 'blanket_order') {
            for (const line of lines) {
              if (number(line, 'price_unit') <= 0) {
                throw userError('You cannot confirm a blanket order with lines missing a price.');
              }
              if (number(line, 'product_qty') <= 0) {
                throw userError('You cannot confirm a blanket order with lines missing a quantity.');
              }
            }
          }
          const name =
            agreement.name === 'New'
              ? `BO${String(nextNumber(env.sudo(), 'purchase.requisition')).padStart(5, '0')}`
              : text(agreement, 'name');
          env.set(agreement, { name, state: 'confirmed' });
        }
        env.flush();
        return null;
      }),
      action_done: action((env, ids) => {
        for (const agreement of env.browse('purchase.requisition', ids)) env.set(agreement, { state: 'done' });
        return null;
      }),
      action_cancel: action((env, ids) => {
        for (const agreement of env.browse('purchase.requisition', ids)) env.set(agreement, { state: 'cancel' });
        return null;
      }),
    },
  });
  db.define({
    name: 'purchase.requisition.line',
    description: 'Purchase Requisition Line',
    fields: {
      requisition_id: many2one('purchase.requisition', 'Purchase Agreement', { required: true, ondelete: 'cascade' }),
      product_id: many2one('product.product', 'Product', { required: true }),
      product_uom_id: many2one('uom.uom', 'Unit', { default: 1 }),
      product_qty: float('Quantity', { digits: 2 }),
      price_unit: float('Unit Price', { digits: 2, default: 0 }),
      company_id: related(many2one('res.company', 'Company'), 'requisition_id', 'company_id'),
    },
    access,
    prepare: (env, row) => {
      if (ref(row, 'product_uom_id') === null) {
        const product = env.follow(row, 'product_id');
        if (product) row.product_uom_id = env.value('product.product', product, 'uom_id') ?? null;
      }
    },
  });
}

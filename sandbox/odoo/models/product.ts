/** Units of measure, products, supplier prices. */
import { validationError } from '../errors.ts';
import {
  boolean,
  char,
  date,
  type Field,
  float,
  integer,
  many2many,
  many2one,
  one2many,
  related,
  selection,
  text as textField,
} from '../fields.ts';
import { type Database, type Env, flag, number, ref, text } from '../orm.ts';
import { groups } from './base.ts';

/** Fields that `product.product` shares with its template (`_inherits`). */
function templateFields(db: Database): Record<string, Field> {
  const { profile } = db;
  return {
    name: char('Name', { required: true, index: true, translate: true }),
    description_purchase: textField('Purchase Description', { translate: true }),
    type:
      profile.storable === 'type'
        ? selection(
            'Product Type',
            { consu: 'Consumable', service: 'Service', product: 'Storable Product' },
            {
              default: 'consu',
              required: true,
            },
          )
        : selection(
            'Product Type',
            { consu: 'Goods', service: 'Service', combo: 'Combo' },
            {
              default: 'consu',
              required: true,
            },
          ),
    ...(profile.storable === 'field' ? { is_storable: boolean('Track Inventory') } : {}),
    tracking: selection(
      'Tracking',
      { serial: 'By Unique Serial Number', lot: 'By Lots', none: 'By Quantity' },
      { default: 'none', required: true },
    ),
    categ_id: many2one('product.category', 'Product Category', { default: 1 }),
    uom_id: many2one('uom.uom', 'Unit', { required: true, default: 1 }),
    ...(profile.version === '19'
      ? { uom_ids: many2many('uom.uom', 'Packagings') }
      : { uom_po_id: many2one('uom.uom', 'Purchase Unit', { default: 1 }) }),
    list_price: float('Sales Price', { default: 1, digits: 2 }),
    purchase_ok: boolean('Purchase', { default: true }),
    sale_ok: boolean('Sales', { default: true }),
    purchase_method: selection(
      'Control Policy',
      { purchase: 'On ordered quantities', receive: 'On received quantities' },
      { default: 'receive' },
    ),
    supplier_taxes_id: many2many('account.tax', 'Purchase Taxes'),
    taxes_id: many2many('account.tax', 'Sales Taxes'),
    company_id: many2one('res.company', 'Company'),
  };
}

export function defineProduct(db: Database): void {
  const { profile } = db;
  const access = {
    write: [groups.stock, groups.purchase],
    create: [groups.stock, groups.purchase],
    unlink: [groups.stock],
  };
  db.define({
    name: 'uom.uom',
    description: 'Product Unit of Measure',
    order: 'id',
    fields: {
      name: char('Unit Name', { required: true, index: true, translate: true }),
      /** Base units in one of this unit. */
      factor: float('Absolute Quantity', { default: 1 }),
      relative_uom_id: many2one('uom.uom', 'Reference Unit'),
      active: boolean('Active', { default: true }),
    },
    access: { write: [groups.stock], create: [groups.stock], unlink: [groups.stock] },
  });
  db.define({
    name: 'product.category',
    description: 'Product Category',
    recName: 'complete_name',
    order: 'complete_name, id',
    fields: {
      name: char('Name', { required: true, index: true }),
      complete_name: char('Complete Name', { index: true, readonly: true }),
      parent_id: many2one('product.category', 'Parent Category'),
    },
    access,
    prepare: (env, row) => {
      const parent = env.follow(row, 'parent_id');
      row.complete_name = parent ? `${text(parent, 'complete_name')} / ${text(row, 'name')}` : text(row, 'name');
    },
  });
  const shared = templateFields(db);
  db.define({
    name: 'product.template',
    description: 'Product',
    order: 'name, id',
    thread: true,
    fields: {
      ...shared,
      default_code: char('Internal Reference', { index: true }),
      barcode: char('Barcode', { index: true }),
      standard_price: float('Cost', { digits: 2 }),
      active: boolean('Active', { default: true }),
      seller_ids: one2many('product.supplierinfo', 'product_tmpl_id', 'Vendors'),
      product_variant_ids: one2many('product.product', 'product_tmpl_id', 'Products'),
    },
    access,
    displayName: (env, row) => label(env, row.default_code as string | null, text(row, 'name')),
    afterCreate: (env, row) => {
      if (env.context.create_product_product === false) return;
      env.create('product.product', {
        product_tmpl_id: row.id,
        default_code: row.default_code,
        barcode: row.barcode,
        standard_price: row.standard_price,
      });
    },
    afterWrite: (env, rows, changed) => {
      const copied = ['default_code', 'barcode', 'standard_price', 'active'].filter((field) => changed.has(field));
      for (const row of copied.length > 0 ? rows : []) {
        for (const variant of env.with({ active_test: false }).lines(row, 'product_variant_ids')) {
          env.set(variant, Object.fromEntries(copied.map((field) => [field, row[field] ?? null])));
        }
      }
    },
  });
  db.define({
    name: 'product.product',
    description: 'Product Variant',
    order: 'default_code, id',
    thread: true,
    fields: {
      ...Object.fromEntries(
        Object.entries(shared).map(([name, field]) => [
          name,
          { ...related(field, 'product_tmpl_id', name), readonly: false, delegate: 'product_tmpl_id' },
        ]),
      ),
      product_tmpl_id: many2one('product.template', 'Product', { required: true, ondelete: 'cascade' }),
      default_code: char('Internal Reference', { index: true }),
      barcode: char('Barcode', { index: true, copy: false }),
      standard_price: float('Cost', { digits: 2 }),
      active: boolean('Active', { default: true }),
      qty_available: float('Quantity On Hand', {
        compute: (env, row) => {
          let onHand = 0;
          for (const id of env.db.get('stock.quant').table.lookup('product_id', row.id) ?? []) {
            const quant = env.row('stock.quant', id)!;
            const place = env.follow(quant, 'location_id');
            if (place && place.usage === 'internal') onHand += number(quant, 'quantity');
          }
          return onHand;
        },
      }),
    },
    access,
    displayName: (env, row) => label(env, row.default_code as string | null, productName(env, row.id)),
    prepare: (env, row) => {
      for (const id of row.barcode === null
        ? []
        : (env.db.get('product.product').table.lookup('barcode', row.barcode!) ?? [])) {
        const other = env.row('product.product', id)!;
        if (flag(other, 'active'))
          throw validationError(`Barcode(s) already assigned:\n\n- Barcode "${text(row, 'barcode')}"`);
      }
    },
  });
  db.define({
    name: 'product.supplierinfo',
    description: 'Supplier Pricelist',
    order: 'sequence, min_qty desc, price, id',
    recName: 'product_code',
    fields: {
      partner_id: many2one('res.partner', 'Vendor', { required: true, ondelete: 'cascade' }),
      product_tmpl_id: many2one('product.template', 'Product Template', { ondelete: 'cascade' }),
      product_id: many2one('product.product', 'Product Variant'),
      product_code: char('Vendor Product Code', { index: true }),
      product_name: char('Vendor Product Name'),
      sequence: integer('Sequence', { default: 1 }),
      price: float('Price', { digits: 2, required: true }),
      min_qty: float('Quantity', { required: true }),
      ...(profile.version === '19'
        ? { product_uom_id: many2one('uom.uom', 'Unit', { required: true, default: 1 }) }
        : {}),
      currency_id: many2one('res.currency', 'Currency', { required: true, default: 1 }),
      delay: integer('Lead Time', { default: 1, required: true }),
      date_start: date('Start Date'),
      date_end: date('End Date'),
      company_id: many2one('res.company', 'Company'),
    },
    access: { write: [groups.purchase], create: [groups.purchase], unlink: [groups.purchase] },
  });
}

function label(_env: Env, code: string | null, name: string): string {
  return code ? `[${code}] ${name}` : name;
}

function productName(env: Env, id: number): string {
  const row = env.row('product.product', id)!;
  return String(env.value('product.product', row, 'name') ?? '');
}

/** Vendor's price for a product, if the vendor has one. */
export function supplierPrice(env: Env, product: number, vendor: number | null): number | undefined {
  const row = env.row('product.product', product);
  const template = row ? ref(row, 'product_tmpl_id') : null;
  if (template === null) return undefined;
  for (const id of env.db.get('product.supplierinfo').table.lookup('product_tmpl_id', template) ?? []) {
    const info = env.row('product.supplierinfo', id)!;
    if (info.partner_id === vendor) return number(info, 'price');
  }
  return undefined;
}

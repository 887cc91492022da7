/**
 * Fields that changed their names between Odoo 17, 18 and 19. Flows use the names of 19; on an older server the name
 * that its `fields_get` knows is used instead.
 */
const renames: Record<string, Record<string, string>> = {
  'purchase.order': { note: 'notes' },
  'purchase.order.line': { product_uom_id: 'product_uom', tax_ids: 'taxes_id' },
  'sale.order.line': { product_uom_id: 'product_uom', tax_ids: 'tax_id' },
  'res.users': { group_ids: 'groups_id' },
  'account.move': { origin_payment_id: 'payment_id', checked: 'to_check' },
  'account.payment': { memo: 'ref' },
};

/**
 * Fields that older versions require and 19 no longer has, nor another in their place. A document that gives them works
 * everywhere: where they are not there, they are left out.
 */
const gone: Record<string, readonly string[]> = { 'stock.move': ['name'] };

export function isGone(model: string, name: string): boolean {
  return gone[model]?.includes(name) === true;
}

/** The name before 19 (or 18) of a field, where it had another. */
export function olderName(model: string, name: string): string | undefined {
  return renames[model]?.[name];
}

/** The name in 19 of a field that an older Odoo calls `name`. */
export function newerName(model: string, name: string): string | undefined {
  const table = renames[model];
  if (table === undefined) return undefined;
  return Object.keys(table).find((key) => table[key] === name);
}

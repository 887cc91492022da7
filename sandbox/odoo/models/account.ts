import { boolean, char, float, many2one, selection } from '../fields.ts';
import type { Database } from '../orm.ts';
import { groups } from './base.ts';

export function defineAccount(db: Database): void {
  db.define({
    name: 'account.tax',
    description: 'Tax',
    order: 'id',
    fields: {
      name: char('Tax Name', { required: true }),
      amount: float('Amount', { required: true }),
      amount_type: selection('Tax Computation', { percent: 'Percentage', fixed: 'Fixed' }, { default: 'percent' }),
      type_tax_use: selection('Tax Type', { sale: 'Sales', purchase: 'Purchases', none: 'None' }, { default: 'sale' }),
      active: boolean('Active', { default: true }),
      company_id: many2one('res.company', 'Company'),
    },
    access: { write: [groups.system], create: [groups.system], unlink: [groups.system] },
  });
}

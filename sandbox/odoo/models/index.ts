import type { Database } from '../orm.ts';
import { defineAgreement } from './agreement.ts';
import { defineAutomation } from './automation.ts';
import { defineBase } from './base.ts';
import { defineAccount } from './account.ts';
import { defineFacilities } from './facilities.ts';
import { defineInventory } from './inventory.ts';
import { defineProduct } from './product.ts';
import { definePurchase } from './purchase.ts';
import { defineSale } from './sale.ts';
import { defineStock } from './stock.ts';

export function defineModels(db: Database): void {
  defineBase(db);
  defineAccount(db);
  defineProduct(db);
  defineStock(db);
  defineInventory(db);
  definePurchase(db);
  defineAgreement(db);
  defineSale(db);
  defineFacilities(db);
  defineAutomation(db);
}

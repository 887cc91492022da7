/** Order documents as a supplier's portal would send them, in the partner's own words. */
import { products, suppliers, withCheckDigit } from '../odoo/index.ts';
import { mulberry32 } from '../random.ts';

export interface SupplierOrderLine {
  lineNo: number;
  /** Our product number. */
  sku: string;
  description: string;
  /** Decimal. */
  qty: string;
  /** UN/ECE Recommendation 20/21: `EA` pieces, `BX` boxes, `DZN` dozens. */
  unit: string;
  /** Decimal, per unit. */
  unitPrice: string;
  /** `YYYY-MM-DD`. */
  needBy: string;
}

export interface SupplierOrder {
  orderNumber: string;
  /** RFC 3339 with offset. */
  orderDate: string;
  /** ISO 4217. */
  currency: string;
  buyer?: { gln: string };
  supplier: { code: string };
  deliverTo: { siteCode: string };
  lines: SupplierOrderLine[];
  note?: string;
}

const day = (from: Date, days: number): string =>
  new Date(from.getTime() + days * 86_400_000).toISOString().slice(0, 10);

/** The order of the README: two lines, EUR 66.00 in all. */
export function orderDocument(number: string, now: Date = new Date()): string {
  const order: SupplierOrder = {
    orderNumber: number,
    orderDate: now.toISOString(),
    currency: 'EUR',
    supplier: { code: 'ACME' },
    deliverTo: { siteCode: 'WH' },
    lines: [
      {
        lineNo: 1,
        sku: 'GLOVE-M',
        description: 'Nitrile gloves, medium',
        qty: '10',
        unit: 'EA',
        unitPrice: '4.20',
        needBy: day(now, 7),
      },
      {
        lineNo: 2,
        sku: 'SYR-10',
        description: 'Syringe 10 ml, sterile',
        qty: '200',
        unit: 'EA',
        unitPrice: '0.12',
        needBy: day(now, 14),
      },
    ],
    note: 'Deliver to the goods-in dock before noon.',
  };
  return JSON.stringify(order, null, 2);
}

export interface GeneratorOptions {
  /** Same seed, same orders. @default 1 */
  seed?: number;
  /** Begins every order number. @default 'PO' */
  prefix?: string;
  /** Number of the first order. @default 1001 */
  first?: number;
  /** Day the orders are dated. @default now */
  now?: Date;
  /** Most lines an order has, 13 at most: each is another product. @default 5 */
  maxLines?: number;
}

/** `count` distinct valid orders: one to `maxLines` lines, every seeded supplier and product, prices with odd cents. */
export function* generateOrders(count: number, options: GeneratorOptions = {}): Generator<SupplierOrder> {
  const { prefix = 'PO', first = 1001, now = new Date(), maxLines = 5 } = options;
  const random = mulberry32(options.seed ?? 1);
  const below = (limit: number): number => Math.floor(random() * limit);
  const one = <T>(items: readonly T[]): T => items[below(items.length)]!;
  for (let i = 0; i < count; i++) {
    const lines: SupplierOrderLine[] = [];
    const rest = [...products];
    const chosen = Array.from({ length: 1 + below(maxLines) }, () => rest.splice(below(rest.length), 1)[0]!);
    for (const [index, product] of chosen.entries()) {
      lines.push({
        lineNo: index + 1,
        sku: product.sku,
        description: product.name,
        qty: String(1 + below(200)),
        unit: one(['EA', 'EA', 'EA', 'BX', 'DZN']),
        // Cents around the list price, as text: 0.07 has no exact double.
        unitPrice: cents(Math.max(1, Math.round(Number(product.price) * 100) + below(21) - 10)),
        needBy: day(now, 3 + below(40)),
      });
    }
    yield {
      orderNumber: `${prefix}-${first + i}`,
      orderDate: now.toISOString(),
      currency: 'EUR',
      buyer: { gln: withCheckDigit('400000900001') },
      supplier: { code: one(suppliers).ref },
      deliverTo: { siteCode: 'WH' },
      lines,
      ...(random() < 0.3 ? { note: 'Deliver to the goods-in dock before noon.' } : {}),
    };
  }
}

const cents = (amount: number): string => `${Math.floor(amount / 100)}.${String(amount % 100).padStart(2, '0')}`;

/**
 * Chains of documents that share their numbers, as one purchase leaves them behind: the supplier's order, the receipt,
 * the bills. A seeded part of them goes wrong in a known way; each says what must stand in Odoo in the end.
 */
import { products } from './odoo/index.ts';
import { mulberry32 } from './random.ts';
import type { SupplierOrder } from './supplier/order.ts';

export const chainFaults = [
  'order-twice',
  'order-forged-first',
  'bill-twice',
  'bill-look-alike',
  'bill-dearer',
  'bill-over',
  'bill-before-receipt',
  'bill-wrong-sum',
] as const;
export type ChainFault = (typeof chainFaults)[number];

export interface ChainBill {
  number: string;
  /** Decimals, EUR. */
  price: string;
  net: string;
  quantity: string;
  /** How often the same message is sent. */
  times: number;
}

export interface Chain {
  /** The number that all its documents share. */
  number: string;
  fault?: ChainFault;
  order: SupplierOrder;
  /** How often the order is posted under one message id. */
  orderTimes: number;
  /** A post with another's signature comes before. */
  forgedFirst: boolean;
  received: boolean;
  bills: ChainBill[];
  expected: {
    /** Numbers of the bills that are posted in Odoo, each once; no other bill of the chain is there. */
    posted: string[];
    /** Cents of the posted bills. */
    cents: number;
    /** What the note on the order says of a bill that is not posted: a reason code of Peppol. */
    reason?: string;
  };
}

/** Goods whose receipt names no lots; a service has no receipt. */
const goods = products.filter(({ sku, tracking }) => tracking === 'none' && !sku.startsWith('SVC'));

const decimal = (cents: number): string => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;

/**
 * @param count how many chains
 * @param options.seed same seed, same chains. Default 1
 * @param options.faulty share of chains with a fault, 0 to 1. Default 0.4
 */
export function* generateChains(
  count: number,
  options: { seed?: number; faulty?: number; prefix?: string; now?: Date } = {},
): Generator<Chain> {
  const { seed = 1, faulty = 0.4, prefix = 'CH', now = new Date() } = options;
  const random = mulberry32(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let index = 0; index < count; index++) {
    const number = `${prefix}-${String(index + 1).padStart(6, '0')}`;
    const product = goods[below(goods.length)]!;
    const quantity = 1 + below(50);
    const cents = 100 + below(9_900);
    const fault = random() < faulty ? chainFaults[below(chainFaults.length)]! : undefined;
    const bill = (name: string, price: number, amount: number, net = price * amount): ChainBill => ({
      number: name,
      price: decimal(price),
      net: decimal(net),
      quantity: String(amount),
      times: fault === 'bill-twice' ? 2 : 1,
    });
    // Ends in a zero, which a look-alike writes as the letter O.
    const billNumber = `INV-${number}0`;
    const dearer = cents + Math.ceil(cents * 0.08);
    const bills = {
      'bill-look-alike': [bill(billNumber, cents, quantity), bill(`INV-${number}O`, cents, quantity)],
      'bill-dearer': [bill(billNumber, dearer, quantity)],
      'bill-over': [bill(billNumber, cents, quantity + 1)],
      'bill-wrong-sum': [bill(billNumber, cents, quantity, cents * quantity + 500)],
    } as Partial<Record<ChainFault, ChainBill[]>>;
    const reason = {
      'bill-look-alike': 'REF',
      'bill-dearer': 'PRI',
      'bill-over': 'QTY',
      'bill-before-receipt': 'DEL',
      'bill-wrong-sum': 'FIN',
    } as Partial<Record<ChainFault, string>>;
    const why = fault === undefined ? undefined : reason[fault];
    const isPosted = why === undefined || fault === 'bill-look-alike';
    yield {
      number,
      ...(fault === undefined ? {} : { fault }),
      order: {
        orderNumber: number,
        orderDate: now.toISOString(),
        currency: 'EUR',
        supplier: { code: 'ACME' },
        deliverTo: { siteCode: 'WH' },
        lines: [
          {
            lineNo: 1,
            sku: product.sku,
            description: product.name,
            qty: String(quantity),
            unit: 'EA',
            unitPrice: decimal(cents),
            needBy: new Date(now.getTime() + 7 * 86_400_000).toISOString().slice(0, 10),
          },
        ],
      },
      orderTimes: fault === 'order-twice' ? 3 : 1,
      forgedFirst: fault === 'order-forged-first',
      received: fault !== 'bill-before-receipt',
      bills: (fault === undefined ? undefined : bills[fault]) ?? [bill(billNumber, cents, quantity)],
      expected: {
        posted: isPosted ? [billNumber] : [],
        cents: isPosted ? cents * quantity : 0,
        ...(why === undefined ? {} : { reason: why }),
      },
    };
  }
}

/** An order and the documents that answer it, for the tests to change. */
import type { Despatch, Invoice, Order, OrderResponse, Receipt } from '../../nodes/matching/documents.ts';

export const sku = (value: string) => ({ identifiers: [{ type: 'SKU', value }] });
export const supplier = { identifiers: [{ type: 'CODE', value: 'ACME' }] };
export const eur = (amount: string) => ({ amount, currency: 'EUR' });
export const each = (value: string) => ({ value, unit: '{each}' });
export const boxes = (value: string, perBase = '10') => ({ value, unit: '{box}', pack: { code: 'BX', perBase } });
const number = { identifiers: [{ type: 'ORDER', value: 'P00012' }] };

/** 10 boxes of 10 at 42.00 and 200 pieces at 0.12, all received, nothing billed. */
export function order(change: (order: Order & { lines: Order['lines'][number][] }) => void = () => undefined): Order {
  const made = {
    number: 'P00012',
    currency: 'EUR',
    supplier,
    neededBy: '2026-12-10',
    lines: [
      {
        number: '1',
        product: sku('GLOVE-M'),
        quantity: boxes('10'),
        unitPrice: eur('42.00'),
        received: boxes('10'),
        billed: boxes('0'),
      },
      {
        number: '2',
        product: sku('SYR-10'),
        quantity: each('200'),
        unitPrice: eur('0.12'),
        received: each('200'),
        billed: each('0'),
      },
    ],
  };
  change(made);
  return made;
}

/** The bill of {@link order}: 444.00 and 20 % tax. */
export function bill(
  change: (bill: Invoice & { lines: Invoice['lines'][number][] }) => void = () => undefined,
): Invoice {
  const made = {
    number: 'INV-0017',
    kind: 'invoice',
    issueDate: '2026-12-05',
    currency: 'EUR',
    issuer: supplier,
    order: number,
    netAmount: eur('444.00'),
    taxes: [{ percent: '20', base: eur('444.00'), amount: eur('88.80') }],
    taxAmount: eur('88.80'),
    grossAmount: eur('532.80'),
    lines: [
      {
        number: '1',
        orderLine: '1',
        product: sku('GLOVE-M'),
        quantity: boxes('10'),
        unitPrice: eur('42.00'),
        netAmount: eur('420.00'),
      },
      {
        number: '2',
        orderLine: '2',
        product: sku('SYR-10'),
        quantity: each('200'),
        unitPrice: eur('0.12'),
        netAmount: eur('24.00'),
      },
    ],
  };
  change(made);
  return made;
}

export const response = (more: Partial<OrderResponse> = {}): OrderResponse => ({
  number: 'AB-1',
  order: number,
  supplier,
  response: 'accepted',
  ...more,
});

export const despatch = (more: Partial<Despatch> = {}): Despatch => ({
  number: 'D-1',
  order: number,
  supplier,
  issueDate: '2026-12-01',
  lines: [
    { number: '1', orderLine: '1', product: sku('GLOVE-M'), quantity: boxes('10') },
    { number: '2', orderLine: '2', product: sku('SYR-10'), quantity: each('200') },
  ],
  ...more,
});

export const receipt = (more: Partial<Receipt> = {}): Receipt => ({
  number: 'R-1',
  order: number,
  lines: [
    { number: '1', orderLine: '1', product: sku('GLOVE-M'), accepted: boxes('10') },
    { number: '2', orderLine: '2', product: sku('SYR-10'), accepted: each('200') },
  ],
  ...more,
});

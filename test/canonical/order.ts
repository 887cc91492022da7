/** Orders that the tests share. */
export const supplierOrder = {
  orderNumber: 'PO-1001',
  orderDate: '2026-11-23T10:15:00+01:00',
  currency: 'EUR',
  buyer: { gln: '4000009000014' },
  supplier: { code: 'ACME' },
  deliverTo: { siteCode: 'WH' },
  lines: [
    {
      lineNo: 1,
      sku: 'GLOVE-M',
      description: 'Gloves',
      qty: '10',
      unit: 'BX',
      packSize: '10',
      unitPrice: '235.40',
      needBy: '2026-12-01',
    },
    { lineNo: 2, sku: 'SYR-10', qty: 200, unit: 'EA', unitPrice: '0.1' },
  ],
  note: 'Dock 4',
};

export type SupplierOrder = typeof supplierOrder;

/** A copy with `lines[0]` changed. */
export function withLine(change: Record<string, unknown>): Record<string, unknown> {
  return { ...supplierOrder, lines: [{ ...supplierOrder.lines[0], ...change }, supplierOrder.lines[1]] };
}

/** The order document that the procurement flow receives, as a supplier's portal would send it. */
export function orderDocument(number: string, now: Date = new Date()): string {
  const inDays = (days: number) => new Date(now.getTime() + days * 86_400_000).toISOString().slice(0, 10);
  const order = {
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
        needBy: inDays(7),
      },
      {
        lineNo: 2,
        sku: 'SYR-10',
        description: 'Syringe 10 ml, sterile',
        qty: '200',
        unit: 'EA',
        unitPrice: '0.12',
        needBy: inDays(14),
      },
    ],
    note: 'Deliver to the goods-in dock before noon.',
  };
  return JSON.stringify(order, null, 2);
}

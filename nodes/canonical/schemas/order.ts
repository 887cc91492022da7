import { address, currency, money, quantity, ref } from './common.ts';
import { entity } from './entity.ts';
import { date, decimal, instant, integer, list, object, openList, text } from './vocabulary.ts';

const line = object('One ordered item.', {
  'number!': text('I', 'Line number in the document.', 20),
  'product!': ref('I', 'product', 'What is ordered.'),
  description: text('I', 'Words on the order line.', 1024),
  'quantity!': quantity('C', 'How much is ordered.'),
  unitPrice: money('C', 'Price of one unit of the quantity, before tax.'),
  priceBase: decimal('C', 'How many units the price is for; 1 when absent (UBL BaseQuantity).'),
  discountPercent: decimal('C', 'Discount on the line in percent.'),
  netAmount: money('C', 'Line amount before tax, as the sender states it.'),
  taxCode: text('I', 'Tax category as the sender states it.', 32),
  taxPercent: decimal('I', 'Tax rate in percent.'),
  costCentre: text('I', 'Cost centre it is booked on.', 64),
  neededBy: date('I', 'Day the goods are needed.'),
  received: quantity('I', 'Received so far.'),
  billed: quantity('I', 'Billed so far.'),
});

/** UBL/Peppol Order, X12 850, Odoo purchase.order. */
export const order = entity(
  'order',
  {
    version: '1.0.0',
    title: 'Purchase order',
    description: 'An order of goods or services from a supplier.',
    businessKey: ['supplier', 'number'],
  },
  {
    'number!': text('I', 'Order number of whoever issued the document.', 64),
    supplierOrderNumber: text('I', "The supplier's own number for it.", 64),
    type: openList('I', 'Kind of order.', ['standard', 'blanket', 'release', 'consignment', 'emergency', 'rental']),
    revision: integer('I', 'Count of changes; 0 for the original.'),
    status: openList('I', 'Where it stands.', [
      'draft',
      'sent',
      'acknowledged',
      'confirmed',
      'partially-received',
      'received',
      'closed',
      'cancelled',
    ]),
    'issueDate!': date('I', 'Day of issue, in the time zone of the issuer.'),
    issuedAt: instant('I', 'Moment of issue, where the sender states one.'),
    neededBy: date('I', 'Day the goods are needed, for all lines without their own.'),
    'currency!': currency('I', 'Document currency, ISO 4217.'),
    buyer: ref('I', 'supplier', 'Who orders.'),
    'supplier!': ref('I', 'supplier', 'Who is to deliver.'),
    shipTo: ref('I', 'location', 'Where the goods go.'),
    shipToAddress: address('I', 'Delivery address, where it is not that of the place.'),
    billTo: ref('I', 'supplier', 'Who gets the invoice.'),
    requester: ref('N', 'employee', 'Who asked for it.'),
    contract: ref('I', 'contract', 'Contract it calls off.'),
    requisition: ref('I', 'requisition', 'Demand it answers.'),
    paymentTerms: text('C', 'Payment terms as stated.', 256),
    note: text('I', 'Free text for the supplier. No patient data.', 4000),
    netAmount: money('C', 'Total before tax.'),
    taxAmount: money('C', 'Total tax.'),
    grossAmount: money('C', 'Total to pay.'),
    'lines!': list(line, 'What is ordered.', 10_000, 1),
  },
);

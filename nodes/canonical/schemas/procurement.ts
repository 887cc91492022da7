/** What follows an order: the supplier's answer, the despatch, the receipt; and what precedes it. */
import { code, currency, money, quantity, ref, tracked } from './common.ts';
import { entity } from './entity.ts';
import { boolean, date, decimal, format, instant, list, object, oneOf, openList, text } from './vocabulary.ts';

/** Internal demand. FHIR SupplyRequest, HL7 v2 OMS^O05. Not Odoo's purchase.requisition, which is an agreement. */
export const requisition = entity(
  'requisition',
  {
    version: '1.0.0',
    title: 'Requisition',
    description: 'Demand of a ward or department, before it becomes an order or a transfer.',
    businessKey: ['number'],
  },
  {
    'number!': text('I', 'Requisition number.', 64),
    status: openList('I', 'Where it stands.', [
      'draft',
      'submitted',
      'approved',
      'rejected',
      'ordered',
      'closed',
      'cancelled',
    ]),
    priority: openList('I', 'How urgent (FHIR request-priority).', ['routine', 'urgent', 'asap', 'stat']),
    requestedAt: instant('I', 'When it was asked.'),
    neededBy: date('I', 'Day the goods are needed.'),
    requester: ref('N', 'employee', 'Who asks.'),
    deliverTo: ref('I', 'location', 'Where the goods go.'),
    costCentre: text('I', 'Cost centre.', 64),
    note: text('I', 'Free text. No patient data.', 4000),
    'lines!': list(
      object('One requested item.', {
        'number!': text('I', 'Line number.', 20),
        'product!': ref('I', 'product', 'What is asked for.'),
        description: text('I', 'Words on the line.', 1024),
        'quantity!': quantity('I', 'How much.'),
        supplier: ref('I', 'supplier', 'Preferred supplier.'),
        estimatedPrice: money('C', 'Estimated price of one unit.'),
        deliverTo: ref('I', 'location', 'Where this line goes.'),
        costCentre: text('I', 'Cost centre of the line.', 64),
        neededBy: date('I', 'Day this line is needed.'),
        justification: text('I', 'Why. No patient data.', 1024),
      }),
      'What is asked for.',
      10_000,
      1,
    ),
  },
);

/** UBL OrderResponse (codes AB AP RE CA), X12 855. */
export const orderResponse = entity(
  'orderResponse',
  {
    version: '1.0.0',
    title: 'Order response',
    description: "The supplier's answer to an order.",
    businessKey: ['supplier', 'number'],
    partitionKey: ['supplier', 'order'],
  },
  {
    'number!': text('I', 'Number of the response.', 64),
    'order!': ref('I', 'order', 'The order it answers.'),
    'supplier!': ref('I', 'supplier', 'Who answers.'),
    buyer: ref('I', 'supplier', 'Who ordered.'),
    'response!': oneOf('I', 'The answer as a whole.', ['received', 'accepted', 'changed', 'rejected']),
    'issueDate!': date('I', 'Day of issue.'),
    issuedAt: instant('I', 'Moment of issue.'),
    currency: currency('I', 'Document currency.'),
    promisedDate: date('I', 'Delivery day for all lines without their own.'),
    note: text('I', 'Free text.', 4000),
    lines: list(
      object('Answer to one line.', {
        'number!': text('I', 'Line number of the response.', 20),
        orderLine: text('I', 'Line number of the order.', 20),
        'response!': openList('I', 'The answer.', ['accepted', 'changed', 'backordered', 'substituted', 'rejected']),
        product: ref('I', 'product', 'What will be delivered.'),
        quantity: quantity('C', 'How much is promised.'),
        unitPrice: money('C', 'Price that will be billed.'),
        promisedDate: date('I', 'Day it is promised for.'),
        reason: text('I', 'Why it differs.', 1024),
      }),
      'Answers by line.',
      10_000,
    ),
  },
);

/** Advance ship notice. UBL DespatchAdvice, X12 856, Odoo stock.picking before it is done. */
export const despatch = entity(
  'despatch',
  {
    version: '1.0.0',
    title: 'Despatch advice',
    description: 'What a supplier has sent and how it is packed.',
    businessKey: ['supplier', 'number'],
    partitionKey: ['supplier', 'order'],
  },
  {
    'number!': text('I', 'Shipment number.', 64),
    order: ref('I', 'order', 'The order it serves, where it is one for all lines.'),
    'supplier!': ref('I', 'supplier', 'Who sends.'),
    buyer: ref('I', 'supplier', 'Who ordered.'),
    shipTo: ref('I', 'location', 'Where it goes.'),
    'issueDate!': date('I', 'Day of issue.'),
    despatchedAt: instant('I', 'When it left.'),
    expectedDate: date('I', 'Day it should arrive.'),
    carrier: text('I', 'Who carries it.', 128),
    trackingNumber: text('I', "The carrier's number.", 128),
    note: text('I', 'Free text.', 4000),
    packages: list(
      object('One logistic unit.', {
        sscc: format('I', 'Serial Shipping Container Code.', 'sscc'),
        type: text('I', 'Kind of package, UN/ECE Rec 21.', 8),
        lines: list(text('I', 'Line number.', 20), 'Lines it holds.', 10_000),
      }),
      'Logistic units.',
      10_000,
    ),
    'lines!': list(
      object('One item sent.', {
        'number!': text('I', 'Line number.', 20),
        order: ref('I', 'order', 'The order of this line.'),
        orderLine: text('I', 'Line number of the order.', 20),
        'product!': ref('I', 'product', 'What is sent.'),
        description: text('I', 'Words on the line.', 1024),
        'quantity!': quantity('I', 'How much is sent.'),
        backordered: quantity('I', 'How much follows later.'),
        ...tracked('I'),
        sscc: format('I', 'Package it is in.', 'sscc'),
      }),
      'What is sent.',
      10_000,
      1,
    ),
  },
);

/** UBL ReceiptAdvice, X12 861, Odoo stock.picking (incoming, done). */
export const receipt = entity(
  'receipt',
  {
    version: '1.0.0',
    title: 'Goods receipt',
    description: 'What arrived, what was accepted, and what was not.',
    businessKey: ['number'],
    partitionKey: ['supplier', 'order'],
  },
  {
    'number!': text('I', 'Receipt number.', 64),
    order: ref('I', 'order', 'The order it serves.'),
    despatch: ref('I', 'despatch', 'The despatch it receives.'),
    supplier: ref('I', 'supplier', 'Who sent it.'),
    location: ref('I', 'location', 'Where it was received.'),
    status: openList('I', 'Where it stands.', ['draft', 'ready', 'done', 'cancelled']),
    receivedAt: instant('I', 'When.'),
    receivedBy: ref('N', 'employee', 'Who received it.'),
    note: text('I', 'Free text.', 4000),
    'lines!': list(
      object('One item received.', {
        'number!': text('I', 'Line number.', 20),
        order: ref('I', 'order', 'The order of this line.'),
        orderLine: text('I', 'Line number of the order.', 20),
        'product!': ref('I', 'product', 'What was received.'),
        'accepted!': quantity('I', 'How much is accepted.'),
        rejected: quantity('I', 'How much is refused.'),
        reason: code('I', 'Why it is refused.'),
        temperatureOk: boolean('I', 'Cold chain held.'),
        ...tracked('I'),
      }),
      'What was received.',
      10_000,
      1,
    ),
  },
);

/** Odoo purchase.requisition (blanket order), X12 832, UBL Catalogue. */
export const contract = entity(
  'contract',
  {
    version: '1.0.0',
    title: 'Contract',
    description: 'An agreement with a supplier on products and prices.',
    businessKey: ['number'],
  },
  {
    'number!': text('C', 'Contract number.', 64),
    'supplier!': ref('I', 'supplier', 'With whom.'),
    'kind!': openList('C', 'Kind of agreement.', ['blanket', 'framework', 'service', 'price-list']),
    status: openList('I', 'Where it stands.', ['draft', 'active', 'expired', 'cancelled']),
    'validFrom!': date('C', 'First day.'),
    validTo: date('C', 'Last day.'),
    'currency!': currency('C', 'Currency of its prices.'),
    paymentTerms: text('C', 'Payment terms.', 256),
    attachmentHash: pattern256('C', 'SHA-256 of the signed document.'),
    lines: list(
      object('One agreed price.', {
        'number!': text('I', 'Line number.', 20),
        'product!': ref('I', 'product', 'What is agreed on.'),
        'unitPrice!': money('C', 'Agreed price of one unit.'),
        committed: quantity('C', 'Agreed volume.'),
        minimum: quantity('C', 'Smallest quantity the price holds for.'),
        discountPercent: decimal('C', 'Discount in percent.'),
      }),
      'Agreed prices.',
      10_000,
    ),
  },
);

function pattern256(sensitivity: 'C', description: string) {
  return { type: 'string', description, 'x-sensitivity': sensitivity, maxLength: 64, pattern: '^[0-9a-f]{64}$' };
}

/** Stock and facility operations, and the event envelope. */
import { code, quantity, ref, tracked } from './common.ts';
import { entity } from './entity.ts';
import { date, decimal, instant, object, oneOf, openList, pattern, text } from './vocabulary.ts';

/** EPCIS ObjectEvent, HL7 v2 IIM, Odoo stock.move.line. */
export const stockMovement = entity(
  'stockMovement',
  {
    version: '1.0.0',
    title: 'Stock movement',
    description: 'Goods that changed place, owner or state.',
    businessKey: ['number'],
    partitionKey: ['product', 'location'],
  },
  {
    'number!': text('I', 'Number that the source gave the movement.', 64),
    'kind!': openList('I', 'Kind of movement.', [
      'receipt',
      'issue',
      'transfer',
      'adjustment',
      'scrap',
      'return',
      'consumption',
    ]),
    status: openList('I', 'Where it stands.', ['planned', 'ready', 'done', 'cancelled']),
    'product!': ref('I', 'product', 'What moved.'),
    'quantity!': quantity('I', 'How much moved; negative only for adjustments.'),
    location: ref('I', 'location', 'The place whose order of movements matters; usually the source.'),
    from: ref('I', 'location', 'Where from.'),
    to: ref('I', 'location', 'Where to.'),
    ...tracked('H'),
    reason: code('I', 'Why.'),
    'occurredAt!': instant('I', 'When it happened.'),
    document: text('I', 'Document it belongs to.', 128),
    party: ref('H', 'adminParty', 'For whom an implant was used; a pseudonym.'),
  },
);

/** X12 846, FHIR InventoryReport, Odoo stock.quant and stock.warehouse.orderpoint. */
export const inventoryLevel = entity(
  'inventoryLevel',
  {
    version: '1.0.0',
    title: 'Inventory level',
    description: 'How much of a product is at a place at a moment.',
    businessKey: ['product', 'location', 'lot'],
    partitionKey: ['product', 'location'],
  },
  {
    'product!': ref('I', 'product', 'Of what.'),
    'location!': ref('I', 'location', 'Where.'),
    ...tracked('I'),
    'onHand!': quantity('I', 'There now.'),
    reserved: quantity('I', 'Promised.'),
    available: quantity('I', 'Free to promise.'),
    'asOf!': instant('I', 'At which moment.'),
    countedAt: instant('I', 'Last physical count.'),
    rule: object('When and how to replenish.', {
      minimum: decimal('I', 'Replenish below this.'),
      maximum: decimal('I', 'Up to this.'),
      multiple: decimal('I', 'In multiples of this.'),
      trigger: oneOf('I', 'By whom.', ['auto', 'manual']),
    }),
  },
);

/** FHIR ServiceRequest on a Location or Device, Odoo maintenance.request. */
export const serviceRequest = entity(
  'serviceRequest',
  {
    version: '1.0.0',
    title: 'Service request',
    description: 'A job for facility, medical engineering, IT or transport.',
    businessKey: ['number'],
  },
  {
    'number!': text('I', 'Number.', 64),
    'kind!': openList('I', 'Which service.', ['facility', 'biomedical', 'it', 'transport', 'cleaning']),
    status: openList('I', 'Where it stands.', ['new', 'assigned', 'in-progress', 'on-hold', 'done', 'cancelled']),
    priority: openList('I', 'How urgent.', ['routine', 'urgent', 'asap', 'stat']),
    'title!': text('I', 'In one line. No patient data.', 256),
    description: text('I', 'In full. No patient data.', 4000),
    asset: ref('I', 'asset', 'What needs service.'),
    location: ref('I', 'location', 'Where.'),
    requester: ref('N', 'employee', 'Who asks.'),
    assignee: ref('N', 'employee', 'Who does it.'),
    team: text('I', 'Team that does it.', 128),
    raisedAt: instant('I', 'When it was raised.'),
    dueBy: instant('I', 'When it must be done.'),
    scheduledFor: date('I', 'Day it is planned for.'),
  },
);

/** CloudEvents 1.0 (JSON form) with this package's extension attributes. */
export const operationalEvent = entity(
  'operationalEvent',
  {
    version: '1.0.0',
    title: 'Operational event',
    description: 'Something that happened, as a CloudEvents 1.0 envelope. The data travels beside it.',
    businessKey: ['source', 'eventId'],
    partitionKey: ['partitionkey'],
  },
  {
    'specversion!': oneOf('P', 'CloudEvents version.', ['1.0']),
    'eventId!': text('I', 'CloudEvents `id`: unique with `source`.', 256),
    'source!': text('I', 'CloudEvents `source`.', 256),
    'type!': pattern('I', 'CloudEvents `type`.', '^[a-z0-9]+(\\.[A-Za-z0-9-]+)+$'),
    subject: text('C', 'CloudEvents `subject`: the business key.', 512),
    'time!': instant('I', 'CloudEvents `time`.'),
    dataschema: text('I', 'CloudEvents `dataschema`.', 256),
    datacontenttype: text('I', 'CloudEvents `datacontenttype`.', 128),
    correlationid: text('I', 'The business process.', 128),
    causationid: text('I', 'The event that caused this one.', 128),
    tenantid: text('I', 'Whose it is.', 64),
    sequence: text('I', 'Order within the partition key.', 64),
    partitionkey: text('C', 'What keeps order.', 512),
    sensitivity: oneOf('I', 'Highest class in the data.', ['P', 'I', 'C', 'N', 'H', 'S']),
    idempotencykey: text('I', 'Equal keys are one event.', 256),
    traceparent: pattern('I', 'W3C Trace Context.', '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'),
  },
);

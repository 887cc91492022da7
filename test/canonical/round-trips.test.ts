/**
 * Each shipped mapping that writes a document and the one that reads it: what was written is read back as the same
 * entity. What a format cannot hold is listed, field by field, so that a loss that nobody has agreed to fails here.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readDocument, writeDocument } from '../../nodes/canonical/formats/index.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';

const library = new MappingLibrary();
const moment = { at: '2026-11-23T10:15:00+01:00', id: 'e1' };

interface Agreed {
  write: string;
  read: string;
  /** Leaves that do not come back. */
  lost?: readonly string[];
  /** Leaves that come back though they were not sent. */
  gained?: Readonly<Record<string, unknown>>;
  /** Leaves that come back otherwise. */
  changed?: Readonly<Record<string, unknown>>;
}

const packs = ['lines/0/quantity/pack/perBase', 'lines/1/quantity/pack/perBase'];
const due = { 'dueAmount/amount': '50.82', 'dueAmount/currency': 'EUR' };
const box = { 'lines/0/quantity/pack/code': 'XBX' };
const deliverTo = (line: number) => `lines/${line}/deliverTo/identifiers/SITE`;

const pairs: readonly Agreed[] = [
  { write: 'order-to-ubl-order', read: 'ubl-order-to-order', lost: packs, changed: box },
  {
    write: 'order-response-to-ubl-order-response',
    read: 'ubl-order-response-to-order-response',
    lost: packs,
    changed: box,
  },
  {
    write: 'despatch-to-ubl-despatch',
    read: 'ubl-despatch-to-despatch',
    lost: ['lines/0/quantity/pack/perBase', 'lines/0/backordered/pack/perBase'],
    changed: { ...box, 'lines/0/backordered/pack/code': 'XBX' },
  },
  {
    write: 'invoice-to-ubl-invoice',
    read: 'ubl-invoice-to-invoice',
    lost: ['lines/0/quantity/pack/perBase'],
    gained: due,
    changed: box,
  },
  {
    write: 'invoice-to-ubl-credit-note',
    read: 'ubl-credit-note-to-invoice',
    lost: ['lines/0/quantity/pack/perBase'],
    gained: due,
    changed: box,
  },
  {
    write: 'order-to-x12-850',
    read: 'x12-850-to-order',
    lost: ['lines/1/quantity/pack/perBase'],
    // X12 has no way to write its own separators.
    changed: {
      'buyer/name': 'SANDBOX GENERAL HOSPITAL',
      'shipTo/name': 'GOODS IN',
      'supplier/name': 'ACME MEDICAL',
      'lines/0/description': 'Nitrile gloves medium',
    },
  },
  {
    write: 'order-response-to-x12-855',
    read: 'x12-855-to-order-response',
    lost: packs,
    changed: { 'supplier/name': 'ACME MEDICAL' },
  },
  {
    write: 'despatch-to-x12-856',
    read: 'x12-856-to-despatch',
    lost: ['order/identifiers/ORDER/type', 'order/identifiers/ORDER/value', ...packs],
    gained: Object.fromEntries(
      [0, 1].flatMap((line) => [
        [`lines/${line}/order/identifiers/ORDER/type`, 'ORDER'],
        [`lines/${line}/order/identifiers/ORDER/value`, 'PO-1001'],
      ]),
    ),
    changed: { 'supplier/name': 'ACME MEDICAL', 'shipTo/name': 'SANDBOX GENERAL HOSPITAL', carrier: 'DHL EXPRESS' },
  },
  {
    write: 'invoice-to-x12-810',
    read: 'x12-810-to-invoice',
    // N1 names one identifier; the 810 has no account, and tax for the whole document only.
    lost: [
      ...['CODE', 'VAT'].flatMap((kind) => [`issuer/identifiers/${kind}/type`, `issuer/identifiers/${kind}/value`]),
      'payee/iban',
      'payee/reference',
      'taxAmount/amount',
      'taxAmount/currency',
      'taxes/0/base/amount',
      'taxes/0/base/currency',
      'lines/0/quantity/pack/perBase',
      'lines/0/taxCode',
      'lines/0/taxPercent',
    ],
    changed: { 'issuer/name': 'ACME MEDICAL', 'recipient/name': 'SANDBOX GENERAL HOSPITAL' },
  },
  {
    write: 'payment-to-x12-820',
    read: 'x12-820-to-payment',
    // Read by the one who is paid.
    changed: { direction: 'in', 'payer/name': 'SANDBOX GENERAL HOSPITAL', 'payee/name': 'ACME MEDICAL' },
  },
  { write: 'supplier-to-fhir-organization', read: 'fhir-organization-to-supplier' },
  { write: 'location-to-fhir-location', read: 'fhir-location-to-location' },
  {
    write: 'requisition-to-fhir-supply-requests',
    read: 'fhir-supply-requests-to-requisition',
    // Each SupplyRequest has its own day and place.
    lost: ['neededBy'],
    gained: Object.fromEntries(
      [0, 1].flatMap((line) => [
        [`lines/${line}/neededBy`, '2026-11-25'],
        [`${deliverTo(line)}/type`, 'SITE'],
        [`${deliverTo(line)}/value`, 'WARD-3B'],
      ]),
    ),
  },
  { write: 'charge-to-fhir-charge-item', read: 'fhir-charge-item-to-charge' },
  { write: 'invoice-to-fhir-invoice', read: 'fhir-invoice-to-invoice', gained: { paymentStatus: 'not-paid' } },
  { write: 'claim-to-fhir-claim', read: 'fhir-claim-to-claim' },
  { write: 'charge-to-hl7-dft', read: 'hl7-dft-to-charge' },
  { write: 'requisition-to-hl7-oms', read: 'hl7-oms-to-requisition' },
  { write: 'inventory-level-to-hl7-mfn-m15', read: 'hl7-mfn-m15-to-inventory-level' },
  { write: 'product-to-hl7-mfn-m16', read: 'hl7-mfn-m16-to-product' },
];

/** Leaves by path; identifiers by their kind, because their order says nothing. */
function leavesOf(value: unknown, path: string[] = [], out: Record<string, unknown> = {}): Record<string, unknown> {
  if (Array.isArray(value) && path.at(-1) === 'identifiers')
    for (const item of value) leavesOf(item, [...path, String((item as { type: unknown }).type)], out);
  else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) leavesOf(inner, [...path, key], out);
  else if (value !== undefined) out[path.join('/')] = value;
  return out;
}

/** The document of an entity as text, as the mapping writes it. */
function written(id: string, entity: unknown): string {
  const { target } = library.get(id).mapping;
  const { value, violations } = library.get(id).run(entity);
  assert.deepEqual(violations, [], id);
  assert.ok('format' in target, id);
  return writeDocument(target.format, value, target.options, moment);
}

describe('what a mapping writes, the other one reads:', () => {
  for (const { write, read, lost = [], gained = {}, changed = {} } of pairs) {
    test(`${write} and ${read}`, () => {
      const sample = library.source(write).sample;
      const { source, target } = library.get(read).mapping;
      assert.ok('format' in source && 'entity' in target);
      const back = library.get(read).run(readDocument(source.format, written(write, sample), source.options));
      assert.deepEqual(back.violations, []);
      assert.deepEqual(validatorOf(target.entity, 'strict')(back.value).violations, []);
      const [before, after] = [leavesOf(sample), leavesOf(back.value)];
      assert.deepEqual(
        Object.keys(before)
          .filter((path) => !(path in after))
          .sort(),
        [...lost].sort(),
        'lost',
      );
      assert.deepEqual(Object.fromEntries(Object.entries(after).filter(([path]) => !(path in before))), gained);
      assert.deepEqual(
        Object.fromEntries(Object.entries(after).filter(([path, value]) => path in before && before[path] !== value)),
        changed,
      );
    });
  }
});

describe('an outbound X12 interchange', () => {
  const sets = pairs.filter(({ write }) => write.includes('-x12-'));
  const linesOf = (id: string) =>
    written(id, library.source(id).sample)
      .split('\n')
      .map((line) => line.replace(/~$/, '').split('*'));

  test('counts and numbers itself as a functional acknowledgement (997) checks it', () => {
    for (const { write } of sets) {
      const lines = linesOf(write);
      const only = (name: string) => {
        const found = lines.filter(([segment]) => segment === name);
        assert.equal(found.length, 1, `${write} ${name}`);
        return found[0]!;
      };
      const [from, to] = [lines.indexOf(only('ST')), lines.indexOf(only('SE'))];
      assert.equal(only('SE')[1], String(to - from + 1), 'SE01 counts the segments (AK5 4)');
      assert.equal(only('SE')[2], only('ST')[2], 'SE02 is ST02 (AK5 3)');
      assert.equal(only('GE')[1], '1', 'GE01 counts the transaction sets (AK9 5)');
      assert.equal(only('GE')[2], only('GS')[6], 'GE02 is GS06 (AK9 4)');
      assert.equal(only('IEA')[1], '1');
      assert.equal(only('IEA')[2], only('ISA')[13]);
      assert.match(only('ISA')[13]!, /^\d{9}$/);
      assert.equal(only('ISA').join('*').length, 105, 'ISA has a fixed length');
      const set = only('ST')[1]!;
      assert.equal(only('GS')[1], { 850: 'PO', 855: 'PR', 856: 'SH', 810: 'IN', 820: 'RA' }[set], 'AK9 1');
      assert.equal(only('ISA')[15], 'T', 'a shipped mapping writes test interchanges');
    }
  });

  test('has the time of the event, and one number for one event, whenever it is written', () => {
    const tree = readDocument('x12', written('order-to-x12-850', library.source('order-to-x12-850').sample)) as Record<
      string,
      Record<string, string>
    >;
    assert.deepEqual(
      [tree.ISA!['09'], tree.ISA!['10'], tree.GS!['04'], tree.GS!['05']],
      ['261123', '1015', '20261123', '1015'],
    );
    const { target } = library.get('order-to-x12-850').mapping;
    assert.ok('format' in target);
    const numberOf = (id: string) => {
      const text = writeDocument('x12', { BEG: { '01': '00' } }, target.options, { at: moment.at, id });
      return text.split('*')[13];
    };
    assert.equal(numberOf('a'), numberOf('a'));
    assert.notEqual(numberOf('a'), numberOf('b'));
  });

  test('without a sender is a setting to correct, and one whose group is short is refused when read', () => {
    assert.throws(() => writeDocument('x12', { BEG: { '01': '00' } }, { transaction: '850' }, moment), {
      class: 'configuration',
      code: 'X12_ENVELOPE',
    });
    const text = written('order-to-x12-850', library.source('order-to-x12-850').sample);
    assert.throws(() => readDocument('x12', text.replace(/GE\*1/, 'GE*2')), { code: 'X12_CONTROL' });
    assert.throws(() => readDocument('x12', text.replace(/IEA\*1/, 'IEA*2')), { code: 'X12_CONTROL' });
  });
});

describe('a FHIR document', () => {
  test('has its decimals as JSON numbers with every digit', () => {
    const text = written('claim-to-fhir-claim', library.source('claim-to-fhir-claim').sample);
    assert.match(text, /"total":\{"value":120\.00,"currency":"EUR"\}/);
    const many = {
      ...(library.source('claim-to-fhir-claim').sample as object),
      billed: { amount: '999999999999999.10', currency: 'EUR' },
    };
    assert.match(written('claim-to-fhir-claim', many), /"value":999999999999999\.10,/);
  });

  test('is the only one that takes JSON numbers: elsewhere they would be objects in a message', () => {
    const mapping = structuredClone(library.source('order-to-odoo-purchase-order')) as unknown as { rows: object[] };
    mapping.rows.push({ from: 'lines[].taxPercent', to: 'values.order_line[].values.x', transforms: ['jsonNumber'] });
    assert.throws(() => library.compile(mapping), { code: 'MAPPING_INVALID' });
  });
});

describe('an outbound HL7 v2 message', () => {
  test('has a header with the event, its time and one control id for one event', () => {
    const [msh] = written('charge-to-hl7-dft', library.source('charge-to-hl7-dft').sample).split('\r');
    assert.match(
      msh!,
      /^MSH\|\^~\\&\|HEALTHFLOWS\|HOSP\|RECEIVER\|HOSP\|20261123101500\+0100\|\|DFT\^P03\^DFT_P03\|[0-9a-f]{20}\|P\|2\.7$/,
    );
  });
});

/**
 * What is shipped is what was promised, and each of it works as a person uses it: in a canonical-mapper of a real
 * Node-RED with the mapping picked, on its own sample and on every document of the library in the bytes as they come.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { isTextFormat } from '../../nodes/canonical/formats/index.ts';
import { read } from '../../nodes/canonical/mapper.ts';
import type { Mapping } from '../../nodes/canonical/mapping/mapping.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { listSamples, sampleText } from '../../nodes/canonical/samples.ts';
import { entities } from '../../nodes/canonical/schemas/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { pairs } from './library/pairs.ts';

process.env.HEALTHFLOWS_PSEUDONYM_KEY = 'k'.repeat(40);

const library = new MappingLibrary();
const root = new URL('./library/', import.meta.url);

/** Documents and the mappings to the model and from it. */
const documents: Readonly<Record<string, readonly [to: string, from: string]>> = {
  'UBL order': ['ubl-order-to-order', 'order-to-ubl-order'],
  'UBL order response': ['ubl-order-response-to-order-response', 'order-response-to-ubl-order-response'],
  'UBL despatch advice': ['ubl-despatch-to-despatch', 'despatch-to-ubl-despatch'],
  'UBL invoice': ['ubl-invoice-to-invoice', 'invoice-to-ubl-invoice'],
  'UBL credit note': ['ubl-credit-note-to-invoice', 'invoice-to-ubl-credit-note'],
  'X12 850': ['x12-850-to-order', 'order-to-x12-850'],
  'X12 855': ['x12-855-to-order-response', 'order-response-to-x12-855'],
  'X12 856': ['x12-856-to-despatch', 'despatch-to-x12-856'],
  'X12 810': ['x12-810-to-invoice', 'invoice-to-x12-810'],
  'X12 820': ['x12-820-to-payment', 'payment-to-x12-820'],
  'FHIR Organization': ['fhir-organization-to-supplier', 'supplier-to-fhir-organization'],
  'FHIR Location': ['fhir-location-to-location', 'location-to-fhir-location'],
  'FHIR SupplyRequest': ['fhir-supply-request-to-requisition', 'requisition-to-fhir-supply-requests'],
  'FHIR SupplyDelivery, announced': ['fhir-supply-delivery-to-despatch', 'despatch-to-fhir-supply-deliveries'],
  'FHIR SupplyDelivery, received': ['fhir-supply-delivery-to-receipt', 'receipt-to-fhir-supply-deliveries'],
  'FHIR ChargeItem': ['fhir-charge-item-to-charge', 'charge-to-fhir-charge-item'],
  'FHIR Invoice': ['fhir-invoice-to-invoice', 'invoice-to-fhir-invoice'],
  'FHIR Claim': ['fhir-claim-to-claim', 'claim-to-fhir-claim'],
  'HL7 v2 DFT^P03': ['hl7-dft-to-charge', 'charge-to-hl7-dft'],
  'HL7 v2 MFN^M15': ['hl7-mfn-m15-to-inventory-level', 'inventory-level-to-hl7-mfn-m15'],
  'HL7 v2 MFN^M16': ['hl7-mfn-m16-to-product', 'product-to-hl7-mfn-m16'],
  'HL7 v2 OMS^O05': ['hl7-oms-to-requisition', 'requisition-to-hl7-oms'],
};

/** Entities without a record of their own in Odoo, and why. */
const homeless: Readonly<Record<string, string>> = {
  remittance: 'a payer’s advice: its payments are what Odoo books (payment)',
  operationalEvent: 'tells of an event; nothing is kept of it in Odoo',
};
/** Entities that Odoo does not give back as they are, and why. */
const oneWay: Readonly<Record<string, string>> = {
  orderResponse: 'is written onto the order that it answers',
  charge: 'becomes an invoice, which comes back as an invoice',
  claim: 'becomes an invoice to the payer, which comes back as an invoice',
};

const mappings = library.list().map(({ id }) => library.source(id));

test('every document that is promised has a mapping to the model and one from it, each with a sample', () => {
  for (const [name, [to, from]] of Object.entries(documents)) {
    for (const id of [to, from]) assert.ok(library.source(id).sample !== undefined, `${name}: ${id} has no sample`);
    assert.ok('entity' in library.source(to).target && 'entity' in library.source(from).source, name);
    // The library's documents are read, written and read again in library.test.ts.
    assert.ok(
      pairs.some(({ read: reader }) => reader === to),
      `${name}: no document of the library`,
    );
  }
});

test('every entity that has a home in Odoo goes there and comes back', () => {
  const odoo = (side: Mapping['source']): boolean => 'format' in side && side.format === 'odoo';
  for (const { name } of entities) {
    const there = mappings.some(({ source, target }) => 'entity' in source && source.entity === name && odoo(target));
    const back = mappings.some(({ source, target }) => 'entity' in target && target.entity === name && odoo(source));
    assert.deepEqual(
      [there, back],
      [homeless[name] === undefined, homeless[name] === undefined && oneWay[name] === undefined],
      name,
    );
  }
});

describe('in a canonical-mapper with the mapping picked', () => {
  let red: EmbeddedNodeRed;
  const mapper = (id: string, mapping: Mapping, to: string): FlowNode => ({
    id,
    z: 'f1',
    type: 'canonical-mapper',
    configVersion: 1,
    mode: 'entity' in mapping.target ? 'to-canonical' : 'from-canonical',
    ...(library.list().some((each) => each.id === mapping.id)
      ? { mapping: mapping.id }
      : { edited: JSON.stringify(mapping) }),
    wires: [[to]],
  });
  const ownOrShipped = (name: string): Mapping =>
    name.endsWith('.json') ? (JSON.parse(readFileSync(new URL(name, root), 'utf8')) as Mapping) : library.source(name);

  before(async () => {
    red = await embedNodeRed();
    await red.setFlows([
      { id: 'f1', type: 'tab', label: 'all mappings' },
      ...mappings.map((mapping, n) => mapper(`own-${n}`, mapping, 'out')),
      ...pairs.flatMap(({ read: reader, write }, n) => [
        mapper(`read-${n}`, ownOrShipped(reader), write === undefined ? 'out' : `write-${n}`),
        ...(write === undefined ? [] : [mapper(`write-${n}`, ownOrShipped(write), 'out')]),
      ]),
      { id: 'out', z: 'f1', type: 'debug', active: false, wires: [] },
      { id: 'catch', z: 'f1', type: 'catch', scope: null, wires: [['out']] },
    ]);
  });
  after(() => red?.stop());

  const through = async (node: string, payload: unknown) => {
    const arrived = red.receive('out');
    red.node(node).receive({ payload, event: { specversion: '1.0', id: `of-${node}`, source: 'test', type: 'test' } });
    const [message] = await arrived;
    assert.equal(message!.failure, undefined, JSON.stringify(message!.failure));
    return message as { payload: never; event: { dataschema?: string; sensitivity?: string } };
  };

  /** What comes out is what the target is: an entity with its origin, or a document that reads as its format. */
  const isWhatItSays = (mapping: Mapping, { payload, event }: Awaited<ReturnType<typeof through>>): void => {
    const { target } = mapping;
    assert.match(event.sensitivity ?? '', /^[PICNHS]$/);
    if ('entity' in target) {
      assert.equal((payload as { meta: { mapping: { id: string } } }).meta.mapping.id, mapping.id);
      assert.match(event.dataschema ?? '', new RegExp(`:${target.entity}:`));
      return;
    }
    assert.equal(typeof payload, isTextFormat(target.format) ? 'string' : 'object');
    const tree = read(target, payload);
    assert.ok(Object.keys(tree as object).length > 0);
  };

  for (const [n, mapping] of mappings.entries()) {
    test(`${mapping.id} maps its sample`, async () => {
      const { sample } = mapping;
      assert.ok(sample !== undefined, 'it has none');
      isWhatItSays(mapping, await through(`own-${n}`, structuredClone(sample)));
    });
  }

  for (const [n, pair] of pairs.entries()) {
    const [folder, prefix] = pair.files.split('/') as [string, string];
    const files = readdirSync(new URL(`${folder}/`, root)).filter(
      (name) => name.startsWith(prefix) && !/\.mapping\.json$|\.md$/.test(name),
    );
    for (const file of files) {
      // The first pair that fits a name is its own.
      if (pairs.find(({ files: each }) => `${folder}/${file}`.startsWith(each)) !== pair) continue;
      test(`${pair.read}${pair.write === undefined ? '' : `, then ${pair.write},`} takes ${file} as it comes`, async () => {
        const bytes = readFileSync(new URL(`${folder}/${file}`, root));
        isWhatItSays(ownOrShipped(pair.write ?? pair.read), await through(`read-${n}`, bytes));
      });
    }
  }
});

test('an analyst is offered a sample of every mapping', () => {
  const offered = listSamples(library);
  for (const { id } of mappings) {
    assert.ok(
      offered.some((sample) => sample.id === `mapping:${id}`),
      id,
    );
    assert.ok(sampleText(library, `mapping:${id}`).length > 0, id);
  }
  assert.throws(() => sampleText(library, 'x12:../../../package.json'), { code: 'SAMPLE_UNKNOWN' });
});

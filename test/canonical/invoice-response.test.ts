/** The answer to a bill as Peppol's Invoice Response (T111) has it: elements, their order, its fatal rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeDocument } from '../../nodes/canonical/formats/index.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';

const library = new MappingLibrary();
const id = 'invoice-to-ubl-application-response';
const sample = library.source(id).sample as Record<string, unknown>;

function written(invoice: unknown): string {
  const mapping = library.get(id);
  const { value, violations } = mapping.run(invoice, {});
  assert.deepEqual(violations, []);
  const { target } = mapping.mapping;
  assert.ok('format' in target);
  return writeDocument(target.format, value, target.options);
}

const answer = (response: Record<string, string>) => ({
  ...sample,
  responses: [{ at: '2026-11-28T09:30:00+01:00', ...response }],
});

test('a query has a reason in words and an action, each with its list, in the order of the schema', () => {
  const text = written(sample);
  const elements = [...text.matchAll(/<(c[ab]c:\w+)([^>]*)>([^<]*)/g)].map(
    ([, name, attributes, value]) => `${name!.slice(4)}${attributes}${value!.trim() === '' ? '' : ` ${value}`}`,
  );
  assert.deepEqual(elements, [
    'CustomizationID urn:fdc:peppol.eu:poacc:trns:invoice_response:3',
    'ProfileID urn:fdc:peppol.eu:poacc:bis:invoice_response:3',
    'ID INV-2207-UQ',
    'IssueDate 2026-11-28',
    'SenderParty',
    'EndpointID schemeID="0088" 4000009000014',
    'PartyLegalEntity',
    'RegistrationName Sandbox General Hospital',
    'ReceiverParty',
    'EndpointID schemeID="0088" 4000009000021',
    'PartyIdentification',
    'ID ACME',
    'PartyLegalEntity',
    'RegistrationName Acme Medical',
    'DocumentResponse',
    'Response',
    'ResponseCode UQ',
    'Status',
    'StatusReasonCode listID="OPStatusReason" PRI',
    'StatusReason Line 1: the price is 4.54 EUR per {each} instead of 4.2.',
    'Status',
    'StatusReasonCode listID="OPStatusAction" CNP',
    'DocumentReference',
    'ID INV-2207',
    'IssueDate 2026-11-27',
    'DocumentTypeCode 380',
  ]);
  // Who answered stays in the house.
  assert.doesNotMatch(text, /anna/);
});

test('an acceptance has no status; a reason without words has those of the list (PEPPOL-T111-R001, R002)', () => {
  assert.doesNotMatch(written(answer({ code: 'AP' })), /Status/);
  assert.match(
    written({ ...answer({ code: 'RE', reason: 'OTH' }), kind: 'credit' }),
    /<cbc:ResponseCode>RE<[\s\S]*>OTH<[\s\S]*<cbc:StatusReason>Other<[\s\S]*DocumentTypeCode>381</,
  );
});

test('one answer is told at a time: two that differ, or none, are no document', () => {
  const code = 'ApplicationResponse.DocumentResponse.Response.ResponseCode.#text';
  for (const responses of [[{ code: 'UQ' }, { code: 'AP' }], []]) {
    const { violations } = library.get(id).run({ ...sample, responses }, {});
    assert.ok(
      violations.some(({ target }) => target === code),
      JSON.stringify(violations),
    );
  }
});

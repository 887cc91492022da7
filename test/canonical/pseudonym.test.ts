/** Pseudonyms: equal for equal accounts, of no use without the key, and nothing of the patient beside them. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { toFailure } from '../../nodes/kernel/failure.ts';
import { pseudonymKeyVariable, pseudonymOf } from '../../nodes/canonical/mapping/pseudonym.ts';
import { transforms } from '../../nodes/canonical/mapping/transforms.ts';
import { readDocument } from '../../nodes/canonical/formats/index.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';

const key = 'k'.repeat(32);

describe('a pseudonym', () => {
  const before = process.env[pseudonymKeyVariable];
  after(() => {
    if (before === undefined) delete process.env[pseudonymKeyVariable];
    else process.env[pseudonymKeyVariable] = before;
  });

  test('is the same for the same account and key, and another for another account or key', () => {
    assert.equal(pseudonymOf('ACC-5', key), pseudonymOf('ACC-5', key));
    assert.match(pseudonymOf('ACC-5', key), /^[0-9A-HJKMNP-TV-Z]{20}$/);
    assert.notEqual(pseudonymOf('ACC-5', key), pseudonymOf('ACC-6', key));
    assert.notEqual(pseudonymOf('ACC-5', key), pseudonymOf('ACC-5', 'l'.repeat(32)));
    const many = new Set(Array.from({ length: 20_000 }, (_, n) => pseudonymOf(`ACC-${n}`, key)));
    assert.equal(many.size, 20_000);
  });

  test('is not made without a key, nor with one that can be guessed: the document fails, and the account is not in the failure', () => {
    for (const short of [undefined, '', 'secret']) {
      assert.throws(
        () => pseudonymOf('ACC-5', short),
        (error) => {
          const failure = toFailure(error);
          assert.equal(failure.code, 'PSEUDONYM_KEY');
          assert.equal(failure.class, 'configuration');
          assert.doesNotMatch(JSON.stringify(failure.toRecord()), /ACC-5|secret\b/);
          return true;
        },
      );
    }
  });

  test('the transform takes its key from the environment', () => {
    process.env[pseudonymKeyVariable] = key;
    assert.equal(transforms.pseudonym!.apply(' ACC-5 ', {}), `PSN-${pseudonymOf('ACC-5', key)}`);
    assert.equal(transforms.pseudonym!.apply('ACC-5', { prefix: 'A-' }), `A-${pseudonymOf('ACC-5', key)}`);
    assert.equal(transforms.pseudonym!.inverse, undefined);
  });

  const marked = {
    'hl7-dft-to-billing-charge':
      'MSH|^~\\&|HIS|HOSP|BILL|HOSP|20261123101500+0100||DFT^P03^DFT_P03|M2|P|2.5\rEVN|P03|20261123101500+0100\rPID|1||MARK-MRN^^^HOSP||MARK-NAME^J||19550101|M|||MARK-STREET\rPV1|1|O|||||||||||||||||MARK-VISIT\rFT1|1|T-100||20261120||CG|SVC-CALIB^MARK-WORDS^L|||2|285.00&EUR|142.50&EUR|CARD||||||MARK-DIAG^House|MARK-DOC^House\rDG1|1||MARK-DIAG\r'.replace(
        'MARK-STREET\r',
        'MARK-STREET|||||||MARK-ACC\r',
      ),
    'fhir-charge-item-to-billing-charge': JSON.stringify({
      resourceType: 'ChargeItem',
      identifier: [{ value: 'EHR-T-100' }],
      status: 'billable',
      code: { coding: [{ system: 'urn:x', code: 'SVC-CALIB', display: 'MARK-WORDS' }], text: 'MARK-WORDS' },
      subject: { reference: 'Patient/MARK-MRN', identifier: { value: 'MARK-MRN' }, display: 'MARK-NAME' },
      context: { identifier: { value: 'MARK-VISIT' } },
      account: [{ identifier: { value: 'MARK-ACC' } }],
      occurrenceDateTime: '2026-11-20',
      reason: [{ text: 'MARK-DIAG' }],
      note: [{ text: 'MARK-WORDS' }],
      performer: [{ actor: { identifier: { value: 'MARK-DOC' } } }],
    }),
  };
  for (const [id, document] of Object.entries(marked)) {
    test(`${id}: a valid charge, and nothing that was marked as the patient's`, () => {
      process.env[pseudonymKeyVariable] = key;
      const compiled = new MappingLibrary().get(id);
      const { source } = compiled.mapping;
      assert.ok('format' in source);
      const { value, violations } = compiled.run(readDocument(source.format, document, source.options), {});
      assert.deepEqual(violations, []);
      assert.deepEqual(validatorOf('charge', 'tolerant')(value).violations, []);
      assert.doesNotMatch(JSON.stringify(value), /MARK/);
      assert.match(JSON.stringify(value.party), new RegExp(pseudonymOf('MARK-ACC', key)));
    });
  }

  test('a reversal has a number of its own and names the charge that it takes back', () => {
    process.env[pseudonymKeyVariable] = key;
    const compiled = new MappingLibrary().get('hl7-dft-to-billing-charge');
    const { source } = compiled.mapping;
    assert.ok('format' in source);
    const credit = marked['hl7-dft-to-billing-charge'].replace('||CG|', '||CR|');
    const { value } = compiled.run(readDocument(source.format, credit, source.options), {});
    assert.equal(value.kind, 'credit');
    assert.equal(value.number, 'HIS-T-100-CR');
    assert.deepEqual(value.reverses, { identifiers: [{ type: 'CHARGE', value: 'HIS-T-100' }] });
  });
});

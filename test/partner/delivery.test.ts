/** What leaves by an edge, and in which form. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EventAttributes } from '../../nodes/kernel/message.ts';
import { answerOf, bodyOf } from '../../nodes/partner/body.ts';
import { leastData } from '../../nodes/partner/least-data.ts';
import { templateOf } from '../../nodes/partner/template.ts';
import { failure } from '../odoo/support.ts';

const supplier = {
  code: 'ACME',
  name: 'ACME Medical',
  bankAccounts: [{ iban: 'DE89370400440532013000' }],
  contacts: [{ name: 'Anna Person', email: 'anna@acme.example' }],
};
const event = (more: Partial<EventAttributes> = {}): EventAttributes => ({
  id: '1',
  source: 'urn:test',
  type: 't',
  dataschema: 'urn:healthflows:canonical:supplier:1.0.0',
  ...more,
});

describe('least data', () => {
  test('a canonical document above the class of the edge is refused', () => {
    assert.throws(
      () => leastData(supplier, event(), { most: 'C', over: 'refuse' }),
      failure({ class: 'policy-rejection', code: 'PARTNER_SENSITIVITY', outcome: 'none', retryable: false }),
    );
    assert.equal(leastData(supplier, event(), { most: 'N', over: 'refuse' }), supplier);
  });

  test('or leaves the fields out that may not leave, by what it holds and not by what its event says', () => {
    const projected = leastData(supplier, event({ sensitivity: 'P' }), { most: 'C', over: 'project' });
    assert.deepEqual(projected, { code: 'ACME', name: 'ACME Medical', bankAccounts: supplier.bankAccounts });
    const inner = leastData(supplier, event(), { most: 'I', over: 'project' });
    assert.deepEqual(inner, { code: 'ACME', name: 'ACME Medical' });
  });

  test('of a rendered text the class of the document behind it counts, and it is never projected', () => {
    const rendered = event({ dataschema: 'urn:oasis:order', sensitivity: 'N' });
    for (const over of ['refuse', 'project'] as const) {
      assert.throws(
        () => leastData('<Order/>', rendered, { most: 'C', over }),
        failure({ code: 'PARTNER_SENSITIVITY' }),
      );
    }
    assert.equal(leastData('<Order/>', rendered, { most: 'N', over: 'refuse' }), '<Order/>');
  });

  test('what nobody has classified does not leave, unless the edge does not look', () => {
    for (const unclassified of [undefined, event({ dataschema: 'urn:x', sensitivity: 'public' })]) {
      assert.throws(
        () => leastData({ a: 1 }, unclassified, { most: 'H', over: 'project' }),
        failure({ code: 'PARTNER_UNCLASSIFIED' }),
      );
      assert.deepEqual(leastData({ a: 1 }, unclassified, { most: 'any', over: 'refuse' }), { a: 1 });
    }
  });
});

describe('body', () => {
  test('text goes as it is, anything else as JSON; the media type follows what it looks like', () => {
    assert.deepEqual(bodyOf('<Order/>', ''), { type: 'application/xml', content: '<Order/>' });
    assert.equal(bodyOf('ISA*00*', '').type, 'application/EDI-X12');
    assert.equal(bodyOf('MSH|^~', '').type, 'application/hl7-v2');
    assert.deepEqual(bodyOf({ qty: '10.50' }, ''), { type: 'application/json', content: '{"qty":"10.50"}' });
    assert.equal(bodyOf('<Order/>', 'application/vnd.x+xml').type, 'application/vnd.x+xml');
    assert.throws(() => bodyOf(undefined, ''), failure({ code: 'PARTNER_NO_DOCUMENT' }));
  });

  test('answers are read by their media type, with their digits', () => {
    const read = (type: string, text: string) => answerOf({ type, bytes: Buffer.from(text) });
    assert.deepEqual(read('application/problem+json', '{"total": 10.50}'), { total: '10.50' });
    assert.equal(read('text/plain', 'taken'), 'taken');
    assert.equal(read('application/json', ''), undefined);
    assert.ok(Buffer.isBuffer(read('application/pdf', '%PDF')));
    assert.equal(typeof read('application/xml', '<a><b>1</b></a>'), 'object');
    assert.throws(() => read('application/json', '{'), failure({ class: 'data-quality' }));
  });
});

describe('places in a path', () => {
  const fill = (text: string, message: Record<string, unknown>) =>
    templateOf(text, 'path')(message, encodeURIComponent);
  test('are filled from the message, encoded', () => {
    assert.equal(
      fill('/a/{payload.lines[0].no}/{msg.topic}', { payload: { lines: [{ no: 1 }] }, topic: 'x/../y?z' }),
      '/a/1/x%2F..%2Fy%3Fz',
    );
  });
  test('fail before anything is sent where the message has no value, or one that leads elsewhere', () => {
    for (const topic of [undefined, '', '..', '.', {}, 'x'.repeat(2_000)]) {
      assert.throws(
        () => fill('/a/{topic}', { topic }),
        failure({ class: 'data-quality', code: 'PARTNER_VALUE_MISSING' }),
      );
    }
    assert.throws(() => fill('/{constructor.name}', {}), failure({ class: 'configuration' }));
    assert.throws(() => fill('/{open', {}), failure({ class: 'configuration' }));
  });
});

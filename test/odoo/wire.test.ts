import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compare, normalise } from '../../nodes/kernel/decimal.ts';
import { numberLiteral, parseAnswer, plainDecimal } from '../../nodes/odoo/client/wire.ts';
import { fromOdooDatetime, isDate, toOdooDatetime } from '../../nodes/odoo/client/instants.ts';
import { versionOf } from '../../nodes/odoo/client/version.ts';
import { ModelFields } from '../../nodes/odoo/client/fields.ts';
import { checkValue, fromOdoo, type Reference, toJson } from '../../nodes/odoo/client/values.ts';
import type { FieldInfo } from '../../nodes/odoo/client/fields.ts';
import { failure } from './support.ts';

const field = (type: string, more: Partial<FieldInfo> = {}): FieldInfo => ({
  name: 'x',
  type,
  string: 'X',
  required: false,
  readonly: false,
  store: true,
  ...more,
});
const sent = (type: string, value: unknown, more: Partial<FieldInfo> = {}) =>
  JSON.stringify(toJson(checkValue(field(type, more), value, 'x')));

describe('numbers on the wire', () => {
  test('a decimal string leaves as a number literal with exactly its digits', () => {
    for (const text of ['235.40', '12345678901234.123456', '0.30', '-0.10', '99999999999999999999.99'])
      assert.equal(sent('float', text), text);
    assert.equal(sent('monetary', '007.50'), '7.50');
    assert.equal(sent('float', '-0.00'), '0.00');
    assert.equal(sent('float', 12), '12');
  });

  test('a float that a program computed is refused, because 0.1 + 0.2 is 0.30000000000000004', () => {
    assert.throws(() => sent('float', 0.1 + 0.2), failure({ code: 'ODOO_VALUE', class: 'data-quality' }));
  });

  test('numbers come in with their digits; small whole ones as numbers', () => {
    assert.deepEqual(parseAnswer('{"a":235.40,"b":12345678901234.123456,"c":7,"d":9007199254740993,"e":"1.5"}'), {
      a: '235.40',
      b: '12345678901234.123456',
      c: 7,
      d: '9007199254740993',
      e: '1.5',
    });
    assert.deepEqual(parseAnswer('[1,2,{"x":[3,false,null,"4"]}]'), [1, 2, { x: [3, false, null, '4'] }]);
  });

  test('where the types are known, short numbers may be numbers, and long ones still keep every digit', () => {
    assert.deepEqual(parseAnswer('[{"a":4.20,"b":10.0}]', true), [{ a: 4.2, b: 10 }]);
    assert.deepEqual(parseAnswer('[{"a":12345678901234.123456,"b":0.5}]', true), [
      { a: '12345678901234.123456', b: '0.5' },
    ]);
    assert.deepEqual(parseAnswer('[9007199254740993]', true), ['9007199254740993']);
    fc.assert(
      fc.property(fc.integer({ min: -(10 ** 14), max: 10 ** 14 }), fc.integer({ min: 1, max: 14 }), (digits, scale) => {
        const body = Math.abs(digits)
          .toString()
          .padStart(scale + 1, '0');
        const text = `${digits < 0 ? '-' : ''}${body.slice(0, -scale)}.${body.slice(-scale)}`;
        const [back] = parseAnswer(`[${text}]`, true) as [unknown];
        assert.equal(compare(fromOdoo(field('float'), back) as string, text), 0);
      }),
    );
  });

  test('a key that could reach a prototype is dropped at every depth', () => {
    const answer = parseAnswer('{"a":1,"__proto__":{"polluted":1},"b":[{"constructor":2,"c":3}]}');
    assert.deepEqual(Object.keys(answer as object), ['a', 'b']);
    assert.deepEqual((answer as { b: object[] }).b, [{ c: 3 }]);
  });

  test('Python’s exponents become plain decimals', () => {
    assert.equal(plainDecimal('1e-05'), '0.00001');
    assert.equal(plainDecimal('1.5e+16'), '15000000000000000');
    assert.equal(plainDecimal('-1.2345e2'), '-123.45');
    assert.equal(plainDecimal('235.4'), '235.4');
  });

  test('any decimal survives the way out and back', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
        fc.integer({ min: 0, max: 12 }),
        (digits, scale) => {
          const sign = digits < 0n ? '-' : '';
          const body = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0');
          const text = scale === 0 ? sign + body : `${sign}${body.slice(0, -scale)}.${body.slice(-scale)}`;
          const line = JSON.stringify({ v: toJson(checkValue(field('float'), text, 'x')) });
          const back = (parseAnswer(line) as { v: unknown }).v;
          assert.equal(compare(normalise(String(back)), text), 0);
        },
      ),
    );
  });

  test('only digits can become a literal', () => {
    for (const text of ['1e5', 'NaN', '1,"x":2', '01', '+1', '']) assert.throws(() => numberLiteral(text));
  });
});

describe('dates and instants', () => {
  test('RFC 3339 becomes UTC without zone, whole seconds; and back', () => {
    assert.equal(toOdooDatetime('2026-03-01T09:00:00+01:00'), '2026-03-01 08:00:00');
    assert.equal(toOdooDatetime('2026-03-01T09:00:00.987Z'), '2026-03-01 09:00:00');
    assert.equal(toOdooDatetime(new Date(Date.UTC(2026, 2, 1, 9))), '2026-03-01 09:00:00');
    assert.equal(toOdooDatetime('2026-03-01 09:00:00'), '2026-03-01 09:00:00');
    assert.equal(fromOdooDatetime('2026-03-01 09:00:00'), '2026-03-01T09:00:00Z');
    assert.equal(fromOdooDatetime('2026-11-22 14:35:22.892716'), '2026-11-22T14:35:22.892716Z');
  });

  test('what names no instant is refused', () => {
    for (const text of ['2026-02-30T09:00:00Z', '2026-03-01T09:00:00', '2026-03-01T09:00', 'tomorrow', ''])
      assert.equal(toOdooDatetime(text), undefined);
    assert.equal(toOdooDatetime(new Date(Number.NaN)), undefined);
  });

  test('a bare date for a datetime is midnight in the time zone, also on the day of a clock change', () => {
    assert.equal(toOdooDatetime('2026-03-01'), '2026-03-01 00:00:00');
    assert.equal(toOdooDatetime('2026-03-01', 'Europe/Brussels'), '2026-02-28 23:00:00');
    assert.equal(toOdooDatetime('2026-03-29', 'Europe/Brussels'), '2026-03-28 23:00:00');
    assert.equal(toOdooDatetime('2026-03-30', 'Europe/Brussels'), '2026-03-29 22:00:00');
    assert.equal(toOdooDatetime('2026-07-04', 'America/New_York'), '2026-07-04 04:00:00');
  });

  test('a date is a day that exists, and nothing after it, which Odoo would cut without a word', () => {
    assert.ok(isDate('2028-02-29'));
    for (const text of ['2026-02-29', '2026-3-1', '2026-03-01T00:00:00Z', '2026-03-01 '])
      assert.equal(isDate(text), false);
    assert.throws(() => sent('date', '2026-03-01T09:00:00Z'), failure({ code: 'ODOO_VALUE' }));
  });
});

describe('values by the type of the field', () => {
  const refuses = (type: string, value: unknown, more: Partial<FieldInfo> = {}) =>
    assert.throws(
      () => sent(type, value, more),
      failure({ class: 'data-quality', code: 'ODOO_VALUE', outcome: 'none' }),
    );

  test('null, undefined and false empty any field but a boolean', () => {
    for (const type of ['char', 'float', 'date', 'datetime', 'many2one', 'selection', 'one2many'])
      for (const value of [null, undefined, false]) assert.equal(sent(type, value), 'false');
    assert.equal(sent('boolean', false), 'false');
    assert.equal(sent('char', ''), 'false');
    assert.throws(() => sent('datetime', ''), failure({ code: 'ODOO_VALUE' }));
  });

  test('"false" is not false: Odoo would read any text as true', () => {
    refuses('boolean', 'false');
    refuses('boolean', 0);
  });

  test('a many2one is an id, an external id or a match; "8" and [8, "x"] are refused', () => {
    const relation = { relation: 'res.partner' };
    assert.equal(sent('many2one', 8, relation), '8');
    assert.equal(sent('many2one', { id: 8, name: 'as it was read' }, relation), '8');
    for (const value of [
      '8',
      [8, 'x'],
      0,
      -1,
      1.5,
      {},
      { match: {} },
      { match: { ref: null } },
      { externalId: 'nodot' },
    ])
      assert.throws(() => sent('many2one', value, relation), failure({ class: 'data-quality' }));
    const value = checkValue(field('many2one', relation), { match: { ref: 'A' } }, 'x');
    assert.deepEqual(value.kind === 'reference' && value.ref, {
      kind: 'match',
      model: 'res.partner',
      match: { ref: 'A' },
    } satisfies Reference);
  });

  test('a selection is one of its values, which the refusal names', () => {
    const selection = {
      selection: [
        ['draft', 'RFQ'],
        ['done', 'Done'],
      ] as [string, string][],
    };
    assert.equal(sent('selection', 'draft', selection), '"draft"');
    assert.throws(
      () => sent('selection', 'RFQ', selection),
      (error: Error) => error.message.includes('draft, done'),
    );
  });

  test('whole numbers are whole, and fit the column', () => {
    assert.equal(sent('integer', '12'), '12');
    refuses('integer', '12.5');
    refuses('integer', 2 ** 31);
    refuses('integer', true);
  });

  test('base64 or a Buffer for a binary, up to the stated limit', () => {
    assert.equal(sent('binary', Buffer.from('hello')), '"aGVsbG8="');
    assert.equal(sent('binary', 'aGVsbG8='), '"aGVsbG8="');
    refuses('binary', 'not base64!');
    assert.throws(
      () => checkValue(field('binary'), Buffer.alloc(1_000), 'x', { attachment: 999 }),
      failure({ code: 'ODOO_ATTACHMENT_TOO_LARGE' }),
    );
  });

  test('more lines than the limit are refused with both numbers', () => {
    assert.throws(
      () =>
        checkValue(
          field('one2many', { relation: 'y' }),
          Array.from({ length: 5_001 }, () => ({ values: {} })),
          'order_line',
        ),
      (error: Error) => /5001.*5000/.test(error.message),
    );
  });

  test('refusals name the field and never quote the value', () => {
    try {
      checkValue(field('integer'), 'secret-canary', 'order_line[2].quantity');
      assert.fail('was taken');
    } catch (error) {
      assert.match((error as Error).message, /^order_line\[2\]\.quantity must be/);
      assert.doesNotMatch(JSON.stringify(error) + (error as Error).message, /canary/);
    }
  });
});

describe('versions and fields', () => {
  test('reads every way a server tells its version', () => {
    assert.equal(versionOf('{"version":"19.0","version_info":[19,0,0,"final",0,""]}')?.major, 19);
    assert.equal(
      versionOf('{"server_version":"18.0-20250710","server_version_info":[18,0,0,"final",0,""]}')?.major,
      18,
    );
    assert.equal(
      versionOf('{"server_version":"saas~18.3+e","server_version_info":["saas~18",3,0,"final",0,"e"]}')?.major,
      18,
    );
    for (const text of ['<html>', '[]', 'null', '{}']) assert.equal(versionOf(text), undefined);
  });

  test('names of 19 work on 18 and 17; an old name on 19 is told its new one; a misspelling is met with a guess', () => {
    const old = new ModelFields('purchase.order.line', {
      product_uom: { type: 'many2one' },
      taxes_id: { type: 'many2many' },
    });
    assert.equal(old.get('product_uom_id').name, 'product_uom');
    assert.equal(old.get('tax_ids').name, 'taxes_id');
    assert.equal(old.nameOut('product_uom'), 'product_uom_id');
    const now = new ModelFields('purchase.order.line', {
      product_uom_id: { type: 'many2one' },
      product_qty: { type: 'float' },
    });
    assert.throws(() => now.get('product_uom'), /is called product_uom_id/);
    assert.throws(() => now.get('product_qyt'), /Did you mean product_qty/);
    assert.throws(() => now.get('zzz'), failure({ class: 'configuration', code: 'ODOO_UNKNOWN_FIELD' }));
  });
});

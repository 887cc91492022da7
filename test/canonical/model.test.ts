import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { dereference, fieldsOf } from '../../nodes/canonical/model/fields.ts';
import { isDate, isInstant } from '../../nodes/canonical/model/formats.ts';
import { partitionKeyOf, subjectOf } from '../../nodes/canonical/model/keys.ts';
import { classificationOf, project } from '../../nodes/canonical/model/project.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';
import { checkDigitOf, isGln, isSscc, toGtin14 } from '../../nodes/canonical/schemas/check-digits.ts';
import { commonSchema, entities, type JsonSchema, sensitivities } from '../../nodes/canonical/schemas/index.ts';

const order = () => ({
  number: 'PO-1001',
  issueDate: '2026-11-23',
  currency: 'EUR',
  supplier: { identifiers: [{ type: 'CODE', value: 'ACME' }] },
  lines: [
    {
      number: '1',
      product: { identifiers: [{ type: 'SKU', value: 'GLOVE-M' }] },
      quantity: { value: '10', unit: '{box}', pack: { code: 'BX', perBase: '10' } },
      unitPrice: { amount: '4.20', currency: 'EUR' },
    },
  ] as Record<string, unknown>[],
});

const strict = (document: unknown, entity = 'order') => validatorOf(entity, 'strict')(document);
const tolerant = (document: unknown, entity = 'order') => validatorOf(entity, 'tolerant')(document);
const rules = (document: unknown) => strict(document).violations.map(({ path, rule }) => `${path} ${rule}`);

/** Every schema with a scalar type, at any depth. */
function leaves(schema: unknown, path: string, found: { path: string; schema: JsonSchema }[] = []) {
  if (typeof schema !== 'object' || schema === null) return found;
  const record = schema as JsonSchema;
  const type = record.type;
  if (typeof type === 'string' && type !== 'object' && type !== 'array' && record.description !== undefined) {
    found.push({ path, schema: record });
  }
  for (const [key, inner] of Object.entries(record)) leaves(inner, `${path}/${key}`, found);
  return found;
}

describe('the schemas', () => {
  const all = [...entities.map((entity) => entity.schema), commonSchema()].flatMap((schema) =>
    leaves(schema, String(schema.$id)),
  );

  test('say of every leaf how sensitive it is', () => {
    assert.ok(all.length > 300, `${all.length} leaves`);
    const missing = all.filter(
      ({ schema }) => !(sensitivities as readonly unknown[]).includes(schema['x-sensitivity']),
    );
    assert.deepEqual(
      missing.map(({ path }) => path),
      [],
    );
  });

  test('bound every text and every list', () => {
    const unbounded = all.filter(
      ({ schema }) =>
        schema.type === 'string' &&
        schema.maxLength === undefined &&
        schema.enum === undefined &&
        schema['x-extensible-enum'] === undefined,
    );
    assert.deepEqual(
      unbounded.map(({ path }) => path),
      [],
    );
    for (const entity of entities) {
      const visit = (schema: JsonSchema, path: string): void => {
        if (schema.type === 'array') assert.equal(typeof schema.maxItems, 'number', `${entity.name} ${path}`);
        for (const [key, inner] of Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>)) {
          visit(dereference(inner), `${path}/${key}`);
        }
        if (schema.items !== undefined) visit(dereference(schema.items as JsonSchema), `${path}/items`);
      };
      visit(entity.schema, '');
    }
  });

  test('never hold money or quantity as a JSON number', () => {
    assert.deepEqual(
      all.filter(({ schema }) => schema.type === 'number').map(({ path }) => path),
      [],
    );
  });

  test('have their name and version in their id, and a description of every field', () => {
    for (const entity of entities) {
      assert.equal(entity.schema.$id, `urn:healthflows:canonical:${entity.name}:${entity.version}`);
      for (const field of fieldsOf(entity)) assert.ok(field.description !== '', `${entity.name} ${field.path}`);
      for (const key of entity.businessKey) {
        assert.ok(
          fieldsOf(entity).some(({ path }) => path === key),
          `${entity.name} has no field ${key}`,
        );
      }
    }
  });

  test('compile in both readings', () => {
    for (const { name } of entities) {
      assert.equal(typeof validatorOf(name, 'strict'), 'function');
      assert.equal(typeof validatorOf(name, 'tolerant'), 'function');
    }
  });
});

describe('validation', () => {
  test('accepts a good order in both readings', () => {
    assert.deepEqual(strict(order()), { valid: true, violations: [], count: 0 });
    assert.equal(tolerant(order()).valid, true);
  });

  test('refuses unknown fields from us and lets those of a partner pass', () => {
    const document = { ...order(), colour: 'red', lines: [{ ...order().lines[0], shade: 'dark' }] };
    assert.deepEqual(rules(document).sort(), ['/colour unknown-field', '/lines/0/shade unknown-field']);
    assert.equal(tolerant(document).valid, true);
  });

  test('refuses a value of a growing list from us and lets a new one of a partner pass', () => {
    const document = { ...order(), status: 'half-done' };
    assert.deepEqual(rules(document), ['/status enum']);
    assert.equal(tolerant(document).valid, true);
  });

  test('tells every violation at once, by JSON pointer and with what would be right', () => {
    const document = { ...order(), issueDate: '2026-02-30', currency: 'EUX', number: undefined };
    const { violations } = strict(document);
    assert.deepEqual(violations.map(({ path, rule }) => `${path} ${rule}`).sort(), [
      '/currency format',
      '/issueDate format',
      '/number required',
    ]);
    assert.match(violations.find(({ path }) => path === '/currency')!.expected, /ISO 4217/);
    assert.deepEqual(violations.map(({ path, found }) => `${path} ${found}`).sort(), [
      '/currency text (3)',
      '/issueDate text (10)',
      '/number nothing',
    ]);
  });

  test('never repeats a value of the document', () => {
    const secret = 'Jane-Patient-1970';
    const document = { ...order(), issueDate: secret, currency: secret, [`${secret} x`]: secret, supplier: secret };
    assert.doesNotMatch(JSON.stringify(strict(document)), /Jane|1970/);
    const hidden = strict({ ...order(), ext: { [`acme:x ${secret}`]: 1, [secret]: 2 } });
    assert.doesNotMatch(JSON.stringify(hidden), /Jane|1970/);
  });

  test('bounds the list of violations, however many there are', () => {
    const lines = Array.from({ length: 5_000 }, (_, i) => ({ number: `${i}`, product: {}, quantity: {} }));
    const { violations, count } = strict({ ...order(), lines });
    assert.equal(violations.length, 50);
    assert.ok(count > 5_000);
  });

  test('bounds what it looks at', () => {
    let deep: unknown = 'x';
    for (let i = 0; i < 20_000; i++) deep = { deep };
    assert.equal(strict({ ...order(), ext: deep }).violations[0]!.rule, 'size');
  });

  test('refuses two lines with one number, which systems could not tell apart', () => {
    const document = { ...order(), lines: [order().lines[0]!, order().lines[0]!] };
    assert.deepEqual(rules(document), ['/lines unique']);
  });

  test('refuses a JSON number where a decimal text belongs, and a time without its offset', () => {
    const line = { ...order().lines[0]!, quantity: { value: 10, unit: '{box}' } };
    assert.deepEqual(rules({ ...order(), lines: [line] }), ['/lines/0/quantity/value type']);
    assert.deepEqual(rules({ ...order(), issuedAt: '2026-11-23T10:15:00' }), ['/issuedAt format']);
  });

  test('verifies the check digit of GS1 keys among the identifiers', () => {
    const buyer = (value: string) => ({ identifiers: [{ type: 'GLN', value }] });
    assert.equal(strict({ ...order(), buyer: buyer('4000009000014') }).valid, true);
    assert.deepEqual(rules({ ...order(), buyer: buyer('4000009000015') }), ['/buyer/identifiers/0 check-digit']);
  });

  test('takes inherited properties for absent ones', () => {
    const { number: _, ...rest } = order();
    const document: unknown = Object.assign(Object.create({ number: 'PO-1' }) as object, rest);
    assert.deepEqual(rules(document), ['/number required']);
  });

  test('keeps extensions under a namespace only', () => {
    assert.equal(strict({ ...order(), ext: { 'acme:season': 'winter' } }).valid, true);
    assert.equal(strict({ ...order(), ext: { season: 'winter' } }).valid, false);
  });
});

describe('formats', () => {
  test('a date exists in the calendar', () => {
    assert.deepEqual(['2024-02-29', '2026-02-29', '1900-02-29', '2000-02-29', '2026-13-01', '2026-1-1'].map(isDate), [
      true,
      false,
      false,
      true,
      false,
      false,
    ]);
  });
  test('an instant has its offset', () => {
    assert.deepEqual(
      [
        '2026-11-23T10:15:00Z',
        '2026-11-23T10:15:00+01:00',
        '2026-11-23T10:15:00',
        '2026-11-23 10:15:00Z',
        '2026-11-23T24:00:00Z',
      ].map(isInstant),
      [true, true, false, false, false],
    );
  });
  test('check digits follow GS1: one wrong digit is always found', () => {
    assert.equal(isGln('4000009000014'), true);
    assert.equal(isSscc('340000090000000015'), true);
    assert.equal(toGtin14('4006381333931'), '04006381333931');
    fc.assert(
      fc.property(fc.stringMatching(/^\d{12}$/), fc.nat(11), fc.integer({ min: 1, max: 9 }), (digits, at, by) => {
        const good = digits + checkDigitOf(digits);
        const wrong = good.slice(0, at) + ((Number(good[at]) + by) % 10) + good.slice(at + 1);
        return isGln(good) && !isGln(wrong);
      }),
    );
  });
});

describe('projection', () => {
  const document = {
    ...order(),
    requester: { identifiers: [{ type: 'EMPLOYEE', value: '4711' }], name: 'A Clerk' },
    colour: 'red',
  };

  test('drops what may not pass, and what the model does not know', () => {
    const projected = project('order', document, { allow: ['P', 'I'], mode: 'drop' }) as Record<string, unknown>;
    assert.equal(projected.requester, undefined);
    assert.equal(projected.colour, undefined);
    assert.equal(projected.number, 'PO-1001');
    const [line] = projected.lines as Record<string, Record<string, unknown>>[];
    assert.equal(line!.unitPrice!.amount, undefined);
    assert.deepEqual(line!.product, { identifiers: [{ type: 'SKU', value: 'GLOVE-M' }] });
  });

  test('masks, or hashes with a key so that equal values still meet', () => {
    const masked = project('order', document, { allow: ['P', 'I'], mode: 'mask' });
    assert.equal((masked as { requester: { name: string } }).requester.name, '***');
    const hash = (key: string) =>
      (project('order', document, { allow: ['P'], mode: 'hash', key }) as { number: string }).number;
    assert.equal(hash('0123456789abcdef'), hash('0123456789abcdef'));
    assert.notEqual(hash('0123456789abcdef'), hash('fedcba9876543210'));
    assert.throws(() => hash('short'), { code: 'PROJECTION_KEY' });
  });

  test('lets nothing pass that hides where a scalar belongs', () => {
    const projected = project(
      'order',
      { ...order(), number: { name: 'A Patient' } },
      { allow: ['P', 'I'], mode: 'drop' },
    );
    assert.doesNotMatch(JSON.stringify(projected), /Patient/);
  });

  test('classifies by the highest class present; an unknown field counts as secret', () => {
    const entity = entities.find(({ name }) => name === 'order')!;
    assert.equal(classificationOf(entity, order()), 'C');
    assert.equal(classificationOf(entity, { number: 'PO-1' }), 'I');
    assert.equal(classificationOf(entity, { requester: document.requester }), 'N');
    assert.equal(classificationOf(entity, document), 'S');
  });

  test('a projection never has a class that it does not allow', () => {
    const entity = entities.find(({ name }) => name === 'order')!;
    for (const allow of [['P'], ['P', 'I'], ['P', 'I', 'C']] as const) {
      const projected = project('order', document, { allow, mode: 'drop' });
      assert.ok((allow as readonly string[]).includes(classificationOf(entity, projected)));
    }
  });
});

test('business keys keep apart what is apart', () => {
  const entity = entities.find(({ name }) => name === 'order')!;
  assert.equal(subjectOf(entity, order()), 'ACME/PO-1001');
  const keyOf = (supplier: string, number: string) =>
    subjectOf(entity, { supplier: { identifiers: [{ type: 'CODE', value: supplier }] }, number });
  assert.notEqual(keyOf('A/B', 'C'), keyOf('A', 'B/C'));
  const both = [
    { type: 'GLN', value: '4000009000021' },
    { type: 'CODE', value: 'ACME' },
  ];
  const subject = (identifiers: unknown[]) => subjectOf(entity, { supplier: { identifiers }, number: '1' });
  assert.equal(subject(both), 'ACME/1');
  assert.equal(subject(both.toReversed()), 'ACME/1', 'the order of identifiers does not matter');
  assert.equal(subject([...both, { type: 'VAT', value: 'BE1', use: 'official' }]), 'BE1/1');
  const receipt = entities.find(({ name }) => name === 'receipt')!;
  const arrived = {
    number: 'R1',
    supplier: order().supplier,
    order: { identifiers: [{ type: 'ORDER', value: 'PO-1001' }] },
  };
  assert.equal(partitionKeyOf(receipt, arrived), partitionKeyOf(entity, order()));
});

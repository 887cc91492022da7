import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checkDraft, checkMapping } from '../../nodes/canonical/mapping/check.ts';
import { mappingFromCsv, mappingToCsv } from '../../nodes/canonical/mapping/csv.ts';
import type { Row } from '../../nodes/canonical/mapping/mapping.ts';
import { transforms } from '../../nodes/canonical/mapping/transforms.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { parseJson } from '../../nodes/kernel/json.ts';

const library = new MappingLibrary();

const file = (rows: unknown[], more: Record<string, unknown> = {}) => ({
  id: 'test',
  version: '1.0.0',
  title: 'Test',
  source: { format: 'json', name: 'in' },
  target: { format: 'json', name: 'out' },
  rows,
  ...more,
});

function run(rows: Row[], source: unknown, more: Record<string, unknown> = {}) {
  const { compiled, problems } = checkMapping(file(rows, more), library.tables());
  assert.ok(compiled !== undefined, JSON.stringify(problems));
  const { value, violations } = compiled.run(source);
  const explained = compiled.explain(source);
  assert.deepEqual(
    { value: explained.value, violations: explained.violations },
    { value, violations },
    'explaining changes nothing',
  );
  return { value, violations };
}

const mapped = (rows: Row[], source: unknown, more?: Record<string, unknown>) => run(rows, source, more).value;
const codes = (rows: Row[], source: unknown, more?: Record<string, unknown>) =>
  run(rows, source, more).violations.map(({ rule }) => rule);

describe('paths', () => {
  test('read and write nested fields and lists', () => {
    assert.deepEqual(
      mapped(
        [
          { from: 'a.b', to: 'x.y' },
          { from: 'items[].n', to: 'rows[].number' },
        ],
        { a: { b: '1' }, items: [{ n: 'p' }, { n: 'q' }] },
      ),
      { x: { y: '1' }, rows: [{ number: 'p' }, { number: 'q' }] },
    );
  });

  test('find an item by a field of it, and make one', () => {
    const source = {
      parties: [
        { role: 'BY', id: { v: '1' } },
        { role: 'ST', id: { v: '2' } },
      ],
    };
    assert.deepEqual(mapped([{ from: 'parties[role=ST].id.v', to: 'ids[type=GLN].value' }], source), {
      ids: [{ type: 'GLN', value: '2' }],
    });
    assert.deepEqual(mapped([{ from: 'parties[id.v=1].role', to: 'r' }], source), { r: 'BY' });
  });

  test('leave no empty objects behind', () => {
    assert.deepEqual(
      mapped(
        [
          { from: 'a', to: 'x.y[type=T].z' },
          { from: 'l[].a', to: 'l[].b' },
        ],
        { l: [] },
      ),
      {},
    );
  });

  test('nest loops, flatten them, and repeat header fields on lines', () => {
    const source = {
      cur: 'EUR',
      packs: [
        { id: 'A', items: [{ n: 1 }, { n: 2 }] },
        { id: 'B', items: [{ n: 3 }] },
      ],
    };
    assert.deepEqual(
      mapped(
        [
          { from: 'packs[].items[].n', to: 'p[].i[].n' },
          { from: 'packs[].id', to: 'p[].id' },
        ],
        source,
      ),
      {
        p: [
          { i: [{ n: 1 }, { n: 2 }], id: 'A' },
          { i: [{ n: 3 }], id: 'B' },
        ],
      },
    );
    assert.deepEqual(
      mapped(
        [
          { from: 'packs[].items[].n', to: 'lines[].n', each: 'packs[].items[]' },
          { from: 'packs[].id', to: 'lines[].pack', each: 'packs[].items[]' },
          { from: 'cur', to: 'lines[].cur', each: 'packs[].items[]' },
          { from: '$index', to: 'lines[].at', each: 'packs[].items[]' },
        ],
        source,
      ),
      {
        lines: [
          { n: 1, pack: 'A', cur: 'EUR', at: 1 },
          { n: 2, pack: 'A', cur: 'EUR', at: 2 },
          { n: 3, pack: 'B', cur: 'EUR', at: 3 },
        ],
      },
    );
  });

  test('take one thing for a list of one, but several things never for one', () => {
    assert.deepEqual(mapped([{ from: 'line[].n', to: 'l[].n' }], { line: { n: '1' } }), { l: [{ n: '1' }] });
    assert.deepEqual(mapped([{ from: 'note', to: 'n' }], { note: ['only'] }), { n: 'only' });
    assert.deepEqual(codes([{ from: 'note', to: 'n' }], { note: ['one', 'two'] }), ['MAPPING_AMBIGUOUS']);
    assert.deepEqual(codes([{ from: 'note.text', to: 'n' }], { note: [{ text: 'a' }, { text: 'b' }] }), [
      'MAPPING_AMBIGUOUS',
    ]);
    assert.deepEqual(mapped([{ from: 'note[1].text', to: 'n' }], { note: [{ text: 'a' }, { text: 'b' }] }), {
      n: 'b',
    });
  });

  test('never reach a prototype', () => {
    for (const path of [
      '__proto__.x',
      'a.constructor',
      'a.prototype.b',
      'toString',
      'a[__proto__=x].b',
      'hasOwnProperty',
    ]) {
      for (const row of [
        { from: path, to: 'x' },
        { from: 'a', to: path },
      ]) {
        const { problems } = checkMapping(file([row]));
        assert.match(problems[0]?.message ?? '', /refused|no field name/, path);
      }
    }
    assert.deepEqual(mapped([{ from: 'a.length', to: 'x' }], { a: 'text' }), {});
  });
});

describe('rows', () => {
  test('use a default only where the source has nothing', () => {
    const rows: Row[] = [{ from: 'a', to: 'x', default: 'd' }];
    for (const source of [{}, { a: null }, { a: '' }]) assert.deepEqual(mapped(rows, source), { x: 'd' });
    assert.deepEqual(mapped(rows, { a: '0' }), { x: '0' });
    assert.deepEqual(mapped(rows, { a: false }), { x: false });
  });

  test("take Odoo's false for nothing, except where yes or no is meant", () => {
    const odoo = { falseIsAbsent: true };
    assert.deepEqual(mapped([{ from: 'ref', to: 'x' }], { ref: false }, odoo), {});
    const flag: Row = { from: 'active', to: 'x', transforms: [{ name: 'boolean', true: ['true'], false: ['false'] }] };
    assert.deepEqual(mapped([flag], { active: false }, odoo), { x: false });
  });

  test('report what is required and missing, with row and position', () => {
    const { violations } = run(
      [
        { from: 'l[].a', to: 'm[].a' },
        { from: 'l[].b', to: 'm[].b', required: true },
      ],
      { l: [{ a: 1, b: 2 }, { a: 1 }] },
    );
    assert.deepEqual(violations, [
      {
        row: 2,
        path: 'l[1].b',
        target: 'm[1].b',
        rule: 'MAPPING_REQUIRED_MISSING',
        found: 'nothing',
        expected: 'a value is required here',
      },
    ]);
  });

  test('tell what stands there, masked', () => {
    const found = (value: unknown, from = 'a') =>
      run([{ from, to: 'x', transforms: ['decimal'], required: true }], { a: value }).violations.map(
        (each) => each.found,
      );
    assert.deepEqual(found('MARKED'), ['text (6)']);
    assert.deepEqual(found({ b: 'MARKED' }), ['an object']);
    assert.deepEqual(found(true), ['true or false']);
    assert.deepEqual(found(undefined), ['nothing']);
    assert.deepEqual(found([{ b: 'MARKED' }, { b: 'MARKED' }], 'a.b'), ['several values']);
  });

  test('do as told on an error: fail, leave out, or take the default', () => {
    const row = (more: Partial<Row>): Row[] => [{ from: 'a', to: 'x', transforms: ['decimal'], ...more }];
    assert.deepEqual(codes(row({}), { a: 'ten' }), ['MAPPING_INVALID_VALUE']);
    assert.deepEqual(run(row({ onError: 'skip' }), { a: 'ten' }), { value: {}, violations: [] });
    assert.deepEqual(run(row({ onError: 'default', default: '0' }), { a: 'ten' }), {
      value: { x: '0' },
      violations: [],
    });
  });

  test('for one field: the first that has a value', () => {
    const rows: Row[] = [
      { from: 'a', to: 'x', when: { path: 'kind', is: 'equal', value: 'A' } },
      { from: 'b', to: 'x' },
    ];
    assert.deepEqual(mapped(rows, { kind: 'A', a: '1', b: '2' }), { x: '1' });
    assert.deepEqual(mapped(rows, { kind: 'B', a: '1', b: '2' }), { x: '2' });
  });

  test('keep conditions of every kind', () => {
    const fits = (when: Row['when'], source: unknown) => 'x' in mapped([{ value: 'y', to: 'x', when: when! }], source);
    assert.equal(fits({ path: 'a', is: 'present' }, { a: 0 }), true);
    assert.equal(fits({ path: 'a', is: 'absent' }, { a: '' }), true);
    assert.equal(fits({ path: 'a', is: 'equal', value: '1' }, { a: 1 }), true);
    assert.equal(fits({ path: 'a', is: 'not-equal', value: '1' }, {}), true);
    assert.equal(fits({ path: 'a', is: 'one-of', value: ['x', 'y'] }, { a: 'y' }), true);
    assert.equal(fits({ path: 'a', is: 'one-of', value: ['x', 'y'] }, { a: 'z' }), false);
  });

  test('never quote the document in a violation', () => {
    const { violations } = run(
      [
        { from: 'a', to: 'x', transforms: ['decimal'] },
        { from: 'b', to: 'y', lookup: 'unit-to-ucum' },
        { from: 'c', to: 'z', transforms: ['date'] },
      ],
      { a: 'Jane', b: 'Jane', c: 'Jane' },
    );
    assert.equal(violations.length, 3);
    assert.doesNotMatch(JSON.stringify(violations), /Jane/);
  });

  test('bound their violations and their lists', () => {
    const { violations } = run([{ from: 'l[].a', to: 'm[].a', transforms: ['decimal'] }], {
      l: Array.from({ length: 500 }, () => ({ a: 'x' })),
    });
    assert.equal(violations.length, 50);
    const many = { l: Array.from({ length: 10_001 }, () => ({ a: '1' })) };
    assert.deepEqual(codes([{ from: 'l[].a', to: 'm[].a' }], many), ['MAPPING_TOO_MANY']);
  });

  test('refuse an object where one value belongs', () => {
    assert.deepEqual(codes([{ from: 'a', to: 'x' }], { a: { b: 1 } }), ['MAPPING_INVALID_VALUE']);
  });
});

describe('lookups', () => {
  const table = {
    entries: [
      { from: 'A', to: 'old', validTo: '2026-06-30' },
      { from: 'A', to: 'new', validFrom: '2026-07-01' },
    ],
  };

  test('go by the day of the document', () => {
    const rows: Row[] = [{ from: 'code', to: 'x', lookup: 't' }];
    const on = (day: string) => mapped(rows, { code: 'A', day }, { lookups: { t: table }, asOf: 'day' });
    assert.deepEqual(on('2026-06-30'), { x: 'old' });
    assert.deepEqual(on('2026-07-01T00:00:00Z'), { x: 'new' });
  });

  test('make a value they do not have an error, never a default', () => {
    assert.deepEqual(codes([{ from: 'u', to: 'x', lookup: 'unit-to-ucum', default: 'EA' }], { u: 'HANDFUL' }), [
      'MAPPING_UNMAPPED_VALUE',
    ]);
    const { problems } = checkMapping(
      file([{ from: 'u', to: 'x', lookup: 'unit-to-ucum', default: 'EA', onError: 'default' }]),
      library.tables(),
    );
    assert.match(problems[0]!.message, /lost silently/);
  });

  test('refuse two results for one value on one day', () => {
    const twice = {
      entries: [
        { from: 'A', to: '1' },
        { from: 'A', to: '2', validFrom: '2026-01-01' },
      ],
    };
    const { problems } = checkMapping(file([{ from: 'u', to: 'x', lookup: 't' }], { lookups: { t: twice } }));
    assert.match(problems[0]!.message, /twice for the same day/);
  });
});

describe('a mapping is not deployed', () => {
  const first = (rows: unknown[], more?: Record<string, unknown>) => {
    const { problems, compiled } = checkMapping(file(rows, more), library.tables());
    assert.equal(compiled, undefined);
    return problems[0]!;
  };
  const cases: [string, unknown, RegExp][] = [
    ['with an unknown transform', { from: 'a', to: 'x', transforms: ['shout'] }, /no transform "shout"/],
    [
      'with a transform that lacks an argument',
      { from: 'a', to: 'x', transforms: ['round'] },
      /needs its argument "scale"/,
    ],
    [
      'with an argument that does not exist',
      { from: 'a', to: 'x', transforms: [{ name: 'trim', hard: 'yes' }] },
      /no argument "hard"/,
    ],
    [
      'with transforms that do not fit',
      { from: 'a', to: 'x', transforms: ['integer', 'date', 'not'] },
      /takes (text|boolean)|takes boolean/,
    ],
    ['with an unknown table', { from: 'a', to: 'x', lookup: 'nowhere' }, /no lookup table "nowhere"/],
    ['with a row without target', { from: 'a' }, /needs "to"/],
    ['with a row without source', { to: 'x' }, /needs "from"/],
    ['with an unknown key', { from: 'a', to: 'x', shape: 'round' }, /"shape" is not a part/],
    ['with a fraction as a JSON number', { value: 0.5, to: 'x' }, /write it as text/],
    ['with several values for one', { from: 'l[].a', to: 'x' }, /several values/],
    ['with a loop nobody fills', { value: 'a', to: 'l[].x' }, /which list of the source/],
    ['with a suggestion nobody took', { from: 'a', to: 'x', source: 'suggested' }, /nobody has accepted/],
    [
      'with a suggestion taken by nobody',
      { from: 'a', to: 'x', source: 'suggested', accepted: { at: '2026-11-23T10:00:00Z' } },
      /nobody has accepted/,
    ],
    ['with an open bracket', { from: 'a[', to: 'x' }, /open "\["/],
  ];
  for (const [title, row, message] of cases) {
    test(title, () => {
      const problem = first([{ from: 'fine', to: 'fine' }, row]);
      assert.equal(problem.row, 2);
      assert.match(problem.message, message);
    });
  }

  test('with two sources for one list', () => {
    assert.match(
      first([
        { from: 'a[].x', to: 'l[].x' },
        { from: 'b[].y', to: 'l[].y' },
      ]).message,
      /filled from "a\[\]" by row 1/,
    );
  });

  test('when it misses a required field of the model, or names one that is not there', () => {
    const order = { target: { entity: 'order' } };
    const { problems } = checkMapping(
      file(
        [
          { from: 'n', to: 'number' },
          { from: 'c', to: 'colour' },
        ],
        order,
      ),
    );
    assert.ok(problems.some(({ message }) => /no field "colour"/.test(message)));
    assert.ok(problems.some(({ message }) => /no row fills "supplier"/.test(message)));
    const { problems: inner } = checkMapping(
      file(
        [
          { from: 'n', to: 'number' },
          { from: 'p', to: 'netAmount.amount' },
        ],
        order,
      ),
    );
    assert.ok(inner.some(({ message }) => /no row fills "netAmount.currency"/.test(message)));
  });

  test('when it is no mapping at all', () => {
    for (const wrong of [null, 'text', [], 42, {}]) assert.ok(checkMapping(wrong).problems.length > 0);
  });
});

describe('an unfinished mapping', () => {
  test('runs the rows that can be used, under their own numbers', () => {
    const rows = [
      { from: 'a', to: '' },
      { from: 'n', to: 'number' },
      { from: 'x', to: 'number', transforms: ['shout'] },
      { from: 'd', to: 'issueDate', transforms: ['date'] },
    ];
    const { problems, compiled } = checkDraft(file(rows, { id: '', target: { entity: 'order' } }));
    assert.ok(problems.length >= 2);
    const { value, violations } = compiled!.run({ n: '1', d: 'never' });
    assert.deepEqual(value, { number: '1' });
    assert.deepEqual(
      violations.map(({ row }) => row),
      [4],
    );
  });

  test('of any shape ends in problems, never in a crash', () => {
    const shapes = [
      null,
      [],
      { rows: 3 },
      { rows: [] },
      { rows: [null, 3, 'x', { to: {} }] },
      { rows: [{ from: 'a', to: 'b' }], target: 'x' },
    ];
    for (const shape of shapes) assert.ok(checkDraft(shape).problems.length > 0);
  });
});

describe('numbers', () => {
  const decimal = (source: unknown) => run([{ from: 'a', to: 'x', transforms: ['decimal'] }], source);

  test('keep every digit: 235.40 keeps its zero, and so do long identifiers', () => {
    assert.deepEqual(decimal(parseJson('{"a":235.40}')).value, { x: '235.40' });
    assert.deepEqual(decimal(parseJson('{"a":12345678901234567890.123}')).value, { x: '12345678901234567890.123' });
    assert.deepEqual(decimal({ a: 10 }).value, { x: '10' });
  });

  test('that are floats are refused, because their digits are lost', () => {
    assert.deepEqual(
      decimal({ a: 0.1 + 0.2 }).violations.map(({ rule }) => rule),
      ['MAPPING_FLOAT'],
    );
  });

  test('add up exactly', () => {
    const source = parseJson('{"l":[{"a":0.1},{"a":0.2},{"a":"235.40"}]}');
    assert.deepEqual(mapped([{ from: 'l[].a', to: 'total', transforms: ['sum'] }], source), { total: '235.70' });
  });

  test('multiply exactly', () => {
    const rows: Row[] = [{ from: ['q', 'p'], to: 'x', transforms: ['product'] }];
    assert.deepEqual(mapped(rows, { q: '3', p: '0.1' }), { x: '0.3' });
    assert.deepEqual(codes(rows, { q: '3' }), ['MAPPING_INVALID_VALUE']);
  });

  test('of packages count as pieces only through the pack factor', () => {
    const rows: Row[] = [{ from: ['q', 'per'], to: 'x', transforms: ['toBaseUnits'] }];
    assert.deepEqual(mapped(rows, { q: '1', per: '10' }), { x: '10' });
    assert.deepEqual(codes(rows, { q: '1' }), ['MAPPING_PACK_FACTOR_UNKNOWN']);
  });
});

describe('transforms', () => {
  const apply = (name: string, value: unknown, args: Record<string, unknown> = {}) =>
    mapped([{ from: 'v', to: 'x', transforms: [{ name, ...args }] }], { v: value }).x;

  const examples: [name: string, args: Record<string, unknown>, value: unknown, result: unknown][] = [
    ['trim', {}, ' a ', 'a'],
    ['collapse', {}, ' a \n b ', 'a b'],
    ['upper', {}, 'aß', 'ASS'],
    ['lower', {}, 'AB', 'ab'],
    ['digits', {}, 'a1-2', '12'],
    ['truncate', { length: 2 }, 'a😀b', 'a😀'],
    ['padLeft', { length: 5 }, '12', '00012'],
    ['stripLeft', {}, '00012', '12'],
    ['stripLeft', {}, '000', '0'],
    ['prefix', { text: 'PO-' }, '1', 'PO-1'],
    ['removePrefix', { text: 'PO-' }, 'PO-1', '1'],
    ['suffix', { text: '!' }, 'a', 'a!'],
    ['removeSuffix', { text: '!' }, 'a!', 'a'],
    ['replace', { find: '$', with: '$&' }, 'a$b', 'a$&b'],
    ['part', { separator: '-', index: 1 }, 'a-b-c', 'b'],
    ['decimalComma', {}, '1.234,50', '1234.50'],
    ['toDecimalComma', {}, '1234.50', '1234,50'],
    ['integer', {}, '12.0', 12],
    ['round', { scale: 2 }, '2.345', '2.35'],
    ['plain', {}, '4.20', '4.2'],
    ['multiply', { by: '1.1' }, '3', '3.3'],
    ['divide', { by: '3', scale: 4 }, '1', '0.3333'],
    ['negate', {}, '4.20', '-4.20'],
    ['negate', {}, '0.00', '0.00'],
    ['impliedDecimal', { scale: 2 }, '1234567', '12345.67'],
    ['impliedDecimal', { scale: 2 }, '-5', '-0.05'],
    ['toImpliedDecimal', { scale: 2 }, '12345.67', '1234567'],
    ['toImpliedDecimal', { scale: 2 }, '0.05', '5'],
    ['boolean', { true: ['Y'], false: ['N'] }, 'N', false],
    ['word', { true: 'Y', false: 'N' }, true, 'Y'],
    ['not', {}, true, false],
    ['date', { format: 'YYYYMMDD' }, '20261123', '2026-11-23'],
    ['date', { format: 'DD.MM.YY' }, '23.11.26', '2026-11-23'],
    ['formatDate', { format: 'YYYYMMDD' }, '2026-11-23', '20261123'],
    ['instant', { offset: '+01:00' }, '2026-11-23 10:15', '2026-11-23T10:15:00+01:00'],
    ['instant', { format: 'YYYYMMDDHHmm', offset: 'Z' }, '202611231015', '2026-11-23T10:15:00Z'],
    ['formatInstant', { format: 'YYYYMMDDHHmmss', offset: 'Z' }, '2026-11-23T00:15:00+01:00', '20261122231500'],
    ['hl7Instant', {}, '20261123101500.5+0100', '2026-11-23T10:15:00.5+01:00'],
    ['hl7Instant', { offset: 'Z' }, '202611231015', '2026-11-23T10:15:00Z'],
    ['toHl7Instant', {}, '2026-11-23T10:15:00.5+01:00', '20261123101500.5+0100'],
    ['toHl7Instant', {}, '2026-11-23T10:15:00Z', '20261123101500+0000'],
    ['decimal', {}, '-.5', '-0.5'],
    ['utc', {}, '2026-03-29T00:30:00.125+01:00', '2026-03-28T23:30:00.125Z'],
    ['dayOf', {}, '2026-11-23T00:15:00+01:00', '2026-11-23'],
    ['atTime', { time: '12:00:00', offset: 'Z' }, '2026-11-23', '2026-11-23T12:00:00Z'],
    ['currency', {}, 'eur', 'EUR'],
    ['gtin', {}, '4006381333931', '04006381333931'],
    ['checkDigit', { of: 'GLN' }, '4000009000014', '4000009000014'],
    ['text', {}, 12, '12'],
    ['same', {}, 'a', 'a'],
  ];
  for (const [name, args, value, result] of examples) {
    test(`${name} makes ${JSON.stringify(value)} ${JSON.stringify(result)}`, () =>
      assert.deepEqual(apply(name, value, args), result));
  }

  test('of every kind are covered by an example', () => {
    const lists = ['join', 'coalesce', 'only', 'count', 'sum', 'externalId', 'toBaseUnits', 'product'];
    // `jsonNumber` is covered where documents are written (round-trips.test.ts), `pseudonym` in pseudonym.test.ts.
    const covered = new Set([...examples.map(([name]) => name), ...lists, 'jsonNumber', 'pseudonym']);
    assert.deepEqual(
      Object.keys(transforms).filter((name) => !covered.has(name)),
      [],
    );
  });

  test('only takes one value that all items have', () => {
    const only = (...values: string[]) =>
      library
        .compile({
          id: 'only',
          version: '1.0.0',
          title: 'Only',
          source: { format: 'json', name: 'x' },
          target: { format: 'json', name: 'y' },
          rows: [{ from: 'lines[].v', to: 'x', transforms: ['only'] }],
        })
        .run({ lines: values.map((v) => ({ v })) });
    assert.deepEqual(only('A', 'A').value, { x: 'A' });
    assert.deepEqual(
      only('A', 'B').violations.map(({ rule }) => rule),
      ['MAPPING_AMBIGUOUS'],
    );
  });

  test('that have an inverse come back to where they started', () => {
    for (const [name, args, value] of examples) {
      const inverse = transforms[name]!.inverse?.(args as never);
      if (inverse === undefined || inverse === 'same' || name === 'stripLeft') continue;
      const { name: back, ...backArgs } = typeof inverse === 'string' ? { name: inverse } : inverse;
      const there = apply(name, value, args);
      assert.deepEqual(apply(name, apply(back, there, backArgs), args), there, name);
    }
  });

  const refused: [name: string, args: Record<string, unknown>, value: unknown][] = [
    ['removePrefix', { text: 'PO-' }, 'SO-1'],
    ['decimal', {}, '1,5'],
    ['decimal', {}, '1e5'],
    ['decimalComma', {}, '1.23,5'],
    ['integer', {}, '1.5'],
    ['toImpliedDecimal', { scale: 2 }, '1.234'],
    ['boolean', { true: ['Y'], false: ['N'] }, 'maybe'],
    ['date', { format: 'YYYYMMDD' }, '20260230'],
    ['date', {}, '2026-11-23T10:00:00Z'],
    ['instant', {}, '2026-11-23T10:15:00'],
    ['dayOf', {}, '2026-11-23T10:15:00'],
    ['currency', {}, 'EUX'],
    ['gtin', {}, '4006381333930'],
    ['hl7Instant', {}, '20261123101500'],
    ['hl7Instant', { offset: 'Z' }, '20261123'],
    ['trim', {}, { an: 'object' }],
  ];
  for (const [name, args, value] of refused) {
    test(`${name} refuses ${JSON.stringify(value)}`, () => {
      assert.deepEqual(codes([{ from: 'v', to: 'x', transforms: [{ name, ...args }] }], { v: value }), [
        'MAPPING_INVALID_VALUE',
      ]);
    });
  }
});

test('a mapping keeps every row through a sheet and back', () => {
  for (const { id } of library.list()) {
    const { rows } = library.source(id);
    assert.deepEqual(mappingFromCsv(mappingToCsv({ rows })), rows, id);
  }
  const odd: Row[] = [
    { value: '007', to: 'a' },
    { value: 7, to: 'b' },
    { value: 'true', to: 'c' },
    { value: true, to: 'd', note: 'x, "y"\nz' },
    { value: '-', to: 'e' },
  ];
  assert.deepEqual(mappingFromCsv(mappingToCsv({ rows: odd })), odd);
});

describe('objects of every shape', () => {
  /** What a source field may hold, and what a row that copies it must give: nothing, a value, or a violation. */
  const held: [value: unknown, result: unknown][] = [
    [undefined, undefined],
    [null, undefined],
    ['', undefined],
    ['text', 'text'],
    [0, 0],
    [17, 17],
    [true, true],
    [false, false],
    [['one'], 'one'],
    [[], undefined],
    [[{}], 'wrong'],
    [['a', 'b'], 'wrong'],
    [{ a: 1 }, 'wrong'],
  ];

  for (const count of [3, 8, 20, 60]) {
    test(`${count} fields, whichever are there, come out in the order of the rows`, () => {
      const fields = Array.from({ length: count }, (_, i) => `f${i}`);
      const { compiled } = checkMapping({
        id: 'shapes',
        version: '1.0.0',
        title: 'Shapes',
        source: { format: 'json', name: 'in' },
        target: { format: 'json', name: 'out' },
        rows: fields.flatMap((field) => [
          { from: `lines[].${field}`, to: `items[].t${field}` },
          { from: `head.deep.${field}`, to: `head.t${field}` },
        ]),
      });
      assert.ok(compiled);
      const line = fc
        .tuple(fc.shuffledSubarray(fields), fc.array(fc.nat(held.length - 1), { minLength: count, maxLength: count }))
        .map(([names, picks]) => names.map((name, i) => [name, held[picks[i]!]!] as const));
      const wanted = (cells: readonly (readonly [string, (typeof held)[number]])[]): [string, unknown][] =>
        fields.flatMap((field) => {
          const found = cells.find(([name]) => name === field)?.[1][1];
          return found === undefined || found === 'wrong' ? [] : [[`t${field}`, found] as [string, unknown]];
        });
      const given = (cells: readonly (readonly [string, (typeof held)[number]])[]) =>
        Object.fromEntries(cells.map(([name, [value]]) => [name, value]));
      fc.assert(
        fc.property(fc.array(line, { maxLength: 30 }), line, (lines, head) => {
          const source = { lines: lines.map(given), head: { deep: given(head) } };
          const items = lines.map(wanted).filter((entries) => entries.length > 0);
          const top = wanted(head);
          const wrong = [...lines, head].flat().filter(([, [, result]]) => result === 'wrong').length;
          for (const { value, count: found } of [compiled.run(source), compiled.explain(source)]) {
            assert.equal(found, wrong);
            assert.deepEqual(((value.items ?? []) as object[]).map(Object.entries), items);
            assert.deepEqual(Object.entries((value.head ?? {}) as object), top);
          }
        }),
        { numRuns: 60 },
      );
    });
  }
});

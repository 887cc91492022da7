import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../nodes/kernel/failure.ts';
import { canonicalJson, isForbiddenKey, parseJson } from '../../nodes/kernel/json.ts';

const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

/** JSON values without keys that are refused and without numbers that do not survive as numbers. */
const document = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.string({ unit: 'grapheme' }),
    fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      fc.string().filter((key) => !isForbiddenKey(key)),
      tie('value'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).value;

test('what was written is what is read', () => {
  fc.assert(
    fc.property(document, (value) => {
      const text = JSON.stringify(value);
      // -0 has no place among whole numbers in JSON.
      assert.deepEqual(parseJson(text), JSON.parse(text));
    }),
  );
});

test('the canonical form does not depend on the order of members and reads back as the same', () => {
  const reversed = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(reversed)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, item]) => [key, reversed(item)]),
          )
        : value;
  fc.assert(
    fc.property(document, (value) => {
      assert.equal(canonicalJson(value), canonicalJson(reversed(value)));
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('the canonical form is, letter by letter, the one that stored fingerprints and the audit chain were made of', () => {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${39 - i}`, i]));
  const value = {
    b: [1, undefined, null, -0],
    a: 'é"\ud83d\ude00\n',
    10: true,
    9: {},
    '': [],
    gone: undefined,
    é: 'x',
    Z: many,
  };
  const sortedMany = Object.keys(many)
    .sort()
    .map((key) => `"${key}":${many[key]}`)
    .join();
  assert.equal(
    canonicalJson(value),
    `{"":[],"10":true,"9":{},"Z":{${sortedMany}},"a":"é\\"\ud83d\ude00\\n","b":[1,null,null,0],"é":"x"}`,
  );
  assert.deepEqual([undefined, 'a', 1.5].map(canonicalJson), ['null', '"a"', '1.5']);
});

test('documents that differ have canonical forms that differ', () => {
  fc.assert(
    fc.property(document, document, (a, b) => {
      const same = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
      assert.equal(canonicalJson(a) === canonicalJson(b), same);
    }),
  );
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  // As pairs, because JavaScript puts keys that are numbers first.
  return {
    pairs: Object.entries(value)
      .map(([key, item]) => [key, sorted(item)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

test('no text makes the parser throw anything but a Failure, or lose a digit', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      try {
        parseJson(text);
      } catch (error) {
        assert(error instanceof Failure);
      }
    }),
  );
  fc.assert(
    fc.property(fc.bigInt(), fc.integer({ min: 0, max: 10 }), (whole, zeros) => {
      const text = zeros === 0 ? whole.toString() : `${whole}.${'0'.repeat(zeros)}`;
      assert.equal(String((parseJson(`{"n": ${text}}`) as { n: unknown }).n), text);
    }),
  );
});

test('keys that could reach a prototype are refused at every depth', () => {
  for (const key of ['__proto__', 'constructor', 'prototype', '\\u005f_proto__']) {
    for (const text of [`{"${key}": 1}`, `[{"a": {"${key}": {}}}]`]) {
      assert.throws(() => parseJson(text), code('JSON_FORBIDDEN_KEY'), text);
    }
  }
});

test('nesting and members have limits', () => {
  assert.doesNotThrow(() => parseJson('['.repeat(64) + ']'.repeat(64)));
  assert.throws(() => parseJson('['.repeat(65) + ']'.repeat(65)), code('JSON_TOO_DEEP'));
  assert.throws(() => parseJson('['.repeat(1_000_000)), code('JSON_TOO_DEEP'));
  assert.doesNotThrow(() => parseJson(`"${'['.repeat(1000)}"`), 'brackets in text are text');
  assert.throws(() => parseJson('[1,2,3]', { members: 2 }), code('JSON_TOO_MANY_MEMBERS'));
  assert.throws(() => parseJson('{"a":1,"b":2,"c":3}', { members: 2 }), code('JSON_TOO_MANY_MEMBERS'));
});

test('a failure does not quote the document', () => {
  assert.throws(
    () => parseJson('{"patient": "Secret Name"'),
    (error: unknown) => code('JSON_SYNTAX')(error) && !JSON.stringify((error as Failure).toRecord()).includes('Secret'),
  );
});

/** The rules said plainly: what {@link parseJson} must do, however it does it. */
function plainly(text: string, depthLimit: number, memberLimit: number): unknown {
  let depth = 0;
  const commas: number[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*(?:"|$)|[{}[\],]/gs)) {
    if (token === '{' || token === '[') {
      depth++;
      commas.push(0);
    } else if (token === '}' || token === ']') {
      depth--;
      commas.pop();
    }
    if (depth > depthLimit) return 'JSON_TOO_DEEP';
    // Ten times the limit is refused before anything else is looked at.
    if (token === ',' && commas.length > 0 && ++commas[commas.length - 1]! > 10 * memberLimit)
      return 'JSON_TOO_MANY_MEMBERS';
  }
  try {
    return {
      value: JSON.parse(text, function (this: unknown, key: string, value: unknown, context?: { source?: string }) {
        if (isForbiddenKey(key) && !Array.isArray(this)) throw new RangeError('JSON_FORBIDDEN_KEY');
        if (typeof value === 'number') {
          const source = context!.source!;
          return /^-?\d{1,15}$/.test(source) && source !== '-0' ? value : source;
        }
        if (typeof value === 'object' && value !== null && Object.keys(value).length > memberLimit)
          throw new RangeError('JSON_TOO_MANY_MEMBERS');
        return value;
      } as (this: unknown, key: string, value: unknown) => unknown),
    };
  } catch (error) {
    return error instanceof RangeError ? error.message : 'JSON_SYNTAX';
  }
}

/** Pieces of JSON, put together rightly and wrongly. */
const piece = fc.oneof(
  fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    ' ',
    '\n',
    '"',
    '\\',
    '"a"',
    '"a":',
    '"b" :',
    'true',
    'null',
    'e',
    '-',
    '.',
  ),
  fc.constantFrom(
    '"__proto__":',
    '"prototype" :',
    '"constructor":',
    '"\\u005f_proto__":',
    '"__proto__"',
    '"\\u00e9":',
    '"\\"":',
  ),
  fc.constantFrom(
    '0',
    '-0',
    '00',
    '01',
    '1.0',
    '-0.0',
    '1e5',
    '1E+5',
    '1.',
    '.5',
    '+1',
    '1e',
    '--1',
    '-',
    '235.40',
    '1-1',
    '1.5:',
  ),
  fc.constantFrom('123456789012345', '-123456789012345', '1234567890123456', '12345678901234567890', '1e400'),
);

test('read in one go or with care, the outcome is the same: numbers, keys, limits, errors', () => {
  const decimals = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);
  const wellFormed = fc
    .array(fc.tuple(fc.constantFrom('a', 'b', '\\u0061', 'constructo'), fc.oneof(decimals, piece)))
    .map((members) => `{${members.map(([key, value]) => `"${key}": ${value}`).join(', ')}}`);
  const any = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 6 }).map((pieces) => `[${pieces.join(',')}]`),
    wellFormed,
    fc.tuple(wellFormed, fc.nat(), piece).map(([text, at, odd]) => {
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + odd + text.slice(cut);
    }),
    document.map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(any, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), (text, depth, members) => {
      let outcome: unknown;
      try {
        outcome = { value: parseJson(text, { depth, members }) };
      } catch (error) {
        outcome = (error as Failure).code;
      }
      assert.deepStrictEqual(outcome, plainly(text, depth, members), text);
    }),
    { numRuns: Number(process.env.JSON_RUNS ?? 5_000) },
  );
});

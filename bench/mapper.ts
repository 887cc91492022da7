/**
 * The mapper against other ways to do the same: 20-line order as a parser gives it, 430 assignments of which every
 * second one trims and turns to capitals, all results deep-equal. Short rounds, one contender after the other, the best
 * of each, so that a busy machine distorts little: compare ratios to hand-written JavaScript, not rates. The shipped
 * mappings have run before, as in an installation that has more than one: code that is shared is not tuned to this one.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { checkMapping } from '../nodes/canonical/mapping/check.ts';
import type { Row } from '../nodes/canonical/mapping/mapping.ts';
import { evaluateExpressions } from '../nodes/canonical/jsonata/evaluator.ts';
import { read } from '../nodes/canonical/mapper.ts';
import { MappingLibrary } from '../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../nodes/canonical/model/validate.ts';

const headerFields = 30;
const lineFields = 20;

type Tree = Record<string, unknown>;

/** As a parser gives it. */
const parsed = (tree: Tree): Tree => JSON.parse(JSON.stringify(tree)) as Tree;

function source(lines: number): Tree {
  const header: Tree = {};
  for (let i = 0; i < headerFields; i++) header[`h${i}`] = ` value ${i} `;
  return {
    header,
    lines: Array.from({ length: lines }, (_, n) =>
      Object.fromEntries(Array.from({ length: lineFields }, (_line, i) => [`f${i}`, ` line ${n} field ${i} `])),
    ),
  };
}

const work = (i: number): Partial<Row> => (i % 2 === 0 ? { transforms: ['trim', 'upper'] } : {});

const rows: Row[] = [
  ...Array.from({ length: headerFields }, (_, i): Row => ({ from: `header.h${i}`, to: `order.a${i}`, ...work(i) })),
  ...Array.from(
    { length: lineFields },
    (_, i): Row => ({ from: `lines[].f${i}`, to: `order.items[].b${i}`, ...work(i) }),
  ),
];

const { compiled } = checkMapping({
  id: 'bench',
  version: '1.0.0',
  title: 'bench',
  source: { format: 'json', name: 'in' },
  target: { format: 'json', name: 'out' },
  rows,
});
assert.ok(compiled !== undefined);
const mapping = compiled;

const up = (value: unknown): string => String(value).trim().toUpperCase();

function byHand(input: Tree): Tree {
  const header = input.header as Tree;
  const order: Tree = {
    a0: up(header.h0),
    a1: header.h1,
    a2: up(header.h2),
    a3: header.h3,
    a4: up(header.h4),
    a5: header.h5,
    a6: up(header.h6),
    a7: header.h7,
    a8: up(header.h8),
    a9: header.h9,
    a10: up(header.h10),
    a11: header.h11,
    a12: up(header.h12),
    a13: header.h13,
    a14: up(header.h14),
    a15: header.h15,
    a16: up(header.h16),
    a17: header.h17,
    a18: up(header.h18),
    a19: header.h19,
    a20: up(header.h20),
    a21: header.h21,
    a22: up(header.h22),
    a23: header.h23,
    a24: up(header.h24),
    a25: header.h25,
    a26: up(header.h26),
    a27: header.h27,
    a28: up(header.h28),
    a29: header.h29,
  };
  order.items = (input.lines as Tree[]).map((l) => ({
    b0: up(l.f0),
    b1: l.f1,
    b2: up(l.f2),
    b3: l.f3,
    b4: up(l.f4),
    b5: l.f5,
    b6: up(l.f6),
    b7: l.f7,
    b8: up(l.f8),
    b9: l.f9,
    b10: up(l.f10),
    b11: l.f11,
    b12: up(l.f12),
    b13: l.f13,
    b14: up(l.f14),
    b15: l.f15,
    b16: up(l.f16),
    b17: l.f17,
    b18: up(l.f18),
    b19: l.f19,
  }));
  return { order };
}

process.env.HEALTHFLOWS_PSEUDONYM_KEY ??= 'k'.repeat(40);

const require = createRequire(import.meta.url);
const jsonata = require('jsonata') as (text: string) => { evaluate(input: unknown): Promise<unknown> };
const expression = jsonata(
  `{"order": {${Array.from({ length: headerFields }, (_, i) => `"a${i}": ${i % 2 === 0 ? `$uppercase($trim(header.h${i}))` : `header.h${i}`}`).join(', ')}, ` +
    `"items": [lines.{${Array.from({ length: lineFields }, (_, i) => `"b${i}": ${i % 2 === 0 ? `$uppercase($trim(f${i}))` : `f${i}`}`).join(', ')}}]}}`,
);

/** The other way to write it; results are the same. */
const mapped = jsonata(
  `{"order": $merge([{${Array.from({ length: headerFields }, (_, i) => `"a${i}": ${i % 2 === 0 ? `$uppercase($trim(header.h${i}))` : `header.h${i}`}`).join(', ')}}, ` +
    `{"items": [$map(lines, function($l) {{${Array.from({ length: lineFields }, (_, i) => `"b${i}": ${i % 2 === 0 ? `$uppercase($trim($l.f${i}))` : `$l.f${i}`}`).join(', ')}}})]}])}`,
);

interface RedUtil {
  util: {
    getObjectProperty(object: unknown, path: string): unknown;
    setObjectProperty(object: unknown, path: string, value: unknown, create: boolean): boolean;
  };
}
const { util } = require('@node-red/util') as RedUtil;

/** What a change node with one rule an assignment does at its core. */
function changeNode(input: Tree): Tree {
  const out: Tree = {};
  for (let i = 0; i < headerFields; i++) {
    const value = util.getObjectProperty(input, `header.h${i}`);
    util.setObjectProperty(out, `order.a${i}`, i % 2 === 0 ? up(value) : value, true);
  }
  const count = (input.lines as unknown[]).length;
  util.setObjectProperty(out, 'order.items', [], true);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < lineFields; i++) {
      const value = util.getObjectProperty(input, `lines[${n}].f${i}`);
      util.setObjectProperty(out, `order.items[${n}].b${i}`, i % 2 === 0 ? up(value) : value, true);
    }
  }
  return out;
}

/** What the mapper checks of each value as well: nothing is left out of the result, objects and lists are refused. */
function byHandChecked(input: Tree): Tree {
  const set = (out: Tree, key: string, value: unknown, capitals: boolean): void => {
    if (value === undefined || value === null || value === '') return;
    if (typeof value === 'object') throw new TypeError(key);
    const result = capitals ? up(value) : value;
    if (result !== '') out[key] = result;
  };
  const header = input.header as Tree;
  const order: Tree = {};
  for (let i = 0; i < headerFields; i++) set(order, headerTo[i]!, header[headerFrom[i]!], i % 2 === 0);
  order.items = (input.lines as Tree[]).map((line) => {
    const item: Tree = {};
    for (let i = 0; i < lineFields; i++) set(item, lineTo[i]!, line[lineFrom[i]!], i % 2 === 0);
    return item;
  });
  return { order };
}

const names = (letter: string, count: number): string[] =>
  Object.keys(Object.fromEntries(Array.from({ length: count }, (_, i) => [`${letter}${i}`, i])));
const [headerFrom, headerTo] = [names('h', headerFields), names('a', headerFields)];
const [lineFrom, lineTo] = [names('f', lineFields), names('b', lineFields)];

/** Microseconds of each operation, the best of many short rounds in turn. */
async function measure(
  operations: [name: string, operation: () => unknown][],
  rounds = 60,
): Promise<Map<string, number>> {
  const best = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, operation] of operations) {
      const known = best.get(name);
      // About two milliseconds a round: often enough nothing else runs in between.
      const count = known === undefined ? 5 : Math.max(1, Math.round(2_000 / known));
      const start = process.hrtime.bigint();
      for (let i = 0; i < count; i++) {
        const result = operation();
        if (result instanceof Promise) await result;
      }
      const each = Number(process.hrtime.bigint() - start) / 1_000 / count;
      if (known === undefined || each < known) best.set(name, each);
    }
  }
  return best;
}

const input = parsed(source(20));
const expected = byHand(input);
assert.deepEqual(mapping.run(input).value, expected);
assert.deepEqual(mapping.explain(input).value, expected);
assert.deepEqual(byHandChecked(input), expected);
assert.deepEqual(changeNode(input), expected);
assert.deepEqual(JSON.parse(JSON.stringify(await expression.evaluate(input))), expected);
assert.deepEqual(JSON.parse(JSON.stringify(await mapped.evaluate(input))), expected);

const library = new MappingLibrary();
const supplier = library.get('supplier-order-json-to-order');
const lines = Array.from({ length: 20 }, (_, i) => ({
  lineNo: i + 1,
  sku: `SKU-${i}`,
  description: 'Gloves',
  qty: '10',
  unit: 'BX',
  packSize: '10',
  unitPrice: '4.20',
  needBy: '2026-12-01',
}));
const supplierOrder = {
  orderNumber: 'PO-1',
  orderDate: '2026-11-23T10:15:00+01:00',
  currency: 'EUR',
  supplier: { code: 'ACME' },
  lines,
};
const canonical = supplier.run(supplierOrder).value;
const validate = validatorOf('order', 'strict');
assert.deepEqual(validate(canonical).violations, []);
const toOdoo = library.get('order-to-odoo-purchase-order');
const text = JSON.stringify(supplierOrder);

for (const { id } of library.list()) {
  const { mapping: other, expressions, run } = library.get(id);
  if (other.sample === undefined || expressions.length > 0) continue;
  const document = read(other.source, other.sample);
  for (let i = 0; i < 50; i++) run(document);
}

/** One row of JSONata among the others, as a mapping has it: with the way to its process and back. */
const withJsonata = checkMapping({
  ...mapping.mapping,
  rows: [...rows, { jsonata: '$uppercase($trim(header.h0))', to: 'order.extra' }],
}).compiled!;
const onlyJsonata = async (): Promise<unknown> =>
  withJsonata.run(input, { expressions: await evaluateExpressions(withJsonata, input) });
await onlyJsonata();

const best = await measure([
  ['hand-written JavaScript', () => byHand(input)],
  ['the same with the checks of the mapper', () => byHandChecked(input)],
  ['mapper', () => mapping.run(input)],
  ['mapper, explaining', () => mapping.explain(input)],
  ["Node-RED change node's core", () => changeNode(input)],
  ['JSONata, precompiled', () => expression.evaluate(input)],
  ['JSONata with $map', () => mapped.evaluate(input)],
  ['mapper with one JSONata row more', onlyJsonata],
  ['supplier order to canonical', () => supplier.run(supplierOrder)],
  ['  validating it strictly (Ajv)', () => validate(canonical)],
  ['  canonical to Odoo document', () => toOdoo.run(canonical)],
  ['  JSON.parse of the supplier order', () => JSON.parse(text)],
]);
const of = (name: string): number => best.get(name)!;

console.log('20 lines, 430 assignments; microseconds, and ratio to hand-written\n');
for (const [name, microseconds] of best) {
  console.log(
    `${name.padEnd(40)} ${microseconds.toFixed(1).padStart(8)}  ${(of('hand-written JavaScript') / microseconds).toFixed(4)}`,
  );
}
console.log(`\nmapper to JSONata: ${(of('JSONata, precompiled') / of('mapper')).toFixed(1)} times as fast`);
const row = of('mapper') / 430;
console.log(
  `a JSONata row costs as much as ${Math.round((of('mapper with one JSONata row more') - of('mapper')) / row)} others`,
);

console.log('\nmapper by document length; microseconds a line, which should stay the same');
for (const count of [20, 500, 5_000]) {
  const long = parsed(source(count));
  const each = (await measure([['long', () => mapping.run(long)]], 40)).get('long')!;
  console.log(`${String(count).padStart(6)} lines  ${(each / count).toFixed(2)} µs a line`);
}
process.exit(0);

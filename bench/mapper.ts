/**
 * The mapper against other ways to do the same: 20-line order, 430 assignments of which every second one trims and
 * turns to capitals, all results deep-equal. Prints
 * operations per CPU-second and ratios to hand-written JavaScript in the same run; compare ratios, not rates.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { checkMapping } from '../nodes/canonical/mapping/check.ts';
import type { Row } from '../nodes/canonical/mapping/mapping.ts';
import { MappingLibrary } from '../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../nodes/canonical/model/validate.ts';

const headerFields = 30;
const lineFields = 20;

type Tree = Record<string, unknown>;

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

const require = createRequire(import.meta.url);
const jsonata = require('jsonata') as (text: string) => { evaluate(input: unknown): Promise<unknown> };
const expression = jsonata(
  `{"order": {${Array.from({ length: headerFields }, (_, i) => `"a${i}": ${i % 2 === 0 ? `$uppercase($trim(header.h${i}))` : `header.h${i}`}`).join(', ')}, ` +
    `"items": [lines.{${Array.from({ length: lineFields }, (_, i) => `"b${i}": ${i % 2 === 0 ? `$uppercase($trim(f${i}))` : `f${i}`}`).join(', ')}}]}}`,
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

/** Operations per second of CPU time, the best of `rounds`, so that a busy machine distorts little. */
async function rate(operation: () => unknown, milliseconds = 300, rounds = 3): Promise<number> {
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    let count = 0;
    const before = process.cpuUsage();
    let used = 0;
    do {
      for (let i = 0; i < 10; i++) await operation();
      count += 10;
      const { user, system } = process.cpuUsage(before);
      used = (user + system) / 1_000;
    } while (used < milliseconds);
    best = Math.max(best, (count / used) * 1_000);
  }
  return best;
}

const input = source(20);
const expected = byHand(input);
assert.deepEqual(mapping.run(input).value, expected);
assert.deepEqual(mapping.explain(input).value, expected);
assert.deepEqual(changeNode(input), expected);
assert.deepEqual(JSON.parse(JSON.stringify(await expression.evaluate(input))), expected);

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

const measured: [string, number][] = [];
const measure = async (name: string, operation: () => unknown): Promise<number> => {
  const result = await rate(operation);
  measured.push([name, result]);
  return result;
};

const hand = await measure('hand-written JavaScript', () => byHand(input));
await measure('mapper', () => mapping.run(input));
await measure('mapper, explaining', () => mapping.explain(input));
await measure("Node-RED change node's core", () => changeNode(input));
await measure('JSONata, precompiled', () => expression.evaluate(input));
await measure('supplier order to canonical', () => supplier.run(supplierOrder));
await measure('  validating it strictly (Ajv)', () => validate(canonical));
await measure('  canonical to Odoo document', () => toOdoo.run(canonical));
await measure('  JSON.parse of the supplier order', () => JSON.parse(text));

console.log('20 lines, 430 assignments; operations per CPU-second and ratio to hand-written\n');
for (const [name, result] of measured) {
  console.log(
    `${name.padEnd(36)} ${Math.round(result).toLocaleString('en').padStart(10)}  ${(result / hand).toFixed(4)}`,
  );
}

console.log('\nmapper by document length; microseconds a line, which should stay the same');
for (const count of [20, 500, 5_000]) {
  const long = source(count);
  const result = await rate(() => mapping.run(long), 300, 2);
  console.log(`${String(count).padStart(6)} lines  ${(1_000_000 / result / count).toFixed(2)} µs a line`);
}

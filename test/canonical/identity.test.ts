/**
 * Any canonical entity → Odoo values → canonical, by the derived way back: every field that has a way back comes back
 * as it was. The entities are drawn from the model's schemas, each field that the mapping reads: any text, days,
 * moments, codes, decimals, optional parts there or not, lists of any length.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checkDraft, sourcesOf } from '../../nodes/canonical/mapping/check.ts';
import type { LookupTable } from '../../nodes/canonical/mapping/lookup.ts';
import type { Mapping, Row } from '../../nodes/canonical/mapping/mapping.ts';
import { reverseMapping } from '../../nodes/canonical/mapping/reverse.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { dereference, entityNamed } from '../../nodes/canonical/model/fields.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';
import { checkDigitOf } from '../../nodes/canonical/schemas/check-digits.ts';
import type { JsonSchema } from '../../nodes/canonical/schemas/index.ts';

const library = new MappingLibrary();
const tables = library.tables();

/** `lines[].product.identifiers[type=SKU].value` as `lines/N/product/identifiers/SKU/value`. */
const pattern = (path: string): string =>
  path
    .replaceAll(/\[type=([^\]]+)\]/g, '.$1')
    .replaceAll(/\[\d*\]/g, '.*')
    .replaceAll('.', '/');

const digits = (length: number): fc.Arbitrary<string> =>
  fc.stringMatching(new RegExp(`^\\d{${length}}$`)).map((text) => text + String(checkDigitOf(text)));
const day = fc
  .date({ min: new Date('1990-01-01T00:00:00Z'), max: new Date('2089-12-31T00:00:00Z'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));
const moment = fc
  .tuple(day, fc.nat(86_399), fc.constantFrom('Z', '+01:00', '-10:00', '+05:45', '+13:00'))
  .map(([date, second, offset]) => {
    const clock = new Date(second * 1000).toISOString().slice(11, 19);
    return `${date}T${clock}${offset}`;
  });
const decimal = fc
  .tuple(
    fc.constantFrom('', '', '', '-'),
    fc.integer({ min: 1, max: 999_999_999 }),
    fc.stringMatching(/^(\.\d{1,6})?$/),
  )
  .map(([sign, whole, rest]) => `${sign}${whole}${rest}`);
const words = (most: number): fc.Arbitrary<string> =>
  fc
    .oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: Math.min(most, 40) }),
      fc.string({
        unit: fc.constantFrom('"', "'", '\\', '<', '&', '\n', ' ', '[', ']', '%', 'é', '漢', '🩺'),
        minLength: 1,
        maxLength: Math.min(most, 12),
      }),
      fc.stringMatching(/^[A-Z]{1,4}-?\d{1,6}$/),
    )
    .filter((text) => text.length <= most);

/** Stands for the one currency of a document until that is drawn. */
const someCurrency = 'EUR';

interface Plan {
  /** Fields that the rows read. */
  read: ReadonlySet<string>;
  /** Fields that the rows must have. */
  needed: ReadonlySet<string>;
  /** Values that a field's table knows. */
  known: ReadonlyMap<string, readonly string[]>;
}

function planOf(mapping: Mapping): Plan {
  const rows = mapping.rows.filter((row) => row.direction !== 'reverse');
  const read = new Set(
    rows.flatMap((row) => [...sourcesOf(row), ...(row.when === undefined ? [] : [row.when.path])]).map(pattern),
  );
  const needed = new Set(
    rows
      .filter((row) => row.required === true && row.default === undefined)
      .flatMap((row) => (isCoalesce(row) ? sourcesOf(row).slice(0, 1) : sourcesOf(row)))
      .map(pattern),
  );
  const known = new Map<string, readonly string[]>();
  for (const row of rows) {
    const sources = sourcesOf(row);
    if (row.lookup === undefined || sources.length !== 1 || row.onError !== undefined) continue;
    const table: LookupTable | undefined = mapping.lookups?.[row.lookup] ?? tables.get(row.lookup);
    known.set(
      pattern(sources[0]!),
      table!.entries.map(({ from }) => String(from)),
    );
  }
  return { read, needed, known };
}

const isCoalesce = (row: Row): boolean => row.transforms?.[0] === 'coalesce';

const under = (paths: Iterable<string>, path: string): boolean =>
  [...paths].some((each) => each === path || each.startsWith(`${path}/`));

/** What an entity may be, as far as the mapping reads it. */
function anyOf(raw: JsonSchema, path: string, plan: Plan): fc.Arbitrary<unknown> {
  const schema = dereference(raw);
  if (schema.type === 'object') return anyObject(schema, path, plan);
  if (schema.type === 'array') {
    if (/(^|\/)identifiers$/.test(path)) return anyIdentifiers(path, plan);
    const least = Math.max(
      Number(schema.minItems ?? 0),
      under(plan.needed, `${path}/*`) && schema['x-unique-by'] === undefined ? 1 : 0,
    );
    const items = fc.array(anyOf(schema.items as JsonSchema, `${path}/*`, plan), {
      minLength: least,
      maxLength: Math.max(least, 3),
    });
    return schema['x-unique-by'] === undefined
      ? items
      : items.map((lines) =>
          lines.map((line, i) => ({ ...(line as object), number: i % 3 === 2 ? `L${i}` : String(i + 1) })),
        );
  }
  const table = plan.known.get(path);
  if (table !== undefined && !path.endsWith('unit'))
    return fc.constantFrom(...table).map((value) => (schema.type === 'boolean' ? value === 'true' : value));
  const values = (schema.enum ?? schema['x-extensible-enum']) as string[] | undefined;
  if (values !== undefined) return fc.constantFrom(...values);
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'integer') return fc.integer({ min: Number(schema.minimum), max: 1_000_000 });
  switch (schema.format) {
    case 'date':
      return day;
    case 'instant':
      return moment;
    case 'currency':
      return fc.constant(someCurrency);
    case 'gtin14':
      return digits(13);
    case 'gln':
      return digits(12);
    case 'sscc':
      return digits(17);
    case 'email':
      return fc.stringMatching(/^[a-z'+]{1,10}@[a-z-]{1,8}\.example$/);
  }
  if (typeof schema.pattern === 'string')
    return schema.pattern.startsWith('^-?\\d') ? decimal : fc.stringMatching(new RegExp(schema.pattern));
  return words(Number(schema.maxLength ?? 256));
}

/** Units of measure as Odoo has them, with or without the package. */
const measure = fc.constantFrom(...tables.get('odoo-uom-to-ucum')!.entries).chain(({ from, to }) => {
  const of = (table: string): unknown => tables.get(table)!.entries.find((entry) => entry.from === from)?.to;
  const size = of('odoo-uom-to-pack-size');
  const packed = {
    unit: to,
    pack: { code: of('odoo-uom-to-pack-code'), ...(size === undefined ? {} : { perBase: size }) },
  };
  const plain = tables.get('ucum-to-odoo-uom')!.entries.some((entry) => entry.from === to);
  return plain ? fc.constantFrom(packed, { unit: to }) : fc.constant(packed);
});

function anyObject(schema: JsonSchema, path: string, plan: Plan): fc.Arbitrary<unknown> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  const always: string[] = [];
  for (const [name, property] of Object.entries(schema.properties as Record<string, JsonSchema>)) {
    const at = path === '' ? name : `${path}/${name}`;
    const required = ((schema.required as string[] | undefined) ?? []).includes(name);
    const asked = under(plan.read, at);
    if (!required && !asked && !(name === 'identifiers' && schema.anyOf !== undefined)) continue;
    fields[name] = anyOf(property, at, plan);
    if (required || under(plan.needed, at) || (name === 'identifiers' && schema.anyOf !== undefined)) always.push(name);
  }
  const record = fc.record(fields, { requiredKeys: always });
  if (!('value' in fields) || !('unit' in fields)) return record;
  return fc.tuple(record, measure).map(([quantity, unit]) => ({ value: quantity.value, ...unit }));
}

function anyIdentifiers(path: string, plan: Plan): fc.Arbitrary<unknown> {
  const kinds = [...plan.read]
    .filter((each) => each.startsWith(`${path}/`))
    .map((each) => each.slice(path.length + 1).split('/')[0]!);
  if (kinds.length === 0) return fc.constant([{ type: 'OTHER', value: 'X' }]);
  const values = Object.fromEntries(
    [...new Set(kinds)].map((kind) => [
      kind,
      /^(GLN)$/.test(kind) ? digits(12) : kind === 'GTIN' ? digits(13) : words(64),
    ]),
  );
  const needed = Object.keys(values).filter((kind) => under(plan.needed, `${path}/${kind}`));
  return fc
    .record(values, { requiredKeys: needed as never })
    .map((given) => Object.entries(given).map(([type, value]) => ({ type, value })))
    .map((list) => (list.length === 0 ? [{ type: 'OTHER', value: 'X' }] : list));
}

/** What must hold between fields, so that the entity makes sense to Odoo. */
const sensible: Record<string, (entity: Record<string, unknown>, choice: number) => object> = {
  // Two fields that one table translates together.
  'invoice-to-odoo-move': (_entity, choice) => {
    const pairs = library.get('invoice-to-odoo-move').mapping.lookups!['move-type']!.entries;
    const [direction, kind] = String(pairs[choice % pairs.length]!.from).split('/');
    return { direction, kind };
  },
  // The moment of issue is on the day of issue.
  'order-to-odoo-purchase-order': ({ issueDate, issuedAt }) =>
    issuedAt === undefined ? {} : { issuedAt: `${String(issueDate)}T10:15:00+01:00` },
  // One quotation has one supplier.
  'requisition-to-odoo-purchase-order': ({ lines }) => {
    const [first] = lines as { supplier: unknown }[];
    return { lines: (lines as object[]).map((line) => ({ ...line, supplier: first!.supplier })) };
  },
  // A service is not stocked.
  'product-to-odoo-17-product': ({ kind, stocked }) => ({ stocked: kind === 'service' ? undefined : stocked }),
  // Odoo has one partner on a payment: the other one.
  'payment-to-odoo-payment': ({ direction }) => ({ [direction === 'in' ? 'payee' : 'payer']: undefined }),
};

/** Why Odoo has no value for what an entity says. */
const refusals: Record<string, RegExp> = {
  // A package whose size nobody knows cannot be counted in pieces.
  'inventory-level-to-odoo-quant': /^MAPPING_PACK_FACTOR_UNKNOWN$/,
};

/** Lists of which Odoo gets some items only: those keep their order, not their position. */
const sparse: Record<string, RegExp> = {
  // Lines that have no promised day are left alone.
  'order-response-to-odoo-purchase-order': /^lines\//,
  'order-response-to-odoo-19-purchase-order': /^lines\//,
  // A contact is known by its e-mail address.
  'supplier-to-odoo-partner': /^contacts\//,
};

/** Values that a table of a reverse row merges, beside those that {@link reverseMapping} tells. */
const mergedBy: Record<string, RegExp> = {
  // Odoo 17 knows stocked goods, consumables and services.
  'product-to-odoo-17-product': /^kind (?!goods|service)/,
};

/** What comes back though it was not said, and why. */
const gained: readonly (readonly [RegExp, string])[] = [
  [/\/pack\/(code|perBase)$/, 'a unit of measure in Odoo says what package it is'],
  [
    /^(lines|codes)\/\*\/(code\/)?(description|display)$/,
    'Odoo must have words for a line: those of the product or its code',
  ],
  [/^lines\/\*\/neededBy$/, 'the day of the whole document stands on each line'],
  [/^kind$/, 'what is stocked is goods in Odoo 17'],
  [/^memo$/, 'Odoo must have words for a payment: its number'],
];

/** What does not come back, and why. */
const lost: readonly (readonly [RegExp, RegExp, string])[] = [
  [/^lines\/\*\/number$/, /^L/, 'a line number that is no number does not sort lines in Odoo'],
];

/** Leaves by path with positions; identifiers by their kind. */
function leavesOf(value: unknown, path: string[] = [], out = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value) && path.at(-1) === 'identifiers')
    for (const item of value as { type: string; value: string }[])
      out.set([...path, item.type, 'value'].join('/'), item.value);
  else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) leavesOf(inner, [...path, key], out);
  else if (value !== undefined) out.set(path.join('/'), String(value));
  return out;
}

const general = (path: string): string => path.replaceAll(/\/\d+(?=\/|$)/g, '/*');

/** Odoo keeps moments in UTC: the same moment, written otherwise. */
const same = (a: string, b: string): boolean =>
  a === b || (/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(a) && Date.parse(a) === Date.parse(b));

const runs = 120;

describe('any canonical entity, to Odoo values and back', () => {
  const writers = library
    .list()
    .filter(({ source, target }) => 'entity' in source && 'format' in target && target.format === 'odoo');

  for (const { id } of writers) {
    test(`is the same on the fields that have a way back: ${id}`, () => {
      const there = library.get(id);
      const { source } = there.mapping;
      assert.ok('entity' in source);
      const reversed = reverseMapping(there.mapping, tables);
      const back = checkDraft(reversed.mapping, tables).compiled!;
      const returning = new Set(reversed.mapping.rows.map(({ to }) => pattern(to)));
      const plan = planOf(there.mapping);
      const valid = validatorOf(source.entity, 'strict');
      const merged = new Map(
        reversed.lossy.map(({ row, values }) => [pattern(sourcesOf(there.mapping.rows[row - 1]!)[0]!), values]),
      );
      const entities = anyOf(entityNamed(source.entity)!.schema, '', plan);
      const compared = new Map<string, number>();
      let refused = 0;

      fc.assert(
        fc.property(entities, fc.constantFrom('EUR', 'USD', 'JPY', 'CHF'), fc.nat(1_000), (drawn, currency, choice) => {
          const fields = drawn as Record<string, unknown>;
          const text = JSON.stringify({ ...fields, ...sensible[id]?.(fields, choice) });
          const entity = JSON.parse(text, (key, value) => (key === 'currency' ? currency : value)) as object;
          assert.deepEqual(valid(entity).violations, []);
          const odoo = there.run(entity);
          if (odoo.violations.length > 0) {
            for (const { rule } of odoo.violations) assert.match(rule, refusals[id] ?? /^$/);
            refused++;
            return;
          }
          const result = back.run(odoo.value);
          assert.deepEqual(result.violations, []);
          const [before, after] = [leavesOf(entity), leavesOf(result.value)];
          const inOrder = (leaves: Map<string, string>, kind: string): string[] =>
            [...leaves].filter(([path]) => general(path) === kind).map(([, value]) => value);
          for (const [path, value] of before) {
            const kind = general(path);
            if (!returning.has(kind)) continue;
            compared.set(kind, (compared.get(kind) ?? 0) + 1);
            if (merged.get(kind)?.includes(value) === true || mergedBy[id]?.test(`${kind} ${value}`) === true) continue;
            if (lost.some(([kinds, values]) => kinds.test(kind) && values.test(value)) && !after.has(path)) continue;
            if (sparse[id]?.test(kind) === true) {
              assert.deepEqual(inOrder(after, kind), inOrder(before, kind), kind);
              continue;
            }
            const now = after.get(path);
            assert.ok(now !== undefined, `${path} is lost`);
            assert.ok(same(value, now), `${path}: ${JSON.stringify(value)} comes back as ${JSON.stringify(now)}`);
          }
          for (const path of after.keys()) {
            const kind = general(path);
            if (before.has(path) || sparse[id]?.test(kind) === true) continue;
            assert.ok(
              gained.some(([kinds]) => kinds.test(kind)),
              `${path} comes from nowhere`,
            );
          }
        }),
        { numRuns: runs },
      );
      assert.deepEqual(
        [...returning].filter((kind) => !compared.has(kind)),
        [],
        'never drawn',
      );
      assert.ok(refused < runs * 0.75, `${refused} of ${runs} were refused`);
    });
  }

  test('is tried for every entity that has a home in Odoo', () => assert.ok(writers.length >= 20, `${writers.length}`));
});

/**
 * Two sides of the same quantities, compared key by key: what differs, what kind of difference it is, and the control
 * totals that prove that everything was looked at. Pure and exact. It proposes; nothing here or behind it writes stock.
 */
import { createHash } from 'node:crypto';
import { add, compare, isDecimal, multiply, normalise, subtract, toDecimal } from '../kernel/decimal.ts';
import { Failure } from '../kernel/failure.ts';
import { canonicalJson } from '../kernel/json.ts';

/**
 * - `unknown-lot`: one side has a lot that the other does not know at this place.
 * - `missing-movement`: movements that have not been posted make up the difference.
 * - `unit-mix-up`: packs were counted as pieces, or a whole number of packs is missing.
 * - `loss`, `surplus`: nothing explains it; somebody has to count.
 */
export const breakClasses = ['unknown-lot', 'missing-movement', 'unit-mix-up', 'loss', 'surplus'] as const;
export type BreakClass = (typeof breakClasses)[number];

export interface CompareTerms {
  /** Fields that name what is compared, e.g. product, location, lot. The same on both sides. */
  keys: readonly string[];
  /** Which of them is the lot; empty for none. */
  lot: string;
  /** Field with the quantity on either side. */
  quantity: string;
  /** Field with the pack factor, on either side: a number or a list. */
  pack: string;
  /** Field with the price of one unit, on either side. */
  price: string;
  /** Differences up to this are none. */
  tolerance: string;
  /** Names of the sides in sentences. */
  names: { left: string; right: string };
}

export interface Sides {
  /** What is there: the count, the warehouse's or the EHR's snapshot. */
  left: unknown;
  /** What the books say. */
  right: unknown;
  /** Not yet in the books: the keys, a signed `quantity` (what it changes), and a `document`. */
  movements?: unknown;
}

export interface Difference {
  key: Record<string, string>;
  class: BreakClass;
  /** False: the amounts suggest the class, nothing proves it. */
  certain: boolean;
  left: string;
  right: string;
  /** left − right. */
  difference: string;
  /** Of the difference, at the price. */
  value: string | null;
  /** One sentence for a person. */
  because: string;
  /** What to do about it. */
  proposal: string;
}

export interface SideTotals {
  rows: number;
  keys: number;
  quantity: string;
  value: string | null;
}

export interface Comparison {
  left: SideTotals;
  right: SideTotals;
  /** Keys on either side. */
  keys: number;
  matched: number;
  differences: Difference[];
  /** SHA-256 over both sides, sorted: equal for equal content in any order. */
  digest: string;
}

type Row = Record<string, unknown>;

interface Entry {
  key: Record<string, string>;
  left: string | undefined;
  right: string | undefined;
  packs: Set<string>;
  price: string | undefined;
}

/** Rows of one side, and of the movements. */
export const rowLimit = 200_000;
/** Movements of one key among which a sum is looked for. */
const subsetLimit = 12;

/** @throws Failure `data-quality` for rows that cannot be compared exactly; `configuration` without keys */
export function compareSides(sides: Sides, terms: CompareTerms): Comparison {
  if (terms.keys.length === 0) {
    throw new Failure('configuration', 'RECONCILE_KEYS', 'No key is named by which the sides are compared.');
  }
  const left = rowsOf(sides.left, terms.names.left);
  const right = rowsOf(sides.right, terms.names.right);
  const entries = new Map<string, Entry>();
  const totals = {
    left: collect(left, 'left', terms, entries),
    right: collect(right, 'right', terms, entries),
  };
  const movements = movementsOf(sides.movements, terms);
  const siblings = terms.lot === '' ? new Map<string, Entry[]>() : byPlace(entries.values(), terms.lot);
  const differences: Difference[] = [];
  let matched = 0;
  const hash = createHash('sha256');
  for (const [id, entry] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const there = entry.left ?? '0';
    const booked = entry.right ?? '0';
    hash.update(`${id}\n${entry.left ?? ''}\n${entry.right ?? ''}\n`);
    const difference = normalise(subtract(there, booked));
    if (compare(absolute(difference), terms.tolerance) <= 0) {
      matched++;
      continue;
    }
    const judged = classify(entry, difference, terms, movements.get(id) ?? [], siblings);
    differences.push({
      key: entry.key,
      left: there,
      right: booked,
      difference,
      value: entry.price === undefined ? null : normalise(multiply(difference, entry.price)),
      ...judged,
    });
  }
  return { ...totals, keys: entries.size, matched, differences, digest: hash.digest('hex') };
}

function classify(
  entry: Entry,
  difference: string,
  { names, lot }: CompareTerms,
  movements: readonly Movement[],
  siblings: ReadonlyMap<string, readonly Entry[]>,
): Pick<Difference, 'class' | 'certain' | 'because' | 'proposal'> {
  const there = entry.left ?? '0';
  const booked = entry.right ?? '0';
  const amounts = `${capital(names.left)} has ${there}, ${names.right} ${booked}`;
  const found = sumTo(movements, difference);
  if (found !== undefined) {
    const documents = found.map(({ document }) => document).filter((document) => document !== '');
    return {
      class: 'missing-movement',
      certain: true,
      because: `${amounts}: ${found.length === 1 ? 'a movement' : `${found.length} movements`} not yet booked${documents.length === 0 ? '' : ` (${documents.slice(0, 5).join(', ')})`} ${found.length === 1 ? 'makes' : 'make'} up the difference.`,
      proposal: 'Post the movement; look among the failures for it.',
    };
  }
  const own = lot === '' ? '' : (entry.key[lot] ?? '');
  if (own !== '' && (entry.left === undefined || entry.right === undefined)) {
    const absent = entry.left === undefined ? 'left' : 'right';
    const others = (siblings.get(placeOf(entry.key, lot)) ?? [])
      .filter((each) => each !== entry && each[absent] !== undefined)
      .map((each) => each.key[lot] || 'none');
    return {
      class: 'unknown-lot',
      certain: true,
      because: `${amounts}: ${names[absent]} does not know lot ${own} there${others.length === 0 ? '' : `; it has lot ${others.slice(0, 3).join(', ')}`}.`,
      proposal: 'Look at the label, and correct the lot where it is wrong.',
    };
  }
  for (const factor of entry.packs) {
    const packedLeft = compare(multiply(there, factor), booked) === 0;
    if (compare(there, '0') !== 0 && (packedLeft || compare(multiply(booked, factor), there) === 0)) {
      const who = packedLeft ? names.left : names.right;
      return {
        class: 'unit-mix-up',
        certain: true,
        because: `${amounts}: ${who} counts packs of ${factor} as pieces.`,
        proposal: `Correct the unit in ${who}.`,
      };
    }
  }
  for (const factor of entry.packs) {
    if (!isMultiple(difference, factor)) continue;
    return {
      class: 'unit-mix-up',
      certain: false,
      because: `${amounts}: the difference is a whole number of packs of ${factor}, so a unit was mixed up or packs were not booked.`,
      proposal: 'Look at the last movements of the product: packs booked as pieces, or a pack missing.',
    };
  }
  const less = compare(difference, '0') < 0;
  return {
    class: less ? 'loss' : 'surplus',
    certain: false,
    because: `${amounts}, and nothing explains it.`,
    proposal: 'Count again; propose an adjustment to whoever may approve one.',
  };
}

interface Movement {
  quantity: string;
  document: string;
}

/** The movements of a key that add up to the difference, fewest first. */
function sumTo(movements: readonly Movement[], difference: string): Movement[] | undefined {
  const considered = movements.slice(0, subsetLimit);
  let best: Movement[] | undefined;
  for (let mask = 1; mask < 1 << considered.length; mask++) {
    const chosen = considered.filter((_, index) => (mask >> index) & 1);
    if (best !== undefined && chosen.length >= best.length) continue;
    const sum = chosen.reduce((total, { quantity }) => add(total, quantity), '0');
    if (compare(sum, difference) === 0) best = chosen;
  }
  return best;
}

function movementsOf(given: unknown, terms: CompareTerms): Map<string, Movement[]> {
  const found = new Map<string, Movement[]>();
  if (given === undefined || given === null) return found;
  for (const [index, row] of rowsOf(given, 'the movements').entries()) {
    const { id } = keyOf(row, terms, 'the movements', index);
    const document = row.document ?? row.origin ?? row.number ?? '';
    const list = found.get(id) ?? [];
    list.push({ quantity: amount(row, 'quantity', 'the movements', index), document: String(document) });
    found.set(id, list);
  }
  return found;
}

function collect(
  rows: readonly Row[],
  side: 'left' | 'right',
  terms: CompareTerms,
  entries: Map<string, Entry>,
): SideTotals {
  const name = terms.names[side];
  const seen = new Set<string>();
  let quantity = '0';
  let value: string | null = '0';
  for (const [index, row] of rows.entries()) {
    const { id, key } = keyOf(row, terms, name, index);
    const entry = entries.get(id) ?? { key, left: undefined, right: undefined, packs: new Set(), price: undefined };
    entries.set(id, entry);
    const given = amount(row, terms.quantity, name, index);
    // Several rows of one key are one stock: quants by package or owner.
    entry[side] = normalise(add(entry[side] ?? '0', given));
    for (const factor of packsOf(row[terms.pack], name, index)) entry.packs.add(factor);
    if (terms.price !== '' && row[terms.price] !== undefined && row[terms.price] !== null) {
      entry.price ??= amount(row, terms.price, name, index);
    }
    quantity = add(quantity, given);
    value = value === null || entry.price === undefined ? null : add(value, multiply(given, entry.price));
    seen.add(id);
  }
  return {
    rows: rows.length,
    keys: seen.size,
    quantity: normalise(quantity),
    value: value === null || rows.length === 0 ? null : normalise(value),
  };
}

function packsOf(given: unknown, name: string, index: number): string[] {
  if (given === undefined || given === null || given === '') return [];
  const list = Array.isArray(given) ? given : [given];
  return list
    .map((each) => exact(each, () => `a pack factor in row ${index + 1} of ${name}`))
    .filter((factor) => compare(factor, '1') > 0);
}

function keyOf(
  row: Row,
  terms: CompareTerms,
  name: string,
  index: number,
): { id: string; key: Record<string, string> } {
  const key: Record<string, string> = {};
  for (const field of terms.keys) {
    const value = row[field];
    if (value === undefined || value === null || value === '') key[field] = '';
    else if (typeof value === 'string' || Number.isSafeInteger(value)) key[field] = String(value);
    // A related record of Odoo, as odoo-rpc reads it.
    else if (typeof value === 'object' && typeof (value as Row).name === 'string')
      key[field] = codeOf((value as { name: string }).name);
    else throw wrong(`Row ${index + 1} of ${name} has a ${field} that is neither text nor a whole number.`);
  }
  if (Object.values(key).every((value) => value === '')) {
    throw wrong(`Row ${index + 1} of ${name} has none of ${terms.keys.join(', ')}.`);
  }
  return { id: canonicalJson(terms.keys.map((field) => key[field]!)), key };
}

/** Odoo shows a product as `[code] name`; the other side knows the code alone. */
const codeOf = (name: string): string => /^\[([^\]]+)\] /.exec(name)?.[1] ?? name;

function byPlace(entries: Iterable<Entry>, lot: string): Map<string, Entry[]> {
  const places = new Map<string, Entry[]>();
  for (const entry of entries) {
    const place = placeOf(entry.key, lot);
    const list = places.get(place) ?? [];
    list.push(entry);
    places.set(place, list);
  }
  return places;
}

const placeOf = (key: Record<string, string>, lot: string): string =>
  canonicalJson(Object.entries(key).filter(([field]) => field !== lot));

function rowsOf(given: unknown, name: string): Row[] {
  if (!Array.isArray(given)) throw wrong(`${name} gave no list of rows.`);
  if (given.length > rowLimit) throw wrong(`${name} gave more than ${rowLimit} rows; compare place by place.`);
  for (const row of given) {
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      throw wrong(`${name} gave a row that is no object.`);
  }
  return given as Row[];
}

function amount(row: Row, field: string, name: string, index: number): string {
  return exact(row[field], () => `the ${field} in row ${index + 1} of ${name}`);
}

function exact(value: unknown, what: () => string): string {
  if (isDecimal(value) || Number.isSafeInteger(value)) return normalise(toDecimal(value));
  throw wrong(`There is no exact decimal number in ${what()}.`);
}

function isMultiple(value: string, factor: string): boolean {
  const scale = Math.max(scaleOf(value), scaleOf(factor));
  const whole = (text: string): bigint => BigInt(normalise(multiply(text, `1${'0'.repeat(scale)}`)));
  return whole(value) % whole(factor) === 0n;
}

const scaleOf = (value: string): number => value.split('.')[1]?.length ?? 0;

const absolute = (value: string): string => (value.startsWith('-') ? value.slice(1) : value);

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function wrong(sentence: string): Failure {
  return new Failure('data-quality', 'RECONCILE_ROWS', capital(sentence));
}

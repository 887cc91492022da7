/**
 * How much of a product a place should get, from its rule, its stock and what is on the way. Exact, and explained: the
 * sentences are what an approver reads. The rule is Odoo's (stock.warehouse.orderpoint): below the minimum, up to the
 * maximum; the pack multiple rounds down, so that the maximum holds, unless the minimum would not be reached.
 */
import { add, compare, divide, isDecimal, multiply, normalise, subtract, toDecimal } from '../kernel/decimal.ts';
import { Failure } from '../kernel/failure.ts';

export interface ReplenishmentFacts {
  /**
   * `minimum`, `maximum`, `multiple`, or Odoo's `product_min_qty`, `product_max_qty`, `qty_multiple`: decimals, or
   * canonical quantities with their pack. A list of one is fine.
   */
  rule: unknown;
  /** An amount, or rows with `quantity` and `reserved` (Odoo: `reserved_quantity`). */
  stock: unknown;
  /** An amount, or rows with `quantity` (Odoo: `product_qty`) and `document` (Odoo: `origin`, `reference`). */
  incoming: unknown;
  /** Price of one unit: an amount, or `{amount, currency}`. */
  price?: unknown;
}

export interface Proposal {
  verdict: 'order' | 'enough' | 'check';
  /** In the product's own unit. */
  quantity: string;
  multiple: string | null;
  /** How many of the multiple. */
  packs: string | null;
  onHand: string;
  reserved: string;
  incoming: string;
  available: string;
  minimum: string;
  maximum: string;
  value: string | null;
  currency: string | null;
  /** Documents that bring what is on the way. */
  documents: string[];
  because: string[];
}

type Row = Record<string, unknown>;
type Field = 'minimum' | 'maximum' | 'multiple' | 'quantity' | 'reserved' | 'document';

const names: Record<Field, readonly string[]> = {
  minimum: ['minimum', 'product_min_qty'],
  maximum: ['maximum', 'product_max_qty'],
  multiple: ['multiple', 'qty_multiple'],
  quantity: ['quantity', 'onHand', 'product_qty', 'product_uom_qty'],
  reserved: ['reserved', 'reserved_quantity'],
  document: ['document', 'origin', 'reference', 'name', 'display_name'],
};

/** Rows of stock or on the way in one proposal. */
const rowLimit = 10_000;
const documentLimit = 50;

/** @throws Failure `data-quality` when a fact is missing or no exact amount */
export function propose(facts: ReplenishmentFacts): Proposal {
  const rule = one(facts.rule);
  const minimum = amount(rule, 'minimum', 'the rule') ?? missing('the minimum of the rule');
  const given = amount(rule, 'maximum', 'the rule') ?? '0';
  const multipleGiven = amount(rule, 'multiple', 'the rule') ?? '0';
  if ([minimum, given, multipleGiven].some((value) => compare(value, '0') < 0)) {
    throw wrong('The rule has a negative minimum, maximum or multiple.');
  }
  // Odoo counts no maximum, and one below the minimum, as the minimum.
  const maximum = compare(given, minimum) < 0 ? minimum : given;
  const multiple = compare(multipleGiven, '0') > 0 ? multipleGiven : null;

  const stock = rows(facts.stock, 'the stock');
  const onHand = total(stock, 'quantity', 'the stock');
  const reserved = total(stock, 'reserved', 'the stock');
  const coming = rows(facts.incoming ?? [], 'what is on the way');
  const incoming = total(coming, 'quantity', 'what is on the way');
  const available = normalise(add(subtract(onHand, reserved), incoming));
  const documents = [...new Set(coming.map((row) => text(row, 'document')).filter((each) => each !== ''))];

  const because = [
    `${onHand} on hand, ${compare(reserved, '0') === 0 ? 'none' : reserved} reserved, ${
      compare(incoming, '0') === 0 ? 'nothing' : incoming
    } on the way${documents.length === 0 ? '' : ` (${listed(documents)})`}: ${available} available.`,
  ];
  const common = {
    multiple,
    onHand,
    reserved,
    incoming,
    available,
    minimum,
    maximum,
    documents: documents.slice(0, documentLimit),
    because,
  };
  const nothing = { ...common, quantity: '0', packs: multiple === null ? null : '0', value: null, currency: null };
  if (compare(onHand, '0') < 0) {
    because.push('The stock is negative, so something was booked wrongly. Count it before anything is ordered.');
    return { verdict: 'check', ...nothing };
  }
  if (compare(available, minimum) >= 0) {
    because.push(`The minimum is ${minimum}: nothing is needed.`);
    return { verdict: 'enough', ...nothing };
  }
  const needed = normalise(subtract(maximum, available));
  because.push(`Below the minimum of ${minimum}; ${needed} to the maximum of ${maximum}.`);
  const { quantity, packs } = inPacks(needed, multiple, available, minimum, because);
  if (compare(quantity, '0') === 0) {
    because.push('Nothing is needed.');
    return { verdict: 'enough', ...nothing };
  }
  const price = priceOf(facts.price);
  const value = price === undefined ? null : normalise(multiply(quantity, price.amount));
  return { verdict: 'order', ...common, quantity, packs, value, currency: price?.currency ?? null };
}

function inPacks(
  needed: string,
  multiple: string | null,
  available: string,
  minimum: string,
  because: string[],
): { quantity: string; packs: string | null } {
  if (multiple === null) return { quantity: needed, packs: null };
  const down = floorOf(needed, multiple);
  const exact = compare(multiply(down, multiple), needed) === 0;
  const reaches = compare(add(available, multiply(down, multiple)), minimum) >= 0 && compare(down, '0') > 0;
  const packs = exact || reaches ? down : add(down, '1');
  const quantity = normalise(multiply(packs, multiple));
  const how = exact
    ? 'exactly'
    : reaches
      ? 'rounded down, so that the maximum holds'
      : 'rounded up, to reach the minimum';
  because.push(`In packs of ${multiple}: ${packs} packs, ${quantity} (${how}).`);
  return { quantity, packs };
}

/** How many times `size` goes into a positive `value`. */
function floorOf(value: string, size: string): string {
  const rounded = divide(value, size, 0);
  return compare(multiply(rounded, size), value) > 0 ? subtract(rounded, '1') : rounded;
}

function priceOf(given: unknown): { amount: string; currency: string | null } | undefined {
  if (given === undefined || given === null || given === '') return undefined;
  if (typeof given === 'object' && !Array.isArray(given)) {
    const { amount: value, currency } = given as Row;
    return { amount: exact(value, 'the price'), currency: typeof currency === 'string' ? currency : null };
  }
  return { amount: exact(given, 'the price'), currency: null };
}

function one(given: unknown): Row {
  const [row, ...more] = Array.isArray(given) ? given : [given];
  if (more.length > 0) throw wrong('There are several rules for the product and place. Keep one.');
  if (typeof row === 'object' && row !== null) return row as Row;
  return missing('the rule: the product has no minimum and maximum at this place');
}

function rows(given: unknown, what: string): Row[] {
  const list = Array.isArray(given) ? given : [given];
  if (list.length > rowLimit) throw wrong(`There are more than ${rowLimit} rows of ${what}.`);
  return list.map((each) => {
    if (typeof each === 'object' && each !== null) return each as Row;
    if (each === undefined || each === null) return missing(what);
    return { quantity: each };
  });
}

function total(list: readonly Row[], field: Field, what: string): string {
  return normalise(list.reduce((sum, row) => add(sum, amount(row, field, what) ?? '0'), '0'));
}

function amount(row: Row, field: Field, what: string): string | undefined {
  const found = names[field].map((name) => row[name]).find((value) => value !== undefined && value !== null);
  return found === undefined ? undefined : exact(found, `the ${field} of ${what}`);
}

/** A decimal, or a canonical quantity, which counts in the product's own unit. */
function exact(value: unknown, what: string): string {
  if (typeof value === 'object' && value !== null && 'value' in value) {
    const { value: packs, pack } = value as { value: unknown; pack?: { perBase?: unknown } };
    return normalise(multiply(exact(packs, what), exact(pack?.perBase ?? '1', `the pack of ${what}`)));
  }
  if (isDecimal(value) || Number.isSafeInteger(value)) return normalise(toDecimal(value));
  throw wrong(`${what[0]!.toUpperCase()}${what.slice(1)} is no exact decimal number such as "12.5".`);
}

function text(row: Row, field: Field): string {
  for (const name of names[field]) if (typeof row[name] === 'string' && row[name] !== '') return row[name];
  return '';
}

function listed(documents: readonly string[]): string {
  const shown = documents.slice(0, 5).join(', ');
  return documents.length > 5 ? `${shown} and ${documents.length - 5} more` : shown;
}

function missing(what: string): never {
  throw new Failure('data-quality', 'REPLENISHMENT_FACT_MISSING', `A proposal needs ${what}.`);
}

function wrong(sentence: string): Failure {
  return new Failure('data-quality', 'REPLENISHMENT_FACT_INVALID', sentence);
}

/**
 * What must hold after every drill: what was accepted is done, or a dead letter, or waits for a person who is named; Odoo
 * holds each record once; money and pieces are the same on both sides, to the last digit.
 */
import assert from 'node:assert/strict';
import { add, compare, multiply, normalise } from '../../nodes/kernel/decimal.ts';
import type { Stack } from '../e2e/stack.ts';

/** Decimals: what was sent, and what Odoo holds of it. */
export interface Sides {
  sent: string;
  odoo: string;
}

export interface Balance {
  /** Keys that were answered 202. */
  accepted: readonly string[];
  /** How often the record of each key stands in Odoo. */
  inOdoo: (key: string) => number;
  /** Keys that are letters, or wait for somebody: whose turn it is, by key. */
  waiting?: ReadonlyMap<string, string>;
  money?: Sides;
  pieces?: Sides;
}

/** @returns the balance in words @throws AssertionError naming the first keys that break it */
export function balanced({ accepted, inOdoo, waiting = new Map(), money, pieces }: Balance): string {
  const keys = [...new Set(accepted)];
  const some = (found: readonly string[]) => found.slice(0, 20);
  const done = keys.filter((key) => inOdoo(key) > 0);
  assert.deepEqual(some(keys.filter((key) => inOdoo(key) === 0 && !waiting.has(key))), [], 'accepted and nowhere');
  assert.deepEqual(some(done.filter((key) => waiting.has(key))), [], 'done, and somebody is asked all the same');
  assert.deepEqual(some(done.filter((key) => inOdoo(key) > 1)), [], 'in Odoo twice');
  assert.deepEqual(some([...waiting.keys()].filter((key) => !keys.includes(key))), [], 'waits and was never accepted');
  assert.equal(keys.length, done.length + waiting.size);
  for (const [what, sides] of Object.entries({ money, pieces })) {
    if (sides !== undefined)
      assert.equal(compare(sides.sent, sides.odoo), 0, `${what}: ${sides.sent} sent, ${sides.odoo} in Odoo`);
  }
  const whose = [...Map.groupBy(waiting.values(), (owner) => owner)].map(
    ([owner, { length }]) => `${length} for ${owner}`,
  );
  return [
    `${keys.length} accepted = ${done.length} once in Odoo${whose.length === 0 ? '' : ` + ${whose.join(' + ')}`}`,
    ...(money === undefined ? [] : [`${normalise(money.odoo)} EUR on both sides`]),
    ...(pieces === undefined ? [] : [`${normalise(pieces.odoo)} pieces on both sides`]),
  ].join('; ');
}

export const sum = (amounts: Iterable<string>): string => [...amounts].reduce(add, '0');
export const times = (amount: string, count: number): string => multiply(amount, String(count));

type Row = Record<string, unknown>;

/** Untaxed amounts of what Odoo holds. */
export const untaxed = (rows: Iterable<Row>): string => sum([...rows].map((row) => String(row.amount_untaxed)));

/** Pieces on the hospital's own shelves, of one item or of all. */
export function onShelves(odoo: Stack['odoo'], sku?: string): string {
  const own = new Set(odoo.records('stock.location', { usage: 'internal' }).map(({ id }) => id));
  const product = sku === undefined ? undefined : odoo.records('product.product', { default_code: sku })[0]!.id;
  return sum(
    odoo
      .records('stock.quant')
      .filter(({ location_id: at, product_id: what }) => own.has(at) && (product === undefined || product === what))
      .map(({ quantity }) => String(quantity)),
  );
}

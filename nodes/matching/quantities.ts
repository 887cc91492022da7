/** Quantities in different units, compared through explicit pack factors only. */
import { compare, normalise } from '../kernel/decimal.ts';
import type { Quantity } from './documents.ts';
import { over, type Ratio, times, whole } from './ratio.ts';

/** UCUM annotations that count single pieces. UCUM itself takes every annotation for 1, a box too. */
const pieces = new Set(['{each}', '{piece}', '{unit}', '1']);

/** How many base units one of `quantity` is; undefined where nobody has said. */
export function factorOf({ unit, pack }: Pick<Quantity, 'unit' | 'pack'>): string | undefined {
  if (pack?.perBase !== undefined) return compare(pack.perBase, '0') > 0 ? pack.perBase : undefined;
  if (pack !== undefined && !pieceCodes.has(pack.code)) return undefined;
  return unit.startsWith('{') && !pieces.has(unit) ? undefined : '1';
}

/** UN/ECE Recommendation 20 codes for a piece. */
const pieceCodes = new Set(['EA', 'C62', 'H87', 'PCE', 'NAR']);

const kindOf = ({ unit, pack }: Pick<Quantity, 'unit' | 'pack'>): string =>
  unit.startsWith('{') || unit === '1' || pack !== undefined ? 'pieces' : unit;

/**
 * How many units of `to` one unit of `from` is, as a factor; undefined where that is not known. The same package without
 * a factor on both sides is the same unit.
 */
export function conversion(
  from: Pick<Quantity, 'unit' | 'pack'>,
  to: Pick<Quantity, 'unit' | 'pack'>,
): Ratio | undefined {
  if (kindOf(from) !== kindOf(to)) return undefined;
  const a = factorOf(from);
  const b = factorOf(to);
  if (a !== undefined && b !== undefined) return over(a, b);
  const same = from.unit === to.unit && from.pack?.code === to.pack?.code;
  return same && a === undefined && b === undefined ? whole('1') : undefined;
}

/** `quantity` counted in the unit of `to`. */
export function inUnitOf(quantity: Quantity, to: Pick<Quantity, 'unit' | 'pack'>): Ratio | undefined {
  const factor = conversion(quantity, to);
  return factor === undefined ? undefined : times(whole(quantity.value), factor);
}

/** The same package code with another number of pieces in it: a changed pack, not another quantity. */
export function packChanged(a: Quantity, b: Quantity): boolean {
  const [x, y] = [a.pack, b.pack];
  return (
    x !== undefined &&
    y !== undefined &&
    x.code === y.code &&
    x.perBase !== undefined &&
    y.perBase !== undefined &&
    compare(x.perBase, y.perBase) !== 0
  );
}

export const shown = ({ value, unit, pack }: Quantity): string =>
  `${normalise(value)} ${pack === undefined ? unit.replace(/[{}]/g, '') : `${pack.code}${pack.perBase === undefined ? '' : `/${normalise(pack.perBase)}`}`}`;

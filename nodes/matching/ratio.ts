/** Exact fractions: prices per pack, per hundred, less a discount, compared without rounding. */
import { add, compare, divide, multiply, normalise, round } from '../kernel/decimal.ts';

/** The denominator is above 0. */
export interface Ratio {
  numerator: string;
  denominator: string;
}

export const whole = (value: string): Ratio => ({ numerator: value, denominator: '1' });

/** @param b not 0 */
export const over = (a: string, b: string): Ratio =>
  compare(b, '0') < 0
    ? { numerator: multiply(a, '-1'), denominator: multiply(b, '-1') }
    : { numerator: a, denominator: b };

export const times = (a: Ratio, b: Ratio): Ratio => ({
  numerator: multiply(a.numerator, b.numerator),
  denominator: multiply(a.denominator, b.denominator),
});

export const minus = (a: Ratio, b: Ratio): Ratio => ({
  numerator: add(multiply(a.numerator, b.denominator), multiply(multiply(b.numerator, a.denominator), '-1')),
  denominator: multiply(a.denominator, b.denominator),
});

export const plus = (a: Ratio, b: Ratio): Ratio => minus(a, times(b, whole('-1')));

export const atLeastZero = (value: Ratio): Ratio => (compareRatios(value, whole('0')) < 0 ? whole('0') : value);

export const compareRatios = (a: Ratio, b: Ratio): -1 | 0 | 1 =>
  compare(multiply(a.numerator, b.denominator), multiply(b.numerator, a.denominator));

/** For people: exact where it fits, else rounded to `scale` decimals. */
export function textOf({ numerator, denominator }: Ratio, scale = 6): string {
  return normalise(divide(numerator, denominator, scale));
}

/** As an amount of money is written: at least two decimals. */
export function moneyOf(ratio: Ratio): string {
  const text = textOf(ratio);
  const decimals = text.split('.')[1]?.length ?? 0;
  return decimals >= 2 ? text : round(text, 2);
}

/**
 * Exact decimal arithmetic on strings. Money and quantity never pass through an IEEE 754 double: 0.1 + 0.2 is 0.3
 * here, and 235.40 keeps its zero.
 */
import { Failure } from './failure.ts';

const pattern = /^([+-])?(\d{1,30})(?:\.(\d{1,18}))?$/;

/** Not negative and without needless zeros in front: what {@link format} would write again as it is. */
const plain = /^(?:0|[1-9]\d{0,29})(?:\.\d{1,18})?$/;

interface Scaled {
  /** The value times 10^scale. */
  digits: bigint;
  scale: number;
}

function parse(value: string): Scaled {
  const match = pattern.exec(value);
  if (!match) {
    throw new Failure(
      'data-quality',
      'DECIMAL_SYNTAX',
      'A decimal number was expected: digits, optionally a point and up to 18 decimals.',
    );
  }
  const fraction = match[3] ?? '';
  const digits = BigInt(match[2]! + fraction);
  return { digits: match[1] === '-' ? -digits : digits, scale: fraction.length };
}

function format({ digits, scale }: Scaled): string {
  const negative = digits < 0n;
  const text = (negative ? -digits : digits).toString().padStart(scale + 1, '0');
  const body = scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`;
  return negative ? `-${body}` : body;
}

function align(a: Scaled, b: Scaled): [bigint, bigint, number] {
  const scale = Math.max(a.scale, b.scale);
  return [a.digits * 10n ** BigInt(scale - a.scale), b.digits * 10n ** BigInt(scale - b.scale), scale];
}

export function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value);
}

/**
 * A decimal string from what a system sent: a decimal string is normalised (sign, leading zeros) with its trailing
 * zeros kept; a safe integer is accepted; any other number is refused because its digits are already lost.
 */
export function toDecimal(value: unknown): string {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) {
      throw new Failure(
        'data-quality',
        'DECIMAL_FLOAT',
        'A floating-point number was given where a decimal string is needed; its exact digits are lost.',
      );
    }
    return String(value);
  }
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string' && plain.test(value)) return value;
  return format(parse(typeof value === 'string' ? value.trim() : ''));
}

export function add(a: string, b: string): string {
  return sum([a, b]);
}

/** The exact sum, with as many decimals as the number that has most; `0` for none. */
export function sum(values: readonly string[]): string {
  let total: Scaled = { digits: 0n, scale: 0 };
  for (const value of values) {
    const [x, y, scale] = align(total, parse(value));
    total = { digits: x + y, scale };
  }
  return format(total);
}

export function subtract(a: string, b: string): string {
  const [x, y, scale] = align(parse(a), parse(b));
  return format({ digits: x - y, scale });
}

export function multiply(a: string, b: string): string {
  const x = parse(a);
  const y = parse(b);
  return format({ digits: x.digits * y.digits, scale: x.scale + y.scale });
}

/** Divides and rounds half away from zero to `scale` decimals. @throws Failure on division by zero. */
export function divide(a: string, b: string, scale: number): string {
  const x = parse(a);
  const y = parse(b);
  if (y.digits === 0n)
    throw new Failure('data-quality', 'DECIMAL_DIVISION_BY_ZERO', 'Division by zero, e.g. a pack factor of 0.');
  const numerator = x.digits * 10n ** BigInt(scale + y.scale + 1);
  const denominator = y.digits * 10n ** BigInt(x.scale);
  return round(format({ digits: numerator / denominator, scale: scale + 1 }), scale);
}

/** Rounds half away from zero (the commercial rule) to `scale` decimals, padding with zeros. */
export function round(value: string, scale: number): string {
  const x = parse(value);
  if (x.scale <= scale) return format({ digits: x.digits * 10n ** BigInt(scale - x.scale), scale });
  const factor = 10n ** BigInt(x.scale - scale);
  const half = factor / 2n;
  const magnitude = x.digits < 0n ? -x.digits : x.digits;
  const rounded = (magnitude + half) / factor;
  return format({ digits: x.digits < 0n ? -rounded : rounded, scale });
}

/** -1, 0 or 1. `1.50` and `1.5` are equal. */
export function compare(a: string, b: string): -1 | 0 | 1 {
  const [x, y] = align(parse(a), parse(b));
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Trailing zeros of the fraction removed: the form to compare or hash by. */
export function normalise(value: string): string {
  if (plain.test(value) && (!value.includes('.') || !value.endsWith('0'))) return value;
  let { digits, scale } = parse(value);
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n;
    scale--;
  }
  return format({ digits, scale });
}

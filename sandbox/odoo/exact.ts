/** Exact decimals for amounts: the sandbox's totals must be right where a double's are not (3 x 0.1). */
export interface Exact {
  digits: bigint;
  scale: number;
}

export function exact(value: number | string): Exact {
  const text = typeof value === 'number' ? plain(value) : value;
  const [whole = '0', fraction = ''] = text.split('.');
  return { digits: BigInt(whole + fraction), scale: fraction.length };
}

/** A number's shortest decimal digits without exponent. */
function plain(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(20).replace(/\.?0+$/, '') : text;
}

export function times(a: Exact, b: Exact): Exact {
  return { digits: a.digits * b.digits, scale: a.scale + b.scale };
}

export function plus(a: Exact, b: Exact): Exact {
  const scale = Math.max(a.scale, b.scale);
  return {
    digits: a.digits * 10n ** BigInt(scale - a.scale) + b.digits * 10n ** BigInt(scale - b.scale),
    scale,
  };
}

/** Half away from zero, Odoo's `float_round` HALF-UP. */
export function roundTo(a: Exact, scale: number): Exact {
  if (a.scale <= scale) return a;
  const factor = 10n ** BigInt(a.scale - scale);
  const half = (a.digits < 0n ? -factor : factor) / 2n;
  return { digits: (a.digits + half) / factor, scale };
}

export function toNumber(a: Exact): number {
  const negative = a.digits < 0n;
  const text = (negative ? -a.digits : a.digits).toString().padStart(a.scale + 1, '0');
  const body = a.scale === 0 ? text : `${text.slice(0, -a.scale)}.${text.slice(-a.scale)}`;
  return Number(negative ? `-${body}` : body);
}

/** Sum of numbers without the drift of doubles. */
export function sum(values: Iterable<number>): number {
  let total: Exact = { digits: 0n, scale: 0 };
  for (const value of values) total = plus(total, exact(value));
  return toNumber(total);
}

export const difference = (a: number, b: number): number => sum([a, -b]);

export function roundNumber(value: number, scale: number): number {
  return toNumber(roundTo(exact(value), scale));
}

/** quantity x price x (1 - discount %), rounded to the currency's decimals. */
export function lineAmount(quantity: number, price: number, discountPercent: number, decimals: number): number {
  const gross = times(exact(quantity), exact(price));
  const factor = exact(difference(100, discountPercent));
  const amount = times(gross, factor);
  return toNumber(roundTo({ digits: amount.digits, scale: amount.scale + 2 }, decimals));
}

/** A percentage of an amount, rounded to the currency's decimals. */
export function percentage(amount: number, percent: number, decimals: number): number {
  const product = times(exact(amount), exact(percent));
  return toNumber(roundTo({ digits: product.digits, scale: product.scale + 2 }, decimals));
}

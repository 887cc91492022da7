import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as decimal from '../../nodes/kernel/decimal.ts';
import { Failure } from '../../nodes/kernel/failure.ts';

/** A decimal as digits and scale, and as the text of it. */
const scaled = fc
  .record({ digits: fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), scale: fc.integer({ min: 0, max: 6 }) })
  .map(({ digits, scale }) => ({ digits, scale, text: textOf(digits, scale) }));

function textOf(digits: bigint, scale: number): string {
  const magnitude = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0');
  const whole = magnitude.slice(0, magnitude.length - scale);
  const fraction = scale === 0 ? '' : `.${magnitude.slice(-scale)}`;
  return `${digits < 0n ? '-' : ''}${whole}${fraction}`;
}

/** The exact value as a whole number of 10^-12. */
function units(text: string): bigint {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const value = BigInt(whole + fraction.padEnd(12, '0'));
  return text.startsWith('-') ? -value : value;
}

test('sums, differences and products are exact', () => {
  fc.assert(
    fc.property(scaled, scaled, (a, b) => {
      assert.equal(units(decimal.add(a.text, b.text)), units(a.text) + units(b.text));
      assert.equal(units(decimal.subtract(a.text, b.text)), units(a.text) - units(b.text));
      assert.equal(units(decimal.multiply(a.text, b.text)) * 10n ** 12n, units(a.text) * units(b.text));
    }),
  );
});

test('adding and taking away again gives the same value', () => {
  fc.assert(
    fc.property(scaled, scaled, (a, b) => {
      assert.equal(decimal.compare(decimal.subtract(decimal.add(a.text, b.text), b.text), a.text), 0);
    }),
  );
});

test('comparing is an order, and trailing zeros do not count', () => {
  fc.assert(
    fc.property(scaled, scaled, (a, b) => {
      const [x, y] = [units(a.text), units(b.text)];
      assert.equal(decimal.compare(a.text, b.text), x < y ? -1 : x > y ? 1 : 0);
      assert.equal(decimal.compare(decimal.normalise(a.text), a.text), 0);
      assert.equal(x === y, decimal.normalise(a.text) === decimal.normalise(b.text));
    }),
  );
});

test('rounding is to the nearest, half away from zero, and keeps the wanted decimals', () => {
  fc.assert(
    fc.property(scaled, fc.integer({ min: 0, max: 6 }), (a, scale) => {
      const rounded = decimal.round(a.text, scale);
      assert.equal((rounded.split('.')[1] ?? '').length, scale);
      const distance = units(rounded) - units(a.text);
      const half = 10n ** BigInt(12 - scale) / 2n;
      const away = distance < 0n ? -distance : distance;
      assert(away <= half);
      if (away === half) assert(units(a.text) < 0n ? distance < 0n : distance > 0n);
    }),
  );
});

test('dividing is the rounded quotient', () => {
  fc.assert(
    fc.property(scaled, scaled, fc.integer({ min: 0, max: 6 }), (a, b, scale) => {
      fc.pre(b.digits !== 0n);
      const quotient = decimal.divide(a.text, b.text, scale);
      const error = units(quotient) * units(b.text) - units(a.text) * 10n ** 12n;
      const divisor = units(b.text);
      const bound = ((divisor < 0n ? -divisor : divisor) * 10n ** BigInt(12 - scale)) / 2n;
      assert((error < 0n ? -error : error) <= bound);
    }),
  );
});

test('money keeps its zeros and never sees a float', () => {
  assert.equal(decimal.add('0.1', '0.2'), '0.3');
  assert.equal(decimal.add('235.40', '0'), '235.40');
  assert.equal(decimal.toDecimal(' +007.50 '), '7.50');
  assert.equal(decimal.toDecimal(12), '12');
  assert.equal(decimal.round('1.005', 2), '1.01');
  assert.equal(decimal.round('-1.005', 2), '-1.01');
  assert.equal(decimal.divide('10', '4', 0), '3');
  assert.equal(decimal.divide('-10', '4', 0), '-3');
  assert.throws(() => decimal.toDecimal(0.1), /floating-point/);
});

test('what is not a decimal is refused', () => {
  for (const text of [
    '',
    ' ',
    '1e3',
    '.5',
    '5.',
    '1,5',
    '0x10',
    'NaN',
    'Infinity',
    '--1',
    '1.2.3',
    '٣',
    '1'.repeat(31),
  ]) {
    assert(!decimal.isDecimal(text), text);
    assert.throws(() => decimal.add(text, '1'), Failure, text);
  }
  assert.throws(() => decimal.divide('1', '0.00', 2), /zero/);
});

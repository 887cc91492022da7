import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../nodes/kernel/failure.ts';
import { type CompareTerms, compareSides, type Sides } from '../../nodes/reconciliation/compare.ts';

const terms: CompareTerms = {
  keys: ['product', 'location', 'lot'],
  lot: 'lot',
  quantity: 'quantity',
  pack: 'pack',
  price: 'price',
  tolerance: '0',
  names: { left: 'the count', right: 'Odoo' },
};
const row = (product: string, quantity: string, more: object = {}) => ({
  product,
  location: 'W1',
  lot: '',
  quantity,
  ...more,
});
const compared = (sides: Sides, over: Partial<CompareTerms> = {}) => compareSides(sides, { ...terms, ...over });
const only = (sides: Sides) => {
  const { differences } = compared(sides);
  assert.equal(differences.length, 1, JSON.stringify(differences));
  return differences[0]!;
};

describe('Comparing two sides', () => {
  test('equal amounts match however they are written, ordered or divided into rows', () => {
    const result = compared({
      left: [row('A', '10.00'), row('B', '3')],
      right: [row('B', '1.5'), row('A', '10'), row('B', '1.5')],
    });
    assert.deepEqual([result.keys, result.matched, result.differences], [2, 2, []]);
    assert.deepEqual([result.left.quantity, result.right.quantity, result.right.rows], ['13', '13', 3]);
  });

  test('a movement that is not booked yet explains the difference, named by its document', () => {
    const difference = only({
      left: [row('A', '7')],
      right: [row('A', '10')],
      movements: [
        { product: 'A', location: 'W1', lot: '', quantity: '-1', document: 'M-1' },
        { product: 'A', location: 'W1', lot: '', quantity: '-3', document: 'M-2' },
        { product: 'B', location: 'W1', lot: '', quantity: '-3', document: 'M-3' },
      ],
    });
    assert.deepEqual([difference.class, difference.certain, difference.difference], ['missing-movement', true, '-3']);
    assert.match(difference.because, /^The count has 7, Odoo 10: a movement not yet booked \(M-2\) makes/);
  });

  test('a product that Odoo shows as [code] name is the one of that code', () => {
    const { matched, differences } = compared({
      left: [row('GLOVE-M', '7'), row('SYR-10', '2')],
      right: [
        { ...row('', '7'), product: { id: 3, name: '[GLOVE-M] Nitrile gloves, medium' } },
        { ...row('', '2'), product: { id: 4, name: 'Syringe [10 ml]' } },
      ],
    });
    assert.equal(matched, 1);
    assert.deepEqual(
      differences.map(({ key }) => key.product),
      ['SYR-10', 'Syringe [10 ml]'],
    );
  });

  test('several movements together explain it', () => {
    const difference = only({
      left: [row('A', '7')],
      right: [row('A', '10')],
      movements: [-1, -2, 4].map((quantity, n) => ({
        product: 'A',
        location: 'W1',
        lot: '',
        quantity,
        document: `M-${n}`,
      })),
    });
    assert.match(difference.because, /2 movements not yet booked \(M-0, M-1\)/);
  });

  test('a lot that one side does not know is told with the lots that it has there', () => {
    const { differences } = compared({
      left: [row('S', '10', { lot: 'L2' })],
      right: [row('S', '10', { lot: 'L1' })],
    });
    assert.deepEqual(
      differences.map((each) => [each.key.lot, each.class, each.difference]),
      [
        ['L1', 'unknown-lot', '-10'],
        ['L2', 'unknown-lot', '10'],
      ],
    );
    assert.match(differences[1]!.because, /Odoo does not know lot L2 there; it has lot L1/);
  });

  test('packs counted as pieces are a certain mix-up of units, on whichever side', () => {
    const left = only({ left: [row('G', '3', { pack: '10' })], right: [row('G', '30')] });
    assert.deepEqual([left.class, left.certain], ['unit-mix-up', true]);
    assert.match(left.because, /the count counts packs of 10 as pieces/);
    const right = only({ left: [row('G', '30', { pack: 10 })], right: [row('G', '3')] });
    assert.match(right.because, /Odoo counts packs of 10 as pieces/);
  });

  test('a whole number of packs is a likely one, never called certain', () => {
    const difference = only({ left: [row('G', '35', { pack: ['10', '100'] })], right: [row('G', '55')] });
    assert.deepEqual([difference.class, difference.certain, difference.difference], ['unit-mix-up', false, '-20']);
  });

  test('what nothing explains is a loss or a surplus, with its value', () => {
    const { differences } = compared({
      left: [row('A', '7', { price: '1.25', pack: '10' }), row('B', '9')],
      right: [row('A', '10'), row('B', '8')],
    });
    assert.deepEqual(
      differences.map((each) => [each.class, each.difference, each.value]),
      [
        ['loss', '-3', '-3.75'],
        ['surplus', '1', null],
      ],
    );
  });

  test('a movement counts before a unit, a unit before a loss', () => {
    const sides = { left: [row('G', '20', { pack: '10' })], right: [row('G', '30')] };
    assert.equal(only(sides).class, 'unit-mix-up');
    const movements = [{ product: 'G', location: 'W1', lot: '', quantity: '-10', document: 'M' }];
    assert.equal(only({ ...sides, movements }).class, 'missing-movement');
  });

  test('differences up to the tolerance are none', () => {
    const sides = { left: [row('A', '10.05')], right: [row('A', '10')] };
    assert.equal(compared(sides, { tolerance: '0.05' }).differences.length, 0);
    assert.equal(compared(sides, { tolerance: '0.04' }).differences.length, 1);
  });

  test('a related record of Odoo counts by its name', () => {
    const odoo = [{ product: { id: 7, name: 'A' }, location: { id: 3, name: 'W1' }, lot: null, quantity: '4' }];
    assert.equal(compared({ left: [row('A', '4')], right: odoo }).matched, 1);
  });

  test('amounts that are not exact, rows without keys and sides that are no lists are refused by row', () => {
    const cases: [Sides, RegExp][] = [
      [
        { left: [row('A', '1')], right: [{ ...row('A', ''), quantity: 1.5 }] },
        /no exact decimal number in the quantity in row 1 of Odoo/,
      ],
      [{ left: [{ quantity: '1' }], right: [] }, /Row 1 of the count has none of product, location, lot/],
      [{ left: {}, right: [] }, /The count gave no list/],
      [{ left: [], right: [7] }, /Odoo gave a row that is no object/],
      [{ left: [row('A', '1', { pack: 'ten' })], right: [] }, /pack factor in row 1 of the count/],
    ];
    for (const [sides, sentence] of cases) {
      assert.throws(
        () => compared(sides),
        (error: unknown) => error instanceof Failure && error.class === 'data-quality' && sentence.test(error.message),
        String(sentence),
      );
    }
  });

  test('the digest is that of the content, in any order', () => {
    const left = [row('A', '1'), row('B', '2.0')];
    const right = [row('A', '1')];
    const { digest } = compared({ left, right });
    assert.equal(compared({ left: [row('B', '2'), row('A', '1')], right }).digest, digest);
    assert.notEqual(compared({ left: right, right: left }).digest, digest);
  });

  test('control totals hold whatever differs: left minus right is the sum of the differences', () => {
    const side = fc.array(
      fc.record({
        product: fc.constantFrom('A', 'B', 'C'),
        location: fc.constantFrom('W1', 'W2'),
        lot: fc.constantFrom('', 'L1', 'L2'),
        quantity: fc.integer({ min: -50, max: 500 }).map((n) => (n / 10).toFixed(1)),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(side, side, (left, right) => {
        const result = compared({ left, right });
        assert.equal(result.matched + result.differences.length, result.keys);
        const sum = result.differences.reduce(
          (total, { difference }) => total + Math.round(Number(difference) * 10),
          0,
        );
        const expected = Math.round(Number(result.left.quantity) * 10) - Math.round(Number(result.right.quantity) * 10);
        assert.equal(sum, expected);
      }),
      { numRuns: 200 },
    );
  });
});

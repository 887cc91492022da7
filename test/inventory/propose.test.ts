import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../nodes/kernel/failure.ts';
import { add, compare, multiply, subtract } from '../../nodes/kernel/decimal.ts';
import { propose, type ReplenishmentFacts } from '../../nodes/inventory/propose.ts';

const rule = { minimum: '20', maximum: '60', multiple: '10' };
const facts = (over: Partial<ReplenishmentFacts> = {}): ReplenishmentFacts => ({
  rule,
  stock: '13',
  incoming: [],
  ...over,
});

describe('A replenishment proposal', () => {
  test('fills up to the maximum in whole packs, and says why in sentences', () => {
    const proposal = propose(facts({ price: { amount: '4.20', currency: 'EUR' } }));
    assert.equal(proposal.verdict, 'order');
    assert.deepEqual([proposal.quantity, proposal.packs, proposal.value, proposal.currency], ['40', '4', '168', 'EUR']);
    assert.deepEqual(proposal.because, [
      '13 on hand, none reserved, nothing on the way: 13 available.',
      'Below the minimum of 20; 47 to the maximum of 60.',
      'In packs of 10: 4 packs, 40 (rounded down, so that the maximum holds).',
    ]);
  });

  test('counts what is on the way, so that a second alarm orders nothing', () => {
    const incoming = [
      { product_qty: '30', origin: 'P00012' },
      { product_qty: '10', origin: 'P00012' },
      { product_qty: '1.5', reference: 'WH/INT/00003' },
    ];
    const proposal = propose(facts({ incoming }));
    assert.equal(proposal.verdict, 'enough');
    assert.deepEqual(proposal.documents, ['P00012', 'WH/INT/00003']);
    assert.match(proposal.because[0]!, /41\.5 on the way \(P00012, WH\/INT\/00003\): 54\.5 available/);
  });

  test('does not count what is reserved for others', () => {
    const stock = [
      { quantity: '15', reserved_quantity: '5' },
      { quantity: '10', reserved_quantity: '4' },
    ];
    const proposal = propose(facts({ stock }));
    assert.deepEqual([proposal.onHand, proposal.reserved, proposal.available], ['25', '9', '16']);
    assert.equal(proposal.quantity, '40');
  });

  test('takes Odoo’s reordering rule as it is read, also as a list of one', () => {
    const odoo = [{ id: 4, product_min_qty: '20', product_max_qty: '60', qty_multiple: '1' }];
    assert.equal(propose(facts({ rule: odoo })).quantity, '47');
  });

  test('at the minimum nothing is needed, a hair below it is', () => {
    assert.equal(propose(facts({ stock: '20' })).verdict, 'enough');
    assert.equal(propose(facts({ stock: '19.999' })).verdict, 'order');
  });

  test('says exactly whether a place has what is wanted, in packs too', () => {
    const wanted = (value: string, perBase?: string) => {
      const quantity = { value, unit: '{box}', ...(perBase === undefined ? {} : { pack: { code: 'BX', perBase } }) };
      return { minimum: quantity, maximum: quantity };
    };
    const stock = [{ quantity: '0.1' }, { quantity: '0.2' }];
    assert.notEqual(0.1 + 0.2, 0.3, 'which floating point cannot');
    assert.equal(propose({ rule: wanted('0.3'), stock, incoming: undefined }).verdict, 'enough');
    assert.equal(propose({ rule: wanted('0.30000000000000001'), stock, incoming: undefined }).verdict, 'order');
    const boxes = propose({ rule: wanted('3', '10'), stock: [{ quantity: '29' }], incoming: undefined });
    assert.deepEqual([boxes.verdict, boxes.minimum, boxes.onHand], ['order', '30', '29']);
    assert.throws(() => propose({ rule: wanted('3', 'ten'), stock, incoming: undefined }), {
      code: 'REPLENISHMENT_FACT_INVALID',
    });
  });

  test('a pack larger than the room is rounded up, because the minimum counts more', () => {
    const proposal = propose(facts({ rule: { minimum: '20', maximum: '30', multiple: '100' } }));
    assert.deepEqual([proposal.quantity, proposal.packs], ['100', '1']);
    assert.match(proposal.because[2]!, /rounded up, to reach the minimum/);
  });

  test('without a maximum, or with one below the minimum, the minimum is filled', () => {
    for (const maximum of [undefined, null, '0', '5']) {
      assert.equal(propose(facts({ rule: { minimum: '20', maximum } })).quantity, '7');
    }
  });

  test('a negative stock is to be counted, not ordered for', () => {
    const proposal = propose(facts({ stock: '-3' }));
    assert.deepEqual([proposal.verdict, proposal.quantity], ['check', '0']);
  });

  test('is exact where floating point is not', () => {
    const stock = Array.from({ length: 10 }, () => ({ quantity: '0.1' }));
    const proposal = propose({ rule: { minimum: '1.1', maximum: '1.3', multiple: '0.1' }, stock, incoming: '0' });
    assert.deepEqual([proposal.available, proposal.quantity, proposal.packs], ['1', '0.3', '3']);
  });

  test('refuses what it cannot count exactly, and says which fact is missing', () => {
    const cases: [Partial<ReplenishmentFacts>, RegExp][] = [
      [{ stock: 1.5 }, /quantity of the stock is no exact decimal/],
      [{ rule: undefined }, /needs the rule/],
      [{ rule: [] }, /needs the rule/],
      [{ rule: [rule, rule] }, /several rules/],
      [{ rule: { maximum: '5' } }, /needs the minimum/],
      [{ rule: { minimum: '-1' } }, /negative/],
      [{ stock: undefined }, /needs the stock/],
      [{ price: 'four' }, /price is no exact decimal/],
    ];
    for (const [over, sentence] of cases) {
      assert.throws(
        () => propose(facts(over)),
        (error: unknown) => error instanceof Failure && error.class === 'data-quality' && sentence.test(error.message),
        String(sentence),
      );
    }
  });

  test('whatever the amounts: whole packs, the minimum reached, the maximum held where a pack fits', () => {
    const amount = (max: number) =>
      fc.integer({ min: 0, max: max * 100 }).map((n) => `${Math.floor(n / 100)}.${String(n % 100).padStart(2, '0')}`);
    fc.assert(
      fc.property(
        amount(50),
        amount(200),
        fc.integer({ min: 1, max: 60 }),
        amount(80),
        amount(80),
        (min, span, multiple, stock, incoming) => {
          const maximum = add(min, span);
          const proposal = propose({ rule: { minimum: min, maximum, multiple }, stock, incoming });
          const { available, quantity, packs } = proposal;
          assert.equal(compare(available, add(stock, incoming)), 0);
          if (compare(available, min) >= 0) {
            assert.equal(proposal.verdict, 'enough');
            return;
          }
          const after = add(available, quantity);
          assert.equal(compare(multiply(packs!, String(multiple)), quantity), 0);
          assert.ok(compare(after, min) >= 0, 'the minimum is reached');
          const over = subtract(after, maximum);
          assert.ok(compare(over, String(multiple)) < 0, 'never more than a pack too many');
          const oneLess = subtract(after, String(multiple));
          if (compare(over, '0') > 0)
            assert.ok(compare(oneLess, min) < 0, 'above the maximum only to reach the minimum');
        },
      ),
      { numRuns: 500 },
    );
  });
});

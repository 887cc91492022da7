/** What holds for every order and every bill, whatever the numbers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { add, compare, divide, multiply, round } from '../../nodes/kernel/decimal.ts';
import type { Invoice, Order } from '../../nodes/matching/documents.ts';
import { defaultProfile, matchDocuments, normaliseInvoiceNumber, tolerancesOf } from '../../nodes/matching/index.ts';
import { eur, sku, supplier } from './documents.ts';

const tolerances = tolerancesOf(defaultProfile);
const exact = tolerancesOf({
  ...defaultProfile,
  rules: [{ priceDown: '0', lineTotal: '0', documentTotal: '0', tax: '0' }],
});

const cents = fc.integer({ min: 1, max: 10_000_000 }).map((n) => divide(String(n), '100', 2));
const line = fc.record({
  quantity: fc.integer({ min: 1, max: 10_000 }).map(String),
  price: cents,
  perBase: fc.constantFrom('1', '6', '10', '12', '100', '144'),
});
const lines = fc.array(line, { minLength: 1, maxLength: 12 });

type Drawn = { quantity: string; price: string; perBase: string };
const pack = (value: string, perBase: string) => ({ value, unit: '{box}', pack: { code: 'BX', perBase } });

function orderOf(drawn: readonly Drawn[]): Order {
  return {
    number: 'P1',
    currency: 'EUR',
    supplier,
    lines: drawn.map(({ quantity, price, perBase }, i) => ({
      number: String(i + 1),
      product: sku(`A-${i}`),
      quantity: pack(quantity, perBase),
      unitPrice: eur(price),
      received: pack(quantity, perBase),
    })),
  };
}

/** A correct bill of it, line by line as `as` writes it. */
function billOf(
  drawn: readonly Drawn[],
  as: (line: Drawn) => Pick<Invoice['lines'][number], 'quantity' | 'unitPrice' | 'priceBase'> = ({
    quantity,
    price,
    perBase,
  }) => ({
    quantity: pack(quantity, perBase),
    unitPrice: eur(price),
  }),
): Invoice {
  const made = drawn.map((each, i) => ({
    number: String(i + 1),
    orderLine: String(i + 1),
    product: sku(`A-${i}`),
    ...as(each),
    netAmount: eur(multiply(each.quantity, each.price)),
  }));
  const net = made.reduce((sum, { netAmount }) => add(sum, netAmount.amount), '0');
  const tax = round(multiply(net, '0.2'), 2);
  return {
    number: 'I1',
    kind: 'invoice',
    issueDate: '2026-12-05',
    currency: 'EUR',
    issuer: supplier,
    order: { identifiers: [{ type: 'ORDER', value: 'P1' }] },
    netAmount: eur(net),
    taxAmount: eur(tax),
    grossAmount: eur(add(net, tax)),
    lines: made,
  };
}

const match = (order: Order, document: Invoice, limits = tolerances) =>
  matchDocuments({ mode: 'bill', tolerances: limits }, { document, order });

describe('three-way match', () => {
  test('a correct bill is matched with no tolerance at all', () => {
    fc.assert(fc.property(lines, (drawn) => match(orderOf(drawn), billOf(drawn), exact).outcome === 'matched'));
  });

  test('it makes no difference in which package it is billed, nor for how many units the price is quoted', () => {
    const inPieces = ({ quantity, price, perBase }: Drawn) => ({
      quantity: { value: multiply(quantity, perBase), unit: '{each}' },
      unitPrice: eur(price),
      priceBase: perBase,
    });
    fc.assert(
      fc.property(lines, (drawn) => match(orderOf(drawn), billOf(drawn, inPieces), exact).outcome === 'matched'),
    );
  });

  test('one cent more for one unit is seen, one cent less only where it is asked for', () => {
    fc.assert(
      fc.property(lines, fc.nat(), fc.boolean(), (drawn, at, up) => {
        const i = at % drawn.length;
        const changed = drawn.map((each, j) =>
          j === i ? { ...each, price: add(each.price, up ? '0.01' : '-0.01') } : each,
        );
        const found = match(orderOf(drawn), billOf(changed));
        assert.equal(found.outcome, up ? 'hold' : 'within-tolerance');
        assert.equal(match(orderOf(drawn), billOf(changed), exact).outcome, 'hold');
        assert.deepEqual(
          found.differences.map(({ field, line: number }) => [field, number]),
          [['price', String(i + 1)]],
        );
        assert.equal(compare(found.differences[0]!.difference!, up ? '0.01' : '-0.01'), 0);
      }),
    );
  });

  test('one piece more than was received is seen, in whatever package', () => {
    fc.assert(
      fc.property(lines, fc.nat(), (drawn, at) => {
        const i = at % drawn.length;
        const bill = billOf(drawn);
        const one = drawn[i]!;
        const pieces = add(multiply(one.quantity, one.perBase), '1');
        const more = bill.lines.map((each, j) =>
          j === i
            ? {
                ...each,
                quantity: { value: pieces, unit: '{each}' },
                unitPrice: eur(one.price),
                priceBase: one.perBase,
              }
            : each,
        );
        const found = match(orderOf(drawn), { ...bill, lines: more });
        assert.ok(
          found.differences.some(
            ({ field, line: number, within }) => field === 'quantity' && number === String(i + 1) && !within,
          ),
        );
      }),
    );
  });

  test('bills that together ask for what was received pass one after the other, and not a piece more', () => {
    fc.assert(
      fc.property(line, fc.integer({ min: 1, max: 99 }), (drawn, share) => {
        const part = divide(multiply(drawn.quantity, String(share)), '100', 2);
        if (compare(part, '0') === 0) return;
        const rest = add(drawn.quantity, `-${part}`);
        const order = orderOf([drawn]);
        const billed = { ...order, lines: [{ ...order.lines[0]!, billed: pack(part, drawn.perBase) }] };
        assert.equal(match(order, billOf([{ ...drawn, quantity: part }])).outcome, 'matched');
        assert.equal(match(billed, billOf([{ ...drawn, quantity: rest }])).outcome, 'matched');
        assert.equal(match(billed, billOf([{ ...drawn, quantity: add(rest, '0.01') }])).outcome, 'hold');
      }),
    );
  });
});

describe('invoice numbers', () => {
  const number = fc.stringMatching(/^[A-Z]{0,4}[1-9][0-9]{0,6}(-[1-9][0-9]{0,3})?$/);

  test('spelled otherwise are the same: case, spaces, punctuation, O for 0, leading zeros', () => {
    fc.assert(
      fc.property(
        number,
        fc.constantFrom('', ' ', '.', '/', '-'),
        fc.integer({ min: 0, max: 4 }),
        (text, mark, zeros) => {
          const plain = text.replace('-', '');
          const spelled = plain
            .replace(/^([A-Z]*)/, `$1${mark}${'0'.repeat(zeros)}`)
            .toLowerCase()
            .replace(/0/g, (zero, at: number) => (at % 2 === 0 ? 'o' : zero));
          assert.equal(normaliseInvoiceNumber(spelled), normaliseInvoiceNumber(plain));
        },
      ),
    );
  });

  test('once normalised they stay as they are', () => {
    fc.assert(
      fc.property(
        fc.string(),
        (text) => normaliseInvoiceNumber(normaliseInvoiceNumber(text)) === normaliseInvoiceNumber(text),
      ),
    );
  });

  test('that differ in a digit stay different', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 1e9 }), (a, b) => {
        if (a !== b) assert.notEqual(normaliseInvoiceNumber(`INV-${a}`), normaliseInvoiceNumber(`INV-${b}`));
      }),
    );
  });
});

/** Acknowledgement, despatch, receipt and agreed prices beside what was ordered. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Match } from '../../nodes/matching/difference.ts';
import type { AgreedPrice, Facts, Order } from '../../nodes/matching/documents.ts';
import {
  defaultProfile,
  matchDocuments,
  type Mode,
  type ToleranceProfile,
  tolerancesOf,
} from '../../nodes/matching/index.ts';
import { boxes, despatch, each, eur, order, receipt, response, sku, supplier } from './documents.ts';

const match = (
  mode: Mode,
  document: unknown,
  { placed = fresh(), facts = {}, rules }: { placed?: Order; facts?: Facts; rules?: ToleranceProfile['rules'] } = {},
) =>
  matchDocuments(
    { mode, tolerances: tolerancesOf(rules === undefined ? defaultProfile : { ...defaultProfile, rules }) },
    { document, order: placed, facts },
  );

/** Nothing received yet. */
const fresh = () =>
  order(({ lines }) => {
    Object.assign(lines[0]!, { received: boxes('0') });
    Object.assign(lines[1]!, { received: each('0') });
  });

const outside = (found: Match) => [
  found.outcome,
  found.reason,
  found.owner,
  found.differences
    .filter(({ within }) => !within)
    .map(({ field }) => field)
    .join(),
];

const line = (more: Record<string, unknown>) => ({ number: '1', orderLine: '1', response: 'changed', ...more });
const second = { number: '2', orderLine: '2', response: 'accepted' };

describe("a supplier's answer", () => {
  test('that accepts, with or without lines, agrees', () => {
    assert.equal(match('response', response()).outcome, 'matched');
    assert.equal(match('response', response({ lines: [line({ response: 'accepted' }), second] })).outcome, 'matched');
  });
  test('that raises a price is held for purchasing, within its tolerance it is not', () => {
    const dearer = response({ response: 'changed', lines: [line({ unitPrice: eur('43.00') }), second] });
    assert.deepEqual(outside(match('response', dearer)), ['hold', 'PRI', 'purchasing', 'price']);
    assert.equal(
      match('response', dearer, { rules: [{ supplier: 'ACME', priceUp: '3 %' }] }).outcome,
      'within-tolerance',
    );
  });
  test('that promises less is partial, more is held', () => {
    const less = match('response', response({ lines: [line({ quantity: boxes('6') }), second] }));
    assert.deepEqual([less.outcome, less.partial], ['within-tolerance', true]);
    assert.equal(less.lines[0]!.open, '4');
    assert.deepEqual(outside(match('response', response({ lines: [line({ quantity: boxes('11') }), second] }))), [
      'hold',
      'QTY',
      'goods-in',
      'quantity',
    ]);
  });
  test('that comes later than needed is held by as many days as are tolerated', () => {
    const late = response({ promisedDate: '2026-12-12' });
    assert.deepEqual(outside(match('response', late)), ['hold', 'DEL', 'goods-in', 'date']);
    assert.equal(match('response', late, { rules: [{ late: '2' }] }).outcome, 'within-tolerance');
    assert.equal(match('response', response({ promisedDate: '2026-12-01' })).outcome, 'within-tolerance');
  });
  test('that substitutes, rejects or forgets a line is held', () => {
    const substitute = line({ response: 'substituted', product: sku('GLOVE-L') });
    assert.deepEqual(outside(match('response', response({ lines: [substitute, second] }))), [
      'hold',
      'ITM',
      'master-data',
      'item',
    ]);
    assert.deepEqual(outside(match('response', response({ lines: [line({ response: 'rejected' }), second] }))), [
      'hold',
      'DEL',
      'goods-in',
      'response',
    ]);
    assert.deepEqual(outside(match('response', response({ lines: [second] }))), [
      'hold',
      'DEL',
      'goods-in',
      'response',
    ]);
    assert.deepEqual(outside(match('response', response({ response: 'rejected' }))), [
      'hold',
      'DEL',
      'goods-in',
      'response',
    ]);
  });
  test('for no order of ours, or a cancelled one, is held', () => {
    const unknown = matchDocuments(
      { mode: 'response', tolerances: tolerancesOf(defaultProfile) },
      { document: response() },
    );
    assert.deepEqual(outside(unknown), ['hold', 'UNR', 'purchasing', 'order']);
    assert.equal(
      match('response', response(), { placed: order((o) => Object.assign(o, { status: 'cancelled' })) }).reason,
      'UNR',
    );
  });
});

describe('a despatch advice', () => {
  test('of everything agrees; of a part it is partial; of more it is held', () => {
    assert.equal(match('despatch', despatch()).outcome, 'matched');
    const [first] = despatch().lines;
    const part = match('despatch', despatch({ lines: [{ ...first!, quantity: boxes('4') }] }));
    assert.deepEqual([part.outcome, part.partial], ['matched', true]);
    assert.deepEqual(outside(match('despatch', despatch({ lines: [{ ...first!, quantity: each('101') }] }))), [
      'hold',
      'QTY',
      'goods-in',
      'quantity',
    ]);
    // 6 are here already, so 5 more are one too many.
    const placed = order(({ lines }) => void Object.assign(lines[0]!, { received: boxes('6') }));
    assert.equal(
      match('despatch', despatch({ lines: [{ ...first!, quantity: boxes('5') }] }), { placed }).outcome,
      'hold',
    );
  });
  test('of goods past their last day of use is held for quality', () => {
    const [first] = despatch().lines;
    assert.deepEqual(outside(match('despatch', despatch({ lines: [{ ...first!, expiry: '2026-12-01' }] }))), [
      'hold',
      'QUA',
      'quality',
      'quality',
    ]);
  });
});

describe('a receipt', () => {
  const [first, other] = receipt().lines;
  test('in full agrees, in part is partial and goes on', () => {
    assert.equal(match('receipt', receipt()).outcome, 'matched');
    const part = match('receipt', receipt({ lines: [{ ...first!, accepted: boxes('6') }, other!] }));
    assert.deepEqual([part.proceed, part.partial, part.lines[0]!.open], [true, true, '4']);
  });
  test('of more than was ordered waits for somebody', () => {
    const found = match('receipt', receipt({ lines: [{ ...first!, accepted: boxes('11') }, other!] }));
    assert.deepEqual([...outside(found), found.proceed], ['hold', 'QTY', 'goods-in', 'quantity', false]);
  });
  test('of damaged goods is an exception for quality, and the good ones go on', () => {
    const damaged = {
      ...first!,
      accepted: boxes('8'),
      rejected: boxes('2'),
      reason: { code: 'DAMAGED', display: 'crushed' },
    };
    const found = match('receipt', receipt({ lines: [damaged, other!] }));
    assert.deepEqual([...outside(found), found.proceed], ['hold', 'QUA', 'quality', 'quality', true]);
    assert.match(found.summary, /2 BX\/10 of GLOVE-M were refused \(crushed\)/);
    const warm = match('receipt', receipt({ lines: [{ ...first!, temperatureOk: false }, other!] }));
    assert.equal(warm.proceed, false);
  });
});

describe('agreed prices', () => {
  const agreed = (more: Partial<AgreedPrice>): AgreedPrice => ({
    supplier,
    product: sku('GLOVE-M'),
    unitPrice: eur('4.20'),
    ...more,
  });
  const nordic = { identifiers: [{ type: 'CODE', value: 'NORDIC' }] };
  const wanted = (more: Record<string, unknown> = {}) => ({
    number: 'REQ-1',
    requestedAt: '2026-11-29T10:00:00+01:00',
    lines: [{ number: '1', product: sku('GLOVE-M'), quantity: boxes('10'), ...more }],
  });
  const find = (prices: AgreedPrice[], more?: Record<string, unknown>) =>
    match('agreement', wanted(more), { facts: { prices } });

  test('a contract goes before a cheaper price list, else the cheapest; counted for the package asked for', () => {
    const list = [
      agreed({ unitPrice: eur('4.10'), supplier: nordic }),
      agreed({ unitPrice: eur('4.20'), contract: 'C-7' }),
    ];
    assert.deepEqual(find(list).prices, [
      { line: '1', supplier: 'ACME', unitPrice: { amount: '42.00', currency: 'EUR' }, contract: 'C-7' },
    ]);
    assert.equal(
      find([agreed({}), agreed({ unitPrice: eur('4.10'), supplier: nordic })]).prices![0]!.supplier,
      'NORDIC',
    );
    assert.equal(
      find([agreed({}), agreed({ unitPrice: eur('4.10'), supplier: nordic })], { supplier }).prices![0]!.supplier,
      'ACME',
    );
  });
  test('only prices that hold on the day and for the quantity count; without one it is held for purchasing', () => {
    const useless = [
      agreed({ validTo: '2026-11-28' }),
      agreed({ validFrom: '2026-11-30' }),
      agreed({ minimum: '101' }),
      agreed({ product: sku('X') }),
    ];
    const found = find(useless);
    assert.deepEqual(outside(found), ['hold', 'PRI', 'purchasing', 'contractPrice']);
    assert.equal(find([...useless, agreed({ minimum: '100' })]).outcome, 'matched');
    assert.equal(find([agreed({})], { quantity: { value: '1', unit: '{box}' } }).outcome, 'hold');
  });
  test('a price holds on the day of the server where a requisition is dated in UTC or not at all', (t) => {
    const zone = process.env.TZ;
    const prices = [
      agreed({ unitPrice: eur('4.20'), validTo: '2026-11-30' }),
      agreed({ unitPrice: eur('4.40'), validFrom: '2026-12-01' }),
    ];
    const { requestedAt: _, ...undated } = wanted();
    const priceAt = (requestedAt?: string) =>
      match('agreement', requestedAt === undefined ? undated : { ...undated, requestedAt }, { facts: { prices } })
        .prices![0]!.unitPrice.amount;
    try {
      process.env.TZ = 'Europe/Berlin';
      t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-11-30T23:30:00Z') });
      assert.equal(priceAt(), '44.00');
      assert.equal(priceAt('2026-11-30T22:30:00Z'), '42.00');
      assert.equal(priceAt('2026-11-30T23:30:00Z'), '44.00');
      process.env.TZ = 'America/New_York';
      assert.equal(priceAt('2026-12-01T02:00:00Z'), '42.00');
      assert.equal(priceAt('2026-12-01T00:30:00+01:00'), '44.00', 'the day that it is written with');
      assert.equal(priceAt('2026-12-01'), '44.00');
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });

  test('a requisition that does not say its day is of today', () => {
    const { requestedAt: _, ...undated } = wanted();
    const find = (price: AgreedPrice) => match('agreement', undated, { facts: { prices: [price] } }).outcome;
    assert.equal(find(agreed({ validTo: '2020-12-31' })), 'hold');
    assert.equal(find(agreed({ validFrom: '2999-01-01' })), 'hold');
    assert.equal(find(agreed({ validFrom: '2020-12-31', validTo: '2999-01-01' })), 'matched');
  });
  test('dearer than estimated is told', () => {
    assert.equal(find([agreed({})], { estimatedPrice: eur('40.00') }).reason, 'PRI');
    assert.equal(find([agreed({})], { estimatedPrice: eur('42.00') }).outcome, 'matched');
  });
});

/**
 * Chains of documents that share their numbers, as one purchase leaves them behind: requisition, decision, order, the
 * supplier's answer, despatch, count at the dock, bill, payment. A seeded part of them goes wrong in a known way; each
 * says what must have been told, to whom, and what must stand in Odoo in the end.
 */
import { products } from './odoo/index.ts';
import type { Act } from './partners/supplier.ts';
import { mulberry32 } from './random.ts';
import type { Flaw } from './supplier/supplier.ts';

export const chainFaults = [
  'requisition-thrice',
  'requisition-forged-first',
  'no-cost-centre',
  'unknown-item',
  'no-contract',
  'dearer-than-expected',
  'two-suppliers',
  'approval-refused',
  'approval-open',
  'answer-forged-first',
  'answer-stale-first',
  'answer-thrice',
  'answer-after-despatch',
  'answer-short',
  'answer-dearer-refused',
  'answer-late',
  'answer-line-rejected',
  'answer-rejected',
  'despatch-thrice',
  'despatch-over',
  'despatch-late',
  'receipt-thrice',
  'receipt-partial',
  'receipt-over-kept',
  'receipt-over-returned',
  'receipt-refused',
  'receipt-scrapped',
  'bill-thrice',
  'bill-look-alike',
  'bill-dearer',
  'bill-over',
  'bill-before-receipt',
  'bill-wrong-sum',
  'unpaid',
] as const;
export type ChainFault = (typeof chainFaults)[number];

/** An event `healthflows.procurement.<type>.v1`; an exception has a reason (Peppol) and an owner. */
export interface Told {
  type: string;
  reason?: string;
  owner?: string;
}

export type Step = {
  /** What must have been told before the next step. */
  told: readonly Told[];
} & (
  | { kind: 'requisition' /** How often under one message id. */; times: number; forgedFirst: boolean }
  | { kind: 'decision'; process: string; as: string; verdict: 'approve' | 'reject' }
  | { kind: 'supplier'; act: Act; times: number; flaw?: Flaw }
  | { kind: 'payment' }
);

export interface Chain {
  /** Number of the requisition, which the order has as its origin; all other documents carry the order's number. */
  number: string;
  fault?: ChainFault;
  requisition: Record<string, unknown>;
  steps: readonly Step[];
  expected: {
    /** Absent: no order. */
    order?: { supplier: string; cents: number };
    /** Pieces by item that are received; scrapped ones are received too. */
    received: Readonly<Record<string, number>>;
    scrapped: Readonly<Record<string, number>>;
    /** Cents of the one bill that is posted; absent: none is, and no draft either. */
    billed?: number;
    paid: boolean;
    /** Who of these has to decide still. */
    waitingFor?: readonly string[];
  };
}

const buyers = ['anna', 'bo'] as const;
const finance = ['cy', 'dora'] as const;
const goodsIn = ['gil', 'gus'] as const;

interface Line {
  sku: string;
  quantity: number;
  /** Of one piece. */
  cents: number;
}

const centsOf = (price: string): number => Math.round(Number(price) * 100);
/** Eight per cent more, as the supplier rounds it. */
const dearer = (cents: number): number => Math.round(cents * 1.08);
const sum = (lines: readonly Line[]): number =>
  lines.reduce((total, { quantity, cents }) => total + quantity * cents, 0);
const pieces = (lines: readonly Line[]): Record<string, number> =>
  Object.fromEntries(lines.map(({ sku, quantity }) => [sku, quantity]));

/** Goods whose receipt names no lots and whose price rises visibly by 8 %, by the supplier whose list they are on. */
const assortment = ['ACME', 'NORDIC'].map((supplier) => ({
  supplier,
  goods: products.filter(
    ({ sku, price, tracking }, at) =>
      tracking === 'none' &&
      !sku.startsWith('SVC') &&
      // A blanket order of another price holds for these.
      sku !== 'GLOVE-L' &&
      dearer(centsOf(price)) > centsOf(price) &&
      (supplier === 'ACME' ? at % 2 === 0 : at % 2 === 0 || at % 3 !== 0),
  ),
}));

const told = (type: string, reason?: string, owner?: string): Told => ({
  type,
  ...(reason === undefined ? {} : { reason }),
  ...(owner === undefined ? {} : { owner }),
});

/** What happens after the requisition was sent, and what stands in Odoo then. */
function story(
  fault: ChainFault | undefined,
  lines: readonly Line[],
  pick: <T>(from: readonly T[]) => T,
): { steps: Step[]; decided: 'approve' | 'reject' | 'open'; outcome: Omit<Chain['expected'], 'order'>; cents: number } {
  const steps: Step[] = [];
  const does = (act: Act, after: Told[], more: { times?: number; flaw?: Flaw } = {}) =>
    steps.push({
      kind: 'supplier',
      act,
      times: more.times ?? (fault === `${partOf(act)}-thrice` ? 3 : 1),
      told: after,
      ...(more.flaw === undefined ? {} : { flaw: more.flaw }),
    });
  const decides = (
    process: string,
    verdict: 'approve' | 'reject',
    after: Told[],
    who: readonly (readonly string[])[] = [buyers],
  ) => {
    for (const [at, people] of who.entries()) {
      steps.push({ kind: 'decision', process, as: pick(people), verdict, told: at === who.length - 1 ? after : [] });
    }
  };
  const nothing = { received: {}, scrapped: {}, paid: false };
  const ends = (outcome: Partial<Chain['expected']> = {}, cents = sum(lines)) => ({
    steps,
    decided: 'approve' as const,
    outcome: { ...nothing, ...outcome },
    cents,
  });

  if (fault === 'approval-refused') return { ...ends(), decided: 'reject' };
  if (fault === 'approval-open') {
    return { ...ends({ waitingFor: sum(lines) > 100_000 ? [...buyers, ...finance] : buyers }), decided: 'open' };
  }

  // The answer.
  let ordered = lines;
  const acknowledged = told('order.acknowledged');
  const announced = told('despatch.announced');
  if (fault === 'answer-rejected') {
    does('reject', [told('order.rejected', 'DEL', 'purchasing')]);
    return ends();
  }
  if (fault === 'answer-line-rejected') {
    does('reject-line', [told('order.held', 'DEL', 'purchasing')]);
    return ends();
  }
  if (fault === 'answer-dearer-refused') {
    does('dearer', []);
    decides('procurement.order.change', 'reject', [told('order.held', 'PRI', 'purchasing')]);
    return ends();
  }
  if (fault === 'answer-forged-first') does('reject', [], { flaw: 'bad-signature' });
  if (fault === 'answer-stale-first') does('reject', [], { flaw: 'stale' });
  if (fault === 'answer-short' || fault === 'answer-late') {
    does(fault === 'answer-short' ? 'short' : 'late', []);
    if (fault === 'answer-short')
      ordered = lines.map((line, at) => (at === 0 ? { ...line, quantity: Math.floor(line.quantity * 0.6) } : line));
    decides(
      'procurement.order.change',
      'approve',
      [told('order.sent')],
      sum(ordered) > 100_000 ? [buyers, finance] : [buyers],
    );
  }
  if (fault === 'answer-after-despatch') does('despatch', [announced]);
  does('accept', [acknowledged]);

  // The goods.
  if (fault === 'despatch-over') {
    does('despatch-over', [told('despatch.held', 'QTY', 'goods-in')]);
    does('arrive', []);
    decides('procurement.receipt.over', 'reject', [told('receipt.discrepant', 'QTY', 'goods-in')]);
    does('bill', [told('invoice.held', 'QTY', 'goods-in')]);
    decides('procurement.bill', 'reject', [told('invoice.rejected', 'QTY', 'goods-in')], [goodsIn]);
    return ends({ received: pieces(ordered) });
  }
  if (fault === 'despatch-late') does('despatch-late', [told('despatch.held', 'DEL', 'goods-in')]);
  else if (fault !== 'answer-after-despatch') does('despatch', [announced]);
  if (fault === 'bill-before-receipt') {
    does('bill', [told('invoice.held', 'DEL', 'goods-in')]);
    // Goods-in has seen them on a lorry: it is paid before the count.
    decides('procurement.bill', 'approve', [told('invoice.posted')], [goodsIn]);
    return ends({ billed: sum(lines) });
  }
  let received = ordered;
  let scrapped = {};
  const booked = told('receipt.posted');
  const damage = told('receipt.discrepant', 'QUA', 'quality');
  if (fault === 'receipt-partial') {
    does('arrive-part', [booked]);
    does('arrive', [booked]);
  } else if (fault === 'receipt-over-kept' || fault === 'receipt-over-returned') {
    const keep = fault === 'receipt-over-kept';
    does('arrive-over', []);
    decides('procurement.receipt.over', keep ? 'approve' : 'reject', [told('receipt.discrepant', 'QTY', 'goods-in')]);
    if (keep) received = ordered.map((line) => ({ ...line, quantity: line.quantity + 2 }));
  } else if (fault === 'receipt-refused') {
    does('arrive-refused', [damage]);
    received = ordered.map((line, at) => (at === 0 ? { ...line, quantity: line.quantity - 2 } : line));
    // They bill what they sent.
    does('bill', [told('invoice.held', 'QTY', 'goods-in')]);
    return ends({ received: pieces(received), waitingFor: goodsIn });
  } else if (fault === 'receipt-scrapped') {
    does('arrive-scrap', [damage]);
    scrapped = { [ordered[0]!.sku]: 2 };
  } else does('arrive', [booked]);

  // The bill.
  const goods = { received: pieces(received), scrapped };
  const refused: Partial<Record<ChainFault, [Act, Told]>> = {
    'bill-dearer': ['bill-dearer', told('invoice.held', 'PRI', 'purchasing')],
    'bill-over': ['bill-over', told('invoice.held', 'QTY', 'goods-in')],
    'bill-wrong-sum': ['bill-wrong-sum', told('invoice.rejected', 'FIN', 'treasury')],
  };
  const other = fault === undefined ? undefined : refused[fault];
  if (other !== undefined) {
    does(other[0], [other[1]]);
    if (fault === 'bill-dearer') decides('procurement.bill', 'reject', [told('invoice.rejected', 'PRI', 'purchasing')]);
    return ends({ ...goods, ...(fault === 'bill-over' ? { waitingFor: goodsIn } : {}) }, sum(ordered));
  }
  does('bill', [told('invoice.posted')]);
  if (fault === 'bill-look-alike') does('bill-twin', [told('invoice.rejected', 'REF', 'accounts-payable')]);
  const paid = fault !== 'unpaid';
  if (paid) steps.push({ kind: 'payment', told: [told('payment.confirmed')] });
  return ends({ ...goods, billed: sum(ordered), paid }, sum(ordered));
}

/** The document that an act sends, as the faults name it. */
const partOf = (act: Act): string =>
  act.startsWith('despatch')
    ? 'despatch'
    : act.startsWith('arrive')
      ? 'receipt'
      : act.startsWith('bill')
        ? 'bill'
        : 'answer';

/** Faults after which nothing is ordered, whoever would have decided. */
const unorderable: Partial<Record<ChainFault, Told>> = {
  'no-cost-centre': told('requisition.rejected', 'REF', 'requester'),
  'unknown-item': told('requisition.held', 'ITM', 'master-data'),
  'no-contract': told('requisition.held', 'PRI', 'purchasing'),
  'dearer-than-expected': told('requisition.held', 'PRI', 'purchasing'),
  'two-suppliers': told('requisition.held', 'OTH', 'purchasing'),
};

/**
 * @param count how many chains
 * @param options.seed same seed, same chains. Default 1
 * @param options.faulty share of chains with a fault, 0 to 1. Default 0.4
 */
export function* generateChains(
  count: number,
  options: { seed?: number; faulty?: number; prefix?: string; now?: Date } = {},
): Generator<Chain> {
  const { seed = 1, faulty = 0.4, prefix = 'REQ', now = new Date() } = options;
  const random = mulberry32(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const neededBy = new Date(now.getTime() + 14 * 86_400_000).toISOString().slice(0, 10);
  for (let index = 0; index < count; index++) {
    const number = `${prefix}-${String(index + 1).padStart(6, '0')}`;
    const fault = random() < faulty ? pick(chainFaults) : undefined;
    // Both have all that ACME has.
    const { supplier, goods } = fault === 'two-suppliers' ? assortment[0]! : pick(assortment);
    const first = pick(goods);
    const second = pick(goods.filter(({ sku }) => sku !== first.sku));
    const wanted =
      fault === 'two-suppliers' || fault === 'answer-line-rejected' || random() < 0.3 ? [first, second] : [first];
    // Most are small; a tenth is large, and what has to be decided costs enough.
    const size = random() < 0.1 ? 10 : 1;
    const decidable = fault === 'approval-refused' || fault === 'approval-open';
    const lines = wanted.map(({ sku, price }): Line => {
      const cents = centsOf(price);
      return { sku, cents, quantity: (4 + below(60)) * size + (decidable ? Math.ceil(26_000 / cents) : 0) };
    });
    const { steps, decided, outcome, cents } = story(fault, lines, pick);
    const refused = fault === undefined ? undefined : unorderable[fault];
    const asked =
      refused === undefined && sum(lines) > 25_000 ? (sum(lines) > 100_000 ? [buyers, finance] : [buyers]) : [];
    const voters = decided === 'reject' ? asked.slice(0, 1) : decided === 'open' ? [] : asked;
    const result =
      refused ??
      (decided === 'reject'
        ? told('requisition.rejected', 'OTH', 'requester')
        : decided === 'open'
          ? undefined
          : told('order.sent'));
    const after = result === undefined ? [] : [result];
    yield {
      number,
      ...(fault === undefined ? {} : { fault }),
      requisition: {
        number,
        requestedAt: now.toISOString(),
        neededBy,
        requester: { identifiers: [{ type: 'EMPLOYEE', value: 'rita' }] },
        ...(fault === 'no-cost-centre' ? {} : { costCentre: pick(['W3-EAST', 'OR-1']) }),
        lines: lines.map(({ sku, quantity, cents: price }, at) => ({
          number: String(at + 1),
          product: { identifiers: [{ type: 'SKU', value: fault === 'unknown-item' ? `NO-${sku}` : sku }] },
          quantity: { value: String(quantity), unit: '{each}' },
          supplier: { identifiers: [{ type: 'CODE', value: supplierOf(fault, supplier, at) }] },
          ...(fault === 'dearer-than-expected'
            ? { estimatedPrice: { amount: ((price - 1) / 100).toFixed(2), currency: 'EUR' } }
            : {}),
        })),
      },
      steps: [
        {
          kind: 'requisition',
          times: fault === 'requisition-thrice' ? 3 : 1,
          forgedFirst: fault === 'requisition-forged-first',
          told: voters.length === 0 ? after : [],
        },
        ...voters.map(
          (people, at): Step => ({
            kind: 'decision',
            process: 'procurement.requisition',
            as: pick(people),
            verdict: decided === 'reject' ? 'reject' : 'approve',
            told: at === voters.length - 1 ? after : [],
          }),
        ),
        ...(refused === undefined ? steps : []),
      ],
      expected:
        refused !== undefined
          ? { received: {}, scrapped: {}, paid: false }
          : { ...outcome, ...(decided === 'approve' ? { order: { supplier, cents } } : {}) },
    };
  }
}

function supplierOf(fault: ChainFault | undefined, supplier: string, at: number): string {
  // On nobody's list for these goods.
  if (fault === 'no-contract') return 'PHARMA1';
  return fault === 'two-suppliers' && at === 1 ? (supplier === 'ACME' ? 'NORDIC' : 'ACME') : supplier;
}

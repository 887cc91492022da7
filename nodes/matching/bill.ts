/** Order, receipt and bill side by side (three-way match), the bill's own arithmetic, and whether it was billed before. */
import { add, compare, multiply, subtract } from '../kernel/decimal.ts';
import {
  type Adjustment,
  type Facts,
  type Invoice,
  type InvoiceLine,
  identifierOf,
  type Money,
  type Order,
  type OrderLine,
  sameReference,
} from './documents.ts';
import type { Finding } from './finding.ts';
import { normaliseInvoiceNumber } from './invoice-number.ts';
import { orderLineOf, placeOf, skuOf, soFar, subjectOf, supplierOf, unitOf } from './lines.ts';
import { applicablePrices, pricePer, unitPriceOf } from './prices.ts';
import { packChanged, shown } from './quantities.ts';
import { atLeastZero, compareRatios, minus, over, plus, type Ratio, textOf, times, whole } from './ratio.ts';

const zero = whole('0');

export function matchBill(order: Order | undefined, invoice: Invoice, facts: Facts, finding: Finding): void {
  duplicates(invoice, facts, finding);
  arithmetic(invoice, finding);
  bankAccount(invoice, facts, finding);
  if (facts.supplier?.active === false) {
    finding.add({ field: 'supplier', reason: 'OTH', words: 'The supplier is blocked.' });
  }
  if (order === undefined) {
    const quoted = identifierOf(invoice.order, 'ORDER');
    finding.add({
      field: 'order',
      reason: quoted === undefined ? 'REF' : 'UNR',
      ...(quoted === undefined ? {} : { found: quoted }),
      words:
        quoted === undefined
          ? 'The bill names no order.'
          : `There is no order ${quoted.slice(0, 64)} of this supplier.`,
    });
    return;
  }
  head(order, invoice, finding);
  lines(order, invoice, facts, finding);
}

function head(order: Order, invoice: Invoice, finding: Finding): void {
  finding.checked('order', 'supplier', 'currency');
  if (sameReference(invoice.issuer, order.supplier) === false) {
    finding.add({
      field: 'supplier',
      reason: 'REF',
      words: `The order ${order.number} was placed with another supplier.`,
    });
  }
  if (invoice.currency !== order.currency) {
    finding.add({
      field: 'currency',
      reason: 'FIN',
      expected: order.currency,
      found: invoice.currency,
      words: `The bill is in ${invoice.currency}, the order in ${order.currency}.`,
    });
  }
  if (order.status === 'cancelled') {
    finding.add({ field: 'order', reason: 'UNR', words: `The order ${order.number} is cancelled.` });
  }
  if (invoice.paymentTerms !== undefined && order.paymentTerms !== undefined) {
    finding.checked('paymentTerms');
    if (invoice.paymentTerms.trim().toLowerCase() !== order.paymentTerms.trim().toLowerCase()) {
      finding.add({
        field: 'paymentTerms',
        reason: 'PAY',
        expected: order.paymentTerms,
        found: invoice.paymentTerms,
        words: 'The payment terms are not those of the order.',
      });
    }
  }
}

/** What all lines of the bill take from one line of the order: several lines may share it. */
function lines(order: Order, invoice: Invoice, facts: Facts, finding: Finding): void {
  finding.checked('item', 'unit', 'quantity', 'received', 'billed', 'price');
  const taken = new Map<OrderLine, Ratio>();
  for (const line of invoice.lines) {
    if (line.product === undefined && line.orderLine === undefined) {
      unordered(line, order, finding);
      continue;
    }
    const orderLine = orderLineOf(order.lines, line, finding);
    if (orderLine === undefined) continue;
    const found = finding.quantityIn(orderLine, line.quantity, placeOf(line, orderLine));
    if (found === undefined) continue;
    const sum = plus(taken.get(orderLine) ?? zero, found);
    taken.set(orderLine, sum);
    quantities(order, invoice, line, orderLine, { found, sum }, facts, finding);
    prices(order, invoice, line, orderLine, facts, finding);
  }
}

function quantities(
  order: Order,
  invoice: Invoice,
  line: InvoiceLine,
  orderLine: OrderLine,
  { found, sum }: { found: Ratio; sum: Ratio },
  facts: Facts,
  finding: Finding,
): void {
  const place = placeOf(line, orderLine);
  const unit = unitOf(orderLine);
  const ordered = whole(orderLine.quantity.value);
  const received = soFar(orderLine, orderLine.received);
  const billed = soFar(orderLine, orderLine.billed);
  const credit = invoice.kind === 'credit';
  const total = credit ? minus(billed, sum) : plus(billed, sum);
  if (packChanged(line.quantity, orderLine.quantity)) {
    finding.add({
      ...place,
      field: 'pack',
      reason: 'QTY',
      expected: shown(orderLine.quantity),
      found: shown(line.quantity),
      words: `The package ${line.quantity.pack?.code} holds ${line.quantity.pack?.perBase} pieces on the bill and ${orderLine.quantity.pack?.perBase} on the order. Ask the supplier, and correct the pack factor of the product.`,
    });
  }
  const price = unitPriceOf(orderLine);
  const subject = {
    ...subjectOf(order, orderLine, facts),
    ...(price === undefined ? {} : { value: textOf(times(found, price), 2) }),
  };
  finding.line({
    line: line.number,
    orderLine: orderLine.number,
    ...(skuOf(orderLine.product) === undefined ? {} : { product: skuOf(orderLine.product)! }),
    found: textOf(found),
    ordered: orderLine.quantity.value,
    received: textOf(received),
    billed: textOf(billed),
    unit,
    open: textOf(atLeastZero(minus(ordered, total))),
    ...(price === undefined ? {} : { orderPrice: textOf(price) }),
    ...(priceIn(line, orderLine) === undefined ? {} : { price: textOf(priceIn(line, orderLine)!) }),
  });
  if (credit) {
    if (compareRatios(total, zero) < 0) {
      finding.add({
        ...place,
        field: 'billed',
        reason: 'QTY',
        expected: textOf(billed),
        found: textOf(sum),
        words: `${textOf(sum)} ${unit} are credited and ${textOf(billed)} were billed.`,
      });
    }
    return;
  }
  if (compareRatios(total, ordered) > 0) {
    const fully = compareRatios(billed, ordered) >= 0;
    const inside = finding.compare({
      ...place,
      field: fully ? 'billed' : 'quantity',
      expected: ordered,
      found: total,
      up: 'quantityOver',
      down: 'quantityUnder',
      subject,
      reason: 'QTY',
      action: fully ? 'CNF' : 'CNP',
      unit,
      what: fully
        ? 'The line was billed already. The quantity billed in all'
        : 'The quantity billed in all is more than was ordered. It',
    });
    // More than ordered is more than received too: said once.
    if (!inside) return;
  }
  if (compareRatios(total, received) > 0) {
    const nothing = compareRatios(received, zero) === 0;
    finding.compare({
      ...place,
      field: 'received',
      expected: received,
      found: total,
      up: 'quantityOver',
      down: 'quantityUnder',
      subject,
      reason: nothing ? 'DEL' : 'QTY',
      action: 'NOA',
      unit,
      what: nothing
        ? 'Nothing was received yet. The quantity billed in all'
        : 'The quantity billed in all is more than was received. It',
    });
  }
}

function prices(
  order: Order,
  invoice: Invoice,
  line: InvoiceLine,
  orderLine: OrderLine,
  facts: Facts,
  finding: Finding,
): void {
  const found = priceIn(line, orderLine);
  if (found === undefined) return;
  const expected = unitPriceOf(orderLine);
  const subject = {
    ...subjectOf(order, orderLine, facts),
    value: textOf(times(whole(line.quantity.value), unitPriceOf(line)!), 2),
  };
  const common = {
    ...placeOf(line, orderLine),
    found,
    up: 'priceUp',
    down: 'priceDown',
    subject,
    reason: 'PRI',
    action: 'CNP',
    unit: `${invoice.currency} per ${unitOf(orderLine)}`,
  } as const;
  if (expected !== undefined) finding.compare({ ...common, field: 'price', expected, what: 'The price' });
  const agreed = applicablePrices(facts.prices ?? [], {
    product: orderLine.product,
    quantity: orderLine.quantity,
    supplier: order.supplier,
    currency: order.currency,
    on: invoice.issueDate,
  }).find(({ agreed: { contract } }) => contract !== undefined);
  if (agreed === undefined) return;
  finding.compare({
    ...common,
    field: 'contractPrice',
    expected: agreed.price,
    what: `By contract ${agreed.agreed.contract}, the price`,
  });
}

/** Freight, a surcharge: what no order line stands for. */
function unordered(line: InvoiceLine, order: Order, finding: Finding): void {
  finding.compare({
    line: line.number,
    field: 'unordered',
    expected: zero,
    found: whole(line.netAmount.amount),
    up: 'unordered',
    down: 'unordered',
    subject: { ...supplierOf(order), value: line.netAmount.amount },
    reason: 'ITM',
    action: 'CNP',
    unit: line.netAmount.currency,
    what: `"${(line.description ?? 'A charge').slice(0, 60)}" was not ordered. It`,
  });
  finding.line({ line: line.number, found: line.quantity.value, price: line.netAmount.amount });
}

// --- The bill by itself --------------------------------------------------------------------------------------------

function arithmetic(invoice: Invoice, finding: Finding): void {
  finding.checked('lineAmount', 'netAmount', 'taxAmount', 'grossAmount');
  const subject = { value: invoice.grossAmount.amount };
  const wrong = (
    field: 'lineAmount' | 'netAmount' | 'taxAmount' | 'grossAmount',
    tolerance: 'lineTotal' | 'documentTotal' | 'tax',
    expected: Ratio,
    found: Money,
    what: string,
    line?: string,
  ) =>
    finding.compare({
      field,
      ...(line === undefined ? {} : { line }),
      expected,
      found: whole(found.amount),
      up: tolerance,
      down: tolerance,
      subject,
      reason: 'FIN',
      action: 'NIN',
      rejects: true,
      unit: found.currency,
      what,
    });
  let net = '0';
  for (const line of invoice.lines) {
    const expected = plus(times(whole(line.quantity.value), unitPriceOf(line)!), whole(sumOf(line.adjustments)));
    wrong(
      'lineAmount',
      'lineTotal',
      expected,
      line.netAmount,
      'By its own quantity and price, the line amount',
      line.number,
    );
    net = add(net, line.netAmount.amount);
  }
  wrong(
    'netAmount',
    'documentTotal',
    whole(add(net, sumOf(invoice.adjustments))),
    invoice.netAmount,
    'By its own lines, the net amount',
  );
  let taxes = '0';
  for (const { percent, base, amount } of invoice.taxes ?? []) {
    taxes = add(taxes, amount.amount);
    if (percent === undefined || base === undefined) continue;
    wrong(
      'taxAmount',
      'tax',
      over(multiply(base.amount, percent), '100'),
      amount,
      `By its own rate of ${percent} %, the tax`,
    );
  }
  if (invoice.taxes !== undefined && invoice.taxAmount !== undefined) {
    wrong('taxAmount', 'tax', whole(taxes), invoice.taxAmount, 'By its own taxes, the tax in all');
  }
  const tax = invoice.taxAmount?.amount ?? taxes;
  const gross = add(add(invoice.netAmount.amount, tax), invoice.roundingAmount?.amount ?? '0');
  wrong('grossAmount', 'documentTotal', whole(gross), invoice.grossAmount, 'By its own net amount and tax, the total');
}

function duplicates(invoice: Invoice, { bills = [] }: Facts, finding: Finding): void {
  finding.checked('number');
  const number = normaliseInvoiceNumber(invoice.number);
  const ordered = identifierOf(invoice.order, 'ORDER');
  for (const bill of bills) {
    const sameNumber = normaliseInvoiceNumber(bill.number) === number;
    const sameAmount = bill.grossAmount !== undefined && compare(bill.grossAmount, invoice.grossAmount.amount) === 0;
    const sameDay = bill.issueDate === invoice.issueDate;
    const sameOrder = ordered !== undefined && bill.order === ordered;
    // Only what is surely the same goes back at once; what merely looks so is for a person.
    const sure = sameNumber && (bill.number === invoice.number || sameAmount);
    if (!sameNumber && !(sameAmount && sameDay && sameOrder)) continue;
    finding.duplicate({ number: bill.number, ...(bill.reference === undefined ? {} : { reference: bill.reference }) });
    finding.add({
      field: 'number',
      reason: 'REF',
      action: sure ? 'CNF' : 'PIN',
      rejects: sure,
      expected: bill.number,
      found: invoice.number,
      words: `The bill ${bill.number}${bill.reference === undefined ? '' : ` (${bill.reference})`} is ${sure ? 'the same' : 'very much alike'}: ${sameNumber ? 'the number but for spelling' : 'amount, day and order'}${sameNumber && sameAmount ? ' and the amount' : ''}.`,
    });
    return;
  }
}

/** A changed account is the usual way to steal a payment: only what was verified before is paid to. */
function bankAccount(invoice: Invoice, { supplier }: Facts, finding: Finding): void {
  const iban = invoice.payee?.iban;
  if (iban === undefined || supplier?.bankAccounts === undefined) return;
  finding.checked('bankAccount');
  const plain = (text: string) => text.replace(/\s+/g, '').toUpperCase();
  if (supplier.bankAccounts.some((account) => plain(account.iban) === plain(iban))) return;
  finding.add({
    field: 'bankAccount',
    reason: 'FIN',
    action: 'PIN',
    found: `…${plain(iban).slice(-4)}`,
    words: `The account ending in ${plain(iban).slice(-4)} is none of the supplier's verified ones. Call the supplier back on a known number before anything is changed or paid.`,
  });
}

// --- Small parts ---------------------------------------------------------------------------------------------------

function priceIn(line: InvoiceLine, orderLine: OrderLine): Ratio | undefined {
  const price = unitPriceOf(line);
  return price === undefined ? undefined : pricePer(price, line.quantity, orderLine.quantity);
}

const sumOf = (adjustments: readonly Adjustment[] | undefined): string =>
  (adjustments ?? []).reduce(
    (sum, { kind, amount }) => (kind === 'charge' ? add(sum, amount.amount) : subtract(sum, amount.amount)),
    '0',
  );

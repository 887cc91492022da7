/** What a supplier promises, sends and what arrives, beside the order. */
import { compare } from '../kernel/decimal.ts';
import {
  type Despatch,
  type Facts,
  identifierOf,
  type Order,
  type OrderLine,
  type OrderResponse,
  type Receipt,
  type Reference,
  type ResponseLine,
  sameReference,
} from './documents.ts';
import type { Finding } from './finding.ts';
import { orderLineOf, placeOf, skuOf, soFar, subjectOf, unitOf } from './lines.ts';
import { pricePer, unitPriceOf } from './prices.ts';
import { packChanged, shown } from './quantities.ts';
import { atLeastZero, compareRatios, minus, over, plus, type Ratio, textOf, times, whole } from './ratio.ts';

const zero = whole('0');

/** @returns the order, or undefined after saying that there is none */
function known(order: Order | undefined, quoted: Reference | undefined, finding: Finding): Order | undefined {
  finding.checked('order');
  if (order === undefined) {
    const number = identifierOf(quoted, 'ORDER');
    finding.add({
      field: 'order',
      reason: number === undefined ? 'REF' : 'UNR',
      ...(number === undefined ? {} : { found: number }),
      words: number === undefined ? 'The document names no order.' : `There is no order ${number.slice(0, 64)}.`,
    });
    return undefined;
  }
  if (order.status === 'cancelled') {
    finding.add({ field: 'order', reason: 'UNR', words: `The order ${order.number} is cancelled.` });
  }
  return order;
}

function supplier(order: Order, stated: Reference | undefined, finding: Finding): void {
  finding.checked('supplier');
  if (stated !== undefined && sameReference(stated, order.supplier) === false) {
    finding.add({
      field: 'supplier',
      reason: 'REF',
      words: `The order ${order.number} was placed with another supplier.`,
    });
  }
}

// --- Order and acknowledgement ---------------------------------------------------------------------------------------

export function matchResponse(order: Order | undefined, response: OrderResponse, facts: Facts, finding: Finding): void {
  const placed = known(order, response.order, finding);
  if (placed === undefined) return;
  supplier(placed, response.supplier, finding);
  finding.checked('response', 'item', 'quantity', 'price', 'date');
  if (response.response === 'rejected') {
    finding.add({
      field: 'response',
      reason: 'DEL',
      found: 'rejected',
      words: `The supplier rejects the order ${placed.number}.`,
    });
    return;
  }
  const answered = new Set<OrderLine>();
  for (const line of response.lines ?? []) {
    if (line.response === 'substituted') {
      substitute(placed, line, answered, finding);
      continue;
    }
    const orderLine = orderLineOf(placed.lines, line, finding);
    if (orderLine === undefined) continue;
    answered.add(orderLine);
    answer(placed, response, line, orderLine, facts, finding);
  }
  // Without lines the answer is for all of them; with lines, what it does not speak of is not promised.
  const silent =
    response.lines === undefined || response.lines.length === 0
      ? []
      : placed.lines.filter((line) => !answered.has(line));
  for (const orderLine of silent) {
    finding.add({
      orderLine: orderLine.number,
      ...(skuOf(orderLine.product) === undefined ? {} : { product: skuOf(orderLine.product)! }),
      field: 'response',
      reason: 'DEL',
      words: `The supplier says nothing about ${shown(orderLine.quantity)} of ${skuOf(orderLine.product) ?? `line ${orderLine.number}`}.`,
    });
  }
  if (response.promisedDate !== undefined)
    late(placed, undefined, response.promisedDate, placed.neededBy, facts, finding);
}

function substitute(order: Order, line: ResponseLine, answered: Set<OrderLine>, finding: Finding): void {
  const orderLine = order.lines.find(({ number }) => number === line.orderLine);
  if (orderLine !== undefined) answered.add(orderLine);
  finding.add({
    line: line.number,
    ...(orderLine === undefined ? {} : { orderLine: orderLine.number }),
    field: 'item',
    reason: 'ITM',
    ...(orderLine === undefined ? {} : { expected: skuOf(orderLine.product) ?? orderLine.number }),
    found: skuOf(line.product) ?? 'another item',
    words: `The supplier offers ${skuOf(line.product) ?? 'another item'} instead of ${orderLine === undefined ? 'what was ordered' : (skuOf(orderLine.product) ?? `line ${orderLine.number}`)}.`,
  });
}

function answer(
  order: Order,
  response: OrderResponse,
  line: ResponseLine,
  orderLine: OrderLine,
  facts: Facts,
  finding: Finding,
): void {
  const place = placeOf(line, orderLine);
  const unit = unitOf(orderLine);
  if (line.response === 'rejected') {
    finding.add({
      ...place,
      field: 'response',
      reason: 'DEL',
      found: 'rejected',
      words: `The supplier will not deliver ${place.product ?? `line ${orderLine.number}`}.`,
    });
    return;
  }
  const price = unitPriceOf(orderLine);
  const ordered = whole(orderLine.quantity.value);
  const subject = {
    ...subjectOf(order, orderLine, facts),
    ...(price === undefined ? {} : { value: textOf(times(ordered, price), 2) }),
  };
  const promised = line.quantity === undefined ? ordered : finding.quantityIn(orderLine, line.quantity, place);
  if (promised !== undefined) {
    if (line.quantity !== undefined && packChanged(line.quantity, orderLine.quantity))
      pack(line.quantity, orderLine, place, finding);
    finding.compare({
      ...place,
      field: 'quantity',
      expected: ordered,
      found: promised,
      up: 'quantityOver',
      down: 'quantityUnder',
      subject,
      reason: 'QTY',
      unit,
      what: 'The promised quantity',
    });
    finding.line({
      line: line.number,
      orderLine: orderLine.number,
      ...(place.product === undefined ? {} : { product: place.product }),
      found: textOf(promised),
      ordered: orderLine.quantity.value,
      unit,
      open: textOf(atLeastZero(minus(ordered, promised))),
      ...(price === undefined ? {} : { orderPrice: textOf(price) }),
    });
  }
  const quoted = line.unitPrice === undefined ? undefined : over(line.unitPrice.amount, '1');
  const found =
    quoted === undefined ? undefined : pricePer(quoted, line.quantity ?? orderLine.quantity, orderLine.quantity);
  if (found !== undefined && price !== undefined) {
    finding.compare({
      ...place,
      field: 'price',
      expected: price,
      found,
      up: 'priceUp',
      down: 'priceDown',
      subject,
      reason: 'PRI',
      unit: `${order.currency} per ${unit}`,
      what: 'The price that will be billed',
    });
  }
  const date = line.promisedDate ?? (line.response === 'accepted' ? undefined : response.promisedDate);
  if (date !== undefined) late(order, place, date, orderLine.neededBy ?? order.neededBy, facts, finding);
}

const days = (from: string, to: string): string =>
  String(Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / 86_400_000));

function late(
  order: Order,
  place: ReturnType<typeof placeOf> | undefined,
  promised: string,
  needed: string | undefined,
  facts: Facts,
  finding: Finding,
): void {
  if (needed === undefined || promised === needed) return;
  const found = days(needed, promised);
  const isLate = compare(found, '0') > 0;
  finding.compare({
    ...place,
    field: 'date',
    expected: zero,
    found: isLate ? whole(found) : whole(found.replace('-', '')),
    up: isLate ? 'late' : 'early',
    down: 'early',
    subject: subjectOf(order, { product: {} }, facts),
    reason: 'DEL',
    unit: `days ${isLate ? 'after' : 'before'} ${needed}`,
    what: `${promised} is promised, which`,
  });
}

function pack(
  quantity: OrderLine['quantity'],
  orderLine: OrderLine,
  place: ReturnType<typeof placeOf>,
  finding: Finding,
): void {
  finding.add({
    ...place,
    field: 'pack',
    reason: 'QTY',
    expected: shown(orderLine.quantity),
    found: shown(quantity),
    words: `The package ${quantity.pack?.code} holds ${quantity.pack?.perBase} pieces here and ${orderLine.quantity.pack?.perBase} on the order.`,
  });
}

// --- Order and despatch ----------------------------------------------------------------------------------------------

export function matchDespatch(order: Order | undefined, despatch: Despatch, facts: Facts, finding: Finding): void {
  const placed = known(order, despatch.order, finding);
  if (placed === undefined) return;
  supplier(placed, despatch.supplier, finding);
  finding.checked('item', 'quantity', 'quality');
  const sent = new Map<OrderLine, Ratio>();
  for (const line of despatch.lines) {
    const orderLine = orderLineOf(placed.lines, line, finding);
    if (orderLine === undefined) continue;
    const place = placeOf(line, orderLine);
    const found = finding.quantityIn(orderLine, line.quantity, place);
    if (found === undefined) continue;
    if (packChanged(line.quantity, orderLine.quantity)) pack(line.quantity, orderLine, place, finding);
    sent.set(orderLine, plus(sent.get(orderLine) ?? zero, found));
    if (line.expiry !== undefined && line.expiry <= despatch.issueDate) {
      finding.add({
        ...place,
        field: 'quality',
        reason: 'QUA',
        found: line.expiry,
        words: `The last day of use, ${line.expiry}, is past.`,
      });
    }
    progress(
      placed,
      line,
      orderLine,
      sent.get(orderLine)!,
      facts,
      finding,
      'The quantity sent and received in all',
      found,
    );
  }
  if (placed.lines.some((line) => !sent.has(line) && isOpen(line))) finding.incomplete();
  if (despatch.expectedDate !== undefined)
    late(placed, undefined, despatch.expectedDate, placed.neededBy, facts, finding);
}

// --- Receipt ---------------------------------------------------------------------------------------------------------

export function matchReceipt(order: Order | undefined, receipt: Receipt, facts: Facts, finding: Finding): void {
  const placed = known(order, receipt.order, finding);
  if (placed === undefined) return;
  supplier(placed, receipt.supplier, finding);
  finding.checked('item', 'quantity', 'quality');
  const arrived = new Map<OrderLine, Ratio>();
  for (const line of receipt.lines) {
    const orderLine = orderLineOf(placed.lines, line, finding);
    if (orderLine === undefined) continue;
    const place = placeOf(line, orderLine);
    const found = finding.quantityIn(orderLine, line.accepted, place);
    if (found === undefined) continue;
    arrived.set(orderLine, plus(arrived.get(orderLine) ?? zero, found));
    if (line.rejected !== undefined && compare(line.rejected.value, '0') > 0) {
      const why = line.reason?.display ?? line.reason?.code;
      finding.add({
        ...place,
        field: 'quality',
        reason: 'QUA',
        action: 'CNP',
        // The good ones are booked; the others are claimed from the supplier.
        blocks: false,
        found: shown(line.rejected),
        words: `${shown(line.rejected)} of ${place.product ?? `line ${orderLine.number}`} were refused${why === undefined ? '' : ` (${why.slice(0, 60)})`}.`,
      });
    }
    if (line.temperatureOk === false) {
      finding.add({
        ...place,
        field: 'quality',
        reason: 'QUA',
        words: `The cold chain of ${place.product ?? `line ${orderLine.number}`} was broken.`,
      });
    }
    progress(placed, line, orderLine, arrived.get(orderLine)!, facts, finding, 'The quantity received in all', found);
  }
  if (placed.lines.some((line) => !arrived.has(line) && isOpen(line))) finding.incomplete();
}

const isOpen = (line: OrderLine): boolean => compareRatios(soFar(line, line.received), whole(line.quantity.value)) < 0;

/** More than was ordered, counting what came before; less is partial. */
function progress(
  order: Order,
  line: { number: string },
  orderLine: OrderLine,
  now: Ratio,
  facts: Facts,
  finding: Finding,
  what: string,
  found: Ratio,
): void {
  const place = placeOf(line, orderLine);
  const price = unitPriceOf(orderLine);
  const ordered = whole(orderLine.quantity.value);
  const total = plus(soFar(orderLine, orderLine.received), now);
  const unit = unitOf(orderLine);
  finding.line({
    line: line.number,
    orderLine: orderLine.number,
    ...(place.product === undefined ? {} : { product: place.product }),
    found: textOf(found),
    ordered: orderLine.quantity.value,
    received: textOf(soFar(orderLine, orderLine.received)),
    unit,
    open: textOf(atLeastZero(minus(ordered, total))),
  });
  finding.compare({
    ...place,
    field: 'quantity',
    expected: ordered,
    found: compareRatios(total, ordered) > 0 ? total : ordered,
    up: 'quantityOver',
    down: 'quantityUnder',
    subject: {
      ...subjectOf(order, orderLine, facts),
      ...(price === undefined ? {} : { value: textOf(times(ordered, price), 2) }),
    },
    reason: 'QTY',
    unit,
    what,
  });
}

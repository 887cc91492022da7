/** Which line of the order a line of another document speaks of, and what is known of it. */
import {
  type Facts,
  identifierOf,
  type Order,
  type OrderLine,
  type Quantity,
  type Reference,
  sameReference,
} from './documents.ts';
import type { Finding } from './finding.ts';
import { inUnitOf, shown } from './quantities.ts';
import { type Ratio, whole } from './ratio.ts';

interface Speaking {
  number: string;
  orderLine?: string;
  product?: Reference;
  description?: string;
}

export const skuOf = (reference: Reference | undefined): string | undefined =>
  identifierOf(reference, 'SKU') ?? reference?.identifiers?.[0]?.value;

/**
 * By the line number that it quotes, else by its product where one line only has that.
 * @returns undefined after adding the difference
 */
export function orderLineOf(lines: readonly OrderLine[], line: Speaking, finding: Finding): OrderLine | undefined {
  const place = { line: line.number, ...(skuOf(line.product) === undefined ? {} : { product: skuOf(line.product)! }) };
  const named = shownProduct(line);
  if (line.orderLine !== undefined) {
    const found = lines.find(({ number }) => number === line.orderLine);
    if (found === undefined) {
      finding.add({
        ...place,
        field: 'item',
        reason: 'ITM',
        found: named,
        words: `The order has no line ${line.orderLine.slice(0, 20)} for ${named}.`,
      });
      return undefined;
    }
    if (line.product !== undefined && sameReference(line.product, found.product) === false) {
      finding.add({
        ...place,
        orderLine: found.number,
        field: 'item',
        reason: 'ITM',
        expected: shownProduct(found),
        found: named,
        words: `${named} stands in the place of ${shownProduct(found)}.`,
      });
      return undefined;
    }
    return found;
  }
  const candidates = lines.filter(({ product }) => sameReference(line.product, product) === true);
  if (candidates.length === 1) return candidates[0];
  finding.add({
    ...place,
    field: 'item',
    reason: 'ITM',
    found: named,
    words:
      candidates.length === 0
        ? `${named} is not on the order.`
        : `${named} is on ${candidates.length} lines of the order, and the line does not say which it means.`,
  });
  return undefined;
}

const shownProduct = ({ product, description }: Pick<Speaking, 'product' | 'description'>): string =>
  skuOf(product) ?? description?.slice(0, 60) ?? 'An item without a number';

/** Received or billed so far, in the unit of the order line; what was never said is 0. */
export const soFar = ({ quantity }: OrderLine, done: Quantity | undefined): Ratio =>
  done === undefined ? whole('0') : (inUnitOf(done, quantity) ?? whole(done.value));

/** "BX/10", "each". */
export const unitOf = ({ quantity }: OrderLine): string => shown({ ...quantity, value: '1' }).slice(2);

export const supplierOf = ({ supplier }: Order): { supplier?: string } => {
  const code = identifierOf(supplier, 'CODE');
  return code === undefined ? {} : { supplier: code };
};

export function subjectOf(
  order: Order,
  { product }: Pick<OrderLine, 'product'>,
  { categories = {} }: Facts,
): { supplier?: string; category?: string } {
  const sku = skuOf(product);
  const category = sku !== undefined && Object.hasOwn(categories, sku) ? categories[sku] : undefined;
  return { ...supplierOf(order), ...(category === undefined ? {} : { category }) };
}

export function placeOf(
  line: { number: string },
  orderLine: OrderLine,
): { line: string; orderLine: string; product?: string } {
  const sku = skuOf(orderLine.product);
  return { line: line.number, orderLine: orderLine.number, ...(sku === undefined ? {} : { product: sku }) };
}

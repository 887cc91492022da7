/** Prices for one unit of the order, whatever they were quoted for. */
import { compare, subtract } from '../kernel/decimal.ts';
import { Failure } from '../kernel/failure.ts';
import type { AgreedPrice, OrderLine, Priced, Quantity, Reference } from './documents.ts';
import { sameReference } from './documents.ts';
import { conversion, factorOf } from './quantities.ts';
import { compareRatios, over, type Ratio, times, whole } from './ratio.ts';

/** The price of one unit of `quantity`, after base quantity and discount; undefined where none is given. */
export function unitPriceOf({ unitPrice, priceBase, discountPercent }: Priced): Ratio | undefined {
  if (unitPrice === undefined) return undefined;
  if (priceBase !== undefined && compare(priceBase, '0') <= 0) {
    throw new Failure(
      'data-quality',
      'MATCH_PRICE_BASE',
      'A price is quoted for no unit or fewer (price base). Correct the document.',
      {
        outcome: 'none',
      },
    );
  }
  const price = over(unitPrice.amount, priceBase ?? '1');
  return discountPercent === undefined ? price : times(price, over(subtract('100', discountPercent), '100'));
}

/** A price per unit of `from` as one per unit of `to`. */
export function pricePer(price: Ratio, from: Quantity, to: Quantity): Ratio | undefined {
  const factor = conversion(to, from);
  return factor === undefined ? undefined : times(price, factor);
}

/** An agreed price that holds, counted per unit of a quantity. */
export interface Applicable {
  agreed: AgreedPrice;
  price: Ratio;
}

/**
 * The agreed prices for a product and quantity on a day, the best first: a contract before a price list, then the
 * cheapest.
 * @param supplier absent: whoever has agreed on one
 */
export function applicablePrices(
  prices: readonly AgreedPrice[],
  wanted: { product: Reference; quantity: Quantity; supplier?: Reference; currency?: string; on?: string },
): Applicable[] {
  const { product, quantity, supplier, currency, on } = wanted;
  const found: Applicable[] = [];
  for (const agreed of prices) {
    if (sameReference(agreed.product, product) !== true) continue;
    if (supplier !== undefined && sameReference(agreed.supplier, supplier) !== true) continue;
    if (currency !== undefined && agreed.unitPrice.currency !== currency) continue;
    if (on !== undefined && ((agreed.validFrom ?? on) > on || (agreed.validTo ?? on) < on)) continue;
    const unit: Quantity = agreed.unit ?? { value: '1', unit: '{each}' };
    const price = pricePer(over(agreed.unitPrice.amount, '1'), unit, quantity);
    if (price === undefined) continue;
    if (agreed.minimum !== undefined) {
      const factor = factorOf(quantity);
      if (factor === undefined) continue;
      if (compareRatios(times(whole(quantity.value), whole(factor)), whole(agreed.minimum)) < 0) continue;
    }
    found.push({ agreed, price });
  }
  return found.sort(
    (a, b) =>
      Number(b.agreed.contract !== undefined) - Number(a.agreed.contract !== undefined) ||
      compareRatios(a.price, b.price),
  );
}

/** `quantity × price`, for choosing a value band. */
export function lineValue(line: Pick<OrderLine, 'quantity'> & Priced): Ratio | undefined {
  const price = unitPriceOf(line);
  return price === undefined ? undefined : times(whole(line.quantity.value), price);
}

/** Which agreed price holds for what somebody asks for: contract first, then price list. */
import { identifierOf, type Facts, type Requisition } from './documents.ts';
import type { Finding } from './finding.ts';
import { skuOf } from './lines.ts';
import { applicablePrices } from './prices.ts';
import { shown } from './quantities.ts';
import { moneyOf, textOf, whole } from './ratio.ts';

/** What was found for a line, to be put on the order. */
export interface Pricing {
  line: string;
  supplier: string;
  unitPrice: { amount: string; currency: string };
  contract?: string;
}

/** The day that an instant is of: the one it is written with; where it is written in UTC, that of this server. */
function dayOf(instant: string): string {
  const at = new Date(instant);
  if (!instant.endsWith('Z') || Number.isNaN(at.getTime())) return instant.slice(0, 10);
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())}`;
}

/** @returns the prices found; what has none is a difference */
export function matchAgreements(requisition: Requisition, facts: Facts, finding: Finding): Pricing[] {
  finding.checked('contractPrice', 'unit');
  // Without its day a requisition is of today: a price that has ended must not hold because nobody said when.
  const on = dayOf(requisition.requestedAt ?? new Date().toISOString());
  const pricings: Pricing[] = [];
  for (const line of requisition.lines) {
    const sku = skuOf(line.product);
    const place = { line: line.number, ...(sku === undefined ? {} : { product: sku }) };
    const best = applicablePrices(facts.prices ?? [], {
      product: line.product,
      quantity: line.quantity,
      ...(line.supplier === undefined ? {} : { supplier: line.supplier }),
      on,
    })[0];
    if (best === undefined) {
      finding.add({
        ...place,
        field: 'contractPrice',
        reason: 'PRI',
        words: `No contract or price list has a price for ${shown(line.quantity)} of ${sku ?? `line ${line.number}`}${line.supplier === undefined ? '' : ` from ${identifierOf(line.supplier, 'CODE') ?? 'this supplier'}`}.`,
      });
      continue;
    }
    const { agreed, price } = best;
    if (line.estimatedPrice !== undefined && line.estimatedPrice.currency === agreed.unitPrice.currency) {
      finding.compare({
        ...place,
        field: 'price',
        expected: whole(line.estimatedPrice.amount),
        found: price,
        up: 'priceUp',
        down: 'priceDown',
        subject: {
          ...(identifierOf(agreed.supplier, 'CODE') === undefined
            ? {}
            : { supplier: identifierOf(agreed.supplier, 'CODE')! }),
        },
        reason: 'PRI',
        unit: `${agreed.unitPrice.currency} per unit`,
        what: 'The agreed price',
      });
    }
    pricings.push({
      line: line.number,
      supplier: identifierOf(agreed.supplier, 'CODE') ?? '',
      unitPrice: { amount: moneyOf(price), currency: agreed.unitPrice.currency },
      ...(agreed.contract === undefined ? {} : { contract: agreed.contract }),
    });
    finding.line({
      line: line.number,
      ...(sku === undefined ? {} : { product: sku }),
      found: line.quantity.value,
      price: textOf(price),
    });
  }
  return pricings;
}

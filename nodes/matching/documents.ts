/** The parts of canonical documents that matching looks at. Every amount and quantity is decimal text. */

export interface Identifier {
  type: string;
  value: string;
}

export interface Reference {
  identifiers?: readonly Identifier[];
  name?: string;
}

export interface Money {
  amount: string;
  currency: string;
}

export interface Quantity {
  value: string;
  /** UCUM. */
  unit: string;
  pack?: { code: string; perBase?: string };
}

export interface Priced {
  unitPrice?: Money;
  /** How many units the price is for; 1 when absent. */
  priceBase?: string;
  discountPercent?: string;
}

export interface OrderLine extends Priced {
  number: string;
  product: Reference;
  description?: string;
  quantity: Quantity;
  neededBy?: string;
  received?: Quantity;
  billed?: Quantity;
}

export interface Order {
  number: string;
  currency: string;
  supplier: Reference;
  status?: string;
  neededBy?: string;
  paymentTerms?: string;
  lines: readonly OrderLine[];
}

export interface ResponseLine {
  number: string;
  orderLine?: string;
  response: string;
  product?: Reference;
  quantity?: Quantity;
  unitPrice?: Money;
  promisedDate?: string;
  reason?: string;
}

export interface OrderResponse {
  number: string;
  order: Reference;
  supplier: Reference;
  response: string;
  currency?: string;
  promisedDate?: string;
  lines?: readonly ResponseLine[];
}

export interface DespatchLine {
  number: string;
  orderLine?: string;
  product: Reference;
  quantity: Quantity;
  lot?: string;
  expiry?: string;
}

export interface Despatch {
  number: string;
  order?: Reference;
  supplier: Reference;
  issueDate: string;
  expectedDate?: string;
  lines: readonly DespatchLine[];
}

export interface ReceiptLine {
  number: string;
  orderLine?: string;
  product: Reference;
  accepted: Quantity;
  rejected?: Quantity;
  reason?: { code: string; display?: string };
  temperatureOk?: boolean;
  expiry?: string;
}

export interface Receipt {
  number: string;
  order?: Reference;
  supplier?: Reference;
  receivedAt?: string;
  lines: readonly ReceiptLine[];
}

export interface Adjustment {
  kind: 'charge' | 'allowance';
  amount: Money;
}

export interface InvoiceLine extends Priced {
  number: string;
  orderLine?: string;
  product?: Reference;
  description?: string;
  quantity: Quantity;
  unitPrice: Money;
  netAmount: Money;
  adjustments?: readonly Adjustment[];
}

export interface Invoice {
  number: string;
  kind: string;
  issueDate: string;
  currency: string;
  issuer: Reference;
  order?: Reference;
  payee?: { iban?: string };
  paymentTerms?: string;
  netAmount: Money;
  taxAmount?: Money;
  taxes?: readonly { percent?: string; base?: Money; amount: Money }[];
  adjustments?: readonly Adjustment[];
  roundingAmount?: Money;
  grossAmount: Money;
  lines: readonly InvoiceLine[];
}

export interface RequisitionLine {
  number: string;
  product: Reference;
  quantity: Quantity;
  supplier?: Reference;
  estimatedPrice?: Money;
}

export interface Requisition {
  number: string;
  neededBy?: string;
  requestedAt?: string;
  lines: readonly RequisitionLine[];
}

/** An agreed price, from a contract or a price list. */
export interface AgreedPrice {
  supplier: Reference;
  product: Reference;
  unitPrice: Money;
  /** What the price is for one of; absent: the product's base unit. */
  unit?: Quantity;
  /** Smallest quantity it holds for, in base units. */
  minimum?: string;
  validFrom?: string;
  validTo?: string;
  /** Number of the contract, where it is more than a price list. */
  contract?: string;
}

/** A bill that is there already. */
export interface EarlierBill {
  number: string;
  issueDate?: string;
  grossAmount?: string;
  order?: string;
  /** Its name where it stands, for whoever looks it up. */
  reference?: string;
}

/** What is known besides the two documents. */
export interface Facts {
  /** Bills of the same supplier. */
  bills?: readonly EarlierBill[];
  supplier?: {
    active?: boolean;
    bankAccounts?: readonly { iban: string }[];
  };
  prices?: readonly AgreedPrice[];
  /** Category by our product number, for tolerances. */
  categories?: Readonly<Record<string, string>>;
}

export const identifierOf = (reference: Reference | undefined, type: string): string | undefined =>
  reference?.identifiers?.find((identifier) => identifier.type === type)?.value;

/** True when both are named alike in any numbering, false when they differ in one, undefined when they share none. */
export function sameReference(a: Reference | undefined, b: Reference | undefined): boolean | undefined {
  let differs = false;
  for (const { type, value } of a?.identifiers ?? []) {
    const other = identifierOf(b, type);
    if (other === value) return true;
    if (other !== undefined) differs = true;
  }
  return differs ? false : undefined;
}

/** What matching finds, in words that an owner can act on. */

/** OpenPeppol list OPStatusReason, used in the Invoice Response (T111) and here for every document. */
export const reasonCodes = [
  'REF', // references are wrong
  'LEG', // legal information is wrong
  'REC', // receiver unknown
  'QUA', // quality of the goods
  'DEL', // delivery
  'PRI', // prices
  'QTY', // quantities
  'ITM', // items
  'PAY', // payment terms
  'UNR', // unknown order
  'FIN', // amounts, taxes, bank
  'OTH',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

/** OpenPeppol list OPStatusAction: what the other side should do. */
export type ActionCode =
  | 'NOA' // nothing
  | 'PIN' // tell more
  | 'NIN' // send a new invoice
  | 'CNF' // credit it in full
  | 'CNP' // credit a part
  | 'CNA' // credit the amount
  | 'OTH';

/** What was compared. */
export type Field =
  | 'order'
  | 'supplier'
  | 'currency'
  | 'number'
  | 'item'
  | 'unit'
  | 'pack'
  | 'quantity'
  | 'received'
  | 'billed'
  | 'price'
  | 'contractPrice'
  | 'lineAmount'
  | 'netAmount'
  | 'taxAmount'
  | 'grossAmount'
  | 'unordered'
  | 'bankAccount'
  | 'paymentTerms'
  | 'date'
  | 'quality'
  | 'response';

export interface Difference {
  field: Field;
  /** Line of the document; absent for the document as a whole. */
  line?: string;
  /** Line of the order, where it is known. */
  orderLine?: string;
  /** Our product number, where it is known. */
  product?: string;
  expected?: string;
  found?: string;
  /** Found less expected, in the unit of `expected`. */
  difference?: string;
  /** The limit, and the row of the profile it comes from (0: its defaults). */
  tolerance?: string;
  row?: number;
  /** Within the tolerance: written down, nobody has to act. */
  within: boolean;
  /** Outside: whether the document must wait. Damaged goods are an exception, and the good ones are received. */
  blocks: boolean;
  /** Outside, and no decision here can mend it: the other side must. */
  rejects: boolean;
  reason: ReasonCode;
  action?: ActionCode;
  /** One sentence. */
  words: string;
}

export type Outcome = 'matched' | 'within-tolerance' | 'hold' | 'rejected';

/** One line of the document beside its line of the order. */
export interface MatchedLine {
  line: string;
  orderLine?: string;
  product?: string;
  /** In the unit of the order. */
  found: string;
  ordered?: string;
  received?: string;
  billed?: string;
  unit?: string;
  /** Still to come or to bill after this document. */
  open?: string;
  /** Per unit of the order. */
  price?: string;
  orderPrice?: string;
}

/** `msg.match`. */
export interface Match {
  mode: string;
  outcome: Outcome;
  /** Nothing found makes the document wait: it may go on, even when somebody has to look at a part of it. */
  proceed: boolean;
  /** Invoice Response (T111): accepted, under query, rejected. */
  response: 'AP' | 'UQ' | 'RE';
  /** Of the worst difference; absent when nothing is outside. */
  reason?: ReasonCode;
  /** Every reason there is, the worst first. */
  reasons: ReasonCode[];
  action: ActionCode;
  /** Whose turn it is; absent when it is nobody's. */
  owner?: string;
  /** One paragraph for the owner. */
  summary: string;
  document: string;
  order?: string;
  /** More is to come. */
  partial: boolean;
  /** The bill this one repeats. */
  duplicateOf?: { number: string; reference?: string };
  profile: { id: string; version: string };
  /** What was compared, so that nobody has to wonder. */
  checks: Field[];
  differences: Difference[];
  lines: MatchedLine[];
}

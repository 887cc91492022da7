/** What the dialog shows of the rules: browser code imports it, so it imports nothing that is not. */

/** The limits that hold where no row says otherwise; the placeholders of the table. */
export const limits = {
  quantityOver: '0',
  quantityUnder: 'any',
  priceUp: '0',
  priceDown: 'any',
  lineTotal: '0.02',
  documentTotal: '0.05',
  tax: '0.05',
  unordered: '0',
  late: '0',
  early: 'any',
} as const;
export type LimitName = keyof typeof limits;

/** Limits that a mode asks for. */
export const limitsByMode: Readonly<Record<string, readonly LimitName[]>> = {
  agreement: ['priceUp', 'priceDown'],
  response: ['quantityOver', 'quantityUnder', 'priceUp', 'priceDown', 'late', 'early'],
  despatch: ['quantityOver', 'quantityUnder', 'late', 'early'],
  receipt: ['quantityOver', 'quantityUnder'],
  bill: ['quantityOver', 'priceUp', 'priceDown', 'lineTotal', 'documentTotal', 'tax', 'unordered'],
};

/** Whose turn it is, by reason (OpenPeppol list OPStatusReason), unless the dialog says otherwise. */
export const usualOwners = {
  REF: 'accounts-payable',
  LEG: 'accounts-payable',
  REC: 'accounts-payable',
  QUA: 'quality',
  DEL: 'goods-in',
  PRI: 'purchasing',
  QTY: 'goods-in',
  ITM: 'master-data',
  PAY: 'accounts-payable',
  UNR: 'purchasing',
  FIN: 'treasury',
  OTH: 'purchasing',
} as const;
export type OwnedReason = keyof typeof usualOwners;

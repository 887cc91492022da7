/** One document beside what it answers: pure, exact, every difference explained. */
import { Failure } from '../kernel/failure.ts';
import { matchAgreements, type Pricing } from './agreement.ts';
import { matchBill } from './bill.ts';
import type { Match } from './difference.ts';
import type { Despatch, Facts, Invoice, Order, OrderResponse, Receipt, Requisition } from './documents.ts';
import { usualOwners } from './editor-tables.ts';
import { Finding } from './finding.ts';
import { matchDespatch, matchReceipt, matchResponse } from './supply.ts';
import type { Tolerances } from './tolerances.ts';

export const modes = ['response', 'despatch', 'receipt', 'bill', 'agreement'] as const;
export type Mode = (typeof modes)[number];

export interface MatchTask {
  mode: Mode;
  tolerances: Tolerances;
  /** By reason; the usual ones where a reason is missing. */
  owners?: Readonly<Record<string, string>>;
}

export interface Documents {
  /** A canonical document of the mode's kind. */
  document: unknown;
  /** Canonical order, with what was received and billed so far; undefined where there is none. */
  order?: unknown;
  facts?: Facts;
}

/** Lines of one document; the canonical model allows as many. */
const mostLines = 10_000;

/**
 * @returns what differs and whose turn it is; the prices found in mode `agreement`
 * @throws Failure `data-quality` for a document without number or lines, `configuration` for an unknown mode
 */
export function matchDocuments(
  { mode, tolerances, owners = {} }: MatchTask,
  { document, order, facts = {} }: Documents,
): Match & { prices?: Pricing[] } {
  const tree = documentOf(document, mode);
  const placed = order === undefined || order === null ? undefined : (documentOf(order, 'order') as unknown as Order);
  const finding = new Finding(tolerances);
  let prices: Pricing[] | undefined;
  switch (mode) {
    case 'response':
      matchResponse(placed, tree as unknown as OrderResponse, facts, finding);
      break;
    case 'despatch':
      matchDespatch(placed, tree as unknown as Despatch, facts, finding);
      break;
    case 'receipt':
      matchReceipt(placed, tree as unknown as Receipt, facts, finding);
      break;
    case 'bill':
      matchBill(placed, tree as unknown as Invoice, facts, finding);
      break;
    case 'agreement':
      prices = matchAgreements(tree as unknown as Requisition, facts, finding);
      break;
    default:
      throw new Failure('configuration', 'MATCH_MODE', 'This document-match has no mode chosen.', { outcome: 'none' });
  }
  const base = { mode, document: String(tree.number), ...(placed === undefined ? {} : { order: placed.number }) };
  return {
    ...finding.verdict(base, { ...usualOwners, ...owners }),
    ...(prices === undefined ? {} : { prices }),
  };
}

function documentOf(value: unknown, what: string): Record<string, unknown> & { number: unknown } {
  const tree = value as Record<string, unknown> | null;
  const lines = typeof tree === 'object' && tree !== null ? tree.lines : undefined;
  const hasLines = Array.isArray(lines) ? lines.length <= mostLines : what === 'response' && lines === undefined;
  if (typeof tree !== 'object' || tree === null || typeof tree.number !== 'string' || !hasLines) {
    throw new Failure(
      'data-quality',
      'MATCH_DOCUMENT',
      `The ${what} to match is no canonical document with a number and at most ${mostLines} lines. Lead it through a canonical-mapper before.`,
      { outcome: 'none' },
    );
  }
  return tree as Record<string, unknown> & { number: unknown };
}

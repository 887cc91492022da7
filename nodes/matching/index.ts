/** What other slices may use of the matching slice. */
export type { Match, Outcome, ReasonCode } from './difference.ts';
export type { Facts } from './documents.ts';
export { normaliseInvoiceNumber } from './invoice-number.ts';
export { matchDocuments, type MatchTask, type Mode } from './match.ts';
export { defaultProfile, type ToleranceProfile, tolerancesOf } from './tolerances.ts';

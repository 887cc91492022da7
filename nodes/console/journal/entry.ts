/** What the journal keeps of a message: metadata, never the document. */

/**
 * - `open`: seen, nothing decided.
 * - `queued`: accepted for good, waits for its consumer.
 * - `waiting`: taken over by an approval, until somebody decides.
 * - `failing`: a node failed; what settles it has not spoken yet.
 * - `retrying`, `done`, `dead` (with the dead letters), `rejected` (the sender was told no), `duplicate`.
 */
export const outcomes = [
  'open',
  'queued',
  'waiting',
  'failing',
  'retrying',
  'done',
  'dead',
  'rejected',
  'duplicate',
] as const;
export type JournalOutcome = (typeof outcomes)[number];

/** One node's work on a message. Short names, because every hop of every message is stored. */
export interface JournalHop {
  /** Milliseconds since the epoch, at its beginning. */
  t: number;
  /** Milliseconds. */
  d: number;
  /** Node id and type. */
  n: string;
  s: string;
  f?: string;
  /** Delivery attempt, from 1, and queue. */
  a?: number;
  q?: string;
  /** Failure: class, code, message. */
  c?: string;
  e?: string;
  m?: string;
  /** What it did, e.g. `created purchase.order 42`, `retry in 30 s`. */
  x?: string;
  odoo?: { model: string; ids: number[]; effect: string };
}

/** News of one message since the last flush. */
export interface JournalEntry {
  id: string;
  startedAt: number;
  changedAt: number;
  /** Absent: no news. */
  outcome?: JournalOutcome;
  outcomeAt: number;
  partner?: string;
  correlationId?: string;
  eventType?: string;
  subject?: string;
  flow?: string;
  failure?: { class: string; code: string; message: string; node: string };
  odoo?: { model: string; ids: string };
  attempts: number;
  terms: string[];
  hops: JournalHop[];
}

/** Hops kept of one message; a loop must not fill the store. */
export const hopLimit = 64;

/** Terms kept of one message. */
export const termLimit = 20;

const fieldLimit = 200;

/** What both engines take: bounded, no NUL, no lone surrogate. */
export function clean(text: string, limit = fieldLimit): string {
  return text.slice(0, limit).replaceAll('\0', '').toWellFormed();
}

/** As business keys are compared: without regard to case and outer space. */
export function foldKey(text: string): string {
  return clean(text.trim().toLowerCase(), 128);
}

/** Term of the messages of one partner in one flow: either alone may be most of the journal. */
export const flowOfPartner = (flow: string, partner: string): string => `flow:${flow}|${partner}`;

/**
 * One entry of the audit trail, before it is chained. Minimised: business keys and ids, never document content.
 */
export interface AuditEntry {
  /** Verb in the past, dotted: `message.accepted`, `message.rejected`, `message.settled`, `deadletter.replayed`. */
  action: string;
  outcome: 'success' | 'failure';
  /** A signed-in user, a partner's key id, or `flow`. */
  actor: string;
  /** What it was done to: message id, order number, dead letter id. */
  subject?: string;
  correlationId?: string;
  /** Flow node where it happened. */
  node?: string;
  /** Failure code or the person's stated reason. */
  reason?: string;
  /** Small, flat, already minimised. */
  detail?: Record<string, string | number | boolean | null>;
}

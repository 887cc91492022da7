/** What the audit trail tells of one document. */
import type { Stack } from './stack.ts';

export interface AuditRecord {
  action: string;
  outcome: string;
  actor: string;
  subject?: string | null;
  correlationId?: string | null;
  reason?: string | null;
  detail?: Record<string, unknown> | null;
}

/** Every entry, the first one first. */
export async function auditOfAll(stack: Stack): Promise<AuditRecord[]> {
  const entries: AuditRecord[] = [];
  let after = '';
  for (;;) {
    const page = await stack.console<{ records: AuditRecord[]; next?: number }>(`audit?${after}`);
    entries.push(...page.records);
    if (page.next === undefined) return entries.reverse();
    after = `after=${page.next}`;
  }
}

/**
 * Of the document that came as one message: what was done with it, in order, without what consumers of `others` did, which
 * may come at any time.
 */
export function auditOf(entries: readonly AuditRecord[], message: string, others: readonly string[]): string[] {
  return entries.flatMap(({ action, outcome, actor, reason, correlationId, detail }) => {
    if (correlationId !== message) return [];
    const queue = String(detail?.queue ?? '').replace('healthflows.', '');
    if (others.includes(queue) || action === 'message.duplicate' || action === 'approval.resumed') return [];
    if (action === 'message.accepted')
      return `accepted ${String(detail?.routingKey).replace(/^healthflows\.|\.v1$/g, '')}`;
    if (action === 'message.settled') return outcome === 'success' ? `done ${queue}` : `${reason} ${queue}`;
    if (action === 'approval.requested') return `${action} ${String(detail?.process)}`;
    return action.startsWith('approval.') && actor !== 'flow' ? `${action} ${actor}` : action;
  });
}

import type { AuditEntry } from '../../kernel/audit/entry.ts';
import { defineOperation } from '../../kernel/store/operation.ts';
import { type Claim, claim } from '../keys.ts';

/** Who is at the gate, for the audit trail. */
export interface Visitor {
  node: string;
  actor: string;
  subject: string;
  correlationId?: string;
}

/** Claims a key; a duplicate and a mismatch go into the audit trail in the same transaction. */
export const enter = defineOperation(
  import.meta.url,
  'enter',
  function* ({ wanted, visitor }: { wanted: Claim; visitor: Visitor }, context) {
    const verdict = yield* claim.body(wanted, context);
    const entry: AuditEntry = { action: '', outcome: 'success', ...visitor, detail: { scope: wanted.scope } };
    if (verdict.kind === 'duplicate') context.audit({ ...entry, action: 'message.duplicate' });
    if (verdict.kind === 'mismatch') {
      context.audit({ ...entry, action: 'message.mismatch', outcome: 'failure', reason: 'IDEMPOTENCY_MISMATCH' });
    }
    return verdict;
  },
  { key: ({ wanted }) => `${wanted.scope}\0${wanted.key}` },
);

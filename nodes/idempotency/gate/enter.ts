import type { AuditEntry } from '../../kernel/audit/entry.ts';
import { defineOperation, type OperationContext } from '../../kernel/store/operation.ts';
import { type Claim, type ClaimVerdict, claim, claimAll } from '../keys.ts';

/** Who is at the gate, for the audit trail. */
export interface Visitor {
  node: string;
  actor: string;
  subject: string;
  correlationId?: string;
}

export interface Entrance {
  wanted: Claim;
  visitor: Visitor;
}

/** Claims a key; a duplicate and a mismatch go into the audit trail in the same transaction. */
export const enter = defineOperation(
  import.meta.url,
  'enter',
  function* (entrance: Entrance, context) {
    const verdict = yield* claim.body(entrance.wanted, context);
    audit(entrance, verdict, context);
    return verdict;
  },
  {
    key: ({ wanted }) => `${wanted.scope}\0${wanted.key}`,
    *together(entrances, context) {
      const wanted = entrances.map((entrance) => entrance.wanted);
      const verdicts = yield* claimAll(wanted, context);
      for (const [index, verdict] of verdicts.entries()) audit(entrances[index]!, verdict, context);
      return verdicts;
    },
  },
);

function audit({ wanted, visitor }: Entrance, verdict: ClaimVerdict, context: OperationContext): void {
  const entry: AuditEntry = { action: '', outcome: 'success', ...visitor, detail: { scope: wanted.scope } };
  if (verdict.kind === 'duplicate') context.audit({ ...entry, action: 'message.duplicate' });
  if (verdict.kind === 'mismatch') {
    context.audit({ ...entry, action: 'message.mismatch', outcome: 'failure', reason: 'IDEMPOTENCY_MISMATCH' });
  }
}

/** A person opens a document that a mapper keeps: said in the audit trail first. */
import { defineOperation, type Row, type Statement } from '../kernel/store/operation.ts';

export const recordOpening = defineOperation(
  import.meta.url,
  'recordOpening',
  // biome-ignore lint/correctness/useYield: an operation is a generator, and this one only audits
  function* (
    { actor, reason, node, event }: { actor: string; reason: string; node: string; event?: string },
    context,
  ): Generator<Statement, true, Row[]> {
    context.audit({
      action: 'message.revealed',
      outcome: 'success',
      actor,
      reason,
      node,
      ...(event === undefined ? {} : { subject: event }),
    });
    return true;
  },
);

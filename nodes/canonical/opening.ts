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

/** A person tries a mapping on documents that the store holds; said before they are read. */
export const recordTrial = defineOperation(
  import.meta.url,
  'recordTrial',
  // biome-ignore lint/correctness/useYield: an operation is a generator, and this one only audits
  function* (
    { actor, node, mapping }: { actor: string; node: string; mapping: string },
    context,
  ): Generator<Statement, true, Row[]> {
    context.audit({ action: 'mapping.tried', outcome: 'success', actor, node, subject: mapping });
    return true;
  },
);

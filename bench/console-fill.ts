/** In a file of its own: the store's worker thread imports the module of an operation, and must not start the bench. */
import { defineOperation } from '../nodes/kernel/store/operation.ts';

/** Entries of the audit trail, as flows and people write them. */
export const fillTrail = defineOperation(
  import.meta.url,
  'fillTrail',
  // biome-ignore lint/correctness/useYield: the entries of the trail are all of it
  function* ({ from, count }: { from: number; count: number }, context) {
    for (let n = from; n < from + count; n++) {
      // One of a hundred is the act of a person.
      const person = n % 100 === 0;
      context.audit({
        action: person ? 'deadletter.discarded' : n % 2 === 0 ? 'message.accepted' : 'message.settled',
        outcome: 'success',
        actor: person ? `person.${(n / 100) % 7}` : 'flow',
        subject: `msg_${n}`,
        correlationId: `corr-${Math.floor(n / 3)}`,
        node: 'a1b2c3d4e5f6a7b8',
      });
    }
  },
);

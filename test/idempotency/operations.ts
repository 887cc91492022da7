import { complete, type HeldKey } from '../../nodes/idempotency/index.ts';
import { defineOperation } from '../../nodes/kernel/store/index.ts';

/** Completes a key and then fails, as an outbox that is full would. */
export const interrupted = defineOperation(import.meta.url, 'interrupted', function* (held: HeldKey, context) {
  yield* complete.body(held, context);
  throw new Error('the second half failed');
});

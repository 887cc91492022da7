/**
 * Orders of people about messaging, as store operations: the order, its audit entry and the token of the press are one
 * transaction, so that nothing acts that is not recorded.
 */
import { type ControlTarget, setControl } from '../amqp/index.ts';
import { defineOperation } from '../kernel/store/operation.ts';
import { type Act, once } from '../kernel/store/act.ts';

export interface MessagingOrder extends Act {
  target: ControlTarget;
  /** False takes it back. */
  on: boolean;
}

const actions = {
  stop: ['messaging.stopped', 'messaging.started'],
  pause: ['queue.paused', 'queue.resumed'],
} as const;

export const orderMessaging = defineOperation(
  import.meta.url,
  'orderMessaging',
  function* ({ target, on, ...act }: MessagingOrder, context) {
    const action = actions[target.kind][on ? 0 : 1];
    return yield* once(action, act, context.now, function* () {
      yield* setControl.body({ target, on, actor: act.actor, reason: act.reason }, context);
      context.audit({
        action,
        outcome: 'success',
        actor: act.actor,
        reason: act.reason,
        ...(target.kind === 'pause' ? { subject: target.queue } : {}),
      });
      return { ordered: true };
    });
  },
);

/** What other slices may use of messaging. */
import type { ConfigNodeKind } from '../node/index.ts';
import type { AmqpConnectionService } from './service.ts';

/** The `amqp-connection` config node: `resolve(amqpConnection, config.connection)`. */
export const amqpConnection: ConfigNodeKind<AmqpConnectionService> = { type: 'amqp-connection' };

export { deadLetterOf, type DeadLetterFacts } from './failure-headers.ts';
export type * from './engines/engine.ts';
export type * from './service.ts';
export { replaySpans } from './tracing.ts';
export { type Decision, decide, defaultRetryPolicy, type RetryPolicy } from './retry-policy.ts';
export { type ControlChange, type ControlTarget, type Order, setControl } from './control-operations.ts';
export type { RetryBudgetState } from './retry-budget.ts';

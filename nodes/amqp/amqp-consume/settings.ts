/** From what the dialog holds to topology and policy. */
import { Failure } from '../../kernel/failure.ts';
import type { QueueTopology } from '../engines/engine.ts';
import { defaultRetryPolicy, parseSteps, type RetryPolicy } from '../retry-policy.ts';
import type { AmqpConnectionService } from '../service.ts';
import type { AmqpConsumeConfig } from './amqp-consume.def.ts';

const nameLimit = 200;

export function queueTopology(
  config: AmqpConsumeConfig,
  connection: Pick<AmqpConnectionService, 'queueName' | 'eventsExchange'>,
): QueueTopology {
  const queue = config.queue.trim();
  if (queue === '' || queue.length > nameLimit || /\s/.test(queue)) {
    throw new Failure(
      'configuration',
      'AMQP_QUEUE_NAME',
      `This amqp-consume needs a queue name without blanks, at most ${nameLimit} characters long. Open it and name one, such as "orders".`,
    );
  }
  const exchange = config.exchange.trim() === '' ? connection.eventsExchange : config.exchange.trim();
  return {
    name: connection.queueName(queue),
    type: config.queueType,
    bindings: routingKeys(config.bindings).map((routingKey) => ({ exchange, routingKey })),
    deliveryLimit: Math.max(1, config.deliveryLimit),
    singleActiveConsumer: config.singleActiveConsumer,
    retrySteps: retryPolicy(config).steps,
    ...(config.queueType === 'classic' && config.priorities > 0 ? { maxPriority: Math.min(9, config.priorities) } : {}),
    ...(config.maxLength > 0 ? { maxLength: config.maxLength } : {}),
  };
}

export function routingKeys(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((key) => key !== ''))];
}

export function retryPolicy(config: Pick<AmqpConsumeConfig, 'attempts' | 'steps' | 'giveUpAfter'>): RetryPolicy {
  const steps = parseSteps(config.steps);
  if (steps === undefined) {
    throw new Failure(
      'configuration',
      'AMQP_RETRY_STEPS',
      `The retry delays "${config.steps}" cannot be read. Write durations such as: 10s 1m 5m 30m 2h`,
    );
  }
  const ascending = [...new Set(steps)].sort((a, b) => a - b);
  return {
    ...defaultRetryPolicy,
    attempts: Math.max(1, config.attempts),
    steps: ascending,
    cap: ascending.at(-1)!,
    giveUpAfter: Math.max(0, config.giveUpAfter) * 3_600_000,
  };
}

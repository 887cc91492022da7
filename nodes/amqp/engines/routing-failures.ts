import { Failure } from '../../kernel/failure.ts';

interface Target {
  exchange: string;
  routingKey: string;
}

/** The broker confirms nothing for the target of a message, while it may well for others. */
export const targetLateCode = 'AMQP_TARGET_LATE';

export function describeTarget({ exchange, routingKey }: Target): string {
  return exchange === '' ? `queue "${routingKey}"` : `exchange "${exchange}" with routing key "${routingKey}"`;
}

export function unroutable(target: Target): Failure {
  return new Failure(
    'configuration',
    'AMQP_UNROUTABLE',
    target.exchange === ''
      ? `There is no queue "${target.routingKey}". Deploy its amqp-consume, or correct the routing key.`
      : `No queue is bound to ${describeTarget(target)}. Deploy an amqp-consume with this binding, or correct the routing key.`,
    { outcome: 'none' },
  );
}

export function noExchange(name: string): Failure {
  return new Failure(
    'configuration',
    'AMQP_NO_EXCHANGE',
    `The exchange "${name}" does not exist. Correct its name, or deploy the node that declares it.`,
    { outcome: 'none' },
  );
}

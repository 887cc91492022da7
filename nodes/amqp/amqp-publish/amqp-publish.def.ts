import type { NodeDefinition } from '../../node/define-node.ts';

export interface AmqpPublishConfig {
  name: string;
  connection: string;
  guarantee: 'outbox' | 'confirmed';
  /** Empty for `<namespace>.events`. */
  exchange: string;
  routingKey: string;
  routingKeyType: string;
  partitionKey: string;
  partitionKeyType: string;
  /** Seconds after which an undelivered message goes to the dead letters; 0 for never. */
  expiration: number;
  /** 0 to 9, or empty. */
  priority: string;
  /** The work on `msg.idempotency` ends here: its key is completed. */
  completes: boolean;
  /** Prepares 202 for a message that came in by HTTP. */
  reply: boolean;
}

export const amqpPublishDefinition: NodeDefinition<AmqpPublishConfig> = {
  type: 'amqp-publish',
  version: 1,
  span: 'producer',
  defaults: {
    name: '',
    connection: '',
    guarantee: 'outbox',
    exchange: '',
    routingKey: 'event.type',
    routingKeyType: 'msg',
    partitionKey: 'event.partitionkey',
    partitionKeyType: 'msg',
    expiration: 0,
    priority: '',
    completes: true,
    reply: true,
  },
};

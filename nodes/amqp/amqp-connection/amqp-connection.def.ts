import type { NodeDefinition } from '../../node/define-node.ts';

export interface AmqpConnectionConfig {
  name: string;
  /** `auto`: RabbitMQ when HEALTHFLOWS_AMQP_URL is set, else embedded. */
  engine: 'auto' | 'rabbitmq' | 'embedded';
  /** `amqp://host:5672/vhost`, several hosts separated by commas; user and password are credentials. */
  url: string;
  /** Overrides the vhost of the URL; empty for the URL's. */
  vhost: string;
  /** Paths of PEM files, relative to the user directory; empty for none. */
  ca: string;
  certificate: string;
  key: string;
  /** Prefix of exchanges and queues. */
  namespace: string;
  /** `integration-store` of the outbox and of the embedded queues. */
  store: string;
  /** Messages that may wait in the outbox. */
  outboxLimit: number;
  /** Percent: retries that a hundred successes pay for. */
  retryShare: number;
  /** Retries a minute that need no success. */
  retryFloor: number;
  /** KiB above which a body is kept in the store instead of the message; 0 for never. */
  claimLimit: number;
  /** Days that such a body is kept. */
  claimRetention: number;
}

export const amqpConnectionDefinition: NodeDefinition<AmqpConnectionConfig> = {
  type: 'amqp-connection',
  version: 1,
  defaults: {
    name: '',
    engine: 'auto',
    url: '',
    vhost: '',
    ca: '',
    certificate: '',
    key: '',
    namespace: 'healthflows',
    store: '',
    outboxLimit: 10_000,
    retryShare: 20,
    retryFloor: 120,
    claimLimit: 256,
    claimRetention: 30,
  },
  credentials: {
    username: { type: 'text' },
    password: { type: 'password' },
    passphrase: { type: 'password' },
  },
};

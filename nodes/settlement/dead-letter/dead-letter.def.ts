import type { NodeDefinition } from '../../node/define-node.ts';

export interface DeadLetterConfig {
  name: string;
  store: string;
  connection: string;
  /** The queue whose dead letters are taken, as its `amqp-consume` names it (without `.dead`). */
  queue: string;
  /** Days that resolved and discarded letters are kept. Open ones stay. */
  retention: number;
}

export const deadLetterDefinition: NodeDefinition<DeadLetterConfig> = {
  type: 'dead-letter',
  version: 1,
  defaults: { name: '', store: '', connection: '', queue: '', retention: 30 },
};

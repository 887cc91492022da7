import type { NodeDefinition } from '../../node/define-node.ts';

export interface AmqpConsumeConfig {
  name: string;
  connection: string;
  /** With or without the namespace. */
  queue: string;
  /** Exchange of the bindings; empty for `<namespace>.events`. */
  exchange: string;
  /** Routing keys, separated by blanks, commas or line breaks. */
  bindings: string;
  queueType: 'quorum' | 'classic';
  prefetch: number;
  /** Messages in the flow at once; 0 for as many as prefetched. */
  concurrency: number;
  orderByKey: boolean;
  singleActiveConsumer: boolean;
  /** Of a classic queue: the highest priority, 1 to 9; 0 for none. */
  priorities: number;
  attempts: number;
  /** `10s 1m 5m 30m 2h`. */
  steps: string;
  /** Hours after the first failure. */
  giveUpAfter: number;
  deliveryLimit: number;
  /** Messages; 0 for no limit. */
  maxLength: number;
  /** KiB. */
  maxBody: number;
  /** Minutes. */
  settleDeadline: number;
  /** `auto`: takes nothing while a system that the flow behind it uses is down. */
  pauseWith: 'auto' | 'never';
}

export const amqpConsumeDefinition: NodeDefinition<AmqpConsumeConfig> = {
  type: 'amqp-consume',
  version: 1,
  defaults: {
    name: '',
    connection: '',
    queue: '',
    exchange: '',
    bindings: '#',
    queueType: 'quorum',
    prefetch: 20,
    concurrency: 0,
    orderByKey: false,
    singleActiveConsumer: false,
    priorities: 0,
    attempts: 6,
    steps: '10s 1m 5m 30m 2h',
    giveUpAfter: 24,
    deliveryLimit: 20,
    maxLength: 1_000_000,
    maxBody: 4096,
    settleDeadline: 20,
    pauseWith: 'auto',
  },
};

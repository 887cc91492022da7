import type { NodeDefinition } from '../../node/define-node.ts';

export interface SequenceConfig {
  name: string;
  /** Id of the `integration-store`. */
  store: string;
  /** Properties of the message, separated by commas or lines. */
  keyFields: string;
  /** Property of the message that holds its number. */
  number: string;
  /** Empty: this node. */
  scope: string;
  begins: 'seen' | 'one';
  /** Minutes. */
  deadline: number;
}

export const sequenceDefinition: NodeDefinition<SequenceConfig> = {
  type: 'sequence',
  version: 1,
  defaults: {
    name: '',
    store: '',
    keyFields: 'event.partitionkey',
    number: 'event.sequence',
    scope: '',
    begins: 'seen',
    deadline: 30,
  },
  outputs: ['in order', 'wait', 'to a person', 'duplicate'],
};

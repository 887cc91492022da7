import type { NodeDefinition } from '../../node/define-node.ts';

/** Each is the property of the message that holds the fact. */
export interface ReplenishmentConfig {
  name: string;
  rule: string;
  stock: string;
  incoming: string;
  price: string;
}

export const replenishmentDefinition: NodeDefinition<ReplenishmentConfig> = {
  type: 'replenishment',
  version: 1,
  defaults: {
    name: '',
    rule: 'facts.rule',
    stock: 'facts.stock',
    incoming: 'facts.incoming',
    price: 'facts.price',
  },
  outputs: ['order', 'enough', 'check'],
};

import type { NodeDefinition } from '../../node/define-node.ts';
import type { Outcome } from '../intent.ts';

export interface SettleConfig {
  name: string;
  outcome: Outcome;
  /** Integration store for the audit entry of a message that holds no idempotency key; empty for none. */
  store: string;
}

export const settleDefinition: NodeDefinition<SettleConfig> = {
  type: 'settle',
  version: 1,
  span: 'client',
  defaults: { name: '', outcome: 'auto', store: '' },
};

import type { NodeDefinition } from '../../node/define-node.ts';

export interface IdempotencyGateConfig {
  name: string;
  /** Id of the `integration-store`. */
  store: string;
  keySource: 'header' | 'event' | 'msg' | 'jsonata' | 'hash';
  keyHeader: string;
  /** Property of the message. */
  keyProperty: string;
  /** JSONata. */
  keyExpression: string;
  /** Properties of the message, separated by commas or lines. */
  keyFields: string;
  /** Empty: this node. */
  scope: string;
  scopeType: 'str' | 'msg';
  /** What must be the same when a key comes again. */
  fingerprint: 'payload' | 'fields' | 'none';
  fingerprintFields: string;
  /** Seconds. */
  lease: number;
  /** Minutes that a message in flight keeps its lease at most; 0: one lease only. */
  renew: number;
  /** Days; 0: as the store says. */
  retention: number;
}

export const idempotencyGateDefinition: NodeDefinition<IdempotencyGateConfig> = {
  type: 'idempotency-gate',
  version: 1,
  defaults: {
    name: '',
    store: '',
    keySource: 'event',
    keyHeader: 'Idempotency-Key',
    keyProperty: 'payload.id',
    keyExpression: '',
    keyFields: '',
    scope: '',
    scopeType: 'str',
    fingerprint: 'payload',
    fingerprintFields: '',
    lease: 60,
    renew: 10,
    retention: 0,
  },
  outputs: ['new', 'duplicate', 'in progress', 'mismatch'],
};

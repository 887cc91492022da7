import type { NodeDefinition } from '../../node/define-node.ts';

export interface DebounceConfig {
  name: string;
  /** Id of the `integration-store`. */
  store: string;
  /** Properties of the message, separated by commas or lines. */
  keyFields: string;
  /** Empty: this node. */
  scope: string;
  mode: 'first' | 'quiet';
  /** Seconds: the window, or the quiet time. */
  window: number;
  /** Seconds that a message waits at most, mode `quiet` only. */
  longest: number;
}

export const debounceDefinition: NodeDefinition<DebounceConfig> = {
  type: 'debounce',
  version: 1,
  defaults: {
    name: '',
    store: '',
    keyFields: 'event.subject',
    scope: '',
    mode: 'first',
    window: 300,
    longest: 1800,
  },
  outputs: ['go on', 'wait', 'merged'],
};

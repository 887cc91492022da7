import type { NodeDefinition } from '../../node/define-node.ts';

export interface CanonicalMapperConfig {
  name: string;
  /** What the node does with the document. */
  mode: 'to-canonical' | 'from-canonical' | 'validate' | 'project';
  /** Id of the mapping, shipped or in the user directory. */
  mapping: string;
  /** A mapping edited in place, as JSON; it takes the place of `mapping`. */
  edited: string;
  /** Entity that is validated or projected. */
  entity: string;
  /** How strictly to validate. */
  reading: 'strict' | 'tolerant';
  /** Sensitivity classes that a projection lets pass, e.g. `PI`. */
  allow: string;
  /** What a projection does with the others. */
  hide: 'drop' | 'mask' | 'hash';
  /**
   * Id of the `integration-store` that numbers X12 interchanges and holds originals; empty: the number follows from the
   * event's id.
   */
  store: string;
  /** Messages kept in memory for dry runs and for the console's explanation, 0 to 50. */
  keep: number;
  /** Keep text and bytes in the store as they came, for the days that the journal keeps messages. */
  originals: boolean;
}

export const canonicalMapperDefinition: NodeDefinition<CanonicalMapperConfig> = {
  type: 'canonical-mapper',
  version: 1,
  defaults: {
    name: '',
    mode: 'to-canonical',
    mapping: '',
    edited: '',
    entity: 'order',
    reading: 'strict',
    allow: 'PI',
    hide: 'drop',
    store: '',
    keep: 0,
    originals: false,
  },
  credentials: { hashKey: { type: 'password' } },
};

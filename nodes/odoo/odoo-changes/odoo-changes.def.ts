import type { NodeDefinition } from '../../node/define-node.ts';

export interface OdooChangesConfig {
  name: string;
  /** Id of the `odoo-server`. */
  server: string;
  /** Id of the `integration-store` that keeps the checkpoint. */
  store: string;
  model: string;
  /** Separated by commas. */
  fields: string;
  /** Which records: an Odoo domain in JSON. */
  domain: string;
  /** Archived records too. */
  archived: boolean;
  /** Seconds between looks; 0 = only when a message comes in. */
  interval: number;
  /** Seconds; longer than the longest transaction in Odoo. */
  overlap: number;
  /** Records in one call, and in the flow at once. */
  page: number;
  start: 'now' | 'from' | 'all';
  /** For `from`: RFC 3339, or a date in the server node's time zone. */
  startFrom: string;
  /** Minutes between searches for deleted records; 0 = none. */
  sweep: number;
  /** Minutes. */
  settleDeadline: number;
  /** Name of the checkpoint; empty for one of this node's own. */
  checkpoint: string;
}

export const odooChangesDefinition: NodeDefinition<OdooChangesConfig> = {
  type: 'odoo-changes',
  version: 1,
  defaults: {
    name: '',
    server: '',
    store: '',
    model: '',
    fields: 'display_name',
    domain: '[]',
    archived: true,
    interval: 60,
    overlap: 300,
    page: 200,
    start: 'now',
    startFrom: '',
    sweep: 0,
    settleDeadline: 20,
    checkpoint: '',
  },
};

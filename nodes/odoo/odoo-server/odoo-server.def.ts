import type { NodeDefinition } from '../../node/define-node.ts';

export interface OdooServerConfig {
  name: string;
  url: string;
  /** Needed for JSON-RPC, and for JSON-2 where the server has several. */
  database: string;
  protocol: 'auto' | 'json2' | 'jsonrpc';
  /** Login of the integration user; JSON-RPC only. */
  login: string;
  environment: 'production' | 'test' | 'sandbox';
  /** Database id of the company to work in; empty = the user's own. */
  company: string;
  /** Language code for translated fields; empty = the user's. */
  language: string;
  /** IANA name; where a date is given for a datetime it is midnight there. Empty = UTC. */
  timeZone: string;
  /** Seconds to reach the server. */
  connectTimeout: number;
  /** Seconds until an answer is complete. */
  requestTimeout: number;
  /** Calls at the same time. */
  concurrency: number;
  /** Calls a second; 0 = no limit. */
  rate: number;
  /** Tries in all. */
  attempts: number;
  /** Percentage of failed calls, within 30 s, that opens the breaker. */
  breakerRatio: number;
  /** Seconds the breaker stays open at first. */
  breakerPause: number;
  /** Forward proxy, or empty. */
  proxy: string;
  /** PEM files on the machine that runs Node-RED. */
  caFile: string;
  certFile: string;
  keyFile: string;
}

export const odooServerDefinition: NodeDefinition<OdooServerConfig> = {
  type: 'odoo-server',
  version: 1,
  defaults: {
    name: '',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Node-RED's own notation for an environment variable.
    url: '${ODOO_URL}',
    database: '',
    protocol: 'auto',
    login: '',
    environment: 'test',
    company: '',
    language: '',
    timeZone: '',
    connectTimeout: 5,
    requestTimeout: 60,
    concurrency: 8,
    rate: 0,
    attempts: 3,
    breakerRatio: 50,
    breakerPause: 5,
    proxy: '',
    caFile: '',
    certFile: '',
    keyFile: '',
  },
  credentials: { apiKey: { type: 'password' }, passphrase: { type: 'password' } },
};

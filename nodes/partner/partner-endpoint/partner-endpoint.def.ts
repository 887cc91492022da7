import type { NodeDefinition } from '../../node/define-node.ts';
import type { Stage } from '../../node/stage.ts';

export interface PartnerEndpointConfig {
  name: string;
  /** What every path goes behind. */
  url: string;
  environment: Stage;
  authentication: 'none' | 'api-key' | 'basic' | 'bearer' | 'oauth2' | 'standard-webhooks';
  /** Header of the API key. */
  keyHeader: string;
  /** User name, or client id of OAuth 2. */
  user: string;
  tokenUrl: string;
  scope: string;
  audience: string;
  clientAuthentication: 'header' | 'form';
  /** Asked to see whether the partner is there; empty = the address itself. */
  healthPath: string;
  /** Seconds to reach the partner. */
  connectTimeout: number;
  /** Seconds until an answer is complete. */
  requestTimeout: number;
  /** Requests at the same time. */
  concurrency: number;
  /** Requests a second; 0 = no limit. */
  rate: number;
  /** Tries in all. */
  attempts: number;
  /** Percentage of failed requests, within 30 s, that opens the breaker. */
  breakerRatio: number;
  /** Seconds the breaker stays open at first. */
  breakerPause: number;
  /** Largest answer in MiB. */
  maxAnswer: number;
  /** Forward proxy, or empty. */
  proxy: string;
  /** PEM files on the machine that runs Node-RED. */
  caFile: string;
  certFile: string;
  keyFile: string;
}

export const partnerEndpointDefinition: NodeDefinition<PartnerEndpointConfig> = {
  type: 'partner-endpoint',
  version: 1,
  defaults: {
    name: '',
    url: '',
    environment: 'test',
    authentication: 'none',
    keyHeader: 'X-API-Key',
    user: '',
    tokenUrl: '',
    scope: '',
    audience: '',
    clientAuthentication: 'header',
    healthPath: '',
    connectTimeout: 5,
    requestTimeout: 30,
    concurrency: 4,
    rate: 0,
    attempts: 3,
    breakerRatio: 50,
    breakerPause: 5,
    maxAnswer: 16,
    proxy: '',
    caFile: '',
    certFile: '',
    keyFile: '',
  },
  credentials: { secret: { type: 'password' }, passphrase: { type: 'password' } },
};

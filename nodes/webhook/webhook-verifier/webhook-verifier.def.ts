import type { NodeDefinition } from '../../node/define-node.ts';

/** A key without its secret, which is a credential or in the environment. */
export interface KeyConfig {
  /** Names the key in `msg.verification` and the audit trail. */
  id: string;
  /** 1 to 8: the credential `secret<slot>` holds its secret. */
  slot: number;
  /** Name of an environment variable that holds the secret instead. */
  env?: string;
  /** RFC 3339, or empty. Not valid before this instant. */
  notBefore?: string;
  /** RFC 3339, or empty. No longer valid from this instant on. */
  notAfter?: string;
}

export interface WebhookVerifierConfig {
  name: string;
  method: string;
  /** Below Node-RED's HTTP root. Empty: no route, messages come by wire. */
  url: string;
  scheme: string;
  /** Settings of the scheme. */
  options: Record<string, string | number | boolean>;
  keys: KeyConfig[];
  /** CloudEvents source and type: text, or a property of the message. */
  source: string;
  sourceType: 'str' | 'msg';
  eventType: string;
  eventTypeType: 'str' | 'msg';
  /** Scheme, host and path prefix by which partners call us, where a proxy re-writes them. */
  publicUrl: string;
  /** Comma-separated. */
  contentTypes: string;
  /** Origins whose pages may call from a browser, comma-separated; empty: none. */
  corsOrigins: string;
  /** KiB. */
  bodyLimit: number;
  /** Seconds until the body is there. */
  bodyTimeout: number;
  /** Seconds until the reply is there. */
  replyTimeout: number;
  /** Requests that wait for a reply at one time. */
  maxPending: number;
  /** Levels of nesting of a JSON document. */
  maxDepth: number;
  /** Members of one array or object of a JSON document. */
  maxMembers: number;
  /** Answer what is rejected. */
  answer: boolean;
  /** A minute and source address. */
  failureLimit: number;
  /** Refuse a request that was received before. */
  replay: boolean;
  /** Hours to remember a request for that. */
  replayHours: number;
  /** `integration-store` for the audit of rejections, for replay protection and for originals. */
  store: string;
  /** Keep the exact bytes of every verified body there, for the days that the journal keeps messages. */
  originals: boolean;
}

export const secretSlots = [1, 2, 3, 4, 5, 6, 7, 8] as const;

export const webhookVerifier: NodeDefinition<WebhookVerifierConfig> = {
  type: 'webhook-verifier',
  version: 1,
  defaults: {
    name: '',
    method: 'post',
    url: '/hooks/orders',
    scheme: 'standard-webhooks',
    options: {},
    keys: [],
    source: '',
    sourceType: 'str',
    eventType: '',
    eventTypeType: 'str',
    publicUrl: '',
    contentTypes: 'application/json, application/*+json',
    corsOrigins: '',
    bodyLimit: 1024,
    bodyTimeout: 10,
    replyTimeout: 30,
    maxPending: 1000,
    maxDepth: 64,
    maxMembers: 10_000,
    answer: true,
    failureLimit: 60,
    replay: false,
    replayHours: 100,
    store: '',
    originals: false,
  },
  outputs: ['verified', 'rejected'],
  span: 'own',
  credentials: Object.fromEntries(secretSlots.map((slot) => [`secret${slot}`, { type: 'password' }])),
};

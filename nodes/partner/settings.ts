/** From what the `partner-endpoint` dialog holds to what the client takes. */
import { Failure } from '../kernel/failure.ts';
import type { Credentials } from './client/authentication.ts';
import type { PartnerOptions } from './client/client.ts';
import type { PartnerEndpointConfig } from './partner-endpoint/partner-endpoint.def.ts';

const second = 1000;

/**
 * @param name as an operator knows the partner
 * @throws Failure `configuration` naming the setting that cannot be used
 */
export function partnerOptionsOf(
  config: PartnerEndpointConfig,
  credentials: Readonly<Record<string, string>>,
  name: string,
): PartnerOptions {
  if (!(config.breakerRatio > 0 && config.breakerRatio <= 100))
    throw unusable('breaker', 'must open at a share above 0 and up to 100 percent');
  const healthPath = optional(config.healthPath);
  if (healthPath !== '' && !/^\/[!-~]*$/.test(healthPath)) throw unusable('health path', 'must begin with a slash');
  return {
    name,
    url: set('address', config.url),
    credentials: credentialsOf(config, credentials),
    healthPath,
    connectTimeout: positive('connect timeout', config.connectTimeout) * second,
    requestTimeout: positive('request timeout', config.requestTimeout) * second,
    deadline: (config.requestTimeout * 2 + 30) * second,
    concurrency: Math.floor(positive('concurrency', config.concurrency)),
    perSecond: Math.max(0, config.rate),
    attempts: Math.floor(positive('number of tries', config.attempts)),
    breaker: { ratio: config.breakerRatio / 100, openFor: positive('breaker pause', config.breakerPause) * second },
    maxAnswer: positive('largest answer', config.maxAnswer) * 1024 * 1024,
    proxy: optional(config.proxy),
    tls: {
      caFile: optional(config.caFile),
      certFile: optional(config.certFile),
      keyFile: optional(config.keyFile),
      passphrase: optional(credentials.passphrase ?? ''),
    },
  };
}

function credentialsOf(config: PartnerEndpointConfig, saved: Readonly<Record<string, string>>): Credentials {
  const secret = () => set('secret', saved.secret ?? '');
  switch (config.authentication) {
    case 'none':
      return { kind: 'none' };
    case 'api-key':
      return { kind: 'api-key', header: config.keyHeader, key: secret() };
    case 'basic':
      return { kind: 'basic', user: set('user name', config.user), password: secret() };
    case 'bearer':
      return { kind: 'bearer', token: secret() };
    case 'oauth2':
      return {
        kind: 'oauth2',
        tokenUrl: set('token address', config.tokenUrl),
        clientId: set('client id', config.user),
        clientSecret: secret(),
        scope: optional(config.scope),
        audience: optional(config.audience),
        clientAuthentication: config.clientAuthentication,
      };
    case 'standard-webhooks':
      return { kind: 'standard-webhooks', secret: secret() };
    default:
      throw unusable('authentication', 'is none that is known');
  }
}

/** Node-RED puts the variable's value in when it starts the node; what still reads `${…}` was not set. */
function set(what: string, text: string): string {
  const match = /^\$\{(\w+)\}$/.exec(text.trim());
  if (match === null) return text.trim();
  throw unusable(what, `is taken from the environment variable ${match[1]}, which is not set`);
}

/** A setting that may be left out: a variable that is not set leaves it out too. */
function optional(text: string): string {
  return /^\$\{\w+\}$/.test(text.trim()) ? '' : text.trim();
}

function positive(what: string, value: number): number {
  if (value > 0 && value <= 86_400) return value;
  throw unusable(what, 'must be a number above 0');
}

function unusable(what: string, why: string): Failure {
  return new Failure('configuration', 'PARTNER_SETTING', `The ${what} of the partner-endpoint node ${why}.`, {
    outcome: 'none',
  });
}

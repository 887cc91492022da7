/** From what the `odoo-server` dialog holds to what the client takes. */
import { Failure } from '../kernel/failure.ts';
import type { OdooClientOptions } from './client/client.ts';
import { isTimeZone } from './client/instants.ts';
import type { OdooServerConfig } from './odoo-server/odoo-server.def.ts';

const second = 1000;

/**
 * @throws Failure `configuration` naming the setting that cannot be used
 */
export function clientOptionsOf(
  config: OdooServerConfig,
  credentials: Readonly<Record<string, string>>,
): OdooClientOptions {
  const { timeZone, company } = config;
  if (timeZone !== '' && !isTimeZone(timeZone))
    throw unusable('time zone', 'must be a name such as Europe/Berlin, or empty');
  if (company !== '' && !/^[1-9]\d{0,9}$/.test(company))
    throw unusable('company', "must be the company's id in Odoo, or empty");
  if (!(config.breakerRatio > 0 && config.breakerRatio <= 100))
    throw unusable('breaker', 'must open at a share above 0 and up to 100 percent');
  return {
    url: set('address', config.url),
    protocol: config.protocol,
    database: optional(config.database),
    login: optional(config.login),
    apiKey: set('API key', credentials.apiKey ?? ''),
    language: config.language,
    ...(company === '' ? {} : { companyId: Number(company) }),
    connectTimeout: positive('connect timeout', config.connectTimeout) * second,
    requestTimeout: positive('request timeout', config.requestTimeout) * second,
    deadline: (config.requestTimeout * 2 + 30) * second,
    concurrency: Math.floor(positive('concurrency', config.concurrency)),
    perSecond: Math.max(0, config.rate),
    attempts: Math.floor(positive('number of tries', config.attempts)),
    breaker: {
      ratio: config.breakerRatio / 100,
      openFor: positive('breaker pause', config.breakerPause) * second,
    },
    ...(timeZone === '' ? {} : { limits: { timeZone } }),
    proxy: optional(config.proxy),
    tls: {
      caFile: config.caFile,
      certFile: config.certFile,
      keyFile: config.keyFile,
      passphrase: credentials.passphrase ?? '',
    },
  };
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
  return new Failure('configuration', 'ODOO_SERVER_SETTING', `The ${what} of the odoo-server node ${why}.`, {
    outcome: 'none',
  });
}

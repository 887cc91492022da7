/** Schemes where the secret itself travels: worth what TLS and the caller's discretion are worth, no body is signed. */
import { Failure } from '../../kernel/failure.ts';
import { decodeCanonical, equalSecrets } from './encoding.ts';
import { several } from './headers.ts';
import { single, verified } from './hmac.ts';
import { currentKey, type Key, prepareKeys, shortestSecret } from './keys.ts';
import { rejected, type Scheme, type SchemeOptions, type SignedRequest, type Trace, type Verdict } from './scheme.ts';

function readText(secret: string): { material: string } | { problem: string } {
  return secret.length < shortestSecret
    ? { problem: `it is shorter than ${shortestSecret} characters, so it could be guessed` }
    : { material: secret };
}

/** Compares with every key, without early exit. */
function matchSecret(
  scheme: string,
  sent: string,
  keys: readonly Key<string>[],
  request: SignedRequest,
  now: number,
  trace?: Trace,
): Verdict {
  const matching = keys.filter(({ material }) => equalSecrets(material, sent));
  if (matching.length === 0) return rejected('invalid', 'secret', trace, 'no key has this secret');
  trace?.('secret', true);
  const current = currentKey(matching, now, trace);
  if (current.kind === 'rejected') return current;
  return verified(scheme, current.key.id, {}, undefined, [request.method, request.path, request.query, request.body]);
}

const headerOf = (options: SchemeOptions) => String(options.header ?? '').trim() || 'X-API-Key';

/** A key in a header, bare or behind a word (`Authorization: ApiKey …`). */
export const apiKey: Scheme = {
  id: 'api-key',
  timed: false,
  challenge: 'ApiKey',
  keyPerSender: true,
  secretPlaces: (options) => ({ headers: [headerOf(options)] }),
  prepare(entries, options) {
    const keys = prepareKeys(entries, readText);
    const header = headerOf(options);
    const prefix = String(options.prefix ?? '').trim();
    return (request, now, trace) => {
      const sent = single(request, header, 'key header', trace);
      if ('kind' in sent) return sent;
      const start = prefix === '' ? '' : `${prefix} `;
      if (!sent.value.startsWith(start) || sent.value.length > 1024) {
        return rejected('malformed', 'key header', trace, `${header} does not begin with ${prefix}`);
      }
      trace?.('key header', true);
      return matchSecret('api-key', sent.value.slice(start.length), keys, request, now, trace);
    };
  },
};

/** RFC 7617. The key's name is the user, its secret the password. */
export const basic: Scheme = {
  id: 'basic',
  timed: false,
  challenge: 'Basic realm="webhook", charset="UTF-8"',
  keyPerSender: true,
  secretPlaces: () => ({ headers: ['authorization'] }),
  prepare(entries) {
    const keys = prepareKeys(entries, readText).map((key) => ({ ...key, material: `${key.id}:${key.material}` }));
    if (keys.some(({ id }) => id.includes(':'))) {
      throw new Failure(
        'configuration',
        'KEY_ID_INVALID',
        'A user name of Basic authentication has no colon (RFC 7617).',
      );
    }
    return (request, now, trace) => {
      const sent = single(request, 'authorization', 'authorization header', trace);
      if ('kind' in sent) return sent;
      const match = /^basic ([A-Za-z0-9+/=]{1,2048})$/i.exec(sent.value);
      const credentials = match === null ? undefined : decodeCanonical(match[1]!, 'base64');
      if (credentials === undefined)
        return rejected('malformed', 'authorization header', trace, 'Basic and base64 were expected');
      trace?.('authorization header', true);
      const pair = credentials.toString('utf8');
      if (!Buffer.from(pair).equals(credentials))
        return rejected('invalid', 'secret', trace, 'user and password are UTF-8');
      return matchSecret('basic', pair, keys, request, now, trace);
    };
  },
};

const parameterOf = (options: SchemeOptions) => String(options.parameter ?? '').trim() || 'token';

/**
 * Odoo's "Send Webhook Notification" can neither sign nor send a header, so its proof is a token in the address. Odoo
 * writes the address to its log and sends once only: restrict the source networks too, and treat the body as a hint.
 */
export const odoo: Scheme = {
  id: 'odoo',
  timed: false,
  challenge: 'Token',
  secretPlaces: (options) =>
    options.place === 'query' ? { queries: [parameterOf(options)] } : { parameters: [parameterOf(options)] },
  prepare(entries, options) {
    const keys = prepareKeys(entries, readText);
    const parameter = parameterOf(options);
    const find = (request: SignedRequest): string | undefined | typeof several => {
      if (options.place !== 'query')
        return Object.hasOwn(request.parameters, parameter) ? request.parameters[parameter] : undefined;
      const values = new URLSearchParams(request.query).getAll(parameter);
      return values.length > 1 ? several : values[0];
    };
    return (request, now, trace) => {
      const sent = find(request);
      if (sent === several) return rejected('ambiguous', 'token', trace, `${parameter} is repeated`);
      if (sent === undefined || sent === '')
        return rejected('missing', 'token', trace, `the address has no ${parameter}`);
      trace?.('token', true);
      return matchSecret('odoo', sent, keys, request, now, trace);
    };
  },
};

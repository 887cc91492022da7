/** How a request proves to the partner who sends it. */
import { createHash, createHmac } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import type { Http } from '../../kernel/http/http.ts';
import { readStandardKey } from '../../webhook/index.ts';
import { ClientCredentials, type TokenOptions } from './client-credentials.ts';

/** A tagged union: each kind with exactly what it needs. */
export type Credentials =
  | { kind: 'none' }
  /** The key in a header of the partner's choice. */
  | { kind: 'api-key'; header: string; key: string }
  /** RFC 7617. */
  | { kind: 'basic'; user: string; password: string }
  /** RFC 6750, a token that somebody made and that does not end by itself. */
  | { kind: 'bearer'; token: string }
  /** RFC 6749 section 4.4. */
  | ({ kind: 'oauth2' } & TokenOptions)
  /** Standard Webhooks 1.0.0: the body is signed, so that the partner can trust it and date it. */
  | { kind: 'standard-webhooks'; secret: string };

export interface Signable {
  /** Names the message; the same for every try. */
  id: string;
  body: string | Uint8Array;
  /** Milliseconds since the epoch. */
  now: number;
}

export interface Authentication {
  /** Headers for one try. */
  headers(request: Signable): Promise<Record<string, string>> | Record<string, string>;
  /** The partner refused what {@link headers} gave (401). Absent where the next headers would be no better. */
  renew?(): void;
}

const fixed = (headers: Record<string, string>): Authentication => ({ headers: () => headers });

/**
 * @param tokens makes the connection to the token endpoint of OAuth 2
 * @throws Failure `configuration` for a secret that is missing or none of its kind; never repeats it
 */
export function authenticationOf(credentials: Credentials, tokens: (url: string) => Http): Authentication {
  switch (credentials.kind) {
    case 'none':
      return fixed({});
    case 'api-key':
      return fixed({ [headerName(credentials.header)]: headerValue(credentials.key) });
    case 'basic': {
      // RFC 7617 section 2: the user id holds no colon.
      if (credentials.user.includes(':')) throw unusable('user name', 'may hold no colon');
      const pair = Buffer.from(`${credentials.user}:${needed(credentials.password)}`).toString('base64');
      return fixed({ Authorization: `Basic ${pair}` });
    }
    case 'bearer':
      return fixed({ Authorization: `Bearer ${headerValue(credentials.token)}` });
    case 'oauth2': {
      const source = new ClientCredentials(
        { ...credentials, clientSecret: needed(credentials.clientSecret) },
        tokens(credentials.tokenUrl),
      );
      return {
        headers: async () => ({ Authorization: `Bearer ${await source.token()}` }),
        renew: () => source.forget(),
      };
    }
    case 'standard-webhooks': {
      const key = readStandardKey(needed(credentials.secret));
      if ('problem' in key) throw unusable('signing secret', key.problem.replace(/^it /, ''));
      if (key.material.kind !== 'symmetric') throw unusable('signing secret', 'must be whsec_ and its base64');
      const { secret } = key.material;
      return { headers: ({ id, body, now }) => signStandardWebhook(secret, id, body, now) };
    }
  }
}

/** Standard Webhooks specification, "Signature scheme": HMAC-SHA256 over `id.timestamp.body`. */
export function signStandardWebhook(
  secret: Buffer,
  id: string,
  body: string | Uint8Array,
  now: number,
): Record<string, string> {
  // The specification allows no "." in an id, because it separates what is signed.
  const messageId = /^[A-Za-z0-9_-]{1,64}$/.test(id)
    ? id
    : `msg_${createHash('sha256').update(id).digest('base64url').slice(0, 32)}`;
  const timestamp = String(Math.floor(now / 1000));
  const signature = createHmac('sha256', secret).update(`${messageId}.${timestamp}.`).update(body).digest('base64');
  return { 'webhook-id': messageId, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

/** Headers that are the connection's own and nobody's to set. */
const reserved = new Set(['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'te', 'trailer']);

/** @throws Failure `configuration` for what is no name of a header (RFC 9110 section 5.6.2), or one that is not free */
export function headerName(name: string): string {
  const text = name.trim();
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(text) || reserved.has(text.toLowerCase()))
    throw unusable('header name', 'must be the name of a header, e.g. X-API-Key');
  return text;
}

function headerValue(secret: string): string {
  const text = needed(secret);
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text))
    throw unusable('secret', 'may hold printable ASCII characters only');
  return text;
}

function needed(secret: string): string {
  if (secret !== '') return secret;
  throw unusable('secret', 'is missing. Enter it, or the environment variable that holds it');
}

function unusable(what: string, why: string): Failure {
  return new Failure('configuration', 'PARTNER_SETTING', `The ${what} of the partner-endpoint node ${why}.`, {
    outcome: 'none',
  });
}

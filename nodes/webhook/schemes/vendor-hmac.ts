/** The senders that sign with a shared secret, each as data: where the proof is and what is signed. */
import { Failure } from '../../kernel/failure.ts';
import type { Encoding } from './encoding.ts';
import { decodeCanonical } from './encoding.ts';
import { type HmacProfile, toleranceOf, verifyHmac } from './hmac.ts';
import { prepareKeys, shortestSecret, textSecret } from './keys.ts';
import type { Scheme } from './scheme.ts';

function only(value: string): { signatures: string[] } {
  return { signatures: [value] };
}

/** One signature behind a fixed beginning, e.g. `sha256=`. */
function prefixed(prefix: string): HmacProfile['readSignatures'] {
  return (value) => (value.startsWith(prefix) ? only(value.slice(prefix.length)) : undefined);
}

/**
 * Stripe, "Verify webhook signatures manually": `t=…,v1=…[,v1=…][,v0=…]`. One `t` only: the reference library lets
 * the last one win.
 */
function readStripe(value: string): { signatures: string[]; timestamp?: string } | undefined {
  const signatures: string[] = [];
  let timestamp: string | undefined;
  for (const part of value.split(',')) {
    const [name, text] = [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)];
    if (name === 't') {
      if (timestamp !== undefined) return undefined;
      timestamp = text;
    } else if (name === 'v1') signatures.push(text);
    else if (!/^v\d{1,3}$/.test(name)) return undefined;
  }
  return timestamp === undefined ? undefined : { signatures, timestamp };
}

const profiles: readonly HmacProfile[] = [
  {
    // docs.github.com, "Validating webhook deliveries". The SHA-1 header alone is not enough.
    name: 'github',
    algorithm: 'sha256',
    encoding: 'hex',
    signatureHeader: 'x-hub-signature-256',
    readSignatures: prefixed('sha256='),
    idHeader: 'x-github-delivery',
    timed: false,
    signed: ({ body }) => [body],
  },
  {
    name: 'stripe',
    algorithm: 'sha256',
    encoding: 'hex',
    signatureHeader: 'stripe-signature',
    readSignatures: readStripe,
    timed: true,
    signed: ({ body }, { timestamp }) => [`${timestamp}.`, body],
  },
  {
    // shopify.dev, "Verify webhook deliveries".
    name: 'shopify',
    algorithm: 'sha256',
    encoding: 'base64',
    signatureHeader: 'x-shopify-hmac-sha256',
    readSignatures: only,
    idHeader: 'x-shopify-webhook-id',
    timed: false,
    signed: ({ body }) => [body],
  },
  {
    // api.slack.com, "Verifying requests from Slack".
    name: 'slack',
    algorithm: 'sha256',
    encoding: 'hex',
    signatureHeader: 'x-slack-signature',
    readSignatures: prefixed('v0='),
    timestampHeader: 'x-slack-request-timestamp',
    timed: true,
    signed: ({ body }, { timestamp }) => [`v0:${timestamp}:`, body],
  },
];

function scheme(profile: HmacProfile): Scheme {
  return {
    id: profile.name,
    timed: profile.timed,
    challenge: `Webhook-Signature scheme="${profile.name}"`,
    prepare(entries, options) {
      const keys = prepareKeys(entries, textSecret);
      const tolerance = toleranceOf(options);
      return (request, now, trace) => verifyHmac(profile, request, keys, { tolerance }, now, trace);
    },
  };
}

export const vendorSchemes: readonly Scheme[] = profiles.map(scheme);

/** Square, "Verify and validate an event notification": the registered URL, then the body. */
export const square: Scheme = {
  id: 'square',
  timed: false,
  challenge: 'Webhook-Signature scheme="square"',
  prepare(entries, options) {
    const registered = String(options.notificationUrl ?? '').trim();
    const keys = prepareKeys(entries, textSecret);
    const profile: HmacProfile = {
      name: 'square',
      algorithm: 'sha256',
      encoding: 'base64',
      signatureHeader: 'x-square-hmacsha256-signature',
      readSignatures: only,
      timed: false,
      signed: ({ body, url }) => [registered === '' ? url : registered, body],
    };
    return (request, now, trace) => verifyHmac(profile, request, keys, { tolerance: 0 }, now, trace);
  },
};

const algorithms = ['sha256', 'sha384', 'sha512', 'sha1'] as const;
const encodings = ['hex', 'base64', 'base64url'] as const;
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
const tokens = ['id', 'timestamp', 'body', 'method', 'path', 'url'] as const;

const timeReaders: Record<string, ((text: string) => number | undefined) | undefined> = {
  seconds: undefined,
  milliseconds: (text) => (/^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined),
  rfc3339: (text) => {
    const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN;
    return Number.isNaN(at) ? undefined : at;
  },
};

function oneOf<T extends string>(value: unknown, choices: readonly T[], what: string): T {
  const found = choices.find((choice) => choice === (value ?? choices[0]));
  if (found === undefined) {
    throw new Failure('configuration', 'SCHEME_OPTION_INVALID', `The ${what} must be one of ${choices.join(', ')}.`);
  }
  return found;
}

function header(value: unknown, what: string): string | undefined {
  const name = String(value ?? '').trim();
  if (name === '') return undefined;
  if (!headerName.test(name)) {
    throw new Failure('configuration', 'SCHEME_OPTION_INVALID', `The ${what} is not the name of a header field.`);
  }
  return name;
}

/** `{timestamp}.{body}` as literals and tokens. */
function parseTemplate(template: string): { literal: string; token?: (typeof tokens)[number] }[] {
  const parts: { literal: string; token?: (typeof tokens)[number] }[] = [];
  let rest = template;
  for (;;) {
    const match = /\{([a-z]+)\}/.exec(rest);
    if (match === null) return [...parts, { literal: rest }];
    parts.push({ literal: rest.slice(0, match.index), token: oneOf(match[1], tokens, 'part of the signed text') });
    rest = rest.slice(match.index + match[0].length);
  }
}

function readSecret(encoding: 'text' | Encoding): (secret: string) => { material: Buffer } | { problem: string } {
  if (encoding === 'text') return textSecret;
  return (secret) => {
    const material = decodeCanonical(secret, encoding);
    if (material === undefined) return { problem: `it is not plain ${encoding}` };
    return material.length < shortestSecret
      ? { problem: `it has fewer than ${shortestSecret} bytes, so it could be guessed` }
      : { material };
  };
}

/** Whatever signs with HMAC, described by its sender's own documentation. */
export const genericHmac: Scheme = {
  id: 'hmac',
  timed: true,
  challenge: 'Webhook-Signature scheme="hmac"',
  prepare(entries, options) {
    const prefix = String(options.signaturePrefix ?? '');
    const template = parseTemplate(String(options.template ?? '{body}'));
    const used = new Set(template.map(({ token }) => token));
    const timestampHeader = header(options.timestampHeader, 'timestamp header');
    const idHeader = header(options.idHeader, 'id header');
    const readTimestamp =
      timeReaders[oneOf(options.timestampFormat, ['seconds', 'milliseconds', 'rfc3339'], 'timestamp format')];
    if (!used.has('body')) {
      throw new Failure(
        'configuration',
        'SCHEME_OPTION_INVALID',
        'The signed text must hold {body}: else the body proves nothing.',
      );
    }
    if (used.has('timestamp') !== (timestampHeader !== undefined)) {
      throw new Failure(
        'configuration',
        'SCHEME_OPTION_INVALID',
        'A timestamp header and {timestamp} in the signed text belong together: a time that is not signed proves nothing.',
      );
    }
    if (used.has('id') && idHeader === undefined) {
      throw new Failure(
        'configuration',
        'SCHEME_OPTION_INVALID',
        'The signed text holds {id}; name the header it comes in.',
      );
    }
    const profile: HmacProfile = {
      name: 'hmac',
      algorithm: oneOf(options.algorithm, algorithms, 'algorithm'),
      encoding: oneOf(options.encoding, encodings, 'encoding'),
      signatureHeader: header(options.signatureHeader ?? 'X-Signature', 'signature header') ?? 'X-Signature',
      readSignatures: prefixed(prefix),
      timed: timestampHeader !== undefined,
      ...(timestampHeader === undefined ? {} : { timestampHeader }),
      ...(readTimestamp === undefined ? {} : { readTimestamp }),
      ...(idHeader === undefined ? {} : { idHeader }),
      idSigned: used.has('id'),
      // A signed id stands between separators, so it must not hold one.
      ...(used.has('id') ? { idPattern: /^[A-Za-z0-9_-]{1,256}$/ } : {}),
      signed(request, proof) {
        const values = {
          id: proof.id ?? '',
          timestamp: proof.timestamp ?? '',
          body: request.body,
          method: request.method,
          path: request.path,
          url: request.url,
        };
        return template.flatMap(({ literal, token }) => (token === undefined ? [literal] : [literal, values[token]]));
      },
    };
    const keys = prepareKeys(
      entries,
      readSecret(oneOf(options.secretEncoding, ['text', ...encodings], 'encoding of the secret')),
    );
    const tolerance = toleranceOf(options);
    return (request, now, trace) => verifyHmac(profile, request, keys, { tolerance }, now, trace);
  },
};

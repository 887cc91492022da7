/** Hostile requests, seeded, so that a run can be repeated. */
import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto';
import jsonwebtoken from 'jsonwebtoken';
import type { SchemeOptions } from '../../../nodes/webhook/schemes/scheme.ts';
import { certificate, impostor } from '../../webhook/fixture.ts';

export type Random = () => number;

/** Mulberry32: small, fast, good enough to vary requests. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!;
}

export interface HostileRequest {
  headers: Record<string, string | string[]>;
  body: Buffer;
  url: string;
  method: string;
  parameters: Record<string, string>;
  peer: string;
}

/** What an honest sender of a scheme would send, signed with the given secret. */
export interface Target {
  scheme: string;
  options: SchemeOptions;
  secret: string;
  /** A secret of the same form that the endpoint does not have. */
  wrong: string;
  /** Unix seconds at which it is verified, when it must be within something's own validity. */
  at?: number;
  build(secret: string, body: Buffer, seconds: number): Partial<HostileRequest>;
}

const hmac = (algorithm: string, key: string | Buffer, encoding: 'hex' | 'base64', ...parts: (string | Buffer)[]) => {
  const mac = createHmac(algorithm, key);
  for (const part of parts) mac.update(part);
  return mac.digest(encoding);
};

const secret = 'the right secret, known to both sides';
const wrong = 'the wrong secret, known to nobody here';
const url = 'https://hooks.example.org/orders';

/** Ed25519 keys; an endpoint has the public one. */
const pairs = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')] as const;
const [edKey, wrongEdKey] = pairs.map(({ publicKey }) => publicKey.export({ format: 'pem', type: 'spki' }).toString());
const [whpk, wrongWhpk] = pairs.map(({ publicKey }) => `whpk_${rawOf(publicKey).toString('base64')}`);

function rawOf(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
}

/** Signs with the private half of a public key above. */
function ed25519(key: string, ...parts: (string | Buffer)[]): Buffer {
  const pair = pairs[key === edKey || key === whpk ? 0 : 1];
  return sign(null, Buffer.concat(parts.map((part) => Buffer.from(part))), pair.privateKey);
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export const targets: readonly Target[] = [
  {
    scheme: 'standard-webhooks',
    options: {},
    secret: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
    wrong: `whsec_${Buffer.alloc(32, 2).toString('base64')}`,
    build: (key, body, at) => ({
      headers: {
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(at),
        'webhook-signature': `v1,${hmac('sha256', Buffer.from(key.slice(6), 'base64'), 'base64', `msg_1.${at}.`, body)}`,
      },
    }),
  },
  {
    scheme: 'github',
    options: {},
    secret,
    wrong,
    build: (key, body) => ({ headers: { 'x-hub-signature-256': `sha256=${hmac('sha256', key, 'hex', body)}` } }),
  },
  {
    scheme: 'stripe',
    options: {},
    secret,
    wrong,
    build: (key, body, at) => ({
      headers: { 'stripe-signature': `t=${at},v1=${hmac('sha256', key, 'hex', `${at}.`, body)}` },
    }),
  },
  {
    scheme: 'shopify',
    options: {},
    secret,
    wrong,
    build: (key, body) => ({ headers: { 'x-shopify-hmac-sha256': hmac('sha256', key, 'base64', body) } }),
  },
  {
    scheme: 'slack',
    options: {},
    secret,
    wrong,
    build: (key, body, at) => ({
      headers: {
        'x-slack-request-timestamp': String(at),
        'x-slack-signature': `v0=${hmac('sha256', key, 'hex', `v0:${at}:`, body)}`,
      },
    }),
  },
  {
    scheme: 'square',
    options: {},
    secret,
    wrong,
    build: (key, body) => ({ headers: { 'x-square-hmacsha256-signature': hmac('sha256', key, 'base64', url, body) } }),
  },
  {
    scheme: 'twilio',
    options: {},
    secret,
    wrong,
    build: (key) => ({
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-twilio-signature': hmac('sha1', key, 'base64', url, 'a1b2'),
      },
      body: Buffer.from('b=2&a=1'),
    }),
  },
  {
    scheme: 'hmac',
    options: { timestampHeader: 'X-Time', idHeader: 'X-Id', template: '{id}.{timestamp}.{body}' },
    secret,
    wrong,
    build: (key, body, at) => ({
      headers: { 'x-time': String(at), 'x-id': 'i', 'x-signature': hmac('sha256', key, 'hex', `i.${at}.`, body) },
    }),
  },
  {
    scheme: 'jwt',
    options: { issuer: 'i', audience: 'a' },
    secret,
    wrong,
    build: (key, _body, at) => ({
      headers: {
        authorization: `Bearer ${jsonwebtoken.sign({ iss: 'i', aud: 'a', iat: at, exp: at + 60 }, key, { algorithm: 'HS256' })}`,
      },
    }),
  },
  {
    scheme: 'jws-detached',
    options: { timeParameter: 'iat' },
    secret,
    wrong,
    build: (key, body, at) => {
      const header = Buffer.from(JSON.stringify({ alg: 'HS256', b64: false, iat: at, crit: ['b64', 'iat'] }));
      const head = header.toString('base64url');
      const signature = createHmac('sha256', key).update(`${head}.`).update(body).digest('base64url');
      return { headers: { 'x-jws-signature': `${head}..${signature}` } };
    },
  },
  {
    scheme: 'http-signature',
    options: {},
    secret,
    wrong,
    build: (key, body, at) => {
      const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
      const input = `("@method" "@target-uri" "content-digest");created=${at};keyid="k1"`;
      const base = `"@method": POST\n"@target-uri": ${url}\n"content-digest": ${digest}\n"@signature-params": ${input}`;
      return {
        headers: {
          'content-digest': digest,
          'signature-input': `s=${input}`,
          signature: `s=:${hmac('sha256', key, 'base64', base)}:`,
        },
      };
    },
  },
  { scheme: 'api-key', options: {}, secret, wrong, build: (key) => ({ headers: { 'x-api-key': key } }) },
  {
    scheme: 'basic',
    options: {},
    secret,
    wrong,
    build: (key) => ({ headers: { authorization: `Basic ${Buffer.from(`k1:${key}`).toString('base64')}` } }),
  },
  { scheme: 'odoo', options: {}, secret, wrong, build: (key) => ({ parameters: { token: key } }) },
  {
    scheme: 'client-certificate',
    options: { proxies: '10.0.0.5' },
    secret: certificate,
    wrong: impostor,
    at: Date.parse(new X509Certificate(certificate).validFrom) / 1000 + 86_400,
    build: (key) => ({
      headers: { 'client-cert': `:${new X509Certificate(key).raw.toString('base64')}:` },
      peer: '10.0.0.5',
    }),
  },
  {
    scheme: 'standard-webhooks',
    options: {},
    secret: whpk!,
    wrong: wrongWhpk!,
    build: (key, body, at) => ({
      headers: {
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(at),
        'webhook-signature': `v1a,${ed25519(key, `msg_1.${at}.`, body).toString('base64')}`,
      },
    }),
  },
  {
    scheme: 'jwt',
    options: { issuer: 'i', audience: 'a' },
    secret: edKey!,
    wrong: wrongEdKey!,
    build(key, _body, at) {
      const input = `${part({ alg: 'EdDSA' })}.${part({ iss: 'i', aud: 'a', iat: at, exp: at + 60 })}`;
      return { headers: { authorization: `Bearer ${input}.${ed25519(key, input).toString('base64url')}` } };
    },
  },
  {
    scheme: 'jws-detached',
    options: {},
    secret: edKey!,
    wrong: wrongEdKey!,
    build(key, body) {
      const head = part({ alg: 'Ed25519', b64: false, crit: ['b64'] });
      return { headers: { 'x-jws-signature': `${head}..${ed25519(key, `${head}.`, body).toString('base64url')}` } };
    },
  },
];

const oddTexts = [
  '',
  ' ',
  '\0',
  '\t',
  '\ufeff',
  '\u202e',
  'null',
  '0',
  '-1',
  '1e999',
  'NaN',
  '__proto__',
  'constructor',
  '../..',
  '%00',
  "' OR 1=1 --",
  '%{jndi:ldap}',
  '{{7*7}}',
  '<script>',
  'v1,',
  'v1,=',
  'v1a,AAAA',
  'sha256=',
  't=,v1=',
  'Bearer ',
  'Basic Og==',
  'eyJhbGciOiJub25lIn0.e30.',
  'eyJhbGciOiJub25lIn0..AA',
  'A'.repeat(4096),
  ','.repeat(2000),
  ' '.repeat(2000),
  'v1,A '.repeat(500),
  'ÿ',
  '\u00e9'.repeat(300),
  '1'.repeat(400),
  '=',
  '==',
  '-'.repeat(64),
] as const;

export const oddBodies: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from('{'),
  Buffer.from('{"__proto__":{"a":1}}'),
  Buffer.from('['.repeat(5000)),
  Buffer.from('null'),
  Buffer.from([0xff, 0xfe, 0x00]),
  Buffer.from('{"a":1e999,"a":2}'),
  Buffer.from('"\\ud800"'),
  Buffer.from('a=1&b=2'),
  Buffer.from(`[${'1,'.repeat(20_000)}1]`),
  Buffer.from(`{"${'k'.repeat(5000)}":1}`),
  Buffer.from('%FF%00=&&==&__proto__=1'),
];

/** One byte somewhere in a text, changed. */
function flip(random: Random, text: string): string {
  if (text === '') return 'x';
  const bytes = Buffer.from(text, 'latin1');
  const at = Math.floor(random() * bytes.length);
  bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 7));
  return bytes.toString('latin1');
}

/** Changes that may be made to a request whose signature is wrong anyway. */
export function distort(random: Random, request: HostileRequest): void {
  const names = Object.keys(request.headers);
  for (let changes = Math.floor(random() * 4); changes >= 0; changes--) {
    const name = names.length === 0 ? 'x' : pick(random, names);
    const value = String(request.headers[name] ?? '');
    const how = random();
    if (how < 0.2) request.headers[name] = flip(random, value);
    else if (how < 0.35) request.headers[name] = pick(random, oddTexts);
    else if (how < 0.45) request.headers[name] = [value, value];
    else if (how < 0.5) delete request.headers[name];
    else if (how < 0.6) request.headers[name] = value + pick(random, oddTexts);
    else if (how < 0.7) request.body = pick(random, oddBodies);
    else if (how < 0.75) request.parameters = { token: pick(random, oddTexts) };
    else if (how < 0.8) request.url = `${request.url}?${pick(random, oddTexts)}`;
    else if (how < 0.85) request.method = pick(random, ['', 'get', 'TRACE', 'POST\r\n']);
    else if (how < 0.9) request.peer = pick(random, oddTexts);
    else request.headers['content-type'] = pick(random, ['application/json', 'text/plain', ...oddTexts]);
  }
}

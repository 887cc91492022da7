/**
 * JWT bearer tokens (RFC 6750, RFC 7519, RFC 8725). jsonwebtoken verifies; a strict reader in front of it refuses
 * what it would let through: unknown `crit`, keys that the token brings itself, several spellings of one token, weak
 * keys, tokens that never end.
 */
import { createPublicKey, createSecretKey, createHash, type JsonWebKey, type KeyObject } from 'node:crypto';
import jsonwebtoken, { type Algorithm } from 'jsonwebtoken';
import { Failure, toFailure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import { decodeCanonical, equalBytes } from './encoding.ts';
import { single, verified } from './hmac.ts';
import { currentKey, type Key, prepareKeys, restorePem } from './keys.ts';
import { type Rejected, rejected, type Scheme, type SignedRequest, type Trace, type Verdict } from './scheme.ts';

/** What a key may be used with: an algorithm belongs to a key, never to the token (RFC 8725 section 3.1). */
interface Material {
  key: KeyObject;
  algorithms: readonly Algorithm[];
}

export interface JwtOptions {
  issuer: string;
  audience: string;
  /** Seconds. */
  clockTolerance: number;
  /** Longest life of a token in seconds, from `iat` to `exp`. */
  maxAge: number;
  /** Claim that holds the base64url SHA-256 of the body; empty: the token does not cover the body. */
  bodyClaim: string;
}

const mostBytes = 8_192;
const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const kidPattern = /^[\x21-\x7e]{1,128}$/;
const allowedHeader = new Set(['alg', 'typ', 'kid', 'cty']);
const curveAlgorithms: Record<string, Algorithm> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/** A PEM or JWK public key, or a shared secret of at least 32 bytes (RFC 7518 section 3.2). */
export function readJwtKey(secret: string): { material: Material } | { problem: string } {
  try {
    if (secret.includes('PRIVATE KEY')) return { problem: 'it is a private key, which stays with the sender' };
    if (secret.includes('-----BEGIN ')) return publicKey(createPublicKey(restorePem(secret)));
    if (secret.startsWith('{')) {
      const jwk = JSON.parse(secret) as JsonWebKey;
      if (jwk.kty === 'oct' || jwk.d !== undefined) return { problem: 'a JWK must be a public key' };
      return publicKey(createPublicKey({ key: jwk, format: 'jwk' }), jwk);
    }
  } catch {
    return { problem: 'the public key cannot be read' };
  }
  const bytes = Buffer.from(secret, 'utf8');
  if (bytes.length < 32) return { problem: 'a shared secret for HS256 has at least 32 bytes' };
  const algorithms: Algorithm[] = [
    'HS256',
    ...(bytes.length >= 48 ? (['HS384'] as const) : []),
    ...(bytes.length >= 64 ? (['HS512'] as const) : []),
  ];
  return { material: { key: createSecretKey(bytes), algorithms } };
}

function publicKey(key: KeyObject, jwk: JsonWebKey = {}): { material: Material } | { problem: string } {
  if (jwk.use !== undefined && jwk.use !== 'sig') return { problem: 'the JWK is not for signatures' };
  const algorithms = algorithmsOf(key);
  if (typeof algorithms === 'string') return { problem: algorithms };
  const usable = jwk.alg === undefined ? algorithms : algorithms.filter((algorithm) => algorithm === jwk.alg);
  return usable.length === 0
    ? { problem: 'the algorithm of the JWK does not fit its key' }
    : { material: { key, algorithms: usable } };
}

function algorithmsOf(key: KeyObject): readonly Algorithm[] | string {
  const { modulusLength, namedCurve, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') {
    const algorithm = curveAlgorithms[namedCurve ?? ''];
    return algorithm === undefined ? 'its curve is not P-256, P-384 or P-521' : [algorithm];
  }
  if (key.asymmetricKeyType !== 'rsa') return 'it is neither RSA nor EC';
  if ((modulusLength ?? 0) < 2048 || (publicExponent ?? 0n) < 65537n)
    return 'an RSA key has at least 2048 bits and exponent 65537';
  return ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
}

interface Head {
  alg: string;
  kid: string | undefined;
}

/** The JOSE header, read strictly; undefined when the token is to be refused unseen. */
export function readJwtHead(token: string): Head | undefined {
  if (token.length > mostBytes || !compact.test(token)) return undefined;
  const [head, claims, signature] = token.split('.').map((part) => decodeCanonical(part, 'base64url'));
  if (head === undefined || claims === undefined || signature === undefined) return undefined;
  const header = readObject(head);
  if (header === undefined || readObject(claims) === undefined) return undefined;
  for (const name of Object.keys(header)) if (!allowedHeader.has(name)) return undefined;
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string' || alg.length > 16) return undefined;
  if (kid !== undefined && (typeof kid !== 'string' || !kidPattern.test(kid))) return undefined;
  if (typ !== undefined && (typeof typ !== 'string' || !/^(?:application\/)?(?:jwt|at\+jwt)$/i.test(typ)))
    return undefined;
  return { alg, kid };
}

/** A JSON object without repeated names (RFC 8725 section 2.4). */
function readObject(bytes: Buffer): Record<string, unknown> | undefined {
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) return undefined;
  try {
    const value = parseJson(text, { depth: 8, members: 100 });
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return hasRepeatedName(text) ? undefined : (value as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

/** Looks at the names of the outermost object. The text is well-formed JSON. */
function hasRepeatedName(text: string): boolean {
  const names = new Set<string>();
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/gs)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && token.endsWith(':')) {
      const name = JSON.parse(token.slice(0, -1).trimEnd()) as string;
      if (names.has(name)) return true;
      names.add(name);
    }
  }
  return false;
}

interface Claims {
  exp: number;
  iat: number | undefined;
  sub: string | undefined;
  jti: string | undefined;
  body: unknown;
}

/** jsonwebtoken leaves the types of claims open. */
function readClaims(payload: Record<string, unknown>, bodyClaim: string): Claims | undefined {
  const finite = (value: unknown) =>
    value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0);
  const short = (value: unknown) => value === undefined || (typeof value === 'string' && value.length <= 256);
  const { exp, iat, nbf, sub, jti } = payload;
  if (typeof exp !== 'number' || ![exp, iat, nbf].every(finite) || ![sub, jti].every(short)) return undefined;
  return {
    exp,
    iat: iat as number | undefined,
    sub: sub as string | undefined,
    jti: jti as string | undefined,
    body: bodyClaim === '' ? undefined : payload[bodyClaim],
  };
}

function verifyWith(
  token: string,
  alg: string,
  { material }: Key<Material>,
  options: JwtOptions,
  now: number,
): { payload: Record<string, unknown> } | { error: 'signature' | 'time' | 'claims' } {
  if (!material.algorithms.includes(alg as Algorithm)) return { error: 'signature' };
  try {
    const payload = jsonwebtoken.verify(token, material.key, {
      algorithms: [alg as Algorithm],
      issuer: options.issuer,
      audience: options.audience,
      clockTolerance: options.clockTolerance,
      clockTimestamp: Math.floor(now / 1000),
    });
    return typeof payload === 'string' ? { error: 'claims' } : { payload };
  } catch (error) {
    if (!(error instanceof Error)) throw toFailure(error);
    if (error.name === 'TokenExpiredError' || error.name === 'NotBeforeError') return { error: 'time' };
    return { error: /^jwt (?:issuer|audience)/.test(error.message) ? 'claims' : 'signature' };
  }
}

export function verifyJwt(
  request: SignedRequest,
  keys: readonly Key<Material>[],
  options: JwtOptions,
  now: number,
  trace?: Trace,
): Verdict {
  const sent = single(request, 'authorization', 'authorization header', trace);
  if ('kind' in sent) return sent;
  const match = /^bearer ([\x21-\x7e]+)$/i.exec(sent.value);
  if (match === null) return rejected('malformed', 'authorization header', trace, 'Bearer and a token were expected');
  const token = match[1]!;
  const head = readJwtHead(token);
  if (head === undefined)
    return rejected('malformed', 'token', trace, 'not a plain compact JWS with alg, typ and kid only');
  trace?.('token', true, `alg ${head.alg}${head.kid === undefined ? '' : `, kid ${head.kid}`}`);

  // Without a kid the token may be of any key; with one it must be of that key.
  const candidates = head.kid === undefined ? keys : keys.filter(({ id }) => id === head.kid);
  const results = candidates.map((key) => ({ key, result: verifyWith(token, head.alg, key, options, now) }));
  const proven = results.find(({ result }) => 'payload' in result || result.error !== 'signature');
  if (proven === undefined) return rejected('invalid', 'signature', trace, 'no key fits this token and algorithm');
  trace?.('signature', true, `key ${proven.key.id}`);
  if ('error' in proven.result) {
    return proven.result.error === 'time'
      ? rejected('stale', 'token time', trace, 'expired, or not valid yet')
      : rejected('invalid', 'issuer and audience', trace, 'issuer or audience is another');
  }
  const current = currentKey([proven.key], now, trace);
  if (current.kind === 'rejected') return current;
  return checkClaims(request, proven.result.payload, current.key.id, options, now, token, trace);
}

function checkClaims(
  request: SignedRequest,
  payload: Record<string, unknown>,
  keyId: string,
  { maxAge, clockTolerance, bodyClaim }: JwtOptions,
  now: number,
  token: string,
  trace?: Trace,
): Verdict {
  const refuse = (note: string): Rejected => rejected('invalid', 'claims', trace, note);
  const claims = readClaims(payload, bodyClaim);
  if (claims === undefined) return refuse('exp must be there; exp, iat, nbf are numbers, sub and jti texts');
  const seconds = now / 1000;
  if (claims.iat !== undefined && claims.iat > seconds + clockTolerance)
    return rejected('stale', 'claims', trace, 'iat is in the future');
  if (claims.exp - (claims.iat ?? seconds) > maxAge) return refuse(`the token lives longer than ${maxAge} s`);
  if (bodyClaim !== '') {
    const digest = typeof claims.body === 'string' ? decodeCanonical(claims.body, 'base64url') : undefined;
    if (digest === undefined || !equalBytes(digest, createHash('sha256').update(request.body).digest())) {
      return refuse(`${bodyClaim} is not the SHA-256 of the body`);
    }
  }
  trace?.('claims', true);
  const verdict = verified(
    'jwt',
    keyId,
    claims.jti === undefined ? {} : { id: claims.jti },
    claims.iat === undefined ? undefined : claims.iat * 1000,
    [token, request.method, request.path, request.query, request.body],
  );
  if (verdict.kind === 'verified' && claims.sub !== undefined) verdict.verification.client = claims.sub;
  return verdict;
}

export const jwt: Scheme = {
  id: 'jwt',
  timed: true,
  challenge: 'Bearer',
  secretPlaces: () => ({ headers: ['authorization'] }),
  prepare(entries, options) {
    const issuer = String(options.issuer ?? '').trim();
    const audience = String(options.audience ?? '').trim();
    if (issuer === '' || audience === '') {
      throw new Failure(
        'configuration',
        'SCHEME_OPTION_INVALID',
        'Issuer and audience must be set: without them a token made for another system would be taken.',
      );
    }
    const keys = prepareKeys(entries, readJwtKey);
    const settings: JwtOptions = {
      issuer,
      audience,
      clockTolerance: Math.min(Math.max(Number(options.clockTolerance ?? 30) || 0, 0), 60),
      maxAge: Math.max(Number(options.maxAge ?? 3600) || 3600, 1),
      bodyClaim: String(options.bodyClaim ?? '').trim(),
    };
    return (request, now, trace) => verifyJwt(request, keys, settings, now, trace);
  },
};

/**
 * JWT bearer tokens (RFC 6750, RFC 7519, RFC 8725). jsonwebtoken verifies; a strict reader in front of it refuses
 * what it would let through: unknown `crit`, keys that the token brings itself, several spellings of one token, weak
 * keys, tokens that never end. It does not know Ed25519, so those tokens are verified here.
 */
import { createHash } from 'node:crypto';
import jsonwebtoken, { type Algorithm } from 'jsonwebtoken';
import { Failure, toFailure } from '../../kernel/failure.ts';
import { decodeCanonical, equalBytes } from './encoding.ts';
import { plainId, single, verified } from './hmac.ts';
import {
  isEdwards,
  isSignatureOf,
  type JoseAlgorithm,
  type JoseHead,
  type Material,
  readJoseHead,
  readJsonObject,
} from './jose.ts';
import { JoseKeys } from './jose-keys.ts';
import { currentKey, type Key } from './keys.ts';
import { type Rejected, rejected, type Scheme, type SignedRequest, type Trace, type Verdict } from './scheme.ts';

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
const headerNames = new Set(['alg', 'typ', 'kid', 'cty']);
const typPattern = /^(?:application\/)?(?:jwt|at\+jwt)$/i;

/** The JOSE header, read strictly; undefined when the token is to be refused unseen. */
export function readJwtHead(token: string): JoseHead | undefined {
  if (token.length > mostBytes || !compact.test(token)) return undefined;
  const [head, claims, signature] = token.split('.').map((part) => decodeCanonical(part, 'base64url'));
  if (head === undefined || claims === undefined || signature === undefined) return undefined;
  return readJsonObject(claims) === undefined ? undefined : readJoseHead(head, headerNames, typPattern);
}

const bearer = /^bearer ([\x21-\x7e]+)$/i;

/** The kid of a bearer token that is worth fetching keys for. */
function kidOf(request: SignedRequest): { kid: string | undefined } | undefined {
  const sent = request.headers.one('authorization');
  const token = typeof sent === 'string' ? bearer.exec(sent)?.[1] : undefined;
  return token === undefined ? undefined : readJwtHead(token);
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
  const plain = (value: unknown) => value === undefined || (typeof value === 'string' && plainId.test(value));
  const { exp, iat, nbf, sub, jti } = payload;
  if (typeof exp !== 'number' || ![exp, iat, nbf].every(finite) || !short(sub) || !plain(jti)) return undefined;
  return {
    exp,
    iat: iat as number | undefined,
    sub: sub as string | undefined,
    jti: jti as string | undefined,
    body: bodyClaim === '' ? undefined : payload[bodyClaim],
  };
}

type Opened = { payload: Record<string, unknown> } | { error: 'signature' | 'time' | 'claims' };

function verifyWith(token: string, alg: string, { material }: Key<Material>, options: JwtOptions, now: number): Opened {
  if (!material.algorithms.includes(alg as JoseAlgorithm)) return { error: 'signature' };
  if (isEdwards(alg)) return openEdwards(token, alg, material, options, Math.floor(now / 1000));
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

/** As jsonwebtoken does it, in its order: signature, `nbf`, `exp`, audience, issuer. @param now seconds */
function openEdwards(
  token: string,
  alg: string,
  material: Material,
  { issuer, audience, clockTolerance }: JwtOptions,
  now: number,
): Opened {
  const dot = token.lastIndexOf('.');
  const signed = token.slice(0, dot);
  const signature = Buffer.from(token.slice(dot + 1), 'base64url');
  if (!isSignatureOf(material, alg, [Buffer.from(signed)], signature)) return { error: 'signature' };
  const claims = Buffer.from(signed.slice(signed.indexOf('.') + 1), 'base64url').toString();
  const payload = JSON.parse(claims) as Record<string, unknown>;
  const { nbf, exp, aud, iss } = payload;
  if (![nbf, exp].every((time) => time === undefined || typeof time === 'number')) return { error: 'signature' };
  if (typeof nbf === 'number' && nbf > now + clockTolerance) return { error: 'time' };
  if (typeof exp === 'number' && now >= exp + clockTolerance) return { error: 'time' };
  const isMeant = [aud].flat().includes(audience) && iss === issuer;
  return isMeant ? { payload } : { error: 'claims' };
}

export function verifyJwt(
  request: SignedRequest,
  keys: JoseKeys,
  options: JwtOptions,
  now: number,
  trace?: Trace,
): Verdict {
  const sent = single(request, 'authorization', 'authorization header', trace);
  if ('kind' in sent) return sent;
  const match = bearer.exec(sent.value);
  if (match === null) return rejected('malformed', 'authorization header', trace, 'Bearer and a token were expected');
  const token = match[1]!;
  const head = readJwtHead(token);
  if (head === undefined)
    return rejected('malformed', 'token', trace, 'not a plain compact JWS with alg, typ and kid only');
  trace?.('token', true, `alg ${head.alg}${head.kid === undefined ? '' : `, kid ${head.kid}`}`);

  const candidates = keys.candidates(head.kid, trace);
  if ('kind' in candidates) return candidates;
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
  if (claims === undefined) return refuse('exp must be there; exp, iat, nbf are numbers, sub a text, jti a plain id');
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
  keyPerSender: true,
  secretPlaces: () => ({ headers: ['authorization'] }),
  prepare(entries, options, host) {
    const issuer = String(options.issuer ?? '').trim();
    const audience = String(options.audience ?? '').trim();
    if (issuer === '' || audience === '') {
      throw new Failure(
        'configuration',
        'SCHEME_OPTION_INVALID',
        'Issuer and audience must be set: without them a token made for another system would be taken.',
      );
    }
    const keys = new JoseKeys(entries, options, issuer, host);
    const settings: JwtOptions = {
      issuer,
      audience,
      clockTolerance: Math.min(Math.max(Number(options.clockTolerance ?? 30) || 0, 0), 60),
      maxAge: Math.max(Number(options.maxAge ?? 3600) || 3600, 1),
      bodyClaim: String(options.bodyClaim ?? '').trim(),
    };
    return Object.assign(
      (request: SignedRequest, now: number, trace?: Trace) => verifyJwt(request, keys, settings, now, trace),
      {
        ready(request: SignedRequest | undefined) {
          const asked = request === undefined ? { kid: undefined } : kidOf(request);
          return asked === undefined ? undefined : keys.ready(asked.kid);
        },
      },
    );
  },
};

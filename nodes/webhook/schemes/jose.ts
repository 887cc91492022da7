/**
 * What JWT and detached JWS share: keys, the protected header read strictly, and signatures (RFC 7515, RFC 7518; for
 * Ed25519 RFC 8037 and RFC 9864).
 */
import {
  constants,
  createHmac,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
  verify as verifySignature,
} from 'node:crypto';
import type { Algorithm } from 'jsonwebtoken';
import { parseJson } from '../../kernel/json.ts';
import { ed25519Problem } from './ed25519.ts';
import { decodeCanonical, equalBytes } from './encoding.ts';
import { restorePem } from './keys.ts';

/** `EdDSA` and its newer name `Ed25519` (RFC 9864) are the same signature here, since no other curve is taken. */
export type EdwardsAlgorithm = 'EdDSA' | 'Ed25519';
export type JoseAlgorithm = Algorithm | EdwardsAlgorithm;

const edwards: readonly EdwardsAlgorithm[] = ['EdDSA', 'Ed25519'];
export const isEdwards = (algorithm: string): algorithm is EdwardsAlgorithm =>
  (edwards as readonly string[]).includes(algorithm);

/** What a key may be used with: an algorithm belongs to a key, never to the token (RFC 8725 section 3.1). */
export interface Material {
  key: KeyObject;
  algorithms: readonly JoseAlgorithm[];
}

type KeyReading = { material: Material } | { problem: string };

const curveAlgorithms: Record<string, Algorithm> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/** A PEM or JWK public key, or a shared secret of at least 32 bytes (RFC 7518 section 3.2), as text or as JWK. */
export function readJoseKey(secret: string): KeyReading {
  try {
    if (secret.includes('PRIVATE KEY')) return { problem: 'it is a private key, which stays with the sender' };
    if (secret.includes('-----BEGIN ')) return publicKey(createPublicKey(restorePem(secret)));
    if (secret.startsWith('{')) {
      const jwk = JSON.parse(secret) as Record<string, unknown>;
      if (jwk.kty !== 'oct') return readPublicJwk(jwk);
      const bytes = decodeCanonical(String(jwk.k), 'base64url');
      return bytes === undefined ? { problem: 'its k is not base64url' } : sharedSecret(bytes);
    }
  } catch {
    return { problem: 'the public key cannot be read' };
  }
  return sharedSecret(Buffer.from(secret, 'utf8'));
}

function sharedSecret(bytes: Buffer): KeyReading {
  if (bytes.length < 32) return { problem: 'a shared secret for HS256 has at least 32 bytes' };
  const algorithms: Algorithm[] = [
    'HS256',
    ...(bytes.length >= 48 ? (['HS384'] as const) : []),
    ...(bytes.length >= 64 ? (['HS512'] as const) : []),
  ];
  return { material: { key: createSecretKey(bytes), algorithms } };
}

/** Of a JWK only what makes the public key is used; it must be meant for verifying (RFC 7517 section 4). */
export function readPublicJwk(jwk: Readonly<Record<string, unknown>>): KeyReading {
  if (jwk.d !== undefined || jwk.k !== undefined) return { problem: 'a JWK must be a public key' };
  if (jwk.use !== undefined && jwk.use !== 'sig') return { problem: 'the JWK is not for signatures' };
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify')))
    return { problem: 'the JWK is not for verifying' };
  const { kty, n, e, crv, x, y } = jwk;
  const parts = kty === 'RSA' ? { kty, n, e } : kty === 'OKP' ? { kty, crv, x } : { kty, crv, x, y };
  try {
    return publicKey(createPublicKey({ key: parts as JsonWebKey, format: 'jwk' }), jwk.alg);
  } catch {
    return { problem: 'the public key cannot be read' };
  }
}

function publicKey(key: KeyObject, alg?: unknown): KeyReading {
  const algorithms = algorithmsOf(key);
  if (typeof algorithms === 'string') return { problem: algorithms };
  const fits = (algorithm: JoseAlgorithm): boolean =>
    algorithm === alg || (isEdwards(algorithm) && typeof alg === 'string' && isEdwards(alg));
  const usable = alg === undefined ? algorithms : algorithms.filter(fits);
  return usable.length === 0
    ? { problem: 'the algorithm of the JWK does not fit its key' }
    : { material: { key, algorithms: usable } };
}

function algorithmsOf(key: KeyObject): readonly JoseAlgorithm[] | string {
  const { modulusLength, namedCurve, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') {
    const algorithm = curveAlgorithms[namedCurve ?? ''];
    return algorithm === undefined ? 'its curve is not P-256, P-384 or P-521' : [algorithm];
  }
  if (key.asymmetricKeyType === 'ed25519') return ed25519Problem(key) ?? edwards;
  if (key.asymmetricKeyType !== 'rsa') return 'it is none of RSA, EC and Ed25519';
  if ((modulusLength ?? 0) < 2048 || (publicExponent ?? 0n) < 65537n)
    return 'an RSA key has at least 2048 bits and exponent 65537';
  return ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
}

export interface JoseHead {
  alg: string;
  kid: string | undefined;
  header: Readonly<Record<string, unknown>>;
}

const kidPattern = /^[\x21-\x7e]{1,128}$/;

/**
 * A protected header that names an algorithm and at most a key; keys and addresses of keys that it brings itself
 * (`jwk`, `jku`, `x5u`, `x5c`) are among what is not allowed. Undefined when it is to be refused unseen.
 *
 * @param allowed names that may be in it
 */
export function readJoseHead(bytes: Buffer, allowed: ReadonlySet<string>, typ: RegExp): JoseHead | undefined {
  const header = readJsonObject(bytes);
  if (header === undefined) return undefined;
  for (const name of Object.keys(header)) if (!allowed.has(name)) return undefined;
  const { alg, kid } = header;
  if (typeof alg !== 'string' || alg.length > 16) return undefined;
  if (kid !== undefined && (typeof kid !== 'string' || !kidPattern.test(kid))) return undefined;
  if (header.typ !== undefined && (typeof header.typ !== 'string' || !typ.test(header.typ))) return undefined;
  return { alg, kid, header };
}

/** A JSON object without repeated names (RFC 8725 section 2.4). */
export function readJsonObject(bytes: Buffer): Record<string, unknown> | undefined {
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

/** Whether the signature is of these bytes by this key (RFC 7518 section 3, RFC 8037 section 3.1). */
export function isSignatureOf(
  { key, algorithms }: Material,
  alg: string,
  content: readonly Buffer[],
  signature: Buffer,
): boolean {
  if (!algorithms.includes(alg as JoseAlgorithm)) return false;
  const data = () => (content.length === 1 ? content[0]! : Buffer.concat(content));
  if (isEdwards(alg)) return signature.length === 64 && verifySignature(null, data(), key, signature);
  const digest = `sha${alg.slice(2)}`;
  if (alg.startsWith('HS')) {
    const mac = createHmac(digest, key);
    for (const part of content) mac.update(part);
    return equalBytes(mac.digest(), signature);
  }
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const how = alg.startsWith('ES') ? { dsaEncoding: 'ieee-p1363' as const } : alg.startsWith('PS') ? pss : {};
  try {
    return verifySignature(digest, data(), { key, ...how }, signature);
  } catch {
    return false;
  }
}

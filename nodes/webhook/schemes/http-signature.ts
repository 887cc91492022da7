/**
 * HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530). Libraries check the signature over what the
 * sender chose to cover; here the method, the path and the body's digest must be covered, the digest is computed
 * again, and `created` bounds the age.
 */
import {
  createHash,
  createHmac,
  createPublicKey,
  type KeyObject,
  verify as verifySignature,
  constants,
} from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import { ed25519Problem } from './ed25519.ts';
import { decodeCanonical, equalBytes } from './encoding.ts';
import { checkTime, toleranceOf, verified } from './hmac.ts';
import { currentKey, type Key, prepareKeys, restorePem, shortestSecret } from './keys.ts';
import {
  mostSignatures,
  rejected,
  type Rejected,
  type Scheme,
  type SignedRequest,
  type Trace,
  type Verdict,
} from './scheme.ts';

/** RFC 9421 section 3.3. */
type Algorithm =
  | 'hmac-sha256'
  | 'ed25519'
  | 'ecdsa-p256-sha256'
  | 'ecdsa-p384-sha384'
  | 'rsa-pss-sha512'
  | 'rsa-v1_5-sha256';

type Material = { algorithms: readonly Algorithm[]; secret?: Buffer; publicKey?: KeyObject };

export interface HttpSignatureOptions {
  /** Components that a signature must cover. */
  covered: readonly string[];
  /** Milliseconds. */
  tolerance: number;
}

/** A PEM public key; else a shared secret as written, or in base64 after `base64:`. */
export function readHttpSignatureKey(secret: string): { material: Material } | { problem: string } {
  if (!secret.includes('-----BEGIN ')) {
    const bytes = secret.startsWith('base64:') ? decodeCanonical(secret.slice(7), 'base64') : Buffer.from(secret);
    return bytes === undefined || bytes.length < shortestSecret
      ? { problem: `a shared secret has at least ${shortestSecret} bytes` }
      : { material: { algorithms: ['hmac-sha256'], secret: bytes } };
  }
  if (secret.includes('PRIVATE KEY')) return { problem: 'it is a private key, which stays with the sender' };
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey(restorePem(secret));
  } catch {
    return { problem: 'the public key cannot be read' };
  }
  const problem = publicKey.asymmetricKeyType === 'ed25519' ? ed25519Problem(publicKey) : undefined;
  if (problem !== undefined) return { problem };
  const { modulusLength, namedCurve } = publicKey.asymmetricKeyDetails ?? {};
  const algorithms: Record<string, readonly Algorithm[]> = {
    ed25519: ['ed25519'],
    rsa: (modulusLength ?? 0) >= 2048 ? ['rsa-pss-sha512', 'rsa-v1_5-sha256'] : [],
    'rsa-pss': (modulusLength ?? 0) >= 2048 ? ['rsa-pss-sha512'] : [],
    ec: namedCurve === 'prime256v1' ? ['ecdsa-p256-sha256'] : namedCurve === 'secp384r1' ? ['ecdsa-p384-sha384'] : [],
  };
  const usable = algorithms[publicKey.asymmetricKeyType ?? ''] ?? [];
  return usable.length === 0
    ? { problem: 'it is none of Ed25519, P-256, P-384 and RSA from 2048 bits' }
    : { material: { algorithms: usable, publicKey } };
}

function signatureFits(
  algorithm: Algorithm,
  { secret, publicKey }: Material,
  base: Buffer,
  signature: Buffer,
): boolean {
  if (algorithm === 'hmac-sha256') {
    return secret !== undefined && equalBytes(createHmac('sha256', secret).update(base).digest(), signature);
  }
  if (publicKey === undefined) return false;
  switch (algorithm) {
    case 'ed25519':
      return signature.length === 64 && verifySignature(null, base, publicKey, signature);
    case 'ecdsa-p256-sha256':
      return verifySignature('sha256', base, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
    case 'ecdsa-p384-sha384':
      return verifySignature('sha384', base, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
    case 'rsa-pss-sha512':
      return verifySignature(
        'sha512',
        base,
        { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 },
        signature,
      );
    case 'rsa-v1_5-sha256':
      return verifySignature('sha256', base, { key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature);
  }
}

/** One signature of a message, read from `Signature-Input` and `Signature`. */
export interface MessageSignature {
  label: string;
  components: readonly string[];
  /** As written, which is also how it is signed: only the canonical form is read. */
  parameters: string;
  created: number | undefined;
  expires: number | undefined;
  keyid: string | undefined;
  alg: string | undefined;
  nonce: string | undefined;
  signature: Buffer;
}

const key = '[a-z*][a-z0-9_.*-]{0,63}';
const text = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]){0,512}"';
const list = `\\((?:"[a-z0-9@_-]{1,64}"(?: "[a-z0-9@_-]{1,64}"){0,31})?\\)`;
const parameter = `;(?:created|expires)=(?:0|[1-9]\\d{0,11})|;(?:keyid|alg|nonce|tag)=${text}`;
const inputMember = new RegExp(`^(${key})=((${list})((?:${parameter}){0,6}))$`);
const signatureMember = new RegExp(`^(${key})=:([A-Za-z0-9+/=]{1,1400}):$`);
const digestMember = /^(sha-256|sha-512|[a-z0-9-]{1,32})=:([A-Za-z0-9+/=]{1,200}):$/;

/** Members of a dictionary (RFC 8941 section 3.2) over all its lines; a comma inside quotes does not part them. */
function members(lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.match(/(?:"[^"]*"|[^,"])+/g) ?? []).map((member) => member.trim());
}

/** Strict: unknown parameters, parameters of components, and anything not in its canonical form are refused. */
export function readMessageSignatures(request: SignedRequest): MessageSignature[] | undefined {
  const inputs = new Map<string, RegExpExecArray>();
  for (const member of members(request.headers.all('signature-input'))) {
    const match = inputMember.exec(member);
    if (match === null || inputs.has(match[1]!)) return undefined;
    inputs.set(match[1]!, match);
  }
  const found: MessageSignature[] = [];
  for (const member of members(request.headers.all('signature'))) {
    const match = signatureMember.exec(member);
    const input = match === null ? undefined : inputs.get(match[1]!);
    const signature = match === null ? undefined : decodeCanonical(match[2]!, 'base64');
    if (input === undefined || signature === undefined) return undefined;
    inputs.delete(match![1]!);
    const components = [...input[3]!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!);
    const parameters = new Map<string, string>();
    for (const [, name, value] of input[4]!.matchAll(/;([a-z]+)=("[^"]*"|\d+)/g)) {
      if (parameters.has(name!)) return undefined;
      parameters.set(name!, value!.replaceAll('"', ''));
    }
    if (new Set(components).size !== components.length) return undefined;
    const seconds = (name: string) => (parameters.has(name) ? Number(parameters.get(name)) * 1000 : undefined);
    found.push({
      label: input[1]!,
      components,
      parameters: input[2]!,
      created: seconds('created'),
      expires: seconds('expires'),
      keyid: parameters.get('keyid'),
      alg: parameters.get('alg'),
      nonce: parameters.get('nonce'),
      signature,
    });
  }
  return inputs.size > 0 || found.length > mostSignatures ? undefined : found;
}

/** RFC 9421 section 2.2, derived components. */
const derived: Record<string, ((request: SignedRequest) => string | undefined) | undefined> = {
  '@method': ({ method }) => method,
  '@target-uri': ({ url }) => url,
  '@authority': ({ url }) => (URL.canParse(url) ? new URL(url).host : undefined),
  '@scheme': ({ url }) => (URL.canParse(url) ? new URL(url).protocol.slice(0, -1) : undefined),
  '@request-target': ({ path, query }) => (query === '' ? path : `${path}?${query}`),
  '@path': ({ path }) => (path === '' ? '/' : path),
  '@query': ({ query }) => `?${query}`,
};

function componentValue(request: SignedRequest, name: string): string | undefined {
  if (name.startsWith('@')) return derived[name]?.(request);
  const values = request.headers.all(name);
  return values.length === 0 ? undefined : values.map((value) => value.trim()).join(', ');
}

/** RFC 9421 section 2.5. Undefined when a covered component is not in the message. */
export function signatureBase(
  request: SignedRequest,
  { components, parameters }: MessageSignature,
): Buffer | undefined {
  const lines: string[] = [];
  for (const name of components) {
    const value = componentValue(request, name);
    if (value === undefined || /[\r\n]/.test(value)) return undefined;
    lines.push(`"${name}": ${value}`);
  }
  // Header values are bytes that Node.js shows as Latin-1.
  return Buffer.from([...lines, `"@signature-params": ${parameters}`].join('\n'), 'latin1');
}

/** RFC 9530: every digest that is given must be right, and one of them must be strong. */
function digestFits(request: SignedRequest): boolean {
  let strong = false;
  for (const member of members(request.headers.all('content-digest'))) {
    const match = digestMember.exec(member);
    const digest = match === null ? undefined : decodeCanonical(match[2]!, 'base64');
    if (match === null || digest === undefined) return false;
    const algorithm = { 'sha-256': 'sha256', 'sha-512': 'sha512' }[match[1]!];
    if (algorithm === undefined) continue;
    if (!equalBytes(digest, createHash(algorithm).update(request.body).digest())) return false;
    strong = true;
  }
  return strong;
}

/** Covers the path, directly or within a wider component. */
const widened: Record<string, readonly string[]> = {
  '@path': ['@path', '@target-uri', '@request-target'],
  '@query': ['@query', '@target-uri', '@request-target'],
  '@authority': ['@authority', '@target-uri', 'host'],
};

function coverage(request: SignedRequest, signature: MessageSignature, covered: readonly string[]): string[] {
  const needed = new Set(covered);
  // What is there must be covered, or it could be added or changed on the way.
  if (request.body.length > 0) needed.add('content-digest');
  else needed.delete('content-digest');
  if (request.query !== '' && needed.has('@path')) needed.add('@query');
  return [...needed].filter(
    (name) => !(widened[name] ?? [name]).some((choice) => signature.components.includes(choice)),
  );
}

function verifyOne(
  request: SignedRequest,
  signature: MessageSignature,
  keys: readonly Key<Material>[],
  options: HttpSignatureOptions,
  now: number,
  trace?: Trace,
): Verdict {
  const missing = coverage(request, signature, options.covered);
  if (missing.length > 0) return rejected('malformed', 'coverage', trace, `${missing.join(', ')} must be covered`);
  trace?.('coverage', true, signature.components.join(', '));
  if (signature.created === undefined) return rejected('malformed', 'created', trace, 'the signature has no created');
  const base = signatureBase(request, signature);
  if (base === undefined)
    return rejected('malformed', 'signature base', trace, 'a covered component is not in the request');

  const candidates = signature.keyid === undefined ? keys : keys.filter(({ id }) => id === signature.keyid);
  const matching = candidates.filter(({ material }) =>
    material.algorithms
      .filter((algorithm, index) => (signature.alg === undefined ? index === 0 : algorithm === signature.alg))
      .some((algorithm) => signatureFits(algorithm, material, base, signature.signature)),
  );
  if (matching.length === 0) return rejected('invalid', 'signature', trace, 'no key gives this signature');
  trace?.('signature', true, `label ${signature.label}`);
  // The digest of an empty body too: else a body could be taken away on the way.
  if (signature.components.includes('content-digest') && !digestFits(request)) {
    return rejected('invalid', 'content-digest', trace, 'the body has another digest');
  }
  const current = currentKey(matching, now, trace);
  if (current.kind === 'rejected') return current;
  const stale = checkTime(signature.created, options.tolerance, now, trace);
  if (stale !== undefined) return stale;
  if (signature.expires !== undefined && now > signature.expires)
    return rejected('stale', 'expires', trace, 'the signature has expired');
  const id = signature.nonce === undefined || signature.nonce === '' ? {} : { id: signature.nonce };
  return verified('http-signature', current.key.id, id, signature.created, [base]);
}

export function verifyHttpSignature(
  request: SignedRequest,
  keys: readonly Key<Material>[],
  options: HttpSignatureOptions,
  now: number,
  trace?: Trace,
): Verdict {
  if (request.headers.all('signature').length === 0 || request.headers.all('signature-input').length === 0) {
    return rejected('missing', 'signature header', trace, 'Signature and Signature-Input are needed');
  }
  const signatures = readMessageSignatures(request);
  if (signatures === undefined || signatures.length === 0) {
    return rejected(
      'malformed',
      'signature header',
      trace,
      'Signature-Input or Signature is not in its canonical form',
    );
  }
  trace?.('signature header', true, signatures.map(({ label }) => label).join(', '));
  let refusal: Rejected | undefined;
  for (const signature of signatures) {
    const verdict = verifyOne(request, signature, keys, options, now, trace);
    if (verdict.kind === 'verified') return verdict;
    refusal ??= verdict;
  }
  return refusal!;
}

export const httpSignature: Scheme = {
  id: 'http-signature',
  timed: true,
  challenge: 'Signature',
  keyPerSender: true,
  prepare(entries, options) {
    const extra = String(options.components ?? '')
      .split(/[\s,]+/)
      .filter((name) => name !== '');
    if (extra.some((name) => (name.startsWith('@') ? derived[name] === undefined : !/^[a-z0-9_-]{1,64}$/.test(name)))) {
      throw new Failure(
        'configuration',
        'SCHEME_OPTION_INVALID',
        'Covered components are header names in lower case and derived components like @authority.',
      );
    }
    const keys = prepareKeys(entries, readHttpSignatureKey);
    const settings: HttpSignatureOptions = {
      covered: [...new Set(['@method', '@path', 'content-digest', ...extra])],
      tolerance: toleranceOf(options),
    };
    return (request, now, trace) => verifyHttpSignature(request, keys, settings, now, trace);
  },
};

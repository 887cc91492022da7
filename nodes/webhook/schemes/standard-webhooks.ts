/**
 * Standard Webhooks 1.0.0: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `id.timestamp.body`. Stricter than the
 * reference libraries: bytes instead of decoded text, ids without ".", digits-only time, secrets of 24 to 64 bytes.
 * `svix-` headers carry the same scheme; one endpoint takes one family.
 */
import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto';
import { ed25519Problem } from './ed25519.ts';
import { decodeCanonical, parseUnixSeconds } from './encoding.ts';
import { several } from './headers.ts';
import { checkTime, matchingKeys, single, toleranceOf, verified } from './hmac.ts';
import { currentKey, type Key, prepareKeys } from './keys.ts';
import {
  mostSignatures,
  type Rejected,
  rejected,
  type Scheme,
  type SignedRequest,
  type Trace,
  type Verdict,
} from './scheme.ts';

type Material = { kind: 'symmetric'; secret: Buffer } | { kind: 'public'; key: KeyObject };

export interface StandardWebhooksOptions {
  /** `webhook` or `svix`: the beginning of the header names. */
  prefix: string;
  /** Milliseconds. */
  tolerance: number;
}

/** The specification allows no "." in an id, because it separates what is signed. */
const idPattern = /^[A-Za-z0-9_-]{1,256}$/;
const signaturePattern = /^(v1a?),([A-Za-z0-9+/=]{1,256})$/;
/** DER prefix of an Ed25519 SubjectPublicKeyInfo (RFC 8410 section 4). */
const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex');

/** `whsec_` and `whpk_` keys as the specification writes them; without a prefix it is a symmetric secret. */
export function readStandardKey(secret: string): { material: Material } | { problem: string } {
  if (secret.startsWith('whsk_')) return { problem: 'it is a private key (whsk_), which stays with the sender' };
  if (secret.startsWith('whpk_')) {
    const raw = decodeCanonical(secret.slice(5), 'base64');
    if (raw?.length !== 32) return { problem: 'after whpk_ there must be 32 bytes in base64' };
    const key = createPublicKey({ key: Buffer.concat([ed25519Prefix, raw]), format: 'der', type: 'spki' });
    const problem = ed25519Problem(key);
    return problem === undefined ? { material: { kind: 'public', key } } : { problem };
  }
  const bytes = decodeCanonical(secret.startsWith('whsec_') ? secret.slice(6) : secret, 'base64');
  if (bytes === undefined || bytes.length < 24 || bytes.length > 64) {
    return { problem: 'it must be whsec_ and 24 to 64 bytes in base64' };
  }
  return { material: { kind: 'symmetric', secret: bytes } };
}

interface SignedHead {
  id: string;
  timestamp: string;
  at: number;
  v1: Buffer[];
  v1a: Buffer[];
}

function readHead(request: SignedRequest, prefix: string, trace?: Trace): SignedHead | Rejected {
  const id = single(request, `${prefix}-id`, 'id', trace);
  if ('kind' in id) return id;
  if (!idPattern.test(id.value)) return rejected('malformed', 'id', trace, 'letters, digits, _ and - only');
  trace?.('id', true, id.value);
  const timestamp = single(request, `${prefix}-timestamp`, 'timestamp', trace);
  if ('kind' in timestamp) return timestamp;
  const at = parseUnixSeconds(timestamp.value);
  if (at === undefined) return rejected('malformed', 'timestamp', trace, 'Unix seconds in plain digits');
  trace?.('timestamp', true, new Date(at).toISOString());

  const header = single(request, `${prefix}-signature`, 'signature header', trace);
  if ('kind' in header) return header;
  const signatures = header.value.split(' ');
  if (signatures.length > mostSignatures) {
    return rejected('malformed', 'signature header', trace, `more than ${mostSignatures} signatures`);
  }
  const found: SignedHead = { id: id.value, timestamp: timestamp.value, at, v1: [], v1a: [] };
  for (const one of signatures) {
    const match = signaturePattern.exec(one);
    // Versions to come are skipped, as the specification asks; a known version must be well-formed.
    if (match === null) {
      if (/^v(?!1a?,)[a-z0-9]{1,8},[\x21-\x7e]{1,512}$/.test(one)) continue;
      return rejected('malformed', 'signature header', trace, 'a list of v1,<base64> was expected');
    }
    const bytes = decodeCanonical(match[2]!, 'base64');
    if (bytes === undefined) return rejected('malformed', 'signature header', trace, 'a signature is not plain base64');
    found[match[1] as 'v1' | 'v1a'].push(bytes);
  }
  trace?.('signature header', true, `${found.v1.length} × v1, ${found.v1a.length} × v1a`);
  return found;
}

/** Standard Webhooks specification, "Signature scheme". Every pair of key and signature is tried. */
export function verifyStandardWebhook(
  request: SignedRequest,
  keys: readonly Key<Material>[],
  { prefix, tolerance }: StandardWebhooksOptions,
  now: number,
  trace?: Trace,
): Verdict {
  const head = readHead(request, prefix, trace);
  if ('kind' in head) return head;
  const content = [`${head.id}.${head.timestamp}.`, request.body];
  const symmetric: Key<Buffer>[] = [];
  const matching: Key<unknown>[] = [];
  let whole: Buffer | undefined;
  for (const key of keys) {
    if (key.material.kind === 'symmetric') {
      symmetric.push({ ...key, material: key.material.secret });
      continue;
    }
    for (const signature of head.v1a) {
      whole ??= Buffer.concat([Buffer.from(content[0] as string), request.body]);
      if (signature.length === 64 && verifySignature(null, whole, key.material.key, signature)) matching.push(key);
    }
  }
  matching.push(...matchingKeys('sha256', content, symmetric, head.v1));
  if (matching.length === 0) return rejected('invalid', 'signature', trace, 'no key gives one of these signatures');
  trace?.('signature', true);
  const current = currentKey(matching, now, trace);
  if (current.kind === 'rejected') return current;
  const stale = checkTime(head.at, tolerance, now, trace);
  if (stale !== undefined) return stale;
  return verified('standard-webhooks', current.key.id, head, head.at, content);
}

/** True when the request carries the other family's headers too, which may contradict what was verified. */
function mixed(request: SignedRequest, prefix: string): boolean {
  const other = prefix === 'svix' ? 'webhook' : 'svix';
  const value = request.headers.one(`${other}-signature`);
  return value === several || value !== undefined;
}

export const standardWebhooks: Scheme = {
  id: 'standard-webhooks',
  timed: true,
  challenge: 'Webhook-Signature scheme="standard-webhooks"',
  prepare(entries, options) {
    const keys = prepareKeys(entries, readStandardKey);
    const settings: StandardWebhooksOptions = {
      prefix: options.headerPrefix === 'svix' ? 'svix' : 'webhook',
      tolerance: toleranceOf(options),
    };
    return (request, now, trace) =>
      mixed(request, settings.prefix)
        ? rejected('ambiguous', 'signature header', trace, 'both webhook- and svix- headers are there')
        : verifyStandardWebhook(request, keys, settings, now, trace);
  },
};

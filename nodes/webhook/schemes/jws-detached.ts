/**
 * A detached JWS over the exact body (RFC 7515 appendix F): the header field holds `header..signature`, the payload is
 * the body, in base64url or, with `b64: false` (RFC 7797), as it is.
 *
 * The signature covers the body and its own protected header, not method and path. It has a time only where sender
 * and receiver agreed on a header parameter for it (`iat`, or a name like `http://openbanking.org.uk/iat`).
 */
import { decodeCanonical } from './encoding.ts';
import { checkTime, single, toleranceOf, verified } from './hmac.ts';
import { isSignatureOf, type JoseHead, readJoseHead } from './jose.ts';
import { JoseKeys } from './jose-keys.ts';
import { currentKey } from './keys.ts';
import { rejected, type Scheme, type SignedRequest, type Trace, type Verdict } from './scheme.ts';

interface DetachedOptions {
  /** Header field that holds the signature. */
  header: string;
  /** Protected header parameter with Unix seconds; empty: none. */
  timeParameter: string;
  /** Milliseconds. */
  tolerance: number;
}

interface Detached extends JoseHead {
  /** As sent. */
  protected: string;
  signature: Buffer;
  /** False: the payload is signed as it is. */
  encoded: boolean;
  /** Milliseconds. */
  at: number | undefined;
}

const mostBytes = 8_192;
const detached = /^([A-Za-z0-9_-]+)\.\.([A-Za-z0-9_-]+)$/;
/** A JWT must not pass for a detached signature of its own claims. */
const typPattern = /^(?:application\/)?jose$/i;

/** @returns undefined when it is not a detached JWS, or has a parameter that is not understood */
function readDetached(value: string, timeParameter: string): Detached | undefined {
  const match = value.length > mostBytes ? null : detached.exec(value);
  const head = decodeCanonical(match?.[1] ?? '', 'base64url');
  const signature = decodeCanonical(match?.[2] ?? '', 'base64url');
  if (match === null || head === undefined || signature === undefined) return undefined;
  const own = timeParameter === '' ? [] : [timeParameter];
  const read = readJoseHead(head, new Set(['alg', 'typ', 'kid', 'cty', 'b64', 'crit', ...own]), typPattern);
  if (read === undefined) return undefined;
  const { header } = read;
  const critical = criticalNames(header);
  if (critical === undefined || ![...critical].every((name) => name === 'b64' || own.includes(name))) return undefined;
  // RFC 7797 section 6: whoever does not know b64 must not take the signature for one of something else.
  if (header.b64 !== undefined && (typeof header.b64 !== 'boolean' || !critical.has('b64'))) return undefined;
  const seconds = timeParameter === '' ? undefined : header[timeParameter];
  if (timeParameter !== '' && !(typeof seconds === 'number' && seconds >= 0 && seconds < 1e12)) return undefined;
  return {
    ...read,
    protected: match[1]!,
    signature,
    encoded: header.b64 !== false,
    at: typeof seconds === 'number' ? seconds * 1000 : undefined,
  };
}

/** `crit` (RFC 7515 section 4.1.11): not empty, no name twice, each one there; undefined when it is malformed. */
function criticalNames(header: Readonly<Record<string, unknown>>): ReadonlySet<string> | undefined {
  const { crit } = header;
  if (crit === undefined) return new Set();
  if (!Array.isArray(crit) || crit.length === 0) return undefined;
  const names = new Set<string>();
  for (const name of crit as unknown[]) {
    if (typeof name !== 'string' || names.has(name) || !Object.hasOwn(header, name)) return undefined;
    names.add(name);
  }
  return names;
}

function verifyDetached(
  request: SignedRequest,
  keys: JoseKeys,
  { header, timeParameter, tolerance }: DetachedOptions,
  now: number,
  trace?: Trace,
): Verdict {
  const sent = single(request, header, 'signature header', trace);
  if ('kind' in sent) return sent;
  const proof = readDetached(sent.value, timeParameter);
  if (proof === undefined)
    return rejected(
      'malformed',
      'signature header',
      trace,
      'not header..signature with parameters that are understood',
    );
  trace?.('signature header', true, `alg ${proof.alg}${proof.kid === undefined ? '' : `, kid ${proof.kid}`}`);
  const candidates = keys.candidates(proof.kid, trace);
  if ('kind' in candidates) return candidates;
  const payload = proof.encoded ? Buffer.from(request.body.toString('base64url')) : request.body;
  const content = [Buffer.from(`${proof.protected}.`), payload];
  const matching = candidates.filter(({ material }) => isSignatureOf(material, proof.alg, content, proof.signature));
  if (matching.length === 0) return rejected('invalid', 'signature', trace, 'no key fits this signature and algorithm');
  trace?.('signature', true);
  const current = currentKey(matching, now, trace);
  if (current.kind === 'rejected') return current;
  const stale = proof.at === undefined ? undefined : checkTime(proof.at, tolerance, now, trace);
  return stale ?? verified('jws-detached', current.key.id, {}, proof.at, [proof.protected, request.body]);
}

export const jwsDetached: Scheme = {
  id: 'jws-detached',
  timed: true,
  challenge: 'JWS',
  keyPerSender: true,
  prepare(entries, options, host) {
    const keys = new JoseKeys(entries, options, '', host);
    const settings: DetachedOptions = {
      header: String(options.header ?? '').trim() || 'X-JWS-Signature',
      timeParameter: String(options.timeParameter ?? '').trim(),
      tolerance: toleranceOf(options),
    };
    return Object.assign(
      (request: SignedRequest, now: number, trace?: Trace) => verifyDetached(request, keys, settings, now, trace),
      {
        ready(request: SignedRequest | undefined) {
          if (request === undefined) return keys.ready(undefined);
          const sent = request.headers.one(settings.header);
          const proof = typeof sent === 'string' ? readDetached(sent, settings.timeParameter) : undefined;
          return proof === undefined ? undefined : keys.ready(proof.kid);
        },
      },
    );
  },
};

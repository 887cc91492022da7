/**
 * Twilio (www.twilio.com/docs/usage/security): HMAC-SHA1 over the public URL and, for forms, the sorted parameters.
 * A JSON body is covered only by the query parameter `bodySHA256`, so without it the request is refused (the
 * reference library calls it valid).
 */
import { createHash } from 'node:crypto';
import { parseMediaType } from '../ingress/media-type.ts';
import { decodeCanonical, equalBytes } from './encoding.ts';
import { matchingKeys, single, verified } from './hmac.ts';
import { currentKey, type Key, prepareKeys, textSecret } from './keys.ts';
import { type Rejected, rejected, type Scheme, type SignedRequest, type Trace, type Verdict } from './scheme.ts';

/** Names in order, the distinct values of a repeated name in order, each name followed by its value. */
function formText(body: Buffer): string | undefined {
  const fields = new Map<string, Set<string>>();
  for (const pair of body.toString('latin1').split('&')) {
    if (pair === '') continue;
    const mark = pair.indexOf('=');
    const name = formDecode(mark < 0 ? pair : pair.slice(0, mark));
    const value = formDecode(mark < 0 ? '' : pair.slice(mark + 1));
    if (name === undefined || value === undefined) return undefined;
    fields.set(name, (fields.get(name) ?? new Set()).add(value));
  }
  let text = '';
  for (const name of [...fields.keys()].sort()) {
    for (const value of [...fields.get(name)!].sort()) text += name + value;
  }
  return text;
}

/** Strict: an escape that is not UTF-8, or a byte that should have been escaped, has no text. */
function formDecode(text: string): string | undefined {
  if (!/^[\x21-\x7e]*$/.test(text)) return undefined;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** The URL as sent, with and without its default port: Twilio's own libraries accept both. */
function urlVariants(url: string): string[] {
  const match = /^(https?):\/\/([^/:?#]+)(:\d+)?(.*)$/s.exec(url);
  if (match === null) return [url];
  const [, scheme, host, , rest] = match;
  const port = scheme === 'https' ? ':443' : ':80';
  return [...new Set([url, `${scheme}://${host}${rest}`, `${scheme}://${host}${port}${rest}`])];
}

/** What follows the URL in the signed text, once the body is known to be covered. */
function signedBody(request: SignedRequest, trace?: Trace): { text: string } | Rejected {
  const type = parseMediaType(request.headers.all('content-type')[0])?.essence;
  const hashes = new URLSearchParams(request.query).getAll('bodySHA256');
  if (type === 'application/x-www-form-urlencoded' && hashes.length === 0) {
    const text = formText(request.body);
    return text === undefined ? rejected('malformed', 'form', trace, 'the form is not plain UTF-8') : { text };
  }
  if (request.body.length === 0 && hashes.length === 0) return { text: '' };
  const hash = hashes.length === 1 ? decodeCanonical(hashes[0]!, 'hex') : undefined;
  if (hash === undefined) {
    return rejected('missing', 'bodySHA256', trace, 'the body is covered only by the query parameter bodySHA256');
  }
  if (!equalBytes(hash, createHash('sha256').update(request.body).digest())) {
    return rejected('invalid', 'bodySHA256', trace, 'the body has another digest');
  }
  trace?.('bodySHA256', true);
  return { text: '' };
}

export function verifyTwilio(
  request: SignedRequest,
  keys: readonly Key<Buffer>[],
  now: number,
  trace?: Trace,
): Verdict {
  const header = single(request, 'x-twilio-signature', 'signature header', trace);
  if ('kind' in header) return header;
  const signature = decodeCanonical(header.value, 'base64');
  if (signature === undefined) return rejected('malformed', 'signature header', trace, 'not plain base64');
  trace?.('signature header', true);
  const body = signedBody(request, trace);
  if ('kind' in body) return body;
  const matching = urlVariants(request.url).flatMap((url) => matchingKeys('sha1', [url, body.text], keys, [signature]));
  if (matching.length === 0)
    return rejected('invalid', 'signature', trace, `no key gives this signature for ${request.url}`);
  trace?.('signature', true);
  const current = currentKey(matching, now, trace);
  if (current.kind === 'rejected') return current;
  return verified('twilio', current.key.id, {}, undefined, [request.path, request.query, request.body]);
}

export const twilio: Scheme = {
  id: 'twilio',
  timed: false,
  challenge: 'Webhook-Signature scheme="twilio"',
  prepare(entries) {
    const keys = prepareKeys(entries, textSecret);
    return (request, now, trace) => verifyTwilio(request, keys, now, trace);
  },
};

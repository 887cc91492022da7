/** What a partner's status (RFC 9110 section 15) means for the document that was sent. */
import { Failure, type FailureClass } from '../../kernel/failure.ts';
import type { Answer, Effect } from '../../kernel/http/http.ts';
import type { Peer } from '../../kernel/http/peer.ts';
import { retryAfterOf } from '../../kernel/http/retry-after.ts';
import { parseJson } from '../../kernel/json.ts';

interface Meaning {
  class: FailureClass;
  code: string;
  /** Follows "<partner> ". */
  words: string;
  next: string;
  /** The partner says that it did nothing. */
  none: boolean;
}

const setting = 'Check address, path, method and media type.';
/** A table, so that what each status means can be read at a glance. */
const meanings: Readonly<Record<number, Meaning>> = {
  400: refusal(
    'did not understand the document',
    'Look at its answer, correct the document or its mapping, and replay.',
  ),
  401: policy('PARTNER_UNAUTHORIZED', 'refused the credentials', 'Enter valid ones in the partner-endpoint node.'),
  402: policy('PARTNER_FORBIDDEN', 'asks for a payment', 'Ask the partner what the account lacks.'),
  403: policy('PARTNER_FORBIDDEN', 'does not allow this request', 'Ask the partner for the right, or check the path.'),
  404: configuration('has nothing at this path', setting),
  405: configuration('does not take this method here', setting),
  406: configuration('cannot answer in the media type asked for', setting),
  407: configuration('is behind a proxy that refused the request', 'Check the proxy in the partner-endpoint node.'),
  408: passing('dependency-outage', 'PARTNER_TIMEOUT', 'waited too long for the request', true),
  409: passing('conflict', 'PARTNER_CONFLICT', 'is already working on this document', true),
  410: configuration('no longer has this path', setting),
  411: configuration('asks for another form of request', setting),
  412: refusal('holds another version of the document', 'Read it again, then replay.'),
  413: refusal('takes no document of this size', 'Divide it, or agree on another limit.'),
  415: configuration('does not take this media type', setting),
  422: refusal('refused the document', 'Look at its answer, correct the document or its mapping, and replay.'),
  // RFC 8470: it was not worked on, because it might be a replay of early data.
  425: passing('dependency-outage', 'PARTNER_TOO_EARLY', 'asks for another try', true),
  428: configuration('asks for a condition that is not sent', setting),
  429: passing('saturation', 'PARTNER_SATURATED', 'asks for fewer requests', true),
  451: policy('PARTNER_FORBIDDEN', 'may not take this document for legal reasons', 'Ask the partner.'),
  501: configuration('cannot do this', setting),
  505: configuration('does not speak this version of HTTP', setting),
};

function refusal(words: string, next: string): Meaning {
  return { class: 'data-quality', code: 'PARTNER_REFUSED', words, next, none: true };
}

function policy(code: string, words: string, next: string): Meaning {
  return { class: 'policy-rejection', code, words, next, none: true };
}

function configuration(words: string, next: string): Meaning {
  return { class: 'configuration', code: 'PARTNER_REQUEST', words, next, none: true };
}

function passing(failureClass: FailureClass, code: string, words: string, none: boolean): Meaning {
  return { class: failureClass, code, words, next: 'It is tried again by itself.', none };
}

function meaningOf(status: number): Meaning {
  const known = meanings[status];
  if (known !== undefined) return known;
  if (status >= 300 && status < 400)
    return configuration('redirects, which is not followed', 'Enter the final address in the partner-endpoint node.');
  if (status >= 500) return passing('dependency-outage', `PARTNER_HTTP_${status}`, 'is not available', false);
  return refusal('refused the request', 'Look at its answer.');
}

/** The failure for an answer that is no success. Its text stays in `detail`: it may quote the document. */
export function failureOfAnswer(answer: Answer, effect: Effect, peer: Peer): Failure {
  const { status } = answer;
  const meaning = meaningOf(status);
  const retryAfter = retryAfterOf(answer);
  const said = saidIn(answer);
  const unknown = effect === 'write' && !meaning.none;
  const lost = unknown ? ` ${peer.advice.lostWrite}` : '';
  return new Failure(meaning.class, meaning.code, `${peer.name} ${meaning.words} (${status}).${lost} ${meaning.next}`, {
    outcome: unknown ? 'unknown' : 'none',
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(said === undefined ? {} : { detail: { status, ...said } }),
  });
}

/** Characters of an answer that are kept as evidence. */
const evidence = 1_000;

/** Problem details (RFC 9457) where the partner sends them, else the beginning of the text. */
function saidIn({ type, text }: Answer): Record<string, unknown> | undefined {
  if (text === '') return undefined;
  if (/[/+]json$/.test(type)) {
    try {
      const body = parseJson(text);
      if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
        const kept: Record<string, unknown> = {};
        for (const key of ['type', 'title', 'detail', 'code', 'error', 'message', 'instance']) {
          const value = (body as Record<string, unknown>)[key];
          if (typeof value === 'string') kept[key] = value.slice(0, evidence);
        }
        if (Object.keys(kept).length > 0) return kept;
      }
    } catch {
      // Kept as text below.
    }
  }
  return { text: text.slice(0, evidence) };
}

/**
 * What a caller is told when its request is not taken: RFC 9457 problem details. The text helps an honest partner to
 * put it right and tells an attacker nothing: everything that fails before the signature proved reads the same.
 */
import type { FailureClass } from '../../kernel/failure.ts';
import type { HttpResponse } from './http.ts';

interface ProblemKind {
  status: number;
  title: string;
  detail: string;
  /** Seconds for `Retry-After`. */
  retryAfter?: number;
  class: FailureClass;
}

const again = 'Send the same request again later; nothing of it was kept.';

export const problems = {
  'body-incomplete': {
    status: 400,
    class: 'data-quality',
    title: 'Incomplete body',
    detail: 'The body ended before its declared length.',
  },
  malformed: {
    status: 400,
    class: 'data-quality',
    title: 'Malformed request',
    detail: 'The body is authentic but could not be read as its Content-Type says.',
  },
  'ambiguous-request': {
    status: 400,
    class: 'data-quality',
    title: 'Ambiguous request',
    detail: 'A header that must appear once appears several times.',
  },
  'signature-missing': {
    status: 401,
    class: 'policy-rejection',
    title: 'Signature or credential missing',
    detail: 'This endpoint takes only requests that carry their proof. See the agreed scheme for the headers to send.',
  },
  'signature-invalid': {
    status: 401,
    class: 'policy-rejection',
    title: 'Signature or credential not valid',
    detail:
      'Check that the exact bytes of the body are signed with the current secret, that nothing on the way re-writes the request, and that the clock is right. Quote the correlation id when you ask.',
  },
  'signature-stale': {
    status: 401,
    class: 'policy-rejection',
    title: 'Signed time out of tolerance',
    detail:
      'The signature is right, but the signed time is too far from ours. Check the clock, or sign the retry anew.',
  },
  'key-not-current': {
    status: 401,
    class: 'policy-rejection',
    title: 'Key not current',
    detail: 'The signature is right, but its key is not valid yet or no longer. Sign with the current key.',
  },
  'not-allowed': {
    status: 403,
    class: 'policy-rejection',
    title: 'Not allowed',
    detail: 'Requests are not taken from this place. Quote the correlation id when you ask.',
  },
  'body-timeout': {
    status: 408,
    class: 'data-quality',
    title: 'Body too slow',
    detail: 'The body did not arrive in time.',
  },
  replayed: {
    status: 409,
    class: 'conflict',
    title: 'Replayed request',
    detail: 'This very request was received before. A retry must be signed anew.',
  },
  'replay-in-progress': {
    status: 409,
    class: 'conflict',
    title: 'Request in progress',
    detail: 'This very request is being worked on.',
    retryAfter: 5,
  },
  'body-too-large': {
    status: 413,
    class: 'data-quality',
    title: 'Body too large',
    detail: 'The body is larger than this endpoint takes.',
  },
  'media-type': {
    status: 415,
    class: 'data-quality',
    title: 'Content type not accepted',
    detail: 'Send one of the content types agreed for this endpoint; JSON is UTF-8.',
  },
  'content-encoding': {
    status: 415,
    class: 'data-quality',
    title: 'Content encoding not accepted',
    detail: 'Send the body uncompressed, without Content-Encoding.',
  },
  'too-many-failures': {
    status: 429,
    class: 'policy-rejection',
    title: 'Too many failed requests',
    detail: 'Too many requests from this address failed. Put the cause right, then try again.',
    retryAfter: 60,
  },
  'headers-too-large': {
    status: 431,
    class: 'data-quality',
    title: 'Header fields too many or too large',
    detail: 'The request has more or larger header fields than this endpoint takes.',
  },
  'body-consumed-upstream': {
    status: 500,
    class: 'configuration',
    title: 'Endpoint not set up',
    detail: 'The endpoint is not able to verify requests at present; its operator has been told.',
  },
  saturated: { status: 503, class: 'saturation', title: 'Too busy', detail: again, retryAfter: 5 },
  deploying: { status: 503, class: 'saturation', title: 'Being updated', detail: again, retryAfter: 1 },
  'not-ready': { status: 503, class: 'dependency-outage', title: 'Not ready', detail: again, retryAfter: 10 },
  'no-reply-in-time': {
    status: 503,
    class: 'dependency-outage',
    title: 'No answer in time',
    detail: 'The request was verified but its processing has not been confirmed. Send it again with the same id.',
    retryAfter: 10,
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problems;

export interface ProblemBody {
  /** Identifies the kind of problem, as in the other nodes' replies; a URN, because there is nothing to fetch. */
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
  correlationId: string;
}

export interface ProblemOptions {
  /** A sentence of ours in place of the usual one; never quotes the request. */
  detail?: string;
  headers?: Record<string, string>;
}

export function problemBody(code: ProblemCode, correlationId: string, options: ProblemOptions = {}): ProblemBody {
  const kind: ProblemKind = problems[code];
  return {
    type: `urn:healthflows:problem:${kind.class}:${code}`,
    title: kind.title,
    status: kind.status,
    detail: options.detail ?? kind.detail,
    code,
    correlationId,
  };
}

/** Headers of a problem reply. */
export function problemHeaders(code: ProblemCode, options: ProblemOptions = {}): Record<string, string> {
  const kind: ProblemKind = problems[code];
  return {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    ...(kind.retryAfter === undefined ? {} : { 'Retry-After': String(kind.retryAfter) }),
    ...options.headers,
  };
}

/** Writes the reply; does nothing when one is already under way. */
export function sendProblem(
  response: HttpResponse,
  code: ProblemCode,
  correlationId: string,
  options: ProblemOptions = {},
): void {
  if (response.headersSent || response.writableEnded) return;
  const body = Buffer.from(JSON.stringify(problemBody(code, correlationId, options)));
  response.writeHead(problems[code].status, {
    ...problemHeaders(code, options),
    'X-Correlation-Id': correlationId,
    'Content-Length': String(body.length),
  });
  response.end(body);
}

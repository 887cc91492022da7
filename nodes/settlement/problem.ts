/**
 * Problem details (RFC 9457): what an HTTP sender is told when its message failed. Nothing of the document, nothing
 * of our inside: class, code, what to do, and where in the document the violations are.
 */
import type { FailureClass, FailureRecord } from '../kernel/failure.ts';

export interface ProblemDetails {
  /** Identifies the kind of problem; a URN, because there is nothing to fetch. */
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  /** Under this id the operator finds the whole story. */
  correlationId?: string;
  /** Where a document breaks its schema: JSON pointer (RFC 6901) and rule, never the value. */
  errors?: { pointer: string; detail: string }[];
}

export interface HttpReply {
  statusCode: number;
  headers: Record<string, string>;
  body: ProblemDetails;
}

interface Kind {
  /** RFC 9110 section 15. */
  status: number;
  title: string;
  /** Seconds until it helps to come again. */
  retryAfter?: number;
  /** Instead of the failure's own sentence, which names files, servers and queues of ours. */
  detail?: string;
}

const again = 'Send the same request again later.';
const ours =
  'It is not the request that is wrong. Quote the correlation id when you ask; the same request may be sent again.';

const byClass: Record<FailureClass, Kind> = {
  'data-quality': { status: 422, title: 'The document cannot be processed' },
  'policy-rejection': { status: 403, title: 'The request is not permitted' },
  'dependency-outage': {
    status: 503,
    title: 'A system behind this endpoint is not available',
    retryAfter: 30,
    detail: again,
  },
  saturation: { status: 503, title: 'This endpoint is too busy', retryAfter: 5, detail: again },
  conflict: { status: 409, title: 'The same message is being processed', retryAfter: 2 },
  configuration: { status: 500, title: 'This endpoint is not set up correctly', detail: ours },
  defect: { status: 500, title: 'An unexpected error occurred', detail: ours },
};

/** Codes that HTTP has a more exact status for than their class. */
const byCode: [pattern: RegExp, status: number][] = [
  [/^(JSON|XML|BODY_JSON)_SYNTAX$|^JSON_(FORBIDDEN_KEY|TOO_DEEP|TOO_MANY_MEMBERS)$/, 400],
  // draft-ietf-httpapi-idempotency-key-header section 2.7.
  [/^IDEMPOTENCY_KEY_(MISSING|INVALID)$/, 400],
  [/^(BODY|PAYLOAD|DOCUMENT)_TOO_LARGE$/, 413],
  [/^UNSUPPORTED_(MEDIA|CONTENT)_TYPE$/, 415],
  [/^(SIGNATURE|TIMESTAMP|TOKEN|CREDENTIALS?)_/, 401],
];

const violationLimit = 50;

/**
 * The reply for a failed message.
 * @param correlationId of the message, repeated in the body so that sender and operator talk about the same thing
 */
export function problemReply(failure: FailureRecord, correlationId?: string): HttpReply {
  const kind = byClass[failure.class];
  const statusCode = byCode.find(([pattern]) => pattern.test(failure.code))?.[1] ?? kind.status;
  const wait = failure.retryAfter === undefined ? kind.retryAfter : Math.max(1, Math.ceil(failure.retryAfter / 1000));
  const errors = violationsOf(failure.detail);
  return {
    statusCode,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(failure.retryable && wait !== undefined ? { 'retry-after': String(wait) } : {}),
    },
    body: {
      type: `urn:healthflows:problem:${failure.class}:${failure.code.toLowerCase().replaceAll('_', '-')}`,
      title: kind.title,
      status: statusCode,
      detail: kind.detail ?? failure.message,
      code: failure.code,
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(errors.length === 0 ? {} : { errors }),
    },
  };
}

/**
 * Schema violations out of a failure's detail: a list, or `{violations | errors: list}`, whose members name a JSON
 * pointer (`pointer`, `path` or `instancePath`) and what is expected there (`detail`, `expected`, `rule` or `keyword`).
 */
function violationsOf(detail: unknown): { pointer: string; detail: string }[] {
  const list = Array.isArray(detail) ? detail : (member(detail, 'violations') ?? member(detail, 'errors'));
  if (!Array.isArray(list)) return [];
  const violations: { pointer: string; detail: string }[] = [];
  for (const item of list.slice(0, violationLimit)) {
    const pointer = text(item, ['pointer', 'path', 'instancePath']);
    const rule = text(item, ['detail', 'expected', 'rule', 'keyword']);
    if (pointer !== undefined && rule !== undefined) violations.push({ pointer, detail: rule });
  }
  return violations;
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function text(value: unknown, keys: string[]): string | undefined {
  for (const key of keys) {
    const found = member(value, key);
    if (typeof found === 'string') return found;
  }
  return undefined;
}

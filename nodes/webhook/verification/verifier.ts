/**
 * One endpoint's verification, free of Node-RED: a request and its bytes go in, a verified message or a rejection
 * comes out. What is verified is parsed after, never before.
 */
import { type FailureRecord, toFailure } from '../../kernel/failure.ts';
import type { JsonLimits } from '../../kernel/json.ts';
import { type ProblemCode, problems } from '../ingress/problem.ts';
import type { Reason, SignedRequest, Trace, Verified, Verify } from '../schemes/scheme.ts';
import { readContent } from './content.ts';

const problemByReason: Record<Reason, ProblemCode> = {
  missing: 'signature-missing',
  ambiguous: 'ambiguous-request',
  malformed: 'signature-invalid',
  invalid: 'signature-invalid',
  stale: 'signature-stale',
  'key-not-current': 'key-not-current',
  'not-allowed': 'not-allowed',
  unavailable: 'not-ready',
};

export interface Accepted {
  kind: 'accepted';
  verified: Verified;
  payload: unknown;
}

export interface Refused {
  kind: 'refused';
  code: ProblemCode;
  /** For the audit trail: reason and step, no content. */
  reason: string;
  /** Replaces the usual text for the caller. */
  detail?: string;
}

export type Decision = Accepted | Refused;

export function decide(
  verify: Verify,
  request: SignedRequest,
  limits: JsonLimits,
  now: number,
  trace?: Trace,
): Decision {
  const verdict = verify(request, now, trace);
  if (verdict.kind === 'rejected') {
    return { kind: 'refused', code: problemByReason[verdict.reason], reason: `${verdict.reason}: ${verdict.step}` };
  }
  try {
    const payload = readContent(request.body, request.headers.all('content-type')[0], limits);
    trace?.('content', true);
    return { kind: 'accepted', verified: verdict, payload };
  } catch (error) {
    const failure = toFailure(error);
    trace?.('content', false, failure.message);
    return { kind: 'refused', code: 'malformed', reason: `malformed: ${failure.code}`, detail: failure.message };
  }
}

/** `msg.failure` of a rejected message. */
export function failureOf({ code, detail }: Pick<Refused, 'code' | 'detail'>): FailureRecord {
  const problem = problems[code];
  return {
    class: problem.class,
    code: code.toUpperCase().replaceAll('-', '_'),
    retryable: false,
    message: detail ?? `${problem.title}. ${problem.detail}`,
  };
}

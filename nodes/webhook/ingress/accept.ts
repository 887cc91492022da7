/**
 * From an unread request to its exact bytes: every check that needs no secret, cheapest first, so that a flood costs
 * little. What passes is handed to the endpoint's verification.
 */
import type { HttpRequest, HttpResponse } from './http.ts';
import { declaredLength, drain, readBody } from './body.ts';
import { correlationIdOf } from './identity.ts';
import type { Exchange, Exchanges } from './exchange.ts';
import type { MediaTypes } from './media-type.ts';
import { type ProblemCode, sendProblem } from './problem.ts';

export interface IngressLimits {
  /** Bytes of a body. */
  bodySize: number;
  /** Milliseconds to receive the body. */
  bodyTime: number;
  /** Milliseconds until a reply. */
  replyTime: number;
  headerCount: number;
  /** Bytes of all names and values. */
  headerSize: number;
}

/** What to answer, and what the answer waits for: the entry in the audit trail. */
export interface Counted {
  code: ProblemCode;
  recorded: Promise<void> | undefined;
}

export interface Ingress {
  limits: IngressLimits;
  mediaTypes: MediaTypes;
  exchanges: Exchanges;
  /** False once the endpoint is closed. */
  isOpen(): boolean;
  /** A request that is refused before verification. */
  refused(code: ProblemCode, request: HttpRequest, correlationId: string): Counted;
  received(exchange: Exchange, body: Buffer): void;
}

/** @returns the first reason not to take the request, from its head alone */
export function inspectHead(request: HttpRequest, ingress: Ingress): ProblemCode | undefined {
  const { limits } = ingress;
  if (request.rawHeaders.length / 2 > limits.headerCount) return 'headers-too-large';
  let size = 0;
  for (const part of request.rawHeaders) size += part.length;
  if (size > limits.headerSize) return 'headers-too-large';
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return 'content-encoding';
  const length = declaredLength(request);
  if (length !== undefined && length > limits.bodySize) return 'body-too-large';
  if (length !== 0 && !ingress.mediaTypes.accepts(request.headers['content-type'])) return 'media-type';
  return undefined;
}

export async function accept(request: HttpRequest, response: HttpResponse, ingress: Ingress): Promise<void> {
  const { limits } = ingress;
  const bodyLimits = { size: limits.bodySize, time: limits.bodyTime };
  const refuse = async (because: ProblemCode): Promise<void> => {
    const correlationId = correlationIdOf(request);
    const { code, recorded } = ingress.refused(because, request, correlationId);
    drain(request, bodyLimits);
    if (recorded !== undefined) await recorded;
    sendProblem(response, code, correlationId);
  };

  const objection = inspectHead(request, ingress);
  if (objection !== undefined) {
    await refuse(objection);
    return;
  }
  const exchange = ingress.exchanges.start(request, response, declaredLength(request) ?? limits.bodySize);
  if (exchange === undefined) {
    await refuse('saturated');
    return;
  }
  const body = await readBody(request, bodyLimits);
  if (body.kind === 'aborted' || !exchange.open) return;
  if (body.kind === 'refused') {
    await refuse(body.code);
    return;
  }
  if (!ingress.isOpen()) {
    exchange.problem('deploying');
    return;
  }
  ingress.exchanges.received(exchange, body.bytes.length);
  exchange.startDeadline(limits.replyTime);
  ingress.received(exchange, body.bytes);
}

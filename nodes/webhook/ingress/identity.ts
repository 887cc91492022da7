/** Ids by which a request is found again in the log, the trace and the audit trail. */
import { uuidv7 } from '../../kernel/id.ts';
import type { HttpRequest } from './http.ts';

const correlationPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const given = new WeakMap<object, string>();

/** The sender's `X-Correlation-Id` when it is well-formed, else undefined. */
export function sentCorrelationId(headers: Record<string, string | string[] | undefined>): string | undefined {
  const sent = headers['x-correlation-id'];
  return typeof sent === 'string' && correlationPattern.test(sent) ? sent : undefined;
}

/** The sender's correlation id or a new one; the same on every call for one request. */
export function correlationIdOf(request: Pick<HttpRequest, 'headers'>): string {
  const sent = sentCorrelationId(request.headers);
  if (sent !== undefined) return sent;
  const known = given.get(request);
  if (known !== undefined) return known;
  const id = uuidv7();
  given.set(request, id);
  return id;
}

/** What a verified request becomes in the flow: its event attributes and the plain view of the request. */
import { childTraceparent, uuidv7 } from '../../kernel/id.ts';
import type { EventAttributes, Verification } from '../../kernel/message.ts';
import type { HttpRequest } from '../ingress/http.ts';
import { sentCorrelationId } from '../ingress/identity.ts';
import type { SignedRequest } from '../schemes/scheme.ts';

export interface EventNames {
  /** CloudEvents `source`: the system that sent it. */
  source: string;
  type: string;
}

function header(request: SignedRequest, name: string): string | undefined {
  const values = request.headers.all(name);
  return values.length === 1 ? values[0] : undefined;
}

/**
 * CloudEvents 1.0 attributes. The id is the one the sender signed, where the scheme has one, so that a retry has the
 * same id; the time is when it was signed, else when it came.
 */
export function eventOf(
  request: SignedRequest,
  verification: Verification,
  names: EventNames,
  now: number,
): EventAttributes {
  const id = verification.messageId ?? uuidv7(now);
  const contentType = header(request, 'content-type');
  const correlationid = sentCorrelationId({ 'x-correlation-id': header(request, 'x-correlation-id') }) ?? id;
  return {
    specversion: '1.0',
    id,
    source: names.source,
    type: names.type,
    time: verification.signedAt ?? new Date(now).toISOString(),
    ...(contentType === undefined ? {} : { datacontenttype: contentType }),
    correlationid,
    traceparent: childTraceparent(header(request, 'traceparent')),
  };
}

/**
 * `msg.req` as flows read it from `http in`, as plain data: no socket, no secret. Header fields that are the proof
 * itself (a password, a token, an API key) are left out.
 */
export function requestView(
  request: HttpRequest,
  parameters: Record<string, string>,
  secretHeaders: readonly string[],
): Record<string, unknown> {
  const headers: Record<string, unknown> = { ...request.headers };
  for (const name of secretHeaders) delete headers[name.toLowerCase()];
  const { method, originalUrl, baseUrl, path, hostname, protocol, secure, ip } = request;
  return {
    method,
    url: request.url,
    originalUrl,
    baseUrl,
    path,
    hostname,
    protocol,
    secure,
    ip,
    params: parameters,
    query: { ...request.query },
    headers,
  };
}

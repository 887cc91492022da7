/** What a verified request becomes in the flow: its event attributes and the plain view of the request. */
import { childTraceparent, uuidv7 } from '../../kernel/id.ts';
import type { EventAttributes, Verification } from '../../kernel/message.ts';
import type { HttpRequest } from '../ingress/http.ts';
import { sentCorrelationId } from '../ingress/identity.ts';
import type { SecretPlaces, SignedRequest } from '../schemes/scheme.ts';

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
 * `msg.req` as flows read it from `http in`, as plain data: no socket, no secret. Where the secret itself travels (a
 * password, a token in the address), it is left out or shown as `***`.
 */
export function requestView(
  request: HttpRequest,
  parameters: Record<string, string>,
  secrets: SecretPlaces,
): Record<string, unknown> {
  const headers: Record<string, unknown> = { ...request.headers };
  for (const name of secrets.headers ?? []) delete headers[name.toLowerCase()];
  const params = { ...parameters };
  const query: Record<string, unknown> = { ...request.query };
  const hidden: string[] = [];
  for (const name of secrets.parameters ?? []) {
    if (params[name] === undefined) continue;
    hidden.push(params[name]);
    params[name] = '***';
  }
  for (const name of secrets.queries ?? []) {
    for (const value of [query[name]].flat()) if (typeof value === 'string') hidden.push(value);
    if (Object.hasOwn(query, name)) query[name] = '***';
  }
  const hide = (target: string | undefined) =>
    target === undefined ? undefined : withoutSecrets(target, hidden.filter(Boolean));
  const { method, baseUrl, hostname, protocol, secure, ip } = request;
  return {
    method,
    url: hide(request.url),
    originalUrl: hide(request.originalUrl),
    baseUrl,
    path: hide(request.path),
    hostname,
    protocol,
    secure,
    ip,
    params,
    query,
    headers,
  };
}

/** A request target with `***` for each path segment and query value that is a secret, however it is percent-encoded. */
function withoutSecrets(target: string, secrets: readonly string[]): string {
  if (secrets.length === 0) return target;
  const mark = target.indexOf('?');
  const path = (mark < 0 ? target : target.slice(0, mark)).split('/');
  const shown = path.map((segment) => (secrets.includes(decoded(segment)) ? '***' : segment)).join('/');
  if (mark < 0) return shown;
  const query = target.slice(mark + 1).split('&');
  const pairs = query.map((pair) => {
    const value = decoded(pair.slice(pair.indexOf('=') + 1).replaceAll('+', ' '));
    return secrets.includes(value) ? `${pair.slice(0, pair.indexOf('=') + 1)}***` : pair;
  });
  return `${shown}?${pairs.join('&')}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

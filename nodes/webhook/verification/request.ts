/** The request as a scheme sees it, from our own route or from a message that still carries the raw bytes. */
import { Failure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import type { HttpRequest } from '../ingress/http.ts';
import { HeaderFields } from '../schemes/headers.ts';
import type { SignedRequest } from '../schemes/scheme.ts';

/**
 * @param publicUrl scheme, host and path prefix under which partners know us, where a proxy re-writes the request;
 *   empty: as the request came
 */
function urlOf(publicUrl: string, protocol: string, host: string, target: string): string {
  return publicUrl === '' ? `${protocol}://${host}${target}` : `${publicUrl.replace(/\/$/, '')}${target}`;
}

function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

export function fromHttp(
  request: HttpRequest,
  parameters: Readonly<Record<string, string>>,
  body: Buffer,
  publicUrl: string,
): SignedRequest {
  const headers = HeaderFields.fromRaw(request.rawHeaders);
  const peer = request.socket.remoteAddress ?? '';
  return {
    method: request.method ?? '',
    url: urlOf(publicUrl, request.protocol ?? 'http', headers.all('host')[0] ?? '', request.originalUrl),
    ...splitTarget(request.originalUrl),
    headers,
    parameters,
    body,
    peer,
    client: request.ip ?? peer,
  };
}

interface CarriedRequest {
  method?: unknown;
  originalUrl?: unknown;
  url?: unknown;
  headers?: unknown;
  params?: unknown;
  protocol?: unknown;
  ip?: unknown;
  rawBody?: unknown;
  body?: unknown;
}

/**
 * From a message that came by wire: `msg.req` of an `http in` with "Do not parse body", or `msg.payload` as Buffer
 * with `msg.headers`.
 *
 * @throws Failure `configuration` `BODY_ALREADY_PARSED` when the exact bytes are gone
 */
export function fromMessage(message: FlowMessage, publicUrl: string): SignedRequest {
  const carried = (message.req ?? {}) as CarriedRequest;
  const body = [carried.rawBody, message.payload, carried.body].find((candidate) => Buffer.isBuffer(candidate));
  if (body === undefined) {
    throw new Failure(
      'configuration',
      'BODY_ALREADY_PARSED',
      'The message carries a parsed body, but what was signed are its exact bytes. Let this node own the route, or set "Do not parse body" in the http in node before it.',
    );
  }
  const headers = (carried.headers ?? message.headers ?? {}) as Record<string, unknown>;
  const fields = HeaderFields.fromRecord(headers);
  const target = text(carried.originalUrl) || text(carried.url) || '/';
  const client = text(carried.ip);
  return {
    method: (text(carried.method) || 'POST').toUpperCase(),
    url: urlOf(publicUrl, text(carried.protocol) || 'http', fields.all('host')[0] ?? '', target),
    ...splitTarget(target),
    headers: fields,
    parameters: (carried.params ?? {}) as Record<string, string>,
    body,
    peer: client,
    client,
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

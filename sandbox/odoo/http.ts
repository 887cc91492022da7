/** What the protocol handlers give back to the server. */
import type { Effects } from './table.ts';

export interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | undefined>;
  body: Buffer;
  /** `performance.now()` when it had come in whole. */
  arrivedAt: number;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
  model?: string;
  /** Method of the model. */
  call?: string;
  uid?: number;
  error?: string;
  effects?: Effects;
}

export function jsonReply(status: number, value: unknown, extra: Partial<Reply> = {}): Reply {
  return {
    status,
    body: JSON.stringify(value ?? null),
    ...extra,
    headers: { 'content-type': 'application/json; charset=utf-8', ...extra.headers },
  };
}

export function htmlReply(status: number, title: string, text: string, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', ...headers },
    body: `<!doctype html>\n<html lang=en>\n<title>${status} ${title}</title>\n<h1>${title}</h1>\n<p>${text}</p>\n`,
  };
}

export const isJson = (contentType: string | undefined): boolean =>
  /^application\/(json|json-rpc)\s*(;|$)/i.test(contentType ?? '');

export const unsupportedMediaType = (): Reply =>
  htmlReply(415, 'Unsupported Media Type', 'Request inferred type is not compatible with this route.');

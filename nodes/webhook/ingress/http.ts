/** The part of Express 4 and 5 that the ingress uses; Node-RED brings the application, we bring no Express. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface HttpRequest extends IncomingMessage {
  /** Below the HTTP root. */
  path: string;
  originalUrl: string;
  baseUrl: string;
  query: Record<string, unknown>;
  params: Record<string, string>;
  /** The peer, or what `httpServerOptions['trust proxy']` makes of X-Forwarded-For. */
  ip?: string;
  hostname?: string;
  protocol?: string;
  secure?: boolean;
  body?: unknown;
  rawBody?: unknown;
  /** What body-parser 1.x sets and honours: the body is taken. */
  _body?: boolean;
}

export interface HttpResponse extends ServerResponse {
  status(code: number): this;
  set(name: string, value: string): this;
  send(body: unknown): this;
}

export type Next = (error?: unknown) => void;
export type Middleware = (request: HttpRequest, response: HttpResponse, next: Next) => unknown;

export interface HttpApplication {
  (request: IncomingMessage, response: ServerResponse): void;
  use(handler: Middleware): void;
  /** Full path where it is mounted, without the parent's host. */
  path(): string;
  parent?: HttpApplication;
  on(event: 'mount', listener: () => void): void;
  /** Express 4. In Express 4 `router` is a getter that throws, so it is looked at first. */
  _router?: { stack: { handle: unknown }[] };
  /** Express 5. */
  router?: { stack: { handle: unknown }[] };
}

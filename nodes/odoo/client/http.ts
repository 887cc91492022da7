/**
 * One HTTP exchange with Odoo: no redirects (18 sends unknown paths to its login page), no cookies (a cookie of
 * another user outranks the key), bounded answers, and a failure that says whether anything can have happened.
 */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import axios, { type AxiosInstance, isAxiosError } from 'axios';
import { Failure } from '../../kernel/failure.ts';
import { proxyOf, TunnelAgent } from './proxy.ts';
import type { Effect } from './transport.ts';

export interface HttpOptions {
  /** Address of the server, e.g. `https://erp.example.org`; a path in front of Odoo is kept. */
  url: string;
  /** Milliseconds to reach the server. Default 5,000. */
  connectTimeout?: number;
  /**
   * Milliseconds until the answer is complete. Default 60,000: Odoo repeats conflicting transactions itself for up to
   * 15 s, so a limit below 30 s turns conflicts into writes of unknown outcome.
   */
  requestTimeout?: number;
  /** Connections at the same time. Default 8. */
  sockets?: number;
  /** Largest answer in bytes. Default 64 MiB. */
  maxAnswer?: number;
  /** Largest request in bytes. Default 64 MiB. */
  maxRequest?: number;
  /** Forward proxy, e.g. `http://proxy.example.org:3128`. Default none, whatever the environment says. */
  proxy?: string;
  tls?: {
    /** PEM file with the authorities to trust instead of the system's. */
    caFile?: string;
    /** PEM files of a client certificate. */
    certFile?: string;
    keyFile?: string;
    passphrase?: string;
  };
}

export interface Exchange {
  method: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  body?: string;
  effect: Effect;
  signal?: AbortSignal;
  /** Milliseconds; overrides the connection's. */
  timeout?: number;
}

export interface Answer {
  status: number;
  /** Lower-case media type without parameters. */
  type: string;
  headers: Record<string, string>;
  text: string;
}

const mebibyte = 1024 * 1024;

/** System errors after which the request cannot have reached Odoo (libuv, Node.js TLS). */
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ECONNECTTIMEOUT',
  'EPROXY',
]);
const untrusted = /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|EPROTO$)/;

export class Http {
  readonly url: string;
  readonly #axios: AxiosInstance;
  readonly #agents: (HttpAgent | HttpsAgent)[];
  readonly #timeout: number;
  readonly #connectTimeout: number;

  /** @throws Failure `configuration` for an address that is none, or TLS files that cannot be read */
  constructor(options: HttpOptions) {
    this.url = addressOf(options.url);
    this.#timeout = options.requestTimeout ?? 60_000;
    this.#connectTimeout = options.connectTimeout ?? 5_000;
    const agentOptions: AgentOptions = {
      // Odoo itself closes after each answer; a proxy in front of it may keep the connection.
      keepAlive: true,
      maxSockets: options.sockets ?? 8,
      ...tlsOf(options.tls),
    };
    const agent = limitConnect(new HttpAgent(agentOptions), this.#connectTimeout, 'connect');
    const proxy = proxyOf(options.proxy);
    const tlsAgent =
      proxy === undefined
        ? limitConnect(new HttpsAgent(agentOptions), this.#connectTimeout, 'secureConnect')
        : new TunnelAgent(proxy, this.#connectTimeout, agentOptions);
    this.#agents = [agent, tlsAgent];
    this.#axios = axios.create({
      httpAgent: agent,
      httpsAgent: tlsAgent,
      maxRedirects: 0,
      maxContentLength: options.maxAnswer ?? 64 * mebibyte,
      maxBodyLength: options.maxRequest ?? 64 * mebibyte,
      // To plain http the proxy is asked for the whole address; https has its tunnel in the agent.
      proxy: proxy === undefined || this.url.startsWith('https:') ? false : { ...proxy, protocol: 'http:' },
      responseType: 'text',
      transformRequest: [(body: unknown) => body],
      transformResponse: [(body: unknown) => body],
      validateStatus: () => true,
      transitional: { clarifyTimeoutError: true, forcedJSONParsing: false },
      headers: { 'User-Agent': 'healthflows-node-red-integration', Accept: 'application/json' },
    });
  }

  async exchange(exchange: Exchange): Promise<Answer> {
    exchange.signal?.throwIfAborted();
    try {
      const response = await this.#axios.request<string>({
        url: this.url + exchange.path,
        method: exchange.method,
        timeout: exchange.timeout ?? this.#timeout,
        headers: {
          ...(exchange.body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...exchange.headers,
        },
        ...(exchange.body === undefined ? {} : { data: exchange.body }),
        ...(exchange.signal === undefined ? {} : { signal: exchange.signal }),
      });
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(response.headers)) headers[name.toLowerCase()] = String(value);
      return {
        status: response.status,
        type: (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase(),
        headers,
        text: typeof response.data === 'string' ? response.data : '',
      };
    } catch (error) {
      throw this.#failure(error, exchange);
    }
  }

  close(): void {
    for (const agent of this.#agents) agent.destroy();
  }

  #failure(error: unknown, { effect, signal, timeout }: Exchange): Failure {
    const code = systemCodeOf(error);
    const lost = { outcome: effect === 'write' ? ('unknown' as const) : ('none' as const), cause: code };
    if (neverSent.has(code)) {
      return new Failure('dependency-outage', code, `Odoo at ${this.url} cannot be reached (${code}).`, {
        outcome: 'none',
      });
    }
    if (code === 'EPROXYREFUSED') {
      return new Failure(
        'configuration',
        'ODOO_PROXY',
        `The proxy did not let the connection to ${this.url} through. Check its address, name and password in the odoo-server node, and whether it may reach Odoo.`,
        { outcome: 'none' },
      );
    }
    if (untrusted.test(code)) {
      return new Failure(
        'configuration',
        'ODOO_TLS',
        `The secure connection to ${this.url} was not made (${code}). Check the certificate, or name its authority in the odoo-server node.`,
        { outcome: 'none' },
      );
    }
    if (isAxiosError(error) && /maxContentLength/.test(error.message)) {
      return new Failure(
        'configuration',
        'ODOO_ANSWER_TOO_LARGE',
        'The answer of Odoo is larger than the limit. Name fewer fields or take smaller pages.',
        { outcome: lost.outcome },
      );
    }
    if (isAxiosError(error) && /maxBodyLength/.test(error.message)) {
      return new Failure(
        'data-quality',
        'ODOO_REQUEST_TOO_LARGE',
        'The document is larger than one request to Odoo may be.',
        { outcome: 'none' },
      );
    }
    if (signal?.aborted) {
      return new Failure(
        'dependency-outage',
        'DEADLINE',
        `The call to Odoo at ${this.url} was given up before its answer.${after(effect)}`,
        lost,
      );
    }
    if (code === 'ETIMEDOUT' || code === 'ECONNABORTED') {
      const limit = (timeout ?? this.#timeout) / 1000;
      return new Failure(
        'dependency-outage',
        'ODOO_TIMEOUT',
        `Odoo at ${this.url} did not answer within ${limit} s.${after(effect)}`,
        lost,
      );
    }
    return new Failure(
      'dependency-outage',
      'ODOO_CONNECTION_LOST',
      `The connection to Odoo at ${this.url} was lost before the answer came (${code}).${after(effect)}`,
      lost,
    );
  }
}

function after(effect: Effect): string {
  return effect === 'write' ? ' It may have been written all the same.' : '';
}

function systemCodeOf(error: unknown): string {
  const of = (value: unknown) => (value instanceof Error ? (value as NodeJS.ErrnoException).code : undefined);
  const cause = error instanceof Error ? error.cause : undefined;
  // Happy eyeballs reports one error for several addresses; the first tells enough.
  const inner = cause instanceof AggregateError ? of(cause.errors[0]) : undefined;
  return inner ?? of(cause) ?? of(error) ?? 'UNKNOWN';
}

function addressOf(text: string): string {
  const url = URL.parse(text.trim());
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '') {
    throw new Failure(
      'configuration',
      'ODOO_URL',
      'The address of the Odoo server must begin with http:// or https:// and hold no password, e.g. https://erp.example.org.',
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function tlsOf(tls: HttpOptions['tls']): AgentOptions {
  const read = (file: string | undefined) => {
    if (file === undefined || file === '') return undefined;
    try {
      return readFileSync(file);
    } catch (error) {
      throw new Failure('configuration', 'ODOO_TLS_FILE', `The TLS file ${file} cannot be read.`, { cause: error });
    }
  };
  const ca = read(tls?.caFile);
  const cert = read(tls?.certFile);
  const key = read(tls?.keyFile);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls?.passphrase ? { passphrase: tls.passphrase } : {}),
  };
}

/** Gives up a connection that is not made within `limit` milliseconds, before anything was sent on it. */
function limitConnect<A extends HttpAgent>(agent: A, limit: number, ready: 'connect' | 'secureConnect'): A {
  type Create = (...args: unknown[]) => Duplex | null | undefined;
  const target = agent as unknown as { createConnection: Create };
  const create = target.createConnection;
  target.createConnection = function (this: unknown, ...args) {
    const socket = create.apply(this, args);
    if (socket) {
      const timer = setTimeout(() => {
        socket.destroy(Object.assign(new Error('connect timeout'), { code: 'ECONNECTTIMEOUT' }));
      }, limit);
      const stop = () => clearTimeout(timer);
      socket.once(ready, stop);
      socket.once('close', stop);
    }
    return socket;
  };
  return agent;
}

/** Milliseconds that a `Retry-After` header asks for (RFC 9110 section 10.2.3: seconds or a date). */
export function retryAfterOf(answer: Pick<Answer, 'headers'>): number | undefined {
  const text = answer.headers['retry-after'];
  if (text === undefined) return undefined;
  if (/^\d{1,7}$/.test(text.trim())) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/**
 * The failure for an answer that did not come from Odoo's own error handling: a proxy, a redirect, the page that says
 * no database is selected.
 */
export function failureOfAnswer(answer: Answer, effect: Effect, url: string): Failure {
  const { status } = answer;
  const retryAfter = retryAfterOf(answer);
  const wait = retryAfter === undefined ? {} : { retryAfter };
  const lost = { outcome: effect === 'write' ? ('unknown' as const) : ('none' as const) };
  if (status >= 300 && status < 400) {
    return new Failure(
      'configuration',
      'ODOO_REDIRECTED',
      `${url} redirects, which is not followed. Enter the final address of Odoo (https, without a path), and choose the protocol JSON-RPC for Odoo 18 and older.`,
      { outcome: 'none' },
    );
  }
  switch (status) {
    case 401:
      return new Failure(
        'policy-rejection',
        'ODOO_UNAUTHORIZED',
        `${url} refused the API key: it is wrong, has expired, or its user is archived. Make a new key in Odoo and enter it in the odoo-server node.`,
        { outcome: 'none' },
      );
    case 403:
      return new Failure('policy-rejection', 'ODOO_FORBIDDEN', `${url} refused the request (403).`, {
        outcome: 'none',
      });
    case 404:
      return new Failure(
        'dependency-outage',
        'ODOO_DATABASE_UNAVAILABLE',
        `${url} has no database for this request: the name is wrong, none was given although there are several, or PostgreSQL is down. It is tried again; check the database in the odoo-server node.`,
        { outcome: 'none', ...wait },
      );
    case 413:
      return new Failure(
        'data-quality',
        'ODOO_REQUEST_TOO_LARGE',
        `The document is larger than the proxy in front of ${url} lets through (413).`,
        { outcome: 'none' },
      );
    case 400:
    case 415:
      return new Failure('defect', `ODOO_HTTP_${status}`, `${url} did not understand the request (${status}).`, {
        outcome: 'none',
      });
    case 429:
      return new Failure('saturation', 'ODOO_HTTP_429', `${url} asks for fewer requests (429).`, {
        outcome: 'none',
        ...wait,
      });
    default:
      return status >= 500
        ? new Failure(
            'dependency-outage',
            `ODOO_HTTP_${status}`,
            `${url} is not available (${status}).${after(effect)}`,
            {
              ...lost,
              ...wait,
            },
          )
        : new Failure(
            'configuration',
            'NOT_ODOO',
            `${url} did not answer like Odoo (status ${status}, ${answer.type || 'no content type'}). Check the address.`,
            lost,
          );
  }
}

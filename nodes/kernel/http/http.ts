/**
 * HTTP to one other system: no redirects, no cookies, bounded requests and answers, TLS with own authorities and
 * client certificate, a forward proxy, and a failure that says whether anything can have happened.
 */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import axios, { type AxiosInstance, isAxiosError } from 'axios';
import { Failure } from '../failure.ts';
import type { Peer } from './peer.ts';
import { proxyOf, TunnelAgent } from './proxy.ts';

/** `write` = the call may change something, so a lost reply leaves its outcome unknown. */
export type Effect = 'read' | 'write';

export interface HttpOptions {
  /** Address of the system, e.g. `https://erp.example.org`; a path in it goes before every path asked for. */
  url: string;
  /** Milliseconds to reach the server. Default 5,000. */
  connectTimeout?: number;
  /** Milliseconds until the answer is complete. Default 60,000. */
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

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Exchange {
  method: Method;
  path: string;
  headers?: Record<string, string>;
  /** Sent as `application/json` unless `headers` say otherwise. */
  body?: string | Uint8Array;
  /** How the answer is read: as text (default), or as the bytes it came in. */
  answer?: 'text' | 'bytes';
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
  /** Only where they were asked for; `text` is empty then. */
  bytes?: Buffer;
}

const mebibyte = 1024 * 1024;

/** System errors after which the request cannot have arrived (libuv, Node.js TLS). */
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
  readonly peer: Peer;
  readonly #axios: AxiosInstance;
  readonly #agents: (HttpAgent | HttpsAgent)[];
  readonly #timeout: number;
  readonly #connectTimeout: number;

  /** @throws Failure `configuration` for an address that is none, or TLS files that cannot be read */
  constructor(options: HttpOptions, peer: Peer) {
    this.peer = peer;
    this.url = addressOf(options.url, peer);
    this.#timeout = options.requestTimeout ?? 60_000;
    this.#connectTimeout = options.connectTimeout ?? 5_000;
    const agentOptions: AgentOptions = {
      // Whether the connection is kept is the other side's to say.
      keepAlive: true,
      maxSockets: options.sockets ?? 8,
      ...tlsOf(options.tls, peer),
    };
    const agent = limitConnect(new HttpAgent(agentOptions), this.#connectTimeout, 'connect');
    const proxy = proxyOf(options.proxy, peer);
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
      const response = await this.#axios.request<string | Buffer>({
        url: this.url + exchange.path,
        method: exchange.method,
        timeout: exchange.timeout ?? this.#timeout,
        ...(exchange.answer === 'bytes' ? { responseType: 'arraybuffer' as const } : {}),
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
        ...(Buffer.isBuffer(response.data) ? { bytes: response.data } : {}),
      };
    } catch (error) {
      throw this.#failure(error, exchange);
    }
  }

  close(): void {
    for (const agent of this.#agents) agent.destroy();
  }

  #failure(error: unknown, { effect, signal, timeout }: Exchange): Failure {
    const { name, code: prefix, node, advice } = this.peer;
    const code = systemCodeOf(error);
    const lost = { outcome: effect === 'write' ? ('unknown' as const) : ('none' as const), cause: code };
    if (neverSent.has(code)) {
      return new Failure('dependency-outage', code, `${name} at ${this.url} cannot be reached (${code}).`, {
        outcome: 'none',
      });
    }
    if (code === 'EPROXYREFUSED') {
      return new Failure(
        'configuration',
        `${prefix}_PROXY`,
        `The proxy did not let the connection to ${this.url} through. Check its address, name and password in the ${node} node, and whether it may reach ${name}.`,
        { outcome: 'none' },
      );
    }
    if (untrusted.test(code)) {
      return new Failure(
        'configuration',
        `${prefix}_TLS`,
        `The secure connection to ${this.url} was not made (${code}). Check the certificate, or name its authority in the ${node} node.`,
        { outcome: 'none' },
      );
    }
    if (isAxiosError(error) && /maxContentLength/.test(error.message)) {
      return new Failure(
        'configuration',
        `${prefix}_ANSWER_TOO_LARGE`,
        `The answer of ${name} is larger than the limit. ${advice.answerTooLarge}`,
        { outcome: lost.outcome },
      );
    }
    if (isAxiosError(error) && /maxBodyLength/.test(error.message)) {
      return new Failure(
        'data-quality',
        `${prefix}_REQUEST_TOO_LARGE`,
        `The document is larger than one request to ${name} may be.`,
        { outcome: 'none' },
      );
    }
    if (signal?.aborted) {
      return new Failure(
        'dependency-outage',
        'DEADLINE',
        `The call to ${name} at ${this.url} was given up before its answer.${this.after(effect)}`,
        lost,
      );
    }
    if (code === 'ETIMEDOUT' || code === 'ECONNABORTED') {
      const limit = (timeout ?? this.#timeout) / 1000;
      return new Failure(
        'dependency-outage',
        `${prefix}_TIMEOUT`,
        `${name} at ${this.url} did not answer within ${limit} s.${this.after(effect)}`,
        lost,
      );
    }
    return new Failure(
      'dependency-outage',
      `${prefix}_CONNECTION_LOST`,
      `The connection to ${name} at ${this.url} was lost before the answer came (${code}).${this.after(effect)}`,
      lost,
    );
  }

  /** What to add where a reply is lost. */
  after(effect: Effect): string {
    return effect === 'write' ? ` ${this.peer.advice.lostWrite}` : '';
  }
}

function systemCodeOf(error: unknown): string {
  const of = (value: unknown) => (value instanceof Error ? (value as NodeJS.ErrnoException).code : undefined);
  const cause = error instanceof Error ? error.cause : undefined;
  // Happy eyeballs reports one error for several addresses; the first tells enough.
  const inner = cause instanceof AggregateError ? of(cause.errors[0]) : undefined;
  return inner ?? of(cause) ?? of(error) ?? 'UNKNOWN';
}

function addressOf(text: string, peer: Peer): string {
  const url = URL.parse(text.trim());
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '') {
    throw new Failure(
      'configuration',
      `${peer.code}_URL`,
      `The address in the ${peer.node} node must begin with http:// or https:// and hold no password, e.g. https://${peer.example}.`,
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function tlsOf(tls: HttpOptions['tls'], peer: Peer): AgentOptions {
  const read = (file: string | undefined) => {
    if (file === undefined || file === '') return undefined;
    try {
      return readFileSync(file);
    } catch (error) {
      throw new Failure('configuration', `${peer.code}_TLS_FILE`, `The TLS file ${file} cannot be read.`, {
        cause: error,
      });
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

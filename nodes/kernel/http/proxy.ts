/** A forward proxy between here and another system: https goes through a tunnel (CONNECT, RFC 9110 section 9.3.6). */
import { request } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { Failure } from '../failure.ts';
import type { Peer } from './peer.ts';

export interface Proxy {
  host: string;
  port: number;
  auth?: { username: string; password: string };
}

/**
 * @param text `http://proxy.example.org:3128`, with name and password where the proxy wants them; empty for none
 * @throws Failure `configuration` (`<peer>_PROXY`) for what is no such address; the text may hold a password and is not
 * repeated
 */
export function proxyOf(text: string | undefined, peer: Peer): Proxy | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  const url = URL.parse(text.trim());
  if (url === null || url.protocol !== 'http:' || url.hostname === '') {
    throw new Failure(
      'configuration',
      `${peer.code}_PROXY`,
      `The proxy of the ${peer.node} node must be an address such as http://proxy.example.org:3128.`,
      { outcome: 'none' },
    );
  }
  const auth = { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  return {
    // An address of IPv6 stands in brackets in a URL and without them elsewhere.
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 80),
    ...(auth.username === '' ? {} : { auth }),
  };
}

type Connected = NonNullable<Parameters<HttpsAgent['createConnection']>[1]>;

/** Makes TLS connections through tunnels of a proxy. */
export class TunnelAgent extends HttpsAgent {
  readonly #proxy: Proxy;
  readonly #limit: number;

  /** @param limit milliseconds until a connection must be made */
  constructor(proxy: Proxy, limit: number, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
    this.#limit = limit;
  }

  override createConnection(options: ConnectionOptions & { port?: number | string | null }, connected?: Connected) {
    const { host, port, auth } = this.#proxy;
    const target = `${(options.host ?? '').includes(':') ? `[${options.host}]` : options.host}:${options.port ?? 443}`;
    let made: Socket | undefined;
    let ended = false;
    const end = (error: Error | null, socket?: Socket) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      if (error !== null) made?.destroy();
      // Node.js types the stream as always there; with an error there is none.
      connected?.(error, socket as Socket);
    };
    const timer = setTimeout(() => {
      asking.destroy();
      end(failedWith('ECONNECTTIMEOUT'));
    }, this.#limit);
    const asking = request({
      createConnection: () => connect(port, host),
      method: 'CONNECT',
      path: target,
      headers: {
        Host: target,
        ...(auth === undefined
          ? {}
          : {
              'Proxy-Authorization': `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`,
            }),
      },
    });
    asking.once('connect', ({ statusCode }, socket) => {
      made = socket as Socket;
      if (statusCode !== 200) {
        end(failedWith(statusCode === 407 || statusCode === 403 ? 'EPROXYREFUSED' : 'EPROXY'));
        return;
      }
      const secure = connectTls({ ...options, socket: made });
      secure.once('error', end);
      secure.once('secureConnect', () => {
        secure.removeListener('error', end);
        end(null, secure);
      });
    });
    // Anything but a tunnel: a server that is no proxy answers like this.
    asking.once('response', (response) => {
      response.destroy();
      end(failedWith('EPROXYREFUSED'));
    });
    asking.once('error', end);
    asking.end();
    return undefined;
  }
}

function failedWith(code: string): Error {
  return Object.assign(new Error('no tunnel through the proxy'), { code });
}

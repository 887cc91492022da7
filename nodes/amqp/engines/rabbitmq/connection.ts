/**
 * One connection to RabbitMQ that comes back by itself: for ever, with jitter, to each host in turn. What cannot be
 * healed by retrying (credentials, vhost, certificate) is said in words and tried again seldom.
 */
import { readFileSync } from 'node:fs';
import { type ChannelModel, connect, credentials, type SocketOptions } from 'amqplib';
import { Failure } from '../../../kernel/failure.ts';
import type { EngineState } from '../engine.ts';
import { withDeadline } from '../waiting.ts';

export interface BrokerAddress {
  protocol: 'amqp' | 'amqps';
  hostname: string;
  port: number;
  username: string;
  password: string;
  vhost: string;
}

export interface TlsFiles {
  /** Paths of PEM files. */
  ca?: string;
  certificate?: string;
  key?: string;
  passphrase?: string;
}

export interface LinkOptions {
  /** Tried in turn. */
  addresses: readonly BrokerAddress[];
  tls?: TlsFiles;
  /** Shown by RabbitMQ's management. */
  name: string;
  /** Seconds. A broken link is found after about three; default 5. */
  heartbeat?: number;
}

export interface LinkEvents {
  up(model: ChannelModel): void;
  /** @param code the reply code with which the broker closed it (AMQP 0-9-1 section 1.5), where it did */
  down(code: number | undefined): void;
  state(state: EngineState): void;
}

const connectTimeout = 10_000;
const closeTimeout = 2_000;
const firstDelay = 200;
const longestDelay = 30_000;

/**
 * Milliseconds before the next try after so many that failed in a row: doubled each time up to 30 s, of which a random
 * half, so that those who lost the broker together do not come back together.
 *
 * @param random 0 ≤ x < 1, for tests. Default `Math.random`
 */
export function reconnectDelay(failures: number, random: () => number = Math.random): number {
  const ceiling = Math.min(longestDelay, firstDelay * 2 ** Math.min(failures, 30));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/**
 * Reads `amqp://user:password@host1:5672,host2:5672/vhost`, or several such addresses separated by commas.
 *
 * @throws Failure `configuration` `AMQP_URL`; never quotes the password
 */
export function parseAddresses(url: string, override: Partial<BrokerAddress> = {}): BrokerAddress[] {
  const addresses: BrokerAddress[] = [];
  let base: BrokerAddress | undefined;
  for (const part of url.split(',').map((text) => text.trim())) {
    if (part === '') continue;
    let text: string;
    if (part.includes('://')) text = part;
    else if (base === undefined) text = `amqp://${part}`;
    else text = `${base.protocol}://${part}`;
    let parsed: URL;
    try {
      parsed = new URL(text);
    } catch {
      throw badUrl('it is not a URL');
    }
    const protocol = parsed.protocol.slice(0, -1);
    if (protocol !== 'amqp' && protocol !== 'amqps') throw badUrl('it must begin with amqp:// or amqps://');
    const hasPath = parsed.pathname.length > 1;
    base = {
      protocol,
      hostname: parsed.hostname.replace(/^\[|\]$/g, ''),
      port: Number(parsed.port) || (protocol === 'amqp' ? 5672 : 5671),
      username: parsed.username === '' ? (base?.username ?? 'guest') : decodeURIComponent(parsed.username),
      password: parsed.username === '' ? (base?.password ?? 'guest') : decodeURIComponent(parsed.password),
      vhost: hasPath ? decodeURIComponent(parsed.pathname.slice(1)) : (base?.vhost ?? '/'),
    };
    addresses.push(base);
  }
  if (addresses.length === 0) throw badUrl('it is empty');
  // In `user@a,b/vhost` the last host carries the vhost for all.
  const vhost = addresses.find(({ vhost }) => vhost !== '/')?.vhost ?? '/';
  const given = Object.fromEntries(Object.entries(override).filter(([, value]) => value !== undefined && value !== ''));
  return addresses.map((address) => ({ ...address, vhost, ...given }));
}

function badUrl(why: string): Failure {
  return new Failure(
    'configuration',
    'AMQP_URL',
    `The address of the broker cannot be used: ${why}. Example: amqp://rabbit.example.org:5672/`,
  );
}

/** Where it connects, without credentials. */
export function describeAddress({ protocol, hostname, port, vhost }: BrokerAddress): string {
  return `${protocol}://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}, vhost "${vhost}"`;
}

/** Opens one connection to one host; a listener for `error` is on it. */
export async function openConnection(
  address: BrokerAddress,
  options: Pick<LinkOptions, 'tls' | 'name' | 'heartbeat'>,
): Promise<ChannelModel> {
  const tls = options.tls ?? {};
  const socket: SocketOptions = {
    // Without it a get-ack-get loop runs at 23 a second instead of 1,630.
    noDelay: true,
    keepAlive: true,
    timeout: connectTimeout,
    clientProperties: { connection_name: options.name, product: '@healthflows/node-red-integration' },
    ...(tls.ca === undefined ? {} : { ca: [pem(tls.ca, 'CA certificate')] }),
    ...(tls.certificate === undefined ? {} : { cert: pem(tls.certificate, 'client certificate') }),
    ...(tls.key === undefined ? {} : { key: pem(tls.key, 'client key') }),
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
    // A client certificate without a user name means the broker takes the name from the certificate.
    ...(tls.certificate !== undefined && address.username === '' ? { credentials: credentials.external() } : {}),
  };
  // The heartbeat counts only here: as a socket option amqplib ignores it.
  const opening = connect({ ...address, heartbeat: options.heartbeat ?? 5 }, socket);
  const model = await withDeadline(opening, connectTimeout + 1_000, 'opening the connection').catch((error) => {
    // A connection that opens after the deadline must not stay behind.
    opening.then(
      (late) => late.close().catch(() => undefined),
      () => undefined,
    );
    throw error;
  });
  model.on('error', () => undefined);
  return model;
}

function pem(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Failure(
      'configuration',
      'AMQP_TLS_FILE',
      `The file of the ${what} cannot be read (${(error as NodeJS.ErrnoException).code}): ${path}.`,
    );
  }
}

/** Closes without waiting for a broker that no longer answers. */
export async function closeConnection(model: ChannelModel): Promise<void> {
  try {
    await withDeadline(model.close(), closeTimeout, 'closing the connection');
  } catch {
    const { stream } = model.connection as unknown as { stream?: { destroy(): void } };
    stream?.destroy();
  }
}

const tlsCodes = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/;

/** Why a connection did not open, and whether waiting can help. */
export function explain(error: unknown, address: BrokerAddress): { problem: string; hopeless: boolean } {
  const where = describeAddress(address);
  if (error instanceof Failure) return { problem: error.message, hopeless: error.class === 'configuration' };
  const text = error instanceof Error ? error.message : String(error);
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (/ACCESS.REFUSED|\b403\b/i.test(text)) {
    return {
      problem: `The broker refuses the user "${address.username}" (${where}). Check user name and password.`,
      hopeless: true,
    };
  }
  // The broker answers connection.open with close 530 for a vhost that is not there; amqplib does not show the code.
  if (/NOT.ALLOWED|\b530\b|Expected ConnectionOpenOk/i.test(text)) {
    return {
      problem: `The vhost "${address.vhost}" does not exist or is down, or the user "${address.username}" has no permission for it (${where}).`,
      hopeless: true,
    };
  }
  if (/SASL mechanism/.test(text)) return { problem: `${text} (${where}).`, hopeless: true };
  if (tlsCodes.test(String(code))) {
    return { problem: `TLS to the broker failed with ${code} (${where}). Check the CA certificate.`, hopeless: true };
  }
  return { problem: `The broker does not answer: ${code || text} (${where}).`, hopeless: false };
}

export class Link {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  #state: EngineState = { kind: 'connecting', since: Date.now() };
  #model: ChannelModel | undefined;
  #address: BrokerAddress | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #next = 0;
  #closed = false;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    void this.#connect();
  }

  get state(): EngineState {
    return this.#state;
  }

  get model(): ChannelModel | undefined {
    return this.#model;
  }

  /** Of the host that answers. */
  get address(): BrokerAddress | undefined {
    return this.#model === undefined ? undefined : this.#address;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#set({ kind: 'closed' });
    const model = this.#model;
    this.#model = undefined;
    if (model !== undefined) await closeConnection(model);
  }

  async #connect(): Promise<void> {
    const { addresses } = this.#options;
    let trouble = { problem: 'No broker address.', hopeless: true };
    for (let tried = 0; tried < addresses.length; tried++) {
      const address = addresses[this.#next % addresses.length]!;
      try {
        const model = await openConnection(address, this.#options);
        if (this.#closed) await closeConnection(model);
        else {
          this.#address = address;
          this.#up(model);
        }
        return;
      } catch (error) {
        if (this.#closed) return;
        trouble = explain(error, address);
        this.#next++;
      }
    }
    this.#retry(trouble);
  }

  #up(model: ChannelModel): void {
    this.#failures = 0;
    this.#model = model;
    const { product, version } = model.connection.serverProperties;
    const ready: EngineState = { kind: 'ready', server: `${product} ${version}` };
    let cause: Error | undefined;
    model.on('error', (error: Error) => {
      cause = error;
    });
    model.on('close', (error?: Error) => {
      if (this.#model !== model) return;
      this.#model = undefined;
      const code: unknown =
        (error as { code?: unknown } | undefined)?.code ?? (cause as { code?: unknown } | undefined)?.code;
      this.#events.down(typeof code === 'number' ? code : undefined);
      const why = (cause ?? error)?.message ?? 'closed';
      if (!this.#closed) this.#retry({ problem: `The connection to the broker broke: ${why}.`, hopeless: false });
    });
    model.on('blocked', (reason: string) => this.#set({ kind: 'blocked', reason }));
    model.on('unblocked', () => this.#set(ready));
    model.on('handler-error', (error: Error) => {
      cause = error;
    });
    this.#set(ready);
    this.#events.up(model);
  }

  #retry({ problem, hopeless }: { problem: string; hopeless: boolean }): void {
    const delay = reconnectDelay(hopeless ? Number.POSITIVE_INFINITY : this.#failures++);
    this.#set(hopeless ? { kind: 'misconfigured', problem } : { kind: 'down', problem, retryAt: Date.now() + delay });
    this.#timer = setTimeout(() => void this.#connect(), delay);
  }

  #set(state: EngineState): void {
    this.#state = state;
    this.#events.state(state);
  }
}

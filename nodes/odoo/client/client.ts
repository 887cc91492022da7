/**
 * The client of one Odoo server: picks the protocol, guards every call (bulkhead, deadline, retry, breaker, rate
 * limit), and knows the server's version and fields.
 */
import { setImmediate } from 'node:timers/promises';
import { Failure, toFailure } from '../../kernel/failure.ts';
import type { Breaker, BreakerOptions, BreakerState } from '../../kernel/resilience/breaker.ts';
import { Deadline } from '../../kernel/resilience/deadline.ts';
import { Guard } from '../../kernel/resilience/guard.ts';
import { keepProbing } from '../../kernel/resilience/recovery.ts';
import { BoundedCache } from './bounded-cache.ts';
import { detect } from './detect.ts';
import { fieldAttributes, ModelFields } from './fields.ts';
import { failureOfAnswer, Http, type HttpOptions, odooPeer } from './http.ts';
import { Json2Transport } from './json2.ts';
import { JsonRpcTransport } from './jsonrpc.ts';
import { beginTrip } from './trip.ts';
import { KeyedLock } from './keyed-lock.ts';
import type { Call, Effect, OdooVersion, Transport } from './transport.ts';
import { defaultLimits, type ValueLimits } from './values.ts';

/**
 * `requestTimeout` below 30 s turns conflicts into writes of unknown outcome: Odoo repeats conflicting transactions itself
 * for up to 15 s.
 */
export interface OdooClientOptions extends HttpOptions {
  /** Default `auto`: ask the server. */
  protocol?: 'auto' | 'json2' | 'jsonrpc';
  database?: string;
  /** Login of the integration user; JSON-RPC only. */
  login?: string;
  apiKey: string;
  /** Company that new records belong to and that is worked in. Default: the user's own companies. */
  companyId?: number;
  /** Language code for translated fields, e.g. `fr_FR`. Default: the user's. */
  language?: string;
  /** Calls at the same time. Default 8. */
  concurrency?: number;
  /** Calls waiting for a place. Default 1,000. */
  queue?: number;
  /** Calls a second; 0 = no limit. Default 0. */
  perSecond?: number;
  /** Tries in all for a call that may be repeated. Default 3. */
  attempts?: number;
  /** Milliseconds for a call with its queueing and repeats. Default 150,000. */
  deadline?: number;
  breaker?: Omit<BreakerOptions, 'name'>;
  limits?: ValueLimits;
  /**
   * Milliseconds after which Odoo has certainly ended a request whose client went away (`limit_time_real`, default
   * 120 s, and a margin). A write of unknown outcome without an external id is not repeated before.
   */
  settleTime?: number;
}

/** What a caller passes along with any operation. */
export interface CallerContext {
  signal?: AbortSignal;
  /** Of the message that caused the call. */
  traceparent?: string | undefined;
  /** Added to the call's Odoo context. */
  context?: Readonly<Record<string, unknown>>;
}

export interface CallSettings extends CallerContext {
  effect: Effect;
  /** The call may be repeated after a lost reply without a second effect. Reads always may. */
  repeatable?: boolean;
  /** The caller knows the types of what comes back; see `parseAnswer`. */
  typed?: boolean;
}

export class OdooClient {
  readonly url: string;
  readonly limits: Required<ValueLimits>;
  readonly settleTime: number;
  /** Ids of records found by external id or by matching fields. */
  readonly references = new BoundedCache<string, number>(10_000, 300_000);
  /** One writer at a time for a business key. */
  readonly locks = new KeyedLock();
  /** Natural keys whose last create has an unknown outcome. */
  readonly unsettled = new BoundedCache<string, number>(10_000, 600_000);
  readonly #options: OdooClientOptions;
  readonly #http: Http;
  readonly #guard: Guard;
  readonly #context: Readonly<Record<string, unknown>>;
  readonly #fields = new BoundedCache<string, Promise<ModelFields>>(200, 600_000);
  readonly #running = new Set<Promise<unknown>>();
  readonly #closed = new AbortController();
  #transport: Promise<Transport> | undefined;
  #version: Promise<OdooVersion> | undefined;

  constructor(options: OdooClientOptions) {
    this.#options = options;
    this.#http = new Http({ ...options, sockets: options.concurrency ?? 8 }, odooPeer);
    this.url = this.#http.url;
    this.limits = { ...defaultLimits, ...options.limits };
    this.settleTime = options.settleTime ?? 130_000;
    const name = `Odoo at ${this.url}`;
    this.#guard = new Guard({
      name,
      queue: options.queue ?? 1_000,
      deadline: options.deadline ?? 150_000,
      ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
      ...(options.perSecond === undefined ? {} : { perSecond: options.perSecond }),
      ...(options.attempts === undefined ? {} : { attempts: options.attempts }),
      ...(options.breaker === undefined ? {} : { breaker: options.breaker }),
    });
    this.#context = {
      ...(options.language ? { lang: options.language } : {}),
      ...(options.limits?.timeZone ? { tz: options.limits.timeZone } : {}),
      ...(options.companyId === undefined ? {} : { allowed_company_ids: [options.companyId] }),
    };
  }

  get breaker(): BreakerState {
    return this.#guard.breaker.state;
  }

  /** What stops the calls to this server while it is down. */
  get circuit(): Breaker {
    return this.#guard.breaker;
  }

  /** Calls running and waiting. */
  get load(): { active: number; queued: number } {
    return { active: this.#guard.bulkhead.active, queued: this.#guard.bulkhead.queued };
  }

  /** @returns a function that unsubscribes */
  onBreaker(listener: (state: BreakerState) => void): () => void {
    return this.#guard.breaker.onChange(listener);
  }

  /**
   * Calls a method. Repeats what may pass and may be repeated.
   * @throws Failure; `outcome: 'unknown'` when a write may have happened, and then `retryable` only for a repeatable one
   */
  async call(call: Call, settings: CallSettings): Promise<unknown> {
    const { effect } = settings;
    const repeatable = effect === 'read' || settings.repeatable === true;
    let attempt = 0;
    const context = { ...this.#context, ...settings.context, ...call.context };
    const full = Object.keys(context).length === 0 ? call : { ...call, context };
    /** Set once a try may have written: a later try that was refused does not undo that. */
    let lost = false;
    try {
      return await this.#guarded(
        async (signal) => {
          const transport = await this.#connect(signal);
          const trip = beginTrip(call, transport.protocol, settings.traceparent, ++attempt);
          try {
            const answer = await transport.call(full, {
              effect,
              signal,
              ...(trip.traceparent === undefined ? {} : { traceparent: trip.traceparent }),
              ...(settings.typed === undefined ? {} : { typed: settings.typed }),
            });
            trip.end();
            return answer;
          } catch (error) {
            trip.end(toFailure(error));
            lost ||= error instanceof Failure && error.outcome === 'unknown';
            throw error;
          }
        },
        (failure) => failure.retryable && (repeatable || failure.outcome === 'none'),
        settings.signal,
      );
    } catch (error) {
      const failure = toFailure(error);
      if (!lost) throw failure;
      if (repeatable) throw withUnknownOutcome(failure);
      throw new Failure(
        failure.class,
        failure.code,
        `${failure.message} Repeating ${call.model}/${call.method} could do it twice: look in Odoo first, then replay or discard the message.`,
        { retryable: false, outcome: 'unknown', detail: failure.detail, cause: failure },
      );
    }
  }

  /** Finds out by itself when the server is back after an outage. @returns a function that ends it */
  keepProbing(): () => void {
    return keepProbing(this.#guard.breaker, () => this.ready());
  }

  /**
   * Whether the server can work now: its own health page (which alone tells of PostgreSQL behind it), then the
   * cheapest call that needs database and key.
   * @throws Failure when it cannot, or takes more than 10 s
   */
  async ready(): Promise<void> {
    const late = () =>
      new Failure('dependency-outage', 'DEADLINE', `Odoo at ${this.url} did not say within 10 s that it is ready.`, {
        outcome: 'none',
      });
    const deadline = new Deadline(10_000, late, this.#closed.signal);
    const { signal } = deadline;
    try {
      const path = '/web/health?db_server_status=1';
      const health = await this.#http.exchange({ method: 'GET', path, effect: 'read', signal });
      // A proxy may keep the page to itself; only a server that says it is unwell is believed.
      if (health.status >= 500) throw failureOfAnswer(health, 'read', this.url);
      const transport = await this.#connect(signal);
      const myself = { model: 'res.users', method: 'search_count', args: { domain: [['id', '=', 1]] } };
      await transport.call(myself, { effect: 'read', signal });
    } finally {
      deadline.clear();
    }
  }

  async protocol(): Promise<'json2' | 'jsonrpc'> {
    return (await this.#guarded((signal) => this.#connect(signal))).protocol;
  }

  /** Asked once. */
  version(): Promise<OdooVersion> {
    this.#version ??= this.#guarded(async (signal) => (await this.#connect(signal)).version(signal)).catch(
      (error: unknown) => {
        this.#version = undefined;
        throw error;
      },
    );
    return this.#version;
  }

  /** Database id of the user the key belongs to. */
  async user(): Promise<number> {
    return await this.#guarded(async (signal) => (await this.#connect(signal)).user(signal));
  }

  /**
   * The fields of a model, remembered for ten minutes.
   * @throws Failure `configuration` (`ODOO_UNKNOWN_MODEL`) for a model this Odoo does not have
   */
  fields(model: string): Promise<ModelFields> {
    const known = this.#fields.get(model);
    if (known !== undefined) return known;
    const asked = this.#askFields(model).catch((error: unknown) => {
      this.#fields.delete(model);
      throw error;
    });
    this.#fields.set(model, asked);
    return asked;
  }

  /** Forgets fields and found records, e.g. after Odoo refused a record that was found before. */
  forget(): void {
    this.#fields.clear();
    this.references.clear();
  }

  /**
   * Waits for calls that run, and those that follow them in the same operation, at most `limit` milliseconds; gives up
   * the rest, and takes no more.
   */
  async close(limit = 10_000): Promise<void> {
    const given = setTimeout(() => this.#closed.abort(closed()), limit);
    do {
      await Promise.allSettled(this.#running);
      // Lets an operation begin its next call.
      await setImmediate();
    } while (this.#running.size > 0 && !this.#closed.signal.aborted);
    clearTimeout(given);
    this.#closed.abort(closed());
    this.#http.close();
  }

  async #askFields(model: string): Promise<ModelFields> {
    if (!/^[a-z_][a-z0-9_.]{0,127}$/.test(model)) throw unknownModel(model);
    try {
      const description = await this.call(
        { model, method: 'fields_get', args: { attributes: fieldAttributes } },
        { effect: 'read' },
      );
      return new ModelFields(model, description as Record<string, Record<string, unknown>>);
    } catch (error) {
      // Over JSON-RPC an unknown model is a UserError, over JSON-2 a NotFound.
      const failure = toFailure(error);
      const refused = failure.class === 'data-quality' || failure.code === 'ODOO_NOT_FOUND';
      throw refused ? unknownModel(model) : failure;
    }
  }

  #guarded<T>(
    work: (signal: AbortSignal) => Promise<T>,
    retryWhen: (failure: Failure) => boolean = (failure) => failure.retryable,
    signal?: AbortSignal,
  ): Promise<T> {
    const signals = signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal]);
    const running = this.#guard.run(work, { signal: signals, retryWhen });
    this.#running.add(running);
    const done = () => this.#running.delete(running);
    running.then(done, done);
    return running;
  }

  #connect(signal: AbortSignal): Promise<Transport> {
    this.#transport ??= this.#choose(signal).catch((error: unknown) => {
      this.#transport = undefined;
      throw error;
    });
    return this.#transport;
  }

  async #choose(signal: AbortSignal): Promise<Transport> {
    const { protocol = 'auto', apiKey, database = '', login = '' } = this.#options;
    if (apiKey === '') {
      throw new Failure(
        'configuration',
        'ODOO_KEY_MISSING',
        'The odoo-server node has no API key. Enter one, or the environment variable that holds it.',
        { outcome: 'none' },
      );
    }
    const spoken = protocol === 'auto' ? (await detect(this.#http, signal)).protocol : protocol;
    return spoken === 'json2'
      ? new Json2Transport(this.#http, { apiKey, database })
      : new JsonRpcTransport(this.#http, { apiKey, database, login });
  }
}

/** The same failure, of a call that may have written before. */
export function withUnknownOutcome(failure: Failure): Failure {
  return new Failure(failure.class, failure.code, failure.message, {
    retryable: failure.retryable,
    outcome: 'unknown',
    detail: failure.detail,
    cause: failure,
    ...(failure.retryAfter === undefined ? {} : { retryAfter: failure.retryAfter }),
  });
}

function closed(): Failure {
  return new Failure('dependency-outage', 'ODOO_CLOSED', 'The odoo-server node was closed before the answer came.', {
    outcome: 'none',
  });
}

function unknownModel(model: string): Failure {
  return new Failure(
    'configuration',
    'ODOO_UNKNOWN_MODEL',
    `This Odoo has no model "${model.slice(0, 80)}". Pick one that it has, or install the module that adds it.`,
    { outcome: 'none' },
  );
}

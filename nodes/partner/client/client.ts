/** The client of one partner: authentication, and every call guarded (bulkhead, deadline, retry, breaker, rate limit). */
import { setImmediate } from 'node:timers/promises';
import { Failure, toFailure } from '../../kernel/failure.ts';
import { type Answer, type Effect, Http, type HttpOptions, type Method } from '../../kernel/http/http.ts';
import type { Peer } from '../../kernel/http/peer.ts';
import { attribute } from '../../kernel/telemetry/semconv.ts';
import { type HopSpan, startSpan } from '../../kernel/telemetry/tracing.ts';
import { childTraceparent } from '../../kernel/id.ts';
import type { Breaker, BreakerOptions } from '../../kernel/resilience/breaker.ts';
import { Guard } from '../../kernel/resilience/guard.ts';
import { keepProbing } from '../../kernel/resilience/recovery.ts';
import { failureOfAnswer } from './answers.ts';
import { type Authentication, authenticationOf, type Credentials } from './authentication.ts';

export interface PartnerOptions extends Omit<HttpOptions, 'sockets'> {
  /** As an operator knows it. */
  name: string;
  credentials: Credentials;
  /** Asked to find out whether the partner is there, e.g. `/health`. Default the address itself. */
  healthPath?: string;
  /** Requests at the same time. Default 4. */
  concurrency?: number;
  /** Requests waiting for a place. Default 1,000. */
  queue?: number;
  /** Requests a second; 0 = no limit. Default 0. */
  perSecond?: number;
  /** Tries in all for a request that may be repeated. Default 3. */
  attempts?: number;
  /** Milliseconds for a request with its queueing and repeats. Default 150,000. */
  deadline?: number;
  breaker?: Omit<BreakerOptions, 'name'>;
}

export interface PartnerRequest {
  method: Method;
  /** Begins with a slash; goes behind the endpoint's address. */
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Names what is sent, the same for every try and replay: the signature's message id. */
  id: string;
  /** The partner does it once however often it comes: it has a key, or the method says so. */
  repeatable: boolean;
  /** Of the message that causes the request. */
  traceparent?: string;
  /** Statuses that are no failure beside 2xx, e.g. 409 for a document the partner has. */
  accept?: readonly number[];
  answer?: 'text' | 'bytes';
  signal?: AbortSignal;
}

export type PartnerAnswer = Answer & {
  /** Milliseconds of the last try. */
  duration: number;
};

/** RFC 9110 section 9.2.1: asking changes nothing. */
const safe = new Set<Method>(['GET', 'HEAD']);

export class PartnerClient {
  readonly url: string;
  readonly name: string;
  readonly #http: Http;
  readonly #peer: Peer;
  readonly #guard: Guard;
  readonly #healthPath: string;
  readonly #authentication: Authentication;
  readonly #signs: boolean;
  readonly #others: Http[] = [];
  readonly #running = new Set<Promise<unknown>>();
  readonly #closed = new AbortController();

  /** @throws Failure `configuration` for settings that cannot be used */
  constructor(options: PartnerOptions) {
    const { name, concurrency = 4 } = options;
    this.name = name;
    this.#peer = peerOf(name);
    this.#http = new Http({ ...options, sockets: concurrency }, this.#peer);
    this.url = this.#http.url;
    this.#healthPath = options.healthPath ?? '';
    this.#signs = options.credentials.kind === 'standard-webhooks';
    this.#authentication = authenticationOf(options.credentials, (url) => {
      const http = new Http({ ...options, url, sockets: 1 }, peerOf(`The token endpoint of ${name}`));
      this.#others.push(http);
      return http;
    });
    this.#guard = new Guard({
      name,
      concurrency,
      queue: options.queue ?? 1_000,
      deadline: options.deadline ?? 150_000,
      ...(options.perSecond === undefined ? {} : { perSecond: options.perSecond }),
      ...(options.attempts === undefined ? {} : { attempts: options.attempts }),
      ...(options.breaker === undefined ? {} : { breaker: options.breaker }),
    });
  }

  /** What stops the requests while the partner is down. */
  get circuit(): Breaker {
    return this.#guard.breaker;
  }

  /**
   * Sends, and repeats what may pass and may be repeated.
   * @throws Failure; `outcome: 'unknown'` when the partner may have got it, and then `retryable` only for a repeatable
   * request
   */
  async send(request: PartnerRequest): Promise<PartnerAnswer> {
    const effect: Effect = safe.has(request.method) ? 'read' : 'write';
    // By Standard Webhooks the message id is the idempotency key.
    const repeatable = request.repeatable || effect === 'read' || this.#signs;
    /** Set once a try may have arrived: a later try that was refused does not undo that. */
    let lost = false;
    const signals = [this.#closed.signal, ...(request.signal === undefined ? [] : [request.signal])];
    const running = this.#guard.run(
      async (signal) => {
        try {
          return await this.#exchange(request, effect, signal);
        } catch (error) {
          lost ||= error instanceof Failure && error.outcome === 'unknown';
          throw error;
        }
      },
      {
        signal: AbortSignal.any(signals),
        retryWhen: (failure) => failure.retryable && (repeatable || failure.outcome === 'none'),
      },
    );
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      const failure = toFailure(error);
      if (!lost) throw failure;
      throw unsure(failure, repeatable, this.name);
    } finally {
      this.#running.delete(running);
    }
  }

  /**
   * Whether the partner is there: any answer of its own says so, but one that it is unwell.
   * @returns what it answered
   * @throws Failure
   */
  async ready(): Promise<PartnerAnswer> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(10_000)]);
    const probe = { method: 'GET', path: this.#healthPath, id: 'probe', repeatable: true } as const;
    const answer = await this.#try({ ...probe, answer: 'bytes' }, 'read', signal);
    if (answer.status >= 500 && answer.status !== 501) throw failureOfAnswer(answer, 'read', this.#peer);
    return answer;
  }

  /** Finds out by itself when the partner is back after an outage. @returns a function that ends it */
  keepProbing(): () => void {
    return keepProbing(this.#guard.breaker, () => this.ready());
  }

  /** Waits for requests that run, at most `limit` milliseconds; gives up the rest, and takes no more. */
  async close(limit = 10_000): Promise<void> {
    const given = setTimeout(() => this.#closed.abort(closed(this.name)), limit);
    do {
      await Promise.allSettled(this.#running);
      await setImmediate();
    } while (this.#running.size > 0 && !this.#closed.signal.aborted);
    clearTimeout(given);
    this.#closed.abort(closed(this.name));
    for (const http of [this.#http, ...this.#others]) http.close();
  }

  async #exchange(request: PartnerRequest, effect: Effect, signal: AbortSignal): Promise<PartnerAnswer> {
    let answer = await this.#try(request, effect, signal);
    if (answer.status === 401 && this.#authentication.renew !== undefined) {
      // The token may have been revoked before its time; a new one is asked for once.
      this.#authentication.renew();
      answer = await this.#try(request, effect, signal);
    }
    const { status } = answer;
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) return answer;
    throw failureOfAnswer(withText(answer), effect, this.#peer);
  }

  async #try(request: PartnerRequest, effect: Effect, signal: AbortSignal): Promise<PartnerAnswer> {
    const { method, path, body } = request;
    // Signed anew for every try: a signature has a time, and the partner may be strict about it.
    const proof = await this.#authentication.headers({ id: request.id, body: body ?? '', now: Date.now() });
    const started = performance.now();
    const parent = request.traceparent;
    const span =
      parent === undefined
        ? undefined
        : startSpan({
            name: `${method} ${this.name}`,
            role: 'client',
            parent: { traceparent: parent },
            attributes: { [attribute.httpMethod]: method, [attribute.serverAddress]: new URL(this.url).hostname },
          });
    const answer = await this.#spanned(span, {
      method,
      path,
      headers: {
        Accept: '*/*',
        ...request.headers,
        ...proof,
        traceparent: span?.context.traceparent ?? childTraceparent(parent),
      },
      effect,
      signal,
      answer: request.answer ?? 'text',
      ...(body === undefined ? {} : { body }),
    });
    return { ...answer, duration: Math.round(performance.now() - started) };
  }

  async #spanned(span: HopSpan | undefined, exchange: Parameters<Http['exchange']>[0]): ReturnType<Http['exchange']> {
    if (span === undefined) return await this.#http.exchange(exchange);
    try {
      const answer = await this.#http.exchange(exchange);
      span.set({ [attribute.httpStatus]: answer.status });
      // HTTP conventions: to a client every status from 400 on is an error.
      span.end(answer.status >= 400 ? { class: 'dependency-outage', code: String(answer.status) } : undefined);
      return answer;
    } catch (error) {
      span.end(toFailure(error));
      throw error;
    }
  }
}

/** Bytes at the beginning of a refusal that are looked at. */
const evidence = 65_536;

function withText(answer: PartnerAnswer): PartnerAnswer {
  return answer.bytes === undefined ? answer : { ...answer, text: answer.bytes.toString('utf8', 0, evidence) };
}

function peerOf(name: string): Peer {
  return {
    name,
    code: 'PARTNER',
    node: 'partner-endpoint',
    example: 'api.supplier.example',
    advice: {
      answerTooLarge: 'Ask for less, or raise the limit.',
      lostWrite: 'The document may have arrived all the same.',
    },
  };
}

function unsure(failure: Failure, repeatable: boolean, name: string): Failure {
  const advice = repeatable
    ? ''
    : ` Sending again could do it twice: ask ${name} first, then replay or discard the message.`;
  return new Failure(failure.class, failure.code, failure.message + advice, {
    retryable: repeatable && failure.retryable,
    outcome: 'unknown',
    detail: failure.detail,
    cause: failure,
    ...(failure.retryAfter === undefined ? {} : { retryAfter: failure.retryAfter }),
  });
}

function closed(name: string): Failure {
  return new Failure('dependency-outage', 'PARTNER_CLOSED', `The connection to ${name} was closed before its answer.`, {
    outcome: 'none',
  });
}

/**
 * A running webhook endpoint: the ingress in front, verification in the middle, the flow behind. Knows of Node-RED
 * only what {@link EndpointHost} offers.
 */
import { randomUUID } from 'node:crypto';
import type { Keeper } from '../evidence/index.ts';
import { Failure, type FailureRecord, toFailure } from '../kernel/failure.ts';
import type { FlowMessage } from '../kernel/message.ts';
import { attribute } from '../kernel/telemetry/semconv.ts';
import { telemetry } from '../kernel/telemetry/telemetry.ts';
import { carryTrace, type HopSpan, receivedTrace, startSpan, tracing } from '../kernel/telemetry/tracing.ts';
import { accept, type Counted, type Ingress, type IngressLimits } from './ingress/accept.ts';
import type { CorsPolicy } from './ingress/cors.ts';
import type { Endpoint } from './ingress/dispatcher.ts';
import { type Exchange, Exchanges } from './ingress/exchange.ts';
import type { HttpRequest, HttpResponse } from './ingress/http.ts';
import { correlationIdOf } from './ingress/identity.ts';
import { MediaTypes } from './ingress/media-type.ts';
import { type ProblemCode, type ProblemOptions, problemBody, problemHeaders, problems } from './ingress/problem.ts';
import type { Admitted, ReplayGuard } from './replay.ts';
import type { Scheme, SecretPlaces, SignedRequest, Verify } from './schemes/scheme.ts';
import type { EventNames } from './verification/event.ts';
import { eventOf, requestView } from './verification/event.ts';
import { FailureRate } from './verification/failure-rate.ts';
import { fromHttp, fromMessage } from './verification/request.ts';
import { decide, failureOf, type Refused } from './verification/verifier.ts';

export interface Rejection {
  code: ProblemCode;
  /** Reason and step, no content. */
  reason: string;
  correlationId: string;
  /** Network address. */
  source: string;
  /** How many this stands for. */
  count: number;
}

export interface EndpointHost {
  emit(message: FlowMessage, output: 'verified' | 'rejected'): void;
  /** Writes the audit trail. @returns what the reply waits for; never rejects */
  audit(rejection: Rejection): Promise<void> | undefined;
  /** Resolves when the audit trail holds what it was given. */
  audited(): Promise<void>;
  /** The body was read before us: somebody has to change settings. */
  misconfigured(): void;
  /** CloudEvents source and type of a message. */
  names(message: FlowMessage): EventNames;
}

export interface EndpointOptions {
  nodeId: string;
  flowId: string | undefined;
  /** Template of the path; empty for an endpoint that has none of its own. */
  route: string;
  limits: IngressLimits;
  contentTypes: string;
  maxPending: number;
  cors: CorsPolicy;
  json: { depth: number; members: number };
  publicUrl: string;
  answer: boolean;
  failureLimit: number;
  scheme: Scheme;
  verify: Verify;
  secretPlaces: SecretPlaces;
  replay: ReplayGuard | undefined;
  /** Keeps the body as it came; undefined: nothing is kept. */
  keep: Keeper | undefined;
}

interface Arrival {
  parameters: Record<string, string>;
  span: HopSpan | undefined;
}

/** Time for replies that are on their way when the endpoint closes, in milliseconds. */
const closeGrace = 500;
/** Time for the same after a deploy that left this node alone. */
const deployGrace = 5_000;
const sweepInterval = 30_000;

export class WebhookEndpoint implements Endpoint, Ingress {
  readonly limits: IngressLimits;
  readonly mediaTypes: MediaTypes;
  readonly exchanges: Exchanges;
  readonly cors: CorsPolicy;
  readonly #options: EndpointOptions;
  readonly #host: EndpointHost;
  readonly #failures: FailureRate;
  readonly #arrivals = new WeakMap<HttpRequest, Arrival>();
  /** Runs from the first failure on. */
  #sweep: NodeJS.Timeout | undefined;
  #open = true;

  /** @throws Failure `configuration` when the content types cannot be read */
  constructor(options: EndpointOptions, host: EndpointHost) {
    this.#options = options;
    this.#host = host;
    this.limits = options.limits;
    this.mediaTypes = new MediaTypes(options.contentTypes);
    this.exchanges = new Exchanges(options.maxPending);
    this.cors = options.cors;
    this.#failures = new FailureRate(options.failureLimit, ({ source, suppressed }) => {
      void host.audit({
        code: 'too-many-failures',
        reason: 'failures beyond the limit of one source',
        correlationId: '',
        source,
        count: suppressed,
      });
    });
    void options.verify.ready?.(undefined);
  }

  isOpen(): boolean {
    return this.#open;
  }

  /** After a deploy: what crossed it may have lost its way in a node that was replaced. */
  flowsStarted(): void {
    this.exchanges.hasten(Math.min(deployGrace, this.limits.replyTime));
  }

  async close(): Promise<void> {
    this.#open = false;
    clearInterval(this.#sweep);
    this.#failures.sweep(Number.POSITIVE_INFINITY);
    await this.exchanges.drain(closeGrace);
    await this.#host.audited();
  }

  accept(request: HttpRequest, response: HttpResponse, parameters: Record<string, string>): void {
    this.#arrivals.set(request, { parameters, span: this.#arrived(request, response) });
    this.cors.apply(request, response);
    accept(request, response, this).catch((error: unknown) => this.#broke(request, response, error));
  }

  refused(code: ProblemCode, request: HttpRequest, correlationId: string): Counted {
    if (code === 'body-consumed-upstream') this.#host.misconfigured();
    const source = request.ip ?? request.socket.remoteAddress ?? '';
    return this.#count({ kind: 'refused', code, reason: code }, correlationId, source);
  }

  received(exchange: Exchange, body: Buffer): void {
    const { request, response } = exchange;
    const { parameters, span } = this.#arrivals.get(request) ?? { parameters: {}, span: undefined };
    const signed = fromHttp(request, parameters, body, this.#options.publicUrl);
    const message: FlowMessage = {
      _msgid: randomUUID(),
      req: requestView(request, parameters, this.#options.secretPlaces),
      res: { _res: response },
    };
    this.#verify(message, signed, exchange, span).catch((error: unknown) => this.#broke(request, response, error));
  }

  /**
   * Verifies a message that came by wire.
   * @throws Failure `configuration` `BODY_ALREADY_PARSED`
   */
  async receive(message: FlowMessage): Promise<void> {
    const signed = fromMessage(message, this.#options.publicUrl);
    const span = startSpan({
      name: 'webhook-verifier',
      role: 'internal',
      parent: receivedTrace(signed.headers.all('traceparent')[0], signed.headers.all('tracestate')[0]),
      attributes: this.#attributes(),
    });
    try {
      await this.#verify(message, signed, undefined, span);
      span?.end(message.failure);
    } catch (error) {
      span?.end(toFailure(error));
      throw error;
    }
  }

  async #verify(
    message: FlowMessage,
    signed: SignedRequest,
    exchange: Exchange | undefined,
    span: HopSpan | undefined,
  ): Promise<void> {
    const started = performance.now();
    const now = Date.now();
    const keys = this.#options.verify.ready?.(signed);
    if (keys !== undefined) await keys;
    const decision = decide(this.#options.verify, signed, this.#options.json, now);
    if (decision.kind === 'refused') {
      span?.set({ [attribute.errorType]: decision.code });
      await this.#reject(message, decision, signed, exchange, started);
      return;
    }
    const { verification, proof } = decision.verified;
    message.payload = decision.payload;
    message.verification = verification;
    message.event = eventOf(signed, verification, this.#host.names(message), now);
    if (span !== undefined) {
      carryTrace(message, span.context);
      span.set({ [attribute.correlationId]: message.event.correlationid ?? '' });
    }
    if (exchange !== undefined) exchange.correlationId = message.event.correlationid ?? exchange.correlationId;

    const { replay, keep } = this.#options;
    let proven: Admitted | undefined;
    if (replay !== undefined) {
      const seen = await replay.admit(proof(), exchange);
      if (seen.kind === 'refused') {
        delete message.payload;
        span?.set({ [attribute.errorType]: seen.code });
        await this.#reject(message, seen, signed, exchange, started);
        return;
      }
      proven = seen;
    }
    try {
      if (keep !== undefined && signed.body.length > 0) await keep(message, signed.body);
    } catch (error) {
      await proven?.forget();
      throw error;
    }
    await proven?.remember();
    if (exchange !== undefined) {
      if (!this.#open) {
        exchange.problem('deploying');
        return;
      }
      if (!exchange.open) return;
      exchange.response.setHeader('X-Correlation-Id', exchange.correlationId);
    }
    telemetry.count('webhook_requests_total', { outcome: 'verified' });
    this.#hop(message, started);
    this.#host.emit(message, 'verified');
  }

  async #reject(
    message: FlowMessage,
    refused: Refused,
    signed: SignedRequest,
    exchange: Exchange | undefined,
    started: number,
  ): Promise<void> {
    const correlationId =
      exchange?.correlationId ??
      correlationIdOf({ headers: { 'x-correlation-id': signed.headers.all('x-correlation-id')[0] } });
    const { code, recorded } = this.#count(refused, correlationId, signed.client);
    if (recorded !== undefined) await recorded;
    const options = this.#problemOptions(code, refused);
    message.failure = { ...failureOf(code === refused.code ? refused : { code }), at: new Date().toISOString() };
    message.payload = problemBody(code, correlationId, options);
    message.statusCode = problems[code].status;
    message.headers = problemHeaders(code, options);
    this.#hop(message, started, message.failure);
    if (this.#options.answer || code === 'too-many-failures') {
      this.#answer(message, exchange, code, options);
      delete message.res;
    }
    if (code !== 'too-many-failures') this.#host.emit(message, 'rejected');
  }

  /** Our own route's response, or the one of an `http in` in front of us. */
  #answer(message: FlowMessage, exchange: Exchange | undefined, code: ProblemCode, options: ProblemOptions): void {
    if (exchange !== undefined) {
      exchange.problem(code, options);
      return;
    }
    const response = (message.res as { _res?: HttpResponse } | undefined)?._res;
    if (response === undefined || response.headersSent) return;
    for (const [name, value] of Object.entries(message.headers ?? {})) response.setHeader(name, value);
    response.statusCode = problems[code].status;
    response.end(JSON.stringify(message.payload));
  }

  #problemOptions(code: ProblemCode, refused: Refused): ProblemOptions {
    return {
      ...(refused.detail === undefined || code !== refused.code ? {} : { detail: refused.detail }),
      ...(problems[code].status === 401 ? { headers: { 'WWW-Authenticate': this.#options.scheme.challenge } } : {}),
    };
  }

  /** Counts and audits a refusal. @returns what to answer: the refusal, or that there have been too many */
  #count(refused: Refused, correlationId: string, source: string): Counted {
    telemetry.count('webhook_requests_total', { outcome: refused.code });
    const ours = problems[refused.code].status >= 500;
    this.#sweep ??= setInterval(() => this.#failures.sweep(Date.now()), sweepInterval).unref();
    if (!ours && this.#failures.failed(source, Date.now())) return { code: 'too-many-failures', recorded: undefined };
    const { code, reason } = refused;
    const recorded =
      code === 'saturated' ? undefined : this.#host.audit({ code, reason, correlationId, source, count: 1 });
    return { code, recorded };
  }

  #hop(message: FlowMessage, started: number, failure?: FailureRecord): void {
    const { nodeId, flowId } = this.#options;
    telemetry.hop({
      stage: 'webhook-verifier',
      nodeId,
      outcome: failure === undefined ? 'ok' : 'failed',
      duration: performance.now() - started,
      ...(flowId === undefined ? {} : { flowId }),
      ...(failure === undefined ? {} : { failureClass: failure.class, failureCode: failure.code }),
      ...(message.event?.correlationid === undefined ? {} : { correlationId: message.event.correlationid }),
      ...(message.event?.traceparent === undefined ? {} : { traceparent: message.event.traceparent }),
      ...(message.event?.id === undefined ? {} : { messageId: message.event.id }),
    });
  }

  /** Begins the trace of a request, which ends with its reply, and times both. */
  #arrived(request: HttpRequest, response: HttpResponse): HopSpan | undefined {
    const began = performance.now();
    const { route } = this.#options;
    const method = request.method ?? '';
    const span = !tracing()
      ? undefined
      : startSpan({
          name: `${method} ${route}`,
          role: 'server',
          parent: receivedTrace(request.headers.traceparent, request.headers.tracestate),
          attributes: { ...this.#attributes(), [attribute.httpMethod]: method, [attribute.httpRoute]: route },
        });
    response.once('close', () => {
      // A caller that went away before it got its answer has no status (0 on the scrape page).
      const status = response.writableFinished ? response.statusCode : 0;
      telemetry.observe(
        'http_server_request_duration_seconds',
        { http_request_method: method, http_route: route, http_response_status_code: String(status) },
        (performance.now() - began) / 1000,
      );
      if (span === undefined) return;
      if (status > 0) span.set({ [attribute.httpStatus]: status });
      // A refused request is the caller's error, not the server's (HTTP conventions, span status).
      span.end(status >= 500 || status === 0 ? { class: 'dependency-outage', code: String(status) } : undefined);
    });
    return span;
  }

  #attributes(): Record<string, string> {
    const { nodeId, flowId } = this.#options;
    return { [attribute.nodeId]: nodeId, ...(flowId === undefined ? {} : { [attribute.flowId]: flowId }) };
  }

  /** A dependency failed or a bug of ours: the caller is asked to come again, whatever it was. */
  #broke(request: HttpRequest, response: HttpResponse, error: unknown): void {
    const code: ProblemCode = error instanceof Failure && error.class === 'saturation' ? 'saturated' : 'not-ready';
    void this.#host.audit({
      code,
      reason: error instanceof Failure ? error.code : 'defect',
      correlationId: correlationIdOf(request),
      source: request.ip ?? '',
      count: 1,
    });
    try {
      for (const exchange of this.exchanges.of(response)) exchange.problem(code);
    } catch {
      // Whatever broke it also breaks the answer; an error here would end the process.
      response.destroy();
    }
  }
}

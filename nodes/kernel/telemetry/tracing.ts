/**
 * Spans, when an OpenTelemetry SDK is loaded into the process; without one, nothing. The parent of a span is what the
 * message says, never what the runtime believes to be the current context: behind a switch, a rate limit or a batch
 * that is another message's, so that one patient's trace would go on in another's.
 */
import {
  type Attributes,
  createTraceState,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import type { FailureRecord } from '../failure.ts';
import { isTraceparent } from '../id.ts';
import type { FlowMessage } from '../message.ts';
import { attribute, schemaUrl } from './semconv.ts';

/** Where a message stands in its trace, as strings: what survives a clone, a queue and a store. */
export interface TraceContext {
  /** W3C Trace Context section 3.2. */
  traceparent: string;
  /** W3C Trace Context section 3.3: what other vendors carry along. */
  tracestate?: string;
}

export type SpanRole = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

export interface SpanOptions {
  name: string;
  role: SpanRole;
  /** Absent: a trace of its own. */
  parent?: TraceContext | undefined;
  /** Work that led here without being the parent: the try before, the letter that is replayed. */
  links?: readonly (TraceContext | string | undefined)[];
  attributes?: Attributes;
}

const kinds: Record<SpanRole, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/** Section 3.3.1.5 of W3C Trace Context lets a longer one be dropped. */
const tracestateLimit = 512;

const scope = '@healthflows/node-red-integration';

let knownProvider: TracerProvider | undefined;
let knownTracer: Tracer | undefined;

/** An SDK may come at any time and go again, so it is looked for each time. */
function tracer(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  if (provider !== knownProvider) {
    knownProvider = provider;
    knownTracer = undefined;
  }
  if (knownTracer === undefined) {
    // The API's own provider stands for the one that is registered, and has none behind it until then. A copy of the
    // API elsewhere (Node-RED's user directory has its own) offers the same.
    const proxy = provider as { getDelegateTracer?(name: string, version?: string, options?: object): Tracer };
    knownTracer =
      proxy.getDelegateTracer === undefined
        ? provider.getTracer(scope, undefined, { schemaUrl })
        : proxy.getDelegateTracer(scope, undefined, { schemaUrl });
  }
  return knownTracer;
}

/** True when an SDK is loaded: what is only worth doing for spans may be left out otherwise. */
export function tracing(): boolean {
  return tracer() !== undefined;
}

/** @returns undefined when nobody traces */
export function startSpan({ name, role, parent, links = [], attributes }: SpanOptions): HopSpan | undefined {
  const spans = tracer();
  if (spans === undefined) return undefined;
  const above = spanContextOf(parent);
  const linked: Link[] = [];
  for (const link of links) {
    const context = spanContextOf(typeof link === 'string' ? { traceparent: link } : link);
    if (context !== undefined && !linked.some(({ context: known }) => known.spanId === context.spanId)) {
      linked.push({ context });
    }
  }
  const span = spans.startSpan(
    name,
    { kind: kinds[role], ...(attributes === undefined ? {} : { attributes }), links: linked },
    above === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, above),
  );
  return new HopSpan(span);
}

/** One piece of work in a trace. Holds codes and ids of ours only: no payload, no identifier, no text of an error. */
export class HopSpan {
  readonly #span: Span;
  #context: TraceContext | undefined;

  constructor(span: Span) {
    this.#span = span;
  }

  /** What the work that follows gets as its parent. */
  get context(): TraceContext {
    if (this.#context === undefined) {
      const { traceId, spanId, traceFlags, traceState } = this.#span.spanContext();
      const state = traceState?.serialize();
      this.#context = {
        traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
        ...(state === undefined || state === '' ? {} : { tracestate: state }),
      };
    }
    return this.#context;
  }

  rename(name: string): void {
    this.#span.updateName(name);
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes);
  }

  /** Ends it; further ends do nothing. */
  end(failure?: Pick<FailureRecord, 'class' | 'code'>): void {
    if (!this.#span.isRecording()) return;
    if (failure !== undefined) {
      this.#span.setAttributes({ [attribute.errorType]: failure.code, [attribute.failureClass]: failure.class });
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}

function spanContextOf(context: TraceContext | undefined): SpanContext | undefined {
  if (context === undefined || !isTraceparent(context.traceparent)) return undefined;
  const { traceparent, tracestate } = context;
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53), 16),
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  };
}

/** What a message carries: in its event, or beside it where it has none. */
export function traceOf({ event, traceparent }: FlowMessage): TraceContext | undefined {
  if (event?.traceparent !== undefined) {
    const { tracestate } = event;
    return { traceparent: event.traceparent, ...(tracestate === undefined ? {} : { tracestate }) };
  }
  return typeof traceparent === 'string' ? { traceparent } : undefined;
}

/** Lets a message go on in this trace. */
export function carryTrace(message: FlowMessage, context: TraceContext): void {
  if (message.event === undefined) message.traceparent = context.traceparent;
  else message.event = { ...message.event, ...context };
}

/** The two headers of W3C Trace Context as they came; undefined when there is no valid parent. */
export function receivedTrace(traceparent: unknown, tracestate: unknown): TraceContext | undefined {
  if (!isTraceparent(traceparent)) return undefined;
  return typeof tracestate === 'string' && tracestate !== '' && tracestate.length <= tracestateLimit
    ? { traceparent, tracestate }
    : { traceparent };
}

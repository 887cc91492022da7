/**
 * What messaging is in a trace. The work on a delivery goes on in the trace that its publisher began, as long as that
 * is one chain of tries; what comes much later, or because a person asked for it, is a trace of its own that links back.
 */
import type { EventAttributes } from '../kernel/message.ts';
import { attribute } from '../kernel/telemetry/semconv.ts';
import { type HopSpan, receivedTrace, startSpan, type TraceContext, tracing } from '../kernel/telemetry/tracing.ts';
import type { IncomingDelivery, MessageProperties, MessagingEngine } from './engines/engine.ts';

/** Headers that go along with every copy of a message: who published it first, and the last try of it. */
const originHeader = 'x-trace-origin';
const attemptHeader = 'x-trace-attempt';

/** Milliseconds: a trace that is open longer is cut by most back ends, and read by nobody. */
const longestTrace = 15 * 60_000;

/** An engine as the conventions name it. */
const systems: Record<MessagingEngine['kind'], string> = { rabbitmq: 'rabbitmq', embedded: 'healthflows' };

/** Of a span that publishes. */
export function sendingAttributes(
  engine: MessagingEngine['kind'],
  exchange: string,
  routingKey: string,
  event: EventAttributes,
): Record<string, string> {
  return {
    [attribute.messagingSystem]: systems[engine],
    [attribute.messagingOperation]: 'publish',
    [attribute.messagingOperationType]: 'send',
    [attribute.messagingDestination]: `${exchange}:${routingKey}`,
    [attribute.messagingRoutingKey]: routingKey,
    [attribute.messagingMessageId]: event.id,
    [attribute.correlationId]: event.correlationid ?? event.id,
    [attribute.messagingConversation]: event.correlationid ?? event.id,
  };
}

/** The work on a delivery, from reaching the flow to its settling. Notes itself on the delivery, for the next try. */
export function processSpan(
  delivery: IncomingDelivery,
  engine: MessagingEngine['kind'],
  node: string,
): HopSpan | undefined {
  if (!tracing()) return undefined;
  const { properties, queue, exchange, routingKey, attempt } = delivery;
  const { headers } = properties;
  const creation = receivedTrace(headers.traceparent, headers.tracestate);
  const late = Date.now() - properties.timestamp > longestTrace;
  const span = startSpan({
    name: `process ${queue}`,
    role: 'consumer',
    parent: late ? undefined : creation,
    // The conventions ask for the link to the creation also where it is the parent.
    links: [creation, textOf(headers[attemptHeader])],
    attributes: {
      [attribute.messagingSystem]: systems[engine],
      [attribute.messagingOperation]: 'process',
      [attribute.messagingOperationType]: 'process',
      [attribute.messagingDestination]: `${exchange}:${routingKey}:${queue}`,
      [attribute.messagingMessageId]: properties.messageId,
      [attribute.messagingBodySize]: delivery.body.byteLength,
      [attribute.correlationId]: properties.correlationId ?? properties.messageId,
      [attribute.nodeId]: node,
      [attribute.attempt]: attempt,
    },
  });
  if (span === undefined) return undefined;
  // The engines carry the headers over to the copy that waits for the next try and to the dead letter.
  if (creation !== undefined) headers[originHeader] ??= creation.traceparent;
  headers[attemptHeader] = span.context.traceparent;
  return span;
}

export interface ReplaySpans {
  /** For the message that is sent again. */
  readonly context: TraceContext;
  end(failure?: Parameters<HopSpan['end']>[0]): void;
}

/** Sending a dead letter again is a trace of its own, linked to the message's first trace and to the try that failed. */
export function replaySpans(letter: {
  queue: string;
  messageId: string;
  generation: number;
  jobId: string;
  headers: MessageProperties['headers'];
}): ReplaySpans | undefined {
  const { queue, messageId, generation, jobId, headers } = letter;
  const common = { [attribute.generation]: generation, [attribute.replayJob]: jobId };
  const replay = startSpan({
    name: 'replay dead letter',
    role: 'internal',
    links: [textOf(headers[originHeader]) ?? textOf(headers.traceparent), textOf(headers[attemptHeader])],
    attributes: common,
  });
  const publish =
    replay &&
    startSpan({
      name: `publish ${queue}`,
      role: 'producer',
      parent: replay.context,
      attributes: {
        ...common,
        [attribute.messagingOperation]: 'publish',
        [attribute.messagingOperationType]: 'send',
        [attribute.messagingDestination]: queue,
        [attribute.messagingMessageId]: messageId,
      },
    });
  if (publish === undefined) return undefined;
  return {
    context: publish.context,
    end(failure) {
      publish.end(failure);
      replay?.end(failure);
    },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

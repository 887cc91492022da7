/**
 * CloudEvents 1.0 over AMQP, binary mode (CloudEvents AMQP binding section 3.1): the attributes ride as headers
 * `cloudEvents:<name>`, the data is the body and `datacontenttype` is the content type.
 */
import { Failure } from '../kernel/failure.ts';
import { childTraceparent, isTraceparent, uuidv7 } from '../kernel/id.ts';
import { parseJson } from '../kernel/json.ts';
import type { EventAttributes, FlowMessage } from '../kernel/message.ts';
import type { TraceContext } from '../kernel/telemetry/tracing.ts';
import type { IncomingDelivery, MessageProperties, OutgoingMessage } from './engines/engine.ts';

const prefix = 'cloudEvents:';
/** RabbitMQ's own translation to and from AMQP 1.0 writes it with an underscore (binding section 3.1.3.1). */
const header = /^cloudEvents[:_]([a-z0-9]+)$/;

export interface OutgoingOptions {
  exchange: string;
  routingKey: string;
  partitionKey?: string;
  /** Milliseconds. */
  expiration?: number;
  priority?: number;
  /** Of the span that sends it; without one the message goes on in the trace of its event. */
  trace?: TraceContext;
}

/**
 * Where a message stands in what `split` nodes have divided, outermost first, such as `2` or `2.0`; undefined for one
 * that is whole. `batch` and others number messages too, but only `split` says of what type the whole was.
 */
export function partPath({ parts }: FlowMessage): string | undefined {
  const path: number[] = [];
  let part = parts as { index?: unknown; type?: unknown; parts?: unknown } | undefined;
  for (; typeof part?.type === 'string' && Number.isInteger(part.index); part = part.parts as typeof part) {
    path.unshift(part.index as number);
  }
  return path.length === 0 ? undefined : path.join('.');
}

/**
 * The event attributes of a message, filled in where the flow gave none. A part of a divided message is an event of its
 * own: under the id of the whole its consumers would take every part but one for a duplicate.
 */
export function eventOf(
  message: FlowMessage,
  defaultSource: string,
  routingKey: string,
): EventAttributes & { correlationid: string } {
  const { event } = message;
  const { traceparent } = message;
  const id = event?.id ?? uuidv7();
  const path = partPath(message);
  const isPart = event !== undefined && path !== undefined && !id.endsWith(`.${path}`);
  return {
    ...(typeof traceparent === 'string' ? { traceparent } : {}),
    ...event,
    ...(isPart ? { causationid: event.causationid ?? id } : {}),
    specversion: '1.0',
    id: isPart ? `${id}.${path}` : id,
    source: event?.source ?? defaultSource,
    type: event?.type ?? routingKey,
    time: event?.time ?? new Date().toISOString(),
    correlationid: event?.correlationid ?? id,
  };
}

/** @throws Failure `data-quality` `AMQP_PAYLOAD` when the payload has no serialisation */
export function outgoingMessage(payload: unknown, event: EventAttributes, options: OutgoingOptions): OutgoingMessage {
  const { body, contentType } = serialised(payload, event.datacontenttype);
  const headers: MessageProperties['headers'] = {};
  for (const [name, value] of Object.entries(event)) {
    if (name === 'datacontenttype' || name === 'traceparent' || name === 'tracestate') continue;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      headers[`${prefix}${name}`] = value;
    }
  }
  headers.traceparent = options.trace?.traceparent ?? childTraceparent(event.traceparent);
  const tracestate = options.trace === undefined ? event.tracestate : options.trace.tracestate;
  if (tracestate !== undefined) headers.tracestate = tracestate;
  const partitionKey = options.partitionKey ?? event.partitionkey;
  return {
    exchange: options.exchange,
    routingKey: options.routingKey,
    ...(partitionKey === undefined || partitionKey === '' ? {} : { partitionKey }),
    ...(options.expiration === undefined ? {} : { expiration: options.expiration }),
    properties: {
      messageId: event.id,
      type: event.type,
      contentType,
      timestamp: Date.now(),
      headers,
      ...(event.correlationid === undefined ? {} : { correlationId: event.correlationid }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
    },
    body,
  };
}

function serialised(payload: unknown, stated: string | undefined): { body: Buffer; contentType: string } {
  if (payload instanceof Uint8Array) {
    return { body: Buffer.from(payload), contentType: stated ?? 'application/octet-stream' };
  }
  if (typeof payload === 'string') {
    return { body: Buffer.from(payload), contentType: stated ?? 'text/plain; charset=utf-8' };
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(payload);
  } catch {
    // A cycle or a bigint: said below.
  }
  if (text === undefined) {
    throw new Failure('data-quality', 'AMQP_PAYLOAD', 'The payload cannot be written as JSON, text or bytes.');
  }
  return { body: Buffer.from(text), contentType: isJson(stated) ? stated! : 'application/json' };
}

function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^[\w.+-]+\/(?:[\w.+-]*\+)?json\b/i.test(contentType);
}

/**
 * What `amqp-consume` sends for a delivery.
 * @param trace of the span that the work on it is
 * @throws Failure `data-quality` when the body cannot be decoded
 */
export function flowMessage(delivery: IncomingDelivery, connection: string, trace?: TraceContext): FlowMessage {
  const { properties, attempt, redelivered, queue, handle, routingKey } = delivery;
  return {
    topic: routingKey,
    payload: decoded(delivery.body, properties.contentType),
    event: trace === undefined ? receivedEvent(delivery) : { ...receivedEvent(delivery), ...trace },
    delivery: { connection, queue, tag: handle, attempt, redelivered },
  };
}

/** The event attributes that came with a delivery; the trace goes on with a span of its own. */
export function receivedEvent({ properties, routingKey, exchange }: IncomingDelivery): EventAttributes {
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(properties.headers)) {
    const attribute = header.exec(name)?.[1];
    if (attribute !== undefined) attributes[attribute] = String(value);
  }
  const { traceparent, tracestate } = properties.headers;
  const parent = isTraceparent(traceparent) ? traceparent : attributes.traceparent;
  return {
    ...attributes,
    specversion: '1.0',
    id: attributes.id ?? properties.messageId,
    source: attributes.source ?? `/amqp/${exchange}`,
    type: attributes.type ?? properties.type ?? routingKey,
    datacontenttype: properties.contentType,
    correlationid: attributes.correlationid ?? properties.correlationId ?? properties.messageId,
    traceparent: childTraceparent(parent),
    ...(typeof tracestate === 'string' && isTraceparent(traceparent) ? { tracestate } : {}),
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decoded(body: Buffer, contentType: string): unknown {
  const json = isJson(contentType);
  if (!json && !/^text\//i.test(contentType)) return body;
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    throw new Failure(
      'data-quality',
      'AMQP_NOT_UTF8',
      `The body says it is ${contentType} but is not UTF-8 text. Check the sender's encoding.`,
    );
  }
  return json ? parseJson(text) : text;
}

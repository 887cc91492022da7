/**
 * The attempt history that travels with a message: what failed, when first, how often, and where the message came
 * from. Own headers, because `x-death` is ignored on republished messages from RabbitMQ 4.0 on.
 */
import { type FailureClass, type FailureRecord, failureClasses } from '../kernel/failure.ts';
import type { IncomingDelivery, MessageProperties } from './engines/engine.ts';

type Headers = MessageProperties['headers'];

/** What the broker adds on its own and what must not be carried along by a republish. */
const brokerHeaders =
  /^(x-death|x-first-death-.*|x-last-death-.*|x-delivery-count|x-acquired-count|x-dead-reason|CC|BCC)$/;
const failureHeaders = /^x-failure-/;

/** Longest text of one failure header, in characters; the header table of a message is limited to 64 KiB. */
const textLimit = 4096;

export function withoutBrokerHeaders(headers: Record<string, unknown> | undefined): Headers {
  const kept: Headers = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (brokerHeaders.test(name)) continue;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') kept[name] = value;
  }
  return kept;
}

/** The try that a delivery is; 1 for the first. */
export function attemptOf(headers: Headers): number {
  const attempt = Number(headers['x-attempt'] ?? 1);
  return Number.isInteger(attempt) && attempt > 0 ? attempt : 1;
}

/** Milliseconds since the epoch; undefined for a message that never failed. */
export function firstFailedAtOf(headers: Headers): number | undefined {
  const at = Date.parse(String(headers['x-first-failed-at'] ?? ''));
  return Number.isNaN(at) ? undefined : at;
}

/** Headers of the copy that waits for its next try. */
export function retryHeaders(delivery: IncomingDelivery, failure: FailureRecord, now: number): Headers {
  return { ...failed(delivery, failure, now), 'x-attempt': delivery.attempt + 1 };
}

/** Headers of the copy in the dead letters. */
export function deadLetterHeaders(delivery: IncomingDelivery, failure: FailureRecord, now: number): Headers {
  return { ...failed(delivery, failure, now), 'x-attempt': delivery.attempt };
}

function failed(delivery: IncomingDelivery, failure: FailureRecord, now: number): Headers {
  const headers: Headers = {};
  for (const [name, value] of Object.entries(withoutBrokerHeaders(delivery.properties.headers))) {
    if (!failureHeaders.test(name)) headers[name] = value;
  }
  headers['x-first-failed-at'] ??= new Date(now).toISOString();
  headers['x-origin-queue'] ??= delivery.queue;
  headers['x-origin-exchange'] ??= delivery.exchange;
  headers['x-origin-routing-key'] ??= delivery.routingKey;
  headers['x-failure-class'] = failure.class;
  headers['x-failure-code'] = failure.code;
  headers['x-failure-message'] = failure.message.slice(0, textLimit);
  headers['x-failure-retryable'] = failure.retryable;
  headers['x-failure-at'] = failure.at ?? new Date(now).toISOString();
  if (failure.outcome !== undefined) headers['x-failure-outcome'] = failure.outcome;
  if (failure.node !== undefined) headers['x-failure-node'] = JSON.stringify(failure.node);
  return headers;
}

/** What a message in `<queue>.dead` says about how it got there. */
export interface DeadLetterFacts {
  failure: FailureRecord;
  /** Tries it had. */
  attempt: number;
  /** RFC 3339. */
  firstFailedAt: string;
  /** The queue a replay goes to, by the default exchange. */
  originQueue: string;
  originExchange: string;
  originRoutingKey: string;
}

/** Reads the history back. A letter without one was put aside by the broker itself: its delivery limit, or its age. */
export function deadLetterOf(delivery: IncomingDelivery): DeadLetterFacts {
  const { headers } = delivery.properties;
  const at = String(headers['x-failure-at'] ?? new Date(delivery.properties.timestamp).toISOString());
  return {
    failure: failureOf(headers, at, delivery.queue),
    attempt: attemptOf(headers),
    firstFailedAt: String(headers['x-first-failed-at'] ?? at),
    originQueue: String(headers['x-origin-queue'] ?? delivery.queue.replace(/\.dead$/, '')),
    originExchange: String(headers['x-origin-exchange'] ?? delivery.exchange),
    originRoutingKey: String(headers['x-origin-routing-key'] ?? delivery.routingKey),
  };
}

function failureOf(headers: Headers, at: string, queue: string): FailureRecord {
  const failureClass = headers['x-failure-class'];
  if (headers[brokerReasonHeader] !== undefined) return putAsideByBroker(headers, at, queue);
  if (!failureClasses.includes(failureClass as FailureClass)) return putAsideByBroker(headers, at, queue);
  const node = parsed<FailureRecord['node']>(headers['x-failure-node']);
  const outcome = headers['x-failure-outcome'];
  return {
    class: failureClass as FailureClass,
    code: String(headers['x-failure-code'] ?? 'UNKNOWN'),
    retryable: headers['x-failure-retryable'] === true,
    message: String(headers['x-failure-message'] ?? ''),
    at,
    attempt: attemptOf(headers),
    ...(outcome === 'none' || outcome === 'unknown' ? { outcome } : {}),
    ...(node === undefined ? {} : { node }),
  };
}

/** Header in which the engines pass on the broker's own reason, since `x-death` is no flat value. */
export const brokerReasonHeader = 'x-dead-reason';

const brokerReasons: Record<string, { class: FailureClass; code: string; message: string }> = {
  delivery_limit: {
    class: 'defect',
    code: 'AMQP_POISON',
    message:
      'The message was delivered again and again without being settled, until the delivery limit of the queue: the flow probably ends or restarts the process each time. Look at the log around the deliveries before replaying it.',
  },
  expired: {
    class: 'dependency-outage',
    code: 'AMQP_EXPIRED',
    message: 'The message expired before it was delivered. Replay it if it still matters.',
  },
  maxlen: {
    class: 'saturation',
    code: 'AMQP_QUEUE_FULL',
    message: 'The queue was full and the broker put the message aside.',
  },
  rejected: {
    class: 'defect',
    code: 'AMQP_REJECTED',
    message: 'A consumer outside this package rejected the message without a reason.',
  },
};

function putAsideByBroker(headers: Headers, at: string, queue: string): FailureRecord {
  const reason = brokerReasons[String(headers[brokerReasonHeader] ?? 'rejected')] ?? brokerReasons.rejected!;
  return { ...reason, retryable: false, at, attempt: attemptOf(headers), detail: { queue } };
}

function parsed<T>(value: unknown): T | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    return JSON.parse(value) as T;
  } catch {
    return undefined;
  }
}

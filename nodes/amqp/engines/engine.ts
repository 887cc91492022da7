/**
 * What a messaging engine does for the nodes, in AMQP 0-9-1 words. Two engines: `rabbitmq` (a broker) and `embedded`
 * (tables of the integration store, one Node-RED instance).
 */
import type { FailureRecord } from '../../kernel/failure.ts';

export interface MessageProperties {
  /** Never changes: not on a retry, not on a replay. */
  messageId: string;
  correlationId?: string;
  /** CloudEvents type. */
  type?: string;
  contentType: string;
  /** Milliseconds since the epoch. */
  timestamp: number;
  priority?: number;
  /** CloudEvents attributes as `cloudEvents:*`, `traceparent`, `x-attempt`, `x-failure-*`, `x-origin-*`. */
  headers: Record<string, string | number | boolean>;
}

export interface OutgoingMessage {
  exchange: string;
  routingKey: string;
  /** Messages with one partition key keep their order through the outbox. */
  partitionKey?: string;
  /** Milliseconds after which an undelivered message is dropped to the dead letters. */
  expiration?: number;
  properties: MessageProperties;
  body: Uint8Array;
}

export interface IncomingDelivery {
  /** Opaque; goes into `msg.delivery.tag`. */
  handle: string;
  queue: string;
  exchange: string;
  routingKey: string;
  properties: MessageProperties;
  body: Buffer;
  /** 1 for the first try; counts our retries, not broker redeliveries. */
  attempt: number;
  redelivered: boolean;
  /** Earlier deliveries that nobody settled; undefined when the broker does not count them (classic queues). */
  redeliveries?: number;
}

export type Disposition =
  | { kind: 'done' }
  /** Back to the same queue after `delay` milliseconds, attempt + 1. */
  | { kind: 'retry'; delay: number; failure: FailureRecord }
  | { kind: 'dead-letter'; failure: FailureRecord }
  /** Handed back untouched (drain, pause): no attempt counted. */
  | { kind: 'release' };

/** `stale`: the connection it came on is gone and the broker will redeliver; nothing to do. */
export type SettleResult = 'settled' | 'already-settled' | 'stale';

export interface QueueTopology {
  name: string;
  type: 'quorum' | 'classic';
  bindings: { exchange: string; routingKey: string }[];
  /** Broker-side guard against a message that kills the process each time. Default 20. */
  deliveryLimit?: number;
  singleActiveConsumer?: boolean;
  /** Of a classic queue: messages of a higher priority, up to this one, come first. Quorum queues have theirs by version. */
  maxPriority?: number;
  /** Messages; a publish beyond it is refused as `saturation`. Unbounded when absent. */
  maxLength?: number;
  /**
   * Delays of the retry ladder in milliseconds, ascending: on RabbitMQ one queue `<name>.retry.<step>` each. A queue
   * with steps also gets `<name>.dead`.
   */
  retrySteps?: readonly number[];
}

/** An exchange and a queue may have the same name. */
export type DeclaredKind = 'exchange' | 'queue';

export interface Topology {
  /** Durable topic exchanges. */
  exchanges: string[];
  queues: QueueTopology[];
}

export type EngineState =
  | { kind: 'connecting'; since: number }
  /** `problem`: a queue or exchange that does not answer, by name and in words, while the rest works. */
  | { kind: 'ready'; server: string; problem?: string }
  /** The broker refuses to take more (memory or disk alarm). */
  | { kind: 'blocked'; reason: string }
  | { kind: 'down'; problem: string; retryAt?: number }
  /** Wrong credentials, a queue declared differently: retrying cannot help. */
  | { kind: 'misconfigured'; problem: string }
  | { kind: 'closed' };

export interface ConsumerOptions {
  queue: string;
  /** Deliveries unsettled at once. */
  prefetch: number;
  consumerTag?: string;
  /** Takes nothing until it is resumed. */
  paused?: boolean;
}

export interface Consumer {
  pause(): Promise<void>;
  resume(): Promise<void>;
  readonly paused: boolean;
  /** Deliveries handed out and not settled. */
  readonly unsettled: number;
  /**
   * Stops taking, waits while settles still come in (at most `drain` milliseconds, default 0), then hands the rest
   * back to the queue: a later settle of those is `stale`.
   */
  close(drain?: number): Promise<void>;
}

export interface OpenDelivery {
  delivery: IncomingDelivery;
  /** Milliseconds since the epoch at which it was handed out. */
  since: number;
}

export interface QueueDepth {
  /** Waiting to be delivered. */
  ready: number;
  unsettled?: number;
  /** Milliseconds the oldest waiting message has waited, where the engine can tell. */
  oldestAge?: number;
}

export interface MessagingEngine {
  readonly kind: 'rabbitmq' | 'embedded';
  readonly state: EngineState;
  onState(listener: (state: EngineState) => void): () => void;
  /**
   * Remembers and asserts the topology; asserted again after each reconnect. Rejects with what needs only time before
   * what needs a person.
   *
   * @param decided told of each that stands, or that only a person can mend
   */
  declare(topology: Topology, decided?: (kind: DeclaredKind, name: string) => void): Promise<void>;
  /** No node needs these any more: what is wrong with them is no longer told. Nothing is deleted. */
  withdraw?(topology: Topology): void;
  /** What is wrong with an exchange or queue, for people. */
  problemOf(kind: DeclaredKind, name: string): string | undefined;
  /** Why a message for a target had better not be published now, for people; only where the engine can tell. */
  obstacle?(target: { exchange: string; routingKey: string }): string | undefined;
  /** Told of a target without an {@link obstacle} any more; soon after, not within. */
  onObstacleGone?(listener: (target: { exchange: string; routingKey: string }) => void): void;
  /**
   * Resolves when the broker has confirmed the message as stored and routed.
   * Rejects with a Failure: `saturation` when the window is full, `dependency-outage` with `outcome: 'unknown'` when
   * the confirm did not come in time (`AMQP_TARGET_LATE` when that says nothing of other targets), `configuration` `AMQP_UNROUTABLE` when no queue is bound.
   */
  publish(message: OutgoingMessage): Promise<void>;
  consume(options: ConsumerOptions, onDelivery: (delivery: IncomingDelivery) => void): Promise<Consumer>;
  settle(handle: string, disposition: Disposition): Promise<SettleResult>;
  /** A delivery handed out and not yet settled. */
  open(handle: string): OpenDelivery | undefined;
  /** All of a queue's deliveries handed out and not yet settled, oldest first. */
  openDeliveries(queue: string): OpenDelivery[];
  depth(queue: string): Promise<QueueDepth>;
  /** Resolves when the engine is `ready`; rejects with a Failure after `timeout` milliseconds. */
  whenReady(timeout: number): Promise<void>;
  close(): Promise<void>;
}

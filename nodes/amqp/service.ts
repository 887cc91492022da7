/** What an `amqp-connection` offers the other nodes. */
import type { StoredReply } from '../idempotency/index.ts';
import type { FailureRecord } from '../kernel/failure.ts';
import type { IdempotencyLease } from '../kernel/message.ts';
import type {
  Consumer,
  ConsumerOptions,
  DeclaredKind,
  EngineState,
  IncomingDelivery,
  MessagingEngine,
  OpenDelivery,
  OutgoingMessage,
  QueueDepth,
  SettleResult,
  Topology,
} from './engines/engine.ts';
import type { Order } from './control-operations.ts';
import type { RetryBudgetState } from './retry-budget.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** How a flow ends its work on a delivery. */
export type SettleOutcome =
  | { kind: 'done' }
  /** The consumer's retry policy decides between a delayed retry and the dead letters. */
  | { kind: 'failed'; failure: FailureRecord }
  /** Retried whatever the policy says; `delay` in milliseconds, else the policy's delay for this attempt. */
  | { kind: 'retry'; delay?: number; failure?: FailureRecord }
  | { kind: 'dead-letter'; failure: FailureRecord }
  /** Back to the queue untouched. */
  | { kind: 'release' };

export interface Settlement {
  /** `stale` and `already-settled` are no-ops, counted by the connection. */
  result: SettleResult;
  disposition: 'done' | 'retry' | 'dead-letter' | 'released';
  /** Milliseconds until the retry. */
  delay?: number;
  /** Why the policy chose the dead letters, in words. */
  reason?: string;
}

export interface Acceptance {
  message: OutgoingMessage;
  /** Completed in the same transaction. */
  lease?: IdempotencyLease;
  /** Stored with the key: what a duplicate of the message is answered. */
  reply?: StoredReply;
  correlationId?: string;
  /** Flow node that accepts. */
  node?: string;
}

export type Guarantee = 'outbox' | 'confirmed';

export interface Accepted {
  /** The key of the lease is completed, so that nobody else has to. */
  completed: boolean;
}

export interface OutboxStatus {
  /** Rows waiting to be forwarded. */
  depth: number;
  /** Rows at which publishing is refused. */
  limit: number;
  /** Milliseconds the oldest row has waited. */
  lag: number;
  /** This process forwards; with several Node-RED instances exactly one does. */
  leader: boolean;
  /** Rows that the broker refused for now, e.g. because no queue is bound. */
  held: number;
  /** Why nothing moves or rows are held, in words. */
  problem?: string;
}

/** Why nothing is taken from a queue. */
export interface Halt {
  /**
   * `stopped`: a person has stopped everything; `paused`: a person has paused this queue; `budget`: too many retries,
   * it goes on by itself; `unknown`: the store has not said yet whether it is stopped or paused.
   */
  kind: 'stopped' | 'paused' | 'budget' | 'unknown';
  /** For a status: short. */
  text: string;
  /** Whose order it is. */
  order?: Order;
}

export interface ConsumeOptions extends Omit<ConsumerOptions, 'paused'> {
  policy: RetryPolicy;
  /** A delivery of this queue was settled, by whomever. */
  onSettled?(tag: string, settlement: Settlement): void;
  /** {@link AmqpConnectionService.halted} of the queue has changed. */
  onHalt?(): void;
}

export interface AmqpConnectionService {
  /** Id of the config node. */
  readonly id: string;
  readonly engine: MessagingEngine['kind'];
  readonly state: EngineState;
  /** Prefix of exchanges and queues. */
  readonly namespace: string;
  /** `<namespace>.events`. */
  readonly eventsExchange: string;
  /** `<namespace>.<name>`, unless `name` already begins with the namespace. */
  queueName(name: string): string;
  /**
   * Declares what a node needs. Until it stands, no message is published that needs it; what could not be declared for
   * an outage is tried again until {@link withdraw}.
   */
  declare(topology: Topology): Promise<void>;
  /** The node that declared it is gone. Nothing is deleted. */
  withdraw(topology: Topology): void;
  /** Straight to the engine; see {@link MessagingEngine.publish}. */
  publish(message: OutgoingMessage): Promise<void>;
  /**
   * Accepts a message for good. `outbox`: resolves when message, completed key and audit entry are durable in one
   * transaction. `confirmed`: resolves when the broker has confirmed; the key is completed right after.
   *
   * @throws Failure `conflict` when the lease was lost (nothing is published), `saturation` `OUTBOX_FULL`,
   * `configuration` when the connection has no store or the lease is of another store
   */
  accept(acceptance: Acceptance, guarantee: Guarantee): Promise<Accepted>;
  outbox(): Promise<OutboxStatus | undefined>;
  consume(options: ConsumeOptions, onDelivery: (delivery: IncomingDelivery) => void): Promise<Consumer>;
  settle(tag: string, outcome: SettleOutcome): Promise<Settlement>;
  /** A delivery not yet settled, for those who must know what a tag stands for. */
  open(tag: string): OpenDelivery | undefined;
  openDeliveries(queue: string): OpenDelivery[];
  /** Id of the config node of the store, in which orders are kept; undefined when they end with the connection. */
  readonly storeId: string | undefined;
  /**
   * Stops all consumers of a queue until `resume`, over deploys and restarts; what is in the flow may still be settled.
   * Whoever lets a person do it writes the audit entry in the same transaction instead: `setControl`, then `obey`.
   */
  pause(queue: string, by?: { actor: string; reason: string }): Promise<void>;
  resume(queue: string): Promise<void>;
  /** A person has paused the queue. */
  paused(queue: string): boolean;
  /** Without a store: stops all consumers, or lets them go on. With one, `setControl` does it for all connections. */
  stop(on: boolean, by: { actor: string; reason: string }): Promise<void>;
  /** The stop that holds now. */
  stopped(): Order | undefined;
  /** Obeys at once what has just been ordered in the store; otherwise that takes two seconds. */
  obey(): Promise<void>;
  /** Why nothing is taken from a queue: an order, or the retry budget. */
  halted(queue: string): Halt | undefined;
  /** What is left for retries. */
  budget(): RetryBudgetState;
  /**
   * Earlier deliveries of this one that nobody settled. Where the broker does not count, the store does, if there is
   * one; then this delivery is counted by asking.
   */
  redeliveries(delivery: IncomingDelivery): Promise<number>;
  /** Notes that this instance's consumer takes nothing while something behind its flow is down; undefined ends it. */
  hold(queue: string, reason: string | undefined): void;
  /** Why the consumer takes nothing, for people: an outage, or {@link halted} other than by a pause. */
  held(queue: string): string | undefined;
  /** What is wrong with an exchange or queue, for people; the connection may work otherwise. */
  problemOf(kind: DeclaredKind, name: string): string | undefined;
  depth(queue: string): Promise<QueueDepth>;
  /** Settles that came too late or twice since the start. */
  readonly counters: Readonly<{ stale: number; alreadySettled: number; released: number }>;
  /** Queues and exchanges of the deployed nodes, for pick-lists. */
  topology(): Topology;
  onState(listener: (state: EngineState) => void): () => void;
}

/**
 * Between a subscription and a flow: decodes, bounds what is in the flow at once, keeps order per key, drains before
 * a deploy, and finds what a flow never settled.
 */
import { Failure, type FailureRecord, toFailure } from '../kernel/failure.ts';
import type { FlowMessage } from '../kernel/message.ts';
import { attribute } from '../kernel/telemetry/semconv.ts';
import type { HopSpan } from '../kernel/telemetry/tracing.ts';
import { flowMessage, receivedEvent } from './cloud-events.ts';
import type { Consumer, IncomingDelivery } from './engines/engine.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { AmqpConnectionService } from './service.ts';
import { processSpan } from './tracing.ts';

export interface FlowConsumerOptions {
  connection: AmqpConnectionService;
  queue: string;
  prefetch: number;
  /** Messages in the flow at once, at most `prefetch`. */
  concurrency: number;
  /** Messages of one partition key go into the flow one after the other. */
  orderByKey: boolean;
  policy: RetryPolicy;
  /** Bytes. */
  maxBody: number;
  /** Milliseconds after which a delivery that nobody settled is reported and tried again. */
  settleDeadline: number;
  /** The node that consumes, for the dead letters it writes itself. */
  node: NonNullable<FailureRecord['node']>;
  emit(message: FlowMessage): void;
  /** Something that no message in the flow stands for. */
  onProblem(failure: Failure): void;
  onChange(): void;
}

const look = 15_000;
/** Milliseconds: Node-RED drops what was on a wire during a deploy, so what stays open this long after it is lost. */
const graceAfterDeploy = 10_000;

export class FlowConsumer {
  readonly #options: FlowConsumerOptions;
  #consumer: Consumer | undefined;
  #starting: Promise<void> | undefined;
  /** Delivered to us, not yet sent into the flow. */
  #waiting: IncomingDelivery[] = [];
  /** In the flow: tag to partition key. */
  readonly #inFlow = new Map<string, string | undefined>();
  /** The spans of what is in the flow, when somebody traces. */
  readonly #spans = new Map<string, HopSpan>();
  /** Reported once. */
  readonly #overdue = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #stopping = false;
  /** Why nothing goes into the flow, for people: something behind it is down. */
  #held: string | undefined;
  #closed = false;
  #beforeDeploy: string[] = [];

  constructor(options: FlowConsumerOptions) {
    this.#options = options;
  }

  /** Messages in the flow that are not settled. */
  get inFlight(): number {
    this.#prune();
    return this.#inFlow.size;
  }

  get paused(): boolean {
    return this.#options.connection.paused(this.#options.queue);
  }

  /** Set while {@link hold} lasts. */
  get held(): string | undefined {
    return this.#held;
  }

  /**
   * Stops taking messages while something behind the flow is down, so that they wait in the queue instead of using up
   * their tries; what waits here goes back untouched. Undefined goes on, unless a person has paused the queue.
   */
  hold(reason: string | undefined): void {
    if (reason === this.#held) return;
    const before = this.#held;
    this.#held = reason;
    this.#options.connection.hold(this.#options.queue, reason);
    this.#options.onChange();
    if (before !== undefined && reason !== undefined) return;
    if (reason !== undefined) {
      this.#pauseQuietly();
      this.#releaseUnseen();
      return;
    }
    this.#dispatch();
    if (!this.#stopping && !this.#closed) this.#resume();
  }

  /** Begins, or goes on after a deploy that left this consumer in place. */
  start(): void {
    this.#stopping = false;
    this.#releaseLost();
    if (this.#closed) return;
    if (this.#consumer === undefined) this.#starting ??= this.#consume();
    else if (this.#held === undefined) this.#resume();
  }

  /** A deploy begins: takes nothing more and hands back what the flow has not seen. */
  stop(): void {
    this.#stopping = true;
    this.#prune();
    this.#beforeDeploy = [...this.#inFlow.keys()];
    this.#pauseQuietly();
    this.#releaseUnseen();
  }

  async close(drain: number): Promise<void> {
    this.stop();
    this.#closed = true;
    this.#options.connection.hold(this.#options.queue, undefined);
    clearInterval(this.#timer);
    clearTimeout(this.#graceTimer);
    await this.#starting;
    await this.#consumer?.close(drain);
  }

  async #consume(): Promise<void> {
    const { connection, queue, prefetch, policy } = this.#options;
    try {
      this.#consumer = await connection.consume(
        {
          queue,
          prefetch,
          policy,
          onSettled: (tag, { disposition, result }) => {
            this.#endSpan(tag, result === 'settled' ? disposition : result);
            this.#inFlow.delete(tag);
            this.#overdue.delete(tag);
            this.#dispatch();
            this.#options.onChange();
          },
        },
        (delivery) => this.#receive(delivery),
      );
      this.#timer = setInterval(() => this.#watch(), look);
      this.#timer.unref();
      if (this.#stopping || this.#held !== undefined) await this.#consumer.pause();
    } catch (error) {
      this.#options.onProblem(toFailure(error));
    }
  }

  #receive(delivery: IncomingDelivery): void {
    if (this.#stopping) {
      this.#settleQuietly(delivery.handle, { kind: 'release' });
      return;
    }
    this.#waiting.push(delivery);
    // Somebody resumed the queue meanwhile, or it was on its way. Giving it back would only bring it again.
    if (this.#held !== undefined) this.#pauseQuietly();
    this.#dispatch();
  }

  #resume(): void {
    void this.#consumer?.resume().catch((error: unknown) => this.#options.onProblem(toFailure(error)));
  }

  #pauseQuietly(): void {
    void this.#consumer?.pause().catch(() => undefined);
  }

  #releaseUnseen(): void {
    const unseen = this.#waiting;
    this.#waiting = [];
    for (const { handle } of unseen) this.#settleQuietly(handle, { kind: 'release' });
  }

  #dispatch(): void {
    if (this.#stopping || this.#held !== undefined || this.#waiting.length === 0) return;
    this.#prune();
    const { concurrency, orderByKey } = this.#options;
    if (!orderByKey) {
      while (this.#inFlow.size < concurrency) {
        const delivery = this.#waiting.shift();
        if (delivery === undefined) return;
        this.#send(delivery, undefined);
      }
      return;
    }
    const busy = new Set(this.#inFlow.values());
    const stay: IncomingDelivery[] = [];
    const go: [IncomingDelivery, string][] = [];
    for (const delivery of this.#waiting) {
      const key = keyOf(delivery);
      if (busy.has(key) || this.#inFlow.size + go.length >= concurrency) {
        stay.push(delivery);
        // Later ones of the key wait behind it.
        busy.add(key);
      } else {
        busy.add(key);
        go.push([delivery, key]);
      }
    }
    this.#waiting = stay;
    for (const [delivery, key] of go) this.#send(delivery, key);
  }

  #send(delivery: IncomingDelivery, key: string | undefined): void {
    const { connection, emit, maxBody } = this.#options;
    // It went stale while it waited: the broker delivers it again.
    if (connection.open(delivery.handle) === undefined) return;
    let message: FlowMessage;
    try {
      if (delivery.body.byteLength > maxBody) throw tooLarge(delivery, maxBody);
      const span = processSpan(delivery, connection.engine, this.#options.node.id);
      if (span !== undefined) this.#spans.set(delivery.handle, span);
      message = flowMessage(delivery, connection.id, span?.context);
    } catch (error) {
      this.#refuse(delivery, toFailure(error));
      return;
    }
    this.#inFlow.set(delivery.handle, key);
    this.#options.onChange();
    emit(message);
  }

  /** What cannot be read goes to the dead letters as it came, byte for byte. */
  #refuse(delivery: IncomingDelivery, failure: Failure): void {
    const { correlationid } = receivedEvent(delivery);
    const record = this.#record(failure, delivery);
    this.#settleQuietly(delivery.handle, {
      kind: 'dead-letter',
      failure: {
        ...record,
        detail: { contentType: delivery.properties.contentType, bytes: delivery.body.byteLength },
      },
    });
    this.#options.onProblem(
      new Failure(
        failure.class,
        failure.code,
        `Message ${delivery.properties.messageId} (correlation ${correlationid}) went to ${delivery.queue}.dead: ${failure.message}`,
      ),
    );
  }

  /** Forgets what is no longer open: settled elsewhere, or stale after a reconnect. */
  #prune(): void {
    for (const tag of this.#inFlow.keys()) {
      if (this.#options.connection.open(tag) === undefined) {
        this.#endSpan(tag, 'stale');
        this.#inFlow.delete(tag);
        this.#overdue.delete(tag);
      }
    }
  }

  #endSpan(tag: string, disposition: string): void {
    const span = this.#spans.get(tag);
    if (span === undefined) return;
    this.#spans.delete(tag);
    span.set({ [attribute.disposition]: disposition });
    span.end();
  }

  #watch(): void {
    this.#prune();
    const { connection, settleDeadline, onProblem, queue } = this.#options;
    const now = Date.now();
    for (const tag of this.#inFlow.keys()) {
      const open = connection.open(tag);
      if (open === undefined || now - open.since < settleDeadline || this.#overdue.has(tag)) continue;
      this.#overdue.add(tag);
      const failure = unsettled(open.delivery, queue, settleDeadline);
      onProblem(failure);
      this.#settleQuietly(tag, { kind: 'failed', failure: this.#record(failure, open.delivery) });
    }
    this.#dispatch();
    this.#options.onChange();
  }

  /** A deploy that left this consumer alone may have replaced nodes behind it, with their messages. */
  #releaseLost(): void {
    const before = this.#beforeDeploy;
    this.#beforeDeploy = [];
    if (before.length === 0) return;
    clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => {
      for (const tag of before) {
        if (this.#options.connection.open(tag) !== undefined) this.#settleQuietly(tag, { kind: 'release' });
      }
    }, graceAfterDeploy);
  }

  #record(failure: Failure, { attempt }: IncomingDelivery): FailureRecord {
    return failure.toRecord({ at: new Date().toISOString(), node: this.#options.node, attempt });
  }

  #settleQuietly(tag: string, outcome: Parameters<AmqpConnectionService['settle']>[1]): void {
    this.#options.connection.settle(tag, outcome).catch((error: unknown) => {
      if (!this.#closed) this.#options.onProblem(toFailure(error));
    });
  }
}

function keyOf(delivery: IncomingDelivery): string {
  const event = receivedEvent(delivery);
  return event.partitionkey ?? event.subject ?? event.id;
}

function tooLarge(delivery: IncomingDelivery, limit: number): Failure {
  return new Failure(
    'data-quality',
    'AMQP_BODY_TOO_LARGE',
    `The body has ${delivery.body.byteLength} bytes; this amqp-consume takes ${limit} at most.`,
  );
}

function unsettled(delivery: IncomingDelivery, queue: string, deadline: number): Failure {
  return new Failure(
    'defect',
    'AMQP_UNSETTLED',
    `Message ${delivery.properties.messageId} from queue "${queue}" was not settled within ${Math.round(deadline / 60_000)} minutes. Every path of the flow must end in a settle node, the Catch path too. The message is tried again.`,
    { retryable: true },
  );
}

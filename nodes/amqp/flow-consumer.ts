/**
 * Between a subscription and a flow: decodes, bounds what is in the flow at once, keeps order per key, drains before
 * a deploy, finds what a flow never settled, and lets what may end the process into the flow alone.
 */
import { Failure, type FailureRecord, toFailure } from '../kernel/failure.ts';
import type { FlowMessage } from '../kernel/message.ts';
import { attribute } from '../kernel/telemetry/semconv.ts';
import type { HopSpan } from '../kernel/telemetry/tracing.ts';
import { flowMessage, receivedEvent } from './cloud-events.ts';
import type { Consumer, IncomingDelivery } from './engines/engine.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { AmqpConnectionService, Halt } from './service.ts';
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
  /** Redeliveries that nobody settled, after which a message is poison. */
  deliveryLimit: number;
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
/**
 * Redeliveries at which a message is suspected of ending the process: it goes into the flow alone, after all others.
 * Of several suspects the first time the first goes first, the next time the last, later any: so those before and those
 * behind the guilty one are settled, and not blamed for what it does.
 */
const suspicious = 2;

/** Milliseconds that the broker has to take the acknowledgements before it: an ack has no answer to wait for. */
const beforeSuspect = 100;

interface Suspect {
  delivery: IncomingDelivery;
  redeliveries: number;
}

export class FlowConsumer {
  readonly #options: FlowConsumerOptions;
  #consumer: Consumer | undefined;
  #starting: Promise<void> | undefined;
  /** Delivered to us, not yet sent into the flow. */
  #waiting: IncomingDelivery[] = [];
  /** Delivered to us, suspected. */
  #suspects: Suspect[] = [];
  /** Those whose redeliveries are asked for; what comes behind them waits, so that the order stays. */
  #line: Promise<void> | undefined;
  /** In the flow: by tag, the partition key and when it went in, by a clock that is never set. */
  readonly #inFlow = new Map<string, { key: string | undefined; since: number }>();
  /** The spans of what is in the flow, when somebody traces. */
  readonly #spans = new Map<string, HopSpan>();
  /** What is in the flow is a suspect. */
  #alone = false;
  /** Reported once. */
  readonly #overdue = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #suspectTimer: NodeJS.Timeout | undefined;
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

  /** Why the connection takes nothing from this queue. */
  get halted(): Halt | undefined {
    return this.#options.connection.halted(this.#options.queue);
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
    this.#adjust();
    if (reason !== undefined) this.#releaseUnseen();
    else this.#dispatch();
  }

  /** Begins, or goes on after a deploy that left this consumer in place. */
  start(): void {
    this.#stopping = false;
    this.#releaseLost();
    if (this.#closed) return;
    if (this.#consumer === undefined) this.#starting ??= this.#consume();
    else this.#adjust();
  }

  /** A deploy begins: takes nothing more and hands back what the flow has not seen. */
  stop(): void {
    this.#stopping = true;
    this.#prune();
    this.#beforeDeploy = [...this.#inFlow.keys()];
    this.#adjust();
    this.#releaseUnseen();
  }

  async close(drain: number): Promise<void> {
    this.stop();
    this.#closed = true;
    this.#options.connection.hold(this.#options.queue, undefined);
    clearInterval(this.#timer);
    clearTimeout(this.#graceTimer);
    clearTimeout(this.#suspectTimer);
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
          onHalt: () => {
            this.#releaseWhileBlocked();
            this.#dispatch();
            this.#options.onChange();
          },
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
      this.#adjust();
    } catch (error) {
      this.#options.onProblem(toFailure(error));
    }
  }

  #receive(delivery: IncomingDelivery): void {
    if (this.#stopping) {
      this.#settleQuietly(delivery.handle, { kind: 'release' });
      return;
    }
    if (this.#line === undefined && delivery.redeliveries !== undefined) {
      this.#admit(delivery, delivery.redeliveries);
      return;
    }
    const line = (this.#line ?? Promise.resolve()).then(async () => {
      // A store that does not answer counts nothing; the flow will hardly get further without it either.
      const count = await this.#options.connection.redeliveries(delivery).catch(() => 0);
      if (this.#line === line) this.#line = undefined;
      this.#admit(delivery, count);
    });
    this.#line = line;
  }

  #admit(delivery: IncomingDelivery, redeliveries: number): void {
    if (redeliveries > this.#options.deliveryLimit) {
      this.#refuse(delivery, poison(redeliveries));
      return;
    }
    if (this.#stopping) {
      this.#settleQuietly(delivery.handle, { kind: 'release' });
      return;
    }
    const suspect = redeliveries >= suspicious;
    if (suspect) this.#suspects.push({ delivery, redeliveries });
    else this.#waiting.push(delivery);
    // While it is held, somebody resumed the queue or it was on its way: back it goes, after the subscription has ended.
    if (suspect || this.#held !== undefined) this.#adjust();
    this.#dispatch();
  }

  /** Nothing may go into the flow. */
  get #blocked(): boolean {
    return this.#stopping || this.#held !== undefined || this.halted !== undefined;
  }

  /** Takes from the queue what may go into the flow; with a suspect at hand nothing more that would be counted with it. */
  #adjust(): void {
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    const wanted =
      !this.#stopping && !this.#closed && this.#held === undefined && this.#suspects.length === 0 && !this.#alone;
    if (wanted) consumer.resume().catch((error: unknown) => this.#options.onProblem(toFailure(error)));
    else {
      consumer.pause().then(
        // What was still on its way when it paused has come by now.
        () => this.#releaseWhileBlocked(),
        () => undefined,
      );
    }
  }

  /**
   * Gives back what the flow has not seen, so that others may have it and the broker does not wait for it. A spent
   * retry budget lasts seconds and ends by itself: giving back again and again would cost the queue its order.
   */
  #releaseWhileBlocked(): void {
    if (this.#blocked && (this.#stopping || this.#held !== undefined || this.halted?.kind !== 'budget')) {
      this.#releaseUnseen();
    }
  }

  #releaseUnseen(): void {
    const unseen = [...this.#waiting, ...this.#suspects.map(({ delivery }) => delivery)];
    this.#waiting = [];
    this.#suspects = [];
    for (const { handle } of unseen) this.#settleQuietly(handle, { kind: 'release' });
  }

  /** One suspect goes into the flow when nothing else is in it or waits for it. */
  #dispatchSuspect(): void {
    const all = this.#suspects.sort((a, b) =>
      a.delivery.properties.messageId < b.delivery.properties.messageId ? -1 : 1,
    );
    if (all.length === 0) return;
    const time = Math.max(...all.map(({ redeliveries }) => redeliveries)) - suspicious;
    const chosen = all[time === 0 ? 0 : time === 1 ? all.length - 1 : Math.floor(Math.random() * all.length)]!;
    const key = this.#options.orderByKey ? keyOf(chosen.delivery) : undefined;
    this.#suspects = all.filter((each) => each !== chosen);
    this.#alone = true;
    this.#send(chosen.delivery, key);
    // It may have been refused, or have gone stale.
    if (this.#inFlow.size === 0) this.#ended();
  }

  /** A suspect has left the flow, by whatever way. */
  #ended(): void {
    if (!this.#alone || this.#inFlow.size > 0) return;
    this.#alone = false;
    if (this.#suspects.length === 0) this.#adjust();
    setImmediate(() => this.#dispatch());
  }

  #dispatch(): void {
    if (this.#blocked) return;
    if (this.#alone) {
      this.#prune();
      this.#ended();
      if (this.#alone) return;
    }
    this.#dispatchWaiting();
    if (this.#suspects.length === 0) return;
    this.#prune();
    if (this.#inFlow.size > 0) return;
    this.#suspectTimer ??= setTimeout(() => {
      this.#suspectTimer = undefined;
      this.#prune();
      if (!this.#blocked && this.#inFlow.size === 0) this.#dispatchSuspect();
    }, beforeSuspect);
  }

  #dispatchWaiting(): void {
    if (this.#waiting.length === 0) return;
    const { concurrency, orderByKey } = this.#options;
    // What has gone stale must not take a place, or hold up its key; with room for all there is nothing to look for.
    if (orderByKey || this.#inFlow.size + this.#waiting.length > concurrency) this.#prune();
    if (!orderByKey) {
      while (this.#inFlow.size < concurrency) {
        const delivery = this.#waiting.shift();
        if (delivery === undefined) return;
        this.#send(delivery, undefined);
      }
      return;
    }
    // What follows a suspect of its key waits for it.
    const busy = new Set([
      ...[...this.#inFlow.values()].map(({ key }) => key),
      ...this.#suspects.map(({ delivery }) => keyOf(delivery)),
    ]);
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
    // Not from the delivery on: it may have waited here longer than the deadline.
    this.#inFlow.set(delivery.handle, { key, since: performance.now() });
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
    const now = performance.now();
    for (const [tag, { since }] of this.#inFlow) {
      const open = connection.open(tag);
      if (open === undefined || now - since < settleDeadline || this.#overdue.has(tag)) continue;
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

function poison(redeliveries: number): Failure {
  return new Failure(
    'defect',
    'AMQP_POISON',
    `It was delivered ${redeliveries + 1} times and never settled: the flow probably ends or restarts the process each time. Look at the log around the deliveries before replaying it.`,
  );
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

/** The messaging engine on RabbitMQ 3.10 to 4.x. */
import { randomUUID } from 'node:crypto';
import type { ChannelModel, ConsumeMessage, XDeath } from 'amqplib';
import { Failure, toFailure } from '../../../kernel/failure.ts';
import {
  attemptOf,
  brokerReasonHeader,
  deadLetterHeaders,
  retryHeaders,
  withoutBrokerHeaders,
} from '../../failure-headers.ts';
import { DeliveryRegistry } from '../delivery-registry.ts';
import type {
  Consumer,
  ConsumerOptions,
  DeclaredKind,
  Disposition,
  EngineState,
  IncomingDelivery,
  MessageProperties,
  MessagingEngine,
  OpenDelivery,
  OutgoingMessage,
  QueueDepth,
  QueueTopology,
  SettleResult,
  Topology,
} from '../engine.ts';
import { withDeadline } from '../waiting.ts';
import { ConfirmedPublisher, type PublisherOptions } from './confirm-channel.ts';
import { Link, type LinkOptions, openConnection } from './connection.ts';
import { type BrokerReference, type ConsumerHost, RabbitConsumer } from './consumer.ts';
import {
  deadQueueOf,
  defaultDeliveryLimit,
  declareExchange,
  declareQueue,
  onChannel,
  retryQueueOf,
  setupDeadline,
  stepFor,
} from './topology.ts';

export interface RabbitMqOptions extends LinkOptions {
  publisher?: PublisherOptions;
}

/** A queue that was declared differently is looked at again this often, in milliseconds. */
const redeclareInterval = 30_000;
/** A delivery whose retry or dead letter copy could not be stored goes back to its queue after this time. */
const releaseAfterFailedCopy = 5_000;
/**
 * Milliseconds that all wait for a queue or exchange that does not answer: before the first message goes, which waits
 * for what it needs by name. After a reconnect nothing does, and all wait until {@link setupDeadline}.
 */
const assertionPatience = 5_000;
/** Milliseconds that one subscription waits for the answer to the one before. */
const subscriptionPatience = 1_000;
/** AMQP 0-9-1 section 1.5: with it RabbitMQ closes the connection on which a queue without a leader is subscribed to. */
const internalError = 541;

export class RabbitMqEngine implements MessagingEngine {
  readonly kind = 'rabbitmq';
  readonly #registry = new DeliveryRegistry<BrokerReference>();
  readonly #consumers = new Set<RabbitConsumer>();
  readonly #exchanges = new Set<string>();
  readonly #queues = new Map<string, QueueTopology>();
  /** Keys of exchanges and queues that no node needs any more: not asserted, and what is wrong with them is nobody's trouble. */
  readonly #withdrawn = new Set<string>();
  /** What could not be declared, by key of the exchange or queue. */
  readonly #problems = new Map<string, Failure>();
  readonly #listeners = new Set<(state: EngineState) => void>();
  readonly #obstacleListeners = new Set<(target: { exchange: string; routingKey: string }) => void>();
  readonly #publisher: ConfirmedPublisher;
  readonly #options: LinkOptions;
  /** Queues whose subscription the broker has answered by closing the connection: each has one to itself since. */
  readonly #hazardous = new Set<string>();
  /** Subscriptions that wait for their answer, and the end of the last one. */
  readonly #subscribing: string[] = [];
  #subscribed: Promise<unknown> = Promise.resolve();
  /** Two connections, because a memory or disk alarm blocks those that publish. */
  readonly #consumeLink: Link;
  readonly #publishLink: Link;
  /** Resolves when the remembered topology has been asserted on the present or the next connection. */
  #asserted: Promise<void>;
  #assertedNow: () => void = () => {};
  #redeclareTimer: NodeJS.Timeout | undefined;
  #reopenTimer: NodeJS.Timeout | undefined;
  /** A publisher has begun once. */
  #attached = false;
  #shown = '';
  #closed = false;

  constructor(options: RabbitMqOptions) {
    this.#options = options;
    this.#asserted = this.#nextAssertion();
    this.#publisher = new ConfirmedPublisher(
      options.publisher ?? {},
      () => void this.#openPublisher(),
      (target) => {
        for (const listener of this.#obstacleListeners) queueMicrotask(() => listener(target));
      },
    );
    this.#consumeLink = new Link(
      { ...options, name: `${options.name} consume` },
      {
        up: (model) => {
          const done = this.#assertedNow;
          void this.#assertAll(model).then(done);
        },
        down: (code) => {
          const culprit = this.#subscribing.at(-1);
          if (code === internalError && culprit !== undefined) {
            this.#hazardous.add(culprit);
            this.#reportConsumer(culprit, new Error('connection closed'));
          }
          this.#asserted = this.#nextAssertion();
          for (const consumer of this.#consumers) consumer.lost();
        },
        state: () => this.#changed(),
      },
    );
    this.#publishLink = new Link(
      { ...options, name: `${options.name} publish` },
      {
        up: () => void this.#openPublisher(),
        down: () => undefined,
        state: (state) => {
          if (state.kind === 'blocked') this.#publisher.block(state.reason);
          else if (state.kind === 'ready') this.#publisher.unblock();
          this.#changed();
        },
      },
    );
  }

  get state(): EngineState {
    if (this.#closed) return { kind: 'closed' };
    const [consume, publish] = [this.#consumeLink?.state, this.#publishLink?.state];
    if (consume === undefined || publish === undefined) return { kind: 'connecting', since: Date.now() };
    for (const kind of ['misconfigured', 'down', 'connecting'] as const) {
      if (consume.kind === kind) return consume;
      if (publish.kind === kind) return publish;
    }
    const problems = [...this.#problems.values()];
    const lasting = problems.find(({ retryable }) => !retryable);
    if (lasting !== undefined) return { kind: 'misconfigured', problem: lasting.message };
    if (publish.kind === 'blocked') return publish;
    const [passing] = problems;
    return consume.kind === 'ready' && passing !== undefined ? { ...consume, problem: passing.message } : consume;
  }

  onState(listener: (state: EngineState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async whenReady(timeout: number): Promise<void> {
    const usable = () => this.#consumeLink.model !== undefined && this.#publishLink.model !== undefined;
    const hopeless = () => [this.#consumeLink, this.#publishLink].some(({ state }) => state.kind === 'misconfigured');
    if (usable()) return;
    let stop = () => {};
    const settled = new Promise<void>((resolve) => {
      const look = () => {
        if (usable() || hopeless()) resolve();
      };
      stop = this.onState(look);
      look();
    });
    await withDeadline(settled, timeout, 'connecting').catch(() => undefined);
    stop();
    if (usable()) return;
    const { state } = this;
    const problem = 'problem' in state ? state.problem : 'The broker does not answer.';
    throw hopeless()
      ? new Failure('configuration', 'AMQP_MISCONFIGURED', problem)
      : new Failure('dependency-outage', 'AMQP_UNREACHABLE', problem, { outcome: 'none' });
  }

  async declare(
    topology: Topology,
    decided: (kind: DeclaredKind, name: string) => void = () => undefined,
  ): Promise<void> {
    for (const exchange of topology.exchanges) this.#exchanges.add(exchange);
    for (const queue of topology.queues) this.#queues.set(queue.name, queue);
    for (const key of keysOf(topology)) this.#withdrawn.delete(key);
    await this.whenReady(setupDeadline);
    await this.#others(assertionPatience);
    const model = this.#model();
    const failures: Failure[] = [];
    const note = (kind: DeclaredKind, name: string) => {
      const failure = this.#problems.get(keyOf(kind, name));
      if (failure !== undefined) failures.push(failure);
      if (failure?.retryable !== true) decided(kind, name);
    };
    for (const exchange of topology.exchanges) {
      await this.#assertExchange(model, exchange);
      note('exchange', exchange);
    }
    await Promise.all(
      topology.queues.map(async (queue) => {
        await this.#assertQueue(model, queue);
        note('queue', queue.name);
      }),
    );
    const failure = failures.find(({ retryable }) => retryable) ?? failures[0];
    if (failure !== undefined) throw failure;
  }

  withdraw(topology: Topology): void {
    for (const key of keysOf(topology)) {
      this.#withdrawn.add(key);
      this.#problems.delete(key);
    }
    for (const { name } of topology.queues) this.#hazardous.delete(name);
    this.#changed();
  }

  problemOf(kind: DeclaredKind, name: string): string | undefined {
    const consuming = kind === 'queue' ? this.#problems.get(`consumer ${name}`) : undefined;
    return (this.#problems.get(keyOf(kind, name)) ?? consuming)?.message;
  }

  obstacle(target: { exchange: string; routingKey: string }): string | undefined {
    return this.#publisher.obstacle(target);
  }

  onObstacleGone(listener: (target: { exchange: string; routingKey: string }) => void): void {
    this.#obstacleListeners.add(listener);
  }

  publish(message: OutgoingMessage): Promise<void> {
    return this.#publisher.publish(message);
  }

  async consume(options: ConsumerOptions, onDelivery: (delivery: IncomingDelivery) => void): Promise<Consumer> {
    const consumer = new RabbitConsumer(this.#host, options, onDelivery);
    this.#consumers.add(consumer);
    if (this.#consumeLink.model !== undefined) consumer.start();
    return consumer;
  }

  async settle(handle: string, disposition: Disposition): Promise<SettleResult> {
    const taken = this.#registry.take(handle);
    if (taken.kind !== 'taken') return taken.kind;
    const { delivery, reference, generation } = taken;
    if (disposition.kind === 'retry' || disposition.kind === 'dead-letter') {
      try {
        await this.#copy(delivery, disposition);
      } catch (error) {
        this.#registry.putBack(handle);
        this.#releaseLater(handle);
        throw error;
      }
    }
    if (!this.#registry.alive(generation)) return 'stale';
    try {
      if (disposition.kind !== 'release' || (await this.#renewed(delivery, reference))) {
        reference.acknowledgements.ack(reference.message);
      } else reference.acknowledgements.nack(reference.message);
    } catch {
      // The channel closed in this very moment; the broker delivers again.
      return 'stale';
    }
    this.#registry.settled(handle);
    return 'settled';
  }

  open(handle: string): OpenDelivery | undefined {
    return this.#registry.get(handle);
  }

  openDeliveries(queue: string): OpenDelivery[] {
    return this.#registry.ofQueue(queue);
  }

  async depth(queue: string): Promise<QueueDepth> {
    await this.whenReady(5_000);
    try {
      const { messageCount } = await onChannel(
        this.#model(),
        `asking for the depth of queue "${queue}"`,
        (channel) => channel.checkQueue(queue),
        5_000,
      );
      return { ready: messageCount, unsettled: this.#registry.ofQueue(queue).length };
    } catch (error) {
      if ((error as { code?: number }).code === 404) {
        throw new Failure('configuration', 'AMQP_NO_QUEUE', `There is no queue "${queue}" on the broker.`);
      }
      throw error instanceof Failure
        ? error
        : new Failure('dependency-outage', 'AMQP_UNREACHABLE', `The depth of queue "${queue}" is not known now.`, {
            cause: error,
          });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#redeclareTimer);
    clearTimeout(this.#reopenTimer);
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    this.#publisher.close();
    await Promise.all([this.#consumeLink.close(), this.#publishLink.close()]);
    this.#changed();
    this.#listeners.clear();
  }

  readonly #host: ConsumerHost = (() => {
    const engine = this;
    return {
      get model() {
        return engine.#consumeLink.model;
      },
      registry: engine.#registry,
      redeclare: (queue) => engine.#redeclare(queue),
      incoming,
      report: (queue, trouble) => engine.#reportConsumer(queue, trouble),
      subscribe: (queue, work) => engine.#subscribe(queue, work),
      alone: async (queue) => {
        const { address } = engine.#consumeLink;
        if (!engine.#hazardous.has(queue) || address === undefined) return undefined;
        return openConnection(address, { ...engine.#options, name: `${engine.#options.name} consume ${queue}` });
      },
      handBack: async (generation) => {
        const handles = engine.#registry.handlesOf(generation);
        await Promise.allSettled(handles.map((handle) => engine.settle(handle, { kind: 'release' })));
      },
      forget: (consumer) => {
        engine.#consumers.delete(consumer);
        engine.#reportConsumer(consumer.queue, undefined);
      },
    };
  })();

  /** Only what somebody must change is a state; everything else is tried again and passes. */
  #reportConsumer(queue: string, trouble: Error | undefined): void {
    const key = `consumer ${queue}`;
    // The last words of one that has ended are nobody's trouble any more.
    if (trouble !== undefined && ![...this.#consumers].some((consumer) => consumer.queue === queue)) return;
    const code = (trouble as { code?: unknown } | undefined)?.code;
    if (trouble === undefined) this.#problems.delete(key);
    else if (code === 403) this.#problems.set(key, mayNotRead(queue));
    else if (this.#hazardous.has(queue) || (code === 'AMQP_TIMEOUT' && this.#consumeLink.model !== undefined)) {
      this.#problems.set(key, silent(queue));
    }
    this.#changed();
  }

  /** One after the other, so that of several the one is known for which the broker closes the connection. */
  async #subscribe<T>(queue: string, work: () => Promise<T>): Promise<T> {
    if (this.#hazardous.has(queue)) return work();
    const before = this.#subscribed;
    const turn = (async () => {
      await withDeadline(before, subscriptionPatience, 'subscribing').catch(() => undefined);
      this.#subscribing.push(queue);
      try {
        return await work();
      } finally {
        this.#subscribing.splice(this.#subscribing.indexOf(queue), 1);
      }
    })();
    this.#subscribed = turn.catch(() => undefined);
    return turn;
  }

  #model(): ChannelModel {
    const { model } = this.#consumeLink;
    if (model === undefined) {
      throw new Failure('dependency-outage', 'AMQP_UNREACHABLE', 'The connection to the broker is down.', {
        outcome: 'none',
      });
    }
    return model;
  }

  async #openPublisher(): Promise<void> {
    clearTimeout(this.#reopenTimer);
    const { model } = this.#publishLink;
    if (model === undefined || this.#closed) return;
    try {
      // Exchanges and queues must be there before the first message.
      await this.#others(this.#attached ? setupDeadline : assertionPatience);
      const channel = await withDeadline(model.createConfirmChannel(), setupDeadline, 'opening a confirm channel');
      channel.on('handler-error', () => undefined);
      if (this.#publishLink.model !== model) return;
      this.#publisher.attach(channel);
      this.#attached = true;
    } catch {
      if (this.#publishLink.model === model) {
        this.#reopenTimer = setTimeout(() => void this.#openPublisher(), 1_000);
      }
    }
  }

  #nextAssertion(): Promise<void> {
    return new Promise((resolve) => {
      this.#assertedNow = resolve;
    });
  }

  /** What is remembered stands, or does not answer: then it keeps nobody else waiting. */
  async #others(patience: number): Promise<void> {
    await withDeadline(this.#asserted, patience, 'declaring the topology').catch(() => undefined);
  }

  /**
   * Each consumer begins when its own queue has been asserted.
   * @returns when all stand, or could not be declared, that are not known to be silent
   */
  async #assertAll(model: ChannelModel): Promise<void> {
    for (const exchange of this.#exchanges) {
      if (!this.#withdrawn.has(keyOf('exchange', exchange))) await this.#assertExchange(model, exchange);
    }
    const start = (concerned: (queue: string) => boolean) => {
      for (const consumer of this.#consumers) if (concerned(consumer.queue)) consumer.start();
    };
    const needed = [...this.#queues.values()].filter(({ name }) => !this.#withdrawn.has(keyOf('queue', name)));
    const sound = new Set(needed.filter(({ name }) => !this.#silent(name)));
    const asserted = needed.map(async (queue) => {
      const asserting = this.#assertQueue(model, queue).then(() => start((name) => name === queue.name));
      if (sound.has(queue)) await asserting;
    });
    start((name) => !needed.some((queue) => queue.name === name));
    await Promise.all(asserted);
  }

  /** Known not to answer, while others do: what ended with its connection is not. */
  #silent(queue: string): boolean {
    return [keyOf('queue', queue), `consumer ${queue}`].some((key) =>
      ['AMQP_TIMEOUT', 'AMQP_QUEUE_SILENT'].includes(this.#problems.get(key)?.code ?? ''),
    );
  }

  #assertExchange(model: ChannelModel, name: string): Promise<void> {
    return this.#attempt(keyOf('exchange', name), () => declareExchange(model, name));
  }

  #assertQueue(model: ChannelModel, queue: QueueTopology): Promise<void> {
    return this.#attempt(keyOf('queue', queue.name), () => declareQueue(model, queue));
  }

  /** Notes what could not be declared, and looks again later. */
  async #attempt(key: string, declare: () => Promise<void>): Promise<void> {
    try {
      await declare();
      this.#problems.delete(key);
    } catch (error) {
      if (this.#closed || this.#withdrawn.has(key)) return;
      this.#problems.set(key, toFailure(error));
      clearTimeout(this.#redeclareTimer);
      this.#redeclareTimer = setTimeout(() => {
        const { model } = this.#consumeLink;
        if (model !== undefined) void this.#assertAll(model);
      }, redeclareInterval);
    }
    this.#changed();
  }

  async #redeclare(name: string): Promise<void> {
    const queue =
      this.#queues.get(name) ??
      (name.endsWith('.dead') ? ({ name, type: 'classic', bindings: [] } satisfies QueueTopology) : undefined);
    if (queue === undefined) return;
    const model = this.#model();
    for (const { exchange } of queue.bindings) {
      if (this.#exchanges.has(exchange)) await this.#assertExchange(model, exchange);
    }
    await this.#assertQueue(model, queue);
    const problem = this.#problems.get(keyOf('queue', name));
    if (problem !== undefined) throw problem;
  }

  /** Stores the copy that waits or rests, confirmed, before the original is acknowledged: a crash between doubles, never loses. */
  async #copy(
    delivery: IncomingDelivery,
    disposition: Extract<Disposition, { kind: 'retry' | 'dead-letter' }>,
  ): Promise<void> {
    const now = Date.now();
    const { queue, properties, body } = delivery;
    const steps = this.#queues.get(queue)?.retrySteps ?? [];
    const retry = disposition.kind === 'retry';
    if (retry && steps.length === 0) {
      throw new Failure(
        'configuration',
        'AMQP_NO_RETRY_STEPS',
        `The queue "${queue}" was declared without a retry ladder, so that its messages cannot be retried later.`,
      );
    }
    const headers = retry
      ? retryHeaders(delivery, disposition.failure, now)
      : deadLetterHeaders(delivery, disposition.failure, now);
    const copy: OutgoingMessage = {
      exchange: '',
      routingKey: retry ? retryQueueOf(queue, stepFor(steps, disposition.delay)) : deadQueueOf(queue),
      properties: { ...properties, headers },
      body,
    };
    try {
      await this.#publisher.publish(copy, { patient: true });
    } catch (error) {
      if (!(error instanceof Failure && error.code === 'AMQP_UNROUTABLE')) throw error;
      // Somebody deleted the queue: declare it again, once.
      const topology = this.#queues.get(queue) ?? { name: queue, type: 'classic', bindings: [], retrySteps: [] };
      await declareQueue(this.#model(), topology);
      await this.#publisher.publish(copy, { patient: true });
    }
  }

  /**
   * Giving a message back counts towards the delivery limit of a quorum queue (up to RabbitMQ 4.2), so that deploys and
   * outages alone would make it a dead letter. Halfway there a fresh copy takes its place, whose count begins anew.
   * @returns false when the message itself is to go back
   */
  async #renewed({ queue, properties, body, ...delivery }: IncomingDelivery, { message }: BrokerReference) {
    const count = Number(message.properties.headers?.['x-delivery-count'] ?? -1);
    const limit = this.#queues.get(queue)?.deliveryLimit ?? defaultDeliveryLimit;
    if (count < 0 || (count + 1) * 2 < limit) return false;
    const headers = {
      'x-origin-queue': queue,
      'x-origin-exchange': delivery.exchange,
      'x-origin-routing-key': delivery.routingKey,
      ...properties.headers,
    };
    const copy = { exchange: '', routingKey: queue, properties: { ...properties, headers }, body };
    return this.#publisher.publish(copy).then(
      () => true,
      () => false,
    );
  }

  #releaseLater(handle: string): void {
    setTimeout(() => void this.settle(handle, { kind: 'release' }).catch(() => undefined), releaseAfterFailedCopy);
  }

  #changed(): void {
    const state = this.state;
    const text = JSON.stringify({ ...state, since: 0, retryAt: 0 });
    if (text === this.#shown) return;
    this.#shown = text;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function keyOf(kind: DeclaredKind, name: string): string {
  return `${kind} ${name}`;
}

function keysOf({ exchanges, queues }: Topology): string[] {
  return [...exchanges.map((name) => keyOf('exchange', name)), ...queues.map(({ name }) => keyOf('queue', name))];
}

function mayNotRead(queue: string): Failure {
  return new Failure(
    'configuration',
    'AMQP_ACCESS_REFUSED',
    `The user may not consume from queue "${queue}". Grant it the read permission.`,
  );
}

function silent(queue: string): Failure {
  return new Failure(
    'dependency-outage',
    'AMQP_QUEUE_SILENT',
    `The queue "${queue}" does not answer, as a quorum queue without a leader does; other queues work. See on the broker whether it has a leader.`,
  );
}

/** An AMQP delivery in our words. */
function incoming(queue: string, { fields, properties, content }: ConsumeMessage): Omit<IncomingDelivery, 'handle'> {
  const raw = properties.headers ?? {};
  // Quorum queues count: from the first delivery on 3.10, from the second on since 3.12.
  const count: unknown = raw['x-delivery-count'];
  const headers = withoutBrokerHeaders(raw);
  const [death] = (Array.isArray(raw['x-death']) ? raw['x-death'] : []) as XDeath[];
  // Our own copies carry no x-death, so one that does was put into the dead letters by the broker itself.
  if (death !== undefined && queue.endsWith('.dead')) {
    headers[brokerReasonHeader] = death.reason;
    headers['x-origin-queue'] ??= death.queue;
    headers['x-origin-exchange'] ??= death.exchange;
    headers['x-origin-routing-key'] ??= death['routing-keys'][0] ?? '';
  }
  const seconds = Number(properties.timestamp);
  const own: MessageProperties = {
    // Without an id of the sender a redelivery cannot be recognised; a fresh one at least names this delivery.
    messageId: typeof properties.messageId === 'string' ? properties.messageId : randomUUID(),
    contentType: typeof properties.contentType === 'string' ? properties.contentType : 'application/octet-stream',
    timestamp: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : Date.now(),
    headers,
    ...(typeof properties.correlationId === 'string' ? { correlationId: properties.correlationId } : {}),
    ...(typeof properties.type === 'string' ? { type: properties.type } : {}),
    ...(typeof properties.priority === 'number' ? { priority: properties.priority } : {}),
  };
  return {
    queue,
    exchange: String(headers['x-origin-exchange'] ?? fields.exchange),
    routingKey: String(headers['x-origin-routing-key'] ?? fields.routingKey),
    properties: own,
    body: content,
    attempt: attemptOf(headers),
    redelivered: fields.redelivered,
    ...(typeof count === 'number' ? { redeliveries: count } : fields.redelivered ? {} : { redeliveries: 0 }),
  };
}

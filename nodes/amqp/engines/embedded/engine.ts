/**
 * The messaging engine in the integration store, for one Node-RED instance: same words and promises as the broker,
 * nothing to install. Confirmed means committed; a retry waits by its `ready_at`; what was delivered and not settled
 * when the process ended is delivered again.
 */
import { EventEmitter } from 'node:events';
import { Failure, toFailure } from '../../../kernel/failure.ts';
import { uuidv7 } from '../../../kernel/id.ts';
import type { Store } from '../../../kernel/store/store.ts';
import { attemptOf, deadLetterHeaders, retryHeaders } from '../../failure-headers.ts';
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
  SettleResult,
  Topology,
} from '../engine.ts';
import { noExchange, unroutable } from '../routing-failures.ts';
import { whileSettling } from '../waiting.ts';
import {
  declareTopology,
  depthOf,
  enqueue,
  type Fetched,
  type FetchedMessage,
  fetch,
  type QueuedMessage,
  type Routed,
  recover,
  releaseOthers,
  releaseOwner,
  restartWaits,
  type Settling,
  settle,
  unlimited,
} from './operations.ts';
import { matchesTopic } from './topic.ts';

/** Names of queues that got a message, to all embedded engines of this process: they may share a store. */
const arrivals = new EventEmitter().setMaxListeners(0);
/** Owners of this process whose deliveries must not be taken from them. */
const alive = new Set<string>();

const defaultDeliveryLimit = 20;
/** A bounded queue is counted again this often, in milliseconds: counting takes longer the more it holds. */
const countInterval = { nearlyFull: 5_000, roomy: 60_000 };
/** A delivery that the store did not let settle goes back to its queue after this time, in milliseconds. */
const releaseAfterFailedSettle = 5_000;
/** Milliseconds after which a wait is looked at again, because the clock may have been set. */
const longestTimer = 60_000;
/** Milliseconds that clocks step back without anybody having set them. */
const clockStep = 1_000;

interface Bound {
  maxLength: number;
  /** Counted now and then, estimated between; undefined before the first count. */
  length: number | undefined;
  countedAt: number;
  counting: Promise<void>;
}

export class EmbeddedEngine implements MessagingEngine {
  readonly kind = 'embedded';
  readonly #store: Store;
  readonly #owner = uuidv7();
  readonly #registry = new DeliveryRegistry<number>();
  readonly #consumers = new Set<EmbeddedConsumer>();
  readonly #listeners = new Set<(state: EngineState) => void>();
  readonly #bounds = new Map<string, Bound>();
  readonly #bindings = new Map<string, { exchange: string; routingKey: string; queue: string }>();
  readonly #declaring = new Set<Promise<void>>();
  /** Queues of which the store may say that we hold a message that we do not: an answer of it was lost. */
  readonly #doubtful = new Set<string>();
  /** The last fetch from each queue; one at a time, so that what is held is known. */
  readonly #fetches = new Map<string, Promise<unknown>>();
  readonly #offStatus: () => void;
  #ready: Promise<void>;
  readonly #since = Date.now();
  /** Why nothing can be fetched from a queue, when waiting does not help: the key of its payloads is missing. */
  readonly #troubles = new Map<string, string>();
  /** The store's clock at the last fetch. */
  #latest = 0;
  #recovered = false;
  #closed = false;
  #publishing: { message: QueuedMessage; resolve(routed: Routed): void; reject(error: unknown): void }[] = [];
  #settling: { settling: Settling; resolve(): void; reject(error: unknown): void }[] = [];

  constructor(store: Store) {
    this.#store = store;
    alive.add(this.#owner);
    this.#ready = this.#recover();
    this.#offStatus = store.onStatus(() => {
      // A store that was down at the start: recover as soon as it answers.
      if (!this.#recovered && this.#store.status().state === 'ready') this.#ready = this.#recover();
      const { state } = this;
      for (const listener of [...this.#listeners]) listener(state);
    });
    arrivals.on('queue', this.#arrived);
  }

  get state(): EngineState {
    if (this.#closed) return { kind: 'closed' };
    const status = this.#store.status();
    const [problem] = this.#troubles.values();
    if (problem !== undefined && status.state === 'ready') return { kind: 'misconfigured', problem };
    switch (status.state) {
      case 'ready':
        return { kind: 'ready', server: `embedded queue on ${status.version ?? status.engine}` };
      case 'down':
        return { kind: 'down', problem: status.problem ?? 'The integration store is down.' };
      default:
        return { kind: 'connecting', since: this.#since };
    }
  }

  onState(listener: (state: EngineState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The store itself waits for its database, so only that is awaited. */
  async whenReady(): Promise<void> {
    await this.#ready;
  }

  /** All of it stands at once. */
  async declare(
    topology: Topology,
    decided: (kind: DeclaredKind, name: string) => void = () => undefined,
  ): Promise<void> {
    const declaring = this.#declare(topology);
    this.#declaring.add(declaring);
    try {
      await declaring;
    } finally {
      this.#declaring.delete(declaring);
    }
    for (const name of topology.exchanges) decided('exchange', name);
    for (const { name } of topology.queues) decided('queue', name);
  }

  problemOf(kind: DeclaredKind, name: string): string | undefined {
    return kind === 'queue' ? this.#troubles.get(name) : undefined;
  }

  async #declare(topology: Topology): Promise<void> {
    const bindings = topology.queues.flatMap(({ name, bindings: all }) =>
      all.filter(({ exchange }) => exchange !== '').map((binding) => ({ ...binding, queue: name })),
    );
    await this.#ready;
    await this.#store.run(declareTopology, {
      exchanges: topology.exchanges,
      queues: topology.queues.flatMap(({ name, deliveryLimit, maxLength, retrySteps }) => [
        {
          name,
          deliveryLimit: name.endsWith('.dead') ? unlimited : (deliveryLimit ?? defaultDeliveryLimit),
          maxLength: maxLength ?? null,
        },
        ...(retrySteps === undefined
          ? []
          : [{ name: `${name}.dead`, deliveryLimit: unlimited, maxLength: null as number | null }]),
      ]),
      bindings,
    });
    for (const binding of bindings) {
      this.#bindings.set(`${binding.exchange}\0${binding.routingKey}\0${binding.queue}`, binding);
    }
    for (const { name, maxLength } of topology.queues) {
      if (maxLength === undefined) this.#bounds.delete(name);
      else this.#bounds.set(name, { maxLength, length: undefined, countedAt: 0, counting: Promise.resolve() });
    }
  }

  async publish(message: OutgoingMessage): Promise<void> {
    await this.makeRoom(message);
    const queued = queuedMessage(message);
    const routed = await new Promise<Routed>((resolve, reject) => {
      this.#publishing.push({ message: queued, resolve, reject });
      if (this.#publishing.length === 1) queueMicrotask(() => void this.#flushPublishing());
    });
    this.stored(message, routed);
  }

  /**
   * Refuses a message for a queue that is full. The limit is exact only to what arrives within a moment.
   */
  async makeRoom(message: OutgoingMessage): Promise<void> {
    // What was declared before must be there before the message.
    if (this.#declaring.size > 0) await Promise.allSettled(this.#declaring);
    if (this.#bounds.size === 0) return;
    for (const queue of this.#queuesOf(message)) {
      const bound = this.#bounds.get(queue);
      if (bound === undefined) continue;
      const roomy = (bound.length ?? 0) < bound.maxLength / 2;
      if (Date.now() - bound.countedAt > countInterval[roomy ? 'roomy' : 'nearlyFull']) {
        bound.countedAt = Date.now();
        bound.counting = this.#count(queue, bound);
      }
      // Everybody waits for the first count together, so that nobody overtakes.
      if (bound.length === undefined) await bound.counting;
      const length = bound.length ?? 0;
      if (length >= bound.maxLength) {
        throw new Failure(
          'saturation',
          'AMQP_QUEUE_FULL',
          `The queue "${queue}" holds ${length} messages, which is its limit. See why its consumer is slow; senders should try again later.`,
          { retryAfter: 5_000, outcome: 'none' },
        );
      }
    }
  }

  async #count(queue: string, bound: Bound): Promise<void> {
    try {
      const depth = await this.#store.run(depthOf, { queue });
      bound.length = depth === undefined ? 0 : depth.ready + depth.delayed + depth.unsettled;
    } catch {
      // The store is down: the publish itself will say so.
      bound.countedAt = 0;
    }
  }

  /** To be called after the commit of a transaction that enqueued `message`: wakes the consumers. */
  stored(message: OutgoingMessage, routed: Routed): void {
    if (routed.kind === 'no-exchange') throw noExchange(message.exchange);
    if (routed.kind === 'unroutable') throw unroutable(message);
    for (const queue of routed.queues) {
      const bound = this.#bounds.get(queue);
      if (bound?.length !== undefined) bound.length++;
      arrivals.emit('queue', queue);
    }
  }

  async consume(options: ConsumerOptions, onDelivery: (delivery: IncomingDelivery) => void): Promise<Consumer> {
    if (options.queue.endsWith('.dead')) {
      await this.declare({ exchanges: [], queues: [{ name: options.queue, type: 'classic', bindings: [] }] });
    }
    const consumer = new EmbeddedConsumer(this.#host, options, onDelivery);
    this.#consumers.add(consumer);
    consumer.wake();
    return consumer;
  }

  async settle(handle: string, disposition: Disposition): Promise<SettleResult> {
    const taken = this.#registry.take(handle);
    if (taken.kind !== 'taken') return taken.kind;
    const { delivery, reference: id } = taken;
    try {
      await this.#settleRow(settlingOf(id, delivery, disposition));
    } catch (error) {
      if (disposition.kind === 'release') this.#forget(handle, delivery.queue);
      else {
        this.#registry.putBack(handle);
        this.#releaseLater(handle);
      }
      throw error;
    }
    this.#registry.settled(handle);
    if (disposition.kind !== 'retry' && disposition.kind !== 'release') {
      const bound = this.#bounds.get(delivery.queue);
      if (bound?.length !== undefined) bound.length--;
    }
    if (disposition.kind === 'dead-letter') arrivals.emit('queue', `${delivery.queue}.dead`);
    if (disposition.kind === 'release') arrivals.emit('queue', delivery.queue);
    else this.#wakeAll(delivery.queue);
    return 'settled';
  }

  open(handle: string): OpenDelivery | undefined {
    return this.#registry.get(handle);
  }

  openDeliveries(queue: string): OpenDelivery[] {
    return this.#registry.ofQueue(queue);
  }

  async depth(queue: string): Promise<QueueDepth> {
    await this.#ready;
    const depth = await this.#store.run(depthOf, { queue });
    if (depth === undefined) {
      throw new Failure('configuration', 'AMQP_NO_QUEUE', `There is no queue "${queue}" in the integration store.`);
    }
    const { ready, unsettled, oldestReadyAt, now } = depth;
    return { ready, unsettled, ...(oldestReadyAt === null ? {} : { oldestAge: Math.max(0, now - oldestReadyAt) }) };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    this.#closed = true;
    arrivals.off('queue', this.#arrived);
    this.#offStatus();
    await this.#store.run(releaseOwner, { owner: this.#owner }).catch(() => undefined);
    alive.delete(this.#owner);
    const { state } = this;
    for (const listener of [...this.#listeners]) listener(state);
    this.#listeners.clear();
  }

  readonly #arrived = (queue: string): void => this.#wakeAll(queue);

  #wakeAll(queue: string): void {
    for (const consumer of this.#consumers) if (consumer.queue === queue) consumer.wake();
  }

  readonly #host: EmbeddedHost = (() => {
    const engine = this;
    return {
      registry: engine.#registry,
      fetch: (queue, limit) => {
        const fetching = (engine.#fetches.get(queue) ?? Promise.resolve())
          .catch(() => undefined)
          .then(() => engine.#fetch(queue, limit));
        engine.#fetches.set(queue, fetching);
        return fetching;
      },
      release: async (queue, ids) => {
        try {
          await Promise.all(ids.map((id) => engine.#settleRow({ kind: 'release', id })));
        } catch (error) {
          engine.#doubtful.add(queue);
          throw error;
        }
      },
      forget: (consumer) => engine.#consumers.delete(consumer),
      arrived: (queue) => arrivals.emit('queue', queue),
    };
  })();

  /** @throws Failure when the store is down; whether it handed messages out then shows at the next fetch */
  async #fetch(queue: string, limit: number): Promise<Fetched> {
    await this.#ready;
    const owner = this.#owner;
    try {
      if (this.#doubtful.has(queue)) {
        // What the fetch before this one has brought is in the registry after this turn of the event loop.
        await new Promise((resolve) => setImmediate(resolve));
        await this.#store.run(releaseOthers, { owner, queue, held: this.#registry.referencesOf(queue) });
        this.#doubtful.delete(queue);
      }
      const fetched = await this.#store.run(fetch, { queue, owner, limit });
      // Not awaited by the messages just taken.
      if (fetched.now < this.#latest - clockStep) void this.#clockSetBack();
      this.#latest = fetched.now;
      this.#troubled(queue, undefined);
      return fetched;
    } catch (error) {
      this.#doubtful.add(queue);
      const failure = toFailure(error);
      if (failure.class === 'configuration') this.#troubled(queue, failure.message);
      throw error;
    }
  }

  #troubled(queue: string, problem: string | undefined): void {
    if (this.#troubles.get(queue) === problem) return;
    if (problem === undefined) this.#troubles.delete(queue);
    else this.#troubles.set(queue, problem);
    const { state } = this;
    for (const listener of [...this.#listeners]) listener(state);
  }

  async #clockSetBack(): Promise<void> {
    await this.#store.run(restartWaits, undefined).catch(() => undefined);
    for (const consumer of this.#consumers) consumer.wake();
  }

  /** Nobody here holds the delivery any more; the store is told with the next fetch. */
  #forget(handle: string, queue: string): void {
    this.#registry.settled(handle);
    this.#doubtful.add(queue);
    this.#wakeAll(queue);
  }

  /** Whoever could not settle it tells its flow that the delivery comes again. */
  #releaseLater(handle: string): void {
    const timer = setTimeout(
      () => void this.settle(handle, { kind: 'release' }).catch(() => undefined),
      releaseAfterFailedSettle,
    );
    timer.unref();
  }

  async #recover(): Promise<void> {
    try {
      await this.#store.run(recover, { alive: [...alive] });
      // While nobody ran, the clock may have been set back.
      await this.#store.run(restartWaits, undefined);
      this.#recovered = true;
    } catch {
      // The store says why in its status; the next `ready` tries again.
    }
  }

  #settleRow(settling: Settling): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settling.push({ settling, resolve, reject });
      if (this.#settling.length === 1) queueMicrotask(() => void this.#flushSettling());
    });
  }

  /** All that was asked in one turn of the event loop is one operation; the store puts many in one transaction. */
  async #flushSettling(): Promise<void> {
    const batch = this.#settling;
    this.#settling = [];
    try {
      await this.#store.run(settle, { owner: this.#owner, settlings: batch.map(({ settling }) => settling) });
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  async #flushPublishing(): Promise<void> {
    const batch = this.#publishing;
    this.#publishing = [];
    try {
      await this.#ready;
      const results = await this.#store.run(enqueue, { messages: batch.map(({ message }) => message) });
      for (const [i, { resolve }] of batch.entries()) resolve(results[i]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  #queuesOf({ exchange, routingKey }: OutgoingMessage): string[] {
    if (exchange === '') return [routingKey];
    const queues = new Set<string>();
    for (const binding of this.#bindings.values()) {
      if (binding.exchange === exchange && matchesTopic(binding.routingKey, routingKey)) queues.add(binding.queue);
    }
    return [...queues];
  }
}

export function queuedMessage(message: OutgoingMessage): QueuedMessage {
  return {
    exchange: message.exchange,
    routingKey: message.routingKey,
    properties: JSON.stringify(message.properties),
    expiration: message.expiration ?? null,
    // The bytes alone: a Buffer may be a view of a large shared pool, which would be copied to the worker whole.
    body: Uint8Array.prototype.slice.call(message.body),
  };
}

function settlingOf(id: number, delivery: IncomingDelivery, disposition: Disposition): Settling {
  const now = Date.now();
  const withHeaders = (headers: MessageProperties['headers']) => JSON.stringify({ ...delivery.properties, headers });
  switch (disposition.kind) {
    case 'done':
    case 'release':
      return { kind: disposition.kind, id };
    case 'retry':
      return {
        kind: 'retry',
        id,
        delay: Math.max(0, Math.round(disposition.delay)),
        properties: withHeaders(retryHeaders(delivery, disposition.failure, now)),
      };
    case 'dead-letter':
      return {
        kind: 'dead-letter',
        id,
        queue: `${delivery.queue}.dead`,
        properties: withHeaders(deadLetterHeaders(delivery, disposition.failure, now)),
      };
  }
}

interface EmbeddedHost {
  readonly registry: DeliveryRegistry<number>;
  fetch(queue: string, limit: number): Promise<Fetched>;
  release(queue: string, ids: number[]): Promise<void>;
  forget(consumer: EmbeddedConsumer): void;
  arrived(queue: string): void;
}

class EmbeddedConsumer implements Consumer {
  readonly queue: string;
  readonly #host: EmbeddedHost;
  readonly #prefetch: number;
  readonly #onDelivery: (delivery: IncomingDelivery) => void;
  readonly #generation: number;
  #wanted: 'running' | 'paused' | 'closed';
  #fetching: Promise<void> | undefined;
  #scheduled = false;
  /** Something may have come since the last fetch began. */
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(host: EmbeddedHost, options: ConsumerOptions, onDelivery: (delivery: IncomingDelivery) => void) {
    this.#host = host;
    this.queue = options.queue;
    this.#prefetch = Math.max(1, options.prefetch);
    this.#onDelivery = onDelivery;
    this.#generation = host.registry.begin();
    this.#wanted = options.paused === true ? 'paused' : 'running';
  }

  get paused(): boolean {
    return this.#wanted === 'paused';
  }

  get unsettled(): number {
    return this.#host.registry.count(this.#generation);
  }

  /** Looks for messages soon: what settles or arrives in one turn of the event loop is answered by one fetch. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#look();
    });
  }

  #look(): void {
    if (this.#wanted !== 'running') return;
    if (this.#fetching !== undefined) {
      this.#again = true;
      return;
    }
    const room = this.#prefetch - this.unsettled;
    if (room <= 0) return;
    clearTimeout(this.#timer);
    this.#fetching = this.#fetch(room).finally(() => {
      this.#fetching = undefined;
      if (this.#again) {
        this.#again = false;
        this.wake();
      }
    });
  }

  async pause(): Promise<void> {
    if (this.#wanted === 'closed') return;
    this.#wanted = 'paused';
    clearTimeout(this.#timer);
    await this.#fetching;
  }

  async resume(): Promise<void> {
    if (this.#wanted === 'closed') return;
    this.#wanted = 'running';
    this.wake();
  }

  /** The node and its connection may both close it; the second waits for the first. */
  close(drain = 0): Promise<void> {
    this.#closing ??= this.#close(drain);
    return this.#closing;
  }

  async #close(drain: number): Promise<void> {
    this.#wanted = 'closed';
    clearTimeout(this.#timer);
    await this.#fetching;
    if (drain > 0) await whileSettling(() => this.unsettled, drain);
    const ids = this.#host.registry.end(this.#generation);
    if (ids.length > 0) await this.#host.release(this.queue, ids).catch(() => undefined);
    this.#host.forget(this);
    if (ids.length > 0) this.#host.arrived(this.queue);
  }

  async #fetch(room: number): Promise<void> {
    try {
      const { messages, dead, nextReadyIn } = await this.#host.fetch(this.queue, room);
      if (messages.length + dead === room) this.#again = true;
      if (dead > 0) this.#host.arrived(`${this.queue}.dead`);
      if (this.#wanted !== 'running' && messages.length > 0) {
        await this.#host.release(
          this.queue,
          messages.map(({ id }) => id),
        );
        return;
      }
      for (const message of messages) this.#deliver(message);
      if (nextReadyIn !== null) this.#wakeIn(nextReadyIn);
    } catch {
      // The store is down or busy and says so itself.
      this.#wakeIn(1_000);
    }
  }

  #wakeIn(delay: number): void {
    if (this.#wanted !== 'running') return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), Math.min(longestTimer, Math.max(1, delay)));
  }

  #deliver(message: FetchedMessage): void {
    const properties = JSON.parse(message.properties) as MessageProperties;
    const { headers } = properties;
    const body = Buffer.isBuffer(message.body)
      ? message.body
      : Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength);
    this.#onDelivery(
      this.#host.registry.add(
        this.#generation,
        {
          queue: this.queue,
          exchange: String(headers['x-origin-exchange'] ?? message.exchange),
          routingKey: String(headers['x-origin-routing-key'] ?? message.routingKey),
          properties,
          body,
          attempt: attemptOf(headers),
          redelivered: message.redeliveries > 0,
          redeliveries: message.redeliveries,
        },
        message.id,
      ),
    );
  }
}

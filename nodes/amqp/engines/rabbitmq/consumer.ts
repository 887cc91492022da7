/**
 * One subscription that survives what happens to it: the link breaks, the channel is closed by the broker, the queue
 * is deleted or its leader moves (`basic.cancel`). Each channel is a generation of deliveries.
 */
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { toFailure } from '../../../kernel/failure.ts';
import type { DeliveryRegistry } from '../delivery-registry.ts';
import type { Consumer, ConsumerOptions, IncomingDelivery } from '../engine.ts';
import { whileSettling, withDeadline } from '../waiting.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { closeConnection, reconnectDelay } from './connection.ts';
import { setupDeadline } from './topology.ts';

/** What it takes to settle a delivery. */
export interface BrokerReference {
  acknowledgements: Acknowledgements;
  message: ConsumeMessage;
}

export interface ConsumerHost {
  readonly model: ChannelModel | undefined;
  readonly registry: DeliveryRegistry<BrokerReference>;
  /** Declares the queue again before a subscription that was cancelled. */
  redeclare(queue: string): Promise<void>;
  incoming(queue: string, message: ConsumeMessage): Omit<IncomingDelivery, 'handle'>;
  /** Why the queue cannot be consumed from; undefined when it can. */
  report(queue: string, trouble: Error | undefined): void;
  /** Runs what subscribes to a queue; whom the broker ends the connection for is known by it. */
  subscribe<T>(queue: string, work: () => Promise<T>): Promise<T>;
  /** A connection for this queue alone, when subscribing to it has ended the common one; else undefined. */
  alone(queue: string): Promise<ChannelModel | undefined>;
  /** Releases what a generation still holds. */
  handBack(generation: number): Promise<void>;
  forget(consumer: RabbitConsumer): void;
}

type Wanted = 'running' | 'paused' | 'closed';

interface Session {
  channel: Channel;
  /** The connection that is this session's alone. */
  alone: ChannelModel | undefined;
  acknowledgements: Acknowledgements;
  generation: number;
  /** Set while subscribed. */
  tag?: string;
}

/** Milliseconds that closing waits for what is under way with the broker. */
const closePatience = 2_000;

export class RabbitConsumer implements Consumer {
  readonly queue: string;
  readonly #host: ConsumerHost;
  readonly #options: ConsumerOptions;
  readonly #onDelivery: (delivery: IncomingDelivery) => void;
  #wanted: Wanted;
  #session: Session | undefined;
  /** Steps run one after the other. */
  #work: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #closing: Promise<void> | undefined;

  constructor(host: ConsumerHost, options: ConsumerOptions, onDelivery: (delivery: IncomingDelivery) => void) {
    this.queue = options.queue;
    this.#host = host;
    this.#options = options;
    this.#onDelivery = onDelivery;
    this.#wanted = options.paused === true ? 'paused' : 'running';
  }

  get paused(): boolean {
    return this.#wanted === 'paused';
  }

  get unsettled(): number {
    return this.#session === undefined ? 0 : this.#host.registry.count(this.#session.generation);
  }

  /** Brings the subscription to what is wanted; called after each connect. */
  start(): void {
    void this.#step();
  }

  async pause(): Promise<void> {
    if (this.#wanted === 'closed') return;
    this.#wanted = 'paused';
    await this.#step();
  }

  async resume(): Promise<void> {
    if (this.#wanted === 'closed') return;
    this.#wanted = 'running';
    await this.#step();
  }

  /** The node and its connection may both close it; the second waits for the first. */
  close(drain = 0): Promise<void> {
    this.#closing ??= this.#close(drain);
    return this.#closing;
  }

  async #close(drain: number): Promise<void> {
    this.#wanted = 'closed';
    clearTimeout(this.#retry);
    // A queue that does not answer keeps no deploy waiting.
    await withDeadline(this.#step(), closePatience, 'ending a consumer').catch(() => undefined);
    if (drain > 0) await whileSettling(() => this.unsettled, drain);
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) {
      await withDeadline(this.#host.handBack(session.generation), 2_000, 'handing back').catch(() => undefined);
      this.#host.registry.end(session.generation);
      session.acknowledgements.flush();
      // The broker hands back what is unsettled when the channel ends.
      await withDeadline(leave(session), closePatience, 'closing a channel').catch(() => undefined);
    }
    this.#host.forget(this);
  }

  /** The link is gone. */
  lost(): void {
    clearTimeout(this.#retry);
    this.#end();
  }

  #step(): Promise<void> {
    this.#work = this.#work
      .then(() => this.#advance())
      .catch((error: unknown) => {
        this.#host.report(this.queue, error instanceof Error ? error : toFailure(error));
        this.#again();
      });
    return this.#work;
  }

  async #advance(): Promise<void> {
    clearTimeout(this.#retry);
    const { model } = this.#host;
    if (model === undefined) return;
    if (this.#wanted !== 'running') {
      const session = this.#session;
      if (session?.tag === undefined) return;
      const tag = session.tag;
      delete session.tag;
      await withDeadline(session.channel.cancel(tag), setupDeadline, `cancelling the consumer of "${this.queue}"`);
      return;
    }
    if (this.#session === undefined) {
      await this.#host.redeclare(this.queue);
      this.#session = await this.#open(model);
      if (this.#closing !== undefined) {
        this.#end();
        return;
      }
    }
    const session = this.#session;
    if (session.tag !== undefined) return;
    const { consumerTag } = await this.#host.subscribe(this.queue, () =>
      withDeadline(
        session.channel.consume(this.queue, (message) => this.#receive(session, message), {
          ...(this.#options.consumerTag === undefined
            ? {}
            : { consumerTag: `${this.#options.consumerTag}-${session.generation}-${Date.now().toString(36)}` }),
        }),
        setupDeadline,
        `consuming from queue "${this.queue}"`,
      ),
    );
    session.tag = consumerTag;
    this.#failures = 0;
    this.#host.report(this.queue, undefined);
  }

  async #open(common: ChannelModel): Promise<Session> {
    const alone = await this.#host.alone(this.queue);
    try {
      return await this.#openOn(alone ?? common, alone);
    } catch (error) {
      // No session knows of it.
      if (alone !== undefined) void closeConnection(alone);
      throw error;
    }
  }

  async #openOn(model: ChannelModel, alone: ChannelModel | undefined): Promise<Session> {
    const channel = await withDeadline(model.createChannel(), setupDeadline, 'opening a channel');
    const session: Session = {
      channel,
      alone,
      acknowledgements: new Acknowledgements(channel),
      generation: this.#host.registry.begin(),
    };
    channel.on('error', (error: Error) => this.#host.report(this.queue, error));
    channel.on('handler-error', (error: Error) => this.#host.report(this.queue, error));
    channel.on('close', () => {
      this.#host.registry.end(session.generation);
      if (this.#session !== session) return;
      this.#session = undefined;
      void leave(session);
      this.#again();
    });
    try {
      await withDeadline(channel.prefetch(this.#options.prefetch), setupDeadline, 'setting the prefetch');
    } catch (error) {
      this.#host.registry.end(session.generation);
      channel.close().catch(() => undefined);
      throw error;
    }
    return session;
  }

  #receive(session: Session, message: ConsumeMessage | null): void {
    if (message === null) {
      // basic.cancel: the queue was deleted or its leader moved. The channel stays, its deliveries stay valid.
      delete session.tag;
      this.#work = this.#work.then(() => this.#host.redeclare(this.queue)).catch(() => undefined);
      void this.#step();
      return;
    }
    const { acknowledgements, generation } = session;
    acknowledgements.delivered(message);
    const delivery = this.#host.registry.add(generation, this.#host.incoming(this.queue, message), {
      acknowledgements,
      message,
    });
    this.#onDelivery(delivery);
  }

  #again(): void {
    if (this.#wanted !== 'running' || this.#host.model === undefined) return;
    clearTimeout(this.#retry);
    // A session that could not subscribe is given up, so that the next try begins afresh.
    if (this.#session !== undefined && this.#session.tag === undefined && this.unsettled === 0) this.#end();
    this.#retry = setTimeout(() => void this.#step(), reconnectDelay(this.#failures++));
  }

  #end(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    this.#host.registry.end(session.generation);
    session.acknowledgements.flush();
    void leave(session);
  }
}

/** Closes the channel, which may be closed already, and the connection that it had to itself. */
async function leave({ channel, alone }: Session): Promise<void> {
  try {
    await channel.close();
  } catch {
    // It has closed by itself.
  }
  if (alone !== undefined) await closeConnection(alone);
}

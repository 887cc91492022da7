/**
 * Takes the letters of `<queue>.dead` into the store: stored durably first, acknowledged then. A crash between the
 * two brings the delivery again, and the store knows the death already.
 */
import {
  type AmqpConnectionService,
  type Consumer,
  defaultRetryPolicy,
  type IncomingDelivery,
} from '../../amqp/index.ts';
import { type Failure, toFailure } from '../../kernel/failure.ts';
import type { Store } from '../../kernel/store/store.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import type { PayloadCipher } from './cipher.ts';
import { collectLetter, purgeLetters } from './collect.ts';
import { type Announcement, type LetterTotals, letterTotals, takeAnnouncements } from './groups.ts';
import { letterOf } from './letter.ts';
import { sealContext } from './replay.ts';

export interface CollectorOptions {
  /** Full name of the queue whose dead letters are taken. */
  queue: string;
  connection: AmqpConnectionService;
  store: Store;
  cipher: PayloadCipher;
  /** Milliseconds that closed letters are kept. */
  retention: number;
  /** Flow of a node of this runtime. */
  flowOf(node: string): string | undefined;
  onAnnouncement(announcement: Announcement): void;
  onTotals(totals: LetterTotals): void;
  /** Collecting does not work at the moment; undefined when it works again. */
  onProblem(problem: Failure | undefined): void;
}

const prefetch = 64;
/** Milliseconds between looks at what others changed: another instance, the console, the flow. */
const lookEvery = 2_000;
const retryConsumeAfter = 5_000;
const purgeEvery = 3_600_000;
const purgeSlice = 500;

export class LetterCollector {
  readonly #options: CollectorOptions;
  #consumer: Consumer | undefined;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #working = new Set<Promise<void>>();
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #purgeAt = 0;
  #storeFailed = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#track(this.#consume());
    this.look();
  }

  /** Looks at the totals and episodes soon: something has changed. */
  look(): void {
    if (this.#closed) return;
    if (this.#looking !== undefined) {
      this.#lookAgain = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#looking = this.#observe().finally(() => {
      this.#looking = undefined;
      if (this.#closed) return;
      this.#timer = setTimeout(() => this.look(), this.#lookAgain ? 100 : lookEvery);
      this.#timer.unref();
      this.#lookAgain = false;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#consumer?.close(2_000).catch(() => undefined);
    await Promise.allSettled([...this.#working, ...(this.#looking === undefined ? [] : [this.#looking])]);
  }

  async #consume(): Promise<void> {
    while (!this.#closed) {
      try {
        const consumer = await this.#options.connection.consume(
          { queue: `${this.#options.queue}.dead`, prefetch, policy: defaultRetryPolicy },
          (delivery) => void this.#track(this.#take(delivery)),
        );
        if (this.#closed) await consumer.close();
        else this.#consumer = consumer;
        this.#options.onProblem(undefined);
        return;
      } catch (error) {
        this.#options.onProblem(toFailure(error));
        await this.#pause(retryConsumeAfter);
      }
    }
  }

  async #take(delivery: IncomingDelivery): Promise<void> {
    const { connection, store, cipher, queue } = this.#options;
    try {
      const letter = letterOf(delivery, connection.id);
      letter.queue = queue;
      letter.body = cipher.seal(letter.body, sealContext(queue, letter.messageId));
      letter.bodyKey = cipher.keyId;
      letter.flowId = letter.nodeId === null ? null : (this.#options.flowOf(letter.nodeId) ?? null);
      const collected = await store.run(collectLetter, letter);
      if (collected.kind !== 'known') {
        telemetry.count('dead_letters_total', { queue, class: letter.failureClass });
      }
      await connection.settle(delivery.handle, { kind: 'done' });
      this.#options.onProblem(undefined);
      this.look();
    } catch (error) {
      this.#options.onProblem(toFailure(error));
      // Back to the queue, after a moment: a store that is down must not turn into a storm of redeliveries.
      await this.#pause(1_000);
      await connection.settle(delivery.handle, { kind: 'release' }).catch(() => undefined);
    }
  }

  async #observe(): Promise<void> {
    const { store, queue, retention } = this.#options;
    try {
      for (const announcement of await store.run(takeAnnouncements, { queue })) {
        this.#options.onAnnouncement(announcement);
      }
      const totals = await store.run(letterTotals, { queue });
      telemetry.gauge('dead_letters_open', { queue }, totals.waiting);
      this.#options.onTotals(totals);
      if (this.#storeFailed) this.#options.onProblem(undefined);
      this.#storeFailed = false;
      const now = Date.now();
      if (now >= this.#purgeAt) {
        const removed = await store.run(purgeLetters, { queue, before: now - retention, limit: purgeSlice });
        this.#purgeAt = removed < purgeSlice ? now + purgeEvery : 0;
      }
    } catch (error) {
      this.#storeFailed = true;
      if (!this.#closed) this.#options.onProblem(toFailure(error));
    }
  }

  #track(work: Promise<void>): Promise<void> {
    this.#working.add(work);
    return work.finally(() => this.#working.delete(work));
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#closed ? 0 : milliseconds);
      timer.unref();
    });
  }
}

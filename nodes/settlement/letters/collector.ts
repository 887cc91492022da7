/**
 * Takes the letters of `<queue>.dead` into the store: stored durably first, acknowledged then. A crash between the
 * two brings the delivery again, and the store knows the death already.
 */
import { createHash } from 'node:crypto';
import {
  type AmqpConnectionService,
  type Consumer,
  defaultRetryPolicy,
  type IncomingDelivery,
} from '../../amqp/index.ts';
import { type Failure, failureClasses, toFailure } from '../../kernel/failure.ts';
import type { Store } from '../../kernel/store/store.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import type { PayloadCipher } from './cipher.ts';
import { type Collected, collectLetter, letterBody, purgeLetters } from './collect.ts';
import { type Announcement, type LetterTotals, letterTotals, takeAnnouncements } from './groups.ts';
import { type LetterInput, letterOf } from './letter.ts';
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
    for (const name of failureClasses) {
      telemetry.count('dead_letters_total', { queue: this.#options.queue, class: name }, 0);
    }
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
    const { connection, queue } = this.#options;
    try {
      const letter = letterOf(delivery, connection.id);
      letter.queue = queue;
      letter.flowId = letter.nodeId === null ? null : (this.#options.flowOf(letter.nodeId) ?? null);
      let collected = await this.#collect(letter);
      if (letter.generation === 0 && collected.kind !== 'new' && !(await this.#holds(letter))) {
        collected = await this.#collect({ ...letter, messageId: ownIdOf(letter) });
      }
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

  #collect(letter: LetterInput): Promise<Collected> {
    const { store, cipher } = this.#options;
    const body = cipher.seal(letter.body, sealContext(letter.queue, letter.messageId));
    return store.run(collectLetter, { ...letter, body, bodyKey: cipher.keyId });
  }

  /** Whether the letter of this message id is of this document: ids are unique to their sender at best. */
  async #holds({ queue, messageId, body }: LetterInput): Promise<boolean> {
    const { store, cipher } = this.#options;
    const known = await store.run(letterBody, { queue, messageId });
    if (known === undefined) return false;
    try {
      return cipher.open(known.body, known.bodyKey, sealContext(queue, messageId)).equals(body);
    } catch {
      // It cannot be read any more, so nobody knows.
      return false;
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

/** The same for the same document, so that a letter that is delivered twice is one. */
function ownIdOf({ messageId, body }: LetterInput): string {
  return `${messageId}#${createHash('sha256').update(body).digest('hex').slice(0, 16)}`;
}

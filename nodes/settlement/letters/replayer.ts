/**
 * Sends the letters that people asked for to their own queue, at the rate of their job. What is left to send is in
 * the store, so that a job goes on after a crash where it stopped.
 */
import type { AmqpConnectionService, MessageProperties, OutgoingMessage } from '../../amqp/index.ts';
import { Failure, toFailure } from '../../kernel/failure.ts';
import type { Store } from '../../kernel/store/store.ts';
import type { TraceContext } from '../../kernel/telemetry/tracing.ts';
import { noteEdit } from './act.ts';
import { applyChange, openChange, sealEdit } from './change.ts';
import type { PayloadCipher } from './cipher.ts';
import { generationHeader, jobHeader, type ReplayProperties } from './letter.ts';
import { replaySpans } from '../../amqp/index.ts';
import { claimReplays, noteReplays, type ReplayItem, type SentItem } from './replay.ts';

export interface ReplayerOptions {
  queue: string;
  connection: Pick<AmqpConnectionService, 'publish'>;
  store: Store;
  cipher: PayloadCipher;
  onProblem(problem: Failure): void;
  /** Letters were sent or given back. */
  onProgress(): void;
}

/** Letters claimed at once: at most, and before the rate is known. */
const batch = 50;
const firstBatch = 5;
/** Seconds that one batch may take, well inside the lease. */
const batchTime = 10;
/** Milliseconds after which a claimed letter may be sent by somebody else: longer than a publish may take. */
const lease = 30_000;
const idlePause = 2_000;
const outagePause = 5_000;

/** The message that a letter is sent as: same id, its first try again, only to its own queue. */
export function replayMessage(item: ReplayItem, body: Uint8Array, trace?: TraceContext): OutgoingMessage {
  const stored = JSON.parse(item.properties) as ReplayProperties;
  const properties: MessageProperties = {
    ...stored,
    messageId: item.messageId,
    contentType: item.contentType,
    headers: { ...stored.headers, ...trace, [generationHeader]: item.generation, [jobHeader]: item.jobId },
  };
  return { exchange: '', routingKey: item.queue, properties, body };
}

export class Replayer {
  readonly #options: ReplayerOptions;
  #closed = false;
  #limit = firstBatch;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ReplayerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** There is something to send. */
  kick(): void {
    this.#wake?.();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.kick();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const began = Date.now();
      let pause = idlePause;
      try {
        pause = await this.#sendSome(began);
      } catch (error) {
        this.#options.onProblem(toFailure(error));
        pause = outagePause;
      }
      if (pause > 0) await this.#sleep(pause);
    }
  }

  /** @returns milliseconds to wait before the next batch */
  async #sendSome(began: number): Promise<number> {
    const { store, queue } = this.#options;
    const items = await store.run(claimReplays, { queue, limit: this.#limit, lease });
    if (items.length === 0) return idlePause;
    const rate = Math.max(0.1, Math.min(...items.map((item) => item.rate)));
    this.#limit = Math.max(1, Math.min(batch, Math.floor(rate * batchTime)));
    // A slow job sends one by one, so that its rate holds within a batch too.
    const width = Math.max(1, Math.min(items.length, Math.floor(rate / 4)));
    let down = false;
    for (let i = 0; i < items.length; i += width) {
      const some = items.slice(i, i + width);
      const started = Date.now();
      const sent = await Promise.all(
        some.map((item) => (down || this.#closed ? Promise.resolve(entryOf(item, 'waits')) : this.#send(item))),
      );
      down ||= sent.some((entry) => entry.outcome === 'waits');
      await store.run(noteReplays, { items: sent });
      this.#options.onProgress();
      const due = (some.length / rate) * 1_000 - (Date.now() - started);
      if (!down && !this.#closed && due > 0) await this.#sleep(due, false);
    }
    if (down) return outagePause;
    return Math.max(0, (items.length / rate) * 1_000 - (Date.now() - began));
  }

  async #send(item: ReplayItem): Promise<SentItem> {
    const stored = JSON.parse(item.properties) as ReplayProperties;
    const { queue, messageId, generation, jobId } = item;
    const spans = replaySpans({ queue, messageId, generation, jobId, headers: stored.headers });
    try {
      const body = await this.#bodyOf(item);
      await this.#options.connection.publish(replayMessage(item, body, spans?.context));
      spans?.end();
      return entryOf(item, 'sent');
    } catch (error) {
      const failure = toFailure(error);
      spans?.end(failure);
      this.#options.onProblem(failure);
      return entryOf(item, failure.retryable ? 'waits' : 'refused');
    }
  }

  /** What is sent: as it is kept, or with the change of its job, which is on record before. */
  async #bodyOf({ change, ...item }: ReplayItem): Promise<Buffer> {
    const { cipher, store } = this.#options;
    const kept = cipher.open(item.body, item.bodyKey, item.context);
    if (change === undefined) return kept;
    const edited = applyChange(item.contentType, kept, openChange(cipher, item.jobId, change));
    if ('why' in edited) throw misfit(edited.why);
    const { id: letterId, generation, jobId } = item;
    const edit = sealEdit(cipher, item, kept, edited.body);
    await store.run(noteEdit, { letterId, generation, jobId, edit });
    return edited.body;
  }

  /** @param wakeable whether {@link kick} ends it early */
  #sleep(milliseconds: number, wakeable = true): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      timer.unref();
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#wake = wakeable ? wake : () => (this.#closed ? wake() : undefined);
    });
  }
}

function entryOf(item: ReplayItem, outcome: SentItem['outcome']): SentItem {
  return { id: item.id, generation: item.generation, jobId: item.jobId, outcome };
}

function misfit(why: string): Failure {
  return new Failure(
    'data-quality',
    'EDIT_DOES_NOT_FIT',
    `The change of this replay cannot be made in the letter: ${why}.`,
  );
}

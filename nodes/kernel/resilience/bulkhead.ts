import { Failure } from '../failure.ts';

export interface BulkheadOptions {
  /** What is protected, as an operator knows it; part of the message of a refusal. */
  name: string;
  /** Most pieces of work at the same time. Default 8. */
  concurrency?: number;
  /** Most that wait for a place; the next one is refused. Default 100. */
  queue?: number;
}

interface Waiting {
  admit(): void;
}

/** Bounds how much work one dependency gets at a time, so that a slow one cannot drown the whole process. */
export class Bulkhead {
  readonly #name: string;
  readonly #concurrency: number;
  readonly #limit: number;
  readonly #waiting: Waiting[] = [];
  #active = 0;

  constructor(options: BulkheadOptions) {
    this.#name = options.name;
    this.#concurrency = options.concurrency ?? 8;
    this.#limit = options.queue ?? 100;
  }

  get active(): number {
    return this.#active;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  /** @throws Failure `saturation` (`BULKHEAD_FULL`) when the queue is full; the signal's reason when it fires first */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #enter(signal: AbortSignal | undefined): Promise<void> | undefined {
    signal?.throwIfAborted();
    if (this.#active < this.#concurrency) {
      this.#active++;
      return undefined;
    }
    if (this.#waiting.length >= this.#limit) {
      throw new Failure(
        'saturation',
        'BULKHEAD_FULL',
        `${this.#name} has ${this.#active} calls running and ${this.#waiting.length} waiting; no more are taken. Slow the sender down or raise the concurrency.`,
        { outcome: 'none' },
      );
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        admit: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  /** Hands the place over rather than freeing it, so that nobody overtakes the queue. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#active--;
    else next.admit();
  }
}

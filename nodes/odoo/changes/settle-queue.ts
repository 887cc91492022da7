/** Writes down what was settled, many changes in one operation: those that are settled while one runs go with the next. */
import type { FailureRecord } from '../../kernel/failure.ts';
import { toFailure } from '../../kernel/failure.ts';
import type { Store } from '../../kernel/store/store.ts';
import { type OpenedChange, type SettledChange, settleChanges } from './checkpoint.ts';
import { type Deferred, deferred } from './deferred.ts';

/** Changes in one operation. */
const most = 200;

export class SettleQueue {
  readonly #store: Store;
  readonly #source: string;
  #waiting: { settled: SettledChange; recorded: Deferred }[] = [];
  #running = false;

  constructor(store: Store, source: string) {
    this.#store = store;
    this.#source = source;
  }

  /** Resolves when it is durable. */
  record(change: OpenedChange, refused?: FailureRecord): Promise<void> {
    const { id, writeDate, kind, eventId } = change;
    const settled = { change: { id, writeDate, kind, eventId }, ...(refused === undefined ? {} : { refused }) };
    const recorded = deferred();
    this.#waiting.push({ settled, recorded });
    void this.#drain();
    return recorded.promise;
  }

  async #drain(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, most);
      try {
        await this.#store.run(settleChanges, { source: this.#source, settled: batch.map(({ settled }) => settled) });
        for (const { recorded } of batch) recorded.resolve();
      } catch (error) {
        for (const { recorded } of batch) recorded.reject(toFailure(error));
      }
    }
    this.#running = false;
  }
}

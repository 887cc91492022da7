/**
 * Gives notices to the flow, and notes in the store that they were told. Not at once: Node-RED passes messages on by and
 * by, and what is in a mail node when the process dies is told again by the next one.
 */
import type { Store } from '../kernel/store/store.ts';
import type { NoticeKind } from './notice.ts';
import { noticesTold } from './store/notices.ts';

/** Milliseconds that a notice is in the flow before it counts as told. */
const moment = 5_000;

export class Teller {
  readonly #store: Store;
  #told: { id: string; kind: NoticeKind; at: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** A notice of this request has gone to the flow. */
  given(id: string, kind: NoticeKind): void {
    if (this.#closed) return;
    this.#told.push({ id, kind, at: Date.now() });
    this.#schedule();
  }

  /** Nodes of the flow stop: what they have had for less than a moment is told again when its lease has ended. */
  pause(): void {
    this.#told = [];
  }

  close(): void {
    this.pause();
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed || this.#told.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#note();
    }, moment);
    this.#timer.unref();
  }

  async #note(): Promise<void> {
    const ripe = this.#told.filter(({ at }) => Date.now() - at >= moment);
    try {
      if (ripe.length > 0) await this.#store.run(noticesTold, { told: ripe.map(({ id, kind }) => ({ id, kind })) });
      this.#told = this.#told.filter((one) => !ripe.includes(one));
    } catch {
      // The store tells its own troubles; until it has noted them they are owed.
    }
    this.#schedule();
  }
}

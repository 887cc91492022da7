/**
 * Gives notices to the flow, and notes in the store that they were told. Not at once: Node-RED passes messages on by and
 * by, and what is in a mail node when the process dies is told again by the next one.
 */
import type { Store } from '../kernel/store/store.ts';
import { type HeldNotice, noticesTold } from './store/notices.ts';

/** Milliseconds that a notice is in the flow before it counts as told. */
const moment = 5_000;

export class Teller {
  readonly #store: Store;
  #told: (HeldNotice & { at: number })[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Until the nodes of the flow stand, and from when they stop: what is told then may be lost with them. */
  #paused = true;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The nodes of the flow stand, now or again. */
  start(): void {
    this.#paused = this.#closed;
  }

  /** A notice has gone to the flow. */
  given(notice: HeldNotice): void {
    if (this.#paused) return;
    this.#told.push({ ...notice, at: Date.now() });
    this.#schedule();
  }

  /** Nodes of the flow stop: what they have had for less than a moment is told again when its lease has ended. */
  pause(): void {
    this.#paused = true;
    this.#told = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** For good, also when the next flow stands before what closes has ended. */
  close(): void {
    this.pause();
    this.#closed = true;
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#told.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#note();
    }, moment);
    this.#timer.unref();
  }

  async #note(): Promise<void> {
    const ripe = this.#told.filter(({ at }) => Date.now() - at >= moment);
    try {
      if (ripe.length > 0) await this.#store.run(noticesTold, { told: ripe.map(({ at: _, ...notice }) => notice) });
      this.#told = this.#told.filter((one) => !ripe.includes(one));
    } catch {
      // The store tells its own troubles; until it has noted them they are owed.
    }
    this.#schedule();
  }
}

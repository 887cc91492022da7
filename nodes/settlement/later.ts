/**
 * Records that the store did not take when they were due, and that nobody else would write: a message that came by HTTP
 * does not come again by itself, and while its key is claimed its sender is told that it is being processed. They are
 * tried until they are written, in order; what is left when the process ends is what a crash at that moment leaves.
 */
import { toFailure } from '../kernel/failure.ts';
import { fullJitter } from '../kernel/resilience/backoff.ts';

/** Records that wait; the key of one more is left to its lease. */
const limit = 1_000;
/** Milliseconds: no key is renewed for longer unless its gate says so. */
const longest = 10 * 60_000;
const backoff = { base: 500, cap: 10_000 };

export class Later {
  readonly #waiting: { write: () => Promise<unknown>; since: number }[] = [];
  #failures = 0;
  #trying = false;

  get waiting(): number {
    return this.#waiting.length;
  }

  add(write: () => Promise<unknown>): void {
    if (this.#waiting.length >= limit) return;
    this.#waiting.push({ write, since: performance.now() });
    if (this.#trying) return;
    this.#trying = true;
    this.#next(1);
  }

  #next(attempt: number): void {
    setTimeout(() => void this.#try(), fullJitter(attempt, backoff)).unref();
  }

  async #try(): Promise<void> {
    while (this.#waiting.length > 0) {
      const { write, since } = this.#waiting[0]!;
      const failure = await write().then(() => undefined, toFailure);
      // A deploy may have taken the store's node away for a moment.
      const passing = failure !== undefined && (failure.retryable || failure.class === 'configuration');
      if (passing && performance.now() - since < longest) {
        this.#next(++this.#failures);
        return;
      }
      this.#failures = 0;
      this.#waiting.shift();
    }
    this.#trying = false;
  }
}

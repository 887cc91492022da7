/**
 * The retry budget of a connection: what keeps a fault that fails every message from multiplying the work. Each success
 * pays in a share of a retry, time pays in a floor, each retry takes one out. Nothing is refused a retry; but while the
 * budget is in debt the consumers take nothing, so that messages wait in their queues instead of being tried in vain.
 */

export interface RetryBudgetOptions {
  /** Retries that one success pays for. Default 0.2. */
  share: number;
  /** Retries a minute that need no success. Default 120. */
  floor: number;
}

export const defaultRetryBudget: RetryBudgetOptions = { share: 0.2, floor: 120 };

/** Minutes of the floor that are saved up at most: what a fault may spend before it is slowed down. */
const saved = 5;

export interface RetryBudgetState {
  /** Retries left; below 0 it is in debt. */
  available: number;
  capacity: number;
  /** The consumers wait. */
  spent: boolean;
  /** Milliseconds until they go on, when nothing succeeds meanwhile; 0 when they do not wait. */
  resumesIn: number;
}

export class RetryBudget {
  readonly #share: number;
  readonly #perMillisecond: number;
  readonly #capacity: number;
  readonly #now: () => number;
  #available: number;
  #at: number;
  #spent = false;

  /** @param now a clock that is never set, in milliseconds */
  constructor({ share, floor }: RetryBudgetOptions, now: () => number = () => performance.now()) {
    this.#share = Math.max(0, share);
    // Without a floor nothing could ever pay the debt while the consumers wait.
    const perMinute = Math.max(1, floor);
    this.#perMillisecond = perMinute / 60_000;
    this.#capacity = perMinute * saved;
    this.#available = this.#capacity;
    this.#now = now;
    this.#at = now();
  }

  succeeded(): void {
    this.#add(this.#share);
  }

  retried(): void {
    this.#add(-1);
  }

  get state(): RetryBudgetState {
    this.#add(0);
    return {
      available: Math.floor(this.#available),
      capacity: this.#capacity,
      spent: this.#spent,
      resumesIn: this.#spent ? Math.ceil((1 - this.#available) / this.#perMillisecond) : 0,
    };
  }

  #add(retries: number): void {
    const now = this.#now();
    const earned = (now - this.#at) * this.#perMillisecond;
    this.#at = now;
    this.#available = Math.min(this.#capacity, this.#available + earned + retries);
    if (this.#available < 0) this.#spent = true;
    else if (this.#available >= 1) this.#spent = false;
  }
}

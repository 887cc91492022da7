import { Failure } from '../failure.ts';
import { sleep } from './deadline.ts';

export interface RateLimitOptions {
  /** What is protected, as an operator knows it. */
  name: string;
  /** Calls a second on average; 0 = no limit. */
  perSecond: number;
  /** Calls that may go at once after a quiet time. Default: one second's worth, at least 1. */
  burst?: number;
  /** Milliseconds a call waits for its turn at most; beyond it is refused. Default 10,000. */
  maxWait?: number;
  /** Milliseconds, monotonic, for tests. */
  now?: () => number;
}

/** Token bucket. A call that finds it empty reserves a token to come and waits for it, first come first served. */
export class RateLimit {
  readonly #name: string;
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #maxWait: number;
  readonly #now: () => number;
  #tokens: number;
  #filled: number;

  constructor(options: RateLimitOptions) {
    this.#name = options.name;
    this.#perSecond = options.perSecond;
    this.#burst = options.burst ?? Math.max(1, options.perSecond);
    this.#maxWait = options.maxWait ?? 10_000;
    this.#now = options.now ?? (() => performance.now());
    this.#tokens = this.#burst;
    this.#filled = this.#now();
  }

  /**
   * Takes one token. @returns the milliseconds to wait before using it
   * @throws Failure `saturation` (`RATE_LIMITED`) with `retryAfter` when the wait would be too long
   */
  reserve(): number {
    if (this.#perSecond <= 0) return 0;
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filled) * this.#perSecond) / 1000);
    this.#filled = now;
    const wait = this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1000) / this.#perSecond);
    if (wait > this.#maxWait) {
      throw new Failure(
        'saturation',
        'RATE_LIMITED',
        `More calls to ${this.#name} are wanted than its limit of ${this.#perSecond} a second. Slow the sender down or raise the limit.`,
        { retryAfter: wait, outcome: 'none' },
      );
    }
    this.#tokens -= 1;
    return wait;
  }

  /** Waits for a token; gives it back when the signal fires first. */
  async take(signal?: AbortSignal): Promise<void> {
    const wait = this.reserve();
    if (wait === 0) return;
    try {
      await sleep(wait, signal);
    } catch (error) {
      this.#tokens += 1;
      throw error;
    }
  }
}

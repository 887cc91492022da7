import { type Failure, toFailure } from '../failure.ts';
import { type BackoffOptions, fullJitter } from './backoff.ts';
import { sleep } from './deadline.ts';

/**
 * Bounds repeats to a share of the calls, so that retries never multiply the load on a dependency that struggles.
 * Each call earns `ratio`; each repeat costs 1.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #most: number;
  #credit: number;

  /** @param ratio repeats per call, default 0.1  @param most repeats that may be saved up, default 10 */
  constructor(ratio = 0.1, most = 10) {
    this.#ratio = ratio;
    this.#most = most;
    this.#credit = most;
  }

  earn(): void {
    this.#credit = Math.min(this.#most, this.#credit + this.#ratio);
  }

  spend(): boolean {
    if (this.#credit < 1) return false;
    this.#credit -= 1;
    return true;
  }
}

export interface RetryOptions extends BackoffOptions {
  /** Tries in all, at least 1. Default 3. */
  attempts?: number;
  /** Whether repeating is right after this failure. Default: `failure.retryable`. */
  when?: (failure: Failure) => boolean;
  budget?: RetryBudget;
  signal?: AbortSignal;
  /** Milliseconds left for everything; a wait that does not fit is not begun. */
  remaining?: () => number;
}

/**
 * Repeats `work` after failures that may pass. The wait is the larger of full jitter and what the dependency asked
 * for (`failure.retryAfter`); when that exceeds the cap, the failure is thrown at once, for a queue to wait longer.
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { attempts = 3, when = (failure) => failure.retryable, cap = 5_000, budget, signal, remaining } = options;
  budget?.earn();
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const failure = toFailure(error);
      if (attempt >= attempts || signal?.aborted || !when(failure)) throw failure;
      const asked = failure.retryAfter ?? 0;
      const wait = Math.max(asked, fullJitter(attempt, options));
      if (asked > cap || wait >= (remaining?.() ?? Number.POSITIVE_INFINITY)) throw failure;
      if (budget !== undefined && !budget.spend()) throw failure;
      try {
        await sleep(wait, signal);
      } catch {
        // What was given up on is this failure, not the waiting; it also says whether anything may have happened.
        throw failure;
      }
    }
  }
}

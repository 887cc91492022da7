import { Failure } from '../failure.ts';
import { Breaker, type BreakerOptions } from './breaker.ts';
import { Bulkhead } from './bulkhead.ts';
import { Deadline } from './deadline.ts';
import { RateLimit } from './rate-limit.ts';
import { type RetryOptions, RetryBudget, retry } from './retry.ts';

export interface GuardOptions {
  /** What is protected, as an operator knows it. */
  name: string;
  /** Calls at the same time. Default 8. */
  concurrency?: number;
  /** Calls waiting for a place. Default 100. */
  queue?: number;
  /** Milliseconds for everything: queueing, waits, all tries. Default 120,000. */
  deadline?: number;
  /** Calls a second; 0 = no limit. Default 0. */
  perSecond?: number;
  /** Tries in all. Default 3. */
  attempts?: number;
  breaker?: Omit<BreakerOptions, 'name'>;
}

export interface GuardedCall {
  signal?: AbortSignal;
  /** Whether repeating is right after this failure. Default: `failure.retryable`. */
  retryWhen?: RetryOptions['when'];
  /** Milliseconds; overrides the guard's. */
  deadline?: number;
}

/**
 * Everything that stands between a caller and one dependency, from the outside in: bulkhead with a bounded queue,
 * total deadline, retry with full jitter and a budget, circuit breaker, rate limit. The time limit of a single try
 * belongs to the transport, which alone knows whether anything was sent.
 */
export class Guard {
  readonly breaker: Breaker;
  readonly bulkhead: Bulkhead;
  readonly #rate: RateLimit;
  readonly #budget = new RetryBudget();
  readonly #options: GuardOptions;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.bulkhead = new Bulkhead(options);
    this.breaker = new Breaker({ ...options.breaker, name: options.name });
    this.#rate = new RateLimit({ name: options.name, perSecond: options.perSecond ?? 0 });
  }

  async run<T>(work: (signal: AbortSignal) => Promise<T>, call: GuardedCall = {}): Promise<T> {
    const { name, attempts } = this.#options;
    const limit = call.deadline ?? this.#options.deadline ?? 120_000;
    const expired = () =>
      new Failure('dependency-outage', 'DEADLINE', `${name} did not answer within ${limit / 1000} s in all.`, {
        outcome: 'none',
      });
    const deadline = new Deadline(limit, expired, call.signal);
    const { signal } = deadline;
    try {
      return await this.bulkhead.run(
        () =>
          retry(
            () =>
              this.breaker.run(async () => {
                await this.#rate.take(signal);
                return await work(signal);
              }),
            {
              signal,
              remaining: () => deadline.remaining,
              budget: this.#budget,
              ...(attempts === undefined ? {} : { attempts }),
              ...(call.retryWhen === undefined ? {} : { when: call.retryWhen }),
            },
          ),
        signal,
      );
    } finally {
      deadline.clear();
    }
  }
}

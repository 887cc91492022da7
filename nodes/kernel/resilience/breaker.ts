import { Failure, toFailure } from '../failure.ts';

export type BreakerState =
  /** Calls pass and are counted. */
  | { kind: 'closed' }
  /** Calls are refused without trying, until `until` (milliseconds since the epoch). `cause` is the last failure's code. */
  | { kind: 'open'; since: number; until: number; cause: string }
  /** A few probes pass; all of them must succeed to close, one failure opens again. */
  | { kind: 'half-open'; since: number; running: number; succeeded: number }
  /** A person took it out of service; only a person puts it back. */
  | { kind: 'isolated'; since: number };

export interface BreakerOptions {
  /** What is protected, as an operator knows it. */
  name: string;
  /** Share of failed calls in the window that opens the breaker, 0 to 1. Default 0.5. */
  ratio?: number;
  /** Calls in the window below which the ratio means nothing. Default 5. */
  minimum?: number;
  /**
   * Failed calls in a row that open the breaker whatever the ratio says: after a busy minute it would otherwise take as
   * many failures again to outweigh the successes. Default twice `minimum`.
   */
  consecutive?: number;
  /** Sampling window in milliseconds. Default 30,000. */
  window?: number;
  /** Milliseconds open before the first probe. Default 5,000; doubles with each failed probe up to `openMost`. */
  openFor?: number;
  /** Default 60,000 ms. */
  openMost?: number;
  /** Probes that must succeed. Default 2. */
  probes?: number;
  /** Milliseconds after which a successful call counts as a failed one; 0 = never. Default 0. */
  slowCall?: number;
  /** Which failures speak of the dependency's health. Default: class `dependency-outage`. */
  counts?: (failure: Failure) => boolean;
  /** Milliseconds since the epoch, for tests. */
  now?: () => number;
}

interface Bucket {
  second: number;
  succeeded: number;
  failed: number;
}

/**
 * Circuit breaker with a sampling window: once enough of the recent calls failed, further ones are refused at once
 * instead of being added to a dependency that is already down. Failures that are the caller's fault never count.
 */
export class Breaker {
  readonly #options: Required<Omit<BreakerOptions, 'counts' | 'now'>>;
  readonly #counts: (failure: Failure) => boolean;
  readonly #now: () => number;
  readonly #listeners = new Set<(state: BreakerState) => void>();
  #state: BreakerState = { kind: 'closed' };
  #buckets: Bucket[] = [];
  #failedInRow = 0;
  /** How often in a row the breaker has opened without closing. */
  #opened = 0;

  constructor(options: BreakerOptions) {
    this.#options = {
      name: options.name,
      ratio: options.ratio ?? 0.5,
      minimum: options.minimum ?? 5,
      consecutive: options.consecutive ?? 2 * (options.minimum ?? 5),
      window: options.window ?? 30_000,
      openFor: options.openFor ?? 5_000,
      openMost: options.openMost ?? 60_000,
      probes: options.probes ?? 2,
      slowCall: options.slowCall ?? 0,
    };
    this.#counts = options.counts ?? ((failure) => failure.class === 'dependency-outage');
    this.#now = options.now ?? Date.now;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Milliseconds until a call would be let through; 0 when it would be now. */
  get wait(): number {
    const state = this.#state;
    if (state.kind === 'isolated') return this.#options.openMost;
    return state.kind === 'open' ? Math.max(0, state.until - this.#now()) : 0;
  }

  /** Tells of every change of state. @returns a function that unsubscribes */
  onChange(listener: (state: BreakerState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An operator's decision: refuse everything until {@link release}. */
  isolate(): void {
    this.#to({ kind: 'isolated', since: this.#now() });
  }

  /** Closes the breaker, whatever opened it. */
  release(): void {
    this.#close();
  }

  /** @throws Failure `dependency-outage` (`BREAKER_OPEN`, outcome none) without calling `work` while the breaker is open */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const probe = this.#admit();
    const started = this.#now();
    try {
      const result = await work();
      const slow = this.#options.slowCall > 0 && this.#now() - started > this.#options.slowCall;
      this.#record(probe, slow ? 'SLOW_CALL' : undefined);
      return result;
    } catch (error) {
      const failure = toFailure(error);
      this.#record(probe, this.#counts(failure) ? failure.code : undefined);
      throw error;
    }
  }

  /** @returns the half-open state whose probe this is, or undefined for an ordinary call */
  #admit(): Extract<BreakerState, { kind: 'half-open' }> | undefined {
    if (this.#state.kind === 'open' && this.#now() >= this.#state.until) {
      this.#to({ kind: 'half-open', since: this.#now(), running: 0, succeeded: 0 });
    }
    const state = this.#state;
    switch (state.kind) {
      case 'closed':
        return undefined;
      case 'half-open':
        if (state.running + state.succeeded < this.#options.probes) {
          state.running++;
          return state;
        }
        throw this.#refusal(1_000);
      case 'open':
        throw this.#refusal(state.until - this.#now(), state.cause);
      case 'isolated':
        throw this.#refusal(this.#options.openMost);
    }
  }

  #refusal(retryAfter: number, cause?: string): Failure {
    const why =
      this.#state.kind === 'isolated'
        ? 'was taken out of service by an operator'
        : `did not answer lately${cause === undefined ? '' : ` (${cause})`}, so it is being spared`;
    return new Failure(
      'dependency-outage',
      'BREAKER_OPEN',
      `${this.#options.name} ${why}; this call was not sent. It is tried again by itself.`,
      { retryAfter: Math.max(1, Math.ceil(retryAfter)), outcome: 'none' },
    );
  }

  #record(probe: Extract<BreakerState, { kind: 'half-open' }> | undefined, cause: string | undefined): void {
    if (probe !== undefined) {
      probe.running--;
      if (this.#state !== probe) return;
      if (cause !== undefined) this.#open(cause);
      else if (++probe.succeeded >= this.#options.probes) this.#close();
      return;
    }
    if (this.#state.kind !== 'closed') return;
    const now = this.#now();
    const second = Math.floor(now / 1000);
    let bucket = this.#buckets.at(-1);
    if (bucket?.second !== second) {
      bucket = { second, succeeded: 0, failed: 0 };
      this.#buckets.push(bucket);
      const oldest = Math.floor((now - this.#options.window) / 1000);
      while (this.#buckets[0]!.second <= oldest) this.#buckets.shift();
    }
    if (cause === undefined) {
      bucket.succeeded++;
      this.#failedInRow = 0;
      return;
    }
    bucket.failed++;
    this.#failedInRow++;
    let failed = 0;
    let all = 0;
    for (const sample of this.#buckets) {
      failed += sample.failed;
      all += sample.failed + sample.succeeded;
    }
    const { minimum, ratio, consecutive } = this.#options;
    if ((all >= minimum && failed / all >= ratio) || this.#failedInRow >= consecutive) this.#open(cause);
  }

  #open(cause: string): void {
    const { openFor, openMost } = this.#options;
    const duration = Math.min(openMost, openFor * 2 ** Math.min(this.#opened, 20));
    this.#opened++;
    const now = this.#now();
    this.#to({ kind: 'open', since: now, until: now + duration, cause });
  }

  #close(): void {
    this.#opened = 0;
    this.#buckets = [];
    this.#failedInRow = 0;
    this.#to({ kind: 'closed' });
  }

  #to(state: BreakerState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

/**
 * Keeps the leases of messages in flight alive. The gate does not see a message end, so it asks the store, with the
 * renewal itself: a key that is no longer claimed under its token needs no more renewing. A message that vanishes in
 * the flow is let go after `longest`.
 */
import { Failure } from '../../kernel/failure.ts';
import type { Store } from '../../kernel/store/store.ts';
import { type HeldKey, renewAll } from '../keys.ts';

export interface LeaseOptions {
  /** Milliseconds. */
  lease: number;
  /** Milliseconds that a message is renewed at most; 0 for not at all. */
  longest: number;
  /** Told when renewing did not get through; it is tried again at the next turn. */
  onFailure(error: unknown): void;
}

/** Messages renewed at one time; more run on their first lease. */
const capacity = 10_000;
/** Keys in one operation. */
const slice = 50;

interface Held {
  key: HeldKey;
  /** By the monotonic clock. */
  since: number;
}

export class Leases {
  readonly #store: Store;
  readonly #options: LeaseOptions;
  #held: Held[] = [];
  #turn: NodeJS.Timeout | undefined;
  #renewing: Promise<void> = Promise.resolve();

  constructor(store: Store, options: LeaseOptions) {
    this.#store = store;
    this.#options = options;
    if (options.longest > 0) {
      this.#turn = setInterval(() => {
        this.#renewing = this.#renewing.then(() => this.#renew());
      }, options.lease / 3);
      this.#turn.unref();
    }
  }

  hold(key: HeldKey): void {
    if (this.#turn !== undefined && this.#held.length < capacity) this.#held.push({ key, since: performance.now() });
  }

  async stop(): Promise<void> {
    clearInterval(this.#turn);
    this.#turn = undefined;
    this.#held = [];
    await this.#renewing;
  }

  /** Every key that has used up a third of its lease at least; most are settled long before. */
  async #renew(): Promise<void> {
    const now = performance.now();
    const { lease, longest } = this.#options;
    this.#held = this.#held.filter((held) => now - held.since < longest);
    const due = this.#held.filter((held) => now - held.since >= lease / 3);
    const gone = new Set<Held>();
    for (let start = 0; start < due.length; start += slice) {
      const part = due.slice(start, start + slice);
      try {
        const renewed = new Set(await this.#store.run(renewAll, { lease, keys: part.map((held) => held.key) }));
        for (const [index, held] of part.entries()) if (!renewed.has(index)) gone.add(held);
      } catch (error) {
        this.#options.onFailure(error);
        break;
      }
    }
    this.#held = this.#held.filter((held) => !gone.has(held));
  }
}

/** @throws Failure `configuration` when the lease is not 1 to 3600 seconds */
export function checkLease(seconds: number): number {
  if (seconds >= 1 && seconds <= 3600) return seconds * 1000;
  throw new Failure('configuration', 'IDEMPOTENCY_LEASE', 'The lease must be between 1 second and 1 hour.');
}

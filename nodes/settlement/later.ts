/**
 * Records that the store did not take when they were due, and that nobody else would write: a message that came by HTTP
 * does not come again by itself, and while its key is claimed its sender is told that it is being processed. Those of
 * one store are tried in order until they are written, and wait for no other store. What is left when the process ends
 * is what a crash at that moment leaves.
 */
import { type Failure, toFailure } from '../kernel/failure.ts';
import { fullJitter } from '../kernel/resilience/backoff.ts';
import { telemetry } from '../kernel/telemetry/telemetry.ts';

/** Records that wait for one store. */
const limit = 1_000;
/** Milliseconds: no key is renewed for longer unless its gate says so. */
const longest = 10 * 60_000;
const backoff = { base: 500, cap: 10_000 };

/** `full`: too many wait for this store; `expired`: ten minutes have passed; `refused`: the store will never take it. */
export type DropReason = 'full' | 'expired' | 'refused';

export interface LateRecord {
  /** Id of the store's config node. */
  store: string;
  write(): Promise<unknown>;
  /** Told when it is given up: its key is left to its lease, its turn to a person. */
  dropped?(reason: DropReason, failure?: Failure): void;
}

type Waiting = LateRecord & { since: number };

export class Later {
  readonly #lines = new Map<string, Waiting[]>();

  get waiting(): number {
    return [...this.#lines.values()].reduce((sum, line) => sum + line.length, 0);
  }

  add(record: LateRecord): void {
    const line = this.#lines.get(record.store);
    const waiting = { ...record, since: performance.now() };
    if (line === undefined) {
      const begun = [waiting];
      this.#lines.set(record.store, begun);
      this.#next(record.store, begun, 1);
    } else if (line.length >= limit) drop(record, 'full');
    else line.push(waiting);
  }

  #next(store: string, line: Waiting[], attempt: number): void {
    setTimeout(() => void this.#try(store, line, attempt), fullJitter(attempt, backoff)).unref();
  }

  async #try(store: string, line: Waiting[], attempt: number): Promise<void> {
    for (let record = line[0]; record !== undefined; record = line[0]) {
      const failure = await record.write().then(() => undefined, toFailure);
      // A deploy may have taken the store's node away for a moment.
      const passing = failure !== undefined && (failure.retryable || failure.class === 'configuration');
      if (passing && performance.now() - record.since < longest) {
        this.#next(store, line, attempt + 1);
        return;
      }
      attempt = 0;
      line.shift();
      if (failure !== undefined) drop(record, passing ? 'expired' : 'refused', failure);
    }
    this.#lines.delete(store);
  }
}

function drop({ dropped }: LateRecord, reason: DropReason, failure?: Failure): void {
  telemetry.count('settle_records_dropped_total', { reason });
  dropped?.(reason, failure);
}

/**
 * Audit entries of work that is done and that nobody waits for: written within a tenth of a second, many in one
 * operation, because each transaction has the disk write at once, which a broker on the same disk waits for. While the
 * store is away they stand in line; when the line is full, who adds one waits and hears why.
 */
import type { AuditEntry } from '../kernel/audit/entry.ts';
import { toFailure } from '../kernel/failure.ts';
import { defineOperation } from '../kernel/store/operation.ts';
import type { Store } from '../kernel/store/store.ts';

/** Milliseconds from an entry to its writing. */
const pause = 100;
/** Entries in one operation; as many are written without a pause. */
const slice = 500;
/** Milliseconds until a store that refused is asked again. */
const again = 1_000;

export const appendEntries = defineOperation(
  import.meta.url,
  'appendEntries',
  // biome-ignore lint/correctness/useYield: the audit entries are all of it
  function* (entries: readonly AuditEntry[], context) {
    for (const entry of entries) context.audit(entry);
  },
);

export class AuditLine {
  readonly #store: Store;
  readonly #limit: number;
  #entries: AuditEntry[] = [];
  #round: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param limit entries that wait for the store at most. Default 5,000 */
  constructor(store: Store, limit = 5_000) {
    this.#store = store;
    this.#limit = limit;
  }

  /**
   * Resolves at once while there is room.
   * @throws Failure of the store, when it refuses and the line is full; the entry is not in it then
   */
  async add(entry: AuditEntry): Promise<void> {
    while (this.#entries.length >= this.#limit) await this.#write();
    this.#entries.push(entry);
    if (this.#entries.length === slice) this.#quietly();
    else if (this.#round === undefined) this.#later(pause);
  }

  /** Writes what is in line. @returns how many entries the store did not take */
  async close(): Promise<number> {
    clearTimeout(this.#timer);
    try {
      while (this.#entries.length > 0) await this.#write();
    } catch {
      // The store tells its own troubles.
    }
    clearTimeout(this.#timer);
    return this.#entries.length;
  }

  #later(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#quietly();
    }, milliseconds);
    this.#timer.unref();
  }

  #quietly(): void {
    if (this.#entries.length > 0) this.#write().catch(() => undefined);
  }

  /** The round under way, or a new one. */
  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#round ??= this.#next();
    return this.#round;
  }

  async #next(): Promise<void> {
    const entries = this.#entries.slice(0, slice);
    try {
      await this.#store.run(appendEntries, entries);
      this.#entries.splice(0, entries.length);
      this.#round = undefined;
      if (this.#entries.length >= slice) this.#quietly();
      else if (this.#entries.length > 0) this.#later(pause);
    } catch (error) {
      this.#round = undefined;
      const failure = toFailure(error);
      // Entries that no transaction takes would keep all others waiting.
      if (failure.class === 'defect') this.#entries.splice(0, entries.length);
      this.#later(again);
      throw failure;
    }
  }
}

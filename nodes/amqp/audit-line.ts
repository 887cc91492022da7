/**
 * Audit entries of messages that the broker has confirmed. Who published one goes on when its entry is durable, so that
 * a process that is killed leaves no message behind of which its sender was told and the trail was not. Many entries
 * share one operation, because each transaction has the disk write at once, which a broker on the same disk waits for.
 *
 * The broker has the message already: while the store is away entries stand in line and nobody waits for them, until
 * the line is full. Those a process that is killed then takes along.
 */
import type { AuditEntry } from '../kernel/audit/entry.ts';
import { type Failure, toFailure } from '../kernel/failure.ts';
import { defineOperation } from '../kernel/store/operation.ts';
import type { Store } from '../kernel/store/store.ts';
import { logLine } from '../kernel/telemetry/log.ts';
import { telemetry } from '../kernel/telemetry/telemetry.ts';

/** Milliseconds from the beginning of one operation to that of the next, at least. */
const pause = 5;
/** Entries in one operation. */
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

interface Waiting {
  entry: AuditEntry;
  since: number;
  /** Lets who has added it go on; undefined when that one has. */
  goOn: (() => void) | undefined;
}

export class AuditLine {
  readonly #store: Store;
  readonly #limit: number;
  readonly #patience: number;
  #line: Waiting[] = [];
  #round: Promise<void> | undefined;
  /** The store has refused the last operation. */
  #away = false;
  #givenUp = 0;
  #began = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #impatience: NodeJS.Timeout | undefined;

  /**
   * @param limit entries that wait for the store at most. Default 5,000
   * @param patience milliseconds that somebody waits for a store that does not answer. Default 2,000
   */
  constructor(store: Store, limit = 5_000, patience = 2_000) {
    this.#store = store;
    this.#limit = limit;
    this.#patience = patience;
  }

  /**
   * Resolves when the entry is durable, or when the store refuses it for now and there is room for it in the line.
   * @throws Failure of the store, when it refuses and the line is full; the entry is not in it then
   */
  async add(entry: AuditEntry): Promise<void> {
    while (this.#line.length >= this.#limit) await this.#write();
    const since = performance.now();
    if (this.#away) {
      this.#line.push({ entry, since, goOn: undefined });
      return;
    }
    await new Promise<void>((goOn) => {
      this.#line.push({ entry, since, goOn });
      if (this.#round === undefined) this.#later(this.#began + pause - performance.now());
      this.#impatience ??= setInterval(() => this.#lose(performance.now() - this.#patience), this.#patience / 2);
    });
  }

  /** Writes what is in line. @returns how many entries the store did not take, those given up before among them */
  async close(): Promise<number> {
    clearTimeout(this.#timer);
    try {
      while (this.#line.length > 0) await this.#write();
    } catch {
      // The store tells its own troubles.
    }
    clearTimeout(this.#timer);
    clearInterval(this.#impatience);
    return this.#line.length + this.#givenUp;
  }

  /** Nobody waits any more for an entry that is older. */
  #lose(since: number): void {
    let waited = false;
    for (const waiting of this.#line) {
      if (waiting.goOn === undefined) continue;
      if (waiting.since > since) waited = true;
      else {
        waiting.goOn();
        waiting.goOn = undefined;
      }
    }
    if (waited) return;
    clearInterval(this.#impatience);
    this.#impatience = undefined;
  }

  #later(milliseconds: number): void {
    if (milliseconds <= 0) this.#quietly();
    else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#quietly();
      }, milliseconds);
      this.#timer.unref();
    }
  }

  #quietly(): void {
    if (this.#line.length > 0) this.#write().catch(() => undefined);
  }

  /** The round under way, or a new one. */
  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#round ??= this.#next();
    return this.#round;
  }

  async #next(): Promise<void> {
    this.#began = performance.now();
    // What is added in the same turn of the event loop goes along.
    await Promise.resolve();
    const part = this.#line.slice(0, slice);
    try {
      await this.#append(part);
      this.#round = undefined;
      if (this.#line.length > 0) this.#later(this.#began + pause - performance.now());
    } catch (error) {
      this.#away = true;
      this.#round = undefined;
      for (const { goOn } of part) goOn?.();
      this.#lose(Number.POSITIVE_INFINITY);
      this.#later(again);
      throw toFailure(error);
    }
  }

  /**
   * Writes what stands first in line. An entry that no transaction takes would keep all others waiting: it is given up,
   * and it alone.
   */
  async #append(part: readonly Waiting[]): Promise<void> {
    try {
      await this.#store.run(
        appendEntries,
        part.map(({ entry }) => entry),
      );
    } catch (error) {
      const failure = toFailure(error);
      if (failure.class !== 'defect') throw failure;
      if (part.length > 1) {
        for (const one of part) await this.#append([one]);
        return;
      }
      this.#giveUp(part[0]!.entry, failure);
    }
    this.#line.splice(0, part.length);
    this.#away = false;
    for (const { goOn } of part) goOn?.();
  }

  #giveUp({ action, subject, correlationId }: AuditEntry, { code }: Failure): void {
    this.#givenUp++;
    telemetry.count('audit_entries_dropped_total');
    process.emitWarning(logLine('audit.dropped', { action, subject, correlationId, code }));
  }
}

/**
 * Follows a model: one job at a time (a pass over what changed, the re-reading of hinted records, the search for
 * deleted ones), one page at a time in the flow.
 *
 * A transaction may end long after its records' `write_date`, which is its start. So the watermark stays behind
 * Odoo's clock by the overlap, and what was handed out since is known by id and `write_date`. Odoo's clock is taken
 * from the latest `write_date` it has shown, and the time that has passed since: our own clock may be wrong.
 */
import { type Failure, toFailure } from '../../kernel/failure.ts';
import type { Store } from '../../kernel/store/store.ts';
import type { OdooClient } from '../client/client.ts';
import {
  advance,
  type Checkpoint,
  compareIds,
  forgetIds,
  forgetSource,
  listSetAside,
  loadCheckpoint,
  type OpenPage,
  openPage,
  sweptThrough,
} from './checkpoint.ts';
import { type Deferred, deferred } from './deferred.ts';
import { closed, type InFlight, type OutgoingChange } from './in-flight.ts';
import type { ChangesReader, ReadRecord } from './reader.ts';

/** Where a source begins that has no checkpoint. */
export type Start = { kind: 'now' } | { kind: 'all' } | { kind: 'from'; second: number };

export interface FollowerOptions {
  client: Pick<OdooClient, 'breaker' | 'onBreaker'>;
  reader: ChangesReader;
  store: Store;
  /** Names the checkpoint. */
  source: string;
  flight: InFlight;
  start: Start;
  /** Seconds; longer than Odoo's longest transaction. */
  overlap: number;
  /** Milliseconds between passes; 0 = only when asked. */
  interval: number;
  /** Milliseconds between searches for deleted records; 0 = never. */
  sweepInterval: number;
  /** Milliseconds that hints are collected before their records are read. Default 500. */
  hintWindow?: number;
  /** Milliseconds after which a hinted record is looked for again. Default 1 s and 5 s. */
  hintRetries?: readonly number[];
  onProblem(failure: Failure): void;
  onChange(): void;
}

export interface FollowerStatus {
  /** A long pass: records gone through, of so many. */
  progress?: { done: number; total: number };
  /** Milliseconds since the epoch of the last complete pass. */
  lastRun?: number;
  /** Changes handed out and settled since the start. */
  settled: number;
  setAside: number;
  /** The last job failed. */
  problem?: { code: string; class: Failure['class'] };
}

type Job = 'pass' | 'retry' | 'reset' | 'sweep';

/** Hinted records at most that wait; the next pass finds the others. */
const hintLimit = 10_000;
const hintPage = 200;

export class Follower {
  readonly #options: FollowerOptions;
  readonly #abort = new AbortController();
  readonly #jobs = new Map<Job, Deferred>();
  /** Hinted ids, with how often they were looked for. */
  readonly #hints = new Map<number, number>();
  readonly #status: FollowerStatus = { settled: 0, setAside: 0 };
  readonly #unsubscribe: () => void;
  #checkpoint: Checkpoint | undefined;
  #working: Promise<void> | undefined;
  #paused = true;
  #passTimer: NodeJS.Timeout | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  #hintTimer: NodeJS.Timeout | undefined;
  /** What Odoo's clock has shown, and when, in seconds of a clock that is never set. */
  #clock = { second: 0, at: 0 };
  #failures = 0;
  #told: string | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#unsubscribe = options.client.onBreaker((state) => {
      // Odoo answers again: no need to wait for the next interval.
      if (state.kind === 'closed' && this.#failures > 0 && !this.#paused) this.#schedule(0);
      options.onChange();
    });
  }

  get status(): Readonly<FollowerStatus> {
    return this.#status;
  }

  /** Begins, or goes on after a deploy that left this source in place. */
  start(): void {
    if (this.#abort.signal.aborted) return;
    this.#paused = false;
    this.#options.flight.resume();
    if (this.#options.interval > 0) this.#schedule(0);
    this.#scheduleSweep();
    this.#work();
  }

  /** A deploy begins: no further page is sent. */
  pause(): void {
    this.#paused = true;
    clearTimeout(this.#passTimer);
    clearTimeout(this.#sweepTimer);
    this.#options.flight.hold();
  }

  async close(drain: number): Promise<void> {
    this.pause();
    this.#unsubscribe();
    clearTimeout(this.#hintTimer);
    await this.#options.flight.close(drain);
    this.#abort.abort(closed());
    await this.#working;
    for (const job of this.#jobs.values()) job.reject(closed());
    this.#jobs.clear();
  }

  /** Resolves when a job that begins after this call is done. Jobs of one kind that wait are one. */
  ask(job: Job): Promise<void> {
    let waiting = this.#jobs.get(job);
    if (waiting === undefined) {
      waiting = deferred();
      this.#jobs.set(job, waiting);
    }
    this.#work();
    return waiting.promise;
  }

  /** Odoo told of a record: it is read soon. Hints for one record within the window are one. */
  hint(id: number): void {
    if (this.#hints.size >= hintLimit) return;
    this.#hints.set(id, 0);
    this.#scheduleHints(this.#options.hintWindow ?? 500);
  }

  /** Counts what the flow has done with a change. */
  counted(refused: boolean): void {
    this.#status.settled++;
    if (refused) this.#status.setAside++;
  }

  #schedule(delay: number): void {
    clearTimeout(this.#passTimer);
    if (this.#paused) return;
    this.#passTimer = setTimeout(() => {
      const wait = this.#closedOut();
      if (wait > 0) this.#schedule(wait);
      else void this.ask('pass');
    }, delay);
    this.#passTimer.unref();
  }

  #scheduleSweep(soonest = 1_000): void {
    clearTimeout(this.#sweepTimer);
    const { sweepInterval } = this.#options;
    if (sweepInterval === 0 || this.#paused) return;
    const due = (this.#checkpoint?.sweptAt ?? 0) + sweepInterval - Date.now();
    // The first one only learns which records there are, and begins behind the first pass.
    this.#sweepTimer = setTimeout(() => void this.ask('sweep'), Math.max(due, soonest));
    this.#sweepTimer.unref();
  }

  #scheduleHints(delay: number): void {
    if (this.#hintTimer !== undefined) return;
    this.#hintTimer = setTimeout(() => {
      this.#hintTimer = undefined;
      this.#work();
    }, delay);
    this.#hintTimer.unref();
  }

  #work(): void {
    if (this.#paused || this.#working !== undefined) return;
    this.#working = this.#run().finally(() => {
      this.#working = undefined;
      // Asked for in the very moment it ended.
      if (this.#jobs.size > 0) this.#work();
    });
  }

  async #run(): Promise<void> {
    while (!this.#paused) {
      if (this.#hintsDue()) {
        if ((await this.#attempt(() => this.#readHinted())) !== undefined) this.#scheduleHints(this.#backoff());
        continue;
      }
      const [next] = this.#jobs;
      if (next === undefined) return;
      const [job, asked] = next;
      this.#jobs.delete(job);
      const failure = await this.#attempt(() => this.#do(job));
      if (failure === undefined) asked.resolve();
      else asked.reject(failure);
      if (job === 'pass' || job === 'reset') this.#schedulePass(failure);
      if (job === 'sweep') this.#scheduleSweep(failure === undefined ? 1_000 : 60_000);
    }
  }

  /** After a failure sooner than the interval says, but not while the breaker keeps calls out. */
  #schedulePass(failure: Failure | undefined): void {
    const { interval } = this.#options;
    if (failure === undefined) {
      if (interval > 0) this.#schedule(interval);
      return;
    }
    const backoff = this.#backoff();
    this.#schedule(Math.max(interval > 0 ? Math.min(interval, backoff) : backoff, this.#closedOut()));
  }

  /** Milliseconds for which the breaker lets no call through. */
  #closedOut(): number {
    const { breaker } = this.#options.client;
    if (breaker.kind === 'isolated') return 10_000;
    return breaker.kind === 'open' ? Math.max(0, breaker.until - Date.now()) : 0;
  }

  /** Milliseconds. */
  #backoff(): number {
    return Math.min(60_000, 1_000 * 2 ** Math.min(Math.max(this.#failures - 1, 0), 6));
  }

  async #attempt(work: () => Promise<void>): Promise<Failure | undefined> {
    try {
      await work();
      this.#failures = 0;
      this.#told = undefined;
      delete this.#status.problem;
      return undefined;
    } catch (error) {
      const failure = toFailure(error);
      if (this.#abort.signal.aborted || failure.code === 'ODOO_CHANGES_CLOSED') return failure;
      this.#failures++;
      this.#status.problem = { code: failure.code, class: failure.class };
      // Once for as long as it lasts.
      if (this.#told !== failure.code) this.#options.onProblem(failure);
      this.#told = failure.code;
      return failure;
    } finally {
      delete this.#status.progress;
      this.#options.onChange();
    }
  }

  async #do(job: Job): Promise<void> {
    switch (job) {
      case 'pass':
        return await this.#pass();
      case 'sweep':
        return await this.#sweep();
      case 'retry':
        return await this.#retry();
      case 'reset':
        await this.#options.store.run(forgetSource, { source: this.#options.source });
        return await this.#pass();
    }
  }

  async #pass(): Promise<void> {
    const { reader, store, source, start } = this.#options;
    const { signal } = this.#abort;
    let checkpoint = await this.#load();
    if (checkpoint === undefined) {
      if (start.kind === 'now') await this.#beginNow();
      else await store.run(advance, { source, watermark: start.kind === 'from' ? start.second : 0 });
      checkpoint = (await this.#load())!;
    }
    let { watermark } = checkpoint;
    let done = 0;
    /** Odoo's clock when the page was asked for, or earlier. */
    let clock = this.#odooTime();
    for await (const page of reader.pages(watermark, signal)) {
      clock = Math.max(clock, page.newest);
      this.#observe(page.newest);
      if (!page.last && this.#status.progress === undefined) {
        this.#observe((await reader.newest(signal)) ?? 0);
        this.#status.progress = { done, total: await reader.count(watermark, signal) };
      }
      await this.#send(page.records, { mode: 'emit' });
      const settled = clock - this.#options.overlap;
      watermark = Math.max(watermark, page.last ? settled : Math.min(page.through, settled));
      await store.run(advance, { source, watermark });
      done += page.records.length;
      clock = this.#odooTime();
      if (this.#status.progress !== undefined) this.#status.progress.done = done;
      this.#options.onChange();
      if (this.#hintsDue()) await this.#readHinted();
      if (this.#paused) {
        void this.ask('pass');
        return;
      }
    }
    this.#status.lastRun = Date.now();
  }

  /** From now on: what was written within the overlap is known, and does not go out. */
  async #beginNow(): Promise<void> {
    const { reader, store, source, overlap } = this.#options;
    const { signal } = this.#abort;
    const newest = await reader.newest(signal);
    const watermark = newest === undefined ? 0 : newest - overlap;
    for await (const { records } of reader.pages(watermark, signal)) await this.#send(records, { mode: 'note' });
    await store.run(advance, { source, watermark });
  }

  async #load(): Promise<Checkpoint | undefined> {
    this.#checkpoint = await this.#options.store.run(loadCheckpoint, { source: this.#options.source });
    this.#status.setAside = this.#checkpoint?.setAside ?? 0;
    return this.#checkpoint;
  }

  /** A time that Odoo's clock has reached, in seconds since the epoch. */
  #odooTime(): number {
    const { second, at } = this.#clock;
    return second === 0 ? 0 : second + Math.floor(performance.now() / 1000 - at);
  }

  #observe(second: number): void {
    if (second > this.#odooTime()) this.#clock = { second, at: performance.now() / 1000 };
  }

  #hintsDue(): boolean {
    return this.#hints.size > 0 && this.#hintTimer === undefined;
  }

  /**
   * Odoo up to 18 posts before it commits, so what is not to be seen yet is looked for again; after that the next pass
   * finds it.
   */
  async #readHinted(): Promise<void> {
    const { reader } = this.#options;
    if (this.#checkpoint === undefined && (await this.#load()) === undefined) await this.#pass();
    const retries = this.#options.hintRetries ?? [1_000, 5_000];
    const hinted = [...this.#hints].slice(0, hintPage);
    const records = await reader.byId(
      hinted.map(([id]) => id),
      this.#abort.signal,
    );
    for (const [id] of hinted) this.#hints.delete(id);
    const fresh = await this.#send(records, { mode: 'emit', onlyNew: true });
    const delays: number[] = [];
    for (const [id, looked] of hinted) {
      const delay = retries[looked];
      if (fresh.has(id) || this.#hints.has(id) || delay === undefined) continue;
      this.#hints.set(id, looked + 1);
      delays.push(delay);
    }
    if (this.#hints.size > 0) this.#scheduleHints(this.#hints.size > delays.length ? 0 : Math.min(...delays));
  }

  /** What was set aside goes out again as the records are now. */
  async #retry(): Promise<void> {
    const { reader, store, source, flight } = this.#options;
    for (let after = 0; ; ) {
      const aside = await store.run(listSetAside, { source, after, limit: hintPage });
      if (aside.length === 0 || this.#paused) break;
      const kinds = new Map(aside.map((one) => [one.id, one.kind]));
      const gone = aside.filter(({ kind }) => kind === 'deleted');
      const records = await reader.byId(
        aside.filter(({ kind }) => kind !== 'deleted').map(({ id }) => id),
        this.#abort.signal,
      );
      await this.#send(records, { mode: 'again' }, (change) => {
        const before = kinds.get(change.id);
        return before === 'created' && change.kind === 'changed' ? { ...change, kind: before } : change;
      });
      await flight.deliver(gone.map(({ id, eventId }) => deletion(id, eventId)));
      after = aside.at(-1)!.id;
    }
    await this.#load();
  }

  /** Ids that are known and no longer there; one that only left the filter is forgotten. */
  async #sweep(): Promise<void> {
    const { reader, store, source, flight } = this.#options;
    const { signal } = this.#abort;
    const checkpoint = await this.#load();
    if (checkpoint === undefined) return;
    for (let after = checkpoint.sweepPosition; !this.#paused; ) {
      const ids = await reader.idsAfter(after, signal);
      const { missing, through } = await store.run(compareIds, { source, after, ids, last: reader.isLast(ids) });
      for (let from = 0; from < missing.length; from += hintPage) {
        const part = missing.slice(from, from + hintPage);
        const existing = new Set(await reader.existing(part, signal));
        await store.run(forgetIds, { source, ids: [...existing] });
        await flight.deliver(
          part.filter((id) => !existing.has(id)).map((id) => deletion(id, `${reader.model}:${id}:deleted`)),
        );
      }
      await store.run(sweptThrough, { source, ...(through === undefined ? {} : { through }) });
      if (through === undefined) {
        await this.#load();
        return;
      }
      after = through;
    }
    void this.ask('sweep');
  }

  /** @returns the ids that went out */
  async #send(
    records: readonly ReadRecord[],
    how: Pick<OpenPage, 'mode' | 'onlyNew'>,
    adjust: (change: OutgoingChange) => OutgoingChange = (change) => change,
  ): Promise<Set<number>> {
    const { reader, store, source, flight, sweepInterval } = this.#options;
    if (records.length === 0) return new Set();
    const byId = new Map(records.map((one) => [one.id, one.record]));
    const candidates = records.map(({ record: _record, ...candidate }) => candidate);
    const opened = await store.run(openPage, {
      source,
      model: reader.model,
      candidates,
      track: sweepInterval > 0,
      ...how,
    });
    await flight.deliver(opened.map((change) => adjust({ ...change, record: byId.get(change.id)! })));
    return new Set(opened.map(({ id }) => id));
  }
}

function deletion(id: number, eventId: string): OutgoingChange {
  return { id, eventId, kind: 'deleted', writeDate: Math.floor(Date.now() / 1000), record: { id } };
}

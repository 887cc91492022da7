/**
 * Collects operations into batches, one batch in flight: while one transaction is being made durable the next batch
 * fills, so the batch size follows the load by itself and nobody waits for a timer.
 */
import type { Failure } from '../failure.ts';
import { telemetry } from '../telemetry/telemetry.ts';
import { busy } from './failures.ts';
import type { Dialect, Operation } from './operation.ts';

/** One operation with its arguments and the caller's promise. */
export interface Job {
  readonly operation: Operation<unknown, unknown>;
  readonly args: unknown;
  resolve(value: unknown): void;
  reject(failure: Failure): void;
}

export interface GroupCommitOptions {
  /** For the metrics. */
  engine: Dialect;
  /** Operations that may wait; one more is refused with `STORE_BUSY`. */
  capacity: number;
  /** Operations in one transaction at most. */
  batchSize: number;
  /** Milliseconds that operations wait for an engine that is opening or reconnecting before they are refused. */
  patience: number;
  /** Settles every job it is given; never rejects. */
  execute(jobs: Job[]): Promise<void>;
}

type Gate = { kind: 'waiting' } | { kind: 'ready' } | { kind: 'down'; failure: Failure };

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #queue: Job[] = [];
  #gate: Gate = { kind: 'waiting' };
  #patience: NodeJS.Timeout | undefined;
  #scheduled = false;
  #inFlight = 0;
  #idle: (() => void)[] = [];
  #opened: { resolve(): void; reject(failure: Failure): void }[] = [];

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Operations waiting or in the transaction under way. */
  get pending(): number {
    return this.#queue.length + this.#inFlight;
  }

  add(job: Job): void {
    if (this.#gate.kind === 'down') {
      job.reject(this.#gate.failure);
    } else if (this.#queue.length >= this.#options.capacity) {
      job.reject(busy(this.#queue.length));
    } else {
      this.#queue.push(job);
      this.#schedule();
    }
  }

  /** The engine works: what waits goes in. */
  ready(): void {
    this.#setGate({ kind: 'ready' });
    for (const waiting of this.#takeOpened()) waiting.resolve();
    this.#schedule();
  }

  /** The engine is on its way: operations wait, for as long as `patience` allows, and then fail with `problem`. */
  wait(problem: () => Failure): void {
    this.#setGate({ kind: 'waiting' });
    this.#patience = setTimeout(() => this.down(problem()), this.#options.patience);
  }

  /** The engine does not work: what waits and what comes fails at once. */
  down(failure: Failure): void {
    this.#setGate({ kind: 'down', failure });
    const waiting = this.#queue;
    this.#queue = [];
    for (const job of [...waiting, ...this.#takeOpened()]) job.reject(failure);
    this.#settleIdle();
  }

  /** Resolves when the engine works, or rejects as a waiting operation would. */
  async opened(): Promise<void> {
    if (this.#gate.kind === 'down') throw this.#gate.failure;
    if (this.#gate.kind === 'waiting') {
      await new Promise<void>((resolve, reject) => this.#opened.push({ resolve, reject }));
    }
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async drained(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #takeOpened(): { resolve(): void; reject(failure: Failure): void }[] {
    const opened = this.#opened;
    this.#opened = [];
    return opened;
  }

  #setGate(gate: Gate): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#gate = gate;
  }

  /** Not at once, so that everything the event loop reads in one turn shares a transaction. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight > 0 || this.#gate.kind !== 'ready' || this.#queue.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#inFlight > 0 || this.#gate.kind !== 'ready' || this.#queue.length === 0) return;
      const jobs = this.#queue.splice(0, this.#options.batchSize);
      this.#inFlight = jobs.length;
      const { engine } = this.#options;
      const begun = performance.now();
      void this.#options.execute(jobs).finally(() => {
        telemetry.observe('store_batch_seconds', { engine }, (performance.now() - begun) / 1000);
        telemetry.count('store_operations_total', { engine }, jobs.length);
        this.#inFlight = 0;
        this.#schedule();
        this.#settleIdle();
      });
    });
  }

  #settleIdle(): void {
    if (this.pending > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

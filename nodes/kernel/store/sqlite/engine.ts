/** The embedded engine: SQLite in a worker thread. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Failure } from '../../failure.ts';
import { closed, operationDefect } from '../failures.ts';
import { GroupCommit, type Job } from '../group-commit.ts';
import type { Operation } from '../operation.ts';
import type { Store, StoreStatus } from '../store.ts';
import type { RequestedOperation, WorkerData, WorkerReply, WorkerRequest, WorkerResult } from './protocol.ts';

export interface SqliteOptions {
  engine: 'sqlite';
  /** Absolute path of the database file; its folder is made when absent. */
  file: string;
  /** Operations that may wait. Default 10,000. */
  capacity?: number;
  /** Operations in one transaction at most. Default 512. */
  batchSize?: number;
  /** Milliseconds operations wait for a store that is opening. Default 5000. */
  patience?: number;
  /** Milliseconds until a store that could not be opened is tried again. Default 5000. */
  reopenDelay?: number;
  /** Bytes up to which the file is checked when opened. Default 256 MiB. */
  integrityCheckLimit?: number;
  /** For tests: milliseconds added to the clock that operations see. */
  clockOffset?: () => number;
}

const workerFile = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/**
 * Megabytes. What the thread allocates dies with its batch; Node's own default lets that garbage fill 100 MB or more
 * before it is swept.
 */
const youngGeneration = 8;

type Phase =
  | { kind: 'opening'; worker: Worker }
  | { kind: 'ready'; worker: Worker; version: string }
  | { kind: 'down'; reopen: NodeJS.Timeout }
  | { kind: 'closed' };

export class SqliteStore implements Store {
  readonly engine = 'sqlite';
  readonly #options: Required<SqliteOptions>;
  readonly #lane: GroupCommit;
  readonly #listeners = new Set<(status: StoreStatus) => void>();
  #phase: Phase;
  #problem: Failure | undefined;
  #closing: Promise<void> | undefined;
  #backup: { finished(): Promise<void>; resolve(): void; reject(failure: Failure): void } | undefined;
  #inFlight: { jobs: Job[]; done: () => void } | undefined;

  constructor(options: SqliteOptions) {
    this.#options = {
      capacity: 10_000,
      batchSize: 512,
      patience: 5000,
      reopenDelay: 5000,
      integrityCheckLimit: 256 * 1024 * 1024,
      clockOffset: () => 0,
      ...options,
    };
    this.#lane = new GroupCommit({
      engine: 'sqlite',
      capacity: this.#options.capacity,
      batchSize: this.#options.batchSize,
      patience: this.#options.patience,
      execute: (jobs) => this.#execute(jobs),
    });
    this.#phase = this.#open();
  }

  run<A, R>(operation: Operation<A, R>, args: A): Promise<R> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) {
        reject(closed());
        return;
      }
      this.#lane.add({
        operation: operation as unknown as Operation<unknown, unknown>,
        args,
        resolve: resolve as (value: unknown) => void,
        reject,
      });
    });
  }

  status(): StoreStatus {
    const phase = this.#phase;
    return {
      engine: 'sqlite',
      state:
        phase.kind === 'ready' && this.#problem === undefined ? 'ready' : phase.kind === 'opening' ? 'opening' : 'down',
      pending: this.#lane.pending,
      ...(phase.kind === 'ready' ? { version: phase.version } : {}),
      size: sizeOf(this.#options.file) + sizeOf(`${this.#options.file}-wal`),
      ...(this.#problem === undefined ? {} : { problem: this.#problem.message }),
    };
  }

  onStatus(listener: (status: StoreStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Between two transactions of the worker; one backup at a time. */
  async backup(file: string): Promise<{ file: string; size: number }> {
    if (existsSync(file)) {
      throw new Failure('configuration', 'STORE_BACKUP_EXISTS', `${file} exists. Name a file that does not.`);
    }
    while (this.#backup !== undefined) await this.#backup.finished();
    await this.#lane.opened();
    const phase = this.#phase;
    if (phase.kind !== 'ready' || this.#closing !== undefined) throw this.#problem ?? closed();
    mkdirSync(dirname(file), { recursive: true });
    const done = new Promise<void>((resolve, reject) => {
      this.#backup = { finished: () => done.catch(() => {}), resolve, reject };
    });
    post(phase.worker, { kind: 'backup', file });
    try {
      await done;
    } finally {
      this.#backup = undefined;
    }
    return { file, size: sizeOf(file) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#lane.drained();
    await this.#backup?.finished();
    const phase = this.#phase;
    this.#phase = { kind: 'closed' };
    this.#lane.down(closed());
    if (phase.kind === 'down') clearTimeout(phase.reopen);
    if (phase.kind === 'ready' || phase.kind === 'opening') {
      const exited = new Promise<void>((resolve) => phase.worker.once('exit', () => resolve()));
      post(phase.worker, { kind: 'close' });
      await exited;
    }
    this.#report();
    this.#listeners.clear();
  }

  #open(): Phase {
    const { file, integrityCheckLimit } = this.#options;
    const workerData: WorkerData = { file, integrityCheckLimit, busyTimeout: 5000 };
    const worker = new Worker(workerFile, {
      name: 'integration-store',
      workerData,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxYoungGenerationSizeMb: youngGeneration },
    });
    worker.on('message', (message: WorkerReply) => this.#receive(worker, message));
    worker.on('error', (error) => this.#lost(worker, died(error)));
    worker.on('exit', () => this.#lost(worker, died()));
    this.#lane.wait(() => this.#problem ?? opening(file));
    return { kind: 'opening', worker };
  }

  #receive(worker: Worker, message: WorkerReply): void {
    switch (message.kind) {
      case 'opened':
        if (this.#phase.kind === 'closed') return;
        this.#phase = { kind: 'ready', worker, version: message.version };
        this.#problem = undefined;
        this.#lane.ready();
        this.#report();
        return;
      case 'refused':
        this.#lost(worker, Failure.fromRecord(message.failure));
        return;
      case 'results':
        this.#settle(message.results);
        return;
      case 'backup':
        if (message.failure === undefined) this.#backup?.resolve();
        else this.#backup?.reject(Failure.fromRecord(message.failure));
    }
  }

  /** The worker ended or could not open the file: refuse, and try again later. */
  #lost(worker: Worker, problem: Failure): void {
    const phase = this.#phase;
    if (phase.kind === 'closed' || phase.kind === 'down' || phase.worker !== worker) return;
    this.#problem = problem;
    const reopen = setTimeout(() => {
      this.#phase = this.#open();
      this.#report();
    }, this.#options.reopenDelay);
    this.#phase = { kind: 'down', reopen };
    const inFlight = this.#inFlight;
    this.#inFlight = undefined;
    for (const job of inFlight?.jobs ?? []) {
      job.reject(
        new Failure(problem.class, problem.code, problem.message, { outcome: 'unknown', cause: problem.cause }),
      );
    }
    inFlight?.done();
    this.#backup?.reject(problem);
    this.#lane.down(problem);
    this.#report();
  }

  #execute(jobs: Job[]): Promise<void> {
    return new Promise((done) => {
      const phase = this.#phase;
      if (phase.kind !== 'ready') {
        for (const job of jobs) job.reject(this.#problem ?? opening(this.#options.file));
        done();
        return;
      }
      const sendable = this.#send(phase.worker, jobs);
      if (sendable.length === 0) done();
      else this.#inFlight = { jobs: sendable, done };
    });
  }

  /** @returns the jobs that went out; those whose arguments cannot cross the thread boundary are refused */
  #send(worker: Worker, jobs: Job[]): Job[] {
    const clockOffset = this.#options.clockOffset();
    try {
      post(worker, { kind: 'batch', operations: jobs.map(requested), clockOffset });
      return jobs;
    } catch {
      const sendable = jobs.filter(isCloneable);
      if (sendable.length > 0) post(worker, { kind: 'batch', operations: sendable.map(requested), clockOffset });
      return sendable;
    }
  }

  #settle(results: WorkerResult[]): void {
    const inFlight = this.#inFlight;
    if (inFlight === undefined) return;
    this.#inFlight = undefined;
    let problem: Failure | undefined;
    for (const [index, job] of inFlight.jobs.entries()) {
      const result = results[index]!;
      if (result.kind === 'value') job.resolve(result.value);
      else if (result.kind === 'error') job.reject(operationDefect(job.operation.name, result.error));
      else {
        const failure = Failure.fromRecord(result.failure);
        if (result.engine) problem = failure;
        job.reject(failure);
      }
    }
    this.#showProblem(problem);
    inFlight.done();
  }

  /** A full disk shows until a batch gets through again. */
  #showProblem(problem: Failure | undefined): void {
    if (this.#problem?.code === problem?.code) return;
    this.#problem = problem;
    this.#report();
  }

  #report(): void {
    const status = this.status();
    for (const listener of this.#listeners) listener(status);
  }
}

function post(worker: Worker, request: WorkerRequest): void {
  worker.postMessage(request);
}

function requested({ operation, args }: Job): RequestedOperation {
  return { module: operation.module, name: operation.name, args, readOnly: operation.readOnly };
}

function isCloneable(job: Job): boolean {
  try {
    structuredClone(job.args);
    return true;
  } catch (error) {
    job.reject(operationDefect(job.operation.name, error));
    return false;
  }
}

function opening(file: string): Failure {
  return new Failure('dependency-outage', 'STORE_UNAVAILABLE', `The integration store ${file} is still being opened.`);
}

function died(cause?: unknown): Failure {
  return new Failure(
    'dependency-outage',
    'STORE_UNAVAILABLE',
    "The integration store's thread ended unexpectedly; it is started again.",
    { cause },
  );
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

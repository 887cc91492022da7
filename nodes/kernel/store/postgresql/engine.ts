/** The shared engine: PostgreSQL, for several Node-RED processes on one database. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { appendAudit } from '../../audit/chain.ts';
import type { AuditEntry } from '../../audit/entry.ts';
import { Failure } from '../../failure.ts';
import { drive } from '../drive.ts';
import { auditInto, busy, closed, operationDefect } from '../failures.ts';
import { GroupCommit, type Job } from '../group-commit.ts';
import type { Operation, OperationContext, Row, Statement } from '../operation.ts';
import type { Store, StoreStatus } from '../store.ts';
import {
  execute,
  type PostgresqlAddress,
  preferIndexes,
  prepareSchema,
  setUpSession,
  type Target,
  targetOf,
} from './connection.ts';
import { connectFailure, kindOf, outage, sqlState } from './errors.ts';

export interface PostgresqlOptions extends PostgresqlAddress {
  engine: 'postgresql';
  /** Operations that may wait. Default 10,000. */
  capacity?: number;
  /** Operations in one transaction at most. Default 512. */
  batchSize?: number;
  /** Milliseconds operations wait while the server is being connected to. Default 5000. */
  patience?: number;
  /** Connections for operations that only read. Default 4. */
  readers?: number;
  /** Milliseconds without an answer after which a connection counts as dead. Default 20 s: above the statement timeout. */
  silence?: number;
  /** For tests: milliseconds added to the clock that operations see. */
  clockOffset?: () => number;
}

type Phase = { kind: 'connecting' } | { kind: 'ready'; client: pg.Client; version: string } | { kind: 'closed' };

type Outcome = { kind: 'value'; value: unknown } | { kind: 'error'; error: unknown };

/** What became of a transaction. `refused`: the server or the connection failed, for every operation alike. */
type Attempt =
  | { kind: 'committed'; outcomes: Outcome[] }
  | { kind: 'operation' | 'contention'; error: unknown }
  | { kind: 'refused'; failure: Failure };

/** Milliseconds. A batch gives up early on a lock, because what it holds itself may be what the other waits for. */
const lockTimeout = { together: 250, alone: 5000 };
const aloneAttempts = 8;
const longestRetryDelay = 5000;
const goodbyeTime = 2000;
const sizeInterval = 60_000;

export class PostgresqlStore implements Store {
  readonly engine = 'postgresql';
  readonly #options: PostgresqlOptions;
  readonly #target: Target;
  readonly #silence: number;
  readonly #lane: GroupCommit;
  readonly #readers: pg.Pool;
  readonly #listeners = new Set<(status: StoreStatus) => void>();
  readonly #stop = new AbortController();
  #phase: Phase = { kind: 'connecting' };
  #problem: Failure | undefined;
  #closing: Promise<void> | undefined;
  #reading = 0;
  #size: number | undefined;
  /** When the size was last asked for. */
  #measured = Number.NEGATIVE_INFINITY;
  #lost: () => void = () => {};
  #connecting: pg.Client | undefined;

  /** @throws Failure `configuration` `STORE_URL_INVALID` */
  constructor(options: PostgresqlOptions) {
    this.#options = options;
    this.#target = targetOf(options);
    this.#silence = options.silence ?? 20_000;
    this.#lane = new GroupCommit({
      engine: 'postgresql',
      capacity: options.capacity ?? 10_000,
      batchSize: options.batchSize ?? 512,
      patience: options.patience ?? 5000,
      execute: (jobs) => this.#execute(jobs),
    });
    this.#readers = new pg.Pool({
      ...this.#target.config,
      max: options.readers ?? 4,
      idleTimeoutMillis: 60_000,
      query_timeout: this.#silence,
      // The pool awaits it, whatever its type declarations say.
      // oxlint-disable-next-line typescript/no-misused-promises
      onConnect: (client: pg.ClientBase) => setUpSession({ client, schema: this.#target.schema }),
    });
    // An idle connection that breaks is simply replaced.
    this.#readers.on('error', () => {});
    this.#lane.wait(() => this.#problem ?? connecting(this.#target.where));
    void this.#stayConnected();
  }

  run<A, R>(operation: Operation<A, R>, args: A): Promise<R> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    if (operation.readOnly) return this.#read(operation, args);
    return new Promise((resolve, reject) => {
      this.#lane.add({
        operation: operation as unknown as Operation<unknown, unknown>,
        args,
        resolve: resolve as (value: unknown) => void,
        reject,
      });
    });
  }

  status(): StoreStatus {
    if (this.#phase.kind === 'ready' && performance.now() - this.#measured > sizeInterval) void this.#measure();
    return {
      engine: 'postgresql',
      state:
        this.#phase.kind === 'ready' && this.#problem === undefined
          ? 'ready'
          : this.#phase.kind === 'connecting' && this.#problem === undefined
            ? 'opening'
            : 'down',
      pending: this.#lane.pending + this.#reading,
      ...(this.#phase.kind === 'ready' ? { version: `PostgreSQL ${this.#phase.version}` } : {}),
      ...(this.#size === undefined ? {} : { size: this.#size }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem.message }),
    };
  }

  onStatus(listener: (status: StoreStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#lane.drained();
    const phase = this.#phase;
    this.#phase = { kind: 'closed' };
    this.#lane.down(closed());
    this.#stop.abort();
    const writer = phase.kind === 'ready' ? phase.client : this.#connecting;
    const goodbyes = [this.#readers.end(), ...(writer === undefined ? [] : [writer.end()])];
    // A server that does not answer does not say goodbye either.
    await Promise.race([Promise.allSettled(goodbyes), sleep(goodbyeTime, undefined, { ref: false })]);
    this.#report();
    this.#listeners.clear();
  }

  /** Connects, and again after each loss, until closed; the pause grows, with jitter so that instances spread. */
  async #stayConnected(): Promise<void> {
    let attempt = 0;
    while (this.#phase.kind !== 'closed') {
      const gone = new Promise<void>((resolve) => {
        this.#lost = resolve;
      });
      try {
        await this.#connect();
        attempt = 0;
        await gone;
      } catch (error) {
        this.#problem = connectFailure(error, this.#target.where);
        if (this.#problem.class === 'configuration') this.#lane.down(this.#problem);
        this.#report();
        const longest = Math.min(longestRetryDelay, 200 * 2 ** Math.min(attempt++, 10));
        await sleep(longest * (0.5 + Math.random() / 2), undefined, { signal: this.#stop.signal }).catch(() => {});
      }
    }
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({ ...this.#target.config, ...pipelined });
    this.#connecting = client;
    client.on('error', (error) => this.#drop(client, error));
    client.on('end', () => this.#drop(client));
    try {
      await client.connect();
      await setUpSession({ client, schema: this.#target.schema });
      const version = await prepareSchema(client, this.#target);
      await preferIndexes(client);
      if ((this.#phase as Phase).kind === 'closed') throw closed();
      this.#phase = { kind: 'ready', client, version };
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    } finally {
      this.#connecting = undefined;
    }
    this.#problem = undefined;
    this.#lane.ready();
    this.#report();
  }

  /** Gives a writer's connection up; `#stayConnected` makes the next. */
  #drop(client: pg.Client, error?: unknown): void {
    if (this.#phase.kind !== 'ready' || this.#phase.client !== client) return;
    this.#phase = { kind: 'connecting' };
    this.#problem = outage(error, this.#target.where);
    this.#lane.wait(() => this.#problem ?? connecting(this.#target.where));
    // Not a polite goodbye: the other side may be gone without a trace.
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    this.#report();
    this.#lost();
  }

  /** Settles every job, whatever happens. */
  async #execute(jobs: Job[]): Promise<void> {
    const phase = this.#phase;
    if (phase.kind !== 'ready') {
      for (const job of jobs) job.reject(this.#problem ?? connecting(this.#target.where));
      return;
    }
    const { client } = phase;
    const contended = await this.#together(client, jobs);
    for (const job of contended) await this.#alone(client, job);
  }

  /**
   * All in one transaction, hopefully; when one operation fails, once more with a savepoint around each.
   *
   * @returns the jobs to be run alone because another process holds or broke what the batch needs
   */
  async #together(client: pg.Client, jobs: Job[]): Promise<Job[]> {
    for (const isolated of [false, true]) {
      const attempt = await this.#transaction(client, jobs, isolated, lockTimeout.together);
      switch (attempt.kind) {
        case 'committed':
          settle(jobs, attempt.outcomes);
          this.#showProblem(undefined);
          return [];
        case 'operation':
          if (jobs.length > 1 && !isolated) continue;
          for (const job of jobs) job.reject(asFailure(job, attempt.error));
          return [];
        case 'contention':
          return jobs;
        case 'refused':
          for (const job of jobs) job.reject(attempt.failure);
          return [];
      }
    }
    return [];
  }

  async #alone(client: pg.Client, job: Job): Promise<void> {
    for (let attempts = 1; ; attempts++) {
      const attempt = await this.#transaction(client, [job], false, lockTimeout.alone);
      switch (attempt.kind) {
        case 'committed':
          settle([job], attempt.outcomes);
          return;
        case 'operation':
          job.reject(asFailure(job, attempt.error));
          return;
        case 'refused':
          job.reject(attempt.failure);
          return;
        case 'contention':
          if (attempts === aloneAttempts) {
            job.reject(conflict(job, attempt.error));
            return;
          }
          await sleep(5 * 2 ** attempts * (0.5 + Math.random()));
      }
    }
  }

  async #transaction(client: pg.Client, jobs: Job[], isolated: boolean, locks: number): Promise<Attempt> {
    let committing = false;
    const watchdog = setTimeout(() => this.#drop(client, new Error('The connection timed out.')), this.#silence);
    const watched = (statement: Parameters<typeof execute>[1]) => {
      watchdog.refresh();
      return execute(client, statement);
    };
    try {
      const now = await this.#begin(client, `SET LOCAL lock_timeout = ${locks};`);
      const audit: AuditEntry[] = [];
      const audited = async <R>(body: (context: OperationContext) => Generator<Statement, R, Row[]>): Promise<R> => {
        const own: AuditEntry[] = [];
        const value = await drive(body({ now, dialect: 'postgresql', audit: auditInto(own) }), watched);
        audit.push(...own);
        return value;
      };
      const runOne = ({ operation, args }: Job) => audited((context) => operation.body(args, context));
      const runAll = ([first, ...rest]: Job[]): Promise<readonly unknown[]> => {
        const { together } = first!.operation;
        if (together === undefined || rest.length === 0) return settled([first!, ...rest].map(runOne));
        return audited((context) =>
          together(
            [first!, ...rest].map(({ args }) => args),
            context,
          ),
        );
      };
      const outcomes = isolated ? await inSavepoints(client, jobs, runOne) : await alternating(jobs, runAll);
      await drive(appendAudit(audit, now, 'postgresql'), watched);
      watchdog.refresh();
      committing = true;
      await client.query('COMMIT');
      return { kind: 'committed', outcomes };
    } catch (error) {
      const kind = kindOf(error);
      if (kind === 'connection') {
        this.#drop(client, error);
        return { kind: 'refused', failure: outage(error, this.#target.where, committing ? 'unknown' : undefined) };
      }
      try {
        await client.query('ROLLBACK');
      } catch (rollbackError) {
        this.#drop(client, rollbackError);
        return { kind: 'refused', failure: outage(rollbackError, this.#target.where) };
      }
      if (kind === 'engine') {
        const failure = outage(error, this.#target.where);
        this.#showProblem(failure);
        return { kind: 'refused', failure };
      }
      return { kind, error };
    } finally {
      clearTimeout(watchdog);
    }
  }

  /** @returns the server's clock, so that processes on several machines agree on leases */
  async #begin(client: pg.ClientBase, settings: string): Promise<number> {
    const results = (await client.query(
      `BEGIN; ${settings} SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`,
    )) as unknown as pg.QueryResult<{ now: number }>[];
    return results.at(-1)!.rows[0]!.now + (this.#options.clockOffset?.() ?? 0);
  }

  /** On a snapshot of committed data; repeated when its connection turns out to be dead, since reading is harmless. */
  async #read<A, R>(operation: Operation<A, R>, args: A): Promise<R> {
    if (this.#reading >= (this.#options.capacity ?? 10_000)) throw busy(this.#reading);
    this.#reading++;
    try {
      for (let attempt = 0; ; attempt++) {
        await this.#lane.opened();
        const read = await this.#readOnce(operation, args);
        if (read.kind === 'value') return read.value as R;
        if (read.kind === 'error' && isOperationError(read.error)) throw asFailure({ operation }, read.error);
        if (attempt >= 2) throw outage(read.error, this.#target.where);
      }
    } finally {
      this.#reading--;
    }
  }

  async #readOnce<A, R>(
    operation: Operation<A, R>,
    args: A,
  ): Promise<Outcome | { kind: 'unconnected'; error: unknown }> {
    let client: pg.PoolClient;
    try {
      client = await this.#readers.connect();
    } catch (error) {
      return { kind: 'unconnected', error };
    }
    try {
      const now = await this.#begin(client, 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;');
      const context: OperationContext = { now, dialect: 'postgresql', audit: auditInto(undefined) };
      const value = await drive(operation.body(args, context), (statement) => execute(client, statement));
      await client.query('COMMIT');
      client.release();
      return { kind: 'value', value };
    } catch (error) {
      const rolledBack = await client.query('ROLLBACK').then(
        () => true,
        () => false,
      );
      client.release(!rolledBack);
      return { kind: 'error', error };
    }
  }

  /** Size of the store's tables and indexes; once a minute at most, because it costs the server a little. */
  async #measure(): Promise<void> {
    this.#measured = performance.now();
    try {
      const { rows } = await this.#readers.query<{ size: number | null }>(
        `SELECT sum(pg_total_relation_size(oid)) AS size FROM pg_class
         WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'`,
        [this.#target.schema],
      );
      this.#size = rows[0]?.size ?? undefined;
    } catch {
      // The size is a convenience; the connection's own trouble is reported by its user.
    }
  }

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

/** Statements go out without waiting for the answers before; not yet in the driver's type declarations. */
const pipelined = { pipeline: true };

/** 25006: an operation that claims to read only and writes. */
function isOperationError(error: unknown): boolean {
  return kindOf(error) === 'operation' || sqlState(error) === '25006';
}

/**
 * Runs operations in order, except that neighbours with different keys run at the same time: the connection sends
 * their statements without waiting for one another's answers, or one statement does several operations of a kind.
 */
async function alternating(
  jobs: readonly Job[],
  run: (alike: Job[]) => Promise<readonly unknown[]>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = Array.from({ length: jobs.length });
  for (const round of roundsOf(jobs)) {
    const kinds = new Map<Job['operation'], number[]>();
    for (const index of round) {
      const { operation } = jobs[index]!;
      const alike = kinds.get(operation);
      if (alike === undefined) kinds.set(operation, [index]);
      else alike.push(index);
    }
    await settled(
      [...kinds.values()].map(async (alike) => {
        const values = await run(alike.map((index) => jobs[index]!));
        for (const [place, index] of alike.entries()) outcomes[index] = { kind: 'value', value: values[place] };
      }),
    );
  }
  return outcomes;
}

/**
 * The indexes of jobs that may run at the same time, round after round: a job comes after those before it with its own
 * key, and one without a key alone.
 */
function roundsOf(jobs: readonly Job[]): number[][] {
  // Before anything runs, because a key may throw.
  const keys = jobs.map(({ operation, args }) => operation.key?.(args));
  const rounds: number[][] = [];
  let first = 0;
  let turns = new Map<string, number>();
  for (const [index, key] of keys.entries()) {
    if (key === undefined) {
      rounds.push([index]);
      first = rounds.length;
      turns = new Map();
      continue;
    }
    const turn = turns.get(key) ?? first;
    turns.set(key, turn + 1);
    if (turn === rounds.length) rounds.push([index]);
    else rounds[turn]!.push(index);
  }
  return rounds;
}

/** Waits for all before it throws the first error, because the connection is still at work for the others. */
async function settled<T>(works: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(works);
  const failed = results.filter((result) => result.status === 'rejected');
  if (failed.length > 0) throw (failed.find(({ reason }) => !isAftermath(reason)) ?? failed[0]!).reason;
  return results.map((result) => (result as PromiseFulfilledResult<T>).value);
}

/** 25P02, 26000: another statement of the transaction failed before, so that this one was not run or not prepared. */
function isAftermath(error: unknown): boolean {
  return ['25P02', '26000'].includes(sqlState(error) ?? '');
}

/** Runs operations one after the other; what one that fails has written is undone. */
async function inSavepoints(
  client: pg.ClientBase,
  jobs: readonly Job[],
  run: (job: Job) => Promise<unknown>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const job of jobs) {
    await client.query('SAVEPOINT operation');
    try {
      outcomes.push({ kind: 'value', value: await run(job) });
    } catch (error) {
      if (kindOf(error) !== 'operation') throw error;
      await client.query('ROLLBACK TO SAVEPOINT operation');
      outcomes.push({ kind: 'error', error });
    }
    await client.query('RELEASE SAVEPOINT operation');
  }
  return outcomes;
}

function settle(jobs: readonly Job[], outcomes: readonly Outcome[]): void {
  for (const [index, job] of jobs.entries()) {
    const outcome = outcomes[index]!;
    if (outcome.kind === 'value') job.resolve(outcome.value);
    else job.reject(asFailure(job, outcome.error));
  }
}

function asFailure({ operation }: { operation: { name: string } }, error: unknown): Failure {
  return error instanceof Failure ? error : operationDefect(operation.name, error);
}

function conflict({ operation }: Job, cause: unknown): Failure {
  return new Failure(
    'conflict',
    'STORE_CONFLICT',
    `The store operation "${operation.name}" met other writers ${aloneAttempts} times. Try again.`,
    { cause },
  );
}

function connecting(where: string): Failure {
  return new Failure('dependency-outage', 'STORE_UNAVAILABLE', `PostgreSQL ${where} is still being connected to.`);
}

/**
 * Forwards the outbox to the broker: in order per partition key (one message of a key on its way at a time), many
 * keys at once, a row deleted only after its confirm. A crash on either side repeats, never loses. With several
 * Node-RED instances on one store a lease makes one of them the forwarder.
 */
import { type Failure, toFailure } from '../kernel/failure.ts';
import { uuidv7 } from '../kernel/id.ts';
import type { Store } from '../kernel/store/store.ts';
import type { MessageProperties, MessagingEngine } from './engines/engine.ts';
import { targetLateCode } from './engines/routing-failures.ts';
import {
  deleteFromOutbox,
  dropLease,
  holdLease,
  type OutboxRow,
  outboxDepth,
  peekOutbox,
  peekOutboxBeside,
  readOutboxRow,
} from './outbox-operations.ts';
import type { Target } from './readiness.ts';
import type { OutboxStatus } from './service.ts';

export interface ForwarderOptions {
  store: Store;
  engine: MessagingEngine;
  /** Id of the `amqp-connection`. */
  connection: string;
  /** Rows at which accepting is refused. */
  limit: number;
  /** Messages on their way at once. Default 100. */
  window?: number;
  /** False while nothing may go; {@link OutboxForwarder.releaseHeld} tells of the end. */
  ready?(): boolean;
  /**
   * Why a message cannot go now, though others may; undefined when it can. {@link OutboxForwarder.releaseHeld} tells
   * that this has changed; otherwise it is asked again after some seconds.
   */
  obstacle?(target: Target): string | undefined;
}

/** Rows read at once, and rows kept in memory at most; of those of held keys only the place is kept, on top. */
const page = 500;
const buffered = 1_000;
/** Milliseconds. A forwarder that was killed is replaced when its lease ends, so the lease is short. */
const leaseDuration = 6_000;
const leaseRenewal = 2_000;
const holdTime = 5_000;
/** For each key that is held: at most a hundred of them are tried in a second, however many there are. */
const holdTimeEach = 10;
const pauseAfterOutage = 500;
/** Milliseconds between two looks, while the window is full, whether what fills it still counts. */
const lookInterval = 1_000;

interface Place {
  id: number;
  target: Target;
  /** Absent once its key was held: then it is read again when it goes. */
  message: OutboxRow['message'] | undefined;
}

export class OutboxForwarder {
  readonly #options: ForwarderOptions;
  readonly #window: number;
  readonly #holder = uuidv7();
  readonly #lease: string;
  /** Rows in memory, by id; those on their way and those confirmed but not yet deleted included. */
  readonly #known = new Set<number>();
  /** Deleted since the present read began, which may still have seen them. */
  readonly #gone = new Set<number>();
  /** Rows by key, in order. A row without a key is alone with itself. */
  readonly #lines = new Map<string, Place[]>();
  /** Keys whose first row may go. */
  #sendable: string[] = [];
  /** By key: why it waits, and what asks again. */
  readonly #held = new Map<string, { why: string; timer: NodeJS.Timeout }>();
  #confirmed: number[] = [];
  /** On their way. */
  readonly #flying = new Set<Place>();
  /** Rows in `#lines` whose key is not held: held ones must not keep others from being read. */
  #waiting = 0;
  #cursor = 0;
  #leader = false;
  #loading: Promise<void> | undefined;
  #deleting: Promise<void> | undefined;
  #moreMayExist = true;
  #pausedUntil = 0;
  #problem: string | undefined;
  #closed = false;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #offState: () => void;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#window = options.window ?? 100;
    this.#lease = `outbox ${options.connection}`;
    this.#every(lookInterval, () => {
      if (this.#flying.size >= this.#window) this.#pump();
    });
    this.#offState = options.engine.onState((state) => {
      if (state.kind === 'ready') this.#resumeAfter(0);
    });
    // One process owns a SQLite file; PostgreSQL may be shared, and there others' rows are found by looking.
    if (options.store.engine === 'sqlite') {
      this.#leader = true;
      this.#every(10_000, () => this.#rescan());
      this.wake();
    } else {
      void this.#renew();
      this.#every(leaseRenewal, () => void this.#renew());
      this.#every(1_000, () => this.#rescan());
    }
  }

  /** A row was committed. */
  wake(): void {
    this.#moreMayExist = true;
    this.#load();
  }

  /**
   * Something was declared: what is held may have a way now.
   * @param of only what goes there; all when absent
   */
  releaseHeld(of?: Target): void {
    for (const key of [...this.#held.keys()]) {
      const target = this.#lines.get(key)?.[0]?.target;
      if (target === undefined) continue;
      const other = of !== undefined && (target.exchange !== of.exchange || target.routingKey !== of.routingKey);
      if (!other && this.#options.obstacle?.(target) === undefined) this.#offer(key);
    }
    this.#pump();
  }

  async status(): Promise<OutboxStatus> {
    const { store, connection, limit } = this.#options;
    const { depth, lag } = await store.run(outboxDepth, { connection });
    const [held] = this.#held.values();
    const problem = held?.why ?? this.#problem;
    return {
      depth,
      lag,
      limit,
      leader: this.#leader,
      held: this.#held.size,
      ...(problem === undefined ? {} : { problem }),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#offState();
    for (const timer of this.#timers) clearInterval(timer);
    for (let waited = 0; this.#flying.size > 0 && waited < 2_000; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.#loading;
    await this.#deleting;
    await this.#delete();
    if (this.#leader && this.#options.store.engine !== 'sqlite') {
      await this.#options.store.run(dropLease, { name: this.#lease, holder: this.#holder }).catch(() => undefined);
    }
  }

  #every(milliseconds: number, work: () => void): void {
    const timer = setInterval(work, milliseconds);
    timer.unref();
    this.#timers.add(timer);
  }

  #later(milliseconds: number, work: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, milliseconds);
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer: NodeJS.Timeout): void {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  async #renew(): Promise<void> {
    if (this.#closed) return;
    let held = false;
    try {
      held = await this.#options.store.run(holdLease, {
        name: this.#lease,
        holder: this.#holder,
        duration: leaseDuration,
      });
    } catch (error) {
      this.#problem = toFailure(error).message;
    }
    if (held === this.#leader) return;
    this.#leader = held;
    // Whoever led meanwhile may have forwarded what is in memory here.
    for (const row of [...this.#lines.values()].flat()) this.#known.delete(row.id);
    this.#lines.clear();
    this.#sendable = [];
    for (const { timer } of this.#held.values()) this.#cancel(timer);
    this.#held.clear();
    this.#waiting = 0;
    this.#rescan();
  }

  /** From the start: a row with a lower id may have been committed later by another process. */
  #rescan(): void {
    this.#cursor = 0;
    this.wake();
  }

  #load(): void {
    if (this.#closed || !this.#leader || this.#loading !== undefined) return;
    if (!this.#moreMayExist || this.#waiting >= buffered) {
      this.#pump();
      return;
    }
    this.#moreMayExist = false;
    this.#loading = this.#read().finally(() => {
      this.#loading = undefined;
      if (this.#moreMayExist && this.#waiting < buffered && Date.now() >= this.#pausedUntil) this.#load();
    });
  }

  async #read(): Promise<void> {
    const { store, connection } = this.#options;
    this.#gone.clear();
    try {
      // SQLite commits in the order of ids. On PostgreSQL a lower id may be committed after a higher one, so that only
      // a look from the start sees every row that was there before another of its key.
      const inOrder = store.engine === 'sqlite';
      const beside = !inOrder && this.#held.size > 0;
      const limit = inOrder || beside ? page : page + this.#known.size;
      const rows = beside
        ? await store.run(peekOutboxBeside, { connection, known: [...this.#known], limit })
        : await store.run(peekOutbox, { connection, after: inOrder ? this.#cursor : 0, limit });
      if (rows.length === limit) this.#moreMayExist = true;
      for (const row of rows) this.#take(row);
      this.#problem = undefined;
    } catch (error) {
      this.#problem = toFailure(error).message;
      this.#moreMayExist = true;
      this.#resumeAfter(1_000);
    }
    this.#pump();
  }

  #take(row: OutboxRow): void {
    this.#cursor = Math.max(this.#cursor, row.id);
    if (this.#known.has(row.id) || this.#gone.has(row.id) || !this.#leader) return;
    this.#known.add(row.id);
    const key = keyOf(row);
    const { exchange, routingKey } = row.message;
    const held = this.#held.has(key);
    const place: Place = { id: row.id, target: { exchange, routingKey }, message: held ? undefined : row.message };
    if (!held) this.#waiting++;
    const line = this.#lines.get(key);
    if (line !== undefined) {
      line.push(place);
      return;
    }
    this.#lines.set(key, [place]);
    this.#sendable.push(key);
  }

  #pump(): void {
    if (this.#closed || !this.#leader || Date.now() < this.#pausedUntil || this.#options.ready?.() === false) return;
    const { kind } = this.#options.engine.state;
    if (kind !== 'ready' && kind !== 'misconfigured') return;
    for (let room = this.#window - this.#counted(); room > 0; ) {
      const key = this.#sendable.shift();
      if (key === undefined) return;
      const place = this.#lines.get(key)?.[0];
      if (place === undefined) continue;
      const obstacle = this.#options.obstacle?.(place.target);
      if (obstacle !== undefined) this.#hold(key, obstacle);
      else {
        this.#send(key, place);
        room--;
      }
    }
  }

  /** Messages on their way, without those whose target keeps them waiting: others go on beside them. */
  #counted(): number {
    if (this.#flying.size < this.#window) return this.#flying.size;
    let counted = 0;
    for (const { target } of this.#flying) if (this.#options.obstacle?.(target) === undefined) counted++;
    return counted;
  }

  #send(key: string, place: Place): void {
    this.#flying.add(place);
    this.#publish(place)
      .then(
        () => this.#succeeded(key, place),
        (error: unknown) => this.#failed(key, place, toFailure(error)),
      )
      .finally(() => {
        this.#flying.delete(place);
        if (this.#waiting < buffered / 2 && this.#moreMayExist) this.#load();
        else this.#pump();
      });
  }

  async #publish({ id, message: kept }: Place): Promise<void> {
    const message = kept ?? (await this.#options.store.run(readOutboxRow, { id }))?.message;
    // Somebody removed the row while its key was held.
    if (message === undefined) return;
    await this.#options.engine.publish({
      exchange: message.exchange,
      routingKey: message.routingKey,
      properties: JSON.parse(message.properties) as MessageProperties,
      body: message.body,
      ...(message.expiration === null ? {} : { expiration: message.expiration }),
    });
  }

  #succeeded(key: string, { id }: Place): void {
    this.#confirmed.push(id);
    this.#deleting ??= Promise.resolve().then(() => this.#delete());
    const line = this.#lines.get(key);
    // The lease was lost meanwhile and the lines are another's now.
    if (line?.[0]?.id !== id) return;
    line.shift();
    this.#waiting--;
    if (line.length === 0) this.#lines.delete(key);
    else this.#sendable.push(key);
  }

  #failed(key: string, { target }: Place, failure: Failure): void {
    if (this.#lines.get(key) === undefined || this.#held.has(key)) return;
    const ofAll =
      (failure.class === 'dependency-outage' && failure.code !== targetLateCode) ||
      (failure.class === 'saturation' && failure.code !== 'AMQP_REFUSED');
    if (ofAll && this.#options.obstacle?.(target) === undefined) {
      this.#problem = failure.message;
      this.#sendable.unshift(key);
      this.#resumeAfter(pauseAfterOutage);
      return;
    }
    this.#hold(key, failure.message);
  }

  /** Only this key waits: its queue may be bound or emptied later, its exchange declared, its permission granted. */
  #hold(key: string, why: string): void {
    const line = this.#lines.get(key) ?? [];
    this.#waiting -= line.length;
    for (const place of line) place.message = undefined;
    const timer = this.#later(Math.max(holdTime, (this.#held.size + 1) * holdTimeEach), () => {
      this.#offer(key);
      this.#pump();
    });
    this.#held.set(key, { why, timer });
  }

  #offer(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#cancel(held.timer);
    this.#held.delete(key);
    const line = this.#lines.get(key);
    if (line === undefined) return;
    this.#waiting += line.length;
    this.#sendable.push(key);
  }

  async #delete(): Promise<void> {
    const ids = this.#confirmed;
    this.#confirmed = [];
    if (ids.length > 0) {
      try {
        await this.#options.store.run(deleteFromOutbox, { ids });
        for (const id of ids) {
          this.#known.delete(id);
          this.#gone.add(id);
        }
        this.#problem = undefined;
      } catch (error) {
        // They stay known, so that they are not sent again, and are deleted with the next ones.
        this.#confirmed.push(...ids);
        this.#problem = toFailure(error).message;
        await new Promise((resolve) => setTimeout(resolve, this.#closed ? 0 : 500));
      }
    }
    this.#deleting = undefined;
    if (this.#confirmed.length > 0 && !this.#closed) this.#deleting = this.#delete();
  }

  #resumeAfter(milliseconds: number): void {
    this.#pausedUntil = Date.now() + milliseconds;
    this.#later(milliseconds + 1, () => {
      this.#load();
      this.#pump();
    });
  }
}

function keyOf(row: OutboxRow): string {
  return row.partitionKey === null ? `row ${row.id}` : `key ${row.partitionKey}`;
}

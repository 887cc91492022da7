/**
 * Changes that are in the flow: each is open until a `settle` node says what became of it. A refused one goes out
 * again later, and the page behind it waits: that is the back-pressure a source without a queue has.
 */
import { randomBytes } from 'node:crypto';
import { Failure, type FailureRecord } from '../../kernel/failure.ts';
import type { DeliveryReference } from '../../kernel/message.ts';
import { attribute } from '../../kernel/telemetry/semconv.ts';
import { type HopSpan, startSpan, type TraceContext } from '../../kernel/telemetry/tracing.ts';
import type { SettleOutcome, Settlement } from '../../amqp/index.ts';
import type { DeliverySource } from '../../settlement/index.ts';
import type { OpenedChange } from './checkpoint.ts';
import { deferred } from './deferred.ts';

export interface OutgoingChange extends OpenedChange {
  /** The record's fields; only `id` of a deleted one. */
  record: Record<string, unknown>;
}

export interface InFlightOptions {
  /** Id of the node: `msg.delivery.connection`. */
  id: string;
  /** What the changes come from, for people: `msg.delivery.queue`. */
  queue: string;
  /** @param trace of the span that the work on it is, when somebody traces */
  emit(change: OutgoingChange, delivery: DeliveryReference, trace?: TraceContext): void;
  /** Resolves when it is durable. */
  record(change: OpenedChange, refused?: FailureRecord): Promise<void>;
  /** Milliseconds after which a change that nobody settled is reported and goes out again. */
  settleDeadline: number;
  /** Something that an operator should know. */
  onProblem(failure: Failure): void;
  onChange(): void;
}

interface Entry {
  change: OutgoingChange;
  attempt: number;
  since: number;
  state: 'open' | 'settling' | 'waiting';
  /** Until it goes out again. */
  timer?: NodeJS.Timeout;
  /** Of the try that is under way; the one before is linked. */
  span?: HopSpan;
}

/** Milliseconds before the second, third… try; the last one repeats. */
const steps = [5_000, 30_000, 120_000, 300_000];
/** Tries of what is retryable but tells of no passing trouble elsewhere. */
const tries = 5;
const passing = new Set(['dependency-outage', 'saturation', 'conflict']);
const look = 5_000;
/** Milliseconds after a deploy after which what was in the flow before it counts as lost. */
export const graceAfterDeploy = 10_000;

const dispositions: Record<SettleOutcome['kind'], Settlement['disposition']> = {
  done: 'done',
  failed: 'retry',
  retry: 'retry',
  'dead-letter': 'dead-letter',
  release: 'released',
};

export class InFlight implements DeliverySource {
  readonly #options: InFlightOptions;
  /** Tags of an earlier start are recognised by it. */
  readonly #run = randomBytes(4).toString('hex');
  readonly #entries = new Map<string, Entry>();
  readonly #watch: NodeJS.Timeout;
  #sequence = 0;
  #held = false;
  #closed = false;
  #drained = deferred();
  #beforeDeploy: string[] = [];
  #grace: NodeJS.Timeout | undefined;

  constructor(options: InFlightOptions) {
    this.#options = options;
    this.#watch = setInterval(() => this.#overdue(), look);
    this.#watch.unref();
  }

  /** In the flow, or waiting for another try. */
  get size(): number {
    return this.#entries.size;
  }

  /** Sends a page and resolves when all of it is settled. @throws Failure `ODOO_CHANGES_CLOSED` when closed before */
  async deliver(changes: readonly OutgoingChange[]): Promise<void> {
    this.#refuseClosed();
    if (changes.length === 0) return;
    this.#drained = deferred();
    // Nobody may be listening when it is closed before it is awaited.
    this.#drained.promise.catch(() => undefined);
    const entries = changes.map((change) => this.#add({ change, attempt: 1, since: Date.now(), state: 'open' }));
    for (const tag of entries) this.#send(tag, false);
    this.#options.onChange();
    await this.#drained.promise;
  }

  open(tag: string): ReturnType<DeliverySource['open']> {
    const entry = this.#entries.get(tag);
    if (entry?.state !== 'open') return undefined;
    return { delivery: { queue: this.#options.queue, properties: { messageId: entry.change.eventId, headers: {} } } };
  }

  async settle(tag: string, outcome: SettleOutcome): Promise<Settlement> {
    const entry = this.#entries.get(tag);
    const disposition = dispositions[outcome.kind];
    if (entry?.state !== 'open') {
      return { result: tag.startsWith(`${this.#run}.`) ? 'already-settled' : 'stale', disposition };
    }
    switch (outcome.kind) {
      case 'done':
        await this.#finish(tag, entry);
        return { result: 'settled', disposition: 'done' };
      case 'dead-letter':
        await this.#finish(tag, entry, outcome.failure);
        return { result: 'settled', disposition: 'dead-letter' };
      case 'release':
        return { result: 'settled', disposition: 'released', delay: this.#again(tag, entry, 1_000, entry.attempt) };
      case 'retry':
        return {
          result: 'settled',
          disposition,
          delay: this.#again(tag, entry, outcome.delay ?? stepOf(entry.attempt)),
        };
      case 'failed': {
        const { failure } = outcome;
        const reason = refusal(failure, entry.attempt);
        if (reason !== undefined) {
          await this.#finish(tag, entry, failure);
          return { result: 'settled', disposition: 'dead-letter', reason };
        }
        const delay = Math.max(stepOf(entry.attempt), Math.min(failure.retryAfter ?? 0, 3_600_000));
        return { result: 'settled', disposition, delay: this.#again(tag, entry, delay) };
      }
    }
  }

  /** A deploy begins: nothing goes out until {@link resume}. */
  hold(): void {
    this.#held = true;
    this.#beforeDeploy = [...this.#entries].flatMap(([tag, { state }]) => (state === 'open' ? [tag] : []));
  }

  /** After a deploy that left this source in place: what was in replaced nodes is lost, and goes out again. */
  resume(grace = graceAfterDeploy): void {
    this.#held = false;
    const before = this.#beforeDeploy;
    this.#beforeDeploy = [];
    clearTimeout(this.#grace);
    for (const [tag, { state, timer }] of this.#entries)
      if (state === 'waiting' && timer === undefined) this.#resend(tag);
    if (before.length === 0) return;
    this.#grace = setTimeout(() => {
      for (const tag of before) {
        const entry = this.#entries.get(tag);
        if (entry?.state === 'open') this.#again(tag, entry, 0, entry.attempt);
      }
    }, grace);
    this.#grace.unref();
  }

  /** Waits while settles still come in, at most `drain` milliseconds; the rest goes out again after the next start. */
  async close(drain: number): Promise<void> {
    this.hold();
    const until = Date.now() + drain;
    while (this.#hasOpen() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    this.#closed = true;
    clearInterval(this.#watch);
    clearTimeout(this.#grace);
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
    this.#entries.clear();
    this.#drained.reject(closed());
  }

  #hasOpen(): boolean {
    return [...this.#entries.values()].some(({ state }) => state !== 'waiting');
  }

  async #finish(tag: string, entry: Entry, refused?: FailureRecord): Promise<void> {
    entry.state = 'settling';
    try {
      await this.#options.record(entry.change, refused);
    } catch (error) {
      // Whoever settled is told, and may be gone: it comes again by itself.
      if (!this.#closed) this.#again(tag, entry, steps[0]!, entry.attempt);
      throw error;
    }
    this.#entries.delete(tag);
    entry.span?.set({ [attribute.disposition]: refused === undefined ? 'done' : 'dead-letter' });
    entry.span?.end(refused);
    if (refused !== undefined) this.#options.onProblem(setAside(entry.change, refused));
    if (this.#entries.size === 0) this.#drained.resolve();
    this.#options.onChange();
  }

  #again(tag: string, entry: Entry, delay: number, attempt = entry.attempt + 1): number {
    entry.span?.set({ [attribute.disposition]: attempt === entry.attempt ? 'released' : 'retry' });
    entry.span?.end();
    const next = this.#add({ ...entry, attempt, state: 'waiting' });
    this.#entries.delete(tag);
    if (delay <= 0) this.#resend(next);
    else {
      const timer = setTimeout(() => this.#resend(next), delay);
      timer.unref();
      this.#entries.get(next)!.timer = timer;
    }
    this.#options.onChange();
    return delay;
  }

  #resend(tag: string): void {
    const entry = this.#entries.get(tag);
    if (entry === undefined) return;
    delete entry.timer;
    // Goes out when the deploy is over.
    if (this.#held) return;
    entry.state = 'open';
    entry.since = Date.now();
    this.#send(tag, true);
  }

  #add(entry: Entry): string {
    const tag = `${this.#run}.${++this.#sequence}`;
    this.#entries.set(tag, entry);
    return tag;
  }

  #send(tag: string, redelivered: boolean): void {
    const entry = this.#entries.get(tag);
    if (entry === undefined) return;
    if (this.#held) {
      entry.state = 'waiting';
      return;
    }
    const { id, queue, emit } = this.#options;
    const span = startSpan({
      name: `process ${queue}`,
      role: 'consumer',
      links: [entry.span?.context],
      attributes: {
        [attribute.nodeId]: id,
        [attribute.attempt]: entry.attempt,
        [attribute.correlationId]: entry.change.eventId,
        [attribute.messagingDestination]: queue,
        [attribute.messagingOperation]: 'process',
        [attribute.messagingOperationType]: 'process',
      },
    });
    if (span !== undefined) entry.span = span;
    emit(entry.change, { connection: id, queue, tag, attempt: entry.attempt, redelivered }, span?.context);
  }

  #overdue(): void {
    const now = Date.now();
    for (const [tag, entry] of [...this.#entries]) {
      if (entry.state !== 'open' || now - entry.since < this.#options.settleDeadline) continue;
      this.#options.onProblem(unsettled(entry.change, this.#options.settleDeadline));
      this.#again(tag, entry, 0);
    }
  }

  #refuseClosed(): void {
    if (this.#closed) throw closed();
  }
}

/** Why it is not tried again, in words; undefined when it is. */
function refusal(failure: FailureRecord, attempt: number): string | undefined {
  if (!failure.retryable) return `A ${failure.class} failure is not retried.`;
  // While a system is away the whole source waits for it, rather than setting aside one change after the other.
  if (passing.has(failure.class) || attempt < tries) return undefined;
  return `Tried ${attempt} of ${tries} times.`;
}

function stepOf(attempt: number): number {
  return steps[Math.min(attempt, steps.length) - 1]!;
}

function setAside({ eventId }: OpenedChange, { code, message }: FailureRecord): Failure {
  return new Failure(
    'data-quality',
    'ODOO_CHANGE_SET_ASIDE',
    `Change ${eventId} was refused for good and set aside (${code}): ${message} It goes out again when the record changes, or with msg.topic "retry".`,
  );
}

function unsettled({ eventId }: OpenedChange, deadline: number): Failure {
  return new Failure(
    'defect',
    'ODOO_CHANGE_UNSETTLED',
    `Change ${eventId} was not settled within ${Math.round(deadline / 60_000)} minutes. Every path of the flow must end in a settle node, the Catch path too. It goes out again.`,
    { retryable: true },
  );
}

export function closed(): Failure {
  return new Failure('dependency-outage', 'ODOO_CHANGES_CLOSED', 'The odoo-changes node was closed meanwhile.');
}

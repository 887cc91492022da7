/**
 * Sends decided messages on and waits until the flow has settled each. What is left to send is in the store: after a
 * crash, or with a second Node-RED on the same PostgreSQL, whoever finds a request whose lease has ended sends it, with
 * the same message id, so that a gate downstream knows a second sending.
 */
import { randomBytes } from 'node:crypto';
import type { SettleOutcome, Settlement } from '../amqp/index.ts';
import { Failure, type FailureRecord, toFailure } from '../kernel/failure.ts';
import type { DeliveryReference, FlowMessage } from '../kernel/message.ts';
import type { Store } from '../kernel/store/store.ts';
import type { DeliverySource, PayloadCipher } from '../settlement/index.ts';
import { unpack } from './envelope.ts';
import { type Outcome, sealContext } from './request.ts';
import { claimDecided, type Ending, endResumption, type Resumption, renewResumptions } from './store/resume.ts';

/** `msg.approval` of a message that goes on. */
export interface ApprovalResult {
  id: string;
  decision: Outcome;
  /** A person, or `policy`. */
  by: string;
  /** RFC 3339. */
  at: string;
  reason: string;
  /** Fields that people changed; empty unless the decision is `changed`. */
  edits: { path: string; from: unknown; to: unknown; by: string }[];
  /** Passed in an emergency; somebody reviews it. */
  emergency?: true;
}

export interface ResumerOptions {
  /** Id of the node: `msg.delivery.connection`. */
  id: string;
  process: string;
  store: Store;
  cipher: PayloadCipher;
  emit(message: FlowMessage, outcome: Outcome): void;
  /** Milliseconds after which a message that nobody settled is reported and sent again. */
  settleDeadline: number;
  /** Messages in the flow at once. */
  concurrency: number;
  /** Something behind the flow is down: what is decided waits, rather than spend its tries. */
  blocked(): boolean;
  onProblem(failure: Failure): void;
  /** A decided message could not go on; a person must look. `heldUntil`: of the notice that tells them. */
  onFailed(request: Resumption, failure: { code: string; message: string }, heldUntil: number): void;
  onChange(): void;
}

interface Entry {
  request: Resumption;
  since: number;
  state: 'open' | 'settling';
}

/** Milliseconds. */
const lease = 30_000;
const renewal = 8_000;
const idlePause = 1_000;
const outagePause = 5_000;
const graceAfterDeploy = 10_000;
/** Milliseconds before the second, third… try; the last one repeats. */
const steps = [5_000, 30_000, 120_000, 300_000];
/** Tries of what is retryable but tells of no passing trouble elsewhere. */
const tries = 5;
const passing = new Set(['dependency-outage', 'saturation', 'conflict']);

/** By process and node: what a closed node held when the store closed with it, for the node that follows it. */
const abandoned = new Map<string, { id: string; fence: number }[]>();

const dispositions: Record<SettleOutcome['kind'], Settlement['disposition']> = {
  done: 'done',
  failed: 'retry',
  retry: 'retry',
  'dead-letter': 'dead-letter',
  release: 'released',
};

export class Resumer implements DeliverySource {
  readonly #options: ResumerOptions;
  /** Tags of an earlier start are recognised by it. */
  readonly #run = randomBytes(4).toString('hex');
  readonly #entries = new Map<string, Entry>();
  readonly #queue: string;
  #sequence = 0;
  #held = true;
  #closed = false;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #renewer: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;
  #beforeDeploy: string[] = [];

  constructor(options: ResumerOptions) {
    this.#options = options;
    this.#queue = `approval:${options.process}`;
  }

  get inFlight(): number {
    return this.#entries.size;
  }

  /** Begins, or goes on after a deploy that left this node in place. */
  start(): void {
    if (this.#closed) return;
    this.#held = false;
    this.#running ??= this.#loop();
    if (this.#renewer === undefined) {
      this.#renewer = setInterval(() => void this.#renew(), renewal);
      this.#renewer.unref();
    }
    this.#sendLost();
    this.kick();
  }

  /** A deploy begins: nothing more goes out. */
  pause(): void {
    this.#held = true;
    this.#beforeDeploy = [...this.#entries.keys()];
  }

  /** Something was decided. */
  kick(): void {
    this.#wake?.();
  }

  /** Waits while settles still come in, at most `drain` milliseconds, then gives the rest back. */
  async close(drain: number): Promise<void> {
    this.pause();
    this.#closed = true;
    this.kick();
    const until = Date.now() + drain;
    while (this.#entries.size > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    clearInterval(this.#renewer);
    clearTimeout(this.#grace);
    await this.#running;
    const rest = [...this.#entries.values()].filter(({ state }) => state === 'open');
    this.#entries.clear();
    // A full deploy closes the store at the same time; then the node that comes next gives them back.
    const kept = await Promise.all(
      rest.map(({ request }) =>
        this.#end(request, { kind: 'again', delay: 0, counts: false }).then(
          () => [],
          () => [{ id: request.id, fence: request.fence }],
        ),
      ),
    );
    if (kept.flat().length > 0) abandoned.set(this.#key, kept.flat());
  }

  get #key(): string {
    return `${this.#options.process} ${this.#options.id}`;
  }

  async #takeUpAbandoned(): Promise<void> {
    const held = abandoned.get(this.#key);
    if (held === undefined) return;
    for (const { id, fence } of held) {
      await this.#options.store.run(endResumption, { id, fence, ending: { kind: 'again', delay: 0, counts: false } });
    }
    abandoned.delete(this.#key);
  }

  open(tag: string): ReturnType<DeliverySource['open']> {
    const entry = this.#entries.get(tag);
    if (entry?.state !== 'open') return undefined;
    return { delivery: { queue: this.#queue, properties: { messageId: entry.request.messageId, headers: {} } } };
  }

  async settle(tag: string, outcome: SettleOutcome): Promise<Settlement> {
    const entry = this.#entries.get(tag);
    const disposition = dispositions[outcome.kind];
    if (entry?.state !== 'open') {
      return { result: tag.startsWith(`${this.#run}.`) ? 'already-settled' : 'stale', disposition };
    }
    entry.state = 'settling';
    const { ending, settlement } = endingOf(outcome, entry.request.failures + 1);
    try {
      const held = await this.#end(entry.request, ending);
      this.#entries.delete(tag);
      if (!held) return { result: 'stale', disposition };
    } catch (error) {
      // Not durable: it stays ours, and goes out again when its time is up.
      entry.state = 'open';
      throw error;
    } finally {
      this.#options.onChange();
    }
    this.kick();
    return settlement;
  }

  async #loop(): Promise<void> {
    while (!this.#closed) {
      let pause = idlePause;
      try {
        pause = await this.#sendSome();
      } catch (error) {
        this.#options.onProblem(toFailure(error));
        pause = outagePause;
      }
      if (pause > 0 && !this.#closed) await this.#sleep(pause);
    }
  }

  /** @returns milliseconds to wait before the next look */
  async #sendSome(): Promise<number> {
    const { store, process, concurrency } = this.#options;
    await this.#takeUpAbandoned();
    this.#reportOverdue();
    const room = concurrency - this.#entries.size;
    if (this.#held || room <= 0 || this.#options.blocked()) return idlePause;
    const claimed = await store.run(claimDecided, { process, limit: room, lease });
    for (const request of claimed) {
      if (this.#held) await this.#end(request, { kind: 'again', delay: 0, counts: false });
      else await this.#send(request);
    }
    return claimed.length === room ? 0 : idlePause;
  }

  async #send(request: Resumption): Promise<void> {
    let message: FlowMessage;
    try {
      message = messageOf(request, this.#options.cipher);
    } catch (error) {
      const { code, message: words } = toFailure(error);
      await this.#end(request, { kind: 'failed', failure: { code, message: words } });
      return;
    }
    const tag = `${this.#run}.${++this.#sequence}`;
    this.#entries.set(tag, { request, since: Date.now(), state: 'open' });
    const delivery: DeliveryReference = {
      connection: this.#options.id,
      queue: this.#queue,
      tag,
      attempt: request.failures + 1,
      redelivered: request.fence > 1,
    };
    this.#options.emit({ ...message, delivery }, request.outcome!);
    this.#options.onChange();
  }

  /** @returns false when somebody else holds the request now, or it has ended */
  async #end(request: Resumption, ending: Ending): Promise<boolean> {
    const { id, fence } = request;
    const ended = await this.#options.store.run(endResumption, { id, fence, ending });
    if (ended === false) return false;
    if (ending.kind === 'failed' && ended.heldUntil !== undefined) {
      this.#options.onFailed(request, ending.failure, ended.heldUntil);
    }
    return true;
  }

  async #renew(): Promise<void> {
    const held = [...this.#entries.values()].map(({ request: { id, fence } }) => ({ id, fence }));
    if (held.length === 0) return;
    try {
      const still = new Set(await this.#options.store.run(renewResumptions, { held, lease }));
      for (const [tag, { request, state }] of this.#entries) {
        // Somebody else took it over while this process could not reach the store.
        if (state === 'open' && held.some(({ id }) => id === request.id) && !still.has(request.id)) {
          this.#entries.delete(tag);
        }
      }
    } catch (error) {
      this.#options.onProblem(toFailure(error));
    }
  }

  #reportOverdue(): void {
    const { settleDeadline, onProblem } = this.#options;
    for (const [tag, entry] of this.#entries) {
      if (entry.state !== 'open' || Date.now() - entry.since < settleDeadline) continue;
      onProblem(unsettled(entry.request, settleDeadline));
      this.#giveBack(tag, entry, true);
    }
  }

  /** What was in nodes that a deploy replaced is lost, and goes out again. */
  #sendLost(): void {
    const before = this.#beforeDeploy;
    this.#beforeDeploy = [];
    if (before.length === 0) return;
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      for (const tag of before) {
        const entry = this.#entries.get(tag);
        if (entry?.state === 'open') this.#giveBack(tag, entry, false);
      }
      this.kick();
    }, graceAfterDeploy);
    this.#grace.unref();
  }

  #giveBack(tag: string, { request }: Entry, counts: boolean): void {
    this.#entries.delete(tag);
    const delay = counts ? stepOf(request.failures + 1) : 0;
    this.#end(request, { kind: 'again', delay, counts }).catch((error: unknown) =>
      this.#options.onProblem(toFailure(error)),
    );
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** @throws Failure when the document cannot be opened */
export function messageOf(request: Resumption, cipher: PayloadCipher): FlowMessage {
  const { message, edits } = unpack(
    cipher.open(request.body, request.bodyKey, sealContext(request.id, request.revision)),
  );
  const result: ApprovalResult = {
    id: request.id,
    decision: request.outcome!,
    by: request.decidedBy ?? 'policy',
    at: new Date(request.decidedAt ?? request.createdAt).toISOString(),
    reason: request.decisionReason ?? '',
    edits,
    ...(request.emergency ? { emergency: true } : {}),
  };
  return { ...message, approval: result };
}

function endingOf(outcome: SettleOutcome, attempt: number): { ending: Ending; settlement: Settlement } {
  const result = 'settled';
  switch (outcome.kind) {
    case 'done':
      return { ending: { kind: 'done' }, settlement: { result, disposition: 'done' } };
    case 'release':
      return {
        ending: { kind: 'again', delay: 1_000, counts: false },
        settlement: { result, disposition: 'released', delay: 1_000 },
      };
    case 'dead-letter':
      return { ending: failed(outcome.failure), settlement: { result, disposition: 'dead-letter' } };
    case 'retry':
    case 'failed': {
      const { failure } = outcome;
      const reason = outcome.kind === 'failed' ? refusal(outcome.failure, attempt) : undefined;
      if (reason !== undefined) {
        return { ending: failed(failure!), settlement: { result, disposition: 'dead-letter', reason } };
      }
      const asked = outcome.kind === 'retry' ? (outcome.delay ?? 0) : Math.min(failure?.retryAfter ?? 0, 3_600_000);
      const delay = Math.max(stepOf(attempt), asked);
      return {
        ending: { kind: 'again', delay, counts: true, ...(failure === undefined ? {} : { failure: wordsOf(failure) }) },
        settlement: { result, disposition: 'retry', delay },
      };
    }
  }
}

/** Why it is not tried again, in words; undefined when it is. */
function refusal(failure: FailureRecord, attempt: number): string | undefined {
  if (!failure.retryable) return `A ${failure.class} failure is not retried.`;
  if (passing.has(failure.class) || attempt < tries) return undefined;
  return `Tried ${attempt} of ${tries} times.`;
}

function failed(failure: FailureRecord): Ending {
  return { kind: 'failed', failure: wordsOf(failure) };
}

function wordsOf({ code, message }: FailureRecord): { code: string; message: string } {
  return { code, message: message.slice(0, 1_000) };
}

function stepOf(attempt: number): number {
  return steps[Math.min(attempt, steps.length) - 1]!;
}

function unsettled({ id }: Resumption, deadline: number): Failure {
  return new Failure(
    'defect',
    'APPROVAL_UNSETTLED',
    `The decided message of request ${id} was not settled within ${Math.round(deadline / 60_000)} minutes. Every path behind an approval must end in a settle node, the Catch path too. It is sent again.`,
    { retryable: true },
  );
}

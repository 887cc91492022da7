/** Looks what the clock has to do with the open requests of a process: reminders, escalation, deadlines. */
import { type Failure, toFailure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import { advanceClock, type Notice } from './store/decide.ts';
import { type ProcessTotals, approvalTotals } from './store/inspect.ts';
import { purgeRequests } from './store/resume.ts';

export interface ClockOptions {
  process: string;
  store: Store;
  /** Milliseconds. */
  retention: number;
  onNotice(notice: Notice): void;
  /** Something was decided by the clock. */
  onDecided(): void;
  onTotals(totals: ProcessTotals | undefined): void;
  onProblem(problem: Failure | undefined): void;
}

/** Milliseconds. */
const interval = 2_000;
const purgeInterval = 600_000;
const purgeSlice = 200;

export class ApprovalClock {
  readonly #options: ClockOptions;
  #timer: NodeJS.Timeout | undefined;
  #turning: Promise<void> = Promise.resolve();
  #purgedAt = 0;
  #closed = false;

  constructor(options: ClockOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.look();
  }

  /** A deploy begins: a notice that would be lost is not taken. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Now, rather than at the next turn. */
  look(): void {
    clearTimeout(this.#timer);
    this.#turning = this.#turning.then(() => this.#turn());
    this.#timer = setTimeout(() => this.look(), interval);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.pause();
    await this.#turning;
  }

  async #turn(): Promise<void> {
    const { process, store, retention, onNotice, onDecided, onTotals, onProblem } = this.#options;
    if (this.#closed || this.#timer === undefined) return;
    try {
      for (let more = true; more; ) {
        const turn = await store.run(advanceClock, { process });
        for (const notice of turn.notices) onNotice(notice);
        if (turn.decided > 0) onDecided();
        more = turn.more;
      }
      const totals = await store.run(approvalTotals, undefined);
      onTotals(totals.find((one) => one.process === process));
      if (Date.now() - this.#purgedAt > purgeInterval) {
        await store.run(purgeRequests, { process, retention, limit: purgeSlice });
        this.#purgedAt = Date.now();
      }
      onProblem(undefined);
    } catch (error) {
      onProblem(toFailure(error));
    }
  }
}

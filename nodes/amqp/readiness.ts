/**
 * Holds back what is published until the exchanges, queues and bindings of the deployed flows stand. A message that
 * goes out earlier has no way, or only some of its ways: the queue that is bound a moment later never gets it.
 */
import { Failure } from '../kernel/failure.ts';

/** Messages that wait at once; one more is refused. As many as wait for a place in the broker's window. */
const waitingLimit = 1_000;
/** Milliseconds that a message waits at most: with the wait for the confirm less than a sender's patience. */
const longestWait = 10_000;

interface Waiting {
  pass(): void;
  refuse(failure: Failure): void;
  timer: NodeJS.Timeout;
}

export class Readiness {
  readonly #holds = new Set<symbol>();
  readonly #waiting = new Set<Waiting>();
  readonly #onOpen: () => void;

  /** @param onOpen called whenever nothing holds any more */
  constructor(onOpen: () => void) {
    this.#onOpen = onOpen;
  }

  get open(): boolean {
    return this.#holds.size === 0;
  }

  /** @returns ends the hold */
  hold(): () => void {
    const hold = Symbol('hold');
    this.#holds.add(hold);
    return () => {
      if (!this.#holds.delete(hold) || this.#holds.size > 0) return;
      for (const { pass } of this.#take()) pass();
      this.#onOpen();
    };
  }

  /**
   * Resolves when nothing holds, in the order of the calls.
   * @param why what keeps it shut, for the refusal
   * @throws Failure `dependency-outage` `AMQP_NOT_DECLARED` after ten seconds, `saturation` when too many wait
   */
  async passed(why: () => string): Promise<void> {
    if (this.open) return;
    if (this.#waiting.size >= waitingLimit) {
      throw new Failure(
        'saturation',
        'AMQP_WINDOW_FULL',
        `${this.#waiting.size} messages wait for the queues of the deployed flows, which is the limit. ${why()} Try again later.`,
        { retryAfter: 1_000, outcome: 'none' },
      );
    }
    await new Promise<void>((pass, refuse) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        refuse(notDeclared(why()));
      }, longestWait);
      const waiting: Waiting = { pass, refuse, timer };
      this.#waiting.add(waiting);
    });
  }

  /** Whoever waits is refused. */
  close(): void {
    for (const { refuse } of this.#take()) refuse(notDeclared('The connection closed.'));
  }

  #take(): Waiting[] {
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const { timer } of all) clearTimeout(timer);
    return all;
  }
}

function notDeclared(why: string): Failure {
  return new Failure(
    'dependency-outage',
    'AMQP_NOT_DECLARED',
    `The message was not sent: the exchanges and queues of the deployed flows do not stand yet. ${why}`,
    { retryAfter: 5_000, outcome: 'none' },
  );
}

/**
 * Holds back what is published until the exchanges, queues and bindings that it needs stand. A message that goes out
 * earlier has no way, or only some of its ways: the queue that is bound a moment later never gets it. What needs
 * nothing that is missing goes on.
 */
import { Failure } from '../kernel/failure.ts';
import { matchesTopic } from './engines/embedded/topic.ts';
import type { QueueTopology } from './engines/engine.ts';

/** Messages that wait at once; one more is refused. As many as wait for a place in the broker's window. */
const waitingLimit = 1_000;
/** Milliseconds that a message waits at most: with the wait for the confirm less than a sender's patience. */
const longestWait = 10_000;

export interface Target {
  exchange: string;
  routingKey: string;
}

/** What does not stand yet. */
export interface Missing {
  /** For people: `queue "healthflows.orders"`. */
  what: string;
  /** Whether a message needs it; every message does when absent. */
  needs?(target: Target): boolean;
  /** Why it does not stand, for people; empty while it is only waited for. */
  why(): string;
}

interface Waiting {
  target: Target;
  pass(): void;
  refuse(failure: Failure): void;
  timer: NodeJS.Timeout;
}

export class Readiness {
  readonly #missing = new Set<Missing>();
  readonly #waiting = new Set<Waiting>();
  readonly #onRelease: () => void;

  /** @param onRelease called whenever something stands that was missing */
  constructor(onRelease: () => void) {
    this.#onRelease = onRelease;
  }

  /** Nothing is missing. */
  get open(): boolean {
    return this.#missing.size === 0;
  }

  /** Something is missing that every message needs. */
  get shut(): boolean {
    for (const { needs } of this.#missing) if (needs === undefined) return true;
    return false;
  }

  /** @returns ends the hold */
  hold(missing: Missing): () => void {
    this.#missing.add(missing);
    return () => {
      if (!this.#missing.delete(missing)) return;
      for (const waiting of this.#waiting) {
        if (this.#blocking(waiting.target) !== undefined) continue;
        this.#end(waiting);
        waiting.pass();
      }
      this.#onRelease();
    };
  }

  /** Why a message may not go now, for people; undefined when it may. */
  obstacle(target: Target): string | undefined {
    const missing = this.#blocking(target);
    return missing === undefined ? undefined : wordsOf(missing);
  }

  /**
   * Resolves when all that a message needs stands, in the order of the calls.
   * @throws Failure `dependency-outage` `AMQP_NOT_DECLARED` after ten seconds, `saturation` when too many wait
   */
  async passed(target: Target): Promise<void> {
    const missing = this.#blocking(target);
    if (missing === undefined) return;
    if (this.#waiting.size >= waitingLimit) {
      throw new Failure(
        'saturation',
        'AMQP_WINDOW_FULL',
        `${this.#waiting.size} messages wait for what the deployed flows declare, which is the limit. ${wordsOf(missing)} Try again later.`,
        { retryAfter: 1_000, outcome: 'none' },
      );
    }
    await new Promise<void>((pass, refuse) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        refuse(notDeclared(wordsOf(this.#blocking(target) ?? missing)));
      }, longestWait);
      const waiting: Waiting = { target, pass, refuse, timer };
      this.#waiting.add(waiting);
    });
  }

  /** Whoever waits is refused. */
  close(): void {
    for (const waiting of this.#waiting) {
      this.#end(waiting);
      waiting.refuse(notDeclared('The connection closed.'));
    }
  }

  #blocking(target: Target): Missing | undefined {
    for (const missing of this.#missing) if (missing.needs?.(target) !== false) return missing;
    return undefined;
  }

  #end(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    clearTimeout(waiting.timer);
  }
}

/** Whether a message would go into a queue: by its name, or by one of its bindings. */
export function reaches({ name, bindings }: QueueTopology, { exchange, routingKey }: Target): boolean {
  if (exchange === '') return routingKey === name;
  return bindings.some((binding) => binding.exchange === exchange && matchesTopic(binding.routingKey, routingKey));
}

function wordsOf({ what, why }: Missing): string {
  const reason = why();
  return `${what[0]!.toUpperCase()}${what.slice(1)} does not stand yet.${reason === '' ? '' : ` ${reason}`}`;
}

function notDeclared(why: string): Failure {
  return new Failure('dependency-outage', 'AMQP_NOT_DECLARED', `The message was not sent. ${why}`, {
    retryAfter: 5_000,
    outcome: 'none',
  });
}

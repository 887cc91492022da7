/**
 * Whether the consumers of a connection may take messages: the orders of people, the retry budget and what the consumer
 * itself wants, as one answer. Dead letters are collected all the same, so that people see them.
 */
import type { Consumer } from './engines/engine.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Halt } from './service.ts';
import type { StandingOrders } from './standing-orders.ts';

interface Subscription {
  consumer: Consumer;
  wanted: boolean;
  onHalt: (() => void) | undefined;
  /** As last told. */
  halted: string | undefined;
}

export class Intake {
  readonly #orders: StandingOrders;
  readonly #budget: RetryBudget;
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  #budgetTimer: NodeJS.Timeout | undefined;

  constructor(orders: StandingOrders, budget: RetryBudget) {
    this.#orders = orders;
    this.#budget = budget;
  }

  get queues(): string[] {
    return [...this.#subscriptions.keys()];
  }

  consumed(queue: string): boolean {
    return (this.#subscriptions.get(queue)?.size ?? 0) > 0;
  }

  /** Why nothing is taken from a queue; undefined when messages are taken. */
  haltOf(queue: string): Halt | undefined {
    if (!this.#orders.known) return { kind: 'unknown', text: 'waits for the store' };
    const pause = this.#orders.pauseOf(queue);
    if (pause !== undefined) return { kind: 'paused', text: 'paused', order: pause };
    if (queue.endsWith('.dead')) return undefined;
    const { stop } = this.#orders;
    if (stop !== undefined) return { kind: 'stopped', text: `stopped by ${stop.actor}`, order: stop };
    const { spent } = this.#budget.state;
    return spent ? { kind: 'budget', text: 'slowed: retry budget used up' } : undefined;
  }

  /** @returns the consumer as its owner sees it: it runs when both want it */
  add(queue: string, consumer: Consumer, onHalt?: () => void): Consumer {
    const subscription: Subscription = { consumer, wanted: true, onHalt, halted: this.haltOf(queue)?.text };
    const all = this.#subscriptions.get(queue) ?? new Set();
    this.#subscriptions.set(queue, all.add(subscription));
    const want = async (wanted: boolean) => {
      subscription.wanted = wanted;
      await this.#adjust(queue, subscription);
    };
    void this.#adjust(queue, subscription).catch(() => undefined);
    return {
      pause: () => want(false),
      resume: () => want(true),
      get paused() {
        return consumer.paused;
      },
      get unsettled() {
        return consumer.unsettled;
      },
      close: async (drain) => {
        all.delete(subscription);
        await consumer.close(drain);
      },
    };
  }

  /** Something has changed that may start or stop consumers. */
  async apply(): Promise<void> {
    const { spent, resumesIn } = this.#budget.state;
    clearTimeout(this.#budgetTimer);
    if (spent) {
      this.#budgetTimer = setTimeout(() => void this.apply().catch(() => undefined), resumesIn + 10);
      this.#budgetTimer.unref();
    }
    await Promise.all(
      [...this.#subscriptions].flatMap(([queue, all]) => [...all].map((each) => this.#adjust(queue, each))),
    );
  }

  close(): void {
    clearTimeout(this.#budgetTimer);
  }

  async #adjust(queue: string, subscription: Subscription): Promise<void> {
    const { consumer, wanted, onHalt } = subscription;
    const halted = this.haltOf(queue)?.text;
    if (halted !== subscription.halted) {
      subscription.halted = halted;
      onHalt?.();
    }
    const running = wanted && halted === undefined;
    if (running === !consumer.paused) return;
    await (running ? consumer.resume() : consumer.pause());
    // What was on its way when it paused has come by now: its owner gives it back.
    if (!running && halted !== undefined) onHalt?.();
  }
}

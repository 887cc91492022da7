/**
 * The orders of people that a connection obeys: the stop of everything and the pauses of its queues. They are in the
 * store, so that they hold over deploys and restarts, and in every Node-RED that shares it; without a store they end
 * with the connection.
 */
import type { Store } from '../kernel/store/store.ts';
import { type ControlChange, type Controls, type Order, readControls, setControl } from './control-operations.ts';

/** Milliseconds after which an order that another Node-RED has taken is obeyed here. */
const interval = 2_000;
/** While nothing is known yet. */
const firstInterval = 250;

export class StandingOrders {
  readonly #store: Store | undefined;
  readonly #connection: string;
  readonly #onChange: () => void;
  #controls: Controls | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  /** @param onChange told of each change, also when the orders become known */
  constructor(store: Store | undefined, connection: string, onChange: () => void) {
    this.#store = store;
    this.#connection = connection;
    this.#onChange = onChange;
    if (store === undefined) this.#controls = { pauses: [] };
    else this.#again(0);
  }

  /** False until the store has answered: what may have been stopped must not be started. */
  get known(): boolean {
    return this.#controls !== undefined;
  }

  get stop(): Order | undefined {
    return this.#controls?.stop;
  }

  pauseOf(queue: string): Order | undefined {
    return this.#controls?.pauses.find((pause) => pause.connection === this.#connection && pause.queue === queue);
  }

  /** Reads what holds now. What cannot be read leaves what is known. */
  async look(): Promise<void> {
    // One that began before may have read too early.
    await this.#looking;
    this.#looking ??= this.#read();
    await this.#looking;
  }

  async order(change: ControlChange): Promise<void> {
    if (this.#store === undefined) this.#orderInMemory(change);
    else {
      await this.#store.run(setControl, change);
      await this.look();
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #again(delay: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(), delay);
    this.#timer.unref();
  }

  async #read(): Promise<void> {
    if (this.#store === undefined) return;
    try {
      const controls = await this.#store.run(readControls, undefined);
      const changed = JSON.stringify(controls) !== JSON.stringify(this.#controls);
      this.#controls = controls;
      if (changed && !this.#closed) this.#onChange();
    } catch {
      // The store says itself that it is down.
    } finally {
      this.#looking = undefined;
      this.#again(this.known ? interval : firstInterval);
    }
  }

  #orderInMemory({ target, on, actor, reason }: ControlChange): void {
    const { stop, pauses } = this.#controls!;
    const order: Order = { actor, reason, since: Date.now() };
    if (target.kind === 'stop') {
      this.#controls = { pauses, ...(on ? { stop: stop ?? order } : {}) };
    } else {
      const { connection, queue } = target;
      const others = pauses.filter((pause) => pause.connection !== connection || pause.queue !== queue);
      this.#controls = {
        ...(stop === undefined ? {} : { stop }),
        pauses: on ? [...others, { connection, queue, ...order }] : others,
      };
    }
    this.#onChange();
  }
}

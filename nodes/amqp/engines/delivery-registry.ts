/**
 * Live deliveries behind string handles. A delivery belongs to a generation (a channel, or one start of the embedded
 * consumer); when that ends its handles become stale, so that a late settle can never reach another message: on
 * RabbitMQ a stale delivery tag inside the new channel's window acknowledges a message nobody has processed.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingDelivery, OpenDelivery } from './engine.ts';

interface Entry<R> extends OpenDelivery {
  generation: number;
  /** What the engine needs to settle it, e.g. the channel and its delivery tag. */
  reference: R;
  settling: boolean;
}

export type Taken<R> =
  | { kind: 'taken'; delivery: IncomingDelivery; reference: R; generation: number }
  | { kind: 'already-settled' }
  | { kind: 'stale' };

export class DeliveryRegistry<R> {
  /** Handles of another engine or an earlier process are recognised by it. */
  readonly #id = randomBytes(4).toString('hex');
  readonly #entries = new Map<string, Entry<R>>();
  readonly #generations = new Map<number, number>();
  #lastGeneration = 0;
  #lastSequence = 0;

  /** Opens a generation. */
  begin(): number {
    const generation = ++this.#lastGeneration;
    this.#generations.set(generation, 0);
    return generation;
  }

  /** Ends a generation: its open deliveries are forgotten and returned. */
  end(generation: number): R[] {
    this.#generations.delete(generation);
    const forgotten: R[] = [];
    for (const [handle, entry] of this.#entries) {
      if (entry.generation !== generation) continue;
      this.#entries.delete(handle);
      forgotten.push(entry.reference);
    }
    return forgotten;
  }

  alive(generation: number): boolean {
    return this.#generations.has(generation);
  }

  add(generation: number, delivery: Omit<IncomingDelivery, 'handle'>, reference: R): IncomingDelivery {
    const handle = `${this.#id}.${generation}.${++this.#lastSequence}`;
    const whole: IncomingDelivery = { ...delivery, handle };
    this.#entries.set(handle, { generation, reference, delivery: whole, since: Date.now(), settling: false });
    this.#generations.set(generation, (this.#generations.get(generation) ?? 0) + 1);
    return whole;
  }

  /** Takes a delivery for settling; the first one wins. */
  take(handle: string): Taken<R> {
    const entry = this.#entries.get(handle);
    if (entry !== undefined) {
      if (entry.settling) return { kind: 'already-settled' };
      entry.settling = true;
      return {
        kind: 'taken',
        delivery: entry.delivery,
        reference: entry.reference,
        generation: entry.generation,
      };
    }
    const [id, generation] = handle.split('.');
    return id === this.#id && this.#generations.has(Number(generation))
      ? { kind: 'already-settled' }
      : { kind: 'stale' };
  }

  /** The settle that took it has succeeded. */
  settled(handle: string): void {
    const entry = this.#entries.get(handle);
    if (entry === undefined) return;
    this.#entries.delete(handle);
    const open = this.#generations.get(entry.generation);
    if (open !== undefined) this.#generations.set(entry.generation, open - 1);
  }

  /** The settle that took it has failed: it may be tried again. */
  putBack(handle: string): void {
    const entry = this.#entries.get(handle);
    if (entry !== undefined) entry.settling = false;
  }

  get(handle: string): OpenDelivery | undefined {
    const entry = this.#entries.get(handle);
    return entry === undefined || entry.settling ? undefined : entry;
  }

  /** Open deliveries of a generation. */
  count(generation: number): number {
    return this.#generations.get(generation) ?? 0;
  }

  /** Open deliveries of a generation. */
  handlesOf(generation: number): string[] {
    const handles: string[] = [];
    for (const [handle, entry] of this.#entries)
      if (entry.generation === generation && !entry.settling) handles.push(handle);
    return handles;
  }

  /** Of all deliveries of a queue, those that are being settled included. */
  referencesOf(queue: string): R[] {
    const references: R[] = [];
    for (const { delivery, reference } of this.#entries.values())
      if (delivery.queue === queue) references.push(reference);
    return references;
  }

  /** Open deliveries of a queue, oldest first. */
  ofQueue(queue: string): OpenDelivery[] {
    const open: OpenDelivery[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.delivery.queue === queue && !entry.settling) open.push(entry);
    }
    return open;
  }
}

/**
 * The acknowledgements of one channel, sent once in a turn of the event loop. Where the oldest deliveries are settled
 * without a gap one `multiple` acknowledges them all; whatever stands behind one that is open has one of its own.
 */
import type { Channel, ConsumeMessage } from 'amqplib';

export class Acknowledgements {
  readonly #channel: Pick<Channel, 'ack' | 'nack'>;
  /** By delivery tag, ascending as the broker counts; true when it is settled and not yet acknowledged. */
  readonly #open = new Map<number, { message: ConsumeMessage; settled: boolean }>();
  #settled = 0;
  #timer: NodeJS.Immediate | undefined;

  constructor(channel: Pick<Channel, 'ack' | 'nack'>) {
    this.#channel = channel;
  }

  delivered(message: ConsumeMessage): void {
    this.#open.set(message.fields.deliveryTag, { message, settled: false });
  }

  ack({ fields }: ConsumeMessage): void {
    const entry = this.#open.get(fields.deliveryTag);
    if (entry === undefined || entry.settled) return;
    entry.settled = true;
    this.#settled++;
    this.#timer ??= setImmediate(() => this.flush());
  }

  /** Back to the queue. @throws when the channel is closed */
  nack(message: ConsumeMessage): void {
    this.#channel.nack(message, false, true);
    this.#open.delete(message.fields.deliveryTag);
  }

  /** Before the channel is closed. */
  flush(): void {
    clearImmediate(this.#timer);
    this.#timer = undefined;
    try {
      this.#send();
    } catch {
      // It has closed by itself; the broker delivers again.
    }
  }

  #send(): void {
    if (this.#settled === 0) return;
    let last: ConsumeMessage | undefined;
    let run = 0;
    for (const [tag, { message, settled }] of this.#open) {
      if (!settled) break;
      this.#open.delete(tag);
      last = message;
      run++;
    }
    this.#settled -= run;
    if (last !== undefined) this.#channel.ack(last, run > 1);
    if (this.#settled === 0) return;
    for (const [tag, { message, settled }] of this.#open) {
      if (!settled) continue;
      this.#open.delete(tag);
      this.#channel.ack(message);
      if (--this.#settled === 0) return;
    }
  }
}

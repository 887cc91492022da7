/** How long a queue will take to be empty, from how its depth has changed while somebody looked. */

interface Sample {
  at: number;
  ready: number;
}

/** Milliseconds of history, and the least that tells anything. */
const window = 120_000;
const least = 10_000;
const queueLimit = 500;

export type Drain =
  | { kind: 'empty' }
  /** Not watched for long enough. */
  | { kind: 'unknown' }
  | { kind: 'draining'; milliseconds: number }
  | { kind: 'growing'; perMinute: number }
  | { kind: 'standing' };

export class BacklogHistory {
  readonly #samples = new Map<string, Sample[]>();

  /** Notes a depth and tells how it goes on. */
  note(queue: string, ready: number, now: number = Date.now()): Drain {
    let samples = this.#samples.get(queue);
    if (samples === undefined) {
      if (this.#samples.size >= queueLimit) this.#samples.clear();
      samples = [];
      this.#samples.set(queue, samples);
    }
    while (samples.length > 0 && now - samples[0]!.at > window) samples.shift();
    samples.push({ at: now, ready });
    if (ready === 0) return { kind: 'empty' };
    const first = samples[0]!;
    const elapsed = now - first.at;
    if (elapsed < least) return { kind: 'unknown' };
    const change = ready - first.ready;
    if (change === 0) return { kind: 'standing' };
    return change < 0
      ? { kind: 'draining', milliseconds: Math.round((ready * elapsed) / -change) }
      : { kind: 'growing', perMinute: Math.round((change * 60_000) / elapsed) };
  }
}

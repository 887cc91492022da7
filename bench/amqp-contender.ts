/** What the benches of publishing and consuming have in common. */

export const prefetch = 100;

export interface Taken {
  milliseconds: number;
  /** Microseconds of user and system time of this process, all its threads. */
  cpu: number;
}

/** Everybody moves one message more than `count`; the first one opens what is opened lazily and is not measured. */
export interface Contender {
  name: string;
  /** Those whose rate is 1 in the ratios, by the column's title. */
  references?: Readonly<Record<string, string>>;
  /** Publishes with `window` messages under way; measured until the last of `count` is as safe as it gets. */
  publish(count: number, window: number): Promise<Taken>;
  /** Measured from the first settled message to the last; absent where there is nothing to consume. */
  consume?(count: number): Promise<Taken>;
  close(): Promise<void>;
}

/** @returns what ends the measurement */
export function stopwatch(): () => Taken {
  const cpu = process.cpuUsage();
  const started = performance.now();
  return () => {
    const milliseconds = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    return { milliseconds, cpu: user + system };
  };
}

/** Keeps `window` calls under way until `count` have been made. */
export async function windowed(count: number, window: number, one: () => Promise<unknown>): Promise<Taken> {
  await one();
  const stop = stopwatch();
  let left = count;
  await Promise.all(
    Array.from({ length: window }, async () => {
      while (left-- > 0) await one();
    }),
  );
  return stop();
}

/** @returns `settled`, to be called for each message, and what all `count` after the first took */
export function settling(count: number): { settled(): void; all: Promise<Taken> } {
  let done = -1;
  let stop: (() => Taken) | undefined;
  let finish = (_: Taken) => {};
  const all = new Promise<Taken>((resolve) => {
    finish = resolve;
  });
  return {
    settled() {
      stop ??= stopwatch();
      if (++done !== count) return;
      const taken = stop();
      // The last acknowledgements are still on their way: closing at once, a quorum queue gives those messages back.
      setTimeout(() => finish(taken), 200);
    },
    all,
  };
}

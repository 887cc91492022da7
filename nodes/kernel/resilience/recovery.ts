import type { Breaker } from './breaker.ts';

/** Milliseconds between looks while probes of others are under way. */
const pause = 500;

/**
 * Finds out by itself when a dependency is back. Where consumers wait for the breaker to close, nobody else calls, and
 * without calls a breaker never leaves `open`.
 *
 * @param probe a cheap call that shows whether the dependency works; it rejects with a Failure when not
 * @returns a function that ends it
 */
export function keepProbing(breaker: Breaker, probe: () => Promise<unknown>): () => void {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  const schedule = (wait: number) => {
    clearTimeout(timer);
    if (ended) return;
    timer = setTimeout(() => void attempt(), wait);
    timer.unref();
  };
  const attempt = async () => {
    let passed = true;
    // A refusal by the breaker, or a failed probe: what follows from it is the breaker's to say.
    await breaker.run(probe).catch(() => {
      passed = false;
    });
    if (breaker.state.kind === 'half-open') schedule(passed ? 0 : pause);
    else if (breaker.state.kind === 'open') schedule(Math.max(1, breaker.wait));
  };
  const off = breaker.onChange((state) => {
    if (state.kind === 'open') schedule(breaker.wait);
    else if (state.kind !== 'half-open') clearTimeout(timer);
  });
  return () => {
    ended = true;
    clearTimeout(timer);
    off();
  };
}

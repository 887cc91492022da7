/** A point in time by which work must have ended, with an abort signal that fires there. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #at: number;
  readonly #outer: AbortSignal | undefined;
  readonly #follow = () => this.#controller.abort(this.#outer?.reason);

  /**
   * @param limit milliseconds from now
   * @param expired makes the error that the work is aborted with
   * @param outer aborts this one too, e.g. when the node is closed
   */
  constructor(limit: number, expired: () => Error, outer?: AbortSignal) {
    this.#at = performance.now() + limit;
    this.#outer = outer;
    this.#timer = setTimeout(() => this.#controller.abort(expired()), limit);
    if (outer?.aborted) this.#follow();
    else outer?.addEventListener('abort', this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds left; 0 when it has passed. */
  get remaining(): number {
    return this.signal.aborted ? 0 : Math.max(0, this.#at - performance.now());
  }

  /** Stops the clock; call it when the work has ended. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#follow);
  }
}

/** Waits `ms` milliseconds. @throws the signal's reason when it fires first */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

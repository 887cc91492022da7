/** Serialises work on the same key, first come first served; different keys run side by side. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` while it holds every one of `keys`. */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    // One order for everybody and no key twice: no two callers can wait for each other.
    const wanted = [...new Set(keys)].sort();
    const before = wanted.flatMap((key) => this.#tails.get(key) ?? []);
    let release = () => {};
    const promise = new Promise<void>((resolve) => {
      release = resolve;
    });
    for (const key of wanted) this.#tails.set(key, promise);
    try {
      await Promise.all(before);
      return await work();
    } finally {
      release();
      for (const key of wanted) if (this.#tails.get(key) === promise) this.#tails.delete(key);
    }
  }

  get size(): number {
    return this.#tails.size;
  }
}

/** A map that forgets: the least recently used entry when it is full, and every entry after `ttl` milliseconds. */
export class BoundedCache<K, V> {
  readonly #entries = new Map<K, { value: V; until: number }>();
  readonly #size: number;
  readonly #ttl: number;
  readonly #now: () => number;

  constructor(size: number, ttl: number, now: () => number = Date.now) {
    this.#size = size;
    this.#ttl = ttl;
    this.#now = now;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.until <= this.#now()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: K, value: V, ttl: number = this.#ttl): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: this.#now() + ttl });
    if (this.#entries.size > this.#size) this.#entries.delete(this.#entries.keys().next().value as K);
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  get size(): number {
    return this.#entries.size;
  }
}

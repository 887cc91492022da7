export interface BackoffOptions {
  /** Milliseconds before the first repeat, at most. Default 200. */
  base?: number;
  /** Milliseconds no wait exceeds. Default 5,000. */
  cap?: number;
  /** 0 ≤ x < 1, for tests. Default `Math.random`. */
  random?: () => number;
}

/**
 * How long to wait before repeat number `attempt` (1 = the first repeat), in milliseconds: exponential with full
 * jitter, i.e. evenly between 0 and min(cap, base · 2^(attempt−1)). Full jitter spreads callers that failed together.
 */
export function fullJitter(attempt: number, options: BackoffOptions = {}): number {
  const { base = 200, cap = 5_000, random = Math.random } = options;
  const ceiling = Math.min(cap, base * 2 ** Math.min(Math.max(attempt, 1) - 1, 30));
  return Math.floor(random() * ceiling);
}

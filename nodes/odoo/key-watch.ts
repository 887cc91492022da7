/** Says in good time that an API key ends: an expired one is a plain 401 in Odoo, no different from a typo. */
import { toFailure } from '../kernel/failure.ts';
import type { OdooClient } from './client/client.ts';

export interface KeyExpiry {
  /** As it is called in Odoo. */
  name: string;
  /** Days left, rounded up. */
  days: number;
}

const day = 86_400_000;

/** Days before the end at which it is said again. */
export const warnings = [30, 7, 1] as const;

/** The warning that a number of days falls under; undefined when there is time. */
export function warningAt(days: number): number | undefined {
  return warnings.findLast((limit) => days <= limit);
}

/**
 * Of the user's API keys, the one that ends first; undefined when none has an end or this Odoo does not tell.
 * @throws Failure `dependency-outage` or `saturation` when nobody could be asked
 */
export async function keyExpiry(client: OdooClient, now: number = Date.now()): Promise<KeyExpiry | undefined> {
  try {
    const keys = (await client.call(
      {
        model: 'res.users.apikeys',
        method: 'search_read',
        args: {
          domain: [['user_id', '=', await client.user()]],
          fields: ['name', 'expiration_date'],
          limit: 50,
        },
      },
      { effect: 'read' },
    )) as { name: string; expiration_date: string | false }[];
    const [first] = keys
      .flatMap(({ name, expiration_date }) =>
        typeof expiration_date === 'string' ? [{ name, at: Date.parse(`${expiration_date.replace(' ', 'T')}Z`) }] : [],
      )
      .filter(({ at }) => at > now)
      .sort((a, b) => a.at - b.at);
    return first === undefined ? undefined : { name: first.name, days: Math.ceil((first.at - now) / day) };
  } catch (error) {
    const failure = toFailure(error);
    if (failure.class === 'dependency-outage' || failure.class === 'saturation') throw failure;
    // Not every version lets a user see its own keys, and that is no reason to alarm anybody.
    return undefined;
  }
}

export interface KeyWatchOptions {
  look: () => Promise<KeyExpiry | undefined>;
  /** What is left, after every look that could tell. */
  onDays(expiry: KeyExpiry): void;
  /** Once at each of {@link warnings}, and once after a start. */
  onWarning(expiry: KeyExpiry): void;
  /** Milliseconds before the first look: a deploy has other things to do. Default 10,000. */
  first?: number;
  /** Milliseconds between looks. Default a day; a twenty-fourth of it after a look that failed. */
  every?: number;
}

/** Looks soon after the start and then once a day. @returns a function that ends it */
export function watchKey(options: KeyWatchOptions): () => void {
  const { look, onDays, onWarning, first = 10_000, every = day } = options;
  let ended = false;
  let warned: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const schedule = (wait: number) => {
    if (ended) return;
    timer = setTimeout(() => void round(), wait);
    timer.unref();
  };
  const round = async () => {
    try {
      const expiry = await look();
      if (!ended && expiry !== undefined) {
        onDays(expiry);
        const warning = warningAt(expiry.days);
        if (warning !== undefined && warning !== warned) onWarning(expiry);
        warned = warning;
      }
      schedule(every);
    } catch {
      // The outage is told elsewhere.
      schedule(every / 24);
    }
  };
  schedule(first);
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

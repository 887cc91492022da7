/** Warns before keys end, while there is time to agree on the next ones. */
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import type { KeyEntry } from '../schemes/scheme.ts';

/** Days before a key's end at which it is warned of. */
export const warnDays = [30, 7, 1] as const;

const day = 86_400_000;
const hour = 3_600_000;

export interface EndingKey {
  id: string;
  /** Whole days that are left; negative once it has ended. */
  days: number;
}

/**
 * Keys that end within {@link warnDays} and that none of the others outlives, the next to end first.
 * @param each a key is one sender's own, so that no other takes its place
 */
export function endingKeys(entries: readonly KeyEntry[], each: boolean, now: number): EndingKey[] {
  const last = Math.max(...entries.map(({ notAfter }) => notAfter ?? Infinity));
  return entries
    .filter(({ notAfter = Infinity }) => (each || notAfter === last) && notAfter - now <= warnDays[0] * day)
    .map(({ id, notAfter = Infinity }) => ({ id, days: Math.floor((notAfter - now) / day) }))
    .sort((a, b) => a.days - b.days);
}

/** How urgent: 0 not at all, then one more for each of {@link warnDays} that is reached, and for the end. */
function urgency({ days }: EndingKey): number {
  return warnDays.filter((limit) => days < limit || days === limit).length + (days < 0 ? 1 : 0);
}

export interface KeyWatchListener {
  /** A key has come to the next of {@link warnDays}, or to its end. */
  warn(key: EndingKey): void;
  /** The next key to end, after every look. */
  next(key: EndingKey | undefined): void;
}

/** Looks at once and every hour. @returns a function that stops it */
export function watchKeys(
  entries: readonly KeyEntry[],
  each: boolean,
  listener: KeyWatchListener,
  clock: () => number = Date.now,
): () => void {
  const told = new Map<string, number>();
  const look = (): void => {
    const ending = endingKeys(entries, each, clock());
    for (const key of ending) {
      const level = urgency(key);
      if (level <= (told.get(key.id) ?? 0)) continue;
      told.set(key.id, level);
      const within = warnDays.findLast((limit) => key.days <= limit);
      telemetry.count('webhook_key_warnings_total', { left: key.days < 0 ? 'ended' : `${within} d` });
      listener.warn(key);
    }
    listener.next(ending[0]);
  };
  look();
  const timer = setInterval(look, hour).unref();
  return () => clearInterval(timer);
}

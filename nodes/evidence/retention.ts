/** How long originals are kept: for the days of the journal, whose messages they are found from. */
import type { RuntimeApi } from '../node/index.ts';

/** Days that the journal keeps a message unless settings.js says otherwise. */
export const journalDaysDefault = 14;

/** Days from `healthflows.journal` in settings.js; undefined where the journal is switched off. */
export function journalDays(RED: RuntimeApi): number | undefined {
  const own = (RED.settings.healthflows as { journal?: unknown } | undefined)?.journal;
  if (own === false) return undefined;
  const { days } = (typeof own === 'object' && own !== null ? own : {}) as { days?: unknown };
  return typeof days === 'number' && Number.isFinite(days) && days > 0 ? days : journalDaysDefault;
}

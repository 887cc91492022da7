/** What a writer was told is durable, and whether the store still says so. */
import { find } from '../../../nodes/idempotency/index.ts';
import { verifyAudit } from '../../../nodes/kernel/audit/index.ts';
import type { Store } from '../../../nodes/kernel/store/index.ts';

export interface Acknowledged {
  claimed: Set<string>;
  completed: Set<string>;
}

/** From the lines of a writer; a last line that was cut off counts for nothing. */
export function acknowledgedIn(output: string): Acknowledged {
  const claimed = new Set<string>();
  const completed = new Set<string>();
  for (const [, kind, key] of output.matchAll(/^([cd]) (\S+)\n/gm)) (kind === 'c' ? claimed : completed).add(key!);
  return { claimed, completed };
}

/** @returns the keys that were acknowledged and are not there, or not as they should be; empty when all is well */
export async function lost(store: Store, { claimed, completed }: Acknowledged): Promise<string[]> {
  const wrong: string[] = [];
  const look = async (key: string): Promise<void> => {
    const state = await store.run(find, { scope: 'writer', key });
    if (state === undefined) wrong.push(`${key}: claimed, and not there`);
    else if (completed.has(key) && state.state !== 'completed') wrong.push(`${key}: completed, and ${state.state}`);
    else if (completed.has(key) && Buffer.from(state.reply?.body ?? '').toString() !== key) {
      wrong.push(`${key}: its reply is not there`);
    }
  };
  // A store takes ten thousand operations at a time.
  const keys = [...claimed];
  for (let from = 0; from < keys.length; from += 1000) await Promise.all(keys.slice(from, from + 1000).map(look));
  const verdict = await verifyAudit(store);
  if (verdict.kind !== 'intact') wrong.push(`audit ${verdict.kind} at ${verdict.seq}`);
  return wrong;
}

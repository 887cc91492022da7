import type { Store } from '../store/store.ts';
import { type AuditFilter, listAudit } from './operations.ts';

/**
 * The trail as JSON Lines, oldest first, a page at a time: each line is one record with its hash, so that a copy kept
 * elsewhere proves what the trail was.
 */
export async function* exportAudit(store: Store, filter: AuditFilter = {}): AsyncGenerator<string, void> {
  let cursor: number | undefined;
  do {
    const page = await store.run(listAudit, {
      filter,
      order: 'oldest-first',
      limit: 1000,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const record of page.records) {
      yield `${JSON.stringify({ ...record, at: new Date(record.at).toISOString() })}\n`;
    }
    cursor = page.next;
  } while (cursor !== undefined);
}

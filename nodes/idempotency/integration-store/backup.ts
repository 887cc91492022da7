/** The Back up button: a copy of a deployed SQLite store, made while it is at work. */
import { basename, join } from 'node:path';
import { Failure } from '../../kernel/failure.ts';
import { defineOperation } from '../../kernel/store/operation.ts';
import type { Store } from '../../kernel/store/store.ts';

export const recordBackup = defineOperation(
  import.meta.url,
  'recordBackup',
  // biome-ignore lint/correctness/useYield: the audit entry is all of it
  function* ({ actor, file }: { actor: string; file: string }, context) {
    context.audit({ action: 'store.backed-up', outcome: 'success', actor, subject: file });
  },
);

/**
 * @param folder is made when absent; the file in it is named by the instant
 * @throws Failure `configuration` `STORE_BACKUP_ELSEWHERE` on PostgreSQL
 */
export async function backUp(store: Store, folder: string, actor: string): Promise<{ file: string; size: number }> {
  if (store.backup === undefined) {
    throw new Failure(
      'configuration',
      'STORE_BACKUP_ELSEWHERE',
      'PostgreSQL is backed up by its own means, for example pg_dump.',
    );
  }
  const instant = new Date().toISOString().replaceAll(':', '-').replace(/\..*/, '');
  const copy = await store.backup(join(folder, `healthflows-${instant}.sqlite`));
  await store.run(recordBackup, { actor, file: basename(copy.file) });
  return copy;
}

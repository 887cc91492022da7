import type { Migration } from './migration.ts';

/**
 * Signed states of the audit trail: after entry `seq` its hash was `hash`. `previous` is the checkpoint before, so that
 * none can be taken out. One with `purged_at` is where the trail begins: the entries up to it were removed, by whoever
 * signed that. `public_key` and signatures are Ed25519, raw.
 */
export const auditCheckpoints: Migration = {
  version: 14,
  name: 'audit-checkpoints',
  statements: ({ integer, blob, strict }) => [
    `CREATE TABLE audit_checkpoints (
       seq ${integer} NOT NULL PRIMARY KEY,
       previous ${integer} NOT NULL,
       hash ${blob} NOT NULL,
       at ${integer} NOT NULL,
       key_id TEXT NOT NULL,
       public_key ${blob} NOT NULL,
       signature ${blob} NOT NULL,
       purged_at ${integer},
       purge_key_id TEXT,
       purge_public_key ${blob},
       purge_signature ${blob}
     ) ${strict}`,
  ],
};

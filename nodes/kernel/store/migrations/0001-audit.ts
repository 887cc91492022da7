import type { Migration } from './migration.ts';

/** The audit trail: one row an entry, chained by SHA-256; the head row guards against a truncated tail. */
export const audit: Migration = {
  version: 1,
  name: 'audit',
  statements: ({ integer, blob, strict, bytes }) => [
    `CREATE TABLE audit_trail (
       seq ${integer} NOT NULL PRIMARY KEY,
       at ${integer} NOT NULL,
       action TEXT NOT NULL,
       outcome TEXT NOT NULL,
       actor TEXT NOT NULL,
       subject TEXT,
       correlation_id TEXT,
       node TEXT,
       reason TEXT,
       detail TEXT,
       hash ${blob} NOT NULL
     ) ${strict}`,
    'CREATE INDEX audit_trail_correlation ON audit_trail (correlation_id, seq) WHERE correlation_id IS NOT NULL',
    'CREATE INDEX audit_trail_subject ON audit_trail (subject, seq) WHERE subject IS NOT NULL',
    'CREATE INDEX audit_trail_action ON audit_trail (action, seq)',
    'CREATE INDEX audit_trail_at ON audit_trail (at, seq)',
    `CREATE TABLE audit_head (
       id ${integer} NOT NULL PRIMARY KEY CHECK (id = 1),
       entries ${integer} NOT NULL,
       hash ${blob} NOT NULL
     ) ${strict}`,
    `INSERT INTO audit_head (id, entries, hash) VALUES (1, 0, ${bytes('00'.repeat(32))})`,
  ],
};

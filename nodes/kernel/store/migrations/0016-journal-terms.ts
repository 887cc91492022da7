import type { Migration } from './migration.ts';

/**
 * The terms of the journal are their own key and nothing else: on SQLite they stand once, in the order of that key,
 * instead of in a table and in its index. Every message writes several of them.
 */
export const journalTerms: Migration = {
  version: 16,
  name: 'journal-terms',
  statements: ({ dialect, integer, strict }) =>
    dialect === 'postgresql'
      ? []
      : [
          `CREATE TABLE journal_terms_ordered (
             term TEXT NOT NULL,
             started_at ${integer} NOT NULL,
             message_id TEXT NOT NULL,
             PRIMARY KEY (term, started_at, message_id)
           ) ${strict}, WITHOUT ROWID`,
          'INSERT INTO journal_terms_ordered SELECT term, started_at, message_id FROM journal_terms ORDER BY 1, 2, 3',
          'DROP TABLE journal_terms',
          'ALTER TABLE journal_terms_ordered RENAME TO journal_terms',
        ],
};

import type { Migration } from './migration.ts';

/** Who looks after a cause of dead letters. */
export const causeOwners: Migration = {
  version: 10,
  name: 'cause-owners',
  statements: ({ integer, strict }) => [
    `CREATE TABLE dead_letter_owners (
       queue TEXT NOT NULL,
       fingerprint TEXT NOT NULL,
       assignee TEXT NOT NULL,
       assigned_by TEXT NOT NULL,
       note TEXT NOT NULL,
       assigned_at ${integer} NOT NULL,
       PRIMARY KEY (queue, fingerprint)
     ) ${strict}`,
    'CREATE INDEX dead_letter_groups_code ON dead_letter_groups (failure_code, last_at)',
  ],
};

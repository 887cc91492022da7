import type { Migration } from './migration.ts';

/**
 * When a message may go on. `debounce_keys` holds the window of each key, `debounce_waiting` the messages that wait for
 * its end; `sequence_keys` the number that each key has come to, `sequence_numbers` the messages before and behind it.
 * Documents are not here: a message that waits is in its queue.
 */
export const pacing: Migration = {
  version: 8,
  name: 'pacing',
  statements: ({ integer, blob, strict }) => [
    `CREATE TABLE debounce_keys (
       hash ${blob} NOT NULL PRIMARY KEY,
       scope TEXT NOT NULL,
       key TEXT NOT NULL,
       opens_at ${integer} NOT NULL,
       since ${integer} NOT NULL,
       newest TEXT,
       passed TEXT,
       merged ${integer} NOT NULL,
       updated_at ${integer} NOT NULL
     ) ${strict}`,
    'CREATE INDEX debounce_keys_age ON debounce_keys (updated_at)',
    `CREATE TABLE debounce_waiting (
       hash ${blob} NOT NULL,
       event_id TEXT NOT NULL,
       PRIMARY KEY (hash, event_id)
     ) ${strict}`,
    `CREATE TABLE sequence_keys (
       hash ${blob} NOT NULL PRIMARY KEY,
       scope TEXT NOT NULL,
       key TEXT NOT NULL,
       head ${integer} NOT NULL,
       updated_at ${integer} NOT NULL
     ) ${strict}`,
    `CREATE TABLE sequence_numbers (
       hash ${blob} NOT NULL,
       number ${integer} NOT NULL,
       event_id TEXT NOT NULL,
       state TEXT NOT NULL,
       since ${integer} NOT NULL,
       told ${integer} NOT NULL,
       PRIMARY KEY (hash, number)
     ) ${strict}`,
  ],
};

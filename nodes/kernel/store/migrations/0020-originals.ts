import type { Migration } from './migration.ts';

/**
 * Documents in the bytes in which they came, for the journal's retention; `body` is absent for one that was too large.
 * The id is the sender's choice, so two senders may use the same: each row says whose it is. Sealed like other payloads. No digest stands beside it: a person who guesses a short document could prove it.
 */
export const originals: Migration = {
  version: 20,
  name: 'originals',
  statements: ({ integer, blob, strict }) => [
    `CREATE TABLE message_originals (
       id TEXT NOT NULL PRIMARY KEY,
       message_id TEXT NOT NULL,
       sender TEXT NOT NULL,
       node_id TEXT NOT NULL,
       form TEXT NOT NULL,
       content_type TEXT NOT NULL,
       size ${integer} NOT NULL,
       body ${blob},
       kept_at ${integer} NOT NULL,
       expires_at ${integer} NOT NULL
     ) ${strict}`,
    'CREATE INDEX message_originals_message ON message_originals (message_id, sender, kept_at)',
    'CREATE INDEX message_originals_latest ON message_originals (kept_at)',
    'CREATE INDEX message_originals_expiry ON message_originals (expires_at)',
  ],
};

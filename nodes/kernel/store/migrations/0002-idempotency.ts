import type { Migration } from './migration.ts';

/**
 * Idempotency keys. `hash` is SHA-256 of scope and key. `state` is `claimed`, `released` or `completed`; `fence` rises
 * with every claim of a key. Replies are apart, so that the table every message goes through stays small.
 */
export const idempotency: Migration = {
  version: 2,
  name: 'idempotency',
  statements: ({ integer, blob, strict }) => [
    `CREATE TABLE idempotency_keys (
       hash ${blob} NOT NULL PRIMARY KEY,
       scope TEXT NOT NULL,
       key TEXT NOT NULL,
       fingerprint TEXT NOT NULL,
       state TEXT NOT NULL,
       fence ${integer} NOT NULL,
       owner TEXT NOT NULL,
       attempts ${integer} NOT NULL,
       claimed_at ${integer} NOT NULL,
       lease ${integer} NOT NULL,
       lease_until ${integer} NOT NULL,
       completed_at ${integer},
       expires_at ${integer} NOT NULL
     ) ${strict}`,
    'CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)',
    `CREATE TABLE idempotency_replies (
       hash ${blob} NOT NULL PRIMARY KEY,
       status_code ${integer} NOT NULL,
       headers TEXT NOT NULL,
       body ${blob}
     ) ${strict}`,
  ],
};

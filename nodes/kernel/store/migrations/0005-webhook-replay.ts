import type { Migration } from './migration.ts';

/**
 * Requests that replay protection remembers. `hash` is SHA-256 of endpoint and proof; `kept` is 0 while the request is
 * worked on and 1 once it was answered with success.
 */
export const webhookReplay: Migration = {
  version: 5,
  name: 'webhook-replay',
  statements: ({ integer, blob, strict }) => [
    `CREATE TABLE webhook_replays (
       hash ${blob} NOT NULL PRIMARY KEY,
       kept ${integer} NOT NULL,
       expires_at ${integer} NOT NULL
     ) ${strict}`,
    'CREATE INDEX webhook_replays_expiry ON webhook_replays (expires_at)',
  ],
};

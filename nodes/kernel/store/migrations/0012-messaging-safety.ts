import type { Migration } from './migration.ts';

/**
 * What people have ordered of the messaging (`stop` of everything, `pause` of one queue) and must hold over restarts;
 * redeliveries of messages whose broker counts none; bodies too large for a broker.
 *
 * `messaging_messages.ready_at` is 0 for a message that waits for nothing, so that its place in the queue is its id and
 * no clock: one that is set back holds up nobody. `wait` is the delay that `ready_at` stands for.
 */
export const messagingSafety: Migration = {
  version: 12,
  name: 'messaging-safety',
  statements: ({ integer, blob, strict }) => [
    `CREATE TABLE messaging_controls (
       kind TEXT NOT NULL,
       connection TEXT NOT NULL,
       queue TEXT NOT NULL,
       actor TEXT NOT NULL,
       reason TEXT NOT NULL,
       since ${integer} NOT NULL,
       PRIMARY KEY (kind, connection, queue)
     ) ${strict}`,
    `CREATE TABLE messaging_redeliveries (
       queue TEXT NOT NULL,
       message_id TEXT NOT NULL,
       redeliveries ${integer} NOT NULL,
       last_at ${integer} NOT NULL,
       PRIMARY KEY (queue, message_id)
     ) ${strict}`,
    'CREATE INDEX messaging_redeliveries_last ON messaging_redeliveries (last_at)',
    `CREATE TABLE messaging_bodies (
       id TEXT NOT NULL PRIMARY KEY,
       body ${blob} NOT NULL,
       expires_at ${integer} NOT NULL
     ) ${strict}`,
    'CREATE INDEX messaging_bodies_expiry ON messaging_bodies (expires_at)',
    `ALTER TABLE messaging_messages ADD COLUMN wait ${integer} NOT NULL DEFAULT 0`,
    `ALTER TABLE messaging_messages ADD COLUMN enqueued_at ${integer} NOT NULL DEFAULT 0`,
    'UPDATE messaging_messages SET enqueued_at = ready_at',
  ],
};

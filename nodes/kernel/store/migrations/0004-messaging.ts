import type { Migration } from './migration.ts';

/**
 * The embedded queue and the outbox. A message row belongs to one queue; `owner` names the engine that has delivered
 * it and awaits its settling; `ready_at` orders the queue and is how a retry waits. Outbox ids are never used again,
 * because consumers recognise a message they already had.
 */
export const messaging: Migration = {
  version: 4,
  name: 'messaging',
  statements: ({ id, integer, blob, strict }) => [
    `CREATE TABLE messaging_exchanges (
       name TEXT NOT NULL PRIMARY KEY
     ) ${strict}`,
    `CREATE TABLE messaging_queues (
       name TEXT NOT NULL PRIMARY KEY,
       delivery_limit ${integer} NOT NULL,
       max_length ${integer}
     ) ${strict}`,
    `CREATE TABLE messaging_bindings (
       exchange TEXT NOT NULL,
       routing_key TEXT NOT NULL,
       queue TEXT NOT NULL,
       PRIMARY KEY (exchange, routing_key, queue)
     ) ${strict}`,
    `CREATE TABLE messaging_messages (
       id ${id},
       queue TEXT NOT NULL,
       ready_at ${integer} NOT NULL,
       owner TEXT,
       deliveries ${integer} NOT NULL,
       expires_at ${integer},
       exchange TEXT NOT NULL,
       routing_key TEXT NOT NULL,
       properties TEXT NOT NULL,
       body ${blob} NOT NULL
     ) ${strict}`,
    'CREATE INDEX messaging_messages_next ON messaging_messages (queue, ready_at, id)',
    'CREATE INDEX messaging_messages_owner ON messaging_messages (owner) WHERE owner IS NOT NULL',
    `CREATE TABLE messaging_outbox (
       id ${id},
       connection TEXT NOT NULL,
       partition_key TEXT,
       exchange TEXT NOT NULL,
       routing_key TEXT NOT NULL,
       expiration ${integer},
       properties TEXT NOT NULL,
       body ${blob} NOT NULL,
       enqueued_at ${integer} NOT NULL
     ) ${strict}`,
    'CREATE INDEX messaging_outbox_next ON messaging_outbox (connection, id)',
    `CREATE TABLE messaging_leases (
       name TEXT NOT NULL PRIMARY KEY,
       holder TEXT NOT NULL,
       held_until ${integer} NOT NULL
     ) ${strict}`,
  ],
};

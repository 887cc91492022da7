/**
 * Redeliveries of messages whose broker counts none (classic queues of RabbitMQ): a message that ends the process each
 * time is recognised by them. A message has a row only from its second delivery on, until it is settled.
 */
import { defineOperation, query } from '../kernel/store/operation.ts';

interface Delivered {
  queue: string;
  messageId: string;
}

/** @returns redeliveries, this one included */
export const noteRedelivery = defineOperation(
  import.meta.url,
  'noteRedelivery',
  function* ({ queue, messageId }: Delivered, { now }) {
    const [row] = yield* query<{ redeliveries: number }>(
      `INSERT INTO messaging_redeliveries (queue, message_id, redeliveries, last_at) VALUES ($1, $2, 1, $3)
       ON CONFLICT (queue, message_id)
         DO UPDATE SET redeliveries = messaging_redeliveries.redeliveries + 1, last_at = $4
       RETURNING redeliveries`,
      queue,
      messageId,
      now,
      now,
    );
    return Number(row!.redeliveries);
  },
);

export const forgetRedeliveries = defineOperation(
  import.meta.url,
  'forgetRedeliveries',
  function* ({ queue, messageId }: Delivered) {
    yield* query('DELETE FROM messaging_redeliveries WHERE queue = $1 AND message_id = $2', queue, messageId);
  },
);

/** Rows of messages that never came back. `age` in milliseconds. */
export const purgeRedeliveries = defineOperation(
  import.meta.url,
  'purgeRedeliveries',
  function* ({ age }: { age: number }, { now }) {
    yield* query('DELETE FROM messaging_redeliveries WHERE last_at < $1', now - age);
  },
);

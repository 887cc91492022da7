/** Bodies too large for a broker, kept in the store; the message carries a reference. */
import { defineOperation, query } from '../kernel/store/operation.ts';
import { seal, unseal } from '../kernel/store/sealing.ts';

const bodyContext = (id: string): string => `body ${id}`;

export interface KeptBody {
  /** Goes into the message. */
  id: string;
  body: Uint8Array;
  /** Milliseconds that it is kept. */
  retention: number;
}

/** Other operations compose it with `yield* keepBody.body(…)`. */
export const keepBody = defineOperation(
  import.meta.url,
  'keepBody',
  function* ({ id, body, retention }: KeptBody, { now }) {
    yield* query(
      `INSERT INTO messaging_bodies (id, body, expires_at) VALUES ($1, $2, $3)
       ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
         WHERE messaging_bodies.expires_at < excluded.expires_at`,
      id,
      seal(body, bodyContext(id)),
      now + retention,
    );
  },
);

export const readBody = defineOperation(
  import.meta.url,
  'readBody',
  function* ({ id }: { id: string }) {
    const [row] = yield* query<{ body: Uint8Array }>('SELECT body FROM messaging_bodies WHERE id = $1', id);
    return row === undefined ? undefined : unseal(row.body, bodyContext(id));
  },
  { readOnly: true },
);

/** @returns how many went */
export const purgeBodies = defineOperation(
  import.meta.url,
  'purgeBodies',
  function* ({ limit }: { limit: number }, { now }) {
    const gone = yield* query(
      `DELETE FROM messaging_bodies WHERE id IN
         (SELECT id FROM messaging_bodies WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
       RETURNING id`,
      now,
      limit,
    );
    return gone.length;
  },
);

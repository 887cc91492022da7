/**
 * The other way to purge, to compare with: a table for each generation of keys, so that the oldest is dropped whole. A
 * claim looks into all of them and writes into the youngest. In a file of its own for the reason in store-fill.ts.
 */
import { createHash } from 'node:crypto';
import { defineOperation, query } from '../nodes/kernel/store/operation.ts';

const columns = `hash BLOB NOT NULL PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
  state TEXT NOT NULL, fence INTEGER NOT NULL, owner TEXT NOT NULL, attempts INTEGER NOT NULL,
  claimed_at INTEGER NOT NULL, lease INTEGER NOT NULL, lease_until INTEGER NOT NULL, completed_at INTEGER,
  expires_at INTEGER NOT NULL`;

/** Makes a generation (SQLite) and fills it with completed keys. */
export const fillGeneration = defineOperation(
  import.meta.url,
  'fillGeneration',
  function* ({ generation, count }: { generation: number; count: number }, { now }) {
    yield* query(`CREATE TABLE IF NOT EXISTS generation_${generation} (${columns}) STRICT`);
    yield* query(
      `INSERT INTO generation_${generation}
       WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < CAST($1 AS BIGINT))
       SELECT randomblob(32), 'orders', 'PO-2026-' || n, '${'f'.repeat(64)}', 'completed', n, 'gate-1', 1, $2, 60000, $2, $2, $2
       FROM s WHERE $1 > 0 ORDER BY 1`,
      count,
      now,
    );
  },
);

/** A claim of a new key: in none of the generations from `first` on, then in the last. */
export const claimInGenerations = defineOperation(
  import.meta.url,
  'claimInGenerations',
  function* ({ key, first, last }: { key: string; first: number; last: number }, { now }) {
    const hash = createHash('sha256').update(key).digest();
    const known = yield* query(
      Array.from(
        { length: last - first + 1 },
        (_, index) => `SELECT state FROM generation_${first + index} WHERE hash = $1`,
      ).join(' UNION ALL '),
      hash,
    );
    if (known.length > 0) return false;
    yield* query(
      `INSERT INTO generation_${last} VALUES ($1, 'bench', $2, '', 'claimed', $3, 'bench', 1, $3, 60000, $4, NULL, $4)`,
      hash,
      key,
      now,
      now + 60_000,
    );
    return true;
  },
  { key: ({ key }) => key },
);

export const dropGeneration = defineOperation(
  import.meta.url,
  'dropGeneration',
  function* ({ generation }: { generation: number }) {
    yield* query(`DROP TABLE generation_${generation}`);
  },
);

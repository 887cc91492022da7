/** In a file of its own: the store's worker thread imports the module of an operation, and must not start the bench. */
import { defineOperation, query } from '../nodes/kernel/store/operation.ts';

const columns =
  'hash, scope, key, fingerprint, state, fence, owner, attempts, claimed_at, lease, lease_until, completed_at, expires_at';

/** Completed keys by the hundred thousand; every tenth is past its retention. */
export const fill = defineOperation(
  import.meta.url,
  'fill',
  function* ({ from, count }: { from: number; count: number }, { now, dialect }) {
    const [numbers, hash] =
      dialect === 'sqlite'
        ? [
            'WITH RECURSIVE s(n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n + 1 FROM s WHERE n < CAST($2 AS BIGINT) - 1) SELECT n FROM s',
            'randomblob(32)',
          ]
        : [
            'SELECT generate_series($1::bigint, $2::bigint - 1) AS n',
            "sha256(convert_to(n::text || random()::text, 'UTF8'))",
          ];
    const text = dialect === 'sqlite' ? '' : '::text';
    yield* query(
      `INSERT INTO idempotency_keys (${columns})
       SELECT ${hash}, 'orders', 'PO-2026-' || n${text}, '${'f'.repeat(64)}', 'completed', n, 'gate-1', 1, CAST($3 AS BIGINT), 60000,
         CAST($4 AS BIGINT), CAST($5 AS BIGINT), CASE WHEN n % 10 = 0 THEN CAST($6 AS BIGINT) + (n % 1000) ELSE CAST($7 AS BIGINT) + n END FROM (${numbers}) AS numbers ORDER BY 1`,
      from,
      from + count,
      now,
      now,
      now,
      now - 1_000_000,
      now + 86_400_000,
    );
  },
);

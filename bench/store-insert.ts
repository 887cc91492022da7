/** One durable insert through the store and nothing else: what the store costs without a gate. */
import { randomBytes } from 'node:crypto';
import { defineOperation, query, rowsOf } from '../nodes/kernel/store/index.ts';

export const makeBare = defineOperation(import.meta.url, 'makeBare', function* (_: undefined, { dialect }) {
  const [blob, integer] = dialect === 'sqlite' ? ['BLOB', 'INTEGER'] : ['BYTEA', 'BIGINT'];
  yield* query(
    `CREATE TABLE bench_bare (hash ${blob} NOT NULL PRIMARY KEY, key TEXT NOT NULL, fingerprint TEXT NOT NULL, expires_at ${integer} NOT NULL)`,
  );
});

export interface BareRow {
  key: string;
  fingerprint: string;
}

export const insertBare = defineOperation(
  import.meta.url,
  'insertBare',
  function* ({ key, fingerprint }: BareRow, { now }) {
    yield* query(
      'INSERT INTO bench_bare (hash, key, fingerprint, expires_at) VALUES ($1, $2, $3, $4)',
      randomBytes(32),
      key,
      fingerprint,
      now,
    );
    return 'inserted';
  },
  {
    key: ({ key }) => key,
    *together(all, { now }) {
      const rows = all.map((row) => ({ ...row, hash: randomBytes(32), expires_at: now }));
      yield* query(
        `INSERT INTO bench_bare (hash, key, fingerprint, expires_at)
         SELECT decode(hash, 'hex'), key, fingerprint, expires_at
         FROM json_to_recordset($1::json) AS row (hash text, key text, fingerprint text, expires_at bigint)`,
        rowsOf(rows),
      );
      return rows.map(() => 'inserted');
    },
  },
);

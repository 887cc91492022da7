/** Operations for the tests of the engines. They use the audit trail's neighbour: a table of their own. */
import { Failure } from '../../../nodes/kernel/failure.ts';
import { defineOperation, query, rowsOf } from '../../../nodes/kernel/store/index.ts';

/** Makes the table `things`; not a migration, because it is the tests' own. */
export const prepare = defineOperation(import.meta.url, 'prepare', function* (_: undefined, { dialect }) {
  const [integer, blob] = dialect === 'sqlite' ? ['INTEGER', 'BLOB'] : ['BIGINT', 'BYTEA'];
  yield* query(`CREATE TABLE IF NOT EXISTS things (name TEXT NOT NULL PRIMARY KEY, number ${integer}, data ${blob})`);
});

export const put = defineOperation(
  import.meta.url,
  'put',
  function* ({ name, number = null, data = null }: { name: string; number?: number | null; data?: Uint8Array | null }) {
    yield* query('INSERT INTO things (name, number, data) VALUES ($1, $2, $3)', name, number, data);
    return name;
  },
);

export const get = defineOperation(
  import.meta.url,
  'get',
  function* (name: string) {
    const [row] = yield* query('SELECT name, number, data FROM things WHERE name = $1', name);
    return row;
  },
  { readOnly: true },
);

export const count = defineOperation(
  import.meta.url,
  'count',
  function* (_: undefined) {
    const [row] = yield* query<{ count: number }>('SELECT COUNT(*) AS count FROM things');
    return row!.count;
  },
  { readOnly: true },
);

export const increment = defineOperation(import.meta.url, 'increment', function* (name: string) {
  const [row] = yield* query<{ number: number }>(
    'UPDATE things SET number = number + 1 WHERE name = $1 RETURNING number',
    name,
  );
  return row!.number;
});

/** Writes, and then finds that it must not. */
export const putAndFail = defineOperation(import.meta.url, 'putAndFail', function* (name: string) {
  yield* query('INSERT INTO things (name) VALUES ($1)', name);
  throw new Failure('conflict', 'TEST_REFUSED', 'Refused on purpose.', { retryAfter: 7, detail: { name } });
});

export const putWithAudit = defineOperation(import.meta.url, 'putWithAudit', function* (name: string, context) {
  yield* query('INSERT INTO things (name) VALUES ($1)', name);
  context.audit({ action: 'thing.put', outcome: 'success', actor: 'test', subject: name, correlationId: 'c-1' });
});

export const auditThenFail = defineOperation(import.meta.url, 'auditThenFail', function* (name: string, context) {
  context.audit({ action: 'thing.failed', outcome: 'success', actor: 'test', subject: name });
  yield* query('SELECT 1 AS one');
  throw new Failure('conflict', 'TEST_REFUSED', 'Refused on purpose.');
});

export const readAndAudit = defineOperation(
  import.meta.url,
  'readAndAudit',
  function* (_: undefined, context) {
    yield* query('SELECT 1 AS one');
    context.audit({ action: 'thing.read', outcome: 'success', actor: 'test' });
  },
  { readOnly: true },
);

export const readThatWrites = defineOperation(
  import.meta.url,
  'readThatWrites',
  function* (name: string) {
    yield* query('INSERT INTO things (name) VALUES ($1)', name);
  },
  { readOnly: true },
);

export const syntaxError = defineOperation(import.meta.url, 'syntaxError', function* (_: undefined) {
  yield* query('SELEKT 1');
});

export const uncloneable = defineOperation(import.meta.url, 'uncloneable', function* (_: unknown) {
  return () => 1;
});

/** Takes its turns among others with the same key only. */
export const incrementSlowly = defineOperation(
  import.meta.url,
  'incrementSlowly',
  function* (name: string) {
    const [row] = yield* query<{ number: number }>('SELECT number FROM things WHERE name = $1', name);
    yield* query('SELECT 1 AS one');
    yield* query('UPDATE things SET number = $1 WHERE name = $2', row!.number + 1, name);
    if (name.startsWith('refused')) throw new Failure('conflict', 'TEST_REFUSED', 'Refused on purpose.');
    return row!.number + 1;
  },
  { key: (name) => name },
);

/** Several at once by `together`, which refuses what `body` refuses; `by` tells which of the two ran. */
export const incrementTogether = defineOperation(
  import.meta.url,
  'incrementTogether',
  function* (name: string, context) {
    const number = yield* increment.body(name, context);
    if (name.startsWith('refused')) throw new Failure('conflict', 'TEST_REFUSED', 'Refused on purpose.');
    context.audit({ action: 'thing.incremented', outcome: 'success', actor: 'body', subject: name });
    return { number, by: 'body' };
  },
  {
    key: (name) => name,
    *together(names, context) {
      const numbers = yield* query<{ name: string; number: number }>(
        `UPDATE things SET number = number + 1
         WHERE name = ANY (ARRAY(SELECT name FROM json_to_recordset($1::json) AS row (name text)))
         RETURNING name, number`,
        rowsOf(names.map((name) => ({ name }))),
      );
      if (names.includes('refused')) throw new Failure('conflict', 'TEST_REFUSED', 'Refused on purpose.');
      for (const name of names) {
        context.audit({ action: 'thing.incremented', outcome: 'success', actor: 'together', subject: name });
      }
      return names.map((name) => ({ number: numbers.find((row) => row.name === name)!.number, by: 'together' }));
    },
  },
);

/** Any SQL, for the tests that damage things. */
export const sql = defineOperation(
  import.meta.url,
  'sql',
  function* ({ text, values = [] }: { text: string; values?: (string | number | Uint8Array | null)[] }) {
    return yield* query(text, ...values);
  },
);

export const clock = defineOperation(import.meta.url, 'clock', function* (_: undefined, { now }) {
  yield* query('SELECT 1 AS one');
  return now;
});

/** Ends the thread or process it runs in; only for SQLite. */
// biome-ignore lint/correctness/useYield: it never comes that far
export const crash = defineOperation(import.meta.url, 'crash', function* (_: undefined) {
  process.exit(1);
});

/** Claiming and completing, with the places in their transactions where the process can be made to die. */
import { type Claim, claim, complete, type HeldKey } from '../../../nodes/idempotency/index.ts';
import { defineOperation, query } from '../../../nodes/kernel/store/index.ts';

/** As hard as can be, and nothing after it runs. */
export function die(): never {
  process.kill(process.pid, 'SIGKILL');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  throw new Error('unreachable');
}

const byKey = { key: ({ scope, key }: { scope: string; key: string }): string => `${scope}\0${key}` };

/** The table of effects: what the work under a key does. Nothing in it prevents doing it twice. */
export const prepare = defineOperation(import.meta.url, 'prepare', function* (_: undefined, { dialect }) {
  // IF NOT EXISTS does not wait for another session that is just making it.
  if (dialect === 'postgresql') yield* query('SELECT pg_advisory_xact_lock(7)');
  yield* query('CREATE TABLE IF NOT EXISTS effects (key TEXT NOT NULL, process TEXT NOT NULL)');
});

export const claimAt = defineOperation(
  import.meta.url,
  'claimAt',
  function* ({ fatal, ...wanted }: Claim & { fatal: boolean }, context) {
    const verdict = yield* claim.body(wanted, context);
    if (fatal) die();
    return verdict;
  },
  byKey,
);

/** Completes the key and has the effect, in one transaction. */
export const work = defineOperation(
  import.meta.url,
  'work',
  function* (held: HeldKey & { process: string; fatal?: 'before-effect' | 'before-commit' }, context) {
    const reply = { statusCode: 202, body: held.key };
    const result = yield* complete.body({ scope: held.scope, key: held.key, token: held.token, reply }, context);
    if (held.fatal === 'before-effect') die();
    if (result === 'lost-lease') return result;
    yield* query('INSERT INTO effects (key, process) VALUES ($1, $2)', held.key, held.process);
    if (held.fatal === 'before-commit') die();
    return result;
  },
  byKey,
);

export const effects = defineOperation(
  import.meta.url,
  'effects',
  function* (_: undefined) {
    return yield* query<{ key: string; count: number }>('SELECT key, COUNT(*) AS count FROM effects GROUP BY key');
  },
  { readOnly: true },
);

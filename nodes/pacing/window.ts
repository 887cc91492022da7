/**
 * One message a key within a window, as store operations. What comes meanwhile goes back to its queue until the window
 * ends; then the newest goes on and the others are merged into it.
 *
 * ```
 *  first   A passes ──────── window ────────▶ C passes ─── window …      at once, then one a window
 *                B waits … merged   C waits ┘
 *  quiet   A waits  B waits  C waits ── quiet ──▶ C passes               when nothing new has come for a while
 * ```
 *
 * A message is known again by its event id, so a redelivery after a crash changes nothing: the one that passed passes
 * again, a waiting one waits on.
 */
import { defineOperation, query, type Row, type Statement } from '../kernel/store/operation.ts';
import { hashOf } from './key.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export interface Knock {
  scope: string;
  key: string;
  event: string;
  mode: 'first' | 'quiet';
  /** Milliseconds: the window, or the quiet time. */
  window: number;
  /** Milliseconds that a message waits at most in mode `quiet`, however often new ones come. */
  longest: number;
}

export type KnockVerdict =
  /** `merged`: messages that came since the last one passed and are told by this one too. */
  { kind: 'pass'; merged: number; since: number } | { kind: 'wait'; retryAfter: number } | { kind: 'merged' };

interface KeyRow extends Row {
  opens_at: number;
  since: number;
  newest: string | null;
  passed: string | null;
  merged: number;
}

export const knock = defineOperation(
  import.meta.url,
  'knock',
  function* ({ scope, key, event, mode, window, longest }: Knock, { now }): Step<KnockVerdict> {
    const hash = hashOf({ scope, key });
    // First, so that two processes with one key wait for one another here.
    yield* query(
      `INSERT INTO debounce_keys (hash, scope, key, opens_at, since, merged, updated_at)
       VALUES ($1, $2, $3, 0, 0, 0, $4) ON CONFLICT (hash) DO UPDATE SET updated_at = $4`,
      hash,
      scope,
      key,
      now,
    );
    const [row] = yield* query<KeyRow>(
      'SELECT opens_at, since, newest, passed, merged FROM debounce_keys WHERE hash = $1',
      hash,
    );
    const { since, newest, passed, merged } = row!;
    // More than a whole window to wait means that the clock was set back since.
    const opensAt = Math.min(row!.opens_at, now + window);
    if (passed === event) return { kind: 'pass', merged, since };

    const [known] = yield* query(
      'SELECT event_id FROM debounce_waiting WHERE hash = $1 AND event_id = $2',
      hash,
      event,
    );
    if (known !== undefined && newest !== event) {
      yield* query('DELETE FROM debounce_waiting WHERE hash = $1 AND event_id = $2', hash, event);
      return { kind: 'merged' };
    }
    const isNews = known === undefined;
    if (mode === 'first' ? opensAt <= now : !isNews && opensAt <= now) {
      yield* query('DELETE FROM debounce_waiting WHERE hash = $1 AND event_id = $2', hash, event);
      const told = newest === null ? 0 : isNews ? merged + 1 : merged;
      const from = newest === null ? now : since;
      yield* query(
        'UPDATE debounce_keys SET opens_at = $1, since = $2, newest = NULL, passed = $3, merged = $4 WHERE hash = $5',
        mode === 'first' ? now + window : now,
        from,
        event,
        told,
        hash,
      );
      return { kind: 'pass', merged: told, since: from };
    }
    if (!isNews) return { kind: 'wait', retryAfter: opensAt - now };

    const from = newest === null ? now : Math.min(since, now);
    const until = mode === 'first' ? opensAt : Math.min(now + window, from + longest);
    yield* query('INSERT INTO debounce_waiting (hash, event_id) VALUES ($1, $2)', hash, event);
    yield* query(
      'UPDATE debounce_keys SET opens_at = $1, since = $2, newest = $3, merged = $4 WHERE hash = $5',
      until,
      from,
      event,
      newest === null ? 0 : merged + 1,
      hash,
    );
    return { kind: 'wait', retryAfter: Math.max(0, until - now) };
  },
  { key: ({ scope, key }) => `${scope}\0${key}` },
);

/** Forgets keys that nothing came for in `age` milliseconds, at most `limit` of them. @returns how many */
export const forgetWindows = defineOperation(
  import.meta.url,
  'forgetWindows',
  function* ({ age, limit }: { age: number; limit: number }, { now }): Step<number> {
    const old = yield* query<{ hash: Uint8Array }>(
      'SELECT hash FROM debounce_keys WHERE updated_at < $1 ORDER BY updated_at LIMIT $2',
      now - age,
      limit,
    );
    for (const { hash } of old) {
      yield* query('DELETE FROM debounce_waiting WHERE hash = $1', hash);
      yield* query('DELETE FROM debounce_keys WHERE hash = $1', hash);
    }
    return old.length;
  },
);

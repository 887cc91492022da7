/** Causes that letters are grouped by, kept up to date by every change of a letter, and the episodes they go through. */
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';
import { type LetterState, unresolvedStates, waitingStates } from './state.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export interface LetterGroup {
  queue: string;
  fingerprint: string;
  class: string;
  code: string;
  /** The failure's sentence without what differs between documents. */
  cause: string;
  nodeType: string | null;
  firstAt: number;
  lastAt: number;
  /** Letters ever. */
  total: number;
  /** Letters that wait for a person. */
  waiting: number;
  /** Letters that are not at an end. */
  unresolved: number;
}

const isIn = (states: readonly LetterState[], state: LetterState | undefined) =>
  state !== undefined && states.includes(state) ? 1 : 0;

/** Moves `count` letters of a group from one state to another; `from` undefined for new ones, `to` undefined for removed ones. */
export function* moveInGroup(
  group: { queue: string; fingerprint: string },
  from: LetterState | undefined,
  to: LetterState | undefined,
  count: number,
): Step<void> {
  const waiting = (isIn(waitingStates, to) - isIn(waitingStates, from)) * count;
  const unresolved = (isIn(unresolvedStates, to) - isIn(unresolvedStates, from)) * count;
  if (waiting === 0 && unresolved === 0) return;
  yield* query(
    'UPDATE dead_letter_groups SET waiting = waiting + $1, unresolved = unresolved + $2 WHERE queue = $3 AND fingerprint = $4',
    waiting,
    unresolved,
    group.queue,
    group.fingerprint,
  );
}

/** Counts a letter that comes into a group. */
export function* enterGroup(
  letter: {
    queue: string;
    fingerprint: string;
    failureClass: string;
    failureCode: string;
    cause: string;
    nodeType: string | null;
    lastFailedAt: number;
  },
  state: LetterState,
): Step<void> {
  yield* query(
    `INSERT INTO dead_letter_groups
       (queue, fingerprint, failure_class, failure_code, cause, node_type, first_at, last_at, total, waiting, unresolved, announced)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1, $8, $9, 0)
     ON CONFLICT (queue, fingerprint) DO UPDATE SET
       last_at = excluded.last_at,
       total = dead_letter_groups.total + 1,
       waiting = dead_letter_groups.waiting + excluded.waiting,
       unresolved = dead_letter_groups.unresolved + excluded.unresolved`,
    letter.queue,
    letter.fingerprint,
    letter.failureClass,
    letter.failureCode,
    letter.cause,
    letter.nodeType,
    letter.lastFailedAt,
    isIn(waitingStates, state),
    isIn(unresolvedStates, state),
  );
}

/** Groups the letters that an `UPDATE … RETURNING queue, fingerprint` touched and moves each group once, in a fixed order. */
export function* moveAll(
  rows: readonly { queue: string; fingerprint: string }[],
  from: LetterState,
  to: LetterState | undefined,
): Step<void> {
  const counts = new Map<string, { queue: string; fingerprint: string; count: number }>();
  for (const { queue, fingerprint } of rows) {
    const key = `${queue}\n${fingerprint}`;
    const entry = counts.get(key) ?? { queue, fingerprint, count: 0 };
    entry.count += 1;
    counts.set(key, entry);
  }
  for (const key of [...counts.keys()].sort()) {
    const entry = counts.get(key)!;
    yield* moveInGroup(entry, from, to, entry.count);
  }
}

type GroupRow = {
  queue: string;
  fingerprint: string;
  failure_class: string;
  failure_code: string;
  cause: string;
  node_type: string | null;
  first_at: number;
  last_at: number;
  total: number;
  waiting: number;
  unresolved: number;
  announced: number;
};

function groupOf(row: GroupRow): LetterGroup {
  return {
    queue: row.queue,
    fingerprint: row.fingerprint,
    class: row.failure_class,
    code: row.failure_code,
    cause: row.cause,
    nodeType: row.node_type,
    firstAt: Number(row.first_at),
    lastAt: Number(row.last_at),
    total: Number(row.total),
    waiting: Number(row.waiting),
    unresolved: Number(row.unresolved),
  };
}

/** The groups with most unresolved letters first; at most 200. */
export const listGroups = defineOperation(
  import.meta.url,
  'listGroups',
  function* (args: { queue?: string; class?: string; closed?: boolean }): Step<LetterGroup[]> {
    const rows = yield* query<GroupRow>(
      `SELECT * FROM dead_letter_groups
       WHERE ($1 = '' OR queue = $1) AND ($2 = '' OR failure_class = $2) AND ($3 = 1 OR unresolved > 0)
       ORDER BY unresolved DESC, last_at DESC, queue, fingerprint LIMIT 200`,
      args.queue ?? '',
      args.class ?? '',
      args.closed === true ? 1 : 0,
    );
    return rows.map(groupOf);
  },
  { readOnly: true },
);

export interface LetterTotals {
  waiting: number;
  unresolved: number;
  groups: number;
}

/** Sums over the groups of one queue, or of all. */
export const letterTotals = defineOperation(
  import.meta.url,
  'letterTotals',
  function* (args: { queue?: string }): Step<LetterTotals> {
    const [row] = yield* query<{ waiting: number; unresolved: number; groups: number }>(
      `SELECT CAST(COALESCE(SUM(waiting), 0) AS BIGINT) AS waiting,
              CAST(COALESCE(SUM(unresolved), 0) AS BIGINT) AS unresolved,
              COUNT(*) AS groups
       FROM dead_letter_groups WHERE unresolved > 0 AND ($1 = '' OR queue = $1)`,
      args.queue ?? '',
    );
    return {
      waiting: Number(row?.waiting ?? 0),
      unresolved: Number(row?.unresolved ?? 0),
      groups: Number(row?.groups ?? 0),
    };
  },
  { readOnly: true },
);

/** `first` letter of a cause, ten times as many as last told, or none left. */
export interface Announcement extends LetterGroup {
  kind: 'first' | 'growing' | 'cleared';
}

/** What is to be told about a group that was last told of at `announced` letters (0 for not at all). */
export function announcementOf(
  unresolved: number,
  announced: number,
): { kind: Announcement['kind']; announced: number } | undefined {
  if (unresolved === 0) return announced === 0 ? undefined : { kind: 'cleared', announced: 0 };
  const step = 10 ** Math.floor(Math.log10(unresolved));
  if (announced === 0) return { kind: 'first', announced: step };
  return step > announced ? { kind: 'growing', announced: step } : undefined;
}

/** Takes what is to be announced about a queue's episodes; each announcement is taken once. */
export const takeAnnouncements = defineOperation(
  import.meta.url,
  'takeAnnouncements',
  function* (args: { queue: string }, context): Step<Announcement[]> {
    const rows = yield* query<GroupRow>(
      `SELECT * FROM dead_letter_groups WHERE queue = $1
         AND ((unresolved = 0 AND announced > 0) OR (unresolved > 0 AND (announced = 0 OR unresolved >= announced * 10)))
       ORDER BY fingerprint LIMIT 100${context.dialect === 'postgresql' ? ' FOR UPDATE' : ''}`,
      args.queue,
    );
    const announcements: Announcement[] = [];
    for (const row of rows) {
      const next = announcementOf(Number(row.unresolved), Number(row.announced));
      if (next === undefined) continue;
      yield* query(
        'UPDATE dead_letter_groups SET announced = $1 WHERE queue = $2 AND fingerprint = $3',
        next.announced,
        row.queue,
        row.fingerprint,
      );
      announcements.push({ ...groupOf(row), kind: next.kind });
    }
    return announcements;
  },
);

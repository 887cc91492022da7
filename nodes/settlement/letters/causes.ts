/** What people want to know of a cause: who looks after it, how it grows, and what solved one like it before. */
import { uuidv7 } from '../../kernel/id.ts';
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';
import { type Act, once } from '../../kernel/store/act.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export interface Owner {
  queue: string;
  fingerprint: string;
  assignee: string;
  by: string;
  note: string;
  at: number;
}

/** Gives causes to a person, or with an empty name to nobody. */
export const assignCauses = defineOperation(
  import.meta.url,
  'assignCauses',
  function* (
    request: Act & { causes: readonly { queue: string; fingerprint: string }[]; assignee: string },
    context,
  ): Step<{ count: number }> {
    return yield* once('assign', request, context.now, function* () {
      for (const { queue, fingerprint } of request.causes) {
        yield* query('DELETE FROM dead_letter_owners WHERE queue = $1 AND fingerprint = $2', queue, fingerprint);
        if (request.assignee === '') continue;
        yield* query(
          `INSERT INTO dead_letter_owners (queue, fingerprint, assignee, assigned_by, note, assigned_at)
           VALUES ($1, $2, $3, $4, $5, $6)`,
          queue,
          fingerprint,
          request.assignee,
          request.actor,
          request.reason,
          context.now,
        );
      }
      const only = request.causes.length === 1 ? request.causes[0] : undefined;
      context.audit({
        action: 'deadletter.assigned',
        outcome: 'success',
        actor: request.actor,
        subject: only?.fingerprint ?? request.token,
        reason: request.reason,
        detail: {
          to: request.assignee,
          causes: request.causes.length,
          ...(only === undefined ? {} : { queue: only.queue }),
        },
      });
      return { count: request.causes.length };
    });
  },
);

/** Of every cause that has one. */
export const causeOwners = defineOperation(
  import.meta.url,
  'causeOwners',
  function* (_: undefined): Step<Owner[]> {
    const rows = yield* query('SELECT * FROM dead_letter_owners ORDER BY assigned_at DESC LIMIT 1000');
    return rows.map((row) => ({
      queue: row.queue as string,
      fingerprint: row.fingerprint as string,
      assignee: row.assignee as string,
      by: row.assigned_by as string,
      note: row.note as string,
      at: Number(row.assigned_at),
    }));
  },
  { readOnly: true },
);

const hour = 3_600_000;
const hours = 24;

/** The least id of a letter collected at an instant: ids begin with their time (RFC 9562). */
const firstIdAt = (instant: number): string => `${uuidv7(Math.max(0, instant)).slice(0, 15)}000-8000-000000000000`;

export interface Trend {
  queue: string;
  fingerprint: string;
  /** Letters collected in each of the last 24 hours, the present one last. */
  hours: number[];
}

/** How each cause has grown in the last day. */
export const causeTrends = defineOperation(
  import.meta.url,
  'causeTrends',
  function* (_: undefined, { now }): Step<Trend[]> {
    const rows = yield* query<{ queue: string; fingerprint: string; slot: number; letters: number }>(
      `SELECT queue, fingerprint, received_at / ${hour} AS slot, COUNT(*) AS letters
       FROM dead_letters WHERE id >= $1 GROUP BY queue, fingerprint, received_at / ${hour}`,
      firstIdAt(now - hours * hour),
    );
    const present = Math.floor(now / hour);
    const trends = new Map<string, Trend>();
    for (const { queue, fingerprint, slot, letters } of rows) {
      const index = hours - 1 - (present - Number(slot));
      if (index < 0 || index >= hours) continue;
      const key = `${queue}\n${fingerprint}`;
      const trend = trends.get(key) ?? { queue, fingerprint, hours: new Array<number>(hours).fill(0) };
      trend.hours[index] = Number(letters);
      trends.set(key, trend);
    }
    return [...trends.values()];
  },
  { readOnly: true },
);

/** How an earlier cause of the same code came to its end. */
export interface PastCause {
  queue: string;
  fingerprint: string;
  cause: string;
  code: string;
  lastAt: number;
  total: number;
  /** Letters by how they ended. */
  resolved: number;
  edited: number;
  discarded: number;
  /** What the person wrote who ended it, the newest. */
  reason: string | null;
  actor: string | null;
}

export interface CauseStory {
  /** The letter that failed last. */
  sample: { id: string; messageId: string; businessKey: string | null; message: string } | null;
  /** Of this cause itself first, then of others with the same code. */
  past: PastCause[];
}

const pastLimit = 3;

export const causeStory = defineOperation(
  import.meta.url,
  'causeStory',
  function* ({ queue, fingerprint }: { queue: string; fingerprint: string }): Step<CauseStory> {
    const [sample] = yield* query(
      `SELECT id, message_id, business_key, failure_message FROM dead_letters
       WHERE queue = $1 AND fingerprint = $2 ORDER BY id DESC LIMIT 1`,
      queue,
      fingerprint,
    );
    const candidates = yield* query(
      `SELECT g.queue, g.fingerprint, g.cause, g.failure_code, g.last_at, g.total FROM dead_letter_groups AS g
       WHERE g.failure_code = (SELECT failure_code FROM dead_letter_groups WHERE queue = $1 AND fingerprint = $2)
         AND (g.total > g.unresolved)
       ORDER BY CASE WHEN g.queue = $1 AND g.fingerprint = $2 THEN 0 ELSE 1 END, g.last_at DESC LIMIT ${pastLimit}`,
      queue,
      fingerprint,
    );
    const past: PastCause[] = [];
    for (const row of candidates) past.push(yield* pastOf(row));
    return {
      sample:
        sample === undefined
          ? null
          : {
              id: sample.id as string,
              messageId: sample.message_id as string,
              businessKey: sample.business_key as string | null,
              message: sample.failure_message as string,
            },
      past: past.filter(({ resolved, discarded }) => resolved + discarded > 0),
    };
  },
  { readOnly: true },
);

function* pastOf(row: Row): Step<PastCause> {
  const queue = row.queue as string;
  const fingerprint = row.fingerprint as string;
  // The newest thousand tell; a cause may have hundreds of thousands.
  const [counts] = yield* query<{ resolved: number; discarded: number; edited: number }>(
    `SELECT COALESCE(SUM(CASE WHEN l.state = 'resolved' THEN 1 ELSE 0 END), 0) AS resolved,
            COALESCE(SUM(CASE WHEN l.state = 'discarded' THEN 1 ELSE 0 END), 0) AS discarded,
            COALESCE(SUM(CASE WHEN l.state = 'resolved' AND EXISTS (SELECT 1 FROM dead_letter_edits AS e WHERE e.letter_id = l.id) THEN 1 ELSE 0 END), 0) AS edited
     FROM (SELECT id, state FROM dead_letters WHERE queue = $1 AND fingerprint = $2 ORDER BY id DESC LIMIT 1000) AS l`,
    queue,
    fingerprint,
  );
  const [end] = yield* query<{ reason: string | null; actor: string | null }>(
    `SELECT COALESCE(CASE WHEN l.state = 'resolved' THEN j.reason END, l.closed_reason) AS reason, COALESCE(CASE WHEN l.state = 'discarded' THEN l.closed_by END, j.actor) AS actor
     FROM (SELECT * FROM dead_letters WHERE queue = $1 AND fingerprint = $2 ORDER BY id DESC LIMIT 1000) AS l
       LEFT JOIN replay_jobs AS j ON j.id = l.job_id
     WHERE l.state IN ('resolved', 'discarded') ORDER BY l.closed_at DESC LIMIT 1`,
    queue,
    fingerprint,
  );
  return {
    queue,
    fingerprint,
    cause: row.cause as string,
    code: row.failure_code as string,
    lastAt: Number(row.last_at),
    total: Number(row.total),
    resolved: Number(counts?.resolved ?? 0),
    edited: Number(counts?.edited ?? 0),
    discarded: Number(counts?.discarded ?? 0),
    reason: end?.reason ?? null,
    actor: end?.actor ?? null,
  };
}

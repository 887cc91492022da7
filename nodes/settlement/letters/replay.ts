/** Sending letters again: what the replayer asks of the store. */
import {
  defineOperation,
  type OperationContext,
  query,
  type Row,
  type Statement,
} from '../../kernel/store/operation.ts';
import { moveAll } from './groups.ts';

type Step<R> = Generator<Statement, R, Row[]>;

/** A letter to be sent to its queue. */
export interface ReplayItem {
  id: string;
  queue: string;
  messageId: string;
  generation: number;
  jobId: string;
  /** Letters a second, of its job. */
  rate: number;
  contentType: string;
  properties: string;
  body: Uint8Array;
  bodyKey: string | null;
  /** What {@link PayloadCipher} bound the bytes to. */
  context: string;
  /** The job's change, sealed, when it has yet to be made in this letter. */
  change?: { sealed: Uint8Array; key: string | null };
}

type ItemRow = {
  id: string;
  queue: string;
  message_id: string;
  generation: number;
  job_id: string;
  content_type: string;
  properties: string;
  body: Uint8Array;
  body_key: string | null;
};

type JobTerms = { rate: number; change_sealed: Uint8Array | null; change_key: string | null };

/** What a payload is sealed for: the message in its queue, and for an edit its generation. */
export function sealContext(queue: string, messageId: string, generation?: number): string {
  return JSON.stringify(generation === undefined ? [queue, messageId] : [queue, messageId, generation]);
}

/**
 * Leases the next letters of a queue to this replayer until `leaseUntil`, so that two Node-RED instances do not send
 * the same letter at once. A crash leaves them `replaying`; they are sent again after the lease. Same message id:
 * the idempotency gate sees a duplicate.
 */
export const claimReplays = defineOperation(
  import.meta.url,
  'claimReplays',
  function* (args: { queue: string; limit: number; lease: number }, context): Step<ReplayItem[]> {
    const rows = yield* query<ItemRow>(
      `UPDATE dead_letters SET lease_until = $1
       WHERE state = 'replaying' AND lease_until < $2 AND id IN (
         SELECT id FROM dead_letters WHERE queue = $3 AND state = 'replaying' AND lease_until < $2 ORDER BY id LIMIT $4)
       RETURNING id, queue, message_id, generation, job_id, content_type, properties, body, body_key`,
      context.now + args.lease,
      context.now,
      args.queue,
      args.limit,
    );
    if (rows.length === 0) yield* finishLeftJobs(context);
    const jobs = new Map<string, JobTerms | undefined>();
    const items: ReplayItem[] = [];
    for (const row of rows.sort((a, b) => (a.id < b.id ? -1 : 1))) {
      if (!jobs.has(row.job_id)) {
        const [terms] = yield* query<JobTerms>(
          'SELECT rate, change_sealed, change_key FROM replay_jobs WHERE id = $1',
          row.job_id,
        );
        jobs.set(row.job_id, terms);
      }
      const job = jobs.get(row.job_id);
      const [latest] = yield* query<{
        generation: number;
        body: Uint8Array;
        body_key: string | null;
        content_type: string;
      }>(
        `SELECT generation, body, body_key, content_type FROM dead_letter_edits
         WHERE letter_id = $1 ORDER BY generation DESC LIMIT 1`,
        row.id,
      );
      const generation = Number(row.generation);
      // A change is made in the original, once for each replay.
      const made = job?.change_sealed == null || Number(latest?.generation ?? -1) === generation;
      const edit = made ? latest : undefined;
      items.push({
        id: row.id,
        queue: row.queue,
        messageId: row.message_id,
        generation,
        jobId: row.job_id,
        rate: Number(job?.rate ?? 1),
        contentType: edit?.content_type ?? row.content_type,
        properties: row.properties,
        body: edit?.body ?? row.body,
        bodyKey: edit === undefined ? row.body_key : edit.body_key,
        context: sealContext(row.queue, row.message_id, edit === undefined ? undefined : Number(edit.generation)),
        ...(made ? {} : { change: { sealed: job!.change_sealed!, key: job!.change_key } }),
      });
    }
    return items;
  },
);

/** Ends those of the jobs that have nothing left to send. @returns their ids */
function* finishJobs(jobIds: readonly string[], context: OperationContext): Step<string[]> {
  const finished: string[] = [];
  for (const jobId of jobIds) {
    const rows = yield* query<{ id: string; total: number }>(
      `UPDATE replay_jobs SET state = 'done', finished_at = $1 WHERE id = $2 AND state = 'running'
         AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE job_id = $2 AND state = 'replaying')
       RETURNING id, total`,
      context.now,
      jobId,
    );
    for (const { id, total } of rows) {
      finished.push(id);
      context.audit({
        action: 'deadletter.replay-finished',
        outcome: 'success',
        actor: 'flow',
        subject: id,
        detail: { count: Number(total) },
      });
    }
  }
  return finished;
}

/** The flow may have ended letters that a killed process had sent and not noted: nobody else ends their jobs. */
function* finishLeftJobs(context: OperationContext): Step<void> {
  const jobs = yield* query<{ id: string }>(
    `SELECT id FROM replay_jobs WHERE state = 'running'
       AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE job_id = replay_jobs.id AND state = 'replaying')
     ORDER BY id LIMIT 100`,
  );
  if (jobs.length > 0)
    yield* finishJobs(
      jobs.map(({ id }) => id),
      context,
    );
}

export interface SentItem {
  id: string;
  generation: number;
  jobId: string;
  /** `waits`: the broker did not take it, it stays in the job; `refused`: it never will, a person must look. */
  outcome: 'sent' | 'waits' | 'refused';
}

/** Notes what was sent, and closes the jobs that have nothing left to send. @returns ids of finished jobs */
export const noteReplays = defineOperation(
  import.meta.url,
  'noteReplays',
  function* (args: { items: SentItem[] }, context): Step<string[]> {
    for (const { id, generation, outcome } of args.items) {
      if (outcome === 'sent') {
        yield* query(
          "UPDATE dead_letters SET state = 'replayed' WHERE id = $1 AND generation = $2 AND state = 'replaying'",
          id,
          generation,
        );
      } else if (outcome === 'waits') {
        yield* query("UPDATE dead_letters SET lease_until = 0 WHERE id = $1 AND state = 'replaying'", id);
      } else {
        const rows = yield* query<{ queue: string; fingerprint: string }>(
          `UPDATE dead_letters SET state = 'failed-again', lease_until = 0
           WHERE id = $1 AND generation = $2 AND state = 'replaying' RETURNING queue, fingerprint`,
          id,
          generation,
        );
        yield* moveAll(rows, 'replaying', 'failed-again');
      }
    }
    return yield* finishJobs([...new Set(args.items.map((item) => item.jobId))].sort(), context);
  },
);

export interface ReplayJob {
  id: string;
  state: 'running' | 'done' | 'cancelled';
  actor: string;
  reason: string;
  total: number;
  rate: number;
  createdAt: number;
  finishedAt: number | null;
  /** Letters of the job by what became of them. */
  waiting: number;
  sent: number;
  resolved: number;
  failedAgain: number;
}

type JobRow = {
  id: string;
  state: ReplayJob['state'];
  actor: string;
  reason: string;
  total: number;
  rate: number;
  created_at: number;
  finished_at: number | null;
};

/** The newest jobs with their progress. */
export const listJobs = defineOperation(
  import.meta.url,
  'listJobs',
  function* (args: { limit: number }): Step<ReplayJob[]> {
    const rows = yield* query<JobRow>(
      'SELECT id, state, actor, reason, total, rate, created_at, finished_at FROM replay_jobs ORDER BY created_at DESC, id DESC LIMIT $1',
      args.limit,
    );
    const jobs: ReplayJob[] = [];
    for (const row of rows) {
      const counts = yield* query<{ state: string; count: number }>(
        'SELECT state, COUNT(*) AS count FROM dead_letters WHERE job_id = $1 GROUP BY state',
        row.id,
      );
      const countOf = (state: string) => Number(counts.find((count) => count.state === state)?.count ?? 0);
      jobs.push({
        id: row.id,
        state: row.state,
        actor: row.actor,
        reason: row.reason,
        total: Number(row.total),
        rate: Number(row.rate),
        createdAt: Number(row.created_at),
        finishedAt: row.finished_at === null ? null : Number(row.finished_at),
        waiting: countOf('replaying'),
        sent: countOf('replayed'),
        resolved: countOf('resolved'),
        failedAgain: countOf('failed-again'),
      });
    }
    return jobs;
  },
  { readOnly: true },
);

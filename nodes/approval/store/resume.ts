/**
 * Letting a decided message go on: what is left to send is in the store. A request is leased to one node of one
 * process; the fence tells a holder whose lease was taken over from the one who has it now.
 */
import type { AuditEntry } from '../../kernel/audit/entry.ts';
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';
import { factColumns, requestOfRow, type StoredRequest } from '../request.ts';
import { factsOf } from './decide.ts';
import { oweNotice } from './notices.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export interface Resumption extends StoredRequest {
  fence: number;
}

/** Milliseconds: a longer wait than this can only come from a clock that was set back since. */
const longestWait = 2 * 3_600_000;

export const claimDecided = defineOperation(
  import.meta.url,
  'claimDecided',
  function* (args: { process: string; limit: number; lease: number }, { now }): Step<Resumption[]> {
    const free = '(lease_until < $2 OR lease_until > $3) AND (next_try_at <= $2 OR next_try_at > $4)';
    const rows = yield* query(
      `UPDATE approval_requests SET lease_until = $1, fence = fence + 1
       WHERE state = 'decided' AND ${free} AND id IN (
         SELECT id FROM approval_requests WHERE process = $5 AND state = 'decided' AND ${free} ORDER BY id LIMIT $6)
       RETURNING ${factColumns}, body, body_key, fence`,
      now + args.lease,
      now,
      now + 2 * args.lease,
      now + longestWait,
      args.process,
      args.limit,
    );
    return rows
      .map((row) => ({
        ...requestOfRow(row),
        body: row.body as Uint8Array,
        bodyKey: row.body_key as string | null,
        fence: Number(row.fence),
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  },
);

export interface Held {
  id: string;
  fence: number;
}

/** @returns those still held */
export const renewResumptions = defineOperation(
  import.meta.url,
  'renewResumptions',
  function* ({ held, lease }: { held: Held[]; lease: number }, { now }): Step<string[]> {
    const still: string[] = [];
    for (const { id, fence } of held) {
      const rows = yield* query(
        "UPDATE approval_requests SET lease_until = $1 WHERE id = $2 AND fence = $3 AND state = 'decided' RETURNING id",
        now + lease,
        id,
        fence,
      );
      if (rows.length > 0) still.push(id);
    }
    return still;
  },
);

/** `done`: the flow settled it; `again`: after a delay; `failed`: the flow failed for good, a person must look. */
export type Ending =
  | { kind: 'done' }
  | { kind: 'again'; delay: number; counts: boolean; failure?: { code: string; message: string } }
  | { kind: 'failed'; failure: { code: string; message: string } };

/**
 * @returns false when somebody else holds the request now, or it has ended; `heldUntil` of the notice that the caller
 * tells when it failed
 */
export const endResumption = defineOperation(
  import.meta.url,
  'endResumption',
  function* ({ id, fence, ending }: Held & { ending: Ending }, context): Step<false | { heldUntil?: number }> {
    const { now } = context;
    const entry = (row: Row, action: string, outcome: AuditEntry['outcome'], reason?: string): AuditEntry => {
      const request = requestOfRow(row);
      return {
        action,
        outcome,
        actor: 'flow',
        ...factsOf(request),
        ...(reason === undefined ? {} : { reason }),
        detail: { request: id, process: request.process, decision: request.outcome ?? '' },
      };
    };
    if (ending.kind === 'again') {
      const rows = yield* query(
        `UPDATE approval_requests SET lease_until = 0, next_try_at = $1, failures = failures + $2,
           failure_code = COALESCE($3, failure_code), failure_message = COALESCE($4, failure_message)
         WHERE id = $5 AND fence = $6 AND state = 'decided' RETURNING id`,
        ending.delay === 0 ? 0 : now + Math.min(ending.delay, longestWait),
        ending.counts ? 1 : 0,
        ending.failure?.code ?? null,
        ending.failure?.message ?? null,
        id,
        fence,
      );
      return rows.length > 0 && {};
    }
    const failure = ending.kind === 'failed' ? ending.failure : undefined;
    const [row] = yield* query(
      `UPDATE approval_requests SET state = $1, lease_until = 0, closed_at = $2, failure_code = $3, failure_message = $4
       WHERE id = $5 AND fence = $6 AND state = 'decided' RETURNING ${factColumns}`,
      failure === undefined ? 'resumed' : 'failed',
      failure === undefined ? now : null,
      failure?.code ?? null,
      failure?.message ?? null,
      id,
      fence,
    );
    if (row === undefined) return false;
    const ended = failure === undefined ? {} : { heldUntil: yield* oweNotice(requestOfRow(row), 'failed', now) };
    context.audit(
      failure === undefined
        ? entry(row, 'approval.resumed', 'success')
        : entry(row, 'approval.resume-failed', 'failure', failure.code),
    );
    return ended;
  },
);

/** A person lets a decided message whose flow failed go on once more. @returns false when it is not failed */
export const continueAgain = defineOperation(
  import.meta.url,
  'continueAgain',
  function* (args: { requestId: string; person: string; reason: string }, context): Step<boolean> {
    const [row] = yield* query(
      `UPDATE approval_requests SET state = 'decided', lease_until = 0, next_try_at = 0, failures = 0
       WHERE id = $1 AND state = 'failed' RETURNING ${factColumns}`,
      args.requestId,
    );
    if (row === undefined) return false;
    const request = requestOfRow(row);
    context.audit({
      action: 'approval.continued',
      outcome: 'success',
      actor: args.person,
      reason: args.reason,
      ...factsOf(request),
      detail: { request: request.id, process: request.process },
    });
    return true;
  },
);

/** Removes at most `limit` closed requests of a process whose retention has passed; what awaits a review stays. */
export const purgeRequests = defineOperation(
  import.meta.url,
  'purgeRequests',
  function* (args: { process: string; retention: number; limit: number }, { now }): Step<number> {
    const rows = yield* query<{ id: string }>(
      `DELETE FROM approval_requests WHERE id IN (
         SELECT id FROM approval_requests WHERE process = $1 AND closed_at < $2
           AND (review_state IS NULL OR review_state IN ('confirmed', 'objected')) LIMIT $3)
       RETURNING id`,
      args.process,
      now - args.retention,
      args.limit,
    );
    for (const { id } of rows) {
      for (const table of ['approval_people', 'approval_votes', 'approval_links', 'approval_notices']) {
        yield* query(`DELETE FROM ${table} WHERE request_id = $1`, id);
      }
    }
    return rows.length;
  },
);

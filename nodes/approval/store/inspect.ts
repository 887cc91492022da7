/** What an inbox reads: lists, one request with its votes, totals. */
import { defineOperation, query, type Row, type SqlValue, type Statement } from '../../kernel/store/operation.ts';
import { authoritiesOf } from '../people.ts';
import { type ApprovalRequest, factColumns, requestOfRow, type StoredRequest, type Vote } from '../request.ts';
import { delegationsHolding } from './delegations.ts';
import { factsOf } from './decide.ts';

type Step<R> = Generator<Statement, R, Row[]>;

/**
 * - `mine`: open, and the person may decide, or must review;
 * - `asked`: requested by the person;
 * - `open`, `review`, `failed`, `closed`: of everybody.
 */
export const lists = ['mine', 'asked', 'open', 'review', 'failed', 'closed'] as const;
export type List = (typeof lists)[number];

export interface RequestPage {
  requests: (ApprovalRequest & { voted: boolean })[];
  /** `after` of the next page; absent on the last. */
  next?: string;
}

const pageLimit = 100;

const conditions: Record<Exclude<List, 'mine' | 'asked'>, string> = {
  open: "state = 'open'",
  review: "review_state IN ('due', 'overdue')",
  failed: "state = 'failed'",
  closed: "state IN ('decided', 'resumed')",
};

/** Newest first when closed, else the oldest first. */
export const listRequests = defineOperation(
  import.meta.url,
  'listRequests',
  function* (
    args: { list: List; person: string; process?: string; after?: string; limit?: number },
    { now },
  ): Step<RequestPage> {
    const values: SqlValue[] = [];
    const bind = (value: SqlValue): string => `$${values.push(value)}`;
    const where: string[] = [];
    const newestFirst = args.list === 'closed' || args.list === 'asked';
    if (args.list === 'mine') {
      const delegations = yield* delegationsHolding(now);
      const mine = authoritiesOf(args.person, delegations, args.process ?? '', now);
      // Delegations of one process only: found for every process here, and told apart by the vote itself.
      for (const { process } of delegations) {
        if (process !== '') mine.push(...authoritiesOf(args.person, delegations, process, now));
      }
      const places = [...new Set(mine)].map(bind).join(', ');
      where.push(`(state = 'open' OR review_state IN ('due', 'overdue'))
        AND id IN (SELECT request_id FROM approval_people WHERE person IN (${places}))
        AND (requester IS NULL OR requester <> ${bind(args.person)})
        AND (decided_by IS NULL OR decided_by <> ${bind(args.person)})
        AND (state <> 'open' OR NOT EXISTS (SELECT 1 FROM approval_votes v WHERE v.request_id = approval_requests.id
          AND v.revision = approval_requests.revision AND v.person = ${bind(args.person)}))`);
    } else if (args.list === 'asked') where.push(`requester = ${bind(args.person)}`);
    else where.push(conditions[args.list]);
    if (args.process !== undefined) where.push(`process = ${bind(args.process)}`);
    if (args.after !== undefined) where.push(`id ${newestFirst ? '<' : '>'} ${bind(args.after)}`);
    const limit = Math.min(Math.max(1, args.limit ?? 50), pageLimit);
    const rows = yield* query(
      `SELECT ${factColumns} FROM approval_requests WHERE ${where.join(' AND ')}
       ORDER BY id ${newestFirst ? 'DESC' : 'ASC'} LIMIT ${bind(limit + 1)}`,
      ...values,
    );
    const requests: RequestPage['requests'] = [];
    for (const row of rows.slice(0, limit)) {
      const request = requestOfRow(row);
      const votes = yield* query(
        'SELECT 1 AS one FROM approval_votes WHERE request_id = $1 AND person = $2 LIMIT 1',
        request.id,
        args.person,
      );
      requests.push({ ...request, voted: votes.length > 0 });
    }
    return rows.length > limit ? { requests, next: requests.at(-1)!.id } : { requests };
  },
  { readOnly: true },
);

export interface OpenedRequest {
  request: StoredRequest;
  votes: Vote[];
  /** Who is assigned now. */
  people: string[];
  /** Whose authority the person has over it; empty when it is not theirs to decide. */
  authorities: string[];
}

export const openRequest = defineOperation(
  import.meta.url,
  'openRequest',
  function* (args: { id: string; person: string }, { now }): Step<OpenedRequest | undefined> {
    return yield* opened(args.id, args.person, now);
  },
  { readOnly: true },
);

function* opened(id: string, person: string, now: number): Step<OpenedRequest | undefined> {
  const [row] = yield* query(`SELECT ${factColumns}, body, body_key FROM approval_requests WHERE id = $1`, id);
  if (row === undefined) return undefined;
  const request: StoredRequest = {
    ...requestOfRow(row),
    body: row.body as Uint8Array,
    bodyKey: row.body_key as string | null,
  };
  const votes = yield* query(
    `SELECT revision, person, verdict, on_behalf_of, reason, at FROM approval_votes WHERE request_id = $1
     ORDER BY at, person`,
    id,
  );
  const people = yield* query<{ person: string }>(
    'SELECT person FROM approval_people WHERE request_id = $1 ORDER BY person',
    id,
  );
  const delegations = yield* delegationsHolding(now);
  const { terms, escalatedAt, reviewState } = request;
  const entitled = new Set([
    ...terms.seats.flat(),
    ...(escalatedAt === null && reviewState === null ? [] : terms.escalation),
  ]);
  return {
    request,
    votes: votes.map((vote) => ({
      revision: Number(vote.revision),
      person: vote.person as string,
      verdict: vote.verdict as Vote['verdict'],
      onBehalfOf: vote.on_behalf_of as string | null,
      reason: vote.reason as string,
      at: Number(vote.at),
    })),
    people: people.map((one) => one.person),
    authorities: authoritiesOf(person, delegations, request.process, now, request.requester ?? undefined).filter(
      (one) => entitled.has(one),
    ),
  };
}

/** Opens the whole document to a person's eyes, and says so in the audit trail first. */
export const revealRequest = defineOperation(
  import.meta.url,
  'revealRequest',
  function* (args: { id: string; person: string; reason: string }, context): Step<OpenedRequest | undefined> {
    const found = yield* opened(args.id, args.person, context.now);
    if (found === undefined) return undefined;
    context.audit({
      action: 'approval.revealed',
      outcome: 'success',
      actor: args.person,
      reason: args.reason,
      ...factsOf(found.request),
      detail: { request: args.id, process: found.request.process },
    });
    return found;
  },
);

/** Somebody tried a link that is not theirs, or not good. */
export const recordRefusedLink = defineOperation(
  import.meta.url,
  'recordRefusedLink',
  function* (args: { requestId: string; person: string; reason: string; madeFor?: string }, context): Step<void> {
    const [row] = yield* query(`SELECT ${factColumns} FROM approval_requests WHERE id = $1`, args.requestId);
    context.audit({
      action: 'approval.link-refused',
      outcome: 'failure',
      actor: args.person,
      reason: args.reason,
      ...(row === undefined ? { subject: args.requestId } : factsOf(requestOfRow(row))),
      detail: { request: args.requestId, ...(args.madeFor === undefined ? {} : { madeFor: args.madeFor }) },
    });
  },
);

export interface ProcessTotals {
  process: string;
  open: number;
  decided: number;
  failed: number;
  review: number;
  /** Of the oldest open request. */
  oldest: number | null;
}

export const approvalTotals = defineOperation(
  import.meta.url,
  'approvalTotals',
  function* (_: undefined): Step<ProcessTotals[]> {
    const rows = yield* query<{ process: string; state: string; count: number; oldest: number }>(
      `SELECT process, state, COUNT(*) AS count, MIN(created_at) AS oldest FROM approval_requests
       WHERE state IN ('open', 'decided', 'failed') GROUP BY process, state`,
    );
    const reviews = yield* query<{ process: string; count: number }>(
      `SELECT process, COUNT(*) AS count FROM approval_requests WHERE review_state IN ('due', 'overdue') GROUP BY process`,
    );
    const totals = new Map<string, ProcessTotals>();
    const of = (process: string): ProcessTotals => {
      const known = totals.get(process) ?? { process, open: 0, decided: 0, failed: 0, review: 0, oldest: null };
      totals.set(process, known);
      return known;
    };
    for (const { process, state, count, oldest } of rows) {
      of(process)[state as 'open' | 'decided' | 'failed'] = Number(count);
      if (state === 'open') of(process).oldest = Number(oldest);
    }
    for (const { process, count } of reviews) of(process).review = Number(count);
    return [...totals.values()].sort((a, b) => (a.process < b.process ? -1 : 1));
  },
  { readOnly: true },
);

/**
 * Deciding a request: by the votes of people, by an emergency, by the clock. Whatever decides locks the request's row
 * first, so that of two at the same moment one decides and the other is told. Refusals are results, not errors, so that
 * their audit entry stays.
 */
import type { AuditEntry } from '../../kernel/audit/entry.ts';
import {
  defineOperation,
  type OperationContext,
  query,
  type Row,
  type Statement,
} from '../../kernel/store/operation.ts';
import { authoritiesOf } from '../people.ts';
import {
  type ApprovalRequest,
  factColumns,
  type Outcome,
  type RequestState,
  requestOfRow,
  type Terms,
} from '../request.ts';
import { seatsTaken } from '../seats.ts';
import { delegationsHolding } from './delegations.ts';
import type { NoticeKind } from '../notice.ts';
import { forget, oweNotice, stillHolds, takeOver } from './notices.ts';

type Step<R> = Generator<Statement, R, Row[]>;

/** Who a request is about, for the audit trail. */
export function factsOf(request: {
  messageId: string;
  correlationId: string | null;
}): Pick<AuditEntry, 'subject' | 'correlationId'> {
  return {
    subject: request.messageId,
    ...(request.correlationId === null ? {} : { correlationId: request.correlationId }),
  };
}

export function* assignPeople(requestId: string, people: readonly string[]): Step<void> {
  for (const person of people) {
    yield* query(
      'INSERT INTO approval_people (request_id, person) VALUES ($1, $2) ON CONFLICT (request_id, person) DO NOTHING',
      requestId,
      person,
    );
  }
}

export interface Decision {
  outcome: Outcome;
  by: string;
  reason: string;
  emergency?: boolean;
}

type Decided = {
  id: string;
  process: string;
  messageId: string;
  correlationId: string | null;
  terms: Terms;
  deadlineAt: number;
};

/** The one place where a request becomes `decided`; the caller holds its row. */
export function* settleDecision(request: Decided, decision: Decision, context: OperationContext): Step<void> {
  const { outcome, by, reason, emergency = false } = decision;
  const reviewDue = emergency ? context.now + request.terms.reviewWithin : null;
  yield* query(
    `UPDATE approval_requests SET state = 'decided', outcome = $1, decided_by = $2, decided_at = $3,
       decision_reason = $4, emergency = $5, review_state = $6, review_due_at = $7, lease_until = 0, next_try_at = 0
     WHERE id = $8`,
    outcome,
    by,
    context.now,
    reason,
    emergency ? 1 : 0,
    emergency ? 'due' : null,
    reviewDue,
    request.id,
  );
  if (!emergency) yield* query('DELETE FROM approval_people WHERE request_id = $1', request.id);
  else {
    yield* assignPeople(request.id, [...request.terms.seats.flat(), ...request.terms.escalation]);
    yield* oweNotice(request, 'review', context.now, false);
  }
  context.audit({
    action: `approval.${outcome}`,
    outcome: 'success',
    actor: by,
    reason,
    ...factsOf(request),
    detail: { request: request.id, process: request.process, ...(emergency ? { emergency: true } : {}) },
  });
}

/** Locks the row until the end of the transaction and reads it. */
function* locked(id: string): Step<ApprovalRequest | undefined> {
  const [row] = yield* query(
    `UPDATE approval_requests SET version = version + 1 WHERE id = $1 RETURNING ${factColumns}`,
    id,
  );
  return row === undefined ? undefined : requestOfRow(row);
}

export interface Ballot {
  requestId: string;
  /** The document that the person saw. */
  revision: number;
  verdict: 'approve' | 'reject' | 'emergency';
  person: string;
  reason: string;
  /** Made by the page once for each press. */
  token: string;
  /** The document as changed by this person, sealed for the next revision. */
  edit?: { body: Uint8Array; bodyKey: string | null; paths: string[] };
  /** Of the link that led here. */
  nonce?: string;
  /** Where nobody signs in, the person is only what was typed. */
  unproven?: boolean;
}

export type Refusal =
  | 'unknown'
  | 'decided'
  | 'changed'
  | 'voted'
  | 'requester'
  | 'not-asked'
  | 'not-needed'
  | 'no-emergency'
  | 'link-used';

export type Verdict =
  /** `waiting`: approvals that are still needed. */
  | { kind: 'voted'; waiting: number; state: RequestState; outcome: Outcome | null }
  | { kind: 'refused'; why: Refusal; state?: RequestState; by?: string | null };

/** Counts a vote, and decides the request when it is the last one needed. The same token again changes nothing. */
export const castVote = defineOperation(
  import.meta.url,
  'castVote',
  function* (ballot: Ballot, context): Step<Verdict> {
    const request = yield* locked(ballot.requestId);
    if (request === undefined) return { kind: 'refused', why: 'unknown' };
    const votes = yield* votesOf(request);
    const mine = votes.find(({ person, token }) => person === ballot.person && token === ballot.token);
    if (mine !== undefined) {
      const waiting = request.state === 'open' ? request.terms.seats.length - taken(request, votes) : 0;
      return { kind: 'voted', waiting, state: request.state, outcome: request.outcome };
    }
    const why = yield* refusalOf(ballot, request, votes, context);
    if (why !== undefined) {
      context.audit({
        action: 'approval.refused',
        outcome: 'failure',
        actor: ballot.person,
        reason: why,
        ...factsOf(request),
        detail: { request: request.id, process: request.process, verdict: ballot.verdict },
      });
      return { kind: 'refused', why, state: request.state, by: request.decidedBy };
    }
    return yield* count(ballot, request, votes, context);
  },
);

/** `authorities`: whose authority the person had when they voted; a delegation that ends later does not undo a vote. */
type VoteRow = { revision: number; person: string; verdict: string; token: string; authorities: string };

function* votesOf({ id }: ApprovalRequest): Step<VoteRow[]> {
  return yield* query<VoteRow>(
    'SELECT revision, person, verdict, token, authorities FROM approval_votes WHERE request_id = $1 ORDER BY at, person',
    id,
  );
}

function* refusalOf(
  ballot: Ballot,
  request: ApprovalRequest,
  votes: VoteRow[],
  context: OperationContext,
): Step<Refusal | undefined> {
  const { person, verdict, nonce } = ballot;
  const { terms, requester } = request;
  if (request.state !== 'open' || request.deadlineAt <= context.now) return 'decided';
  if (person === requester) return 'requester';
  if (request.revision !== ballot.revision) return 'changed';
  if (votes.some((vote) => vote.person === person && Number(vote.revision) === request.revision)) return 'voted';
  const authorities = yield* authoritiesNow(person, request, context);
  if (verdict === 'emergency') {
    if (!terms.emergency.includes(person)) return 'no-emergency';
  } else if (!authorities.some((authority) => seatsNow(request).some((seat) => seat.includes(authority)))) {
    return 'not-asked';
  } else if (verdict === 'approve' && ballot.edit === undefined) {
    if (taken(request, [...votes, voteOf(ballot, request, authorities)]) === taken(request, votes)) return 'not-needed';
  }
  if (nonce === undefined) return undefined;
  // The link is spent with the vote, in one transaction.
  const spent = yield* query(
    `INSERT INTO approval_links (nonce, request_id, person, used_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (nonce) DO NOTHING RETURNING nonce`,
    nonce,
    request.id,
    person,
    context.now,
  );
  return spent.length === 0 ? 'link-used' : undefined;
}

function* count(ballot: Ballot, request: ApprovalRequest, votes: VoteRow[], context: OperationContext): Step<Verdict> {
  const { person, verdict, reason, edit } = ballot;
  const authorities = yield* authoritiesNow(person, request, context);
  const asked = authorities.find((one) => seatsNow(request).some((seat) => seat.includes(one)));
  const onBehalfOf = verdict === 'emergency' || asked === undefined || asked === person ? null : asked;
  const revision = edit === undefined ? request.revision : request.revision + 1;
  if (edit !== undefined) {
    // What others agreed to was another document: their votes stay on record under its revision and no longer count.
    yield* query(
      'UPDATE approval_requests SET body = $1, body_key = $2, revision = $3 WHERE id = $4',
      edit.body,
      edit.bodyKey,
      revision,
      request.id,
    );
  }
  yield* query(
    `INSERT INTO approval_votes (request_id, revision, person, verdict, on_behalf_of, authorities, reason, token, at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    request.id,
    revision,
    person,
    verdict,
    onBehalfOf,
    JSON.stringify(authorities),
    reason,
    ballot.token,
    context.now,
  );
  context.audit({
    action: 'approval.voted',
    outcome: 'success',
    actor: person,
    reason,
    ...factsOf(request),
    detail: {
      request: request.id,
      process: request.process,
      verdict,
      revision,
      ...(onBehalfOf === null ? {} : { onBehalfOf }),
      ...(edit === undefined ? {} : { changed: edit.paths.join(', ').slice(0, 500) }),
      ...(ballot.nonce === undefined ? {} : { byLink: true }),
      ...(ballot.unproven === true ? { unproven: true } : {}),
    },
  });
  const now: ApprovalRequest = { ...request, revision };
  if (verdict === 'emergency') {
    yield* settleDecision(now, { outcome: approvedOutcome(now), by: person, reason, emergency: true }, context);
    return { kind: 'voted', waiting: 0, state: 'decided', outcome: approvedOutcome(now) };
  }
  if (verdict === 'reject') {
    yield* settleDecision(now, { outcome: 'rejected', by: person, reason }, context);
    return { kind: 'voted', waiting: 0, state: 'decided', outcome: 'rejected' };
  }
  const waiting = now.terms.seats.length - taken(now, [...votes, voteOf(ballot, now, authorities)]);
  if (waiting > 0) return { kind: 'voted', waiting, state: 'open', outcome: null };
  const outcome = approvedOutcome(now);
  yield* settleDecision(now, { outcome, by: person, reason }, context);
  return { kind: 'voted', waiting: 0, state: 'decided', outcome };
}

/** The first revision is the document as it came. */
function approvedOutcome({ revision }: ApprovalRequest): Outcome {
  return revision > 1 ? 'changed' : 'approved';
}

function voteOf({ person, verdict, token }: Ballot, { revision }: ApprovalRequest, authorities: string[]): VoteRow {
  return { person, verdict, token, revision, authorities: JSON.stringify(authorities) };
}

/** Seats that the votes for the present revision take. */
function taken(request: ApprovalRequest, votes: readonly VoteRow[]): number {
  const voters = votes
    .filter(({ verdict, revision }) => verdict === 'approve' && Number(revision) === request.revision)
    .map(({ person, authorities }) => ({ person, authorities: JSON.parse(authorities) as string[] }));
  return seatsTaken(seatsNow(request), voters);
}

/** Once escalated, the people that the policy names may take any seat. */
function seatsNow({ terms, escalatedAt }: ApprovalRequest): string[][] {
  return escalatedAt === null ? terms.seats : terms.seats.map((seat) => [...seat, ...terms.escalation]);
}

function* authoritiesNow(person: string, request: ApprovalRequest, { now }: OperationContext): Step<string[]> {
  const delegations = yield* delegationsHolding(now);
  return authoritiesOf(person, delegations, request.process, now, request.requester ?? undefined);
}

// --- The clock ------------------------------------------------------------------------------------------------------

export interface Notice {
  kind: NoticeKind;
  request: ApprovalRequest;
  people: string[];
  heldUntil: number;
}

/** Whom a notice is for. */
function* peopleOf(kind: NoticeKind, request: ApprovalRequest): Step<string[]> {
  const { terms } = request;
  switch (kind) {
    case 'failed':
      return [];
    case 'escalation':
      return terms.escalation;
    case 'review':
      return terms.seats.flat();
    case 'review-overdue':
      return [...terms.seats.flat(), ...terms.escalation];
    case 'requested':
    case 'reminder': {
      const people = yield* query<{ person: string }>(
        'SELECT person FROM approval_people WHERE request_id = $1 ORDER BY person',
        request.id,
      );
      const voted = new Set(
        (yield* votesOf(request))
          .filter((vote) => Number(vote.revision) === request.revision)
          .map((vote) => vote.person),
      );
      return people.map(({ person }) => person).filter((person) => !voted.has(person));
    }
  }
}

/** Notices that somebody owed and did not tell; those that no longer say what is so are let go. */
function* leftNotices(process: string, { now }: OperationContext): Step<Notice[]> {
  const notices: Notice[] = [];
  for (const { id, kind, heldUntil } of yield* takeOver(process, now)) {
    const [row] = yield* query(`SELECT ${factColumns} FROM approval_requests WHERE id = $1`, id);
    const request = row === undefined ? undefined : requestOfRow(row);
    if (stillHolds(kind, request)) notices.push({ kind, request, people: yield* peopleOf(kind, request), heldUntil });
    else yield* forget(id, kind);
  }
  return notices;
}

/** Requests that one turn of the clock looks at. */
const turn = 100;

/** Reminds, escalates and decides what is due. @returns what people are to be told; the caller holds each and tells it */
export const advanceClock = defineOperation(
  import.meta.url,
  'advanceClock',
  function* ({ process }: { process: string }, context): Step<{ notices: Notice[]; decided: number; more: boolean }> {
    const due = yield* query<{ id: string }>(
      `SELECT id FROM approval_requests WHERE process = $1 AND state = 'open' AND due_at <= $2 ORDER BY id LIMIT ${turn}`,
      process,
      context.now,
    );
    const notices: Notice[] = [];
    let decided = 0;
    for (const { id } of due) {
      const [row] = yield* query(
        `UPDATE approval_requests SET version = version + 1 WHERE id = $1 AND state = 'open' AND due_at <= $2
         RETURNING ${factColumns}, remind_at, escalate_at`,
        id,
        context.now,
      );
      if (row === undefined) continue;
      const notice = yield* turnOf(requestOfRow(row), row, context);
      if (notice === 'decided') decided++;
      else if (notice !== undefined) notices.push(notice);
    }
    const overdue = yield* query(
      `UPDATE approval_requests SET review_state = 'overdue'
       WHERE process = $1 AND review_state = 'due' AND review_due_at <= $2 RETURNING ${factColumns}`,
      process,
      context.now,
    );
    for (const row of overdue) {
      const request = requestOfRow(row);
      context.audit({
        action: 'approval.review-overdue',
        outcome: 'failure',
        actor: 'policy',
        ...factsOf(request),
        detail: { request: request.id, process },
      });
      const heldUntil = yield* oweNotice(request, 'review-overdue', context.now);
      notices.push({ kind: 'review-overdue', request, people: yield* peopleOf('review-overdue', request), heldUntil });
    }
    // After those of this turn, which outdo some.
    notices.push(...(yield* leftNotices(process, context)));
    return { notices, decided, more: due.length === turn };
  },
);

function* turnOf(request: ApprovalRequest, row: Row, context: OperationContext): Step<Notice | 'decided' | undefined> {
  const { now } = context;
  const { terms, deadlineAt } = request;
  if (deadlineAt <= now) {
    const outcome = ({ expire: 'expired', reject: 'rejected', approve: 'approved' } as const)[terms.onDeadline];
    const decision: Decision = { outcome, by: 'policy', reason: 'Nobody decided before the deadline' };
    yield* settleDecision(
      request,
      outcome === 'approved' ? { ...decision, outcome: approvedOutcome(request) } : decision,
      context,
    );
    return 'decided';
  }
  const escalateAt = row.escalate_at === null ? null : Number(row.escalate_at);
  const escalates = escalateAt !== null && escalateAt <= now;
  let remindAt = row.remind_at === null ? null : Number(row.remind_at);
  const reminds = remindAt !== null && remindAt <= now;
  // A clock that was set forward, or a Node-RED that was off, brings one reminder, not all that were missed.
  if (reminds) remindAt = now + terms.remindEvery;
  const nextEscalation = escalates ? null : escalateAt;
  yield* query(
    `UPDATE approval_requests SET remind_at = $1, escalate_at = $2, escalated_at = COALESCE($3, escalated_at), due_at = $4
     WHERE id = $5`,
    remindAt,
    nextEscalation,
    escalates ? now : null,
    Math.min(deadlineAt, nextEscalation ?? deadlineAt, remindAt ?? deadlineAt),
    request.id,
  );
  if (escalates) {
    yield* assignPeople(request.id, terms.escalation);
    context.audit({
      action: 'approval.escalated',
      outcome: 'success',
      actor: 'policy',
      ...factsOf(request),
      detail: { request: request.id, process: request.process, to: terms.escalation.join(', ').slice(0, 500) },
    });
    const heldUntil = yield* oweNotice(request, 'escalation', now);
    return { kind: 'escalation', request: { ...request, escalatedAt: now }, people: terms.escalation, heldUntil };
  }
  if (!reminds) return undefined;
  const heldUntil = yield* oweNotice(request, 'reminder', now);
  return { kind: 'reminder', request, people: yield* peopleOf('reminder', request), heldUntil };
}

// --- Review after an emergency ----------------------------------------------------------------------------------------

export type ReviewVerdict =
  | { kind: 'reviewed'; state: 'confirmed' | 'objected' }
  | { kind: 'refused'; why: 'unknown' | 'no-review' | 'requester' | 'same-person' | 'not-asked' };

/** Somebody who neither asked for it nor let it pass looks at what an emergency let pass. */
export const reviewEmergency = defineOperation(
  import.meta.url,
  'reviewEmergency',
  function* (
    review: { requestId: string; person: string; verdict: 'confirmed' | 'objected'; reason: string },
    context,
  ): Step<ReviewVerdict> {
    const request = yield* locked(review.requestId);
    if (request === undefined) return { kind: 'refused', why: 'unknown' };
    const refused = (why: 'no-review' | 'requester' | 'same-person' | 'not-asked'): ReviewVerdict => {
      context.audit({
        action: 'approval.refused',
        outcome: 'failure',
        actor: review.person,
        reason: why,
        ...factsOf(request),
        detail: { request: request.id, process: request.process, verdict: 'review' },
      });
      return { kind: 'refused', why };
    };
    if (request.reviewedBy === review.person && request.reviewState === review.verdict) {
      return { kind: 'reviewed', state: review.verdict };
    }
    if (request.reviewState !== 'due' && request.reviewState !== 'overdue') return refused('no-review');
    if (review.person === request.requester) return refused('requester');
    if (review.person === request.decidedBy) return refused('same-person');
    const reviewers = [...request.terms.seats.flat(), ...request.terms.escalation];
    const authorities = yield* authoritiesNow(review.person, request, context);
    if (!authorities.some((one) => reviewers.includes(one) && one !== request.decidedBy)) return refused('not-asked');
    yield* query(
      `UPDATE approval_requests SET review_state = $1, reviewed_by = $2, reviewed_at = $3, review_reason = $4
       WHERE id = $5`,
      review.verdict,
      review.person,
      context.now,
      review.reason,
      request.id,
    );
    yield* query('DELETE FROM approval_people WHERE request_id = $1', request.id);
    context.audit({
      action: 'approval.reviewed',
      outcome: review.verdict === 'confirmed' ? 'success' : 'failure',
      actor: review.person,
      reason: review.reason,
      ...factsOf(request),
      detail: { request: request.id, process: request.process, review: review.verdict },
    });
    return { kind: 'reviewed', state: review.verdict };
  },
);

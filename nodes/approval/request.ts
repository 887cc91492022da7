/** A request for approval as the store keeps it. */
import type { Row } from '../kernel/store/operation.ts';

/**
 * ```
 *   open ──vote, deadline, emergency──▶ decided ──the flow settled it──▶ resumed
 *                                        ▲   │
 *                        a person: again │   │ the flow failed for good
 *                                        └─ failed
 * ```
 */
export const requestStates = ['open', 'decided', 'resumed', 'failed'] as const;
export type RequestState = (typeof requestStates)[number];

export const outcomes = ['approved', 'rejected', 'expired', 'changed'] as const;
export type Outcome = (typeof outcomes)[number];

/** What the deadline does to a request that nobody has decided. */
export const deadlineActs = ['expire', 'reject', 'approve'] as const;
export type DeadlineAct = (typeof deadlineActs)[number];

/** `due`: passed in an emergency, somebody must look at it; `overdue`: nobody has, in time. */
export type ReviewState = 'due' | 'overdue' | 'confirmed' | 'objected';

/** What was agreed when the request was made; a later change of policy or node does not change it. Durations in ms. */
export interface Terms {
  seats: string[][];
  escalation: string[];
  emergency: string[];
  editable: string[];
  show: string[];
  onDeadline: DeadlineAct;
  remindEvery: number;
  reviewWithin: number;
}

export interface ApprovalRequest {
  id: string;
  process: string;
  messageId: string;
  generation: number;
  correlationId: string | null;
  title: string;
  amount: string | null;
  currency: string | null;
  category: string | null;
  costCentre: string | null;
  requester: string | null;
  reason: string | null;
  rule: string;
  policy: string;
  terms: Terms;
  revision: number;
  state: RequestState;
  outcome: Outcome | null;
  decidedBy: string | null;
  /** Milliseconds since the epoch, as all instants here. */
  decidedAt: number | null;
  decisionReason: string | null;
  emergency: boolean;
  createdAt: number;
  escalatedAt: number | null;
  deadlineAt: number;
  reviewState: ReviewState | null;
  reviewDueAt: number | null;
  reviewedBy: string | null;
  reviewedAt: number | null;
  reviewReason: string | null;
  failures: number;
  failureCode: string | null;
  failureMessage: string | null;
  closedAt: number | null;
}

/** With the sealed document. */
export interface StoredRequest extends ApprovalRequest {
  body: Uint8Array;
  bodyKey: string | null;
}

export interface Vote {
  revision: number;
  person: string;
  verdict: 'approve' | 'reject' | 'emergency';
  onBehalfOf: string | null;
  reason: string;
  at: number;
}

export const factColumns = `id, process, message_id, generation, correlation_id, title, amount, currency, category,
  cost_centre, requester, reason, rule, policy, terms, revision, state, outcome, decided_by, decided_at,
  decision_reason, emergency, created_at, escalated_at, deadline_at, review_state, review_due_at, reviewed_by,
  reviewed_at, review_reason, failures, failure_code, failure_message, closed_at`;

export function requestOfRow(row: Row): ApprovalRequest {
  const text = (name: string) => row[name] as string;
  const textOrNull = (name: string) => (row[name] ?? null) as string | null;
  const numberOrNull = (name: string) => (row[name] === null || row[name] === undefined ? null : Number(row[name]));
  return {
    id: text('id'),
    process: text('process'),
    messageId: text('message_id'),
    generation: Number(row.generation),
    correlationId: textOrNull('correlation_id'),
    title: text('title'),
    amount: textOrNull('amount'),
    currency: textOrNull('currency'),
    category: textOrNull('category'),
    costCentre: textOrNull('cost_centre'),
    requester: textOrNull('requester'),
    reason: textOrNull('reason'),
    rule: text('rule'),
    policy: text('policy'),
    terms: JSON.parse(text('terms')) as Terms,
    revision: Number(row.revision),
    state: text('state') as RequestState,
    outcome: textOrNull('outcome') as Outcome | null,
    decidedBy: textOrNull('decided_by'),
    decidedAt: numberOrNull('decided_at'),
    decisionReason: textOrNull('decision_reason'),
    emergency: Number(row.emergency) === 1,
    createdAt: Number(row.created_at),
    escalatedAt: numberOrNull('escalated_at'),
    deadlineAt: Number(row.deadline_at),
    reviewState: textOrNull('review_state') as ReviewState | null,
    reviewDueAt: numberOrNull('review_due_at'),
    reviewedBy: textOrNull('reviewed_by'),
    reviewedAt: numberOrNull('reviewed_at'),
    reviewReason: textOrNull('review_reason'),
    failures: Number(row.failures),
    failureCode: textOrNull('failure_code'),
    failureMessage: textOrNull('failure_message'),
    closedAt: numberOrNull('closed_at'),
  };
}

/** What a sealed document is sealed for: an older revision, or that of another request, does not open in its place. */
export function sealContext(id: string, revision: number): string {
  return JSON.stringify(['approval', id, revision]);
}

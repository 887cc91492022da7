/**
 * Notices that are owed: written in the transaction that makes one necessary, removed once it has been in the flow for a
 * moment. Who dies in between leaves it to the next one who looks, so that each is told at least once.
 */
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';
import type { NoticeKind } from '../notice.ts';
import type { ApprovalRequest } from '../request.ts';

type Step<R> = Generator<Statement, R, Row[]>;

/** Milliseconds that a holder has for telling a notice. */
const lease = 30_000;
/** Notices taken over at once. */
const slice = 100;

/** A notice that somebody holds. */
export interface HeldNotice {
  /** Of the request. */
  id: string;
  kind: NoticeKind;
  /** Milliseconds since the epoch; tells one holder from the next. */
  heldUntil: number;
}

/** What a notice says as well, so that the earlier one is not told after it. */
const outdoes: Partial<Record<NoticeKind, NoticeKind>> = { reminder: 'requested', 'review-overdue': 'review' };

/**
 * @param held the caller tells it at once; else whoever looks next does
 * @returns until when it is held: what the caller says when it has told it
 */
export function* oweNotice(
  { id, process }: { id: string; process: string },
  kind: NoticeKind,
  now: number,
  held = true,
): Step<number> {
  const heldUntil = held ? now + lease : 0;
  yield* query(
    `INSERT INTO approval_notices (request_id, kind, process, lease_until) VALUES ($1, $2, $3, $4)
     ON CONFLICT (request_id, kind) DO UPDATE SET lease_until = excluded.lease_until`,
    id,
    kind,
    process,
    heldUntil,
  );
  const earlier = outdoes[kind];
  if (earlier !== undefined) yield* forget(id, earlier);
  return heldUntil;
}

/** Notices of a process that nobody holds; from now on the caller does. A clock set back does not keep them for ever. */
export function* takeOver(process: string, now: number): Step<HeldNotice[]> {
  const free = '(lease_until <= $2 OR lease_until > $3)';
  const heldUntil = now + lease;
  const rows = yield* query<{ request_id: string; kind: NoticeKind }>(
    `UPDATE approval_notices SET lease_until = $1 WHERE ${free} AND (request_id, kind) IN (
       SELECT request_id, kind FROM approval_notices WHERE process = $4 AND ${free} ORDER BY request_id, kind LIMIT ${slice})
     RETURNING request_id, kind`,
    heldUntil,
    now,
    now + 2 * lease,
    process,
  );
  return rows.map(({ request_id: id, kind }) => ({ id, kind, heldUntil }));
}

export function* forget(requestId: string, kind: NoticeKind): Step<void> {
  yield* query('DELETE FROM approval_notices WHERE request_id = $1 AND kind = $2', requestId, kind);
}

/** False when what a notice would say is no longer so, or the request is gone. */
export function stillHolds(kind: NoticeKind, request: ApprovalRequest | undefined): request is ApprovalRequest {
  if (request === undefined) return false;
  switch (kind) {
    case 'requested':
    case 'reminder':
    case 'escalation':
      return request.state === 'open';
    case 'review':
      return request.reviewState === 'due';
    case 'review-overdue':
      return request.reviewState === 'overdue';
    case 'failed':
      return request.state === 'failed';
  }
}

/** They were in the flow for a moment: people are told. One that was owed again since, or is held by another, stays. */
export const noticesTold = defineOperation(
  import.meta.url,
  'noticesTold',
  function* ({ told }: { told: readonly HeldNotice[] }): Step<void> {
    for (const { id, kind, heldUntil } of told) {
      yield* query(
        'DELETE FROM approval_notices WHERE request_id = $1 AND kind = $2 AND lease_until = $3',
        id,
        kind,
        heldUntil,
      );
    }
  },
);

/**
 * Taking a message over from its flow. The request and the end of what the message owed are one transaction: the key is
 * completed here, and the delivery is acknowledged only after this is durable. A crash between brings the message
 * again, and it finds its request.
 */
import { complete, type StoredReply } from '../../idempotency/index.ts';
import { Failure } from '../../kernel/failure.ts';
import {
  defineOperation,
  type OperationContext,
  query,
  type Row,
  type Statement,
} from '../../kernel/store/operation.ts';
import type { RequestState, Terms } from '../request.ts';
import { assignPeople, factsOf, settleDecision } from './decide.ts';
import { oweNotice } from './notices.ts';

export interface NewRequest {
  id: string;
  process: string;
  messageId: string;
  documentHash: string;
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
  body: Uint8Array;
  bodyKey: string | null;
  /** Milliseconds from now. `escalateAfter` 0: never. */
  deadline: number;
  escalateAfter: number;
  /** The flow says that it cannot wait: it passes at once and is reviewed after. */
  emergency: boolean;
  /** Open requests of the process at which no more are taken. */
  limit: number;
  /** Key of the message, where it is of the same store. */
  completion: { scope: string; key: string; token: number; reply?: StoredReply } | null;
  node: string;
}

export interface Creation {
  /** `known`: the message came again and has its request. */
  kind: 'created' | 'known';
  id: string;
  state: RequestState;
  /** Who may decide and is to be told by the caller; empty when nobody needs to. */
  people: string[];
  deadlineAt: number;
  /** Of the notice that the caller tells; absent when there is none. */
  heldUntil?: number;
}

/**
 * @throws Failure `conflict` `IDEMPOTENCY_LEASE_LOST`, `saturation` `APPROVAL_INBOX_FULL`, `data-quality`
 * `APPROVAL_OTHER_DOCUMENT`
 */
export const createRequest = defineOperation(
  import.meta.url,
  'createRequest',
  function* (wanted: NewRequest, context): Generator<Statement, Creation, Row[]> {
    yield* completeKey(wanted, context);
    const known = yield* latest(wanted);
    if (known !== undefined) {
      const creation = asKnown(known, wanted);
      if (creation !== undefined) return creation;
    } else yield* checkRoom(wanted);
    const generation = known === undefined ? 1 : Number(known.generation) + 1;
    const created = yield* insert(wanted, generation, context);
    if (!created) {
      // Another process was faster with the same message.
      const faster = yield* latest(wanted);
      const creation = faster === undefined ? undefined : asKnown(faster, wanted);
      if (creation !== undefined) return creation;
      throw new Failure('conflict', 'APPROVAL_RACE', 'The same message is being stored for approval elsewhere.');
    }
    const { terms } = wanted;
    const people = [...new Set(terms.seats.flat())];
    context.audit({
      action: 'approval.requested',
      outcome: 'success',
      actor: wanted.requester ?? 'flow',
      node: wanted.node,
      ...factsOf(wanted),
      detail: {
        request: wanted.id,
        process: wanted.process,
        rule: wanted.rule,
        policy: wanted.policy,
        approvals: terms.seats.length,
        ...(wanted.amount === null ? {} : { amount: `${wanted.amount} ${wanted.currency ?? ''}`.trim() }),
      },
    });
    const deadlineAt = context.now + wanted.deadline;
    if (people.length === 0 || wanted.emergency) {
      yield* settleDecision(
        { ...wanted, deadlineAt },
        people.length === 0
          ? { outcome: 'approved', by: 'policy', reason: `No approval is needed: ${wanted.rule}` }
          : { outcome: 'approved', by: 'policy', reason: 'Emergency: passed at once, to be reviewed', emergency: true },
        context,
      );
      const decided: Creation = { kind: 'created', id: wanted.id, state: 'decided', people: [], deadlineAt };
      if (people.length === 0) return decided;
      return { ...decided, heldUntil: yield* oweNotice(wanted, 'review', context.now) };
    }
    yield* assignPeople(wanted.id, people);
    const heldUntil = yield* oweNotice(wanted, 'requested', context.now);
    return { kind: 'created', id: wanted.id, state: 'open', people, deadlineAt, heldUntil };
  },
);

function* completeKey({ completion }: NewRequest, context: OperationContext) {
  if (completion === null) return;
  if ((yield* complete.body(completion, context)) === 'completed') return;
  throw new Failure(
    'conflict',
    'IDEMPOTENCY_LEASE_LOST',
    `The lease on idempotency key "${completion.key}" ended before the request for approval was stored, and somebody else holds it now. Nothing was stored.`,
    { outcome: 'none' },
  );
}

type KnownRow = { id: string; generation: number; document_hash: string; state: RequestState; deadline_at: number };

function* latest({ process, messageId }: NewRequest): Generator<Statement, KnownRow | undefined, Row[]> {
  const [row] = yield* query<KnownRow>(
    `SELECT id, generation, document_hash, state, deadline_at FROM approval_requests
     WHERE process = $1 AND message_id = $2 ORDER BY generation DESC LIMIT 1`,
    process,
    messageId,
  );
  return row;
}

/** Undefined for a corrected document under an id whose earlier request is closed: that is a new request. */
function asKnown(row: KnownRow, { documentHash, messageId }: NewRequest): Creation | undefined {
  if (row.document_hash === documentHash) {
    return { kind: 'known', id: row.id, state: row.state, people: [], deadlineAt: Number(row.deadline_at) };
  }
  if (row.state === 'resumed') return undefined;
  throw new Failure(
    'data-quality',
    'APPROVAL_OTHER_DOCUMENT',
    `Message ${messageId} already waits for approval with another document. Decide that request first, or give the new document an id of its own.`,
  );
}

function* checkRoom({ process, limit }: NewRequest) {
  const [row] = yield* query<{ count: number }>(
    "SELECT COUNT(*) AS count FROM approval_requests WHERE process = $1 AND state = 'open'",
    process,
  );
  if (Number(row?.count ?? 0) < limit) return;
  throw new Failure(
    'saturation',
    'APPROVAL_INBOX_FULL',
    `${limit} requests of "${process}" wait for a decision; no more are taken. Decide some, or raise the limit of the approval node.`,
    { retryAfter: 60_000 },
  );
}

function* insert(wanted: NewRequest, generation: number, { now }: OperationContext) {
  const { terms } = wanted;
  const deadlineAt = now + wanted.deadline;
  const escalateAt = wanted.escalateAfter > 0 && terms.escalation.length > 0 ? now + wanted.escalateAfter : null;
  const remindAt = terms.remindEvery > 0 ? now + terms.remindEvery : null;
  const created = yield* query(
    `INSERT INTO approval_requests (id, process, message_id, generation, document_hash, correlation_id, title, amount,
       currency, category, cost_centre, requester, reason, rule, policy, terms, body, body_key, revision, version,
       state, emergency, created_at, remind_at, escalate_at, deadline_at, due_at, lease_until, next_try_at, fence,
       failures)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 1, 1, 'open', 0, $19,
       $20, $21, $22, $23, 0, 0, 0, 0)
     ON CONFLICT (process, message_id, generation) DO NOTHING RETURNING id`,
    wanted.id,
    wanted.process,
    wanted.messageId,
    generation,
    wanted.documentHash,
    wanted.correlationId,
    wanted.title,
    wanted.amount,
    wanted.currency,
    wanted.category,
    wanted.costCentre,
    wanted.requester,
    wanted.reason,
    wanted.rule,
    wanted.policy,
    JSON.stringify(terms),
    wanted.body,
    wanted.bodyKey,
    now,
    remindAt,
    escalateAt,
    deadlineAt,
    Math.min(deadlineAt, escalateAt ?? deadlineAt, remindAt ?? deadlineAt),
  );
  return created.length > 0;
}

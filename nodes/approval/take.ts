/**
 * Takes a message over: facts, policy, sealed document, one transaction. What the message owes ends here; who sent it
 * over HTTP is told that it waits.
 */
import type { StoredReply } from '../idempotency/index.ts';
import { uuidv7 } from '../kernel/id.ts';
import type { FlowMessage } from '../kernel/message.ts';
import type { Store } from '../kernel/store/store.ts';
import type { PayloadCipher } from '../settlement/index.ts';
import { documentHash, messageIdOf, pack } from './envelope.ts';
import { type ApprovalPolicy, assign, isWithin } from './policy.ts';
import { type DeadlineAct, type RequestState, sealContext } from './request.ts';
import { type Creation, createRequest, type NewRequest } from './store/create.ts';

export interface Taker {
  process: string;
  node: string;
  policy: ApprovalPolicy;
  store: Store;
  /** Id of the store's config node. */
  storeId: string;
  cipher: PayloadCipher;
  onDeadline: DeadlineAct;
  /** Milliseconds. */
  deadline: number;
  remindEvery: number;
  escalateAfter: number;
  reviewWithin: number;
  /** Bytes. */
  maxSize: number;
  limit: number;
}

export interface Taken {
  creation: Creation;
  request: NewRequest;
  /** The key of the message was completed in the transaction. */
  keyCompleted: boolean;
  reply?: StoredReply;
}

export interface Asking {
  title: string;
  amount?: string;
  currency?: string;
  category?: string;
  costCentre?: string;
  requester?: string;
  reason?: string;
  emergency: boolean;
}

/** `msg.approval` of a message that was taken over, for the journal. */
export interface TakenOver {
  id: string;
  /** As it was at `seenAt`: a message that came again may find its request decided. */
  state: RequestState;
  /** Milliseconds since the epoch. */
  seenAt: number;
}

export async function take(message: FlowMessage, facts: Asking, taker: Taker): Promise<Taken> {
  const { policy, store, cipher, process } = taker;
  const id = uuidv7();
  const assignment = assign(policy, facts);
  const body = pack(message, taker.maxSize);
  const { idempotency: lease } = message;
  // The key of a part is that of the whole, unless settle knows better; it is left to it.
  const completes = lease !== undefined && lease.store === taker.storeId && message.parts === undefined;
  const reply = message.res === undefined ? undefined : waitingReply(id, message);
  const request: NewRequest = {
    id,
    process,
    messageId: messageIdOf(message),
    documentHash: documentHash(message),
    correlationId: message.event?.correlationid ?? message.event?.id ?? null,
    title: facts.title,
    amount: facts.amount ?? null,
    currency: facts.currency ?? null,
    category: facts.category ?? null,
    costCentre: facts.costCentre ?? null,
    requester: facts.requester ?? null,
    reason: facts.reason ?? null,
    rule: assignment.rule,
    policy: assignment.policy,
    terms: {
      seats: assignment.seats,
      escalation: assignment.escalation,
      emergency: assignment.emergency,
      editable: policy.editable,
      show: policy.show,
      onDeadline: taker.onDeadline,
      remindEvery: taker.remindEvery,
      reviewWithin: taker.reviewWithin,
    },
    body: cipher.seal(body, sealContext(id, 1)),
    bodyKey: cipher.keyId,
    deadline: taker.deadline,
    escalateAfter: taker.escalateAfter,
    emergency: facts.emergency && policy.emergency.people !== '' && isWithin(facts.amount, policy.emergency.upTo),
    limit: taker.limit,
    completion: completes
      ? { scope: lease.scope, key: lease.key, token: lease.token, ...(reply === undefined ? {} : { reply }) }
      : null,
    node: taker.node,
  };
  const creation = await store.run(createRequest, request);
  return { creation, request, keyCompleted: completes, ...(reply === undefined ? {} : { reply }) };
}

/** RFC 9110 section 15.3.3: 202, the request has been accepted and is not complete. */
function waitingReply(id: string, { event }: FlowMessage): StoredReply {
  const correlationId = event?.correlationid ?? event?.id;
  return {
    statusCode: 202,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      status: 'waiting-for-approval',
      approval: id,
      ...(correlationId === undefined ? {} : { correlationId }),
    }),
  };
}

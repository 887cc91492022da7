/** Requests for tests of the store. */
import { pack } from '../../nodes/approval/envelope.ts';
import type { Terms } from '../../nodes/approval/request.ts';
import type { NewRequest } from '../../nodes/approval/store/create.ts';
import type { Ballot } from '../../nodes/approval/store/decide.ts';
import { uuidv7 } from '../../nodes/kernel/id.ts';

export const hour = 3_600_000;
let presses = 0;

export function requestOf(more: Partial<Omit<NewRequest, 'terms'>> & { terms?: Partial<Terms> } = {}): NewRequest {
  const { terms, ...rest } = more;
  return {
    id: uuidv7(),
    process: 'purchases',
    messageId: '/acme 1',
    documentHash: 'h1',
    correlationId: 'corr-1',
    title: 'PO-1',
    amount: '1200.00',
    currency: 'EUR',
    category: null,
    costCentre: null,
    requester: 'rita',
    reason: null,
    rule: 'rest',
    policy: 'purchasing 3',
    body: pack({ payload: { order: 'PO-1', quantity: '10' } }, 10_000),
    bodyKey: null,
    deadline: 72 * hour,
    escalateAfter: 48 * hour,
    emergency: false,
    limit: 100,
    completion: null,
    node: 'n1',
    ...rest,
    terms: {
      seats: [['anna', 'bo'], ['cy']],
      escalation: ['dora'],
      emergency: ['eve'],
      editable: ['quantity'],
      show: [],
      onDeadline: 'expire',
      remindEvery: 24 * hour,
      reviewWithin: 24 * hour,
      ...terms,
    },
  };
}

export function ballotOf(requestId: string, person: string, more: Partial<Ballot> = {}): Ballot {
  return {
    requestId,
    person,
    revision: 1,
    verdict: 'approve',
    reason: 'needed for the ward',
    token: `token-${++presses}`,
    ...more,
  };
}

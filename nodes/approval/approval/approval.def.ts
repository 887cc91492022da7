import type { NodeDefinition } from '../../node/define-node.ts';

/** A row of the node's own matrix; see `ApprovalRule`. */
export interface RuleRow {
  name: string;
  upTo: string;
  currency: string;
  category: string;
  costCentre: string;
  approvers: string;
}

export interface GroupRow {
  name: string;
  /** Separated by commas. */
  people: string;
}

/** Where a fact of the request comes from. */
export type FactType = 'msg' | 'str' | 'jsonata' | 'bool';

export interface ApprovalConfig {
  name: string;
  store: string;
  /** Names the kind of request, over redeploys and instances. */
  process: string;
  policySource: 'node' | 'file';
  /** A file of `healthflows-approvals` in the user directory, without `.json`. */
  policyFile: string;
  rules: RuleRow[];
  groups: GroupRow[];
  escalateTo: string;
  emergencyPeople: string;
  emergencyUpTo: string;
  /** One field a line. */
  editable: string;
  show: string;
  subject: string;
  subjectType: FactType;
  amount: string;
  amountType: FactType;
  currency: string;
  currencyType: FactType;
  category: string;
  categoryType: FactType;
  costCentre: string;
  costCentreType: FactType;
  requester: string;
  requesterType: FactType;
  reason: string;
  reasonType: FactType;
  emergency: string;
  emergencyType: FactType;
  /** Hours; 0: never. */
  remind: number;
  escalate: number;
  /** Hours. */
  deadline: number;
  onDeadline: 'expire' | 'reject' | 'approve';
  reviewWithin: number;
  /** Address of the editor as approvers reach it, for the links in notices. */
  address: string;
  /** Minutes that a decided message may take until it is settled. */
  settleDeadline: number;
  /** Open requests. */
  limit: number;
  /** KiB of one message. */
  maxSize: number;
  /** Days that closed requests are kept. */
  retention: number;
}

export const approvalDefinition: NodeDefinition<ApprovalConfig> = {
  type: 'approval',
  version: 1,
  defaults: {
    name: '',
    store: '',
    process: '',
    policySource: 'node',
    policyFile: '',
    rules: [],
    groups: [],
    escalateTo: '',
    emergencyPeople: '',
    emergencyUpTo: '',
    editable: '',
    show: '',
    subject: 'event.subject',
    subjectType: 'msg',
    amount: 'payload.amount',
    amountType: 'msg',
    currency: 'payload.currency',
    currencyType: 'msg',
    category: '',
    categoryType: 'str',
    costCentre: '',
    costCentreType: 'str',
    requester: 'payload.requester',
    requesterType: 'msg',
    reason: '',
    reasonType: 'str',
    emergency: '',
    emergencyType: 'str',
    remind: 24,
    escalate: 48,
    deadline: 72,
    onDeadline: 'expire',
    reviewWithin: 24,
    address: '',
    settleDeadline: 10,
    limit: 10000,
    maxSize: 256,
    retention: 365,
  },
  outputs: ['approved', 'rejected', 'expired', 'changed', 'notice'],
  credentials: { linkKey: { type: 'password' } },
};

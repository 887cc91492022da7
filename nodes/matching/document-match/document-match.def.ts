import type { NodeDefinition } from '../../node/define-node.ts';
import type { InputType } from '../../node/inputs.ts';
import type { ToleranceRule } from '../tolerances.ts';

export interface DocumentMatchConfig {
  name: string;
  /** What the document is. */
  mode: 'response' | 'despatch' | 'receipt' | 'bill' | 'agreement';
  document: string;
  documentType: InputType;
  /** The order that it answers, as it stands in the ERP. */
  order: string;
  orderType: InputType;
  /** What else is known: earlier bills, the supplier, agreed prices, categories. */
  facts: string;
  factsType: InputType;
  /** Name and version of the profile, for whoever asks later which rules held. */
  profile: string;
  profileVersion: string;
  /** Rows of the table; none = the usual limits. */
  rules: ToleranceRule[];
  /** Owner by reason code; a reason that is missing has its usual owner. */
  owners: { reason: string; owner: string }[];
}

export const documentMatchDefinition: NodeDefinition<DocumentMatchConfig> = {
  type: 'document-match',
  version: 1,
  defaults: {
    name: '',
    mode: 'bill',
    document: 'payload',
    documentType: 'msg',
    order: 'order',
    orderType: 'msg',
    facts: 'facts',
    factsType: 'msg',
    profile: 'default',
    profileVersion: '1.0.0',
    rules: [],
    owners: [],
  },
  outputs: ['matched', 'within tolerance', 'hold', 'rejected'],
};

import type { NodeDefinition } from '../../node/define-node.ts';
import type { InputType } from '../../node/inputs.ts';

export interface PartnerSendConfig {
  name: string;
  /** Id of a `partner-endpoint`. */
  endpoint: string;
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'GET';
  /** Behind the endpoint's address; `{payload.number}` stands for a value of the message. */
  path: string;
  body: string;
  bodyType: InputType;
  /** Empty = by what the document looks like. */
  mediaType: string;
  /** More headers; values may have places in braces too. */
  headers: { name: string; value: string }[];
  /** Header of the idempotency key; empty = none is sent. */
  keyHeader: string;
  key: string;
  keyType: InputType;
  /** What 409 means where a key is sent: the partner is at work on it, or has it. */
  conflict: 'retry' | 'done';
  /** Highest sensitivity class that may leave; `any` = not looked at. */
  most: 'P' | 'I' | 'C' | 'N' | 'H' | 'any';
  /** What becomes of a canonical document that holds more. */
  over: 'refuse' | 'project';
  /** Where the answer goes: `msg.payload`, or only `msg.partner.answer`. */
  output: 'auto' | 'keep' | 'answer';
}

export const partnerSendDefinition: NodeDefinition<PartnerSendConfig> = {
  type: 'partner-send',
  version: 1,
  defaults: {
    name: '',
    endpoint: '',
    method: 'POST',
    path: '/',
    body: 'payload',
    bodyType: 'msg',
    mediaType: '',
    headers: [],
    keyHeader: 'Idempotency-Key',
    key: 'event.id',
    keyType: 'msg',
    conflict: 'retry',
    most: 'C',
    over: 'refuse',
    output: 'auto',
  },
};

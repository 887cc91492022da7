/**
 * The message contract: what the package's nodes put on `msg` and expect there. Everything is serialisable, because
 * Node-RED clones a message for every further wire; live things are referred to by string handles.
 */
import type { FailureRecord } from './failure.ts';

/** CloudEvents 1.0 context attributes (section 3) with the package's extension attributes. */
export interface EventAttributes {
  specversion?: '1.0';
  /** Unique with `source`. */
  id: string;
  source: string;
  type: string;
  subject?: string;
  /** RFC 3339 with offset. */
  time?: string;
  datacontenttype?: string;
  dataschema?: string;
  /** The business process; the same on every hop. */
  correlationid?: string;
  /** The event that caused this one. */
  causationid?: string;
  /** Events with one key keep their order. */
  partitionkey?: string;
  /** W3C Trace Context. */
  traceparent?: string;
  tracestate?: string;
  /** Highest sensitivity class in the payload. */
  sensitivity?: string;
}

/** `msg.verification`: how an incoming request proved itself. Never holds the secret. */
export interface Verification {
  scheme: string;
  keyId?: string;
  /** The time the sender signed, RFC 3339, where the scheme signs one. */
  signedAt?: string;
  /** The sender's own id of the message, where the scheme has one. */
  messageId?: string;
  client?: string;
}

/** `msg.idempotency`: a lease on a key, to be settled with this exact token. */
export interface IdempotencyLease {
  /** Id of the `integration-store` config node. */
  store: string;
  scope: string;
  key: string;
  /** Fencing token: a later holder has a higher one, and an older one can no longer complete. */
  token: number;
}

/** `msg.delivery`: a delivery from a queue, to be settled once. */
export interface DeliveryReference {
  /** Id of the `amqp-connection` config node. */
  connection: string;
  queue: string;
  /** Opaque handle into the connection's delivery registry; stale after a reconnect. */
  tag: string;
  /** 1 for the first try. */
  attempt: number;
  redelivered: boolean;
}

/** `msg.odoo`: what a call to Odoo did. */
export interface OdooOutcome {
  model: string;
  ids: number[];
  effect: 'created' | 'updated' | 'unchanged' | 'deleted' | 'read' | 'called';
  [more: string]: unknown;
}

/** `msg.sequence`: the turn of a numbered message; `settle` notes with it that the message is done. */
export interface SequenceTurn {
  /** Id of the `integration-store` config node. */
  store: string;
  scope: string;
  key: string;
  number: number;
  /** Source and id of the event. */
  event: string;
  /** Numbers that a person went on without. */
  skipped?: { from: number; to: number };
}

/** A Node-RED message as this package sees it. */
export interface FlowMessage {
  _msgid?: string;
  topic?: string;
  payload?: unknown;
  event?: EventAttributes;
  verification?: Verification;
  idempotency?: IdempotencyLease;
  delivery?: DeliveryReference;
  sequence?: SequenceTurn;
  failure?: FailureRecord;
  odoo?: OdooOutcome;
  /** HTTP side, as `http response` reads them. */
  statusCode?: number;
  headers?: Record<string, string>;
  [property: string]: unknown;
}

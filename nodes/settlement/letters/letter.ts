/** A dead letter: one message of one queue that its flow could not finish, with why and where. */
import { createHash } from 'node:crypto';
import { type DeadLetterFacts, deadLetterOf, type IncomingDelivery } from '../../amqp/index.ts';
import { uuidv7 } from '../../kernel/id.ts';
import { fingerprintOf, generalise } from '../fingerprint.ts';

/** Number of the replay a copy belongs to; absent on the first delivery. It travels with every retry of that copy. */
export const generationHeader = 'x-replay-generation';
export const jobHeader = 'x-replay-job';

/** What the collector hands to the store. */
export interface LetterInput {
  id: string;
  /** The queue the message belongs to, not its dead letter queue. */
  queue: string;
  messageId: string;
  connection: string;
  exchange: string;
  routingKey: string;
  correlationId: string | null;
  businessKey: string | null;
  eventType: string | null;
  contentType: string;
  /** JSON of the AMQP properties a replay is sent with. */
  properties: string;
  body: Uint8Array;
  /** Id of the key the body is encrypted with; null for plain bytes. */
  bodyKey: string | null;
  bodySize: number;
  failureClass: string;
  failureCode: string;
  failureMessage: string;
  fingerprint: string;
  /** The failure's message without what differs between documents. */
  cause: string;
  nodeId: string | null;
  nodeType: string | null;
  nodeName: string | null;
  flowId: string | null;
  attempts: number;
  generation: number;
  /** Milliseconds since the epoch. */
  firstFailedAt: number;
  lastFailedAt: number;
}

/** Headers that describe a past failure or a past replay: a replay starts without them. */
const history = /^x-(failure-|attempt$|first-failed-at$|origin-|replay-|dead-reason$)/;

/** Properties with which a letter is sent again. */
export interface ReplayProperties {
  correlationId?: string;
  type?: string;
  timestamp: number;
  priority?: number;
  headers: Record<string, string | number | boolean>;
}

/** Reads a delivery of `<queue>.dead`. The body stays plain; see {@link PayloadCipher}. */
export function letterOf(delivery: IncomingDelivery, connection: string, now: number = Date.now()): LetterInput {
  const facts = deadLetterOf(delivery);
  const { properties } = delivery;
  const { failure } = facts;
  const node = failure.node;
  const replay: ReplayProperties = {
    timestamp: properties.timestamp,
    headers: Object.fromEntries(Object.entries(properties.headers).filter(([name]) => !history.test(name))),
    ...(properties.correlationId === undefined ? {} : { correlationId: properties.correlationId }),
    ...(properties.type === undefined ? {} : { type: properties.type }),
    ...(properties.priority === undefined ? {} : { priority: properties.priority }),
  };
  return {
    id: uuidv7(now),
    queue: facts.originQueue,
    messageId: properties.messageId || contentId(delivery, facts),
    connection,
    exchange: facts.originExchange,
    routingKey: facts.originRoutingKey,
    correlationId: properties.correlationId ?? null,
    businessKey: textHeader(properties.headers, 'subject') ?? textHeader(properties.headers, 'partitionkey') ?? null,
    eventType: properties.type ?? textHeader(properties.headers, 'type') ?? null,
    contentType: properties.contentType,
    properties: JSON.stringify(replay),
    body: delivery.body,
    bodyKey: null,
    bodySize: delivery.body.byteLength,
    failureClass: failure.class,
    failureCode: failure.code,
    failureMessage: failure.message,
    fingerprint: fingerprintOf({
      class: failure.class,
      code: failure.code,
      message: failure.message,
      ...(node === undefined ? {} : { nodeType: node.type }),
    }),
    cause: generalise(failure.message),
    nodeId: node?.id ?? null,
    nodeType: node?.type ?? null,
    nodeName: node?.name ?? null,
    flowId: null,
    attempts: facts.attempt,
    generation: generationOf(properties.headers),
    firstFailedAt: instant(facts.firstFailedAt, now),
    lastFailedAt: instant(failure.at, now),
  };
}

export function generationOf(headers: Record<string, unknown>): number {
  const generation = Number(headers[generationHeader] ?? 0);
  return Number.isSafeInteger(generation) && generation > 0 ? generation : 0;
}

/** CloudEvents AMQP binding (section 3.1.3): attribute names follow `cloudEvents:` or `cloudEvents_`. */
function textHeader(headers: Record<string, unknown>, attribute: string): string | undefined {
  const value = headers[`cloudEvents:${attribute}`] ?? headers[`cloudEvents_${attribute}`];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A message from elsewhere may have no id; the same death read twice must still be one letter. */
function contentId(delivery: IncomingDelivery, facts: DeadLetterFacts): string {
  const hash = createHash('sha256').update(delivery.body).update(facts.firstFailedAt).update(facts.originRoutingKey);
  return `sha256:${hash.digest('hex').slice(0, 32)}`;
}

function instant(text: string | undefined, fallback: number): number {
  const at = Date.parse(text ?? '');
  return Number.isNaN(at) ? fallback : at;
}

/**
 * Discharges what a message still owes: the idempotency key, the delivery, and to an HTTP sender an answer.
 *
 * The order is what makes it safe. Done: the key is completed (durable), then the delivery is acknowledged; a crash
 * between the two brings a redelivery that the gate knows as a duplicate. Failed: the key is released, then the
 * delivery goes to the retry or the dead letters; a crash between the two brings a redelivery that simply runs again.
 *
 * An HTTP sender is told what has become of its message only when that is durable. When the store does not take the
 * record the answer is 503, whatever the flow has prepared, and the record is written later: so the sender's next try
 * is a duplicate that gets the prepared answer, or the first of a key that is free. Until then, and for a crash
 * meanwhile until the lease ends, the gate tells it that the message is being processed.
 */
import type { Settlement as DeliverySettlement } from '../amqp/index.ts';
import type { StoredReply } from '../idempotency/index.ts';
import type { AuditEntry } from '../kernel/audit/entry.ts';
import { Failure, type FailureClass, type FailureRecord, toFailure } from '../kernel/failure.ts';
import type { FlowMessage, SequenceTurn } from '../kernel/message.ts';
import type { Store } from '../kernel/store/store.ts';
import { businessException, telemetry } from '../kernel/telemetry/telemetry.ts';
import type { Turn } from '../pacing/index.ts';
import { type Intent, intentOf, type Outcome } from './intent.ts';
import type { Resolution } from './letters/collect.ts';
import { generationOf } from './letters/letter.ts';
import { forgetParts, isLastPart, keysOfPart, partsOf, pruneParts } from './parts.ts';
import { type HttpReply, problemReply } from './problem.ts';
import { type Recorded, type SettleRecord, settleMessage } from './record.ts';
import type { DeliverySource } from './sources.ts';

/** `msg.settlement`: what became of the message. */
export interface MessageSettlement {
  /**
   * `replied`: an answer to an HTTP sender was prepared; `part`: the delivery waits for the other parts of its divided
   * message; `none`: the message owed nothing.
   */
  disposition: DeliverySettlement['disposition'] | 'replied' | 'part' | 'none';
  /**
   * `unreachable`: store or broker did not take it; nothing is lost, the delivery comes again.
   * `stale` and `already-settled`: somebody else settled it, or will.
   */
  result: DeliverySettlement['result'] | 'unreachable';
  /** Milliseconds until the retry. */
  delay?: number;
  /** Why it went to the dead letters instead of a retry, or why nothing could be reached. */
  reason?: string;
  key?: Recorded['key'];
}

/** A record that was due and is not in its store. */
export interface OwedRecord {
  /** Id of the store's config node. */
  store: string;
  write(): Promise<unknown>;
  /** `settlement` ends the key with its answer, `turn` lets the next message of a sequence go on. */
  what: 'settlement' | 'turn';
  correlationId?: string;
}

export interface Reach {
  /** @throws Failure when the config node is missing */
  store(id: string): Store;
  /** @throws Failure when the config node is missing */
  connection(id: string): DeliverySource;
  /** Store for the audit entry of a message that has no key; empty for that of the queue's dead letters. */
  fallbackStore?: string;
  /** Where the dead letters of a queue are. */
  letters(queue: string, connection: string): { storeId: string; store: Store } | undefined;
  /** Takes a record that the store did not take, to be written once it can be. */
  later?(record: OwedRecord): void;
  /** The node that settles. */
  node: string;
  flowId?: string;
  /** Told of an error that nobody foresaw. */
  defect?(error: unknown): void;
}

/** What is wrong with the document, and stays so. What is wrong with us is mended, and then the same document is welcome. */
const ofTheDocument: ReadonlySet<FailureClass> = new Set(['data-quality', 'policy-rejection']);

/** The key is completed or released; a document refused for good over HTTP completes it, so that a duplicate gets the same answer. */
function keyAction(intent: Intent, hasDelivery: boolean): 'complete' | 'release' {
  if (intent.kind === 'done') return 'complete';
  if (hasDelivery || intent.kind === 'retry' || intent.failure.retryable) return 'release';
  return ofTheDocument.has(intent.failure.class) ? 'complete' : 'release';
}

/**
 * Never throws for a double settle, a stale one, or a store or broker that does not answer: those are results.
 * Mutates `message`: `settlement`, and for an HTTP sender `statusCode`, `headers` and `payload`.
 */
export async function discharge(message: FlowMessage, outcome: Outcome, reach: Reach): Promise<MessageSettlement> {
  const intent = intentOf(outcome, message);
  const since = acceptedAt(message, reach);
  const answer = answerOf(message, intent);
  const settlement = await settle(message, intent, answer, reach).catch((error: unknown): MessageSettlement => {
    // A thrown error would go to Catch, and from there to this node again.
    const failure = foreseen(error, reach);
    return { disposition: 'none', result: 'unreachable', reason: wordsOf(failure) };
  });
  const told = settlement.result === 'unreachable' && owesSender(message) ? notSettled(message) : answer;
  if (told !== undefined) {
    message.statusCode = told.statusCode;
    message.headers = { ...told.headers };
    message.payload = told.body;
  }
  message.settlement = settlement;
  report(settlement, intent, reach.flowId, since);
  if (settlement.result === 'settled') reportExceptions(message, settlement, intent);
  return settlement;
}

/** A key or a turn that a message which came by HTTP still holds; without one only the audit entry is missing. */
function owesSender({ res, delivery, idempotency, sequence }: FlowMessage): boolean {
  return res !== undefined && delivery === undefined && (idempotency !== undefined || sequence !== undefined);
}

function notSettled({ event }: FlowMessage): HttpReply {
  const failure = new Failure(
    'dependency-outage',
    'NOT_SETTLED',
    'What has become of the message could not be recorded. Send it again later.',
    { outcome: 'unknown' },
  );
  return problemReply(failure.toRecord(), event?.correlationid);
}

async function settle(
  message: FlowMessage,
  intent: Intent,
  answer: HttpReply | undefined,
  reach: Reach,
): Promise<MessageSettlement> {
  const { delivery, idempotency } = message;
  const connection = delivery === undefined ? undefined : reach.connection(delivery.connection);
  const part = await settlePart(message, intent, reach, connection);
  if (part !== undefined) return part;
  const recorded = await record(message, intent, answer, reach, connection).catch((error: unknown) =>
    foreseen(error, reach),
  );
  if (recorded instanceof Failure) return withoutRecord(message, intent, recorded, connection);
  const key = recorded === undefined || recorded.key === 'none' ? {} : { key: recorded.key };
  if (delivery === undefined || connection === undefined) {
    if (recorded?.key === 'lost-lease') return { disposition: 'none', result: 'stale', ...key };
    return {
      disposition: answer !== undefined ? 'replied' : idempotency !== undefined ? dispositionOf(intent) : 'none',
      result: 'settled',
      ...key,
    };
  }
  return { ...(await connection.settle(delivery.tag, intent)), ...key };
}

/**
 * A part of a divided message that is done: its own key is completed, and the delivery waits for the other parts.
 * @returns undefined for a message that is whole, for the last part, and for a failure, which is that of the delivery
 */
async function settlePart(
  message: FlowMessage,
  intent: Intent,
  reach: Reach,
  connection: DeliverySource | undefined,
): Promise<MessageSettlement | undefined> {
  const { delivery, idempotency: lease } = message;
  if (delivery === undefined || connection === undefined) return undefined;
  const { tag } = delivery;
  const parts = partsOf(message.parts);
  if (intent.kind !== 'done' || parts === undefined || connection.open(tag) === undefined) {
    forgetParts(tag);
    return undefined;
  }
  pruneParts((other) => connection.open(other) !== undefined);
  const last = isLastPart(tag, parts);
  try {
    for (const held of keysOfPart(tag, lease, last)) {
      await reach.store(held.store).run(settleMessage, {
        key: { held, action: 'complete' },
        audit: auditOf(message, intent, reach.node),
      });
    }
  } catch (error) {
    forgetParts(tag);
    const failure = foreseen(error, reach).toRecord();
    return {
      ...(await connection.settle(tag, { kind: 'retry', failure })),
      reason: `${failure.code}: ${failure.message}`,
    };
  }
  if (!last) return { disposition: 'part', result: 'settled' };
  forgetParts(tag);
  return undefined;
}

/**
 * The store did not take the record. A message with a key comes again, because an acknowledged one whose key is still
 * claimed would look like work in progress; where only the audit entry is missing, the work is ended all the same.
 */
async function withoutRecord(
  message: FlowMessage,
  intent: Intent,
  failure: Failure,
  connection: DeliverySource | undefined,
): Promise<MessageSettlement> {
  const { delivery, idempotency } = message;
  if (delivery === undefined || connection === undefined) throw failure;
  const settlement = await connection.settle(
    delivery.tag,
    idempotency === undefined ? intent : { kind: 'retry', failure: failure.toRecord() },
  );
  return { ...settlement, reason: wordsOf(failure) };
}

function foreseen(error: unknown, reach: Reach): Failure {
  const failure = toFailure(error);
  if (failure.class === 'defect') reach.defect?.(error);
  return failure;
}

function wordsOf(failure: Failure): string {
  return `${failure.code}: ${failure.message}`;
}

function dispositionOf(intent: Intent): MessageSettlement['disposition'] {
  return intent.kind === 'done' ? 'done' : intent.kind === 'dead-letter' ? 'dead-letter' : 'released';
}

/** Key, replay result and audit entry, where there is a store for them. */
async function record(
  message: FlowMessage,
  intent: Intent,
  answer: HttpReply | undefined,
  reach: Reach,
  connection: DeliverySource | undefined,
): Promise<Recorded | undefined> {
  const { delivery, idempotency: lease } = message;
  // A delivery that is no longer open was settled before or comes again: whoever settles that one writes the record.
  const open = delivery === undefined ? undefined : connection?.open(delivery.tag);
  if (lease === undefined && delivery !== undefined && open === undefined) return undefined;
  const letters = delivery === undefined ? undefined : reach.letters(delivery.queue, delivery.connection);
  const sequence = intent.kind === 'done' ? message.sequence : undefined;
  const storeId = lease?.store || sequence?.store || reach.fallbackStore || letters?.storeId;
  if (storeId === undefined) return undefined;
  const reply = storedReply(message, intent, answer);
  const entry: SettleRecord = {
    audit: auditOf(message, intent, reach.node),
    ...(lease === undefined
      ? {}
      : {
          key: {
            held: { scope: lease.scope, key: lease.key, token: lease.token },
            action: keyAction(intent, delivery !== undefined),
            ...(reply === undefined ? {} : { reply }),
          },
        }),
    ...(sequence?.store === storeId ? { turn: turnOf(sequence) } : {}),
  };
  const replay = intent.kind === 'done' && open !== undefined ? replayOf(open.delivery) : undefined;
  const sameStore = replay !== undefined && letters?.storeId === storeId;
  const write = async () => reach.store(storeId).run(settleMessage, sameStore ? { ...entry, replay } : entry);
  const correlationId = message.event?.correlationid;
  const correlation = correlationId === undefined ? {} : { correlationId };
  const elsewhere = sequence?.store === storeId ? undefined : sequence;
  const writeTurn = async ({ key }: Recorded, turn: SequenceTurn) => {
    if (key !== 'lost-lease') await reach.store(turn.store).run(settleMessage, { turn: turnOf(turn) });
  };
  /** The key is completed, and what comes again is a duplicate that gets to no settle: nobody else would end the turn. */
  const turnLater = (recorded: Recorded, turn: SequenceTurn) =>
    reach.later?.({ store: turn.store, write: () => writeTurn(recorded, turn), what: 'turn', ...correlation });
  const recorded = await write().catch((error: unknown) => {
    if (owesSender(message) && toFailure(error).retryable) {
      const late = async () => {
        const written = await write();
        if (elsewhere !== undefined) turnLater(written, elsewhere);
      };
      reach.later?.({ store: storeId, write: late, what: 'settlement', ...correlation });
    }
    throw error;
  });
  // What is in other stores is told after the key is durable, so that nothing is closed without its effect.
  if (elsewhere !== undefined) {
    await writeTurn(recorded, elsewhere).catch((error: unknown) => {
      if (toFailure(error).retryable) turnLater(recorded, elsewhere);
      throw error;
    });
  }
  if (replay !== undefined && letters !== undefined && !sameStore) await letters.store.run(settleMessage, { replay });
  return recorded;
}

function turnOf({ scope, key, number, event }: SequenceTurn): Turn {
  return { scope, key, number, event };
}

function replayOf(delivery: {
  queue: string;
  properties: { messageId: string; headers: Record<string, unknown> };
}): Resolution | undefined {
  const generation = generationOf(delivery.properties.headers);
  return generation === 0 ? undefined : { queue: delivery.queue, messageId: delivery.properties.messageId, generation };
}

/** Only a message that came in over HTTP and failed is answered here; a successful one was answered by its flow. */
function answerOf(message: FlowMessage, intent: Intent): HttpReply | undefined {
  if (intent.kind === 'done' || message.res === undefined || message.delivery !== undefined) return undefined;
  return problemReply(intent.failure, message.event?.correlationid);
}

/** Bytes; a longer answer is not kept, and a duplicate then gets the gate's own short one. */
const replyLimit = 64 * 1024;
const keptHeaders = new Set(['content-type', 'location', 'retry-after']);

/** What a duplicate of this message gets again: the problem, or the answer that the flow has prepared before. */
function storedReply(message: FlowMessage, intent: Intent, answer: HttpReply | undefined): StoredReply | undefined {
  if (answer !== undefined) {
    return { statusCode: answer.statusCode, headers: answer.headers, body: JSON.stringify(answer.body) };
  }
  const { statusCode, payload } = message;
  if (intent.kind !== 'done' || message.res === undefined || typeof statusCode !== 'number') return undefined;
  const body = typeof payload === 'string' ? payload : payload === undefined ? '' : JSON.stringify(payload);
  if (Buffer.byteLength(body) > replyLimit) return undefined;
  const headers = Object.fromEntries(
    Object.entries(message.headers ?? {}).filter(
      ([name, value]) => keptHeaders.has(name.toLowerCase()) && typeof value === 'string',
    ),
  );
  return { statusCode, headers, body };
}

function auditOf(message: FlowMessage, intent: Intent, node: string): AuditEntry {
  const failure: FailureRecord | undefined = intent.kind === 'done' ? undefined : intent.failure;
  const subject = message.event?.id ?? message.idempotency?.key;
  const attempt = message.delivery?.attempt ?? failure?.attempt;
  return {
    action: 'message.settled',
    outcome: failure === undefined ? 'success' : 'failure',
    actor: 'flow',
    node: failure?.node?.id ?? node,
    detail: {
      outcome: intent.kind,
      ...(failure === undefined ? {} : { class: failure.class, retryable: failure.retryable }),
      ...(attempt === undefined ? {} : { attempt }),
      ...(message.delivery === undefined ? {} : { queue: message.delivery.queue }),
    },
    ...(subject === undefined ? {} : { subject }),
    ...(message.event?.correlationid === undefined ? {} : { correlationId: message.event.correlationid }),
    ...(failure === undefined ? {} : { reason: failure.code }),
  };
}

const transactionOutcome: Partial<Record<MessageSettlement['disposition'], string>> = {
  done: 'succeeded',
  retry: 'retried',
  'dead-letter': 'dead_lettered',
  replied: 'rejected',
};

/** Lets a flow's counters begin at 0, so that the first message is seen to be counted. */
export function startTransactions(flow = ''): void {
  for (const outcome of Object.values(transactionOutcome)) telemetry.count('transactions_total', { flow, outcome }, 0);
}

/** Milliseconds since the epoch at which a delivery's message was published; retries and replays keep it. */
function acceptedAt({ delivery }: FlowMessage, reach: Reach): number | undefined {
  if (delivery === undefined) return undefined;
  try {
    return reach.connection(delivery.connection).open(delivery.tag)?.delivery.properties.timestamp;
  } catch {
    // A missing config node is said where it matters.
    return undefined;
  }
}

/** Codes that a flow may report with one message. */
const exceptionsReported = 5;

/** What the flow itself reports, and a document that was refused for good: each once, where the message ends. */
function reportExceptions(message: FlowMessage, { disposition }: MessageSettlement, intent: Intent): void {
  const { businessException: own } = message;
  delete message.businessException;
  const codes = own === undefined ? [] : [own].flat().slice(0, exceptionsReported);
  const refused = disposition === 'dead-letter' || disposition === 'replied';
  if (refused && intent.kind !== 'done' && intent.failure.class === 'data-quality') codes.push(intent.failure.code);
  for (const code of new Set(codes)) businessException(code);
}

function report(settlement: MessageSettlement, intent: Intent, flow = '', since?: number): void {
  if (settlement.result !== 'settled') telemetry.count('settle_anomalies_total', { kind: settlement.result });
  else if (settlement.key === 'lost-lease') telemetry.count('settle_anomalies_total', { kind: 'lease-lost' });
  if (settlement.result !== 'settled') return;
  const outcome = transactionOutcome[settlement.disposition];
  if (outcome !== undefined) telemetry.count('transactions_total', { flow, outcome });
  if (since !== undefined && (outcome === 'succeeded' || outcome === 'dead_lettered')) {
    const seconds = Math.max(0, Date.now() - since) / 1000;
    telemetry.observe('transaction_duration_seconds', { flow, outcome }, seconds);
  }
  if (settlement.disposition === 'retry' && intent.kind !== 'done') {
    telemetry.count('retries_total', { class: intent.failure.class });
  }
}

/**
 * Records the hops of messages, off their path: a hop is noted in memory and written a second later with the
 * others, as one operation that shares the store's group commit: most messages are through within that second and are
 * written once. A crash loses at most that second of the journal, never anything of a message: queues, keys and the audit trail do not depend on it. When the store is
 * away or slow the journal forgets its oldest notes and counts them.
 */
import type { Sensitivity } from '../../canonical/index.ts';
import { idLimit, senderOf } from '../../evidence/index.ts';
import type { DeliveryReference, FlowMessage } from '../../kernel/message.ts';
import type { Store } from '../../kernel/store/store.ts';
import { redactText } from '../../kernel/telemetry/redaction.ts';
import { type HopReport, telemetry, type TelemetrySink } from '../../kernel/telemetry/telemetry.ts';
import {
  clean,
  flowOfPartner,
  foldKey,
  hopLimit,
  type JournalEntry,
  type JournalHop,
  type JournalOutcome,
  termLimit,
} from './entry.ts';
import { KeyReader } from './keys.ts';
import { writeJournal } from './write.ts';

export interface RecorderOptions {
  /** The store to write to now; undefined when none is deployed, and nothing is kept. */
  store: () => Store | undefined;
  /** Sensitivity classes of which business keys are kept. */
  classes: readonly Sensitivity[];
  /** Milliseconds between a note and its writing. Default 1,000. */
  every?: number;
  /** Messages noted at most. Default 5,000. */
  capacity?: number;
}

/** Messages in one operation: the others that wait for the store wait a few milliseconds for it, not longer. */
const slice = 200;
/** Messages noted that are not kept waiting for more: far from what is forgotten at most. */
const many = 1_000;
/** Milliseconds until a store that refused is asked again. */
const again = 2_000;
/** Messages of which is remembered that their terms are written. */
const knownLimit = 10_000;
/** Deliveries of which is remembered what they brought. */
const deliveredLimit = 10_000;
/** Messages of which is remembered that they were published. */
const publishedLimit = 10_000;

type Source = Pick<HopReport, 'stage' | 'nodeId' | 'flowId'>;

export class JournalRecorder implements TelemetrySink {
  readonly #options: RecorderOptions;
  readonly #keys: KeyReader;
  readonly #capacity: number;
  readonly #every: number;
  #noted = new Map<string, JournalEntry>();
  readonly #known = new Map<string, readonly string[]>();
  /** Which message a delivery brought: a flow may give it the event of what it publishes, and settle it as that. */
  readonly #delivered = new Map<string, string>();
  /** What is on a way of its own since it was published, whatever becomes of the delivery in which that happened. */
  readonly #published = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #refused = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#keys = new KeyReader(options.classes);
    this.#capacity = options.capacity ?? 5_000;
    this.#every = options.every ?? 1_000;
  }

  taken(source: Source, message: FlowMessage): void {
    const entry = this.#entryOf(message.event?.id);
    if (entry === undefined) return;
    const delivery = nameOf(message.delivery);
    if (delivery !== undefined) {
      this.#delivered.set(delivery, entry.id);
      if (this.#delivered.size > deliveredLimit) this.#delivered.delete(this.#delivered.keys().next().value!);
    }
    this.#note(entry, message, { ...source, outcome: 'ok', duration: 0 });
  }

  hop(report: HopReport, message?: FlowMessage): void {
    if (message === undefined) return;
    const settled = report.stage === 'settle' && settlementOf(message)?.result === 'settled';
    const delivery = settled ? nameOf(message.delivery) : undefined;
    if (delivery !== undefined) {
      const brought = this.#delivered.get(delivery);
      this.#delivered.delete(delivery);
      if (brought !== undefined && brought !== message.event?.id) {
        const { event: _, ...rest } = message;
        const entry = this.#entryOf(brought);
        if (entry !== undefined) this.#note(entry, rest, report);
        // It does not die with the delivery. Nor is it done with it, when it was published and waits for its consumer.
        if (settlementOf(message)?.disposition !== 'done' || this.#published.has(message.event?.id ?? '')) return;
      }
    }
    const entry = this.#entryOf(message.event?.id);
    if (entry !== undefined) this.#note(entry, message, report);
  }

  /** Writes what is noted, after what is being written. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const round = (this.#writing ?? Promise.resolve()).then(async () => {
      this.#refused = !(await this.#write());
      if (this.#writing !== round) return;
      this.#writing = undefined;
      if (this.#refused) this.#schedule(again);
      else if (this.#noted.size > 0) this.#schedule(this.#noted.size < many ? this.#every : 0);
    });
    this.#writing = round;
    return round;
  }

  #entryOf(id: string | undefined): JournalEntry | undefined {
    // Without an event nothing tells one message from another.
    if (typeof id !== 'string' || id === '' || id.length > idLimit) return undefined;
    let entry = this.#noted.get(id);
    if (entry === undefined) {
      if (this.#noted.size >= this.#capacity) this.#forgetOldest();
      entry = { id, startedAt: Date.now(), changedAt: 0, outcomeAt: 0, attempts: 0, terms: [], hops: [] };
      this.#noted.set(id, entry);
      if (this.#noted.size < many || this.#refused) this.#schedule(this.#every);
      else if (this.#writing === undefined) void this.flush();
    }
    return entry;
  }

  #note(entry: JournalEntry, message: FlowMessage, report: Omit<HopReport, 'nodeId'> & { nodeId: string }): void {
    const now = Date.now();
    const { event, delivery } = message;
    const { stage, nodeId, flowId, duration, outcome } = report;
    // Fractions of a millisecond keep what is short in its order.
    const hop: JournalHop = {
      t: Math.round((now - duration) * 10) / 10,
      d: Math.round(duration * 10) / 10,
      n: nodeId,
      s: stage,
    };
    if (flowId !== undefined) hop.f = flowId;
    if (delivery !== undefined) {
      hop.a = delivery.attempt;
      hop.q = delivery.queue;
      entry.attempts = Math.max(entry.attempts, delivery.attempt);
    }
    const failure = outcome === 'failed' ? failureOf(report, message) : undefined;
    if (failure !== undefined) {
      hop.c = failure.class;
      hop.e = failure.code;
      if (failure.message !== '') hop.m = failure.message;
      entry.failure = { ...failure, node: nodeId };
    }
    if (failure === undefined) this.#tell(entry, hop, message);
    const decided = failure === undefined ? decision(report, message, entry) : 'failing';
    if (decided === 'queued') this.#publishes(entry.id);
    // A repetition must not hide what became of the first, nor a request what was decided while its input ended.
    const at = decided === 'duplicate' ? 1 : decided === 'waiting' ? requestOf(message)!.seenAt : now;
    if (decided !== undefined && at >= entry.outcomeAt) {
      entry.outcome = decided;
      entry.outcomeAt = at;
    }
    entry.startedAt = Math.min(entry.startedAt, Math.floor(hop.t));
    entry.changedAt = now;
    if (entry.hops.length < hopLimit) entry.hops.push(hop);
    if (flowId !== undefined) {
      entry.flow ??= flowId;
      addTerm(entry, `flow:${flowId}`);
    }
    if (event === undefined) return;
    const { correlationid, subject, type = '' } = event;
    // Said by every hop of a message, nearly always the same.
    if (correlationid !== undefined && correlationid !== entry.correlationId) {
      entry.correlationId = clean(correlationid);
      addTerm(entry, `corr:${entry.correlationId}`);
    }
    entry.partner ??= senderOf(message);
    if (flowId !== undefined && entry.partner !== '') addTerm(entry, flowOfPartner(flowId, entry.partner));
    if (type !== entry.eventType) entry.eventType = clean(type);
    if (subject !== undefined && this.#keys.allowsSubject(event.dataschema)) {
      entry.subject = clean(readable(subject));
      addTerm(entry, `key:${foldKey(entry.subject)}`);
    }
    if (stage === 'canonical-mapper' && outcome === 'ok') {
      for (const key of this.#keys.keysOf(event.dataschema, message.payload)) addTerm(entry, `key:${key}`);
    }
  }

  #publishes(id: string): void {
    this.#published.delete(id);
    this.#published.add(id);
    if (this.#published.size > publishedLimit) this.#published.delete(this.#published.keys().next().value!);
  }

  /** What a node did, for the timeline. */
  #tell(entry: JournalEntry, hop: JournalHop, { odoo, settlement, event }: FlowMessage): void {
    if (hop.s === 'odoo-rpc' && odoo !== undefined) {
      const ids = (odoo.ids ?? []).slice(0, 10);
      hop.odoo = { model: clean(odoo.model), ids, effect: odoo.effect };
      if (ids.length > 0 && odoo.effect !== 'read') entry.odoo = { model: hop.odoo.model, ids: ids.join(',') };
    }
    if (hop.s === 'settle' && settlement !== undefined) {
      const { disposition, delay } = settlement as Settled;
      hop.x = delay === undefined ? disposition : `${disposition} in ${Math.round(delay / 1_000)} s`;
    }
    if (hop.s === 'canonical-mapper' && event?.dataschema !== undefined) hop.x = clean(event.dataschema);
  }

  #schedule(wait: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined) return;
    this.#timer = setTimeout(() => void this.flush(), wait);
    this.#timer.unref();
  }

  /** @returns false when the store refused */
  async #write(): Promise<boolean> {
    const store = this.#options.store();
    if (store === undefined) {
      this.#noted.clear();
      return true;
    }
    // What is noted from now on waits for the next round: written at once, a message would be written hop by hop.
    for (let left = this.#noted.size; left > 0; left -= slice) {
      const entries: JournalEntry[] = [];
      for (const [id, entry] of this.#noted) {
        if (entries.length >= Math.min(slice, left)) break;
        this.#noted.delete(id);
        entries.push(entry);
      }
      try {
        await store.run(
          writeJournal,
          entries.map((entry) => this.#withoutKnownTerms(entry)),
        );
        for (const entry of entries) this.#remember(entry);
      } catch {
        // The store tells its own troubles. News that came meanwhile is younger and stays.
        for (const entry of entries) this.#giveBack(entry);
        return false;
      }
    }
    return true;
  }

  /** Only new ones: those of a message are written again with each of its flushes otherwise. */
  #withoutKnownTerms(entry: JournalEntry): JournalEntry {
    const known = this.#known.get(entry.id);
    return known === undefined ? entry : { ...entry, terms: entry.terms.filter((term) => !known.includes(term)) };
  }

  #remember({ id, terms }: JournalEntry): void {
    const known = this.#known.get(id);
    this.#known.delete(id);
    this.#known.set(id, known === undefined ? terms : [...new Set([...known, ...terms])].slice(0, 2 * termLimit));
    if (this.#known.size > knownLimit) this.#known.delete(this.#known.keys().next().value!);
  }

  #giveBack(entry: JournalEntry): void {
    const newer = this.#noted.get(entry.id);
    if (newer !== undefined) {
      newer.hops = [...entry.hops, ...newer.hops].slice(0, hopLimit);
      newer.terms = [...new Set([...entry.terms, ...newer.terms])].slice(0, termLimit);
      newer.startedAt = Math.min(entry.startedAt, newer.startedAt);
    } else if (this.#noted.size < this.#capacity) this.#noted.set(entry.id, entry);
    else telemetry.count('journal_lost_total');
  }

  #forgetOldest(): void {
    this.#noted.delete(this.#noted.keys().next().value!);
    telemetry.count('journal_lost_total');
  }
}

function addTerm(entry: JournalEntry, term: string): void {
  if (entry.terms.length < termLimit && !entry.terms.includes(term)) entry.terms.push(term);
}

function failureOf(report: Pick<HopReport, 'failureClass' | 'failureCode'>, message: FlowMessage) {
  return {
    class: report.failureClass ?? 'defect',
    code: report.failureCode ?? 'UNKNOWN',
    message: clean(redactText((message.failure?.message ?? '').slice(0, 300)), 300),
  };
}

/** What a node's work decides about the message; undefined when it decides nothing. */
function decision(
  { stage, nodeId }: Pick<HopReport, 'stage' | 'nodeId'>,
  message: FlowMessage,
  entry: JournalEntry,
): JournalOutcome | undefined {
  if (stage === 'amqp-publish') return 'queued';
  if (stage === 'idempotency-gate') {
    return message.idempotency === undefined && message.duplicate !== undefined && entry.outcome === undefined
      ? 'duplicate'
      : undefined;
  }
  // Taken over until somebody has decided; then it goes on as a delivery of the approval itself. A message that came
  // again, or needed nobody, may have gone on by now.
  if (stage === 'approval') {
    if (message.delivery?.connection === nodeId) return 'open';
    return requestOf(message)?.state === 'open' ? 'waiting' : undefined;
  }
  const settlement = stage === 'settle' ? settlementOf(message) : undefined;
  return settlement?.result === 'settled' ? settled[settlement.disposition] : undefined;
}

interface Settled {
  disposition: string;
  result: string;
  delay?: number;
}

const settlementOf = ({ settlement }: FlowMessage): Settled | undefined => settlement as Settled | undefined;

/** The request that an approval has for a message it took over, as it was at `seenAt`. */
interface Request {
  state: string;
  seenAt: number;
}

const requestOf = ({ approval }: FlowMessage): Request | undefined => approval as Request | undefined;

const nameOf = (delivery: DeliveryReference | undefined): string | undefined =>
  delivery === undefined ? undefined : `${delivery.connection} ${delivery.tag}`;

const settled: Record<string, JournalOutcome | undefined> = {
  done: 'done',
  retry: 'retrying',
  'dead-letter': 'dead',
  replied: 'rejected',
  released: 'open',
};

/** A subject's parts are percent-encoded; people write them plainly. */
function readable(subject: string): string {
  if (!subject.includes('%')) return subject;
  try {
    return decodeURIComponent(subject);
  } catch {
    return subject;
  }
}

/**
 * Publishing that ends in a confirm: a bounded window on the wire and a bounded line behind it. What was sent and not
 * confirmed when the link broke is sent again in order, with the same message id; a confirm that does not come in
 * time ends as "unknown", never as silence.
 *
 * A target (exchange and routing key) whose confirms stay away, as behind a quorum queue without a leader, is late:
 * what it has on the wire takes no room in the window, what comes for it stands aside, and the others go on.
 */
import type { ConfirmChannel, Message, Options } from 'amqplib';
import { Failure } from '../../../kernel/failure.ts';
import type { OutgoingMessage } from '../engine.ts';
import { describeTarget, noExchange, targetLateCode, unroutable } from '../routing-failures.ts';

export interface PublisherOptions {
  /** Messages sent and not yet confirmed. Default 100. */
  window?: number;
  /** Messages waiting for a place in the window; one more is refused. Default 1,000. */
  line?: number;
  /** Bytes of all bodies that wait or are on the wire. Default 64 MiB. */
  bytes?: number;
  /** Milliseconds until a publish without a confirm fails. Default 15,000. */
  deadline?: number;
}

export interface PublishTerms {
  /** Waits through a blocked broker instead of being refused: for copies that nobody upstream can hold back. */
  patient?: boolean;
}

/** Of a target that is late. */
interface Lane {
  /** On the wire. */
  flying: number;
  /** Waiting until something of the target is confirmed, in order. */
  aside: Pending[];
  /** By the clock of {@link ConfirmedPublisher}. */
  since: number;
}

interface Pending {
  message: OutgoingMessage;
  patient: boolean;
  until: number;
  /** When it was last put on the wire. */
  sentAt: number;
  /** While its target is late and it is on the wire. */
  lane: Lane | undefined;
  /** Times it was put on the wire. */
  sent: number;
  /** `basic.return` came: no queue took it. */
  returned: boolean;
  resolve(): void;
  reject(failure: Failure): void;
}

/**
 * amqplib's book of unconfirmed messages can keep a hole after mixed single and multiple confirms and then grows by a
 * slot a message; a fresh channel from time to time bounds that.
 */
const recycleAfter = 50_000;
/** A message that closes its channel this often is refused instead of being sent once more. */
const sendLimit = 5;
/** Milliseconds after which a target without a confirm is late. */
const patience = 3_000;
/** Milliseconds that a target without messages is remembered as late. */
const lateMemory = 60_000;
const tick = 250;

export class ConfirmedPublisher {
  readonly #window: number;
  readonly #lineLimit: number;
  readonly #byteLimit: number;
  readonly #deadline: number;
  readonly #reopen: () => void;
  readonly #backInTime: (target: Target) => void;
  /** On the wire, in the order sent. */
  readonly #flight = new Set<Pending>();
  #line: Pending[] = [];
  readonly #late = new Map<string, Lane>();
  /** Of all late targets: on the wire, and standing aside. */
  #lateFlying = 0;
  #aside = 0;
  /** Milliseconds since the epoch, as of the last tick. */
  #now = 0;
  #channel: ConfirmChannel | undefined;
  #sentOnChannel = 0;
  /** Of the bodies of all pending messages. */
  #bytes = 0;
  #blocked: string | undefined;
  #closeReason: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param reopen asks for a new channel; {@link attach} is called when there is one
   * @param backInTime told of a target that was late and has confirmed something
   */
  constructor(options: PublisherOptions, reopen: () => void, backInTime: (target: Target) => void = () => undefined) {
    this.#window = options.window ?? 100;
    this.#lineLimit = options.line ?? 1_000;
    this.#byteLimit = options.bytes ?? 64 * 1024 * 1024;
    this.#deadline = options.deadline ?? 15_000;
    this.#reopen = reopen;
    this.#backInTime = backInTime;
  }

  /** Publishes not yet ended. */
  get pending(): number {
    return this.#flight.size + this.#line.length + this.#aside;
  }

  /** Why a message for a target would only stand aside, for people. */
  obstacle(target: Target): string | undefined {
    const lane = this.#late.size === 0 ? undefined : this.#late.get(keyOf(target));
    return lane === undefined || lane.flying === 0 ? undefined : lateWords(target, lane, this.#now);
  }

  publish(message: OutgoingMessage, terms: PublishTerms = {}): Promise<void> {
    if (this.#blocked !== undefined && terms.patient !== true) return Promise.reject(blocked(this.#blocked));
    const size = message.body.byteLength;
    const full = this.#bytes > 0 && this.#bytes + size > this.#byteLimit;
    if (this.#late.size > 0 && terms.patient !== true) {
      const failure = this.#crowded(message);
      if (failure !== undefined) return Promise.reject(failure);
    }
    if (full || this.#line.length + this.#aside >= this.#lineLimit) {
      return Promise.reject(
        new Failure(
          'saturation',
          'AMQP_WINDOW_FULL',
          `${this.pending} messages of ${this.#bytes} bytes wait for the broker's confirm, which is the limit. Slow the sender down and try again.`,
          { retryAfter: 1_000 },
        ),
      );
    }
    this.#bytes += size;
    return new Promise<void>((resolve, reject) => {
      const patient = terms.patient === true;
      const now = Date.now();
      if (this.#timer === undefined) {
        this.#now = now;
        this.#timer = setInterval(() => this.#expire(), tick);
      }
      this.#line.push({
        message,
        patient,
        until: now + this.#deadline * (patient ? 4 : 1),
        sentAt: 0,
        lane: undefined,
        sent: 0,
        returned: false,
        resolve: () => {
          this.#bytes -= size;
          resolve();
        },
        reject: (failure) => {
          this.#bytes -= size;
          reject(failure);
        },
      });
      this.#pump();
    });
  }

  /** Late targets have at most half of what may wait, so that there is room for the others. */
  #crowded(message: OutgoingMessage): Failure | undefined {
    if (this.#aside * 2 < this.#lineLimit && this.#bytes * 2 < this.#byteLimit) return undefined;
    const lane = this.#late.get(keyOf(message));
    if (lane === undefined) return undefined;
    return new Failure(
      'saturation',
      'AMQP_WINDOW_FULL',
      `${lateWords(message, lane, this.#now)} ${this.#aside} messages wait for it already. Try again later.`,
      { retryAfter: 5_000, outcome: 'none' },
    );
  }

  attach(channel: ConfirmChannel): void {
    this.#channel = channel;
    this.#sentOnChannel = 0;
    this.#closeReason = undefined;
    channel.on('return', (message: Message) => this.#returned(message));
    channel.on('error', (error: Error) => {
      this.#closeReason = error.message;
    });
    channel.on('close', () => {
      if (this.#channel === channel) this.#lost();
    });
    this.#pump();
  }

  block(reason: string): void {
    this.#blocked = reason;
    const stay: Pending[] = [];
    for (const entry of [...this.#takeAside(), ...this.#line]) {
      // What was never sent is surely not there; what was sent keeps waiting for its confirm.
      if (entry.patient || entry.sent > 0) stay.push(entry);
      else entry.reject(blocked(reason));
    }
    this.#line = stay;
  }

  unblock(): void {
    this.#blocked = undefined;
    // The time of the alarm is nobody's lateness.
    for (const entry of this.#flight) entry.sentAt = Date.now();
    this.#pump();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#channel = undefined;
    const all = [...this.#flight, ...this.#takeAside(), ...this.#line];
    this.#flight.clear();
    this.#line = [];
    for (const entry of all) entry.reject(unknownOrNone(entry, 'the connection closed'));
  }

  #pump(): void {
    while (
      this.#channel !== undefined &&
      this.#blocked === undefined &&
      this.#flight.size - this.#lateFlying < this.#window
    ) {
      if (this.#sentOnChannel >= recycleAfter) {
        if (this.#flight.size === this.#lateFlying) this.#recycle(this.#channel);
        return;
      }
      const entry = this.#line.shift();
      if (entry === undefined) return;
      const lane = this.#late.size === 0 ? undefined : this.#late.get(keyOf(entry.message));
      // Of a late target one is sent at a time, to see whether it still is.
      if (lane === undefined || (lane.flying === 0 && lane.aside.length === 0)) this.#send(this.#channel, entry, lane);
      else this.#putAside(entry, lane);
    }
  }

  #putAside(entry: Pending, lane: Lane): void {
    const failure = entry.patient || entry.sent > 0 ? undefined : this.#crowded(entry.message);
    if (failure !== undefined) {
      entry.reject(failure);
      return;
    }
    lane.aside.push(entry);
    this.#aside++;
  }

  /** All targets are as good as new; what stood aside is returned in order. */
  #takeAside(): Pending[] {
    const all = [...this.#late.values()].flatMap(({ aside }) => aside);
    this.#late.clear();
    for (const entry of this.#flight) entry.lane = undefined;
    this.#lateFlying = 0;
    this.#aside = 0;
    return all;
  }

  /** The target of a message has shown no life for too long. */
  #beLate({ message }: Pending): void {
    const key = keyOf(message);
    const lane: Lane = { flying: 0, aside: [], since: this.#now };
    this.#late.set(key, lane);
    for (const entry of this.#flight) {
      if (keyOf(entry.message) !== key) continue;
      entry.lane = lane;
      lane.flying++;
    }
    this.#lateFlying += lane.flying;
  }

  /** The target of a message has shown life: what stood aside goes on. */
  #inTime(target: Target, lane: Lane): void {
    this.#late.delete(keyOf(target));
    for (const entry of this.#flight) if (entry.lane === lane) entry.lane = undefined;
    this.#lateFlying -= lane.flying;
    this.#aside -= lane.aside.length;
    this.#line = [...lane.aside, ...this.#line];
    this.#backInTime(target);
  }

  /** @returns false when it was not on the wire any more */
  #land(entry: Pending): boolean {
    if (!this.#flight.delete(entry)) return false;
    const { lane } = entry;
    if (lane === undefined) return true;
    entry.lane = undefined;
    lane.flying--;
    this.#lateFlying--;
    return true;
  }

  #send(channel: ConfirmChannel, entry: Pending, lane: Lane | undefined): void {
    const { message } = entry;
    this.#flight.add(entry);
    if (lane !== undefined) {
      entry.lane = lane;
      lane.flying++;
      this.#lateFlying++;
    }
    entry.sentAt = this.#now;
    entry.sent++;
    entry.returned = false;
    this.#sentOnChannel++;
    const body = Buffer.isBuffer(message.body)
      ? message.body
      : Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength);
    try {
      channel.publish(message.exchange, message.routingKey, body, optionsOf(message), (error: Error | null) => {
        // A channel that closes answers all its messages with an error of another text; `#lost` deals with those.
        const nacked = error?.message === 'message nacked';
        if (error !== null && !nacked) return;
        const landed = this.#land(entry);
        const late = this.#late.size === 0 ? undefined : this.#late.get(keyOf(message));
        if (late !== undefined) this.#inTime(message, late);
        if (landed) this.#confirmed(entry, nacked);
        else this.#pump();
      });
    } catch (error) {
      this.#land(entry);
      if (error instanceof RangeError) {
        entry.reject(
          new Failure('data-quality', 'AMQP_HEADERS_TOO_LARGE', 'The headers of the message exceed 64 KiB.', {
            cause: error,
          }),
        );
      } else if (error instanceof TypeError) {
        entry.reject(
          new Failure('configuration', 'AMQP_PROPERTIES', 'A property of the message cannot be encoded in AMQP.', {
            cause: error,
          }),
        );
      } else {
        // The channel closed under us; its close event follows or has come.
        this.#line.unshift(entry);
        if (this.#channel === channel) this.#lost();
      }
    }
  }

  #confirmed(entry: Pending, nacked: boolean): void {
    if (nacked) {
      entry.reject(
        new Failure(
          'saturation',
          'AMQP_REFUSED',
          `The broker refused the message for ${describeTarget(entry.message)}: a queue behind it is full or failing.`,
          { retryAfter: 5_000 },
        ),
      );
    } else if (entry.returned) {
      entry.reject(unroutable(entry.message));
    } else {
      entry.resolve();
    }
    this.#rest();
    this.#pump();
  }

  /** `basic.return` comes just before the confirm of the same message. */
  #returned({ fields, properties }: Message): void {
    for (const entry of this.#flight) {
      if (
        !entry.returned &&
        entry.message.properties.messageId === properties.messageId &&
        entry.message.exchange === fields.exchange &&
        entry.message.routingKey === fields.routingKey
      ) {
        entry.returned = true;
        return;
      }
    }
  }

  /** The channel is gone: whoever caused it fails, the rest goes back to the head of the line in order. */
  #lost(): void {
    this.#channel = undefined;
    const reason = this.#closeReason;
    this.#closeReason = undefined;
    const again: Pending[] = [];
    for (const entry of this.#flight) {
      const failure = reason === undefined ? undefined : causeOf(entry, reason);
      if (failure !== undefined) entry.reject(failure);
      else if (reason !== undefined && entry.sent >= sendLimit) entry.reject(unknownOrNone(entry, reason));
      else again.push(entry);
    }
    this.#line = [...again, ...this.#takeAside(), ...this.#line];
    this.#flight.clear();
    this.#reopen();
  }

  #recycle(channel: ConfirmChannel): void {
    this.#channel = undefined;
    // Nobody hears any more whether those of late targets arrive.
    this.#line = [...this.#flight, ...this.#takeAside(), ...this.#line];
    this.#flight.clear();
    channel.close().catch(() => undefined);
    this.#reopen();
  }

  #expire(): void {
    const now = Date.now();
    this.#now = now;
    const watched = this.#channel !== undefined && this.#blocked === undefined;
    for (const entry of this.#flight) {
      if (watched && entry.lane === undefined && now - entry.sentAt >= patience) this.#beLate(entry);
      if (entry.until > now) continue;
      const { lane } = entry;
      this.#land(entry);
      entry.reject(
        lane === undefined ? unknownOrNone(entry, 'the confirm did not come in time') : targetLate(entry, lane, now),
      );
    }
    const overdue = (entry: Pending) => entry.until <= now;
    if (this.#line.some(overdue)) {
      const late = this.#line.filter(overdue);
      this.#line = this.#line.filter((entry) => !overdue(entry));
      for (const entry of late) entry.reject(unknownOrNone(entry, 'the broker could not be reached in time'));
    }
    for (const [key, lane] of this.#late) this.#expireAside(key, lane, now);
    this.#rest();
    this.#pump();
  }

  #expireAside(key: string, lane: Lane, now: number): void {
    const late = lane.aside.filter(({ until }) => until <= now);
    lane.aside = lane.aside.filter(({ until }) => until > now);
    this.#aside -= late.length;
    for (const entry of late) entry.reject(targetLate(entry, lane, now));
    if (lane.flying > 0) return;
    if (lane.aside.length === 0) {
      if (now - lane.since > lateMemory) this.#late.delete(key);
    } else if (this.#channel !== undefined && this.#blocked === undefined) {
      this.#aside--;
      this.#send(this.#channel, lane.aside.shift()!, lane);
    }
  }

  #rest(): void {
    if (this.pending > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

interface Target {
  exchange: string;
  routingKey: string;
}

function keyOf({ exchange, routingKey }: Target): string {
  return `${exchange}\0${routingKey}`;
}

function lateWords(target: Target, { since }: Lane, now: number): string {
  const seconds = Math.round((now - since + patience) / 1000);
  return `For ${seconds} s the broker has confirmed nothing for ${describeTarget(target)}, as when a queue behind it has no leader.`;
}

/** Says nothing of other targets. */
function targetLate({ message, sent }: Pending, lane: Lane, now: number): Failure {
  const { messageId } = message.properties;
  const words = lateWords(message, lane, now);
  return sent > 0
    ? new Failure(
        'dependency-outage',
        targetLateCode,
        `${words} Message ${messageId} may have arrived all the same; publish it again with the same message id.`,
        { outcome: 'unknown' },
      )
    : new Failure('dependency-outage', targetLateCode, `${words} Message ${messageId} was not sent.`, {
        outcome: 'none',
      });
}

function optionsOf({ properties, expiration }: OutgoingMessage): Options.Publish {
  return {
    persistent: true,
    mandatory: true,
    messageId: properties.messageId,
    contentType: properties.contentType,
    // AMQP counts seconds (0-9-1 section 4.2.5.4).
    timestamp: Math.floor(properties.timestamp / 1000),
    headers: properties.headers,
    ...(properties.correlationId === undefined ? {} : { correlationId: properties.correlationId }),
    ...(properties.type === undefined ? {} : { type: properties.type }),
    ...(properties.priority === undefined ? {} : { priority: properties.priority }),
    ...(expiration === undefined ? {} : { expiration: Math.max(0, Math.round(expiration)) }),
  };
}

function blocked(reason: string): Failure {
  return new Failure(
    'saturation',
    'AMQP_BLOCKED',
    `The broker takes no messages at present (${reason}). Free its memory or disk; publishing goes on by itself.`,
    { retryAfter: 5_000, outcome: 'none' },
  );
}

function unknownOrNone(entry: Pending, why: string): Failure {
  return entry.sent > 0
    ? new Failure(
        'dependency-outage',
        'AMQP_UNCONFIRMED',
        `The broker did not confirm message ${entry.message.properties.messageId} for ${describeTarget(entry.message)}: ${sentence(why)} It may have arrived; publish it again with the same message id.`,
        { outcome: 'unknown' },
      )
    : new Failure(
        'dependency-outage',
        'AMQP_UNREACHABLE',
        `Message ${entry.message.properties.messageId} was not sent to ${describeTarget(entry.message)}: ${sentence(why)}`,
        { outcome: 'none' },
      );
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}

/** What of a channel's end a single message is to blame for. */
function causeOf({ message }: Pending, reason: string): Failure | undefined {
  const exchange = /no exchange '([^']*)'/.exec(reason)?.[1];
  if (exchange !== undefined && exchange === message.exchange) {
    return noExchange(exchange);
  }
  const refused = /access to (?:exchange|topic) '([^']*)'.* refused for user '([^']*)'/.exec(reason);
  // The default exchange, whose name is empty, is called `amq.default` here.
  const name = message.exchange === '' ? 'amq.default' : message.exchange;
  if (refused !== null && (refused[1] === name || refused[1] === message.routingKey)) {
    return new Failure(
      'configuration',
      'AMQP_ACCESS_REFUSED',
      `The user "${refused[2]}" may not write to exchange "${name}". Grant it the write permission.`,
      { outcome: 'none' },
    );
  }
  const limit = Number(/larger than (?:configured )?max size (\d+)/.exec(reason)?.[1]);
  if (limit > 0 && message.body.byteLength > limit) {
    return new Failure(
      'data-quality',
      'AMQP_BODY_TOO_LARGE',
      `The message has ${message.body.byteLength} bytes; the broker takes ${limit} at most.`,
      { outcome: 'none' },
    );
  }
  return undefined;
}

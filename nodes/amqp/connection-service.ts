/** The service of an `amqp-connection`: one engine, its outbox, and the retry policies of its consumers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { renew } from '../idempotency/index.ts';
import { Failure, type FailureRecord, toFailure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import { telemetry } from '../kernel/telemetry/telemetry.ts';
import { AuditLine } from './audit-line.ts';
import { EmbeddedEngine, queuedMessage } from './engines/embedded/engine.ts';
import type {
  DeclaredKind,
  Disposition,
  IncomingDelivery,
  MessagingEngine,
  OpenDelivery,
  OutgoingMessage,
  QueueTopology,
  Topology,
} from './engines/engine.ts';
import { type ClaimOptions, checkIn, checkOut, claimOf, defaultClaim } from './claim-check.ts';
import { keepBody, purgeBodies, readBody } from './claim-operations.ts';
import { stepFor } from './engines/rabbitmq/topology.ts';
import { firstFailedAtOf } from './failure-headers.ts';
import { Intake } from './intake.ts';
import { OutboxForwarder } from './outbox.ts';
import { acceptIntoOutbox, acceptIntoQueue, type Completion, leaseLost, noteConfirmed } from './outbox-operations.ts';
import { Readiness, reaches, type Target } from './readiness.ts';
import { forgetRedeliveries, noteRedelivery, purgeRedeliveries } from './redelivery-operations.ts';
import { defaultRetryBudget, RetryBudget, type RetryBudgetOptions } from './retry-budget.ts';
import { decide, defaultRetryPolicy, type RetryPolicy, stepOf, withJitter } from './retry-policy.ts';
import type {
  Acceptance,
  Accepted,
  AmqpConnectionService,
  ConsumeOptions,
  Guarantee,
  Settlement,
  SettleOutcome,
} from './service.ts';
import { StandingOrders } from './standing-orders.ts';

export interface ConnectionOptions {
  /** Id of the config node. */
  id: string;
  /** As its metrics call it. Default its id. */
  label?: string;
  namespace: string;
  engine: MessagingEngine;
  /** Of the outbox; with the embedded engine also of the queues. */
  store?: { id: string; store: Store };
  /** Rows in the outbox at which accepting is refused. Default 10,000. */
  outboxLimit?: number;
  retryBudget?: RetryBudgetOptions;
  /** Bodies above its limit are kept in the store. Default {@link defaultClaim}; needs a store and a broker. */
  claim?: ClaimOptions;
}

/** Beyond these a broker refuses a message for good, and it must not be accepted first. RabbitMQ 4: 16 MiB. */
const bodyLimit = 16 * 1024 * 1024;
/** A frame takes 64 KiB of headers; what a copy says of its failure must fit beside those of the sender. */
const headersLimit = 40 * 1024;
/** Of a body that the store keeps. */
const keptBodyLimit = 64 * 1024 * 1024;
/** Milliseconds: rows about messages that are never heard of again go after it. */
const redeliveryAge = 30 * 86_400_000;
/** Milliseconds, and bodies removed in one transaction. */
const purgeInterval = 10 * 60_000;
const purgeSlice = 20;

/** Milliseconds. */
const gaugeInterval = 10_000;
const queueGauges = ['queue_depth', 'queue_oldest_seconds', 'inflight'];
const connectionGauges = [
  'connection_up',
  'messaging_stopped',
  'outbox_oldest_seconds',
  'outbox_unpublished',
  'retry_budget_available',
];
/** Milliseconds between two tries to declare what the broker or the store could not take. */
const declareAgain = 1_000;
/** Milliseconds between two questions for a body while the store does not answer. */
const bodyRetry = 1_000;
/** Milliseconds: longer than a publish may wait for its confirm. */
const leaseWhilePublishing = 60_000;

interface Plan {
  disposition: Disposition;
  settlement: Omit<Settlement, 'result'>;
}

export interface RunningConnection {
  service: AmqpConnectionService;
  /**
   * Holds back what is published, e.g. while nodes that will declare something are still being made.
   * @returns ends the hold
   */
  hold(): () => void;
  /** @returns audit entries of confirmed messages that the store did not take */
  close(): Promise<number>;
}

export function startConnection(options: ConnectionOptions): RunningConnection {
  const { id, namespace, engine, store } = options;
  const label = options.label ?? id;
  const policies = new Map<string, RetryPolicy>();
  const settledListeners = new Map<string, Set<(tag: string, settlement: Settlement) => void>>();
  /** Deliveries that the store has counted, by handle. */
  const counted = new Map<string, { queue: string; messageId: string }>();
  const heldQueues = new Map<string, string>();
  /** Of the deployed nodes. */
  const declared = new Set<Topology>();
  /** Of all that was ever declared: what is in the flow may be settled after its consumer has gone. */
  const queues = new Map<string, QueueTopology>();
  const counters = { stale: 0, alreadySettled: 0, released: 0 };
  let closed = false;
  const readiness = new Readiness(() => forwarder?.releaseHeld());
  const forwarder: OutboxForwarder | undefined =
    engine.kind === 'rabbitmq' && store !== undefined
      ? new OutboxForwarder({
          store: store.store,
          engine,
          connection: id,
          limit: options.outboxLimit ?? 10_000,
          ready: () => !readiness.shut,
          obstacle,
        })
      : undefined;
  engine.onObstacleGone?.((target) => forwarder?.releaseHeld(target));
  const orders = new StandingOrders(store?.store, id, () => void intake.apply().catch(() => undefined));
  const budget = new RetryBudget(options.retryBudget ?? defaultRetryBudget);
  const intake: Intake = new Intake(orders, budget);
  const accepted = store === undefined ? undefined : new AuditLine(store.store);
  // The embedded queue is in the store anyway.
  const claim = engine.kind === 'rabbitmq' && store !== undefined ? (options.claim ?? defaultClaim) : undefined;

  function plan(outcome: SettleOutcome, open: OpenDelivery | undefined): Plan {
    const now = Date.now();
    const queue = open?.delivery.queue ?? '';
    const attempt = open?.delivery.attempt ?? 1;
    const policy = policies.get(queue) ?? defaultRetryPolicy;
    const firstFailedAt = firstFailedAtOf(open?.delivery.properties.headers ?? {}) ?? now;
    const retry = (delay: number, failure: FailureRecord): Plan => {
      // The broker's steps are fixed; only the embedded queue can wait for any time.
      const steps = queues.get(queue)?.retrySteps ?? policy.steps;
      const exact = engine.kind === 'embedded' ? withJitter(delay, policy.jitter) : stepFor(steps, delay);
      return {
        disposition: { kind: 'retry', delay: exact, failure },
        settlement: { disposition: 'retry', delay: exact },
      };
    };
    const deadLetter = (failure: FailureRecord, reason?: string): Plan => ({
      disposition: { kind: 'dead-letter', failure },
      settlement: { disposition: 'dead-letter', ...(reason === undefined ? {} : { reason }) },
    });
    switch (outcome.kind) {
      case 'done':
        return { disposition: { kind: 'done' }, settlement: { disposition: 'done' } };
      case 'release':
        return { disposition: { kind: 'release' }, settlement: { disposition: 'released' } };
      case 'dead-letter':
        return deadLetter(outcome.failure);
      case 'retry': {
        const failure = outcome.failure ?? retryRequested;
        if (now - firstFailedAt > policy.giveUpAfter) return deadLetter(failure, 'Retried until the give-up age.');
        return retry(Math.min(policy.cap, outcome.delay ?? stepOf(policy.steps, attempt)), failure);
      }
      case 'failed': {
        const decision = decide(outcome.failure, attempt, firstFailedAt, policy, now);
        return decision.kind === 'retry'
          ? retry(decision.delay, outcome.failure)
          : deadLetter(outcome.failure, decision.reason);
      }
    }
  }

  /**
   * A deploy declares and publishes at once: what a message needs stands before it is published.
   * @returns the first try
   */
  function stand(topology: Topology): Promise<void> {
    let problem = '';
    const why = () => problem || ('problem' in engine.state ? (engine.state.problem ?? '') : '');
    const holds = { exchange: new Map<string, () => void>(), queue: new Map<string, () => void>() };
    for (const name of topology.exchanges) {
      const needs = ({ exchange }: Target) => exchange === name;
      holds.exchange.set(name, readiness.hold({ what: `exchange "${name}"`, needs, why }));
    }
    for (const queue of topology.queues) {
      const needs = (target: Target) => reaches(queue, target);
      holds.queue.set(queue.name, readiness.hold({ what: `queue "${queue.name}"`, needs, why }));
    }
    const release = (kind: DeclaredKind, name: string) => holds[kind].get(name)?.();
    const first = engine.declare(topology, release);
    void (async () => {
      for (let declaring = first; ; declaring = engine.declare(topology, release)) {
        const failure = await declaring.then(() => undefined, toFailure);
        // What only a person can mend (another queue of that name, a permission) must not hold up others.
        if (failure === undefined || !failure.retryable) break;
        problem = failure.message;
        await sleep(declareAgain);
        if (closed || !declared.has(topology)) break;
      }
      for (const end of [...holds.exchange.values(), ...holds.queue.values()]) end();
    })();
    return first;
  }

  /** Why a message may not go to the broker now, though others may; for people. */
  function obstacle(target: Target): string | undefined {
    return (readiness.open ? undefined : readiness.obstacle(target)) ?? engine.obstacle?.(target);
  }

  async function acceptDurably(acceptance: Acceptance): Promise<Accepted> {
    if (store === undefined) throw noStore();
    const { lease } = acceptance;
    if (lease !== undefined && lease.store !== store.id) throw otherStore();
    const { message, kept } = checkedIn(acceptance.message);
    const args = {
      message: queuedMessage(message),
      ...(kept === undefined ? {} : { kept }),
      completion: completionOf(acceptance),
      audit: auditOf(acceptance, 'outbox'),
    };
    if (engine instanceof EmbeddedEngine) {
      if (!readiness.open) await readiness.passed(message);
      await engine.makeRoom(message);
      engine.stored(message, await store.store.run(acceptIntoQueue, args));
    } else {
      await store.store.run(acceptIntoOutbox, {
        ...args,
        connection: id,
        partitionKey: message.partitionKey ?? null,
        limit: options.outboxLimit ?? 10_000,
      });
      forwarder?.wake();
    }
    return { completed: lease !== undefined };
  }

  async function acceptConfirmed(acceptance: Acceptance): Promise<Accepted> {
    const { message, lease } = acceptance;
    if (lease !== undefined && store !== undefined && lease.store !== store.id) throw otherStore();
    const completion = completionOf(acceptance);
    if (store !== undefined && completion !== null) {
      const verdict = await store.store.run(renew, { ...completion, lease: leaseWhilePublishing });
      if (verdict === 'lost-lease') throw leaseLost(completion.key);
    }
    await publish(message);
    const audit = auditOf(acceptance, 'confirmed');
    if (store !== undefined && completion !== null) {
      return { completed: await store.store.run(noteConfirmed, { completion, audit }) };
    }
    // The broker has the message, which is what was promised; the entry follows.
    await accepted?.add(audit);
    return { completed: false };
  }

  function checkedIn(message: OutgoingMessage) {
    return claim === undefined ? { message } : checkIn(message, claim);
  }

  async function publish(whole: OutgoingMessage): Promise<void> {
    if (!readiness.open) await readiness.passed(whole);
    const { message, kept } = checkedIn(whole);
    if (kept !== undefined) await store!.store.run(keepBody, kept);
    await engine.publish(message);
  }

  /**
   * Hands deliveries on with the bodies they were published with. One that waits for its body holds up those behind it,
   * so that the order stays.
   */
  function withBodies(onDelivery: (delivery: IncomingDelivery) => void): (delivery: IncomingDelivery) => void {
    let line: Promise<void> | undefined;
    return (delivery) => {
      const claimed = claimOf(delivery);
      if (claimed === undefined && line === undefined) {
        onDelivery(delivery);
        return;
      }
      const next = (line ?? Promise.resolve()).then(async () => {
        const whole = claimed === undefined ? delivery : await fetched(delivery, claimed);
        if (whole !== undefined) onDelivery(whole);
      });
      line = next.finally(() => {
        if (line === waited) line = undefined;
      });
      const waited = line;
    };
  }

  /** Undefined when the delivery is no longer ours to handle. */
  async function fetched(delivery: IncomingDelivery, claimed: string): Promise<IncomingDelivery | undefined> {
    // A letter without its body is still a letter; the same goes for a connection that has no store to ask.
    for (; engine.open(delivery.handle) !== undefined; await sleep(bodyRetry)) {
      try {
        return checkOut(delivery, await store?.store.run(readBody, { id: claimed }));
      } catch (error) {
        const failure = toFailure(error);
        // A store that is away or busy comes back; a missing key or a body that was changed does not.
        if (failure.retryable) continue;
        if (delivery.queue.endsWith('.dead')) return delivery;
        const record = failure.toRecord({ at: new Date().toISOString(), attempt: delivery.attempt });
        await engine.settle(delivery.handle, { kind: 'dead-letter', failure: record }).catch(() => undefined);
        return undefined;
      }
    }
    return undefined;
  }

  const service: AmqpConnectionService = {
    id,
    engine: engine.kind,
    namespace,
    eventsExchange: `${namespace}.events`,
    counters,
    get state() {
      return engine.state;
    },

    queueName: (name) => (name.startsWith(`${namespace}.`) ? name : `${namespace}.${name}`),

    declare(topology) {
      declared.add(topology);
      for (const queue of topology.queues) queues.set(queue.name, queue);
      return stand(topology);
    },
    withdraw(topology) {
      if (!declared.delete(topology)) return;
      const { exchanges, queues: left } = service.topology();
      engine.withdraw?.({
        exchanges: topology.exchanges.filter((name) => !exchanges.includes(name)),
        queues: topology.queues.filter(({ name }) => !left.some((other) => other.name === name)),
      });
    },

    publish,

    async accept(acceptance, guarantee) {
      checkSize(acceptance, claim === undefined || claim.limit > bodyLimit ? bodyLimit : keptBodyLimit);
      const accepted = await (guarantee === 'outbox' ? acceptDurably(acceptance) : acceptConfirmed(acceptance));
      const { exchange, routingKey } = acceptance.message;
      telemetry.count('messaging_client_sent_messages_total', { messaging_destination_name: exchange || routingKey });
      return accepted;
    },

    outbox: async () => forwarder?.status(),

    async consume(consume: ConsumeOptions, onDelivery: (delivery: IncomingDelivery) => void) {
      const { policy, onSettled, onHalt, ...rest } = consume;
      const { queue } = consume;
      policies.set(queue, policy);
      const paused = intake.haltOf(queue) !== undefined;
      const counting = (delivery: IncomingDelivery): void => {
        telemetry.count('messaging_client_consumed_messages_total', { messaging_destination_name: queue });
        onDelivery(delivery);
      };
      const consumer = await engine.consume({ ...rest, paused }, withBodies(counting));
      if (onSettled !== undefined) add(settledListeners, queue, onSettled);
      const ours = intake.add(queue, consumer, onHalt);
      return {
        ...ours,
        get paused() {
          return consumer.paused;
        },
        get unsettled() {
          return consumer.unsettled;
        },
        async close(drain) {
          await ours.close(drain);
          if (onSettled !== undefined) settledListeners.get(queue)?.delete(onSettled);
        },
      };
    },

    async settle(tag, outcome) {
      const open = engine.open(tag);
      const { disposition, settlement } = plan(outcome, open);
      const result = await engine.settle(tag, disposition);
      const queue = open?.delivery.queue ?? 'unknown';
      if (result === 'stale') counters.stale++;
      else if (result === 'already-settled') counters.alreadySettled++;
      else {
        if (settlement.disposition === 'released') counters.released++;
        else if (open !== undefined) {
          const labels = { messaging_destination_name: queue, disposition: settlement.disposition };
          telemetry.observe('messaging_process_duration_seconds', labels, (Date.now() - open.since) / 1000);
        }
        spend(settlement.disposition);
        forget(tag);
      }
      const settled = { result, ...settlement };
      for (const listener of [...(settledListeners.get(queue) ?? [])]) listener(tag, settled);
      return settled;
    },

    open: (tag) => engine.open(tag),
    openDeliveries: (queue) => engine.openDeliveries(queue),

    storeId: store?.id,
    pause: (queue, by = { actor: 'flow', reason: 'paused by the flow' }) =>
      orders.order({ target: { kind: 'pause', connection: id, queue }, on: true, ...by }),
    resume: (queue) =>
      orders.order({ target: { kind: 'pause', connection: id, queue }, on: false, actor: 'flow', reason: '' }),
    paused: (queue) => orders.pauseOf(queue) !== undefined,
    stop: (on, by) => orders.order({ target: { kind: 'stop' }, on, ...by }),
    stopped: () => orders.stop,
    async obey() {
      await orders.look();
      await intake.apply();
    },
    halted: (queue) => intake.haltOf(queue),
    budget: () => budget.state,

    async redeliveries(delivery) {
      const { queue, handle, redelivered, properties } = delivery;
      if (delivery.redeliveries !== undefined) return delivery.redeliveries;
      if (!redelivered || store === undefined) return 0;
      const message = { queue, messageId: properties.messageId };
      const count = await store.store.run(noteRedelivery, message);
      counted.set(handle, message);
      return count;
    },

    hold(queue, reason) {
      if (reason === undefined) heldQueues.delete(queue);
      else heldQueues.set(queue, reason);
    },
    held: (queue) => {
      const halt = intake.haltOf(queue);
      return heldQueues.get(queue) ?? (halt?.kind === 'paused' ? undefined : halt?.text);
    },
    problemOf: (kind, name) => engine.problemOf(kind, name),

    depth: (queue) => engine.depth(queue),
    topology(): Topology {
      const all = [...declared];
      const byName = new Map(all.flatMap((each) => each.queues.map((queue) => [queue.name, queue])));
      return { exchanges: [...new Set(all.flatMap((each) => each.exchanges))], queues: [...byName.values()] };
    },
    onState: (listener) => engine.onState(listener),
  };

  function spend(disposition: Settlement['disposition']): void {
    const { spent } = budget.state;
    if (disposition === 'done') budget.succeeded();
    else if (disposition === 'retry') budget.retried();
    if (budget.state.spent === spent) return;
    if (!spent) telemetry.count('retry_budget_spent_total', { connection: label });
    void intake.apply().catch(() => undefined);
  }

  /** It is settled: the next delivery of the message, if there is one, is its first again. */
  function forget(tag: string): void {
    const message = counted.get(tag);
    if (message === undefined) return;
    counted.delete(tag);
    store?.store.run(forgetRedeliveries, message).catch(() => undefined);
  }

  async function purge(): Promise<void> {
    if (store === undefined) return;
    await store.store.run(purgeRedeliveries, { age: redeliveryAge });
    while ((await store.store.run(purgeBodies, { limit: purgeSlice })) === purgeSlice) await sleep(50);
  }

  const purging = setInterval(() => void purge().catch(() => undefined), purgeInterval);
  purging.unref();
  const gauges = setInterval(() => void measure().catch(() => undefined), gaugeInterval);
  gauges.unref();

  /** Queues of which the gauges tell. */
  const told = new Set<string>();

  function forgetQueue(queue: string): void {
    for (const name of queueGauges) telemetry.forget(name, { queue });
    telemetry.forget('queue_depth', { queue: `${queue}.dead` });
    told.delete(queue);
  }

  /** What the dashboards show. A broker or store that does not answer says so elsewhere. */
  async function measure(): Promise<void> {
    telemetry.gauge('retry_budget_available', { connection: label }, budget.state.available);
    telemetry.gauge('messaging_stopped', { connection: label }, orders.stop === undefined ? 0 : 1);
    // What came and went with a channel is counted as its redelivery comes.
    for (const handle of counted.keys()) if (engine.open(handle) === undefined) counted.delete(handle);
    const consumed = new Set(intake.queues);
    for (const queue of told) if (!consumed.has(queue)) forgetQueue(queue);
    if (engine.state.kind !== 'ready') return;
    for (const queue of intake.queues) {
      told.add(queue);
      telemetry.gauge('inflight', { queue }, engine.openDeliveries(queue).length);
      // One that does not answer keeps the others from nothing.
      const depth = await engine.depth(queue).catch(() => undefined);
      if (depth === undefined) continue;
      const { ready, oldestAge } = depth;
      telemetry.gauge('queue_depth', { queue }, ready);
      // RabbitMQ does not tell the age of a message.
      if (engine.kind === 'embedded') telemetry.gauge('queue_oldest_seconds', { queue }, (oldestAge ?? 0) / 1000);
      const dead = `${queue}.dead`;
      // Letters that no dead-letter node takes would pile up unseen.
      if (queue.endsWith('.dead')) continue;
      if (intake.consumed(dead)) telemetry.forget('queue_depth', { queue: dead });
      else {
        const left = await engine.depth(dead).catch(() => undefined);
        if (left !== undefined) telemetry.gauge('queue_depth', { queue: dead }, left.ready);
      }
    }
    const outbox = await forwarder?.status();
    if (outbox !== undefined) {
      telemetry.gauge('outbox_unpublished', { connection: label }, outbox.depth);
      telemetry.gauge('outbox_oldest_seconds', { connection: label }, outbox.lag / 1000);
    }
  }

  return {
    service,
    hold: () => readiness.hold({ what: 'what the flows being deployed declare', why: () => '' }),
    async close() {
      closed = true;
      readiness.close();
      clearInterval(gauges);
      clearInterval(purging);
      orders.close();
      intake.close();
      await forwarder?.close();
      await engine.close();
      for (const queue of told) forgetQueue(queue);
      for (const name of connectionGauges) telemetry.forget(name, { connection: label });
      return (await accepted?.close()) ?? 0;
    },
  };
}

const retryRequested: FailureRecord = {
  class: 'conflict',
  code: 'RETRY_REQUESTED',
  retryable: true,
  message: 'The flow asked for another try.',
};

function add<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key) ?? new Set<T>();
  sets.set(key, set.add(value));
}

function noStore(): Failure {
  return new Failure(
    'configuration',
    'AMQP_NO_STORE',
    'The amqp-connection has no integration store, which the outbox needs. Choose one in it, or choose the guarantee "confirmed" in amqp-publish.',
  );
}

function otherStore(): Failure {
  return new Failure(
    'configuration',
    'AMQP_OTHER_STORE',
    'The idempotency key of the message is in another integration store than the outbox, so that both cannot be one transaction. Choose the same store in idempotency-gate and amqp-connection.',
  );
}

function checkSize({ message }: Acceptance, limit: number): void {
  if (message.body.byteLength <= limit && surelySmall(message.properties.headers)) return;
  const headers = Buffer.byteLength(JSON.stringify(message.properties.headers));
  if (message.body.byteLength <= limit && headers <= headersLimit) return;
  throw new Failure(
    'data-quality',
    'AMQP_MESSAGE_TOO_LARGE',
    `The message has ${message.body.byteLength} bytes and ${headers} bytes of headers; at most ${limit} and ${headersLimit} are taken. Send a reference to the document instead.`,
    { outcome: 'none' },
  );
}

/** By an estimate from above: a character takes at most six bytes in JSON. */
function surelySmall(headers: OutgoingMessage['properties']['headers']): boolean {
  let bytes = 2;
  for (const name in headers) {
    const value = headers[name];
    bytes += (name.length + (typeof value === 'string' ? value.length : 4)) * 6 + 6;
  }
  return bytes <= headersLimit;
}

function completionOf({ lease, reply }: Acceptance): Completion | null {
  if (lease === undefined) return null;
  const { scope, key, token } = lease;
  return { scope, key, token, ...(reply === undefined ? {} : { reply }) };
}

function auditOf({ message, lease, correlationId, node }: Acceptance, guarantee: Guarantee) {
  return {
    action: 'message.accepted',
    outcome: 'success' as const,
    actor: 'flow',
    subject: message.properties.messageId,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(node === undefined ? {} : { node }),
    detail: {
      guarantee,
      exchange: message.exchange,
      routingKey: message.routingKey,
      ...(lease === undefined ? {} : { scope: lease.scope, key: lease.key }),
    },
  };
}

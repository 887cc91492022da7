/**
 * Load on a broker with a ledger. Numbered messages are sent until each is accepted, half of them by the outbox and
 * half confirmed by the broker; behind the consumer is the idempotency gate, and behind that the effect, which is
 * counted. What a sender was told, and what became of it, is compared at the end.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startConnection } from '../../../nodes/amqp/connection-service.ts';
import type { IncomingDelivery } from '../../../nodes/amqp/engines/engine.ts';
import type { RabbitMqOptions } from '../../../nodes/amqp/engines/rabbitmq/engine.ts';
import { defaultRetryPolicy } from '../../../nodes/amqp/retry-policy.ts';
import { claim, complete } from '../../../nodes/idempotency/index.ts';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { message, queue, rabbitMq, uniquePrefix, until } from '../../amqp/engines.ts';
import { removeDirectory, temporaryDirectory } from '../../support/processes.ts';

export interface Ledger {
  sent: number;
  /** The sender was told that it is safe. */
  accepted: number;
  /** Answers other than that; the sender tried again with the same id. */
  refused: number;
  /** Answers that left open whether it arrived. */
  unknown: number;
  deliveries: number;
  /** Sent, and without an effect. */
  lost: number;
  /** Accepted, and without an effect. */
  acceptedAndLost: number;
  /** With more than one effect. */
  doubled: number;
}

export interface Load {
  /** Resolves when all are accepted. */
  send(count: number): Promise<void>;
  readonly accepted: number;
  readonly connected: boolean;
  /** Waits until everything sent has its effect and nothing is left anywhere, and checks the ledger. */
  assertHandled(): Promise<Ledger>;
  close(): Promise<void>;
}

const senders = 100;
/** Longer than anything here takes: nobody else may take a message over that is in hand. */
const lease = 3_600_000;
/** Milliseconds; the campaign runs beside other work. */
const patience = process.env.HEALTHFLOWS_CAMPAIGN === undefined ? 90_000 : 600_000;

/** @param capacity messages that will be sent in all */
export async function startLoad(url: string, capacity: number, options: Partial<RabbitMqOptions> = {}): Promise<Load> {
  const prefix = uniquePrefix();
  const folder = temporaryDirectory('load');
  const store = openStore({ engine: 'sqlite', file: join(folder, 'store.sqlite') });
  const engine = rabbitMq(url, { publisher: { deadline: 60_000 }, ...options });
  const { service, close } = startConnection({
    id: 'load',
    namespace: prefix,
    engine,
    store: { id: 'store', store },
    outboxLimit: 5_000,
  });
  const name = `${prefix}.q`;
  const topology = { exchanges: [], queues: [queue(name)] };
  await until('the queue is declared', () =>
    service.declare(topology).then(
      () => true,
      () => false,
    ),
  );
  const accepted = new Uint8Array(capacity);
  const effects = new Uint8Array(capacity);
  const count = { sent: 0, accepted: 0, handled: 0, refused: 0, unknown: 0, deliveries: 0 };

  async function handle({ handle: tag, properties: { messageId } }: IncomingDelivery): Promise<void> {
    count.deliveries++;
    const key = { scope: name, key: messageId };
    const verdict = await store.run(claim, { ...key, lease, retention: 86_400_000, fingerprint: '', owner: 'load' });
    if (verdict.kind === 'new') {
      const number = Number(messageId.split(':')[1]);
      effects[number]!++;
      if (effects[number] === 1) count.handled++;
      await store.run(complete, { ...key, token: verdict.token });
    }
    // Somebody else has it in hand: not at an end before that one is.
    const busy = verdict.kind !== 'new' && verdict.kind !== 'duplicate';
    await service.settle(tag, busy ? { kind: 'retry', delay: 200 } : { kind: 'done' });
  }

  const consumer = await service.consume(
    { queue: name, prefetch: 100, policy: { ...defaultRetryPolicy, steps: [200, 1_000] } },
    // What cannot be settled now comes again.
    (delivery) => void handle(delivery).catch(() => undefined),
  );

  async function sendOne(number: number): Promise<void> {
    const sent = message('', name);
    sent.properties.messageId = `${prefix}:${number}`;
    for (;;) {
      try {
        await service.accept({ message: sent }, number % 2 === 0 ? 'outbox' : 'confirmed');
        accepted[number] = 1;
        count.accepted++;
        return;
      } catch (error) {
        if ((error as { outcome?: string }).outcome === 'unknown') count.unknown++;
        else count.refused++;
        await sleep(20);
      }
    }
  }

  const ledger = (): Ledger => {
    const numbers = Array.from({ length: count.sent }, (_, number) => number);
    return {
      sent: count.sent,
      accepted: count.accepted,
      refused: count.refused,
      unknown: count.unknown,
      deliveries: count.deliveries,
      lost: numbers.filter((number) => effects[number] === 0).length,
      acceptedAndLost: numbers.filter((number) => accepted[number] === 1 && effects[number] === 0).length,
      doubled: numbers.filter((number) => effects[number]! > 1).length,
    };
  };

  return {
    get accepted() {
      return count.accepted;
    },
    get connected() {
      return service.state.kind === 'ready';
    },
    async send(messages) {
      const end = Math.min(capacity, count.sent + messages);
      await Promise.all(
        Array.from({ length: senders }, async () => {
          while (count.sent < end) await sendOne(count.sent++);
        }),
      );
    },
    async assertHandled() {
      await until('everything sent has its effect', () => count.handled === count.sent, patience).catch(
        () => undefined,
      );
      const found = ledger();
      assert.deepEqual(
        { lost: found.lost, acceptedAndLost: found.acceptedAndLost, doubled: found.doubled },
        { lost: 0, acceptedAndLost: 0, doubled: 0 },
        JSON.stringify(found),
      );
      await until('nothing waits in the outbox', async () => (await service.outbox())!.depth === 0, patience);
      await until('all is settled', () => consumer.unsettled === 0, patience);
      await until('the queue is empty', async () => (await service.depth(name)).ready === 0, patience);
      assert.equal((await service.depth(`${name}.dead`)).ready, 0, 'nothing ends as a dead letter');
      return found;
    },
    async close() {
      await consumer.close();
      await close();
      await store.close();
      removeDirectory(folder);
    },
  };
}

export function inWords({ sent, refused, unknown, deliveries, lost, acceptedAndLost, doubled }: Ledger): string {
  return `${sent} sent and accepted, ${refused} refused and ${unknown} unknown answers on the way, ${deliveries - sent} deliveries more than messages; lost ${lost}, accepted and lost ${acceptedAndLost}, effects doubled ${doubled}`;
}

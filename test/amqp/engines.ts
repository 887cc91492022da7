/** The engines under test: each promise of the contract is tested on all that the environment offers. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { EmbeddedEngine } from '../../nodes/amqp/engines/embedded/engine.ts';
import type {
  IncomingDelivery,
  MessagingEngine,
  OutgoingMessage,
  QueueTopology,
} from '../../nodes/amqp/engines/engine.ts';
import { parseAddresses } from '../../nodes/amqp/engines/rabbitmq/connection.ts';
import { RabbitMqEngine, type RabbitMqOptions } from '../../nodes/amqp/engines/rabbitmq/engine.ts';
import type { FailureRecord } from '../../nodes/kernel/failure.ts';
import { openStore, type Store } from '../../nodes/kernel/store/index.ts';

export const amqpUrl = process.env.AMQP_URL;
export const postgresUrl = process.env.POSTGRES_URL;

/** An engine with names of its own, removed afterwards. */
export interface Bench {
  engine: MessagingEngine;
  /** The store of the embedded engine. */
  store?: Store;
  /** Prefix for queues and exchanges. */
  prefix: string;
  /** A second engine on the same broker or store. */
  another(): MessagingEngine;
  dispose(): Promise<void>;
}

export interface BenchKind {
  title: string;
  skip: string | false;
  open(): Promise<Bench>;
}

const without = (variable: string, value: string | undefined) =>
  value === undefined ? `${variable} is not set` : false;

export function uniquePrefix(): string {
  return `t${randomBytes(5).toString('hex')}`;
}

export function rabbitMq(url: string, options: Partial<RabbitMqOptions> = {}): RabbitMqEngine {
  return new RabbitMqEngine({ addresses: parseAddresses(url), name: 'test', ...options });
}

/** Deletes the queues and exchanges of a test; passive checks would end the channel, so each has its own. */
export async function deleteFromBroker(
  url: string,
  queues: readonly string[],
  exchanges: readonly string[],
): Promise<void> {
  const model = await connect(url);
  model.on('error', () => undefined);
  const each = async (work: (channel: Awaited<ReturnType<typeof model.createChannel>>) => Promise<unknown>) => {
    const channel = await model.createChannel();
    channel.on('error', () => undefined);
    await work(channel).catch(() => undefined);
    await channel.close().catch(() => undefined);
  };
  for (const queue of queues) await each((channel) => channel.deleteQueue(queue));
  for (const exchange of exchanges) await each((channel) => channel.deleteExchange(exchange));
  await model.close();
}

export const sqliteKind: BenchKind = {
  title: 'embedded on SQLite',
  skip: false,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), 'hf-amqp-'));
    return embedded(openStore({ engine: 'sqlite', file: join(folder, 'store.sqlite') }), () =>
      rmSync(folder, { recursive: true, force: true }),
    );
  },
};

export const postgresKind: BenchKind = {
  title: 'embedded on PostgreSQL',
  skip: without('POSTGRES_URL', postgresUrl),
  open: async () => embedded(openPostgres(uniquePrefix()), () => undefined),
};

export function openPostgres(schema: string): Store {
  return openStore({ engine: 'postgresql', url: postgresUrl!, schema });
}

function embedded(store: Store, clean: () => void): Bench {
  const engine = new EmbeddedEngine(store);
  const engines: MessagingEngine[] = [engine];
  return {
    engine,
    store,
    prefix: uniquePrefix(),
    another() {
      const next = new EmbeddedEngine(store);
      engines.push(next);
      return next;
    },
    async dispose() {
      for (const each of engines) await each.close();
      await store.close();
      clean();
    },
  };
}

export const rabbitKind: BenchKind = {
  title: 'RabbitMQ',
  skip: without('AMQP_URL', amqpUrl),
  async open() {
    const prefix = uniquePrefix();
    const engines: MessagingEngine[] = [];
    const another = () => {
      const engine = watched(rabbitMq(amqpUrl!), used);
      engines.push(engine);
      return engine;
    };
    const used = { queues: new Set<string>(), exchanges: new Set<string>() };
    return {
      engine: another(),
      prefix,
      another,
      async dispose() {
        for (const each of engines) await each.close();
        await deleteFromBroker(amqpUrl!, [...used.queues], [...used.exchanges]);
      },
    };
  },
};

/** Remembers what was declared, for the cleaning up. */
function watched(engine: MessagingEngine, used: { queues: Set<string>; exchanges: Set<string> }): MessagingEngine {
  const declare = engine.declare.bind(engine);
  engine.declare = (topology, decided) => {
    for (const exchange of topology.exchanges) used.exchanges.add(exchange);
    for (const { name, retrySteps } of topology.queues) {
      used.queues.add(name).add(`${name}.dead`);
      for (const step of retrySteps ?? []) used.queues.add(`${name}.retry.${words(step)}`);
    }
    return declare(topology, decided);
  };
  return engine;
}

function words(step: number): string {
  return step % 1000 === 0 ? `${step / 1000}s` : `${step}ms`;
}

export const allKinds: readonly BenchKind[] = [sqliteKind, postgresKind, rabbitKind];

let counter = 0;

export function message(exchange: string, routingKey: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange,
    routingKey,
    properties: {
      messageId: `m${++counter}-${randomBytes(4).toString('hex')}`,
      contentType: 'application/json',
      timestamp: Date.now(),
      headers: { 'cloudEvents:type': 'test' },
    },
    body: Buffer.from(JSON.stringify({ n: counter })),
    ...more,
  };
}

export function queue(name: string, more: Partial<QueueTopology> = {}): QueueTopology {
  return { name, type: 'quorum', bindings: [], retrySteps: [200, 1_000], ...more };
}

export const failure: FailureRecord = {
  class: 'dependency-outage',
  code: 'ODOO_DOWN',
  retryable: true,
  message: 'Odoo did not answer.',
  node: { id: 'n1', type: 'odoo-rpc' },
};

/** Deliveries as they come, to be awaited. */
export class Inbox {
  readonly all: IncomingDelivery[] = [];
  #waiting: (() => void)[] = [];

  readonly receive = (delivery: IncomingDelivery): void => {
    this.all.push(delivery);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  };

  /** The `n`-th delivery, counted from 1. */
  async nth(n: number, timeout = 90_000): Promise<IncomingDelivery> {
    const until = Date.now() + timeout;
    while (this.all.length < n) {
      if (Date.now() > until) throw new Error(`Delivery ${n} did not come; there were ${this.all.length}.`);
      await Promise.race([
        new Promise<void>((resolve) => this.#waiting.push(resolve)),
        new Promise((resolve) => setTimeout(resolve, 200)),
      ]);
    }
    return this.all[n - 1]!;
  }
}

export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeout = 90_000,
): Promise<void> {
  const end = Date.now() + timeout;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`It did not happen in time: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/**
 * Publishing and consuming with our engines, against raw amqplib with the same guarantee in the same run.
 *
 *     AMQP_URL=amqp://… node bench/amqp.ts [--count 10000] [--rounds 5]
 *
 * Raw amqplib: confirm channel, mandatory, persistent, a window of 100 unconfirmed; consumer with prefetch 100 and an
 * acknowledgement for each message. 1 KB bodies. Rounds are interleaved; prints JSON lines, then medians and the
 * median of the ratios within a round. Compare ratios, not rates.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ConfirmChannel, connect } from 'amqplib';
import { startConnection } from '../nodes/amqp/connection-service.ts';
import { EmbeddedEngine } from '../nodes/amqp/engines/embedded/engine.ts';
import type { MessagingEngine, OutgoingMessage } from '../nodes/amqp/engines/engine.ts';
import { parseAddresses } from '../nodes/amqp/engines/rabbitmq/connection.ts';
import { RabbitMqEngine } from '../nodes/amqp/engines/rabbitmq/engine.ts';
import { openStore, type Store } from '../nodes/kernel/store/index.ts';

const { values: flags } = parseArgs({
  options: { count: { type: 'string', default: '10000' }, rounds: { type: 'string', default: '5' } },
});
const count = Number(flags.count);
const rounds = Number(flags.rounds);
const window = 100;
const prefetch = 100;
const url = process.env.AMQP_URL;
if (url === undefined) throw new Error('Set AMQP_URL to a RabbitMQ that the bench may use.');

const run = randomBytes(4).toString('hex');
const folder = mkdtempSync(join(process.cwd(), '.bench-amqp-'));
const body = Buffer.from(JSON.stringify({ text: 'x'.repeat(1000) }));
const headers = { 'cloudEvents:type': 'order.placed', 'cloudEvents:source': '/bench' };

interface Contender {
  name: string;
  /** The one whose rate is 1 in the ratios. */
  reference?: string;
  /** Resolves when `count` messages are safe. */
  publish(): Promise<void>;
  /** Resolves when `count` messages are settled; absent where there is nothing to consume. */
  consume?(): Promise<void>;
  close(): Promise<void>;
}

/** Keeps `window` calls under way. */
async function windowed(one: () => Promise<unknown>): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: window }, async () => {
      while (left-- > 0) await one();
    }),
  );
}

async function raw(type: 'quorum' | 'classic'): Promise<Contender> {
  const queue = `bench.${run}.raw.${type}`;
  // noDelay is off by default in amqplib.
  const [publishing, consuming] = [await connect(url!, { noDelay: true }), await connect(url!, { noDelay: true })];
  const channel: ConfirmChannel = await publishing.createConfirmChannel();
  await channel.assertQueue(queue, { arguments: { 'x-queue-type': type } });
  const options = { persistent: true, mandatory: true, contentType: 'application/json', headers };
  const one = () =>
    new Promise<void>((resolve, reject) => {
      channel.publish('', queue, body, { ...options, messageId: randomBytes(8).toString('hex') }, (error) =>
        error ? reject(error as Error) : resolve(),
      );
    });
  return {
    name: `raw amqplib, ${type}`,
    publish: () => windowed(one),
    async consume() {
      const receiver = await consuming.createChannel();
      await receiver.prefetch(prefetch);
      let done = 0;
      await new Promise<void>((resolve) => {
        void receiver.consume(queue, (message) => {
          receiver.ack(message!);
          if (++done === count) resolve();
        });
      });
      await receiver.close();
    },
    async close() {
      await channel.deleteQueue(queue);
      await Promise.all([publishing.close(), consuming.close()]);
    },
  };
}

function outgoing(queue: string): OutgoingMessage {
  return {
    exchange: '',
    routingKey: queue,
    properties: {
      messageId: randomBytes(8).toString('hex'),
      contentType: 'application/json',
      timestamp: Date.now(),
      headers: { ...headers },
    },
    body,
  };
}

async function ours(
  name: string,
  reference: string | undefined,
  engine: MessagingEngine,
  queue: string,
  type: 'quorum' | 'classic',
  clean: () => Promise<unknown>,
): Promise<Contender> {
  await engine.declare({ exchanges: [], queues: [{ name: queue, type, bindings: [] }] });
  return {
    name,
    ...(reference === undefined ? {} : { reference }),
    publish: () => windowed(() => engine.publish(outgoing(queue))),
    async consume() {
      let done = 0;
      let finish = () => {};
      const all = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const consumer = await engine.consume({ queue, prefetch }, (delivery) => {
        void engine.settle(delivery.handle, { kind: 'done' }).then(() => {
          if (++done === count) finish();
        });
      });
      await all;
      await consumer.close();
    },
    async close() {
      await engine.close();
      await clean();
    },
  };
}

const rabbit = () => new RabbitMqEngine({ addresses: parseAddresses(url), name: 'bench' });

async function deleteQueue(queue: string): Promise<void> {
  const model = await connect(url!);
  await (await model.createChannel()).deleteQueue(queue);
  await model.close();
}

/** The outbox: accepted when durable in the store; the forwarder works beside it and is waited for. */
async function outbox(store: Store): Promise<Contender> {
  const queue = `bench.${run}.outbox`;
  const engine = rabbit();
  await engine.declare({ exchanges: [], queues: [{ name: queue, type: 'quorum', bindings: [] }] });
  const { service, close } = startConnection({
    id: 'bench',
    namespace: 'bench',
    engine,
    store: { id: 'store', store },
    outboxLimit: 10_000_000,
  });
  return {
    name: 'ours, outbox to quorum, accepted and forwarded',
    reference: 'raw amqplib, quorum',
    async publish() {
      await windowed(() => service.accept({ message: outgoing(queue) }, 'outbox'));
      while ((await service.outbox())!.depth > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    },
    async close() {
      await close();
      await deleteQueue(queue);
    },
  };
}

const stores: Store[] = [];
function sqlite(name: string): Store {
  const store = openStore({ engine: 'sqlite', file: join(folder, `${name}.sqlite`) });
  stores.push(store);
  return store;
}

const contenders: Contender[] = [await raw('quorum'), await raw('classic')];
for (const type of ['quorum', 'classic'] as const) {
  const queue = `bench.${run}.ours.${type}`;
  const reference = `raw amqplib, ${type}`;
  contenders.push(await ours(`ours, ${type}`, reference, rabbit(), queue, type, () => deleteQueue(queue)));
}
contenders.push(await outbox(sqlite('outbox')));
const embedded = new EmbeddedEngine(sqlite('embedded'));
contenders.push(
  await ours('ours, embedded on SQLite', 'raw amqplib, quorum', embedded, 'bench', 'classic', async () => undefined),
);
if (process.env.POSTGRES_URL !== undefined) {
  const store = openStore({ engine: 'postgresql', url: process.env.POSTGRES_URL, schema: `bench_${run}` });
  stores.push(store);
  const engine = new EmbeddedEngine(store);
  contenders.push(
    await ours(
      'ours, embedded on PostgreSQL',
      'raw amqplib, quorum',
      engine,
      'bench',
      'classic',
      async () => undefined,
    ),
  );
}

type Verb = 'publish' | 'consume';
const rates = new Map<string, number[]>();

async function measured(contender: Contender, verb: Verb): Promise<void> {
  const work = contender[verb]?.bind(contender);
  if (work === undefined) return;
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const perSecond = (count / (performance.now() - started)) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  const key = `${verb} ${contender.name}`;
  rates.set(key, [...(rates.get(key) ?? []), perSecond]);
  const cpuPerMessage = Math.round(((user + system) / count) * 10) / 10;
  console.log(JSON.stringify({ verb, contender: contender.name, perSecond: Math.round(perSecond), cpuPerMessage }));
}

for (let round = 0; round < rounds; round++) {
  for (const verb of ['publish', 'consume'] as const) {
    for (const contender of contenders) await measured(contender, verb);
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

console.table(
  (['publish', 'consume'] as const).flatMap((verb) =>
    contenders
      .filter((contender) => contender[verb] !== undefined)
      .map(({ name, reference }) => {
        const own = rates.get(`${verb} ${name}`)!;
        const base = rates.get(`${verb} ${reference ?? name}`)!;
        return {
          verb,
          contender: name,
          'per second': Math.round(median(own)),
          ratio: median(own.map((rate, round) => rate / base[round]!)).toFixed(2),
        };
      }),
  ),
);

for (const contender of contenders) await contender.close();
for (const store of stores) await store.close();
rmSync(folder, { recursive: true, force: true });

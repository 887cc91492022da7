/**
 * Publishing and consuming with our engines and with our nodes, against raw amqplib with the same guarantee in the same
 * run.
 *
 *     npm run bench -- amqp      or      node bench/amqp.ts [--count 5000] [--rounds 5] [--part engines|nodes] [--who name]
 *
 * Raw amqplib: confirm channel, mandatory, persistent, a window of 100 or 500 unconfirmed; consumer with prefetch 100
 * and an acknowledgement for each message. 1 KB bodies. Rounds are interleaved; prints JSON lines, then medians and the
 * median of the ratios within a round. Compare ratios, not rates. A private RabbitMQ is started unless AMQP_URL names
 * one. The nodes are in amqp-node-red.ts.
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
import { startPrivateRabbitMq } from '../test/support/services.ts';
import { type Contender, prefetch, settling, stopwatch, type Taken, windowed } from './amqp-contender.ts';
import { nodeRedContenders } from './amqp-node-red.ts';
import { median, print, publish } from './report.ts';

const { values: flags } = parseArgs({
  options: {
    count: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '5' },
    part: { type: 'string' },
    // Contenders whose name holds this; for a profile of one of them.
    who: { type: 'string', default: '' },
  },
});
const count = Number(flags.count);
const rounds = Number(flags.rounds);
const windows = [100, 500];
const broker = process.env.AMQP_URL === undefined ? await startPrivateRabbitMq() : undefined;
const url = process.env.AMQP_URL ?? broker!.url;

const run = randomBytes(4).toString('hex');
const folder = mkdtempSync(join(process.cwd(), '.bench-amqp-'));
const payload = { text: 'x'.repeat(1000) };
const body = Buffer.from(JSON.stringify(payload));
const headers = { 'cloudEvents:type': 'order.placed', 'cloudEvents:source': '/bench' };

async function raw(type: 'quorum' | 'classic'): Promise<Contender> {
  const queue = `bench.${run}.raw.${type}`;
  // noDelay is off by default in amqplib.
  const [publishing, consuming] = [await connect(url, { noDelay: true }), await connect(url, { noDelay: true })];
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
    publish: (messages, window) => windowed(messages, window, one),
    async consume(messages) {
      const receiver = await consuming.createChannel();
      await receiver.prefetch(prefetch);
      const { settled, all } = settling(messages);
      await receiver.consume(queue, (message) => {
        receiver.ack(message!);
        settled();
      });
      const taken = await all;
      await receiver.close();
      return taken;
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
  reference: string,
  engine: MessagingEngine,
  queue: string,
  type: 'quorum' | 'classic',
  clean: () => Promise<unknown>,
): Promise<Contender> {
  await engine.declare({ exchanges: [], queues: [{ name: queue, type, bindings: [] }] });
  return {
    name,
    references: { 'to raw': reference },
    publish: (messages, window) => windowed(messages, window, () => engine.publish(outgoing(queue))),
    async consume(messages) {
      const { settled, all } = settling(messages);
      const consumer = await engine.consume({ queue, prefetch }, (delivery) => {
        void engine.settle(delivery.handle, { kind: 'done' }).then(settled);
      });
      const taken = await all;
      await consumer.close();
      return taken;
    },
    async close() {
      await engine.close();
      await clean();
    },
  };
}

const rabbit = () => new RabbitMqEngine({ addresses: parseAddresses(url), name: 'bench' });

async function deleteQueue(queue: string): Promise<void> {
  const model = await connect(url);
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
    references: { 'to raw': 'raw amqplib, quorum' },
    async publish(messages, window) {
      const stop = stopwatch();
      await windowed(messages, window, () => service.accept({ message: outgoing(queue) }, 'outbox'));
      while ((await service.outbox())!.depth > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      return stop();
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

async function engines(): Promise<Contender[]> {
  const found: Contender[] = [await raw('quorum'), await raw('classic')];
  for (const type of ['quorum', 'classic'] as const) {
    const queue = `bench.${run}.ours.${type}`;
    found.push(await ours(`ours, ${type}`, `raw amqplib, ${type}`, rabbit(), queue, type, () => deleteQueue(queue)));
  }
  found.push(await outbox(sqlite('outbox')));
  const embedded = (name: string, store: Store) =>
    ours(name, 'raw amqplib, quorum', new EmbeddedEngine(store), 'bench', 'classic', async () => undefined);
  found.push(await embedded('ours, embedded on SQLite', sqlite('embedded')));
  if (process.env.POSTGRES_URL !== undefined) {
    const store = openStore({ engine: 'postgresql', url: process.env.POSTGRES_URL, schema: `bench_${run}` });
    stores.push(store);
    found.push(await embedded('ours, embedded on PostgreSQL', store));
  }
  return found;
}

async function measure(title: string, all: readonly Contender[]): Promise<object[]> {
  const contenders = all.filter(({ name }) => name.includes(flags.who));
  const verbs = [...windows.map((window) => `publish, window ${window}`), 'consume'];
  const taken = new Map<string, Taken[]>();
  const note = (verb: string, { name }: Contender, one: Taken, round: number) => {
    // The first round warms up.
    if (round < 0) return;
    const key = `${verb} ${name}`;
    taken.set(key, [...(taken.get(key) ?? []), one]);
    console.log(JSON.stringify({ verb, contender: name, perSecond: Math.round((count / one.milliseconds) * 1000) }));
  };
  for (let round = -1; round < rounds; round++) {
    for (const window of windows) {
      for (const contender of contenders) {
        note(`publish, window ${window}`, contender, await contender.publish(count, window), round);
        if (contender.consume !== undefined) note('consume', contender, await contender.consume(count), round);
      }
    }
  }
  const rows = verbs.flatMap((verb) =>
    contenders.flatMap(({ name, references }) => {
      const own = taken.get(`${verb} ${name}`);
      if (own === undefined) return [];
      const ratios = Object.entries(references ?? {}).flatMap(([column, reference]) => {
        const base = taken.get(`${verb} ${reference}`);
        if (base === undefined) return [];
        const ratio = median(own.map(({ milliseconds }, round) => base[round]!.milliseconds / milliseconds));
        return [[column, Number(ratio.toFixed(2))] as const];
      });
      return {
        verb,
        contender: name,
        'per second': Math.round(median(own.map(({ milliseconds }) => (count / milliseconds) * 1000))),
        'CPU µs': Math.round(median(own.map(({ cpu }) => cpu / count))),
        ...Object.fromEntries(ratios),
      };
    }),
  );
  print(title, rows);
  return rows;
}

const figures: Record<string, object[]> = {};
try {
  if (flags.part !== 'engines') {
    const { contenders, close } = await nodeRedContenders({ url, run, folder, payload });
    figures.nodes = await measure(`In Node-RED: medians of ${rounds} rounds of ${count} messages`, contenders);
    await close();
  }
  if (flags.part !== 'nodes') {
    const contenders = await engines();
    figures.engines = await measure(`Engines: medians of ${rounds} rounds of ${count} messages`, contenders);
    for (const contender of contenders) await contender.close();
  }
  publish('amqp', { rounds, count, ...figures });
} finally {
  for (const store of stores) await store.close();
  await broker?.stop();
  rmSync(folder, { recursive: true, force: true });
}

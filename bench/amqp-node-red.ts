/**
 * Publishing and consuming by nodes in a Node-RED that runs in this process, beside raw amqplib in the same process,
 * raw amqplib in the smallest node that gives the same guarantee, and node-red-contrib-amqp.
 *
 * All use the exchange and the queues as our nodes declare them, and raw amqplib sends with the properties that
 * amqp-publish gives a message, so that the broker does the same work for each. node-red-contrib-amqp cannot open a
 * queue with arguments and has a classic queue of its own; it knows neither confirms nor acknowledgements.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type ConfirmChannel, connect, type Options } from 'amqplib';
import { embedNodeRed, type FlowNode, type LogEntry, packageRoot } from '../test/support/node-red.ts';
import { waitUntil } from '../test/support/processes.ts';
import { type Contender, prefetch, settling, stopwatch, type Taken, windowed } from './amqp-contender.ts';
import { peers } from './peers.ts';

type QueueType = 'quorum' | 'classic';

const peer = 'node-red-contrib-amqp';
/** How messages are spread on the queues of one exchange. */
const routingKey = (queue: string) => `bench.${queue}`;

interface Surroundings {
  url: string;
  /** Unique to this run. */
  run: string;
  /** For the store; on a disk, because the embedded engine is measured too. */
  folder: string;
  payload: object;
}

/** The smallest nodes that give the same guarantees by amqplib. */
interface RawNode {
  on(event: 'input', listener: (message: RawMessage, send: (message: RawMessage) => void, done: Done) => void): void;
  on(event: 'close', listener: (done: () => void) => void): void;
  send(message: RawMessage): void;
}
type Done = (error?: Error) => void;
interface RawMessage {
  payload: unknown;
  settle?: () => void;
}

export async function nodeRedContenders({ url, run, folder, payload }: Surroundings): Promise<{
  contenders: Contender[];
  close(): Promise<void>;
}> {
  process.env.HEALTHFLOWS_AMQP_URL = url;
  const load = peers({ [peer]: '0.4.5' });
  const nodeRed = await embedNodeRed({
    settings: {
      // At Node-RED's own level: tests keep each message's lines for debugging.
      logging: {
        errors: {
          level: 'info',
          metrics: false,
          audit: false,
          handler: () => (entry: LogEntry) => {
            if (entry.level <= 20) console.error(entry.msg);
          },
        },
      },
      nodesDir: [
        packageRoot,
        ...(load === undefined ? [] : [join(packageRoot, '.runtime/peers/node_modules', peer, 'lib')]),
      ],
      ...(process.env.BENCH_JOURNAL === 'off' ? { healthflows: { journal: false } } : {}),
    },
  });
  const { RED } = nodeRed;
  const namespace = `bench-${run}`;
  const exchange = `${namespace}.events`;
  const queueOf = (type: QueueType) => `${namespace}.${type}`;

  // --- Flows ------------------------------------------------------------------------------------------------------

  const tab: FlowNode = { id: 'tab', type: 'tab', label: 'Bench' };
  const end: FlowNode = { id: 'end', type: 'junction', z: 'tab', wires: [[]] };
  const services = (engine: 'rabbitmq' | 'embedded'): FlowNode[] => [
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: join(folder, 'node-red.sqlite') },
    {
      id: 'connection',
      type: 'amqp-connection',
      engine: engine === 'rabbitmq' ? 'auto' : 'embedded',
      namespace,
      store: 'store',
    },
  ];
  const publisher = (queue: string): FlowNode => ({
    id: 'work',
    type: 'amqp-publish',
    z: 'tab',
    connection: 'connection',
    guarantee: 'confirmed',
    routingKey: routingKey(queue),
    routingKeyType: 'str',
    wires: [['end']],
  });
  const consumer = (type: QueueType, id = 'work'): FlowNode => ({
    id,
    type: 'amqp-consume',
    z: 'tab',
    connection: 'connection',
    queue: type,
    bindings: routingKey(queueOf(type)),
    queueType: type,
    prefetch,
    wires: [['settle']],
  });
  const settle: FlowNode = { id: 'settle', type: 'settle', z: 'tab', outcome: 'auto', wires: [['end']] };
  const input: FlowNode = { id: 'start', type: 'junction', z: 'tab', wires: [['work']] };

  const deploy = (flows: readonly FlowNode[]) => nodeRed.setFlows([tab, ...flows]);
  const connected = async (flows: readonly FlowNode[]) => {
    let ready = false;
    const listener = (status: { id?: string; status?: { text?: string } }) => {
      if (status.id === 'work' && status.status?.text === 'connected') ready = true;
    };
    RED.events.on('node-status', listener);
    await deploy(flows);
    await waitUntil('the node is connected', () => ready);
    RED.events.off('node-status', listener);
  };

  /** Messages go in at `start`; each that arrives at `end` makes room for the next. */
  async function throughFlow(count: number, window: number): Promise<Taken> {
    const start = nodeRed.node('start');
    const waiting: (() => void)[] = [];
    nodeRed.node('end').on('input', () => waiting.shift()?.());
    return windowed(
      count,
      window,
      () =>
        new Promise<void>((resolve) => {
          waiting.push(resolve);
          start.receive({ _msgid: randomUUID(), payload });
        }),
    );
  }

  async function outOfFlow(count: number, start: () => Promise<void>): Promise<Taken> {
    const { settled, all } = settling(count);
    // Before the first message comes: consumers begin when the flows have started.
    RED.events.once('flows:started', () => nodeRed.node('end').on('input', settled));
    await start();
    return all;
  }

  // --- The broker, beside the nodes -------------------------------------------------------------------------------

  const [publishing, consuming] = [await connect(url, { noDelay: true }), await connect(url, { noDelay: true })];
  const confirms: ConfirmChannel = await publishing.createConfirmChannel();
  const depth = async (queue: string) => (await confirms.checkQueue(queue)).messageCount;
  const holds = (queue: string, messages: number) =>
    waitUntil(`${queue} holds ${messages} messages`, async () => (await depth(queue)) === messages, 120_000, 5);

  // Our nodes declare the queues; the first message shows what amqp-publish sends.
  const types = ['quorum', 'classic'] as const;
  await deploy([...services('rabbitmq'), ...types.map((type) => consumer(type, type)), settle, end]);
  await waitUntil('the consumers are there', async () => {
    const channel = await publishing.createChannel();
    channel.on('error', () => undefined);
    const counts = await Promise.all(types.map((type) => channel.checkQueue(queueOf(type)))).catch(() => undefined);
    if (counts !== undefined) await channel.close();
    return counts?.every(({ consumerCount }) => consumerCount === 1);
  });
  await deploy([...services('rabbitmq'), input, publisher(queueOf('classic')), end]);
  await throughFlow(0, 1);
  await holds(queueOf('classic'), 1);
  const sample = await confirms.get(queueOf('classic'), { noAck: true });
  if (sample === false) throw new Error('The sample of a published message is not there.');
  const { messageId: _, clusterId: __, deliveryMode: ___, ...properties } = sample.properties;
  const options = { ...properties, persistent: true, mandatory: true } as Options.Publish;
  const body = sample.content;

  const send = (queue: string, content: Buffer) =>
    new Promise<void>((resolve, reject) => {
      confirms.publish(exchange, routingKey(queue), content, { ...options, messageId: randomUUID() }, (error) =>
        error ? reject(error as Error) : resolve(),
      );
    });

  // --- Contenders -------------------------------------------------------------------------------------------------

  const contenders: Contender[] = [];
  const nothing = async () => undefined;

  /** A queue must be empty before a round, else a round measures another one's messages. */
  const fair = (queue: string, contender: Contender): Contender => ({
    ...contender,
    async publish(count, window) {
      await holds(queue, 0);
      const taken = await contender.publish(count, window);
      await holds(queue, count + 1);
      return taken;
    },
  });

  RED.nodes.registerType('bench raw out', function (this: RawNode, config: { queue: string }) {
    RED.nodes.createNode(this, config);
    this.on('input', (message, forward, done) => {
      send(config.queue, Buffer.from(JSON.stringify(message.payload))).then(() => {
        forward(message);
        done();
      }, done);
    });
  });
  RED.nodes.registerType('bench raw in', function (this: RawNode, config: { queue: string }) {
    RED.nodes.createNode(this, config);
    const opened = consuming.createChannel().then(async (channel) => {
      await channel.prefetch(prefetch);
      await channel.consume(config.queue, (message) => {
        this.send({
          payload: JSON.parse(message!.content.toString()) as unknown,
          settle: () => channel.ack(message!),
        });
      });
      return channel;
    });
    this.on('close', (done) => void opened.then((channel) => channel.close()).then(done));
  });
  RED.nodes.registerType('bench raw settle', function (this: RawNode, config: object) {
    RED.nodes.createNode(this, config);
    this.on('input', (message, forward, done) => {
      message.settle!();
      forward({ payload: message.payload });
      done();
    });
  });

  for (const type of types) {
    const queue = queueOf(type);
    const raw = `raw amqplib beside Node-RED, ${type}`;
    const rawNode = `raw amqplib in a flow, ${type}`;
    contenders.push(
      fair(queue, {
        name: raw,
        async publish(count, window) {
          await deploy([]);
          return windowed(count, window, () => send(queue, body));
        },
        async consume(count) {
          await deploy([]);
          const { settled, all } = settling(count);
          const channel = await consuming.createChannel();
          await channel.prefetch(prefetch);
          await channel.consume(queue, (message) => {
            channel.ack(message!);
            settled();
          });
          const taken = await all;
          await channel.close();
          return taken;
        },
        close: nothing,
      }),
      fair(queue, {
        name: rawNode,
        references: { 'to raw': raw },
        async publish(count, window) {
          await deploy([input, { id: 'work', type: 'bench raw out', z: 'tab', queue, wires: [['end']] }, end]);
          return throughFlow(count, window);
        },
        consume: (count) =>
          outOfFlow(count, () =>
            deploy([
              { id: 'work', type: 'bench raw in', z: 'tab', queue, wires: [['settle']] },
              { id: 'settle', type: 'bench raw settle', z: 'tab', wires: [['end']] },
              end,
            ]),
          ),
        close: nothing,
      }),
      fair(queue, {
        name: `our nodes, ${type}`,
        references: {
          'to raw': raw,
          'to raw in a flow': rawNode,
          ...(type === 'classic' && load !== undefined ? { [`to ${peer}`]: peer } : {}),
        },
        async publish(count, window) {
          await deploy([...services('rabbitmq'), input, publisher(queue), end]);
          return throughFlow(count, window);
        },
        consume: (count) => outOfFlow(count, () => deploy([...services('rabbitmq'), consumer(type), settle, end])),
        close: nothing,
      }),
    );
  }

  if (load !== undefined) {
    const queue = `${namespace}.peer`;
    await confirms.assertQueue(queue, { durable: true });
    await confirms.bindQueue(queue, exchange, routingKey(queue));
    const { hostname, port, username, password } = new URL(url);
    const server: FlowNode = {
      id: 'server',
      type: 'amqp-server',
      host: hostname,
      port: port === '' ? '5672' : port,
      credentials: { user: decodeURIComponent(username), password: decodeURIComponent(password) },
    };
    contenders.push(
      fair(queue, {
        name: peer,
        references: { 'to raw': 'raw amqplib beside Node-RED, classic' },
        // It tells nothing of a message: all are handed over, a window at a time, and are safe when the queue has them.
        async publish(count, window) {
          const work: FlowNode = {
            id: 'work',
            type: 'amqp out',
            z: 'tab',
            server: 'server',
            iotype: '3',
            ioname: exchange,
            routingkey: routingKey(queue),
            wires: [],
          };
          await connected([server, input, work]);
          const start = nodeRed.node('start');
          start.receive({ _msgid: randomUUID(), payload });
          await holds(queue, 1);
          const stop = stopwatch();
          for (let sent = 0; sent < count; sent++) {
            start.receive({ _msgid: randomUUID(), payload });
            if (sent % window === 0) await new Promise(setImmediate);
          }
          await holds(queue, count + 1);
          return stop();
        },
        consume: (count) =>
          outOfFlow(count, () =>
            deploy([
              server,
              { id: 'work', type: 'amqp in', z: 'tab', server: 'server', iotype: '4', ioname: queue, wires: [['end']] },
              end,
            ]),
          ),
        close: nothing,
      }),
    );
  }

  contenders.push({
    name: 'our nodes, embedded engine on SQLite',
    references: { 'to raw': 'raw amqplib beside Node-RED, quorum' },
    async publish(count, window) {
      await deploy([...services('embedded'), input, publisher(queueOf('classic')), end]);
      return throughFlow(count, window);
    },
    consume: (count) => outOfFlow(count, () => deploy([...services('embedded'), consumer('classic'), settle, end])),
    close: nothing,
  });
  // The embedded queue and its binding must be there before the first measured message.
  await deploy([
    ...services('embedded'),
    input,
    publisher(queueOf('classic')),
    consumer('classic', 'queue'),
    settle,
    end,
  ]);
  let bound = false;
  nodeRed.node('settle').on('input', () => {
    bound = true;
  });
  await waitUntil('the embedded queue takes messages', () => {
    nodeRed.node('start').receive({ _msgid: randomUUID(), payload });
    return bound;
  });
  await new Promise((resolve) => setTimeout(resolve, 1_000));

  return {
    contenders,
    async close() {
      await deploy([]);
      await nodeRed.stop();
      await Promise.all([publishing.close(), consuming.close()]);
    },
  };
}

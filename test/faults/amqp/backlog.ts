/**
 * A process with one engine and a large backlog: publishes, consumes slowly with order per key, and is deployed anew in
 * the middle. Says how much memory it took.
 *
 *   backlog.ts <sqlite:file | amqp url> <queue> <messages>
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startConnection } from '../../../nodes/amqp/connection-service.ts';
import { EmbeddedEngine } from '../../../nodes/amqp/engines/embedded/engine.ts';
import { FlowConsumer } from '../../../nodes/amqp/flow-consumer.ts';
import { defaultRetryPolicy } from '../../../nodes/amqp/retry-policy.ts';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { message, queue, rabbitMq, until } from '../../amqp/engines.ts';

const [where = '', name = '', count = '0'] = process.argv.slice(2);
const messages = Number(count);
const keys = 50;
const store = where.startsWith('amqp')
  ? undefined
  : openStore({ engine: 'sqlite', file: where.slice('sqlite:'.length) });
const engine = store === undefined ? rabbitMq(where) : new EmbeddedEngine(store);
const { service, close } = startConnection({
  id: 'backlog',
  namespace: 'backlog',
  engine,
  ...(store === undefined ? {} : { store: { id: 'store', store } }),
});
const mebibytes = () => Math.round(process.memoryUsage.rss() / 2 ** 20);

await service.declare({ exchanges: [], queues: [queue(name)] });
const before = mebibytes();
let next = 0;
await Promise.all(
  Array.from({ length: 100 }, async (_, sender) => {
    // Each sender has its keys to itself, so that the order in which they are published is known.
    for (let n = sender; n < messages; n += 100) {
      const sent = message('', name, { body: Buffer.from(JSON.stringify({ text: 'x'.repeat(1_000) })) });
      sent.properties.messageId = `${n}`;
      sent.properties.headers['cloudEvents:partitionkey'] = `${sender % keys}-${sender}`;
      sent.properties.headers['cloudEvents:id'] = `${n}`;
      await service.publish(sent);
      next++;
    }
  }),
);
const published = mebibytes();

const seen = new Set<number>();
const last = new Map<string, number>();
let repeated = 0;
let disordered = 0;
let peak = published;
const consumer = () =>
  new FlowConsumer({
    connection: service,
    queue: name,
    prefetch: 100,
    concurrency: 50,
    orderByKey: true,
    policy: defaultRetryPolicy,
    maxBody: 1_000_000,
    settleDeadline: 600_000,
    deliveryLimit: 20,
    node: { id: 'consume', type: 'amqp-consume' },
    emit({ event, delivery }) {
      const n = Number(event!.id);
      const key = event!.partitionkey!;
      if (seen.has(n)) repeated++;
      else if (n < (last.get(key) ?? -1)) disordered++;
      seen.add(n);
      last.set(key, n);
      if (seen.size % 1_000 === 0) peak = Math.max(peak, mebibytes());
      setTimeout(() => void service.settle(delivery!.tag, { kind: 'done' }), 5);
    },
    onProblem: (failure) => console.log(`problem ${failure.code}`),
    onChange: () => undefined,
  });
const first = consumer();
first.start();
await until('half is consumed', () => seen.size > messages / 2, 1_800_000);
await first.close(5_000);
const second = consumer();
second.start();
await until('all is consumed', () => seen.size === messages, 1_800_000);
await until('all is settled', () => second.inFlight === 0);
await sleep(100);
const { ready } = await service.depth(name);
await second.close(5_000);
await close();
await store?.close();
console.log(
  JSON.stringify({
    published: next,
    consumed: seen.size,
    repeated,
    disordered,
    ready,
    before,
    afterPublishing: published,
    peak,
  }),
);
process.exit(0);

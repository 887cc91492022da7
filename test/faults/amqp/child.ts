/**
 * A process to be killed. It prints one line for each thing that has happened for good, so that the test's ledger
 * knows no more than a sender or an operator could.
 *
 *   child.ts accept  <store> <amqp url> <prefix> <keys>    accepts into the outbox, key by key in order
 *   child.ts confirm <store> <amqp url> <queue>            publishes confirmed messages without a key, many at once
 *   child.ts consume <store or amqp url> <queue> <crash|hold>
 *   child.ts flow <store> <amqp url or "embedded"> <queue> <poison id>    settles all but that one, which ends it
 */
import { startConnection } from '../../../nodes/amqp/connection-service.ts';
import { EmbeddedEngine } from '../../../nodes/amqp/engines/embedded/engine.ts';
import { FlowConsumer } from '../../../nodes/amqp/flow-consumer.ts';
import { defaultRetryPolicy } from '../../../nodes/amqp/retry-policy.ts';
import { openStore, type Store } from '../../../nodes/kernel/store/index.ts';
import { message, rabbitMq } from '../../amqp/engines.ts';

/** `sqlite:<file>` or `postgres://…#<schema>`. */
function open(text: string): Store {
  if (text.startsWith('sqlite:')) return openStore({ engine: 'sqlite', file: text.slice('sqlite:'.length) });
  const [url, schema] = text.split('#');
  return openStore({ engine: 'postgresql', url: url!, schema: schema! });
}

const say = (line: string): boolean => process.stdout.write(`${line}\n`);

async function accept(storeText: string, amqpUrl: string, prefix: string, keys: string): Promise<void> {
  const { service } = startConnection({
    id: 'connection',
    namespace: prefix,
    engine: rabbitMq(amqpUrl, { publisher: { deadline: 3_000 } }),
    store: { id: 'store', store: open(storeText) },
    outboxLimit: 100_000,
  });
  // `a:5` continues key a after its number 5.
  await Promise.all(
    keys.split(',').map(async (each) => {
      const [key, last] = each.split(':');
      for (let n = Number(last) + 1; ; n++) {
        const sent = message('', `${prefix}.q`, { partitionKey: key! });
        sent.properties.messageId = `${key}:${n}`;
        try {
          await service.accept({ message: sent }, 'outbox');
          say(`accepted ${key}:${n}`);
        } catch (error) {
          say(`refused ${key}:${n} ${(error as { code?: string }).code}`);
          n--;
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }),
  );
}

async function confirm(storeText: string, amqpUrl: string, queue: string): Promise<void> {
  const { service } = startConnection({
    id: 'connection',
    namespace: 'ns',
    engine: rabbitMq(amqpUrl),
    store: { id: 'store', store: open(storeText) },
  });
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (;;) {
        const sent = message('', queue);
        await service.accept({ message: sent }, 'confirmed');
        say(`confirmed ${sent.properties.messageId}`);
      }
    }),
  );
}

async function consume(where: string, queue: string, mode: string): Promise<void> {
  const engine = where.startsWith('amqp') ? rabbitMq(where) : new EmbeddedEngine(open(where));
  await engine.consume({ queue, prefetch: 10 }, (delivery) => {
    say(`got ${delivery.properties.messageId} ${delivery.redelivered}`);
    if (mode === 'crash') process.kill(process.pid, 'SIGKILL');
  });
  setInterval(() => undefined, 1_000);
}

async function flow(storeText: string, where: string, queue: string, poison: string): Promise<void> {
  const store = open(storeText);
  const engine = where === 'embedded' ? new EmbeddedEngine(store) : rabbitMq(where);
  const { service } = startConnection({ id: 'amqp', namespace: 'ns', engine, store: { id: 'store', store } });
  const consumer = new FlowConsumer({
    connection: service,
    queue,
    prefetch: 10,
    concurrency: 10,
    orderByKey: false,
    policy: defaultRetryPolicy,
    maxBody: 1_000_000,
    settleDeadline: 60_000,
    deliveryLimit: 4,
    node: { id: 'consume', type: 'amqp-consume' },
    emit({ event, delivery }) {
      say(`got ${event!.id}`);
      // At once, before those that came with it could be settled.
      if (event!.id === poison) process.kill(process.pid, 'SIGKILL');
      setTimeout(() => {
        void service.settle(delivery!.tag, { kind: 'done' });
      }, 5);
    },
    onProblem: (failure) => say(`problem ${failure.code}`),
    onChange: () => undefined,
  });
  consumer.start();
  setInterval(() => {
    void service.depth(queue).then(({ ready, unsettled }) => {
      if (ready + unsettled! + consumer.inFlight === 0) say('empty');
    });
  }, 200);
}

const verbs: Record<string, (...args: string[]) => Promise<void>> = { accept, confirm, consume, flow } as never;
const [verb, ...rest] = process.argv.slice(2);
await verbs[verb!]!(...rest);

/**
 * A process that sends the letters of a replay and works on them behind the gate, to be killed. It prints one line for
 * each effect, after the transaction that is the effect, and says when no letter is left.
 *
 *   replay.ts <sqlite file> <queue> [URL of RabbitMQ, default the embedded engine]
 */
import { startConnection } from '../../../nodes/amqp/connection-service.ts';
import { EmbeddedEngine } from '../../../nodes/amqp/engines/embedded/engine.ts';
import type { IncomingDelivery } from '../../../nodes/amqp/index.ts';
import { defaultRetryPolicy } from '../../../nodes/amqp/retry-policy.ts';
import { claim } from '../../../nodes/idempotency/index.ts';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { letterTotals, listJobs, payloadCipher } from '../../../nodes/settlement/index.ts';
import { generationOf } from '../../../nodes/settlement/letters/letter.ts';
import { Replayer } from '../../../nodes/settlement/letters/replayer.ts';
import { settleMessage } from '../../../nodes/settlement/record.ts';
import { queue, rabbitMq } from '../../amqp/engines.ts';

const [file = '', name = '', url] = process.argv.slice(2);
const store = openStore({ engine: 'sqlite', file });
const { service } = startConnection({
  id: 'replay',
  namespace: 'replay',
  engine: url === undefined ? new EmbeddedEngine(store) : rabbitMq(url),
  store: { id: 'store', store },
});
await service.declare({ exchanges: [], queues: [queue(name)] });

async function handle({ handle: tag, properties, body }: IncomingDelivery): Promise<void> {
  const { messageId, headers } = properties;
  const key = { scope: name, key: messageId };
  const verdict = await store.run(claim, {
    ...key,
    fingerprint: '',
    owner: 'flow',
    lease: 1_000,
    retention: 86_400_000,
  });
  if (verdict.kind === 'in-progress' || verdict.kind === 'mismatch') {
    await service.settle(tag, { kind: 'retry', delay: 500 });
    return;
  }
  const replay = { queue: name, messageId, generation: generationOf(headers) };
  if (verdict.kind === 'duplicate') await store.run(settleMessage, { replay });
  else {
    const held = { ...key, token: verdict.token };
    const { key: recorded } = await store.run(settleMessage, { key: { held, action: 'complete' }, replay });
    if (recorded === 'completed') console.log(`effect ${messageId} ${body.toString()}`);
  }
  await service.settle(tag, { kind: 'done' });
}

await service.consume(
  { queue: name, prefetch: 50, policy: defaultRetryPolicy },
  // What is not settled comes again.
  (delivery) => void handle(delivery).catch(() => undefined),
);
new Replayer({
  queue: name,
  connection: service,
  store,
  cipher: payloadCipher(),
  onProblem: (problem) => console.log(`problem ${problem.code}`),
  onProgress: () => undefined,
}).start();
async function tell(): Promise<void> {
  const { unresolved } = await store.run(letterTotals, { queue: name });
  const jobs = await store.run(listJobs, { limit: 1_000 });
  if (unresolved === 0 && jobs.every(({ state }) => state === 'done')) console.log('nothing left');
}
setInterval(() => void tell(), 500);

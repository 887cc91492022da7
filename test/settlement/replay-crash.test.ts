/** A replay of many letters while Node-RED is killed: it goes on by itself and each letter is resolved, once. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../nodes/kernel/store/index.ts';
import { collectLetter } from '../../nodes/settlement/letters/collect.ts';
import { letterOf } from '../../nodes/settlement/letters/letter.ts';
import type { ReplayJob } from '../../nodes/settlement/index.ts';
import { type FlowNode, startNodeRed } from '../support/node-red.ts';
import { temporaryDirectory, waitUntil } from '../support/processes.ts';

const letters = 400;
const kills = 3;

const flows: FlowNode[] = [
  { id: 'tab', type: 'tab', label: 'Crash' },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'crash.sqlite', configVersion: 1 },
  { id: 'amqp', type: 'amqp-connection', engine: 'embedded', namespace: 'crash', store: 'store', configVersion: 1 },
  {
    id: 'consume',
    z: 'tab',
    type: 'amqp-consume',
    connection: 'amqp',
    queue: 'orders',
    steps: '200ms 500ms',
    configVersion: 1,
    wires: [['gate']],
  },
  {
    id: 'gate',
    z: 'tab',
    type: 'idempotency-gate',
    store: 'store',
    lease: 2,
    renew: 0,
    configVersion: 1,
    wires: [['settle'], ['settle'], ['settle'], ['settle']],
  },
  { id: 'settle', z: 'tab', type: 'settle', configVersion: 1, wires: [[]] },
  {
    id: 'dead',
    z: 'tab',
    type: 'dead-letter',
    connection: 'amqp',
    store: 'store',
    queue: 'orders',
    configVersion: 1,
    wires: [[]],
  },
];

test(`a replay of ${letters} letters survives kill -9 and resolves each of them`, async () => {
  const userDir = temporaryDirectory('replay-crash');
  const store = openStore({ engine: 'sqlite', file: join(userDir, 'crash.sqlite') });
  await Promise.all(
    Array.from({ length: letters }, (_, i) =>
      store.run(
        collectLetter,
        letterOf(
          {
            handle: 'h',
            queue: 'crash.orders.dead',
            exchange: '',
            routingKey: 'crash.orders',
            attempt: 1,
            redelivered: false,
            body: Buffer.from(JSON.stringify({ order: i })),
            properties: {
              messageId: `m${i}`,
              contentType: 'application/json',
              timestamp: 1,
              headers: { 'cloudEvents:source': '/acme', 'cloudEvents:id': `m${i}`, 'x-origin-queue': 'crash.orders' },
            },
          },
          'amqp',
        ),
      ),
    ),
  );
  await store.close();

  const red = await startNodeRed({
    userDir,
    flows,
    settings: { healthflows: { allowUnauthenticatedOperations: true } },
  });
  try {
    const started = await red.admin('/healthflows/console/api/replay', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        token: 'crash-0123456789abc',
        reason: 'crash test',
        filter: {},
        expected: letters,
        rate: 100,
      }),
    });
    assert.equal(started.status, 200, await started.clone().text());
    const job = async (): Promise<ReplayJob> => {
      const response = await red.admin('/healthflows/console/api/jobs');
      return ((await response.json()) as ReplayJob[])[0]!;
    };
    for (let kill = 1; kill <= kills; kill++) {
      await waitUntil('some more are sent', async () => (await job()).waiting < letters - kill * 60, 60_000, 20);
      await red.kill();
      await red.restart();
    }
    const done = await waitUntil(
      'all are resolved',
      async () => {
        const now = await job();
        return now.resolved === letters ? now : undefined;
      },
      90_000,
      100,
    );
    assert.deepEqual([done.state, done.total, done.waiting, done.failedAgain], ['done', letters, 0, 0]);
    const trail = await red.admin('/healthflows/console/api/audit?action=deadletter.replay-finished');
    assert.equal(((await trail.json()) as { records: unknown[] }).records.length, 1, 'the job finished once');
    const verdict = await red.admin('/healthflows/console/api/audit/verify', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    assert.equal(((await verdict.json()) as { kind: string }).kind, 'intact');
  } finally {
    await red.stop();
  }
});

/** Collecting letters: two documents under one message id are two letters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AmqpConnectionService, Consumer, IncomingDelivery } from '../../nodes/amqp/index.ts';
import { payloadCipher } from '../../nodes/settlement/letters/cipher.ts';
import { LetterCollector } from '../../nodes/settlement/letters/collector.ts';
import { letterOf } from '../../nodes/settlement/letters/letter.ts';
import { listLetters } from '../../nodes/settlement/letters/inspect.ts';
import { letterBody } from '../../nodes/settlement/letters/collect.ts';
import { sealContext } from '../../nodes/settlement/letters/replay.ts';
import { waitUntil } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';

const queue = 'hf.orders';

function dead(handle: string, body: string, more: Record<string, string | number> = {}): IncomingDelivery {
  const at = '2026-11-23T10:00:00.000Z';
  return {
    handle,
    queue: `${queue}.dead`,
    exchange: '',
    routingKey: `${queue}.dead`,
    attempt: 1,
    redelivered: false,
    body: Buffer.from(body),
    properties: {
      messageId: '1001',
      contentType: 'application/json',
      timestamp: 1,
      headers: {
        'x-failure-class': 'data-quality',
        'x-failure-code': 'UNKNOWN_UNIT',
        'x-failure-message': 'Unit "bx" is not known.',
        'x-failure-at': at,
        'x-first-failed-at': at,
        'x-origin-queue': queue,
        ...more,
      },
    },
  };
}

for (const under of storesUnderTest()) {
  for (const key of [undefined, 'ab'.repeat(32)]) {
    const how = `${under.name}, ${key === undefined ? 'plain' : 'encrypted'}`;
    test(`two documents under one message id are two letters, however they come (${how})`, under.options, async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const settled = new Map<string, string>();
      let deliver: (delivery: IncomingDelivery) => void = () => assert.fail('nobody consumes');
      const connection = {
        id: 'c1',
        consume: async (_options: unknown, onDelivery: typeof deliver) => {
          deliver = onDelivery;
          return { close: async () => undefined } as unknown as Consumer;
        },
        settle: async (handle: string, { kind }: { kind: string }) => {
          settled.set(handle, kind);
          return { result: 'settled', disposition: 'done' };
        },
      } as unknown as AmqpConnectionService;
      const cipher = payloadCipher(key);
      const collector = new LetterCollector({
        queue,
        connection,
        store,
        cipher,
        retention: 1,
        flowOf: () => undefined,
        onAnnouncement: () => undefined,
        onTotals: () => undefined,
        onProblem: (problem) => assert.equal(problem, undefined),
      });
      collector.start();
      // Of two suppliers, or two lines of one order; the first comes twice, and at the same moment as the other.
      deliver(dead('a', '{"line":1}'));
      deliver(dead('b', '{"line":2}'));
      deliver(dead('a again', '{"line":1}'));
      deliver(dead('b again', '{"line":2}'));
      await waitUntil('all are settled', () => settled.size === 4);
      // A corrected copy of the first that fails again is no other document.
      deliver(dead('a replayed', '{"line":"one"}', { 'x-replay-generation': 1 }));
      await waitUntil('it is settled', () => settled.size === 5);
      await collector.close();
      assert.deepEqual([...new Set(settled.values())], ['done']);
      const { letters } = await store.run(listLetters, { filter: {}, limit: 10 });
      const bodies = await Promise.all(
        letters.map(async ({ messageId }) => {
          const stored = await store.run(letterBody, { queue, messageId });
          return cipher.open(stored!.body, stored!.bodyKey, sealContext(queue, messageId)).toString();
        }),
      );
      assert.deepEqual(bodies.sort(), ['{"line":1}', '{"line":2}']);
      assert.ok(letters.some(({ messageId }) => messageId === letterOf(dead('', ''), 'c1').messageId));
    });
  }
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutgoingMessage } from '../../nodes/amqp/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { startReplay } from '../../nodes/settlement/letters/act.ts';
import { payloadCipher } from '../../nodes/settlement/letters/cipher.ts';
import { collectLetter } from '../../nodes/settlement/letters/collect.ts';
import { listLetters } from '../../nodes/settlement/letters/inspect.ts';
import type { LetterInput } from '../../nodes/settlement/letters/letter.ts';
import { listJobs, sealContext } from '../../nodes/settlement/letters/replay.ts';
import { Replayer } from '../../nodes/settlement/letters/replayer.ts';
import { waitUntil } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';

const queue = 'hf.orders';
const act = { token: 'a'.repeat(16), actor: 'ward.operator', reason: 'catalogue corrected' };
const cipher = payloadCipher('ab'.repeat(32));

function letter(index: number): LetterInput {
  const messageId = `m${index}`;
  return {
    id: `0000-${String(index).padStart(6, '0')}`,
    queue,
    messageId,
    connection: 'c1',
    exchange: 'hf.events',
    routingKey: 'order.created',
    correlationId: null,
    businessKey: null,
    eventType: null,
    contentType: 'application/json',
    properties: JSON.stringify({ timestamp: 5, headers: { traceparent: 'kept' } }),
    body: cipher.seal(Buffer.from(`{"n":${index}}`), sealContext(queue, messageId)),
    bodyKey: cipher.keyId,
    bodySize: 7,
    failureClass: 'data-quality',
    failureCode: 'X',
    failureMessage: 'A sentence.',
    fingerprint: 'f',
    cause: 'A sentence.',
    nodeId: null,
    nodeType: null,
    nodeName: null,
    flowId: null,
    attempts: 3,
    generation: 0,
    firstFailedAt: 1,
    lastFailedAt: 1,
  };
}

for (const under of storesUnderTest()) {
  test(
    `a replay that is interrupted goes on and sends each letter to its own queue under its own id (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const total = 40;
      for (let i = 0; i < total; i++) await store.run(collectLetter, letter(i));
      await store.run(startReplay, { ...act, jobId: 'j1', filter: { queue }, rate: 500 });

      const sent: OutgoingMessage[] = [];
      let broken = false;
      const options = {
        queue,
        store,
        cipher,
        connection: {
          publish: async (message: OutgoingMessage) => {
            if (sent.length >= 12 && !broken)
              throw new Failure('dependency-outage', 'AMQP_DOWN', 'The broker is away.');
            sent.push(message);
          },
        },
        onProblem: () => undefined,
        onProgress: () => undefined,
      };
      const first = new Replayer(options);
      first.start();
      await waitUntil('the broker is gone in the middle', () => sent.length >= 12, 10_000, 5);
      await first.close();
      broken = true;
      const before = sent.length;
      assert.ok(before < total);
      // The lease of what was in hand ends.
      fixture.setClock(60_000);
      const second = new Replayer(options);
      second.start();
      await waitUntil(
        'the job is done',
        async () => (await store.run(listJobs, { limit: 1 }))[0]?.state === 'done',
        20_000,
        20,
      );
      await second.close();

      assert.deepEqual([...new Set(sent.map((message) => message.properties.messageId))].length, total);
      assert.equal(sent.length, total, 'none is sent twice');
      for (const message of sent) {
        assert.deepEqual([message.exchange, message.routingKey], ['', queue]);
        assert.deepEqual(message.properties.headers, {
          traceparent: 'kept',
          'x-replay-generation': 1,
          'x-replay-job': 'j1',
        });
        assert.equal(`m${JSON.parse(Buffer.from(message.body).toString()).n}`, message.properties.messageId);
      }
      const { letters } = await store.run(listLetters, { filter: { states: ['replayed'] }, limit: 100 });
      assert.equal(letters.length, total);
    },
  );

  test(`a letter that no queue will ever take waits for a person again (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    await store.run(collectLetter, letter(1));
    await store.run(startReplay, { ...act, jobId: 'j1', filter: { queue }, rate: 500 });
    const problems: string[] = [];
    const replayer = new Replayer({
      queue,
      store,
      cipher,
      connection: {
        publish: () => Promise.reject(new Failure('configuration', 'AMQP_UNROUTABLE', 'No such queue.')),
      },
      onProblem: (problem) => problems.push(problem.code),
      onProgress: () => undefined,
    });
    replayer.start();
    await waitUntil(
      'the letter is back',
      async () =>
        (await store.run(listLetters, { filter: { states: ['failed-again'] }, limit: 1 })).letters.length === 1,
      10_000,
      20,
    );
    await replayer.close();
    assert.deepEqual(problems, ['AMQP_UNROUTABLE']);
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutgoingMessage } from '../../nodes/amqp/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { startEditedReplay, startReplay } from '../../nodes/settlement/letters/act.ts';
import { sealChange } from '../../nodes/settlement/letters/change.ts';
import { payloadCipher } from '../../nodes/settlement/letters/cipher.ts';
import { collectLetter } from '../../nodes/settlement/letters/collect.ts';
import { getLetter, listLetters } from '../../nodes/settlement/letters/inspect.ts';
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

  test(
    `a change that is interrupted is made once in each letter; originals and what was sent are kept (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const total = 30;
      for (let i = 0; i < total; i++) await store.run(collectLetter, letter(i));
      const ids = Array.from({ length: total }, (_, i) => letter(i).id);
      const sealed = sealChange(cipher, 'j1', { pointer: '/n', to: '99' });
      assert.ok(!Buffer.from(sealed.change).includes('/n'), 'the change can be read in the store');
      const words = 'set /n';
      await store.run(startEditedReplay, { ...act, jobId: 'j1', rate: 500, change: words, sealed, filter: {}, ids });

      const sent: OutgoingMessage[] = [];
      let broken = false;
      const options = {
        queue,
        store,
        cipher,
        connection: {
          publish: async (message: OutgoingMessage) => {
            // The change is on record by now, and the letter is not sent.
            if (sent.length >= 10 && !broken)
              throw new Failure('dependency-outage', 'AMQP_DOWN', 'The broker is away.');
            sent.push(message);
          },
        },
        onProblem: () => undefined,
        onProgress: () => undefined,
      };
      const first = new Replayer(options);
      first.start();
      await waitUntil('the broker is gone in the middle', () => sent.length >= 10, 10_000, 5);
      await first.close();
      broken = true;
      fixture.setClock(60_000);
      const second = new Replayer(options);
      second.start();
      const jobNow = async () => (await store.run(listJobs, { limit: 1 }))[0]?.state;
      await waitUntil('the job is done', async () => (await jobNow()) === 'done', 20_000, 20);
      await second.close();

      assert.deepEqual(sent.map(({ properties }) => properties.messageId).sort(), ids.map((_, i) => `m${i}`).sort());
      assert.deepEqual([...new Set(sent.map(({ body }) => Buffer.from(body).toString()))], ['{"n":99}']);
      for (const [i, id] of ids.entries()) {
        const { queue: name, messageId, body, bodyKey, edited, edits } = (await store.run(getLetter, { id }))!;
        assert.equal(cipher.open(body, bodyKey, sealContext(name, messageId)).toString(), `{"n":${i}}`);
        const kept = cipher.open(edited!.body, edited!.bodyKey, sealContext(name, messageId, 1));
        assert.deepEqual([kept.toString(), edits.length, edits[0]!.actor], ['{"n":99}', 1, act.actor]);
      }
    },
  );

  test(
    `a letter that the change of its job does not fit waits for a person again (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      await store.run(collectLetter, letter(1));
      const sealed = sealChange(cipher, 'j1', { pointer: '/elsewhere', to: '99' });
      const request = {
        ...act,
        jobId: 'j1',
        rate: 500,
        change: 'set /elsewhere',
        sealed,
        filter: {},
        ids: [letter(1).id],
      };
      await store.run(startEditedReplay, request);
      const problems: string[] = [];
      const sent: OutgoingMessage[] = [];
      const replayer = new Replayer({
        queue,
        store,
        cipher,
        connection: { publish: async (message) => void sent.push(message) },
        onProblem: (problem) => problems.push(problem.code),
        onProgress: () => undefined,
      });
      replayer.start();
      const state = async () => (await store.run(getLetter, { id: letter(1).id }))?.state;
      await waitUntil('the letter is back', async () => (await state()) === 'failed-again', 10_000, 20);
      await replayer.close();
      assert.deepEqual([problems, sent], [['EDIT_DOES_NOT_FIT'], []]);
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

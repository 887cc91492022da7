/** What both engines promise, in the words of `nodes/amqp/engines/engine.ts`. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { deadLetterOf } from '../../nodes/amqp/failure-headers.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { allKinds, type Bench, failure, Inbox, message, queue, until } from './engines.ts';

for (const kind of allKinds) {
  describe(`Messaging engine ${kind.title}`, { skip: kind.skip }, () => {
    let bench: Bench;
    let n = 0;
    /** A queue of the test's own, bound to the prefix's exchange. */
    const fresh = async (more: Parameters<typeof queue>[1] = {}) => {
      const name = `${bench.prefix}.q${++n}`;
      const exchange = `${bench.prefix}.events`;
      await bench.engine.declare({
        exchanges: [exchange],
        queues: [queue(name, { bindings: [{ exchange, routingKey: `${name}.#` }], ...more })],
      });
      return { name, exchange };
    };

    before(async () => {
      bench = await kind.open();
    });
    after(() => bench?.dispose());

    test('a confirmed message is in the queue and comes out as it went in', async () => {
      const { name, exchange } = await fresh();
      const sent = message(exchange, `${name}.created`, { body: Buffer.from([0, 255, 10, 13, 34]) });
      sent.properties.correlationId = 'process-1';
      await bench.engine.publish(sent);
      assert.equal((await bench.engine.depth(name)).ready, 1);
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 5 }, inbox.receive);
      const got = await inbox.nth(1);
      assert.deepEqual(
        {
          exchange: got.exchange,
          key: got.routingKey,
          body: [...got.body],
          attempt: got.attempt,
          again: got.redelivered,
        },
        { exchange, key: `${name}.created`, body: [0, 255, 10, 13, 34], attempt: 1, again: false },
      );
      assert.equal(got.properties.messageId, sent.properties.messageId);
      assert.equal(got.properties.correlationId, 'process-1');
      assert.equal(got.properties.headers['cloudEvents:type'], 'test');
      assert.equal(await bench.engine.settle(got.handle, { kind: 'done' }), 'settled');
      await consumer.close();
      assert.equal((await bench.engine.depth(name)).ready, 0);
    });

    test('a message no queue is bound to is a failure that names the routing key, not a success', async () => {
      const { exchange } = await fresh();
      const lost = { class: 'configuration', code: 'AMQP_UNROUTABLE' };
      await assert.rejects(bench.engine.publish(message(exchange, 'nobody.cares')), (error: Failure) => {
        assert.deepEqual({ class: error.class, code: error.code }, lost);
        assert.match(error.message, /nobody\.cares/);
        return true;
      });
      await assert.rejects(bench.engine.publish(message('', `${bench.prefix}.absent`)), lost);
    });

    test('a message for an exchange that does not exist fails alone; those beside it arrive', async () => {
      const { name, exchange } = await fresh();
      const outcomes = await Promise.allSettled([
        bench.engine.publish(message(exchange, name)),
        bench.engine.publish(message(`${bench.prefix}.absent`, 'x')),
        bench.engine.publish(message(exchange, name)),
      ]);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      );
      assert.equal((outcomes[1] as { reason: Failure }).reason.code, 'AMQP_NO_EXCHANGE');
      assert.ok((await bench.engine.depth(name)).ready >= 2);
    });

    test('topic wildcards route as AMQP says', async () => {
      const name = `${bench.prefix}.q${++n}`;
      const exchange = `${bench.prefix}.events`;
      const bindings = [`${name}.*.created`, `${name}.order.#`].map((routingKey) => ({ exchange, routingKey }));
      await bench.engine.declare({ exchanges: [exchange], queues: [queue(name, { bindings })] });
      for (const key of ['invoice.created', 'order', 'order.line.changed', 'order.created']) {
        await bench.engine.publish(message(exchange, `${name}.${key}`));
      }
      await assert.rejects(bench.engine.publish(message(exchange, `${name}.a.b.created`)));
      // A message that several bindings match arrives once.
      assert.equal((await bench.engine.depth(name)).ready, 4);
    });

    test('no more than the prefetch is handed out before something is settled', async () => {
      const { name } = await fresh();
      for (let i = 0; i < 7; i++) await bench.engine.publish(message('', name));
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 3 }, inbox.receive);
      await inbox.nth(3);
      assert.equal(consumer.unsettled, 3);
      await bench.engine.settle(inbox.all[0]!.handle, { kind: 'done' });
      await inbox.nth(4);
      assert.equal(inbox.all.length, 4);
      await consumer.close();
    });

    test('what was settled twice is told so, and acknowledges nothing else', async () => {
      const { name } = await fresh();
      for (let i = 0; i < 2; i++) await bench.engine.publish(message('', name));
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 10 }, inbox.receive);
      const first = await inbox.nth(1);
      await inbox.nth(2);
      const verdicts = await Promise.all([
        bench.engine.settle(first.handle, { kind: 'done' }),
        bench.engine.settle(first.handle, { kind: 'done' }),
      ]);
      assert.deepEqual(verdicts, ['settled', 'already-settled']);
      assert.equal(await bench.engine.settle(first.handle, { kind: 'dead-letter', failure }), 'already-settled');
      assert.equal(consumer.unsettled, 1);
      await consumer.close();
      await until('the other message is back', async () => (await bench.engine.depth(name)).ready === 1);
    });

    test('a settle after its consumer closed is stale, and the message is delivered again', async () => {
      const { name } = await fresh();
      await bench.engine.publish(message('', name));
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 10 }, inbox.receive);
      const first = await inbox.nth(1);
      await consumer.close();
      const second = await bench.engine.consume({ queue: name, prefetch: 10 }, inbox.receive);
      const again = await inbox.nth(2);
      assert.equal(again.properties.messageId, first.properties.messageId);
      assert.equal(await bench.engine.settle(first.handle, { kind: 'done' }), 'stale');
      assert.equal(await bench.engine.settle(again.handle, { kind: 'done' }), 'settled');
      assert.equal(await bench.engine.settle('00000000.1.1', { kind: 'done' }), 'stale');
      await second.close();
    });

    test('a retry comes back after its delay with its history and its id; the attempt counts', async () => {
      const { name, exchange } = await fresh();
      const sent = message(exchange, `${name}.x`);
      await bench.engine.publish(sent);
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 10 }, inbox.receive);
      const first = await inbox.nth(1);
      const from = Date.now();
      await bench.engine.settle(first.handle, { kind: 'retry', delay: 150, failure });
      const second = await inbox.nth(2);
      assert.ok(Date.now() - from >= 145, 'it came too early');
      assert.deepEqual(
        { id: second.properties.messageId, attempt: second.attempt, exchange: second.exchange, key: second.routingKey },
        { id: sent.properties.messageId, attempt: 2, exchange, key: `${name}.x` },
      );
      const { headers } = second.properties;
      assert.equal(headers['x-failure-code'], 'ODOO_DOWN');
      assert.equal(headers['x-death'], undefined);
      await bench.engine.settle(second.handle, { kind: 'retry', delay: 150, failure: { ...failure, code: 'OTHER' } });
      const third = await inbox.nth(3);
      assert.equal(third.attempt, 3);
      assert.equal(third.properties.headers['x-first-failed-at'], headers['x-first-failed-at']);
      await bench.engine.settle(third.handle, { kind: 'done' });
      await consumer.close();
    });

    test('a waiting retry holds up nobody', async () => {
      const { name } = await fresh();
      const [slow, quick] = [message('', name), message('', name)];
      await bench.engine.publish(slow);
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 1 }, inbox.receive);
      await bench.engine.settle((await inbox.nth(1)).handle, { kind: 'retry', delay: 1_000, failure });
      await bench.engine.publish(quick);
      const next = await inbox.nth(2);
      assert.equal(next.properties.messageId, quick.properties.messageId);
      await bench.engine.settle(next.handle, { kind: 'retry', delay: 150, failure });
      // The short delay overtakes the long one.
      assert.equal((await inbox.nth(3)).properties.messageId, quick.properties.messageId);
      await consumer.close();
    });

    test('a dead letter keeps bytes, id, origin and cause, and not the evidence that may quote the document', async () => {
      const { name, exchange } = await fresh();
      const sent = message(exchange, `${name}.x`, { body: Buffer.from('{"broken": ') });
      await bench.engine.publish(sent);
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 10 }, inbox.receive);
      const cause = { ...failure, class: 'data-quality' as const, retryable: false };
      const settled = { ...cause, detail: { path: '/lines/0' } };
      await bench.engine.settle((await inbox.nth(1)).handle, { kind: 'dead-letter', failure: settled });
      const dead = new Inbox();
      const letters = await bench.engine.consume({ queue: `${name}.dead`, prefetch: 10 }, dead.receive);
      const letter = await dead.nth(1);
      assert.equal(letter.body.toString(), '{"broken": ');
      assert.equal(letter.properties.messageId, sent.properties.messageId);
      const facts = deadLetterOf(letter);
      assert.deepEqual(
        { ...facts, firstFailedAt: '', failure: { ...facts.failure, at: '' } },
        {
          failure: { ...cause, at: '', attempt: 1 },
          attempt: 1,
          firstFailedAt: '',
          originQueue: name,
          originExchange: exchange,
          originRoutingKey: `${name}.x`,
        },
      );
      await bench.engine.settle(letter.handle, { kind: 'done' });
      await consumer.close();
      await letters.close();
    });

    test('a paused consumer gets nothing; what it holds may still be settled', async () => {
      const { name } = await fresh();
      await bench.engine.publish(message('', name));
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 10 }, inbox.receive);
      const held = await inbox.nth(1);
      await consumer.pause();
      await bench.engine.publish(message('', name));
      assert.equal(await bench.engine.settle(held.handle, { kind: 'done' }), 'settled');
      assert.equal((await bench.engine.depth(name)).ready, 1);
      await consumer.resume();
      await bench.engine.settle((await inbox.nth(2)).handle, { kind: 'done' });
      await consumer.close();
    });

    test('a released message comes back as the same try', async () => {
      const { name } = await fresh();
      await bench.engine.publish(message('', name));
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 1 }, inbox.receive);
      await bench.engine.settle((await inbox.nth(1)).handle, { kind: 'release' });
      assert.equal((await inbox.nth(2)).attempt, 1);
      await consumer.close();
    });

    test('an expired message goes to the dead letters and says why', async () => {
      const { name } = await fresh();
      await bench.engine.publish(message('', name, { expiration: 1 }));
      await new Promise((resolve) => setTimeout(resolve, 20));
      const inbox = new Inbox();
      const consumer = await bench.engine.consume({ queue: name, prefetch: 1 }, inbox.receive);
      const dead = new Inbox();
      const letters = await bench.engine.consume({ queue: `${name}.dead`, prefetch: 1 }, dead.receive);
      const facts = deadLetterOf(await dead.nth(1));
      assert.equal(facts.failure.code, 'AMQP_EXPIRED');
      assert.equal(facts.originQueue, name);
      assert.equal(inbox.all.length, 0);
      await consumer.close();
      await letters.close();
    });

    test('a full queue refuses as saturation and keeps what it has', async () => {
      const { name } = await fresh({ maxLength: 3 });
      const outcomes: string[] = [];
      for (let i = 0; i < 12; i++) {
        outcomes.push(
          await bench.engine.publish(message('', name)).then(
            () => 'stored',
            (error: Failure) => error.class,
          ),
        );
      }
      assert.equal(outcomes.at(-1), 'saturation');
      const stored = outcomes.filter((outcome) => outcome === 'stored').length;
      assert.ok(stored >= 3);
      assert.equal((await bench.engine.depth(name)).ready, stored);
    });

    test('two engines on one queue share the work', async () => {
      const { name } = await fresh();
      for (let i = 0; i < 20; i++) await bench.engine.publish(message('', name));
      const other = bench.another();
      const [mine, theirs] = [new Inbox(), new Inbox()];
      const consumers = [
        await bench.engine.consume({ queue: name, prefetch: 10 }, mine.receive),
        await other.consume({ queue: name, prefetch: 10 }, theirs.receive),
      ];
      await until('all are handed out', () => mine.all.length + theirs.all.length === 20);
      const ids = [...mine.all, ...theirs.all].map(({ properties }) => properties.messageId);
      assert.equal(new Set(ids).size, 20);
      assert.equal(await other.settle(mine.all[0]!.handle, { kind: 'done' }), 'stale');
      for (const consumer of consumers) await consumer.close();
    });

    test('a thousand messages in a burst arrive once each, in order of publishing', async () => {
      const { name } = await fresh();
      const sent = Array.from({ length: 1_000 }, () => message('', name));
      await Promise.all(sent.map((each) => bench.engine.publish(each)));
      const order: string[] = [];
      const consumer = await bench.engine.consume({ queue: name, prefetch: 50 }, (delivery) => {
        order.push(delivery.properties.messageId);
        bench.engine.settle(delivery.handle, { kind: 'done' }).catch((error: unknown) => assert.fail(String(error)));
      });
      await until('all have come', () => order.length >= 1_000);
      assert.deepEqual(
        order,
        sent.map(({ properties }) => properties.messageId),
      );
      await until('all are settled', () => consumer.unsettled === 0);
      await consumer.close();
    });

    test('a failure is a Failure with a sentence for the person who reads it', async () => {
      await assert.rejects(bench.engine.depth(`${bench.prefix}.absent`), (error: unknown) => {
        assert.ok(error instanceof Failure);
        assert.equal(error.code, 'AMQP_NO_QUEUE');
        return true;
      });
    });
  });
}

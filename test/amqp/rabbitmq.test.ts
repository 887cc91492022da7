/** What only a broker can do to us, on a real one. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect } from 'amqplib';
import { describeAddress, parseAddresses, reconnectDelay } from '../../nodes/amqp/engines/rabbitmq/connection.ts';
import type { RabbitMqEngine } from '../../nodes/amqp/engines/rabbitmq/engine.ts';
import { deadLetterOf } from '../../nodes/amqp/failure-headers.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { amqpUrl, deleteFromBroker, failure, Inbox, message, queue, rabbitMq, uniquePrefix, until } from './engines.ts';
import { LinkProxy } from './proxy.ts';

test('addresses: several hosts share user and vhost, and are described without credentials', () => {
  const [first, second] = parseAddresses('amqps://me:s%40crt@a.example:5671,[::1]:5673/prod');
  assert.deepEqual(first, {
    protocol: 'amqps',
    hostname: 'a.example',
    port: 5671,
    username: 'me',
    password: 's@crt',
    vhost: 'prod',
  });
  assert.deepEqual(second, { ...first, hostname: '::1', port: 5673 });
  assert.equal(describeAddress(second!), 'amqps://[::1]:5673, vhost "prod"');
  assert.equal(parseAddresses('rabbit')[0]!.port, 5672);
  assert.equal(parseAddresses('amqp://h/x', { vhost: 'y', username: 'u' })[0]!.vhost, 'y');
  for (const bad of ['', 'http://h', 'amqp://[']) {
    assert.throws(
      () => parseAddresses(bad),
      (error: unknown) => error instanceof Failure && error.class === 'configuration',
    );
  }
});

test('waiting to connect again doubles up to half a minute, and no two wait alike', () => {
  // mulberry32, so that each run draws the same.
  const seeded = (seed: number) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  for (const [failures, ceiling] of [
    [0, 200],
    [1, 400],
    [5, 6_400],
    [8, 30_000],
    [10_000, 30_000],
    [Number.POSITIVE_INFINITY, 30_000],
  ] as const) {
    assert.equal(
      reconnectDelay(failures, () => 0),
      ceiling / 2,
    );
    const random = seeded(failures === Number.POSITIVE_INFINITY ? 1 : failures);
    const delays = Array.from({ length: 200 }, () => reconnectDelay(failures, random));
    assert.ok(Math.max(...delays) <= ceiling && Math.min(...delays) >= ceiling / 2, `${failures} failures`);
    assert.ok(new Set(delays).size > 50, `${failures} failures: all come back together`);
    // Spread over the whole half.
    assert.ok(Math.max(...delays) - Math.min(...delays) > ceiling * 0.45);
  }
});

describe('RabbitMQ', { skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false }, () => {
  const prefix = uniquePrefix();
  const used: string[] = [];
  const engines: RabbitMqEngine[] = [];
  let proxy: LinkProxy;
  let engine: RabbitMqEngine;
  let n = 0;

  const start = (url: string, options: Parameters<typeof rabbitMq>[1] = {}) => {
    const started = rabbitMq(url, options);
    engines.push(started);
    return started;
  };
  const fresh = async (more: Parameters<typeof queue>[1] = {}) => {
    const name = `${prefix}.q${++n}`;
    used.push(name, `${name}.dead`, `${name}.retry.200ms`, `${name}.retry.1s`);
    await engine.declare({ exchanges: [`${prefix}.events`], queues: [queue(name, more)] });
    return name;
  };
  /** Behind our back. */
  const meddle = async (
    work: (channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>) => Promise<unknown>,
  ) => {
    const model = await connect(amqpUrl!);
    const channel = await model.createChannel();
    await work(channel);
    // The channel first: the connection's own close overtakes what the channel still has to send.
    await channel.close();
    await model.close();
  };

  before(async () => {
    const proxied = await LinkProxy.of(amqpUrl!);
    proxy = proxied.proxy;
    engine = start(proxied.url);
    await engine.whenReady(15_000);
  });
  after(async () => {
    for (const each of engines) await each.close();
    await proxy?.close();
    await deleteFromBroker(amqpUrl!, used, [`${prefix}.events`]);
  });

  test('a queue that exists with other arguments is named with both sets, and nothing is changed', async () => {
    const name = await fresh({ maxLength: 7, deliveryLimit: 5 });
    const other = start(amqpUrl!);
    const states: string[] = [];
    other.onState(({ kind }) => states.push(kind));
    const wanted = { exchanges: [], queues: [queue(name, { maxLength: 9, deliveryLimit: 6 })] };
    await assert.rejects(other.declare(wanted), (error: Failure) => {
      assert.equal(error.code, 'AMQP_QUEUE_DIFFERS');
      for (const part of [name, 'x-max-length is 7, this flow wants 9', 'x-delivery-limit is 5, this flow wants 6']) {
        assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
      }
      return true;
    });
    assert.equal(other.state.kind, 'misconfigured');
    assert.ok(states.includes('misconfigured'));
    // The one who has it right is not disturbed, and the queue is as it was.
    await engine.declare({ exchanges: [], queues: [queue(name, { maxLength: 7, deliveryLimit: 5 })] });
    await engine.publish(message('', name));
  });

  test('retry and dead letter queues of an older or newer broker version are accepted as they are', async () => {
    const name = `${prefix}.q${++n}`;
    used.push(name, `${name}.dead`, `${name}.retry.200ms`);
    await meddle(async (channel) => {
      await channel.assertQueue(`${name}.dead`, { arguments: { 'x-queue-type': 'quorum' } });
      await channel.assertQueue(`${name}.retry.200ms`, {
        arguments: { 'x-message-ttl': 200, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': name },
      });
    });
    await engine.declare({ exchanges: [], queues: [queue(name, { retrySteps: [200] })] });
  });

  test('a queue that is deleted under its consumer is declared again, and consuming goes on', async () => {
    const name = await fresh();
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 5 }, inbox.receive);
    await engine.publish(message('', name));
    const held = await inbox.nth(1);
    await meddle((channel) => channel.deleteQueue(name));
    await until('the queue is back', async () =>
      engine.publish(message('', name)).then(
        () => true,
        () => false,
      ),
    );
    await inbox.nth(2);
    // What was deleted with the queue can be settled without harm.
    await engine.settle(held.handle, { kind: 'done' });
    await consumer.close();
  });

  test('a dead letter queue that somebody deleted is declared again before the letter is given up', async () => {
    const name = await fresh();
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 5 }, inbox.receive);
    await engine.publish(message('', name));
    const held = await inbox.nth(1);
    await meddle((channel) => channel.deleteQueue(`${name}.dead`));
    assert.equal(await engine.settle(held.handle, { kind: 'dead-letter', failure }), 'settled');
    assert.equal((await engine.depth(`${name}.dead`)).ready, 1);
    await consumer.close();
  });

  test('a retry that comes back to a full classic queue is kept: its step is a queue that waits for the confirm', async () => {
    const name = await fresh({ type: 'classic', maxLength: 1 });
    // Refused when the queue has other arguments. A classic one would drop what the full queue refuses.
    await meddle((channel) =>
      channel.assertQueue(`${name}.retry.200ms`, {
        arguments: {
          'x-queue-type': 'quorum',
          'x-message-ttl': 200,
          'x-dead-letter-exchange': '',
          'x-dead-letter-routing-key': name,
          'x-dead-letter-strategy': 'at-least-once',
          'x-overflow': 'reject-publish',
        },
      }),
    );
    // RabbitMQ offers it again after three minutes, which only the campaign waits for.
    if (process.env.HEALTHFLOWS_CAMPAIGN === undefined) return;
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 1 }, inbox.receive);
    const first = message('', name);
    await engine.publish(first);
    const held = await inbox.nth(1);
    await consumer.pause();
    await engine.settle(held.handle, { kind: 'retry', delay: 200, failure });
    await engine.publish(message('', name));
    await until('the retry is due', async () => (await engine.depth(`${name}.retry.200ms`)).ready === 0);
    await consumer.resume();
    for (let i = 2; i <= 3; i++) await engine.settle((await inbox.nth(i, 400_000)).handle, { kind: 'done' });
    assert.ok(inbox.all.slice(1).some(({ properties }) => properties.messageId === first.properties.messageId));
    await consumer.close();
  });

  test('a message with all the headers that are allowed can still tell why it failed', async () => {
    const name = await fresh();
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 1 }, inbox.receive);
    const sent = message('', name);
    sent.properties.headers.note = 'n'.repeat(40 * 1024 - 200);
    await engine.publish(sent);
    const words = { ...failure, message: '語'.repeat(5_000) };
    assert.equal(await engine.settle((await inbox.nth(1)).handle, { kind: 'dead-letter', failure: words }), 'settled');
    assert.equal((await engine.depth(`${name}.dead`)).ready, 1);
    await consumer.close();
  });

  test('however often a message is given back, by an outage or a deploy, it does not meet the delivery limit', async () => {
    const name = await fresh({ deliveryLimit: 4 });
    const sent = message('', name);
    await engine.publish(sent);
    for (let deploy = 0; deploy < 3; deploy++) {
      const other = start(amqpUrl!);
      await other.declare({ exchanges: [], queues: [queue(name, { deliveryLimit: 4 })] });
      const inbox = new Inbox();
      await other.consume({ queue: name, prefetch: 5 }, inbox.receive);
      for (let time = 1; time < 6; time++) {
        const delivery = await inbox.nth(time);
        assert.equal(delivery.properties.messageId, sent.properties.messageId);
        assert.equal(delivery.attempt, 1);
        assert.equal(delivery.routingKey, name);
        // The last one is in the flow when the deploy comes.
        if (time < 5) assert.equal(await other.settle(delivery.handle, { kind: 'release' }), 'settled');
      }
      await other.close();
    }
    assert.equal((await engine.depth(`${name}.dead`)).ready, 0);
    await until('it is in its queue', async () => (await engine.depth(name)).ready === 1);
  });

  test('when the link is cut, open deliveries turn stale and come again; a late settle harms nobody', async () => {
    const name = await fresh();
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 5 }, inbox.receive);
    for (let i = 0; i < 3; i++) await engine.publish(message('', name));
    await inbox.nth(3);
    const before = inbox.all.slice();
    proxy.cut();
    await inbox.nth(6);
    assert.ok(inbox.all.slice(3).every(({ redelivered }) => redelivered));
    for (const { handle } of before) assert.equal(await engine.settle(handle, { kind: 'done' }), 'stale');
    assert.equal(consumer.unsettled, 3);
    for (const { handle } of inbox.all.slice(3)) {
      assert.equal(await engine.settle(handle, { kind: 'done' }), 'settled');
    }
    await consumer.close();
    assert.equal((await engine.depth(name)).ready, 0);
  });

  test('what was not confirmed when the link was cut is sent again in order, with the same id', async () => {
    const name = await fresh();
    const sent = Array.from({ length: 400 }, () => message('', name));
    const outcomes = Promise.allSettled(sent.map((each) => engine.publish(each)));
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      proxy.cut();
    }
    const lost = (await outcomes).filter(({ status }) => status === 'rejected');
    assert.deepEqual(lost, []);
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 2_000 }, inbox.receive);
    const ids = () => [...new Set(inbox.all.map(({ properties }) => properties.messageId))];
    await until('all are there', () => ids().length === 400);
    assert.deepEqual(
      ids(),
      sent.map(({ properties }) => properties.messageId),
    );
    await consumer.close();
  });

  test('after a reconnect to a broker that has lost its queues nothing goes before they stand again, slow as it is', async () => {
    const { proxy: slow, url } = await LinkProxy.of(amqpUrl!);
    const other = start(url, { publisher: { deadline: 60_000 } });
    const name = `${prefix}.lost`;
    const exchange = `${prefix}.events`;
    used.push(name, `${name}.dead`, `${name}.retry.200ms`, `${name}.retry.1s`);
    await other.declare({
      exchanges: [exchange],
      queues: [queue(name, { bindings: [{ exchange, routingKey: 'lost' }] })],
    });
    await other.publish(message(exchange, 'lost'));
    await meddle((channel) => channel.deleteQueue(name));
    slow.delay(450);
    slow.cut();
    await until('the link is down', () => other.state.kind !== 'ready');
    await other.publish(message(exchange, 'lost'));
    slow.mend();
    assert.equal((await other.depth(name)).ready, 1);
    await other.close();
    await slow.close();
  });

  test('a link that goes silent is found, and a publish into it ends as unknown, not as success or silence', async () => {
    const proxied = await LinkProxy.of(amqpUrl!);
    const name = await fresh();
    const quick = start(proxied.url, { heartbeat: 1, publisher: { deadline: 5_000 } });
    await quick.publish(message('', name));
    proxied.proxy.silence();
    await assert.rejects(quick.publish(message('', name)), {
      class: 'dependency-outage',
      code: 'AMQP_UNCONFIRMED',
      outcome: 'unknown',
    });
    await until('the dead link is noticed', () => quick.state.kind !== 'ready');
    proxied.proxy.mend();
    await until('it is back', () => quick.state.kind === 'ready');
    await quick.publish(message('', name));
    await quick.close();
    await proxied.proxy.close();
  });

  test('while the broker cannot be reached publishes wait, then fail as not sent; the line is bounded', async () => {
    const proxied = await LinkProxy.of(amqpUrl!);
    proxied.proxy.refuse();
    const name = await fresh();
    const away = start(proxied.url, { publisher: { deadline: 2_000, line: 3 } });
    const waiting = [1, 2, 3].map(() => away.publish(message('', name)));
    await assert.rejects(away.publish(message('', name)), { class: 'saturation', code: 'AMQP_WINDOW_FULL' });
    for (const each of waiting) await assert.rejects(each, { code: 'AMQP_UNREACHABLE', outcome: 'none' });
    assert.equal(away.state.kind, 'down');
    // It may be given up before the next attempt to connect.
    const later = away.publish(message('', name)).catch(() => undefined);
    proxied.proxy.mend();
    await until('it connects', () => away.state.kind === 'ready');
    await later;
    await away.publish(message('', name));
    await away.close();
    await proxied.proxy.close();
  });

  test('a link whose other end is gone is found by its heartbeat, and consuming goes on', async () => {
    const proxied = await LinkProxy.of(amqpUrl!);
    const name = await fresh();
    const quick = start(proxied.url, { heartbeat: 1 });
    await quick.declare({ exchanges: [], queues: [queue(name)] });
    const inbox = new Inbox();
    await quick.consume({ queue: name, prefetch: 5 }, inbox.receive);
    await engine.publish(message('', name));
    const held = await inbox.nth(1);
    proxied.proxy.halfOpen();
    // Nothing comes any more, not even the end of the connection.
    await until('it is noticed', () => quick.state.kind !== 'ready');
    await until('it is back', () => quick.state.kind === 'ready');
    assert.equal((await inbox.nth(2)).properties.messageId, held.properties.messageId);
    assert.equal(await quick.settle(held.handle, { kind: 'done' }), 'stale');
    await quick.publish(message('', name));
    await inbox.nth(3);
    await quick.close();
    await proxied.proxy.close();
  });

  test('several hosts are tried in turn, and the one that answers keeps the connections', async () => {
    const hosts = [await LinkProxy.of(amqpUrl!), await LinkProxy.of(amqpUrl!), await LinkProxy.of(amqpUrl!)];
    const [first, second, third] = hosts.map(({ proxy: each }) => each);
    const links = () => hosts.map(({ proxy: each }) => each.connections);
    first!.refuse();
    const away = start(hosts.map(({ url }) => url).join(','));
    const name = await fresh();
    await until('the second answers', () => away.state.kind === 'ready' && links()[1] === 2);
    await away.publish(message('', name));
    first!.mend();
    second!.refuse();
    await until('the third answers', () => away.state.kind === 'ready' && links()[2] === 2);
    await away.publish(message('', name));
    third!.refuse();
    await until('the first answers, after the last', () => away.state.kind === 'ready' && links()[0] === 2);
    await away.publish(message('', name));
    assert.deepEqual(links(), [2, 0, 0]);
    await away.close();
    for (const { proxy: each } of hosts) await each.close();
  });

  test('a classic queue with priorities gives the higher ones first, and equal ones in their order', async () => {
    const name = await fresh({ type: 'classic', maxPriority: 9 });
    const prioritised = (priority: number | undefined) => {
      const sent = message('', name);
      if (priority !== undefined) sent.properties.priority = priority;
      return sent;
    };
    const sent = [undefined, 1, 9, 5, 1, 9, undefined].map(prioritised);
    for (const each of sent) await engine.publish(each);
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 1 }, (delivery) => {
      inbox.receive(delivery);
      engine.settle(delivery.handle, { kind: 'done' }).catch((error: unknown) => assert.fail(String(error)));
    });
    await inbox.nth(sent.length);
    assert.deepEqual(
      inbox.all.map(({ properties }) => properties.messageId),
      [2, 5, 3, 1, 4, 0, 6].map((index) => sent[index]!.properties.messageId),
    );
    assert.equal(inbox.all[0]!.properties.priority, 9);
    await consumer.close();
  });

  test('a priority changes nothing on a quorum queue of this version, and harms nothing', async () => {
    const name = await fresh();
    const sent = [1, 9, 5].map((priority) => {
      const each = message('', name);
      each.properties.priority = priority;
      return each;
    });
    for (const each of sent) await engine.publish(each);
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 1 }, (delivery) => {
      inbox.receive(delivery);
      engine.settle(delivery.handle, { kind: 'done' }).catch((error: unknown) => assert.fail(String(error)));
    });
    await inbox.nth(sent.length);
    const { state } = engine;
    const major = Number(/ (\d+)\./.exec(state.kind === 'ready' ? state.server : '')?.[1]);
    // From 4.0 on there are two levels.
    const expected = major >= 4 ? [1, 2, 0] : [0, 1, 2];
    assert.deepEqual(
      inbox.all.map(({ properties }) => properties.messageId),
      expected.map((index) => sent[index]!.properties.messageId),
    );
    await consumer.close();
  });

  for (const type of ['quorum', 'classic'] as const) {
    test(`single active consumer, ${type}: one gets all, and when it dies the other one goes on where it was`, async () => {
      const proxied = await LinkProxy.of(amqpUrl!);
      const more = { type, singleActiveConsumer: true };
      const name = await fresh(more);
      const topology = { exchanges: [], queues: [queue(name, more)] };
      const [active, standby] = [start(proxied.url), start(amqpUrl!)];
      const inboxes = [new Inbox(), new Inbox()] as const;
      await active.declare(topology);
      await active.consume({ queue: name, prefetch: 10 }, inboxes[0].receive);
      await engine.publish(message('', name));
      await active.settle((await inboxes[0].nth(1)).handle, { kind: 'done' });
      await standby.declare(topology);
      await standby.consume({ queue: name, prefetch: 10 }, inboxes[1].receive);
      const sent = Array.from({ length: 20 }, () => message('', name));
      for (const each of sent) await engine.publish(each);
      // Half of them are its prefetch: with a second consumer at work they would be shared.
      await inboxes[0].nth(11);
      await active.settle(inboxes[0].all[1]!.handle, { kind: 'done' });
      await inboxes[0].nth(12);
      assert.equal(inboxes[1].all.length, 0, 'both are active');
      proxied.proxy.refuse();
      await inboxes[1].nth(10);
      for (let at = 0; at < 19; at++) {
        const { handle } = await inboxes[1].nth(at + 1);
        await standby.settle(handle, { kind: 'done' });
      }
      assert.deepEqual(
        inboxes[1].all.map(({ properties }) => properties.messageId),
        sent.slice(1).map(({ properties }) => properties.messageId),
        'what was not settled came again, in its order',
      );
      await active.close();
      await standby.close();
      await proxied.proxy.close();
    });
  }

  test('wrong credentials and a missing vhost are said in words, without the password', async () => {
    const url = new URL(amqpUrl!);
    url.password = 'not-the-password';
    const refused = start(url.href);
    await assert.rejects(refused.whenReady(60_000), (error: Failure) => {
      assert.equal(error.class, 'configuration');
      assert.match(error.message, /refuses the user/);
      assert.doesNotMatch(error.message, /not-the-password/);
      return true;
    });
    assert.equal(refused.state.kind, 'misconfigured');
    url.href = amqpUrl!;
    url.pathname = '/absent';
    const elsewhere = start(url.href);
    await assert.rejects(elsewhere.whenReady(60_000), /vhost "absent" does not exist or/);
    await Promise.all([refused.close(), elsewhere.close()]);
  });

  test('an error of the connection ends no process', async () => {
    const name = await fresh();
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: name, prefetch: 1 }, inbox.receive);
    for (let i = 0; i < 3; i++) {
      proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await until('it is back', () => engine.state.kind === 'ready');
    await engine.publish(message('', name));
    await inbox.nth(1);
    await consumer.close();
  });

  test('a message that a foreign consumer rejects is in the dead letters with the broker’s reason', async () => {
    const name = await fresh();
    await engine.publish(message('', name));
    await meddle(async (channel) => {
      let got = await channel.get(name);
      while (got === false) got = await channel.get(name);
      channel.nack(got, false, false);
    });
    const dead = new Inbox();
    const letters = await engine.consume({ queue: `${name}.dead`, prefetch: 1 }, dead.receive);
    const facts = deadLetterOf(await dead.nth(1));
    assert.deepEqual([facts.failure.code, facts.originQueue], ['AMQP_REJECTED', name]);
    await letters.close();
  });
});

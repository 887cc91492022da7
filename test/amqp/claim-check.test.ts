/** Bodies too large for a broker: kept in the store, and every consumer gets them back, byte for byte. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { connect } from 'amqplib';
import { purgeBodies } from '../../nodes/amqp/claim-operations.ts';
import { type RunningConnection, startConnection } from '../../nodes/amqp/connection-service.ts';
import { deadLetterOf } from '../../nodes/amqp/failure-headers.ts';
import { defaultRetryPolicy } from '../../nodes/amqp/retry-policy.ts';
import { loseKey } from './spoil.ts';
import { amqpUrl, type Bench, failure, Inbox, message, queue, rabbitKind, sqliteKind } from './engines.ts';

const limit = 10_000;

describe('Claim check on RabbitMQ', { skip: rabbitKind.skip }, () => {
  let bench: Bench;
  let beside: Bench;
  let n = 0;
  const running: RunningConnection[] = [];
  before(async () => {
    [bench, beside] = [await rabbitKind.open(), await sqliteKind.open()];
  });
  after(async () => {
    for (const each of running) await each.close();
    await bench?.dispose();
    await beside?.dispose();
  });

  async function start(retention = 60_000) {
    const connection = startConnection({
      id: `amqp${++n}`,
      namespace: bench.prefix,
      engine: bench.another(),
      store: { id: 'store', store: beside.store! },
      claim: { limit, retention },
    });
    running.push(connection);
    const name = `${bench.prefix}.q${n}`;
    await connection.service.declare({ exchanges: [], queues: [queue(name)] });
    return { service: connection.service, name };
  }

  const large = (name: string) => message('', name, { body: randomBytes(3 * 1024 * 1024) });

  async function depthOnBroker(name: string): Promise<{ body: Buffer; contentType: unknown }> {
    const model = await connect(amqpUrl!);
    const channel = await model.createChannel();
    const got = await channel.get(name, { noAck: false });
    await model.close();
    assert.ok(got !== false);
    return { body: got.content, contentType: got.properties.contentType };
  }

  for (const guarantee of ['outbox', 'confirmed'] as const) {
    test(`a body above the limit comes out as it went in, in its place, and the broker carries a reference (${guarantee})`, async () => {
      const { service, name } = await start();
      const sent = [message('', name), large(name), message('', name)];
      for (const each of sent) await service.accept({ message: { ...each, partitionKey: 'one' } }, guarantee);
      const inbox = new Inbox();
      const consumer = await service.consume({ queue: name, prefetch: 5, policy: defaultRetryPolicy }, inbox.receive);
      await inbox.nth(3);
      assert.deepEqual(
        inbox.all.map(({ properties }) => properties.messageId),
        sent.map(({ properties }) => properties.messageId),
      );
      const got = inbox.all[1]!;
      assert.ok(got.body.equals(sent[1]!.body));
      assert.equal(got.properties.contentType, 'application/json');
      assert.deepEqual(got.properties.headers, sent[1]!.properties.headers);
      await service.settle(inbox.all[0]!.handle, { kind: 'done' });
      await service.settle(inbox.all[2]!.handle, { kind: 'done' });
      await consumer.close();
      const { body, contentType } = await depthOnBroker(name);
      const reference = JSON.parse(body.toString()) as { bytes: number; sha256: string };
      assert.equal(contentType, 'application/vnd.healthflows.claim+json');
      assert.deepEqual(
        [reference.bytes, reference.sha256],
        [sent[1]!.body.byteLength, createHash('sha256').update(sent[1]!.body).digest('hex')],
      );
    });
  }

  test('it survives its retries, and its dead letter has the whole body', async () => {
    const { service, name } = await start();
    const sent = large(name);
    await service.publish(sent);
    const [inbox, dead] = [new Inbox(), new Inbox()];
    await service.consume({ queue: name, prefetch: 5, policy: { ...defaultRetryPolicy, steps: [200] } }, inbox.receive);
    await service.consume({ queue: `${name}.dead`, prefetch: 5, policy: defaultRetryPolicy }, dead.receive);
    await service.settle((await inbox.nth(1)).handle, { kind: 'retry', failure });
    const second = await inbox.nth(2);
    assert.equal(second.attempt, 2);
    assert.ok(second.body.equals(sent.body));
    await service.settle(second.handle, { kind: 'dead-letter', failure });
    const letter = await dead.nth(1);
    assert.ok(letter.body.equals(sent.body));
    await service.settle(letter.handle, { kind: 'done' });
  });

  test('a sender that tries the same message again and again keeps one body in the store', async () => {
    const { service, name } = await start(0);
    const sent = large(name);
    for (let i = 0; i < 3; i++) await service.publish(sent);
    assert.equal(await beside.store!.run(purgeBodies, { limit: 10 }), 1);
  });

  test('a body whose key is missing is a dead letter that names the key; what is behind it goes on', async () => {
    const { service, name } = await start();
    await service.publish(large(name));
    await beside.store!.run(loseKey, undefined);
    const next = message('', name);
    await service.publish(next);
    const [inbox, dead] = [new Inbox(), new Inbox()];
    await service.consume({ queue: name, prefetch: 5, policy: defaultRetryPolicy }, inbox.receive);
    await service.consume({ queue: `${name}.dead`, prefetch: 5, policy: defaultRetryPolicy }, dead.receive);
    assert.equal((await inbox.nth(1)).properties.messageId, next.properties.messageId);
    const letter = await dead.nth(1);
    assert.deepEqual(
      [deadLetterOf(letter).failure.class, deadLetterOf(letter).failure.code],
      ['configuration', 'PAYLOAD_KEY_MISSING'],
    );
    for (const { handle } of [inbox.all[0]!, letter]) await service.settle(handle, { kind: 'done' });
  });

  test('a body whose retention has passed is a dead letter that says so', async () => {
    const { service, name } = await start(0);
    await service.publish(large(name));
    assert.equal(await beside.store!.run(purgeBodies, { limit: 10 }), 1);
    const [inbox, dead] = [new Inbox(), new Inbox()];
    await service.consume({ queue: name, prefetch: 5, policy: defaultRetryPolicy }, inbox.receive);
    await service.consume({ queue: `${name}.dead`, prefetch: 5, policy: defaultRetryPolicy }, dead.receive);
    const letter = await dead.nth(1);
    const { failure: why } = deadLetterOf(letter);
    assert.deepEqual([why.class, why.code, inbox.all.length], ['configuration', 'AMQP_CLAIM_MISSING', 0]);
    assert.match(why.message, /retention/);
    await service.settle(letter.handle, { kind: 'done' });
  });
});

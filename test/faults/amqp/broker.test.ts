/**
 * A RabbitMQ of our own that is killed, absent, frozen and out of memory. `HEALTHFLOWS_FAULT_ROUNDS` sets the number
 * of kills (the campaign's full count; here a reduced draw).
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import type { RabbitMqEngine } from '../../../nodes/amqp/engines/rabbitmq/engine.ts';
import type { Failure } from '../../../nodes/kernel/failure.ts';
import { Inbox, message, queue, rabbitMq, until } from '../../amqp/engines.ts';
import { type PrivateRabbitMq, startPrivateRabbitMq } from '../../support/services.ts';

const rounds = Number(process.env.HEALTHFLOWS_FAULT_ROUNDS ?? 2);

describe('A broker in trouble', () => {
  let broker: PrivateRabbitMq;
  const engines: RabbitMqEngine[] = [];
  const start = (options: Parameters<typeof rabbitMq>[1] = {}) => {
    const engine = rabbitMq(broker.url, options);
    engines.push(engine);
    return engine;
  };

  before(async () => {
    broker = await startPrivateRabbitMq();
  });
  after(async () => {
    for (const engine of engines) await engine.close();
    await broker?.stop();
  });

  test(`killed ${rounds} times under load: every confirmed message is handled, none was confirmed and lost`, async () => {
    const engine = start({ publisher: { deadline: 60_000 } });
    await engine.declare({ exchanges: ['load.events'], queues: [queue('load.q')] });
    const handled = new Set<string>();
    let doubled = 0;
    const consumer = await engine.consume({ queue: 'load.q', prefetch: 50 }, (delivery) => {
      const id = delivery.properties.messageId;
      // The gate behind the consumer in a flow.
      if (handled.has(id)) doubled++;
      handled.add(id);
      setTimeout(() => {
        engine.settle(delivery.handle, { kind: 'done' }).catch(() => undefined);
      }, 5);
    });
    // A quorum queue younger than about six seconds may never find a leader again.
    await sleep(6_500);
    const confirmed = new Set<string>();
    let stop = false;
    const publishers = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const sent = message('', 'load.q');
        await engine.publish(sent).then(
          () => confirmed.add(sent.properties.messageId),
          // Unknown or refused: the sender was told so.
          () => undefined,
        );
        await sleep(2);
      }
    });
    for (let round = 0; round < rounds; round++) {
      const before = confirmed.size;
      await until('much was confirmed', () => confirmed.size > before + 300);
      await sleep(Math.random() * 1_000);
      await broker.kill('SIGKILL');
      await until('the loss is noticed', () => engine.state.kind !== 'ready');
      await broker.restart();
      await until('it is connected again', () => engine.state.kind === 'ready');
    }
    await sleep(500);
    stop = true;
    await Promise.all(publishers);
    assert.ok(confirmed.size > 500, `only ${confirmed.size} were confirmed`);
    await until('all confirmed were handled', () => [...confirmed].every((id) => handled.has(id))).catch(() => {
      const missing = [...confirmed].filter((id) => !handled.has(id));
      assert.deepEqual(missing, [], 'confirmed and lost');
    });
    // Per kill at most what was in flight comes twice, and what was published twice because its confirm was lost.
    assert.ok(doubled <= rounds * 160, `${doubled} came twice`);
    await until('all is settled', () => consumer.unsettled === 0);
    await consumer.close();
  });

  test('absent at the start: nothing fails, and all is there when it comes', async () => {
    await broker.kill('SIGKILL');
    const engine = start({ publisher: { deadline: 60_000 } });
    const declared = engine.declare({ exchanges: [], queues: [queue('absent.q')] }).catch((error: Failure) => error);
    const inbox = new Inbox();
    await engine.consume({ queue: 'absent.q', prefetch: 5 }, inbox.receive);
    const published = engine.publish(message('', 'absent.q'));
    await until('it says that nobody answers', () => engine.state.kind === 'down');
    await broker.restart();
    await published;
    await inbox.nth(1);
    await declared;
    assert.equal(engine.state.kind, 'ready');
  });

  test('out of memory: publishing is refused as saturation, settling goes on, and it recovers by itself', async () => {
    const engine = start({ publisher: { deadline: 60_000 } });
    await engine.declare({ exchanges: [], queues: [queue('alarm.q')] });
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: 'alarm.q', prefetch: 5 }, inbox.receive);
    await engine.publish(message('', 'alarm.q'));
    const held = await inbox.nth(1);
    await broker.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    // The broker tells only those that publish; this one waits until memory is free again.
    const caught = engine.publish(message('', 'alarm.q'));
    await until('the alarm is known', () => engine.state.kind === 'blocked');
    await assert.rejects(engine.publish(message('', 'alarm.q')), { class: 'saturation', code: 'AMQP_BLOCKED' });
    assert.equal(await engine.settle(held.handle, { kind: 'done' }), 'settled');
    await broker.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1GB');
    await until('the alarm is over', () => engine.state.kind === 'ready');
    await caught;
    await engine.publish(message('', 'alarm.q'));
    await inbox.nth(3);
    await consumer.close();
  });
});

/**
 * A RabbitMQ of our own that is killed, absent and out of memory. `HEALTHFLOWS_FAULT_ROUNDS` sets the number of kills
 * and `HEALTHFLOWS_CAMPAIGN` the full number of messages and the full time (here a reduced draw).
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import type { RabbitMqEngine } from '../../../nodes/amqp/engines/rabbitmq/engine.ts';
import type { Failure } from '../../../nodes/kernel/failure.ts';
import { Inbox, message, queue, rabbitMq, until } from '../../amqp/engines.ts';
import { inWords, startLoad } from './load.ts';
import { type PrivateRabbitMq, startPrivateRabbitMq } from '../../support/services.ts';

const rounds = Number(process.env.HEALTHFLOWS_FAULT_ROUNDS ?? 2);
const full = process.env.HEALTHFLOWS_CAMPAIGN !== undefined;
/** In a round. */
const messages = full ? 10_000 : 1_000;
const alarmSeconds = full ? 60 : 3;
/** Milliseconds; the campaign runs beside other work. */
const patience = 600_000;

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

  test(`killed ${rounds} times under load: nothing is lost, nothing has its effect twice`, async (t) => {
    const load = await startLoad(broker.url, rounds * messages);
    // A quorum queue younger than about six seconds may never find a leader again.
    await sleep(6_500);
    const recoveries: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const before = load.accepted;
      const sending = load.send(messages);
      const when = before + messages * (0.1 + Math.random() * 0.6);
      await until('some are accepted', () => load.accepted >= when, patience);
      await broker.kill('SIGKILL');
      await until('the loss is noticed', () => !load.connected);
      await broker.restart();
      const began = performance.now();
      await until('it is connected again', () => load.connected);
      recoveries.push(performance.now() - began);
      await sending;
      const ledger = await load.assertHandled();
      if ((round + 1) % 10 === 0) t.diagnostic(`after round ${round + 1}: ${inWords(ledger)}`);
    }
    const slowest = Math.round(Math.max(...recoveries) / 100) / 10;
    t.diagnostic(
      `campaign: ${rounds} kills, ${inWords(await load.assertHandled())}; connected again at most ${slowest} s after the broker was`,
    );
    await load.close();
  });

  test(`out of memory for ${alarmSeconds} s under load: senders are pushed back, nothing is lost`, async (t) => {
    const load = await startLoad(broker.url, messages * 2);
    await load.send(messages);
    await broker.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    const sending = load.send(messages);
    await until('the alarm is known', () => !load.connected);
    await sleep(alarmSeconds * 1_000);
    assert.ok(load.accepted < messages * 2, 'the alarm held nothing up');
    await broker.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1GB');
    await sending;
    t.diagnostic(`campaign: memory alarm for ${alarmSeconds} s, ${inWords(await load.assertHandled())}`);
    await load.close();
  });

  test('absent at the start: nothing fails, and all is there when it comes', async () => {
    await broker.kill('SIGKILL');
    const engine = start({ publisher: { deadline: 60_000 } });
    const declared = engine.declare({ exchanges: [], queues: [queue('absent.q')] }).catch((error: Failure) => error);
    const inbox = new Inbox();
    await engine.consume({ queue: 'absent.q', prefetch: 5 }, inbox.receive);
    const sent = message('', 'absent.q');
    // A queue that is just being declared may have no leader yet, and the broker refuses what it cannot store.
    const published = engine.publish(sent).catch((error: Failure) => {
      assert.equal(error.code, 'AMQP_REFUSED');
      return until('it is taken', () =>
        engine.publish(sent).then(
          () => true,
          () => false,
        ),
      );
    });
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

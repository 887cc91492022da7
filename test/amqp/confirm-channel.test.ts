/** The window of unconfirmed messages, against a channel that confirms only what it is told to. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, mock, test } from 'node:test';
import type { ConfirmChannel } from 'amqplib';
import { ConfirmedPublisher, type PublisherOptions } from '../../nodes/amqp/engines/rabbitmq/confirm-channel.ts';
import type { Failure } from '../../nodes/kernel/failure.ts';
import { message } from './engines.ts';

class FakeChannel extends EventEmitter {
  /** In the order sent: routing key and the call that confirms it. */
  readonly sent: { key: string; id: string; confirm(): void }[] = [];

  publish(_: string, key: string, __: Buffer, { messageId }: { messageId: string }, done: (error: null) => void): void {
    this.sent.push({ key, id: messageId, confirm: () => done(null) });
  }
  async close(): Promise<void> {}

  of(key: string) {
    return this.sent.filter((each) => each.key === key);
  }
}

let publishers: ConfirmedPublisher[] = [];
beforeEach(() => mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 }));
afterEach(() => {
  for (const publisher of publishers) publisher.close();
  publishers = [];
  mock.timers.reset();
});

function start(options: PublisherOptions = {}) {
  const back: string[] = [];
  const publisher = new ConfirmedPublisher(
    { window: 10, line: 20, ...options },
    () => undefined,
    ({ routingKey }) => back.push(routingKey),
  );
  publishers.push(publisher);
  const attach = () => {
    const channel = new FakeChannel();
    publisher.attach(channel as unknown as ConfirmChannel);
    return channel;
  };
  let number = 0;
  const publish = (key: string, patient = false) => {
    const sent = message('', key);
    sent.properties.messageId = `${key}${number++}`;
    const outcome = publisher.publish(sent, { patient }).then(
      () => 'confirmed',
      (failure: Failure) => failure,
    );
    return { id: sent.properties.messageId, outcome };
  };
  return { publisher, attach, channel: attach(), publish, back };
}

/** Of the mocked clock, tick by tick as time passes. */
function pass(milliseconds: number): void {
  for (let passed = 0; passed < milliseconds; passed += 250) mock.timers.tick(250);
}

test('a queue that confirms nothing takes its place in the window from nobody', async () => {
  const { channel, publish } = start();
  for (let n = 0; n < 10; n++) publish('silent');
  const other = publish('well');
  assert.equal(channel.of('well').length, 0, 'the window is full');
  pass(3_000);
  assert.equal(channel.of('well').length, 1);
  channel.of('well')[0]!.confirm();
  assert.equal(await other.outcome, 'confirmed');
  // Others have the whole window to themselves.
  for (let n = 0; n < 12; n++) publish('well');
  assert.equal(channel.of('well').length, 11);
  publish('silent');
  assert.equal(channel.of('silent').length, 10, 'what comes for the silent one stands aside');
});

test('what waits for a silent queue is bounded, and leaves the others room', async () => {
  const { publisher, channel, publish } = start();
  for (let n = 0; n < 10; n++) publish('silent');
  pass(3_000);
  for (let n = 0; n < 10; n++) publish('silent');
  const refused = (await publish('silent').outcome) as Failure;
  assert.deepEqual([refused.class, refused.code, refused.outcome], ['saturation', 'AMQP_WINDOW_FULL', 'none']);
  assert.match(refused.message, /nothing for queue "silent"/);
  const other = publish('well');
  channel.of('well')[0]!.confirm();
  assert.equal(await other.outcome, 'confirmed');
  assert.match(publisher.obstacle({ exchange: '', routingKey: 'silent' })!, /queue "silent"/);
  assert.equal(publisher.obstacle({ exchange: '', routingKey: 'well' }), undefined);
});

test('while it is silent one message at a time tries; with the first confirm all go on, in order', async () => {
  const { channel, publish, back } = start({ deadline: 15_000 });
  const first = Array.from({ length: 3 }, () => publish('silent'));
  pass(14_000);
  const later = Array.from({ length: 4 }, () => publish('silent'));
  assert.equal(channel.sent.length, 3);
  pass(1_000);
  for (const { outcome } of first) {
    const failure = (await outcome) as Failure;
    assert.deepEqual([failure.code, failure.outcome], ['AMQP_TARGET_LATE', 'unknown']);
  }
  assert.equal(channel.sent.length, 4, 'one tries');
  assert.deepEqual(back, []);
  channel.sent[3]!.confirm();
  assert.deepEqual(back, ['silent'], 'the outbox is not told that it may go on');
  assert.deepEqual(
    channel.sent.slice(3).map(({ id }) => id),
    later.map(({ id }) => id),
  );
  for (const { confirm } of channel.sent.slice(4)) confirm();
  for (const { outcome } of later) assert.equal(await outcome, 'confirmed');
});

test('what stood aside too long fails as not sent, and says why', async () => {
  const { channel, publish } = start();
  publish('silent');
  pass(3_000);
  const aside = publish('silent');
  const patient = publish('silent', true);
  pass(15_000);
  const failure = (await aside.outcome) as Failure;
  assert.equal(failure.code, 'AMQP_TARGET_LATE');
  pass(3_000);
  channel.sent.at(-1)!.confirm();
  assert.equal(await patient.outcome, 'confirmed', 'a copy that nobody can hold back is not given up');
});

test('on a new channel all of a silent queue is sent again, in order', async () => {
  const { attach, channel, publish } = start();
  const all = Array.from({ length: 12 }, () => publish('silent'));
  pass(3_000);
  all.push(publish('silent'));
  channel.emit('close');
  const next = attach();
  while (next.sent.some(({ confirm }) => confirm !== undone)) {
    for (const entry of next.sent) {
      const { confirm } = entry;
      entry.confirm = undone;
      confirm();
    }
  }
  assert.deepEqual(
    next.sent.map(({ id }) => id),
    all.map(({ id }) => id),
  );
  for (const { outcome } of all) assert.equal(await outcome, 'confirmed');
});

function undone(): void {}

test('the time of an alarm is nobody’s lateness', () => {
  const { publisher, channel, publish } = start();
  publish('q');
  publisher.block('memory');
  pass(10_000);
  publisher.unblock();
  publish('q');
  assert.equal(channel.sent.length, 2, 'it does not stand aside');
  pass(250);
  assert.equal(publisher.obstacle({ exchange: '', routingKey: 'q' }), undefined);
});

test('a confirm that comes after its message was given up is a sign of life all the same', async () => {
  const { channel, publish } = start();
  const given = publish('slow');
  pass(15_250);
  assert.equal(((await given.outcome) as Failure).code, 'AMQP_TARGET_LATE');
  const next = publish('slow');
  publish('slow');
  assert.equal(channel.sent.length, 2);
  channel.sent[0]!.confirm();
  assert.equal(channel.sent.length, 3);
  channel.sent[1]!.confirm();
  assert.equal(await next.outcome, 'confirmed');
});

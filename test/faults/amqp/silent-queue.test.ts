/**
 * A RabbitMQ of our own on which one queue does not answer: a quorum queue without a leader, which is declared and takes
 * messages and confirms none, and a queue whose declaration hangs. The rest of the connection goes on.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RunningConnection, startConnection } from '../../../nodes/amqp/connection-service.ts';
import type { QueueTopology } from '../../../nodes/amqp/engines/engine.ts';
import { defaultRetryPolicy } from '../../../nodes/amqp/retry-policy.ts';
import type { Failure } from '../../../nodes/kernel/failure.ts';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { Inbox, message, queue, rabbitMq, until } from '../../amqp/engines.ts';
import { type PrivateRabbitMq, startPrivateRabbitMq } from '../../support/services.ts';

/** What each queue is for Erlang: stopped and started from inside the broker. */
const silences = [
  {
    title: 'a quorum queue without a leader',
    type: 'quorum',
    strike: (name: string) => `ra:stop_server(quorum_queues, {'%2F_${name}', node()}).`,
    mend: (name: string) => `ra:restart_server(quorum_queues, {'%2F_${name}', node()}).`,
  },
  {
    title: 'a queue that cannot be declared',
    type: 'classic',
    strike: (name: string) => `sys:suspend(${classicProcess(name)}).`,
    mend: (name: string) => `sys:resume(${classicProcess(name)}).`,
  },
] as const;

function classicProcess(name: string): string {
  return `begin {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${name}">>)), amqqueue:get_pid(Q) end`;
}

describe('One queue does not answer', () => {
  let broker: PrivateRabbitMq;
  const store = openStore({ engine: 'sqlite', file: ':memory:' });
  const closers: (() => Promise<unknown>)[] = [];
  before(async () => {
    broker = await startPrivateRabbitMq();
  });
  after(async () => {
    for (const close of closers) await close();
    await store.close();
    await broker?.stop();
  });

  for (const { title, type, strike, mend } of silences) {
    test(`${title}: only what needs it waits, and not for ever; the rest goes on, and the state names it`, async () => {
      const exchange = `${type}.events`;
      const silent = queue(`${type}.lab`, { type, bindings: [{ exchange, routingKey: 'lab.#' }], retrySteps: [1_000] });
      const well = queue(`${type}.orders`, { bindings: [{ exchange, routingKey: 'order.#' }], retrySteps: [1_000] });
      const connect = async (queues: QueueTopology[]) => {
        const engine = rabbitMq(broker.url, { publisher: { deadline: 6_000 } });
        const running: RunningConnection = startConnection({
          id: type,
          namespace: type,
          engine,
          store: { id: 'store', store },
        });
        closers.push(() => running.close());
        const { service } = running;
        const inboxes = new Map<string, Inbox>();
        const declared = queues.map((each) => service.declare({ exchanges: [exchange], queues: [each] }));
        for (const { name } of queues) {
          const inbox = new Inbox();
          inboxes.set(name, inbox);
          await service.consume({ queue: name, prefetch: 10, policy: defaultRetryPolicy }, (delivery) => {
            inbox.receive(delivery);
            service.settle(delivery.handle, { kind: 'done' }).catch(() => undefined);
          });
        }
        return { service, running, declared, inboxes };
      };
      const deliveriesOf = (inbox: Inbox) => inbox.all.length;
      const ids = (inbox: Inbox) => new Set(inbox.all.map(({ properties }) => properties.messageId));

      const first = await connect([silent, well]);
      await Promise.all(first.declared);
      const greeting = message(exchange, 'lab.hello');
      await first.service.publish(greeting);
      await first.inboxes.get(silent.name)!.nth(1);
      // A queue that has just been declared has no leader on disk yet.
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      await first.running.close();
      await broker.rabbitmqctl('eval', strike(silent.name));

      // Node-RED starts again.
      const { service, inboxes, declared } = await connect([silent, well]);
      for (const each of declared) each.catch(() => undefined);
      const forLab = Array.from({ length: 150 }, () => message(exchange, 'lab.result'));
      const toLab = forLab.map((each, n) =>
        service.accept({ message: each }, n % 3 === 0 ? 'outbox' : 'confirmed').then(
          () => 'accepted',
          (failure: Failure) => failure,
        ),
      );
      const forOrders = Array.from({ length: 300 }, () => message(exchange, 'order.placed'));
      await Promise.all(
        forOrders.map((each, n) => service.accept({ message: each }, n % 3 === 0 ? 'outbox' : 'confirmed')),
      );
      await until('all orders were consumed', () => ids(inboxes.get(well.name)!).size === forOrders.length);
      assert.equal(inboxes.get(silent.name)!.all.length, 0, 'the silent queue answered');

      const outcomes = await Promise.all(toLab);
      const told = outcomes.filter((outcome) => typeof outcome !== 'string');
      assert.ok(told.length >= 100, 'who was not promised anything is told');
      for (const { code, message: words } of told) {
        assert.ok(['AMQP_NOT_DECLARED', 'AMQP_TARGET_LATE', 'AMQP_UNREACHABLE', 'AMQP_REFUSED'].includes(code), code);
        assert.match(words, new RegExp(`${silent.name}|lab\\.result`));
      }
      await until('the state names the queue', () => {
        const { state } = service;
        return state.kind === 'ready' && (state.problem ?? '').includes(`"${silent.name}"`);
      });
      assert.match(service.problemOf('queue', silent.name)!, new RegExp(silent.name));
      assert.equal(service.problemOf('queue', well.name), undefined);

      await broker.rabbitmqctl('eval', mend(silent.name));
      // The broker ends the connection on which a queue without a leader is subscribed to: once, then it has its own.
      assert.ok(deliveriesOf(inboxes.get(well.name)!) <= forOrders.length + 20, 'the consumers were disturbed again');
      await until('it works again', () => service.state.kind === 'ready' && !('problem' in service.state));
      await until('what was accepted has come', () =>
        forLab.every(
          ({ properties: { messageId } }, n) =>
            outcomes[n] !== 'accepted' || ids(inboxes.get(silent.name)!).has(messageId),
        ),
      );
      await until('the outbox is empty', async () => (await service.outbox())!.depth === 0);
    });
  }
});

/** Nothing is published before what the deployed nodes declare stands: on every engine, with every guarantee. */
import assert from 'node:assert/strict';
import { after, before, describe, mock, test } from 'node:test';
import { type RunningConnection, startConnection } from '../../nodes/amqp/connection-service.ts';
import type { DeclaredKind, MessagingEngine, Topology } from '../../nodes/amqp/engines/engine.ts';
import { Readiness } from '../../nodes/amqp/readiness.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { openStore, type Store } from '../../nodes/kernel/store/index.ts';
import { allKinds, type Bench, Inbox, message, queue, uniquePrefix, until } from './engines.ts';

/** Lets a declaration begin only when told so, or refuses it. */
class Gatekeeper {
  readonly #engine: MessagingEngine;
  readonly #declare: MessagingEngine['declare'];
  /** By name of the queue: what happens instead, once each. */
  readonly instead = new Map<string, (() => Promise<void>)[]>();
  readonly tries: string[] = [];

  constructor(engine: MessagingEngine) {
    this.#engine = engine;
    this.#declare = engine.declare.bind(engine);
    engine.declare = (topology, decided) => this.declare(topology, decided);
  }

  async declare(topology: Topology, decided?: (kind: DeclaredKind, name: string) => void): Promise<void> {
    const name = topology.queues[0]?.name ?? '';
    this.tries.push(name);
    // The exchanges come first, and stand whatever becomes of the queue.
    await this.#declare({ ...topology, queues: [] }, decided);
    await this.instead.get(name)?.shift()?.();
    await this.#declare(topology, decided);
  }

  restore(): void {
    this.#engine.declare = this.#declare;
  }
}

for (const kind of allKinds) {
  describe(`Readiness of ${kind.title}`, { skip: kind.skip }, () => {
    let bench: Bench;
    let store: Store;
    const closers: (() => Promise<unknown>)[] = [];
    before(async () => {
      bench = await kind.open();
      store = bench.store ?? openStore({ engine: 'sqlite', file: ':memory:' });
    });
    after(async () => {
      for (const close of closers) await close();
      if (bench?.store === undefined) await store?.close();
      await bench?.dispose();
    });

    /** A connection whose queue `last` is still to be declared, and what its two queues got. */
    async function deploying(last: (() => Promise<void>)[], bindingOfLast = '#') {
      const id = uniquePrefix();
      const engine = bench.another();
      const gatekeeper = new Gatekeeper(engine);
      const exchange = `${bench.prefix}.${id}`;
      const running: RunningConnection = startConnection({ id, namespace: id, engine, store: { id: 'store', store } });
      closers.push(() => running.close());
      const { service } = running;
      const topology = (name: string, routingKey: string): Topology => ({
        exchanges: [exchange],
        queues: [queue(`${exchange}.${name}`, { bindings: [{ exchange, routingKey }] })],
      });
      const [first, second] = [topology('first', '#'), topology('last', bindingOfLast)];
      gatekeeper.instead.set(second.queues[0]!.name, last);
      await service.declare(first);
      const declared = service.declare(second).then(
        () => undefined,
        (failure: Failure) => failure,
      );
      const inboxes = { first: new Inbox(), last: new Inbox() };
      for (const [name, inbox] of Object.entries(inboxes)) {
        await engine.consume({ queue: `${exchange}.${name}`, prefetch: 10 }, inbox.receive);
      }
      const ids = (inbox: Inbox) => [...new Set(inbox.all.map(({ properties }) => properties.messageId))].sort();
      return { running, service, gatekeeper, exchange, second, declared, inboxes, ids };
    }

    test('a message that comes while a second queue is declared reaches both', async () => {
      const held = Promise.withResolvers<void>();
      const { service, exchange, declared, inboxes, ids } = await deploying([() => held.promise]);
      const sent = {
        confirmed: message(exchange, 'a'),
        outbox: message(exchange, 'b'),
        replay: message(exchange, 'c'),
      };
      const accepted = Promise.all([
        service.accept({ message: sent.confirmed }, 'confirmed'),
        service.accept({ message: sent.outbox }, 'outbox'),
        service.publish(sent.replay),
      ]);
      // Longer than a message takes that nothing holds back.
      const direct = message('', `${exchange}.first`);
      await bench.engine.publish(direct);
      await inboxes.first.nth(1);
      assert.deepEqual(ids(inboxes.first), [direct.properties.messageId], 'one was published before the queue stood');
      held.resolve();
      await declared;
      await accepted;
      const all = Object.values(sent).map(({ properties }) => properties.messageId);
      await until('both queues got all', () => inboxes.first.all.length >= 4 && inboxes.last.all.length >= 3);
      assert.deepEqual(ids(inboxes.last), all.toSorted());
      assert.deepEqual(ids(inboxes.first), [...all, direct.properties.messageId].sort());
    });

    test('what an outage kept from being declared is tried again, and only then is published', async () => {
      const outage = () => Promise.reject(new Failure('dependency-outage', 'AMQP_TIMEOUT', 'No leader.'));
      const { service, gatekeeper, exchange, second, declared, inboxes } = await deploying([outage, outage]);
      assert.equal((await declared)?.code, 'AMQP_TIMEOUT', 'the node is not told');
      const sent = message(exchange, 'a');
      await service.accept({ message: sent }, 'confirmed');
      assert.equal(gatekeeper.tries.filter((name) => name === second.queues[0]!.name).length, 3);
      assert.equal((await inboxes.last.nth(1)).properties.messageId, sent.properties.messageId);
    });

    test('a queue that an outage keeps from being declared holds up only what needs it', async () => {
      const held = Promise.withResolvers<void>();
      const { service, exchange, declared, inboxes, ids } = await deploying([() => held.promise], 'lab.*');
      const needing = message(exchange, 'lab.result');
      const byName = message('', `${exchange}.last`);
      const inOutbox = message(exchange, 'lab.order');
      const waiting = Promise.all([
        service.accept({ message: needing }, 'confirmed'),
        service.publish(byName),
        // With a broker it is accepted and waits there.
        service.accept({ message: inOutbox }, 'outbox'),
      ]);
      const others = [message(exchange, 'order'), message(exchange, 'laboratory'), message('', `${exchange}.first`)];
      await service.accept({ message: others[0]! }, 'confirmed');
      await service.accept({ message: others[1]! }, 'outbox');
      await service.publish(others[2]!);
      await inboxes.first.nth(3);
      assert.deepEqual(ids(inboxes.first), others.map(({ properties }) => properties.messageId).sort());
      assert.equal(inboxes.last.all.length, 0);
      held.resolve();
      await declared;
      await waiting;
      await inboxes.last.nth(3);
      assert.deepEqual(ids(inboxes.last), [needing, byName, inOutbox].map((each) => each.properties.messageId).sort());
    });

    test('a queue that only a person can mend holds up nobody, and neither does one whose node is gone', async () => {
      const differs = () => Promise.reject(new Failure('configuration', 'AMQP_QUEUE_DIFFERS', 'It differs.'));
      const wrong = await deploying([differs]);
      await wrong.service.accept({ message: message(wrong.exchange, 'a') }, 'confirmed');
      await wrong.inboxes.first.nth(1);

      const outage = () => Promise.reject(new Failure('dependency-outage', 'AMQP_TIMEOUT', 'No leader.'));
      const gone = await deploying(Array.from({ length: 100 }, () => outage));
      gone.service.withdraw(gone.second);
      await gone.service.accept({ message: message(gone.exchange, 'a') }, 'confirmed');
      await gone.inboxes.first.nth(1);
      assert.deepEqual(
        gone.service.topology().queues.map(({ name }) => name),
        [`${gone.exchange}.first`],
      );
    });

    test('a queue that is called like the exchange it is bound to holds up nothing once both stand', async () => {
      const { service, exchange } = await deploying([]);
      await service.declare({
        exchanges: [exchange],
        queues: [queue(exchange, { bindings: [{ exchange, routingKey: 'a' }] })],
      });
      await service.accept({ message: message(exchange, 'a') }, 'confirmed');
      assert.equal((await service.depth(exchange)).ready, 1);
    });

    test('while nodes are being made nothing is published', async () => {
      const { running, service, exchange, inboxes } = await deploying([]);
      const release = running.hold();
      const more: Topology = {
        exchanges: [exchange],
        queues: [queue(`${exchange}.later`, { bindings: [{ exchange, routingKey: '#' }] })],
      };
      const accepted = service.accept({ message: message(exchange, 'a') }, 'confirmed');
      const declared = service.declare(more);
      release();
      await Promise.all([accepted, declared]);
      await inboxes.first.nth(1);
      assert.equal((await service.depth(`${exchange}.later`)).ready, 1);
    });
  });
}

test('who waits too long is told what does not stand and why, and one more than a thousand that it is too much', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const readiness = new Readiness(() => undefined);
    const target = { exchange: '', routingKey: 'lab' };
    const release = readiness.hold({
      what: 'queue "lab"',
      needs: ({ routingKey }) => routingKey === 'lab',
      why: () => 'The broker does not answer.',
    });
    const waiting = Array.from({ length: 1_000 }, () => readiness.passed(target));
    const outcomes = Promise.allSettled(waiting);
    await assert.rejects(readiness.passed(target), { class: 'saturation', code: 'AMQP_WINDOW_FULL', outcome: 'none' });
    await readiness.passed({ exchange: '', routingKey: 'orders' });
    mock.timers.tick(10_000);
    for (const outcome of await outcomes) {
      assert.equal(outcome.status, 'rejected');
      const { class: kind, code, message: sentence } = outcome.reason as Failure;
      assert.deepEqual([kind, code], ['dependency-outage', 'AMQP_NOT_DECLARED']);
      assert.match(sentence, /Queue "lab" does not stand yet\. The broker does not answer\./);
    }
    release();
    await readiness.passed(target);
  } finally {
    mock.timers.reset();
  }
});

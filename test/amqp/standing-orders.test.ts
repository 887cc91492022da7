/** Pauses and the stop of everything: they hold until a person takes them back, whatever is deployed or restarted. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RunningConnection, startConnection } from '../../nodes/amqp/connection-service.ts';
import { setControl } from '../../nodes/amqp/control-operations.ts';
import { defaultRetryPolicy } from '../../nodes/amqp/retry-policy.ts';
import type { Store } from '../../nodes/kernel/store/index.ts';
import { allKinds, type Bench, Inbox, message, queue, sqliteKind, until } from './engines.ts';

const person = { actor: 'ada', reason: 'Odoo books everything twice' };
const policy = { ...defaultRetryPolicy, steps: [200, 1_000] };

for (const kind of allKinds) {
  describe(`Orders of people on ${kind.title}`, { skip: kind.skip }, () => {
    let bench: Bench;
    /** A broker's connection keeps its orders in a store beside it. */
    let beside: Bench | undefined;
    let store: Store;
    let n = 0;
    const running: RunningConnection[] = [];
    before(async () => {
      bench = await kind.open();
      if (bench.store === undefined) beside = await sqliteKind.open();
      store = bench.store ?? beside!.store!;
    });
    after(async () => {
      for (const each of running) await each.close();
      await bench.dispose();
      await beside?.dispose();
    });

    /** As a deploy or a restart does. */
    function start(id = 'amqp') {
      const connection = startConnection({
        id,
        namespace: bench.prefix,
        engine: bench.another(),
        store: { id: 'store', store },
      });
      running.push(connection);
      return connection;
    }

    async function consuming({ service }: RunningConnection, name: string, prefetch = 5) {
      await service.declare({ exchanges: [], queues: [queue(name)] });
      const inbox = new Inbox();
      await service.consume({ queue: name, prefetch, policy }, inbox.receive);
      return inbox;
    }

    /** Something that must not happen cannot be waited for; a queue beside it shows that there was time for it. */
    async function meanwhile({ service }: RunningConnection) {
      const name = `${bench.prefix}.beside${++n}.dead`;
      const inbox = new Inbox();
      await service.consume({ queue: name, prefetch: 1, policy }, inbox.receive);
      await until('the queue is there', () =>
        service.depth(name).then(
          () => true,
          () => false,
        ),
      );
      await service.publish(message('', name));
      await service.settle((await inbox.nth(1)).handle, { kind: 'done' });
    }

    test('a paused queue is still paused after a restart, and only a person lets it go on', async () => {
      const name = `${bench.prefix}.paused`;
      const first = start();
      await consuming(first, name);
      await first.service.pause(name, person);
      await first.close();
      const second = start();
      const inbox = await consuming(second, name);
      await second.service.publish(message('', name));
      await meanwhile(second);
      assert.equal(inbox.all.length, 0);
      assert.deepEqual([second.service.paused(name), second.service.halted(name)?.order?.actor], [true, 'ada']);
      await second.service.resume(name);
      await second.service.settle((await inbox.nth(1)).handle, { kind: 'done' });
      assert.equal(second.service.paused(name), false);
    });

    test('the stop ends the work of every connection at once and over restarts; dead letters are still collected', async () => {
      const [one, other] = [`${bench.prefix}.one`, `${bench.prefix}.other`];
      const [a, b] = [start('a'), start('b')];
      const [ofA, ofB] = [await consuming(a, one), await consuming(b, other)];
      await a.service.publish(message('', one));
      const held = await ofA.nth(1);
      await store.run(setControl, { target: { kind: 'stop' }, on: true, ...person });
      await a.service.obey();
      // Nobody tells the second one: it finds the order in the store, as another Node-RED does.
      await until('the other connection obeys', () => b.service.stopped() !== undefined);
      await a.service.publish(message('', one));
      await b.service.publish(message('', other));
      const { result } = await a.service.settle(held.handle, { kind: 'done' });
      assert.equal(result, 'settled', 'what is in the flow may end');
      await a.close();
      const again = start('a');
      const afterwards = await consuming(again, one);
      await meanwhile(again);
      await meanwhile(b);
      assert.deepEqual([ofA.all.length, ofB.all.length, afterwards.all.length], [1, 0, 0]);
      assert.match(again.service.held(one) ?? '', /stopped by ada/);
      assert.equal(again.service.stopped()?.reason, person.reason);

      await store.run(setControl, { target: { kind: 'stop' }, on: false, ...person });
      await again.service.obey();
      await again.service.settle((await afterwards.nth(1)).handle, { kind: 'done' });
      await b.service.settle((await ofB.nth(1)).handle, { kind: 'done' });
    });

    test('whoever stops again what is stopped leaves the first reason', async () => {
      const { service } = start('c');
      await service.stop(true, person);
      await service.stop(true, { actor: 'bob', reason: 'me too' });
      assert.equal(service.stopped()?.actor, 'ada');
      await service.stop(false, person);
      assert.equal(service.stopped(), undefined);
    });
  });
}

describe('Orders without a store', () => {
  test('end with the connection', async () => {
    const bench = await sqliteKind.open();
    const { service, close } = startConnection({ id: 'amqp', namespace: 'ns', engine: bench.engine });
    assert.equal(service.storeId, undefined);
    await service.declare({ exchanges: [], queues: [queue('ns.q')] });
    const inbox = new Inbox();
    await service.consume({ queue: 'ns.q', prefetch: 1, policy }, inbox.receive);
    await service.stop(true, person);
    await service.publish(message('', 'ns.q'));
    assert.equal(service.halted('ns.q')?.kind, 'stopped');
    await service.stop(false, person);
    await service.settle((await inbox.nth(1)).handle, { kind: 'done' });
    await close();
    await bench.dispose();
  });
});

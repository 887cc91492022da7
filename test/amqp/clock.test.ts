/** The clock of the machine is set back: nothing in an embedded queue waits for it to catch up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EmbeddedEngine } from '../../nodes/amqp/engines/embedded/engine.ts';
import { storesUnderTest } from '../support/store.ts';
import { failure, Inbox, message, queue } from './engines.ts';

const hour = 3_600_000;

for (const under of storesUnderTest()) {
  test(
    `what was accepted and what waits for its retry is delivered all the same (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      let engine = new EmbeddedEngine(fixture.store);
      await engine.declare({ exchanges: [], queues: [queue('q')] });
      for (let i = 0; i < 3; i++) await engine.publish(message('', 'q'));
      fixture.setClock(-hour);
      let inbox = new Inbox();
      await engine.consume({ queue: 'q', prefetch: 1 }, inbox.receive);
      const first = await inbox.nth(1);
      // One waits for its retry as the clock goes back further, with the engine running.
      await engine.settle(first.handle, { kind: 'retry', delay: 300, failure });
      fixture.setClock(-3 * hour);
      await engine.settle((await inbox.nth(2)).handle, { kind: 'done' });
      await engine.settle((await inbox.nth(3)).handle, { kind: 'done' });
      const again = await inbox.nth(4);
      assert.deepEqual([again.properties.messageId, again.attempt], [first.properties.messageId, 2]);
      // And one while nobody runs.
      await engine.settle(again.handle, { kind: 'retry', delay: 300, failure });
      await engine.close();
      fixture.setClock(-6 * hour);
      engine = new EmbeddedEngine(fixture.store);
      inbox = new Inbox();
      await engine.consume({ queue: 'q', prefetch: 1 }, inbox.receive);
      const third = await inbox.nth(1);
      assert.equal(third.attempt, 3);
      await engine.settle(third.handle, { kind: 'done' });
      await engine.close();
    },
  );

  test(`a retry keeps its old place among those that wait for nothing (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const engine = new EmbeddedEngine(fixture.store);
    await engine.declare({ exchanges: [], queues: [queue('q')] });
    const inbox = new Inbox();
    const consumer = await engine.consume({ queue: 'q', prefetch: 1 }, inbox.receive);
    const failing = message('', 'q');
    await engine.publish(failing);
    await engine.settle((await inbox.nth(1)).handle, { kind: 'retry', delay: 1, failure });
    await consumer.pause();
    for (let i = 0; i < 5; i++) await engine.publish(message('', 'q'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await consumer.resume();
    const next = await inbox.nth(2);
    // Behind the others it would starve in a queue that is never empty.
    assert.equal(next.properties.messageId, failing.properties.messageId);
    await engine.close();
  });
}

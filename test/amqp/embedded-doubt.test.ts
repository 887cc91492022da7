/** The embedded queue on a store whose answers are lost, or that refuses for a moment: nothing stays held by nobody. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { EmbeddedEngine } from '../../nodes/amqp/engines/embedded/engine.ts';
import type { Consumer } from '../../nodes/amqp/engines/engine.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { openStore, type Store } from '../../nodes/kernel/store/index.ts';
import { message, queue, until } from './engines.ts';
import { loseKey } from './spoil.ts';

/** What becomes of the next operation of this name: done without an answer, or not done. */
type Trouble = Map<string, 'answer lost' | 'refused'>;

function troubled(store: Store, trouble: Trouble): Store {
  const run: Store['run'] = async (operation, args) => {
    const kind = trouble.get(operation.name);
    trouble.delete(operation.name);
    const failure = new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'The store did not answer.');
    if (kind === 'refused') throw failure;
    const result = await store.run(operation, args);
    if (kind === 'answer lost') throw failure;
    return result;
  };
  return {
    engine: store.engine,
    run,
    status: () => store.status(),
    onStatus: (listener) => store.onStatus(listener),
    close: () => store.close(),
  };
}

describe('The embedded queue on a store in trouble', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hf-doubt-'));
  const trouble: Trouble = new Map();
  let store: Store;
  let engine: EmbeddedEngine;
  let consumer: Consumer;
  let seen: string[];
  let name: string;
  let n = 0;

  before(() => {
    store = openStore({ engine: 'sqlite', file: join(folder, 'store.sqlite') });
    engine = new EmbeddedEngine(troubled(store, trouble));
  });
  after(async () => {
    await engine.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await consumer?.close();
    name = `q${++n}`;
    seen = [];
    const handles = seen;
    await engine.declare({ exchanges: [], queues: [queue(name)] });
    consumer = await engine.consume({ queue: name, prefetch: 5 }, ({ handle }) => handles.push(handle));
    await until('the first look is over', async () => (await engine.depth(name)).ready === 0);
  });

  const settled = () =>
    until('the queue is empty', async () => {
      const { ready, unsettled } = await engine.depth(name);
      return ready + (unsettled ?? 0) === 0;
    });

  test('a message handed out by an answer that was lost comes again', async () => {
    trouble.set('fetch', 'answer lost');
    await engine.publish(message('', name));
    await until('it came', () => seen.length === 1);
    await engine.settle(seen[0]!, { kind: 'done' });
    await settled();
  });

  test('what is in a flow meanwhile is not delivered a second time', async () => {
    await engine.publish(message('', name));
    await until('it came', () => seen.length === 1);
    trouble.set('fetch', 'answer lost');
    await engine.publish(message('', name));
    await until('the other came', () => seen.length === 2);
    assert.deepEqual(await engine.depth(name), { ready: 0, unsettled: 2 });
    for (const handle of seen) assert.equal(await engine.settle(handle, { kind: 'done' }), 'settled');
    await settled();
    assert.equal(seen.length, 2);
  });

  for (const kind of ['answer lost', 'refused'] as const) {
    test(`a message whose release got no answer (${kind}) comes again`, async () => {
      await engine.publish(message('', name));
      await until('it came', () => seen.length === 1);
      await consumer.pause();
      trouble.set('settle', kind);
      await assert.rejects(engine.settle(seen[0]!, { kind: 'release' }));
      await consumer.resume();
      await until('it came again', () => seen.length === 2);
      assert.equal(await engine.settle(seen[1]!, { kind: 'done' }), 'settled');
      await settled();
    });
  }

  test('a message that could not be settled comes again by itself', async () => {
    await engine.publish(message('', name));
    await until('it came', () => seen.length === 1);
    trouble.set('settle', 'refused');
    await assert.rejects(engine.settle(seen[0]!, { kind: 'done' }));
    await until('it came again', () => seen.length === 2);
    assert.equal(await engine.settle(seen[1]!, { kind: 'done' }), 'settled');
    await settled();
  });

  test('what a consumer could not give back when it closed goes to the next one', async () => {
    await engine.publish(message('', name));
    await until('it came', () => seen.length === 1);
    trouble.set('settle', 'refused');
    await consumer.close();
    consumer = await engine.consume({ queue: name, prefetch: 5 }, ({ handle }) => seen.push(handle));
    await until('it came again', () => seen.length === 2);
    assert.equal(await engine.settle(seen[1]!, { kind: 'done' }), 'settled');
    await settled();
  });

  test('a queue whose payloads need a key that is missing says so, instead of standing still', async () => {
    await consumer.pause();
    await engine.publish(message('', name));
    await store.run(loseKey, undefined);
    await consumer.resume();
    await until('it says so', () => engine.state.kind === 'misconfigured');
    assert.match(
      (engine.state as { problem: string }).problem,
      /encrypted with key deadbeef.*Start Node-RED with that key/,
    );
    assert.equal(seen.length, 0);
  });
});

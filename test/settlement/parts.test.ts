/** A delivery whose message a split node has divided. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SettleOutcome } from '../../nodes/amqp/index.ts';
import { claim, find } from '../../nodes/idempotency/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import type { FlowMessage, IdempotencyLease } from '../../nodes/kernel/message.ts';
import type { Store } from '../../nodes/kernel/store/store.ts';
import { discharge, type Reach } from '../../nodes/settlement/discharge.ts';
import type { DeliverySource } from '../../nodes/settlement/sources.ts';
import { storesUnderTest } from '../support/store.ts';

let n = 0;

/** A delivery of its own, with what became of it. */
function delivered(store: Store, broken: () => boolean = () => false) {
  const tag = `part-test-${++n}`;
  const outcomes: SettleOutcome[] = [];
  const properties = { messageId: tag, headers: {} };
  const connection: DeliverySource = {
    open: () => (outcomes.length === 0 ? { delivery: { queue: 'hf.orders', properties } } : undefined),
    settle: async (_tag, outcome) => {
      if (outcomes.length > 0) return { result: 'already-settled', disposition: 'done' };
      outcomes.push(outcome);
      return { result: 'settled', disposition: outcome.kind === 'done' ? 'done' : 'retry' };
    },
  };
  const reach: Reach = {
    store: () => {
      if (broken()) throw new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'The store is down.');
      return store;
    },
    connection: () => connection,
    letters: () => undefined,
    node: 'n1',
  };
  const part = (parts: unknown, more: Partial<FlowMessage> = {}): FlowMessage => ({
    delivery: { connection: 'c1', queue: 'hf.orders', tag, attempt: 1, redelivered: false },
    parts,
    ...more,
  });
  const settle = async (message: FlowMessage) => (await discharge(message, 'auto', reach)).disposition;
  return { outcomes: () => outcomes.map(({ kind }) => kind), part, settle };
}

/** `msg.parts` as `split` makes it of an array. */
const parts = (index: number, count: number | undefined, id = 'g', outer?: object) => ({
  id,
  index,
  type: 'array',
  len: 1,
  ...(count === undefined ? {} : { count }),
  ...(outer === undefined ? {} : { parts: outer }),
});
const failure = new Failure('data-quality', 'CODE', 'A sentence.').toRecord();

for (const under of storesUnderTest()) {
  const promise = (name: string, body: (store: Store) => Promise<void>) =>
    void test(`${name} (${under.name})`, under.options, async () => {
      await using fixture = await under.fresh();
      await body(fixture.store);
    });
  const claimed = async (store: Store, key: string): Promise<IdempotencyLease> => {
    const wanted = { scope: 's', key, fingerprint: '', owner: 'o', lease: 60_000, retention: 60_000 };
    const verdict = await store.run(claim, wanted);
    return { store: 's1', scope: 's', key, token: verdict.kind === 'new' ? verdict.token : 0 };
  };
  const stateOf = async (store: Store, key: string) => (await store.run(find, { scope: 's', key }))?.state;

  promise('it is acknowledged with its last part, and a key that all share is completed then', async (store) => {
    const { part, settle, outcomes } = delivered(store);
    const idempotency = await claimed(store, 'shared');
    assert.equal(await settle(part(parts(2, 3), { idempotency })), 'part');
    assert.equal(await settle(part(parts(0, 3), { idempotency })), 'part');
    // The same part again is not another one.
    assert.equal(await settle(part(parts(0, 3), { idempotency })), 'part');
    assert.equal(await stateOf(store, 'shared'), 'claimed');
    assert.deepEqual(outcomes(), []);
    assert.equal(await settle(part(parts(1, 3), { idempotency })), 'done');
    assert.equal(await stateOf(store, 'shared'), 'completed');
    assert.deepEqual(outcomes(), ['done']);
  });

  promise('a part that fails fails the delivery, whatever was done before', async (store) => {
    const { part, settle, outcomes } = delivered(store);
    const idempotency = await claimed(store, 'failing');
    assert.equal(await settle(part(parts(0, 2), { idempotency })), 'part');
    await settle(part(parts(1, 2), { idempotency, failure }));
    assert.deepEqual(outcomes(), ['failed']);
    assert.equal(await stateOf(store, 'failing'), 'released');
  });

  promise('parts with keys of their own complete them as they are done', async (store) => {
    const { part, settle, outcomes } = delivered(store);
    const keys = await Promise.all(['a', 'b', 'c', 'd'].map((key) => claimed(store, key)));
    assert.equal(await settle(part(parts(0, 4), { idempotency: keys[0]! })), 'part');
    assert.equal(await settle(part(parts(1, 4), { idempotency: keys[1]! })), 'part');
    assert.deepEqual([await stateOf(store, 'a'), await stateOf(store, 'b')], ['completed', 'completed']);
    assert.equal(await settle(part(parts(2, 4), { idempotency: keys[2]! })), 'part');
    assert.equal(await stateOf(store, 'c'), 'completed');
    assert.equal(await settle(part(parts(3, 4), { idempotency: keys[3]! })), 'done');
    assert.equal(await stateOf(store, 'd'), 'completed');
    assert.deepEqual(outcomes(), ['done']);
  });

  promise('a part with a key beside one that the gate knew as a duplicate completes it', async (store) => {
    const { part, settle } = delivered(store);
    assert.equal(await settle(part(parts(0, 2), { idempotency: await claimed(store, 'one') })), 'part');
    assert.equal(await settle(part(parts(1, 2))), 'done');
    assert.equal(await stateOf(store, 'one'), 'completed');
  });

  promise('a store that is down while a part ends brings the whole delivery again', async (store) => {
    let down = false;
    const { part, settle, outcomes } = delivered(store, () => down);
    const keys = await Promise.all(['p', 'q'].map((key) => claimed(store, key)));
    await settle(part(parts(0, 3), { idempotency: keys[0]! }));
    down = true;
    await settle(part(parts(1, 3), { idempotency: keys[1]! }));
    assert.deepEqual(outcomes(), ['retry']);
  });

  promise('a part that was divided again counts when all its own parts are done', async (store) => {
    const { part, settle, outcomes } = delivered(store);
    assert.equal(await settle(part(parts(0, 2, 'in0', parts(0, 2)))), 'part');
    assert.equal(await settle(part(parts(0, 1, 'in1', parts(1, 2)))), 'part');
    assert.equal(await settle(part(parts(1, 2, 'in0', parts(0, 2)))), 'done');
    assert.deepEqual(outcomes(), ['done']);
  });

  promise('of a stream the last part says how many there are', async (store) => {
    const { part, settle } = delivered(store);
    assert.equal(await settle(part(parts(0, undefined))), 'part');
    assert.equal(await settle(part(parts(1, 2))), 'done');
  });

  promise('messages that batch has numbered are whole deliveries', async (store) => {
    const { part, settle } = delivered(store);
    assert.equal(await settle(part({ id: 'batch', index: 0, count: 5 })), 'done');
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AmqpConnectionService, IncomingDelivery, SettleOutcome, Settlement } from '../../nodes/amqp/index.ts';
import { claim, find } from '../../nodes/idempotency/index.ts';
import { listAudit } from '../../nodes/kernel/audit/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import type { Store } from '../../nodes/kernel/store/store.ts';
import { takeTurn } from '../../nodes/pacing/turn.ts';
import { discharge, type OwedRecord, type Reach } from '../../nodes/settlement/discharge.ts';
import { Later } from '../../nodes/settlement/later.ts';
import { waitUntil } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';

/** A connection that remembers what was settled, in order with the key's states at that moment. */
function connection(store: Store, order: string[], answer: () => Settlement | Promise<Settlement>) {
  return {
    open: (): { delivery: IncomingDelivery; since: number } => ({
      since: 0,
      delivery: {
        handle: 't1',
        queue: 'hf.orders',
        exchange: '',
        routingKey: 'hf.orders',
        attempt: 1,
        redelivered: false,
        body: Buffer.alloc(0),
        properties: { messageId: 'm1', contentType: 'application/json', timestamp: 0, headers: {} },
      },
    }),
    settle: async (_tag: string, outcome: SettleOutcome) => {
      const key = await store.run(find, { scope: 'orders', key: 'm1' });
      order.push(`key ${key?.state ?? 'unknown'}`, `settle ${outcome.kind}`);
      return answer();
    },
  } as unknown as AmqpConnectionService;
}

const delivery = { connection: 'c1', queue: 'hf.orders', tag: 't1', attempt: 2, redelivered: false };

async function claimed(store: Store): Promise<FlowMessage['idempotency'] & object> {
  const verdict = await store.run(claim, {
    scope: 'orders',
    key: 'm1',
    fingerprint: 'f',
    owner: 'test',
    lease: 60_000,
    retention: 3_600_000,
  });
  assert.equal(verdict.kind, 'new');
  return { store: 's1', scope: 'orders', key: 'm1', token: verdict.kind === 'new' ? verdict.token : 0 };
}

const failure = (failureClass: Failure['class']) => new Failure(failureClass, 'CODE', 'A sentence.').toRecord();

for (const under of storesUnderTest()) {
  const promise = (
    name: string,
    body: (tools: {
      store: Store;
      order: string[];
      reach: Reach;
      answers: { next: () => Settlement };
    }) => Promise<void>,
  ): void => {
    void test(`${name} (${under.name})`, under.options, async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const order: string[] = [];
      const answers = { next: (): Settlement => ({ result: 'settled', disposition: 'done' }) };
      const reach: Reach = {
        store: () => store,
        connection: () => connection(store, order, () => answers.next()),
        letters: () => undefined,
        node: 'n1',
      };
      await body({ store, order, reach, answers });
    });
  };

  promise('done: the key is durably completed before the delivery is acknowledged', async ({ store, order, reach }) => {
    const message: FlowMessage = { idempotency: await claimed(store), delivery, event: event('m1') };
    const settlement = await discharge(message, 'auto', reach);
    assert.deepEqual(order, ['key completed', 'settle done']);
    assert.deepEqual(settlement, { result: 'settled', disposition: 'done', key: 'completed' });
    const { records } = await store.run(listAudit, {});
    assert.deepEqual(
      records.map(({ action, outcome, subject, correlationId, detail }) => ({
        action,
        outcome,
        subject,
        correlationId,
        detail,
      })),
      [
        {
          action: 'message.settled',
          outcome: 'success',
          subject: 'm1',
          correlationId: 'corr-1',
          detail: { outcome: 'done', attempt: 2, queue: 'hf.orders' },
        },
      ],
    );
  });

  promise(
    'failed: the key is free again before the delivery goes to retry or dead letters',
    async ({ store, order, reach, answers }) => {
      answers.next = () => ({ result: 'settled', disposition: 'retry', delay: 10_000 });
      const message: FlowMessage = {
        idempotency: await claimed(store),
        delivery,
        failure: failure('dependency-outage'),
      };
      const settlement = await discharge(message, 'auto', reach);
      assert.deepEqual(order, ['key released', 'settle failed']);
      assert.deepEqual(message.settlement, { result: 'settled', disposition: 'retry', delay: 10_000, key: 'released' });
      assert.equal(settlement.key, 'released');
      await claimed(store);
    },
  );

  promise(
    'a permanent failure of a delivery frees the key too, so that a replay can run',
    async ({ store, order, reach, answers }) => {
      answers.next = () => ({ result: 'settled', disposition: 'dead-letter' });
      await discharge({ idempotency: await claimed(store), delivery, failure: failure('data-quality') }, 'auto', reach);
      assert.deepEqual(order, ['key released', 'settle failed']);
    },
  );

  promise('a settle that comes too late or twice is a result, not an error', async ({ store, reach, answers }) => {
    const idempotency = await claimed(store);
    await discharge({ idempotency, delivery }, 'auto', reach);
    for (const result of ['already-settled', 'stale'] as const) {
      answers.next = () => ({ result, disposition: 'done' });
      assert.equal((await discharge({ idempotency, delivery }, 'auto', reach)).result, result);
    }
  });

  promise(
    'broker gone after the key was completed: reported, and the redelivery is a duplicate',
    async ({ store, reach, answers }) => {
      answers.next = () => {
        throw new Failure('dependency-outage', 'AMQP_DOWN', 'The broker is away.');
      };
      const settlement = await discharge({ idempotency: await claimed(store), delivery }, 'auto', reach);
      assert.equal(settlement.result, 'unreachable');
      assert.equal((await store.run(find, { scope: 'orders', key: 'm1' }))?.state, 'completed');
    },
  );

  promise(
    'store gone: a message with a key comes again instead of being acknowledged',
    async ({ store, order, reach, answers }) => {
      answers.next = () => ({ result: 'settled', disposition: 'retry', delay: 10 });
      const idempotency = await claimed(store);
      const down: Store = {
        ...store,
        engine: store.engine,
        run: () => Promise.reject(new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'The store is away.')),
      };
      const settlement = await discharge({ idempotency, delivery }, 'auto', { ...reach, store: () => down });
      assert.deepEqual(order, ['key claimed', 'settle retry']);
      assert.match(settlement.reason ?? '', /STORE_UNAVAILABLE/);
    },
  );

  promise(
    'over HTTP a failure of ours frees the key, so that the same request is taken once it is mended',
    async ({ store, reach }) => {
      for (const failureClass of ['configuration', 'defect'] as const) {
        const message: FlowMessage = { idempotency: await claimed(store), res: {}, failure: failure(failureClass) };
        const settlement = await discharge(message, 'auto', reach);
        assert.equal(message.statusCode, 500);
        assert.equal(settlement.key, 'released', failureClass);
      }
      await claimed(store);
    },
  );

  promise('over HTTP a bad document is answered, and its duplicate gets the same answer', async ({ store, reach }) => {
    const detail = [{ pointer: '/lines/0/unit', detail: 'must be a known unit' }];
    const bad = new Failure('data-quality', 'SCHEMA_VIOLATION', 'The order breaks its schema.', { detail }).toRecord();
    const message: FlowMessage = { idempotency: await claimed(store), failure: bad, res: {}, event: event('m1') };
    const settlement = await discharge(message, 'auto', reach);
    assert.equal(settlement.disposition, 'replied');
    assert.equal(message.statusCode, 422);
    assert.equal(message.headers?.['content-type'], 'application/problem+json');
    const again = await store.run(claim, {
      scope: 'orders',
      key: 'm1',
      fingerprint: 'f',
      owner: 't',
      lease: 1,
      retention: 1,
    });
    assert.equal(again.kind, 'duplicate');
    assert.ok(again.kind === 'duplicate');
    assert.equal(again.reply?.statusCode, 422);
    assert.deepEqual(JSON.parse(Buffer.from(again.reply?.body as Uint8Array).toString()), message.payload);
  });

  promise('over HTTP a failure that may pass frees the key and says when to come again', async ({ store, reach }) => {
    const message: FlowMessage = { idempotency: await claimed(store), failure: failure('saturation'), res: {} };
    await discharge(message, 'auto', reach);
    assert.equal(message.statusCode, 503);
    assert.equal(message.headers?.['retry-after'], '5');
    await claimed(store);
  });

  promise('over HTTP the reply that the flow prepared is kept for duplicates', async ({ store, reach }) => {
    const message: FlowMessage = {
      idempotency: await claimed(store),
      res: {},
      statusCode: 201,
      headers: { 'content-type': 'application/json', 'set-cookie': 'x=1' },
      payload: { accepted: true },
    };
    await discharge(message, 'auto', reach);
    assert.equal(message.statusCode, 201);
    const stored = await store.run(find, { scope: 'orders', key: 'm1' });
    assert.deepEqual(
      [stored?.reply?.statusCode, stored?.reply?.headers],
      [201, { 'content-type': 'application/json' }],
    );
  });

  promise(
    'over HTTP nobody is told "accepted" while the store is away; once it is back the same request gets its answer',
    async ({ store, reach }) => {
      const idempotency = await claimed(store);
      const message: FlowMessage = {
        idempotency,
        res: {},
        event: event('m1'),
        statusCode: 201,
        headers: { 'content-type': 'application/json' },
        payload: { accepted: true },
      };
      const { failing, later } = awayFor(store, 3);
      const settlement = await discharge(message, 'auto', { ...reach, store: () => failing, later: later.add });
      assert.equal(settlement.result, 'unreachable');
      assert.equal(message.statusCode, 503);
      assert.equal(message.headers?.['content-type'], 'application/problem+json');
      assert.match(message.headers?.['retry-after'] ?? '', /^[1-9]\d*$/);
      assert.deepEqual(
        [(message.payload as { code: string }).code, (message.payload as { correlationId: string }).correlationId],
        ['NOT_SETTLED', 'corr-1'],
      );
      assert.equal((await store.run(find, { scope: 'orders', key: 'm1' }))?.state, 'claimed');
      await later.done();
      const again = await store.run(claim, claimOf(idempotency));
      assert.ok(again.kind === 'duplicate');
      assert.equal(again.reply?.statusCode, 201);
      assert.equal(Buffer.from(again.reply?.body as Uint8Array).toString(), '{"accepted":true}');
      const { records } = await store.run(listAudit, {});
      assert.deepEqual(
        records.map(({ action, outcome }) => `${action} ${outcome}`),
        ['message.settled success'],
      );
    },
  );

  for (const [failureClass, then] of [
    ['data-quality', 'duplicate'],
    ['conflict', 'new'],
  ] as const) {
    promise(
      `over HTTP a ${failureClass} that could not be recorded is no answer yet: 503, and the next try is ${then}`,
      async ({ store, reach }) => {
        const idempotency = await claimed(store);
        const message: FlowMessage = { idempotency, res: {}, failure: failure(failureClass) };
        const { failing, later } = awayFor(store, 2);
        await discharge(message, 'auto', { ...reach, store: () => failing, later: later.add });
        assert.equal(message.statusCode, 503);
        await later.done();
        const again = await store.run(claim, claimOf(idempotency));
        assert.equal(again.kind, then);
        if (again.kind === 'duplicate') assert.equal(again.reply?.statusCode, 422);
      },
    );
  }

  for (const [what, keyAway] of [
    ['the turn', 0],
    ['the key and the turn', 1],
  ] as const) {
    promise(
      `${what} could not be recorded over HTTP, each in its store: once they are back the next number goes on`,
      async ({ store, reach }) => {
        await using other = await under.fresh();
        const turn = { scope: 'moves', key: 'c1', number: 1, event: 'm1' };
        const request = { ...turn, begins: 'one', deadline: 60_000, node: 'n1', replayed: false } as const;
        assert.equal((await other.store.run(takeTurn, request)).kind, 'pass');
        const message: FlowMessage = {
          idempotency: await claimed(store),
          sequence: { store: 's2', ...turn },
          res: {},
          statusCode: 201,
          payload: { accepted: true },
        };
        const later = new Later();
        const keys = awayFor(store, keyAway, later);
        const turns = awayFor(other.store, 2, later);
        const stores = (id: string) => (id === 's2' ? turns.failing : keys.failing);
        await discharge(message, 'auto', { ...reach, store: stores, later: keys.later.add });
        assert.equal(message.statusCode, 503);
        await keys.later.done();
        assert.equal((await store.run(find, { scope: 'orders', key: 'm1' }))?.state, 'completed');
        const next = await other.store.run(takeTurn, { ...request, number: 2, event: 'm2' });
        assert.equal(next.kind, 'pass');
      },
    );
  }

  promise(
    'a message without a key gets the answer that the flow has prepared: only its audit entry is missing',
    async ({ store, reach }) => {
      const { failing } = awayFor(store, 1);
      const message: FlowMessage = { res: {}, failure: failure('policy-rejection') };
      await discharge(message, 'auto', { ...reach, store: () => failing, fallbackStore: 's1' });
      assert.equal(message.statusCode, 403);
    },
  );

  promise('a lease that somebody else took over is told and changes nothing', async ({ store, reach }) => {
    const idempotency = await claimed(store);
    const settlement = await discharge(
      { idempotency: { ...idempotency, token: idempotency.token - 1 }, delivery },
      'auto',
      reach,
    );
    assert.equal(settlement.key, 'lost-lease');
    assert.equal((await store.run(find, { scope: 'orders', key: 'm1' }))?.state, 'claimed');
  });

  promise('a message that owes nothing passes', async ({ reach }) => {
    assert.deepEqual(await discharge({ payload: 1 }, 'auto', reach), { disposition: 'none', result: 'settled' });
  });
}

/** A store that refuses some operations, and what writes later what it refused. */
function awayFor(store: Store, times: number, later = new Later()) {
  let left = times;
  const run: Store['run'] = (operation, args) =>
    left-- > 0
      ? Promise.reject(new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'The store is away.'))
      : store.run(operation, args);
  return {
    failing: { ...store, engine: store.engine, run } as Store,
    later: {
      add: (record: OwedRecord) => later.add(record),
      async done() {
        assert.ok(later.waiting > 0, 'nothing is left to be written');
        await waitUntil('it is written', () => later.waiting === 0);
      },
    },
  };
}

function claimOf({ scope, key }: { scope: string; key: string }) {
  return { scope, key, fingerprint: 'f', owner: 'again', lease: 60_000, retention: 3_600_000 };
}

function event(id: string) {
  return { id, source: 's', type: 't', correlationid: 'corr-1' };
}

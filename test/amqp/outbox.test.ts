/** The outbox against a broker that does as it is told, on both stores. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, startConnection } from '../../nodes/amqp/connection-service.ts';
import type { EngineState, MessagingEngine, OutgoingMessage } from '../../nodes/amqp/engines/engine.ts';
import { deleteFromOutbox, peekOutbox } from '../../nodes/amqp/outbox-operations.ts';
import { claim } from '../../nodes/idempotency/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import type { Store } from '../../nodes/kernel/store/index.ts';
import { type Bench, message, postgresKind, sqliteKind, uniquePrefix, until } from './engines.ts';

/** Confirms what `verdict` does not refuse, in its own time. */
class ObedientBroker {
  readonly kind = 'rabbitmq';
  state: EngineState = { kind: 'ready', server: 'test' };
  readonly sent: string[] = [];
  readonly confirmed: string[] = [];
  obstacle: (target: { routingKey: string }) => string | undefined = () => undefined;
  obstacleGone: (target: { exchange: string; routingKey: string }) => void = () => undefined;
  verdict: (id: string) => Failure | undefined | Promise<Failure | undefined> = () => undefined;
  readonly #listeners = new Set<(state: EngineState) => void>();

  onState(listener: (state: EngineState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  set(state: EngineState): void {
    this.state = state;
    for (const listener of this.#listeners) listener(state);
  }
  onObstacleGone(listener: (target: { exchange: string; routingKey: string }) => void): void {
    this.obstacleGone = listener;
  }
  async publish({ properties }: OutgoingMessage): Promise<void> {
    this.sent.push(properties.messageId);
    await new Promise((resolve) => setImmediate(resolve));
    const failure = await this.verdict(properties.messageId);
    if (failure !== undefined) throw failure;
    this.confirmed.push(properties.messageId);
  }
  async declare(): Promise<void> {}
  async close(): Promise<void> {}
}

const outage = new Failure('dependency-outage', 'AMQP_UNCONFIRMED', 'No confirm.', { outcome: 'unknown' });
const late = new Failure('dependency-outage', 'AMQP_TARGET_LATE', 'Nothing confirmed.', { outcome: 'unknown' });
const unroutable = new Failure('configuration', 'AMQP_UNROUTABLE', 'No queue is bound to routing key "x".');

for (const kind of [sqliteKind, postgresKind]) {
  describe(`Outbox ${kind.title.replace('embedded ', '')}`, { skip: kind.skip }, () => {
    let bench: Bench;
    let store: Store;
    const closers: (() => Promise<unknown>)[] = [];
    before(async () => {
      bench = await kind.open();
      store = bench.store!;
    });
    after(async () => {
      for (const close of closers) await close();
      await bench?.dispose();
    });

    function start(limit = 1_000, id = uniquePrefix(), more: Partial<ConnectionOptions> = {}) {
      const broker = new ObedientBroker();
      const engine = broker as unknown as MessagingEngine;
      const { service, hold, close } = startConnection({
        id,
        namespace: 'ns',
        engine,
        store: { id: 'store', store },
        outboxLimit: limit,
        ...more,
      });
      closers.push(close);
      const accept = (name: string, partitionKey?: string) => {
        const sent = message('ns.events', 'x', partitionKey === undefined ? {} : { partitionKey });
        sent.properties.messageId = name;
        return service.accept({ message: sent }, 'outbox');
      };
      const empty = () => until('the outbox is empty', async () => (await service.outbox())!.depth === 0);
      return { broker, service, hold, close, accept, empty, id };
    }

    test('accepting completes the key and keeps the reply, and what was accepted is forwarded', async () => {
      const { broker, service, empty } = start();
      const key = { scope: 's', key: uniquePrefix(), fingerprint: 'f', owner: 'o', lease: 60_000, retention: 60_000 };
      const verdict = await store.run(claim, key);
      assert.equal(verdict.kind, 'new');
      const { token } = verdict as { token: number };
      const reply = { statusCode: 202, headers: { 'content-type': 'application/json' }, body: '{"a":1}' };
      const lease = { store: 'store', scope: key.scope, key: key.key, token };
      const sent = message('ns.events', 'x');
      assert.deepEqual(await service.accept({ message: sent, lease, reply }, 'outbox'), { completed: true });
      const again = await store.run(claim, key);
      assert.equal(again.kind, 'duplicate');
      assert.equal(again.kind === 'duplicate' ? again.reply?.statusCode : undefined, 202);
      await empty();
      assert.deepEqual(broker.confirmed, [sent.properties.messageId]);
      const stale = { message: message('ns.events', 'x'), lease: { ...lease, token: token - 1 } };
      await assert.rejects(service.accept(stale, 'outbox'), { class: 'conflict', code: 'IDEMPOTENCY_LEASE_LOST' });
      const elsewhere = { message: message('ns.events', 'x'), lease: { ...lease, store: 'other' } };
      await assert.rejects(service.accept(elsewhere, 'outbox'), { class: 'configuration', code: 'AMQP_OTHER_STORE' });
      assert.equal((await service.outbox())!.depth, 0, 'a refused message is in the outbox');
    });

    test('a full outbox refuses as saturation, and takes again when the broker does', async () => {
      const { broker, accept, empty } = start(5);
      broker.set({ kind: 'down', problem: 'away' });
      for (let i = 0; i < 5; i++) await accept(`f${i}`);
      await assert.rejects(accept('f5'), { class: 'saturation', code: 'OUTBOX_FULL' });
      broker.set({ kind: 'ready', server: 'test' });
      await empty();
      await accept('f6');
      await empty();
      assert.deepEqual(broker.confirmed.toSorted(), ['f0', 'f1', 'f2', 'f3', 'f4', 'f6']);
    });

    test('messages of one key go one after the other, others beside them, whatever fails', async () => {
      const { broker, accept, empty } = start();
      const failing = new Set(['a1', 'b0']);
      broker.verdict = (id) => (failing.delete(id) ? outage : undefined);
      for (let i = 0; i < 4; i++) for (const key of ['a', 'b', 'c']) await accept(`${key}${i}`, key);
      await empty();
      for (const key of ['a', 'b', 'c']) {
        assert.deepEqual(
          broker.confirmed.filter((id) => id.startsWith(key)),
          [0, 1, 2, 3].map((i) => `${key}${i}`),
        );
      }
      assert.equal(broker.confirmed.length, 12, 'a confirmed message was sent again');
    });

    test('a message that nobody takes holds up its own key only, says so, and goes once there is a queue', async () => {
      const { broker, service, accept, empty } = start();
      let bound = false;
      broker.verdict = (id) => (id.startsWith('x') && !bound ? unroutable : undefined);
      await accept('x1', 'x');
      await accept('x2', 'x');
      await accept('y1', 'y');
      await accept('z1');
      await until('the others passed', () => broker.confirmed.length === 2);
      await until('it is held', async () => (await service.outbox())!.held === 1);
      assert.match((await service.outbox())!.problem!, /No queue is bound/);
      assert.equal(broker.sent.includes('x2'), false);
      bound = true;
      // Deploying the consumer declares its queue: that alone must set it going.
      await service.declare({ exchanges: [], queues: [] });
      await empty();
      assert.deepEqual(broker.confirmed.slice(2), ['x1', 'x2']);
      assert.equal((await service.outbox())!.problem, undefined);
    });

    test('any number of messages that nobody takes, or whose queue is full, leave the way free for others', async () => {
      const { broker, service, accept, empty } = start(2_000);
      let open = false;
      const full = new Failure('saturation', 'AMQP_REFUSED', 'A queue behind it is full.', { retryAfter: 5_000 });
      broker.verdict = (id) => (open || id === 'good' ? undefined : id.startsWith('x') ? unroutable : full);
      await Promise.all(Array.from({ length: 1_100 }, (_, i) => accept(`${i % 2 === 0 ? 'x' : 'f'}${i}`, `k${i}`)));
      await accept('good', 'good');
      await until('the other passed', () => broker.confirmed.length === 1);
      assert.deepEqual(broker.confirmed, ['good']);
      open = true;
      await service.declare({ exchanges: [], queues: [] });
      await empty();
      assert.equal(new Set(broker.confirmed).size, 1_101);
    });

    test('a target whose confirm was late holds up its own key only', async () => {
      const { broker, service, accept, empty } = start();
      const asked = Promise.withResolvers<undefined>();
      broker.verdict = (id) => (id === 'x' ? late : id === 'y' ? asked.promise : undefined);
      await accept('x', 'x');
      await until('it is held', async () => (await service.outbox())!.held === 1);
      await accept('y', 'y');
      await accept('z', 'z');
      await until('the others are sent', () => broker.confirmed.includes('z'));
      assert.deepEqual(broker.sent, ['x', 'y', 'z']);
      broker.verdict = () => undefined;
      asked.resolve(undefined);
      await empty();
    });

    test('what is held waits by one timer a key, however often something is declared', async () => {
      const { broker, service, hold, accept, empty } = start();
      broker.obstacle = () => 'It has no leader.';
      for (let n = 0; n < 5; n++) await accept(`h${n}`, `h${n}`);
      await until('they are held', async () => (await service.outbox())!.held === 5);
      const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      const before = timers();
      for (let n = 0; n < 50; n++) hold()();
      assert.ok(timers() <= before + 5, `${before} timers have become ${timers()}`);
      broker.obstacle = () => undefined;
      hold()();
      await empty();
      assert.equal(broker.sent.length, 5);
    });

    test('what is held has no body in memory: it is read when it goes, and one that was removed goes nowhere', async () => {
      const { broker, service, hold, accept, empty, id } = start();
      broker.obstacle = () => 'It has no leader.';
      for (const name of ['a1', 'a2']) await accept(name, 'a');
      for (const name of ['b1', 'b2']) await accept(name, 'b');
      await until('they are held', async () => (await service.outbox())!.held === 2);
      const rows = await store.run(peekOutbox, { connection: id, after: 0, limit: 10 });
      await store.run(deleteFromOutbox, { ids: [rows[0]!.id, rows[3]!.id] });
      broker.obstacle = () => undefined;
      hold()();
      await empty();
      assert.deepEqual(broker.confirmed.toSorted(), ['a2', 'b1']);
    });

    test('a target that confirms again sets going what was held for it, and nothing else', async () => {
      const { broker, service, accept, empty } = start();
      broker.obstacle = () => 'It has no leader.';
      for (let n = 0; n < 5; n++) await accept(`h${n}`, `h${n}`);
      await until('they are held', async () => (await service.outbox())!.held === 5);
      broker.obstacle = () => undefined;
      broker.obstacleGone({ exchange: 'ns.events', routingKey: 'another' });
      assert.equal((await service.outbox())!.held, 5);
      broker.obstacleGone({ exchange: 'ns.events', routingKey: 'x' });
      assert.equal((await service.outbox())!.held, 0);
      await empty();
    });

    test('without a store there is no outbox, and the sentence says what to choose', async () => {
      const engine = new ObedientBroker() as unknown as MessagingEngine;
      const { service } = startConnection({ id: 'none', namespace: 'ns', engine });
      await assert.rejects(service.accept({ message: message('e', 'k') }, 'outbox'), /Choose one in it, or choose/);
      assert.deepEqual(await service.accept({ message: message('e', 'k') }, 'confirmed'), { completed: false });
    });

    test('what a broker would refuse for good is refused before it is accepted', async () => {
      const never = { limit: Number.POSITIVE_INFINITY, retention: 1 };
      const { accept, service } = start(undefined, undefined, { claim: never });
      await accept('ok');
      const large = message('ns.events', 'x', { body: Buffer.alloc(16 * 1024 * 1024 + 1) });
      await assert.rejects(service.accept({ message: large }, 'outbox'), { code: 'AMQP_MESSAGE_TOO_LARGE' });
      const wordy = message('ns.events', 'x');
      wordy.properties.headers.long = 'x'.repeat(61 * 1024);
      await assert.rejects(service.accept({ message: wordy }, 'outbox'), { code: 'AMQP_MESSAGE_TOO_LARGE' });
    });

    if (kind === postgresKind) {
      test('of two Node-REDs one forwards for both; when it leaves, the other does', async () => {
        const first = start(1_000, 'shared');
        await until('the first leads', async () => (await first.service.outbox())!.leader);
        const second = start(1_000, 'shared');
        await second.accept('s1');
        await first.accept('s2');
        await until('both are forwarded', () => first.broker.confirmed.length === 2);
        assert.equal((await second.service.outbox())!.leader, false);
        await first.close();
        await second.accept('s3');
        await until('the second took over', () => second.broker.confirmed.length === 1);
        assert.deepEqual(second.broker.confirmed, ['s3']);
      });
    }
  });
}

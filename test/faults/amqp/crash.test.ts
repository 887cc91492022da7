/** Node-RED's process killed with kill -9, at any instant. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import { startConnection } from '../../../nodes/amqp/connection-service.ts';
import { EmbeddedEngine } from '../../../nodes/amqp/engines/embedded/engine.ts';
import { deadLetterOf } from '../../../nodes/amqp/failure-headers.ts';
import { type AuditPage, listAudit } from '../../../nodes/kernel/audit/index.ts';
import { openStore, type Store } from '../../../nodes/kernel/store/index.ts';
import {
  amqpUrl,
  deleteFromBroker,
  Inbox,
  message,
  openPostgres,
  postgresUrl,
  queue,
  rabbitMq,
  uniquePrefix,
  until,
} from '../../amqp/engines.ts';
import { type OwnedProcess, spawnOwned } from '../../support/processes.ts';

const kills = Number(process.env.HEALTHFLOWS_FAULT_KILLS ?? 5);
const script = new URL('./child.ts', import.meta.url).pathname;
const child = (...args: string[]): OwnedProcess => spawnOwned(process.execPath, [script, ...args]);
const lines = (process: OwnedProcess, verb: string): string[][] =>
  process
    .output()
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([first]) => first === verb);

describe('Killed while messages are in the flow', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hf-crash-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('embedded: what was delivered and not settled is delivered again, and says so', async () => {
    const file = join(folder, 'redelivery.sqlite');
    let store = openStore({ engine: 'sqlite', file });
    let engine = new EmbeddedEngine(store);
    await engine.declare({ exchanges: [], queues: [queue('q')] });
    for (let i = 0; i < 3; i++) await engine.publish(message('', 'q'));
    await engine.close();
    await store.close();
    const holder = child('consume', `sqlite:${file}`, 'q', 'hold');
    await until('the child has them', () => lines(holder, 'got').length === 3);
    holder.signal('SIGKILL');
    await holder.waitForExit();
    store = openStore({ engine: 'sqlite', file });
    engine = new EmbeddedEngine(store);
    const inbox = new Inbox();
    await engine.consume({ queue: 'q', prefetch: 10 }, inbox.receive);
    await inbox.nth(3);
    assert.ok(inbox.all.every(({ redelivered, attempt }) => redelivered && attempt === 1));
    for (const { handle } of inbox.all) await engine.settle(handle, { kind: 'done' });
    assert.deepEqual(await engine.depth('q'), { ready: 0, unsettled: 0 });
    await engine.close();
    await store.close();
  });

  test('embedded: a message that ends the process each time meets the delivery limit; the others pass', async () => {
    const file = join(folder, 'poison.sqlite');
    let store = openStore({ engine: 'sqlite', file });
    let engine = new EmbeddedEngine(store);
    await engine.declare({ exchanges: [], queues: [queue('q', { deliveryLimit: 2 })] });
    const poison = message('', 'q');
    await engine.publish(poison);
    await engine.close();
    await store.close();
    for (let i = 0; i < 3; i++) await child('consume', `sqlite:${file}`, 'q', 'crash').waitForExit();
    store = openStore({ engine: 'sqlite', file });
    engine = new EmbeddedEngine(store);
    await assertPoisoned(engine, 'q', poison.properties.messageId);
    await engine.close();
    await store.close();
  });

  test('RabbitMQ: a message that ends the process each time meets the delivery limit; the others pass', {
    skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false,
  }, async () => {
    const name = `${uniquePrefix()}.q`;
    const engine = rabbitMq(amqpUrl!);
    await engine.declare({ exchanges: [], queues: [queue(name, { deliveryLimit: 2 })] });
    const poison = message('', name);
    await engine.publish(poison);
    for (let i = 0; i < 3; i++) await child('consume', amqpUrl!, name, 'crash').waitForExit();
    await assertPoisoned(engine, name, poison.properties.messageId);
    await engine.close();
    await deleteFromBroker(amqpUrl!, [name, `${name}.dead`, `${name}.retry.200ms`, `${name}.retry.1s`], []);
  });

  test('RabbitMQ: whoever was told that a message is confirmed finds its entry in the audit trail', {
    skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false,
  }, async () => {
    const file = join(folder, 'audit.sqlite');
    const name = `${uniquePrefix()}.q`;
    const engine = rabbitMq(amqpUrl!);
    await engine.declare({ exchanges: [], queues: [queue(name)] });
    const told = new Set<string>();
    for (let kill = 0; kill < kills; kill++) {
      const publisher = child('confirm', `sqlite:${file}`, amqpUrl!, name);
      await until('some are confirmed', () => lines(publisher, 'confirmed').length > 100 + Math.random() * 100);
      publisher.signal('SIGKILL');
      await publisher.waitForExit();
      for (const [, id] of lines(publisher, 'confirmed')) told.add(id!);
    }
    const store = openStore({ engine: 'sqlite', file });
    const entries = new Set<string | undefined>();
    for (let cursor: number | undefined = 0; cursor !== undefined; ) {
      const page: AuditPage = await store.run(listAudit, { order: 'oldest-first', limit: 1_000, cursor });
      for (const { action, subject } of page.records) if (action === 'message.accepted') entries.add(subject);
      cursor = page.next;
    }
    await store.close();
    await engine.close();
    await deleteFromBroker(amqpUrl!, [name, `${name}.dead`, `${name}.retry.200ms`, `${name}.retry.1s`], []);
    assert.ok(told.size >= 100 * kills);
    assert.deepEqual(
      [...told].filter((id) => !entries.has(id)),
      [],
    );
  });

  for (const type of ['embedded', 'quorum', 'classic'] as const) {
    test(`${type}: the poison among many meets its limit, and none of those that were delivered with it is blamed`, {
      skip: type !== 'embedded' && amqpUrl === undefined ? 'AMQP_URL is not set' : false,
    }, async () => {
      const file = join(folder, `among-${type}.sqlite`);
      const store = openStore({ engine: 'sqlite', file });
      const name = `${uniquePrefix()}.q`;
      const where = type === 'embedded' ? 'embedded' : amqpUrl!;
      let engine = type === 'embedded' ? new EmbeddedEngine(store) : rabbitMq(where);
      const work = queue(name, { type: type === 'classic' ? 'classic' : 'quorum', deliveryLimit: 4 });
      await engine.declare({ exchanges: [], queues: [work] });
      const sent = Array.from({ length: 1_000 }, () => message('', name));
      await Promise.all(sent.map((each) => engine.publish(each)));
      await engine.close();
      await store.close();
      const poison = sent[4]!.properties.messageId;
      const handled = new Set<string>();
      // Each child dies of the poison, until it is put aside.
      for (let deaths = 0, over = false; !over; deaths++) {
        assert.ok(deaths <= 6, `${deaths} deaths`);
        const process = child('flow', `sqlite:${file}`, where, name, poison);
        const ended = process.waitForExit().then(() => false);
        const empty = until('the queue is empty', () => lines(process, 'empty').length > 0).then(() => true);
        over = await Promise.race([ended, empty]);
        empty.catch(() => undefined);
        if (over) process.signal('SIGKILL');
        await ended;
        for (const [, id] of lines(process, 'got')) handled.add(id!);
      }
      assert.equal(handled.size, sent.length);
      const again = openStore({ engine: 'sqlite', file });
      engine = type === 'embedded' ? new EmbeddedEngine(again) : rabbitMq(where);
      const dead = new Inbox();
      await engine.consume({ queue: `${name}.dead`, prefetch: 10 }, dead.receive);
      const letter = await dead.nth(1);
      assert.equal(letter.properties.messageId, poison);
      assert.deepEqual(
        [deadLetterOf(letter).failure.class, deadLetterOf(letter).failure.code],
        ['defect', 'AMQP_POISON'],
      );
      assert.equal(dead.all.length, 1, 'the others are innocent');
      await engine.close();
      await again.close();
      if (type !== 'embedded') {
        await deleteFromBroker(amqpUrl!, [name, `${name}.dead`, `${name}.retry.200ms`, `${name}.retry.1s`], []);
      }
    });
  }

  async function assertPoisoned(engine: EmbeddedEngine | ReturnType<typeof rabbitMq>, name: string, id: string) {
    const good = message('', name);
    await engine.publish(good);
    const [inbox, dead] = [new Inbox(), new Inbox()];
    await engine.consume({ queue: name, prefetch: 10 }, inbox.receive);
    assert.equal((await inbox.nth(1)).properties.messageId, good.properties.messageId);
    await engine.settle(inbox.all[0]!.handle, { kind: 'done' });
    await engine.consume({ queue: `${name}.dead`, prefetch: 10 }, dead.receive);
    const letter = await dead.nth(1);
    assert.equal(letter.properties.messageId, id);
    const { failure, originQueue } = deadLetterOf(letter);
    assert.deepEqual([failure.class, failure.code, originQueue], ['defect', 'AMQP_POISON', name]);
    await engine.settle(letter.handle, { kind: 'done' });
  }
});

describe('The outbox under kill -9', { skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false }, () => {
  const keys = ['a', 'b', 'c', 'd', 'e'];

  /** Accepts with `processes` children at a time, kills them again and again, and returns what was accepted. */
  async function campaign(store: string, prefix: string, processes: number): Promise<Set<string>> {
    const accepted = new Set<string>();
    const last = new Map(keys.map((key) => [key, 0]));
    const mine = (index: number) => keys.filter((_, i) => i % processes === index);
    const launch = (index: number) => {
      const started = child(
        'accept',
        store,
        amqpUrl!,
        prefix,
        mine(index)
          .map((key) => `${key}:${last.get(key)}`)
          .join(','),
      );
      started.onOutput((chunk) => {
        for (const [, key, n] of chunk.matchAll(/^accepted (\w+):(\d+)$/gm)) {
          accepted.add(`${key}:${n}`);
          // One more than was said may have been accepted: its number is never used for another message.
          last.set(key!, Math.max(last.get(key!)!, Number(n) + 1));
        }
      });
      return started;
    };
    const running = Array.from({ length: processes }, (_, index) => launch(index));
    for (let round = 0; round < kills; round++) {
      const index = round % processes;
      const before = accepted.size;
      await until('the child works', () => accepted.size > before + 20);
      await sleep(Math.random() * 300);
      running[index]!.signal('SIGKILL');
      await running[index]!.waitForExit();
      running[index] = launch(index);
    }
    const before = accepted.size;
    await until('the last ones work', () => accepted.size > before + 20);
    for (const each of running) {
      each.signal('SIGKILL');
      await each.waitForExit();
    }
    return accepted;
  }

  async function assertForwarded(prefix: string, store: Store, accepted: Set<string>): Promise<void> {
    const { service, close } = startConnection({
      id: 'connection',
      namespace: prefix,
      engine: rabbitMq(amqpUrl!),
      store: { id: 'store', store },
    });
    await until('the outbox is empty', async () => (await service.outbox())!.depth === 0);
    const inbox = new Inbox();
    const consumer = await service.consume(
      { queue: `${prefix}.q`, prefetch: 2_000, policy: { attempts: 1, steps: [1], jitter: 0, cap: 1, giveUpAfter: 1 } },
      (delivery) => {
        inbox.receive(delivery);
        void service.settle(delivery.handle, { kind: 'done' });
      },
    );
    const arrived = () => [...new Set(inbox.all.map(({ properties }) => properties.messageId))];
    await until(
      'all accepted have arrived',
      () => new Set([...accepted, ...arrived()]).size === arrived().length,
    ).catch(() =>
      assert.deepEqual(
        [...accepted].filter((id) => !arrived().includes(id)),
        [],
        'accepted and lost',
      ),
    );
    await consumer.close();
    await close();
    // A transaction that was under way at the kill may commit late, so only what was accepted has a place in the order.
    for (const key of keys) {
      const numbers = arrived()
        .filter((id) => id.startsWith(`${key}:`) && accepted.has(id))
        .map((id) => Number(id.split(':')[1]));
      assert.deepEqual(
        numbers,
        numbers.toSorted((one, other) => one - other),
        `order of key ${key}`,
      );
    }
  }

  async function withQueue(work: (prefix: string) => Promise<void>): Promise<void> {
    const prefix = uniquePrefix();
    const engine = rabbitMq(amqpUrl!);
    await engine.declare({ exchanges: [], queues: [queue(`${prefix}.q`)] });
    await engine.close();
    await work(prefix);
    const names = ['q', 'q.dead', 'q.retry.200ms', 'q.retry.1s'].map((name) => `${prefix}.${name}`);
    await deleteFromBroker(amqpUrl!, names, []);
  }

  test('SQLite: everything accepted reaches the broker, first arrivals in order per key', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hf-outbox-'));
    const file = join(folder, 'store.sqlite');
    await withQueue(async (prefix) => {
      const accepted = await campaign(`sqlite:${file}`, prefix, 1);
      const store = openStore({ engine: 'sqlite', file });
      await assertForwarded(prefix, store, accepted);
      await store.close();
    });
    rmSync(folder, { recursive: true, force: true });
  });

  test('two Node-REDs on one PostgreSQL: one forwards, another takes over when it is killed, nothing is lost', {
    skip: postgresUrl === undefined ? 'POSTGRES_URL is not set' : false,
  }, async () => {
    await withQueue(async (prefix) => {
      const accepted = await campaign(`${postgresUrl}#${prefix}`, prefix, 2);
      const store = openPostgres(prefix);
      await assertForwarded(prefix, store, accepted);
      await store.close();
    });
  });
});

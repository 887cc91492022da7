/** Audit entries of confirmed messages: durable before anybody is told, kept while the store is away, bounded. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { AuditLine } from '../../nodes/amqp/audit-line.ts';
import { type AuditPage, listAudit, verifyAudit } from '../../nodes/kernel/audit/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import type { Store } from '../../nodes/kernel/store/index.ts';
import { addTelemetrySink } from '../../nodes/kernel/telemetry/telemetry.ts';
import { storesUnderTest } from '../support/store.ts';

const entry = (subject: string) =>
  ({ action: 'message.accepted', outcome: 'success', actor: 'flow', subject }) as const;

/** A store that refuses while it is away, and counts its operations. */
function refusing(store: Store) {
  const state = { away: false, operations: 0 };
  const run: Store['run'] = (operation, args) => {
    state.operations++;
    return state.away
      ? Promise.reject(new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'away'))
      : store.run(operation, args);
  };
  return { state, store: { run } as Store };
}

for (const under of storesUnderTest()) {
  const subjects = async (store: Store) => {
    const found: (string | undefined)[] = [];
    for (let cursor: number | undefined = 0; cursor !== undefined; ) {
      const page: AuditPage = await store.run(listAudit, { order: 'oldest-first', limit: 1_000, cursor });
      found.push(...page.records.map(({ subject }) => subject));
      cursor = page.next;
    }
    return found;
  };

  test(`entries are written in their order, many in one operation (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { state, store } = refusing(fixture.store);
    const line = new AuditLine(store);
    const expected = Array.from({ length: 1_250 }, (_, index) => `m-${index}`);
    await Promise.all(expected.map((subject) => line.add(entry(subject))));
    assert.equal(await line.close(), 0);
    assert.deepEqual(await subjects(fixture.store), expected);
    assert.equal(state.operations, 3);
    assert.equal((await verifyAudit(fixture.store)).kind, 'intact');
  });

  test(`who adds an entry goes on when it is durable (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store, state } = refusing(fixture.store);
    const line = new AuditLine(store);
    for (let index = 0; index < 3; index++) {
      await line.add(entry(`m-${index}`));
      assert.equal((await subjects(fixture.store)).length, index + 1);
    }
    assert.equal(state.operations, 3);
    assert.equal(await line.close(), 0);
  });

  test(`what came while the store was away is written when it is back (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { state, store } = refusing(fixture.store);
    const line = new AuditLine(store, 10);
    state.away = true;
    for (let index = 0; index < 10; index++) await line.add(entry(`m-${index}`));
    await assert.rejects(line.add(entry('one too many')), { code: 'STORE_UNAVAILABLE' });
    state.away = false;
    await line.add(entry('m-10'));
    assert.equal(await line.close(), 0);
    assert.deepEqual(
      await subjects(fixture.store),
      Array.from({ length: 11 }, (_, index) => `m-${index}`),
    );
  });
}

test('of entries written together the one that the store never takes is given up, counted and told, and it alone', async () => {
  const written: string[] = [];
  const run = async (_: unknown, entries: readonly { subject: string }[]) => {
    if (entries.some(({ subject }) => subject === 'm-1')) throw new TypeError('nobody foresaw this');
    written.push(...entries.map(({ subject }) => subject));
  };
  let counted = 0;
  const unsubscribe = addTelemetrySink({
    count: (name, _, by) => {
      if (name === 'audit_entries_dropped_total') counted += by;
    },
  });
  const warned = once(process, 'warning') as Promise<[Error]>;
  const line = new AuditLine({ run } as unknown as Store);
  await Promise.all(['m-0', 'm-1', 'm-2', 'm-3'].map((subject) => line.add(entry(subject))));
  assert.deepEqual(written, ['m-0', 'm-2', 'm-3']);
  assert.equal(counted, 1);
  assert.match((await warned)[0].message, /"audit\.dropped".*"m-1"/);
  await line.add(entry('m-4'));
  assert.deepEqual(written.at(-1), 'm-4');
  assert.equal(await line.close(), 1);
  unsubscribe();
});

test('closing says how many entries the store did not take', async () => {
  const run: Store['run'] = () => Promise.reject(new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'away'));
  const line = new AuditLine({ run } as Store);
  await line.add(entry('m-1'));
  await line.add(entry('m-2'));
  assert.equal(await line.close(), 2);
});

test('a store that does not answer holds up nobody for long', async () => {
  const run: Store['run'] = () => new Promise<never>(() => undefined);
  const line = new AuditLine({ run } as Store, 10, 20);
  await line.add(entry('m-1'));
  await line.add(entry('m-2'));
});

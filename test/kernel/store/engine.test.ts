import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../nodes/kernel/failure.ts';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { storesUnderTest } from '../../support/store.ts';
import * as op from './operations.ts';

const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

for (const { name, options, fresh } of storesUnderTest()) {
  test(`what an operation wrote is there for the next one (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await store.run(op.prepare, undefined);
    const data = new Uint8Array([0, 1, 255]);
    await store.run(op.put, { name: 'a', number: 2 ** 52, data });
    const row = await store.run(op.get, 'a');
    assert.equal(row?.number, 2 ** 52);
    assert.deepEqual(new Uint8Array(row?.data as Uint8Array), data);
    assert.equal((await store.run(op.get, 'b')) ?? null, null);
    assert.match(store.status().version ?? '', /^(SQLite|PostgreSQL) \d/);
  });

  test(`1000 operations at once all commit, and increments do not overlap (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await store.run(op.prepare, undefined);
    await store.run(op.put, { name: 'counter', number: 0 });
    const results = await Promise.all(Array.from({ length: 1000 }, () => store.run(op.increment, 'counter')));
    assert.deepEqual(
      results.toSorted((a, b) => a - b),
      Array.from({ length: 1000 }, (_, index) => index + 1),
    );
  });

  test(`an operation that fails harms no other in its batch (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await store.run(op.prepare, undefined);
    await store.run(op.put, { name: 'taken' });
    const results = await Promise.allSettled([
      store.run(op.put, { name: 'before' }),
      store.run(op.putAndFail, 'refused'),
      store.run(op.put, { name: 'taken' }),
      store.run(op.syntaxError, undefined),
      store.run(op.putWithAudit, 'audited'),
      store.run(op.auditThenFail, 'never'),
      store.run(op.put, { name: 'after' }),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
    );
    const names = await store.run(op.sql, { text: 'SELECT name FROM things ORDER BY name' });
    assert.deepEqual(
      names.map((row) => row.name),
      ['after', 'audited', 'before', 'taken'],
    );
    const trail = await store.run(op.sql, { text: 'SELECT subject FROM audit_trail ORDER BY seq' });
    assert.deepEqual(
      trail.map((row) => row.subject),
      ['audited'],
    );
  });

  test(
    `operations with one key take turns, those with different keys may alternate, and none loses an update (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      await store.run(op.prepare, undefined);
      const names = ['a', 'b', 'c', 'refused'];
      for (const name of names) await store.run(op.put, { name, number: 0 });
      for (let round = 1; round <= 3; round++) {
        const results = await Promise.allSettled([
          ...Array.from({ length: 200 }, (_, index) => store.run(op.incrementSlowly, names[index % names.length]!)),
          store.run(op.increment, 'a'),
        ]);
        assert.equal(results.filter(({ status }) => status === 'rejected').length, 50);
        for (const name of names) {
          const expected = name === 'refused' ? 0 : name === 'a' ? round * 51 : round * 50;
          assert.equal((await store.run(op.get, name))?.number, expected, name);
        }
      }
    },
  );

  test(
    `operations that PostgreSQL does together come out as one by one, also when one is refused (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      await store.run(op.prepare, undefined);
      const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
      for (const each of [...names, 'refused']) await store.run(op.put, { name: each, number: 0 });
      const twice = [...names, ...names.toReversed()];
      const results = await Promise.all(twice.map((each) => store.run(op.incrementTogether, each)));
      for (const [index, { number }] of results.entries()) assert.equal(number, index < names.length ? 1 : 2);
      assert(results.every(({ by }) => by === (name === 'postgresql' ? 'together' : 'body')));

      const mixed = await Promise.allSettled(
        [...names, 'refused'].map((each) => store.run(op.incrementTogether, each)),
      );
      assert.deepEqual(
        mixed.map((result) =>
          result.status === 'fulfilled' ? result.value.number : code('TEST_REFUSED')(result.reason),
        ),
        [...names.map(() => 3), true],
      );
      assert.equal((await store.run(op.get, 'refused'))?.number, 0);
      const trail = await store.run(op.sql, { text: 'SELECT subject FROM audit_trail' });
      assert.equal(trail.length, 60);
    },
  );

  test(`a Failure keeps its class, code and detail on its way out (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await store.run(op.prepare, undefined);
    await assert.rejects(store.run(op.putAndFail, 'x'), (error: unknown) => {
      assert(error instanceof Failure);
      assert.equal(error.class, 'conflict');
      assert.equal(error.code, 'TEST_REFUSED');
      assert.equal(error.retryAfter, 7);
      assert.deepEqual(error.detail, { name: 'x' });
      return true;
    });
    await assert.rejects(store.run(op.syntaxError, undefined), code('STORE_OPERATION_FAILED'));
  });

  test(`an operation that reads only can neither write nor audit (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await store.run(op.prepare, undefined);
    await assert.rejects(store.run(op.readThatWrites, 'x'), code('STORE_OPERATION_FAILED'));
    await assert.rejects(store.run(op.readAndAudit, undefined), code('STORE_READ_ONLY_AUDIT'));
    await store.run(op.put, { name: 'x' });
    assert.equal(await store.run(op.count, undefined), 1);
  });

  test(`beyond its capacity the store refuses and says when to come back (${name})`, options, async () => {
    await using fixture = await fresh();
    const store = openStore({ ...fixture.options, ...privateSchema(fixture.options), capacity: 10 });
    try {
      await store.run(op.prepare, undefined);
      const results = await Promise.allSettled(
        Array.from({ length: 30 }, (_, index) => store.run(op.put, { name: `n${index}` })),
      );
      const refused = results.filter((result) => result.status === 'rejected');
      assert.equal(refused.length, 20);
      for (const { reason } of refused) {
        assert(code('STORE_BUSY')(reason));
        assert.equal((reason as Failure).class, 'saturation');
        assert.equal((reason as Failure).retryAfter, 1000);
      }
      assert.equal(await store.run(op.count, undefined), 10);
    } finally {
      await store.close();
      if (fixture.options.engine === 'postgresql') {
        await fixture.store.run(op.sql, { text: `DROP SCHEMA ${fixture.options.schema}_small CASCADE` });
      }
    }
  });

  test(`closing finishes what was accepted and refuses what comes after (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await store.run(op.prepare, undefined);
    const other = openStore(fixture.options);
    const accepted = Promise.all(Array.from({ length: 200 }, (_, index) => other.run(op.put, { name: `n${index}` })));
    await store.close();
    await other.close();
    await accepted;
    await assert.rejects(other.run(op.count, undefined), code('STORE_UNAVAILABLE'));
    const again = openStore(fixture.options);
    try {
      assert.equal(await again.run(op.count, undefined), 200);
    } finally {
      await again.close();
    }
  });

  test(`the clock of operations is the engine's, moved for tests only (${name})`, options, async () => {
    await using fixture = await fresh();
    const real = await fixture.store.run(op.clock, undefined);
    assert(Math.abs(real - Date.now()) < 60_000);
    fixture.setClock(3_600_000);
    assert((await fixture.store.run(op.clock, undefined)) - real >= 3_600_000);
  });

  test(`the schema is made once, and a changed or newer one is refused (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const applied = await store.run(op.sql, { text: 'SELECT version, name FROM schema_migrations ORDER BY version' });
    assert.equal(applied[0]?.name, 'audit');

    await store.run(op.sql, { text: "UPDATE schema_migrations SET checksum = 'another' WHERE version = 1" });
    await store.close();
    await refusedWith(fixture.options, 'STORE_SCHEMA_CHANGED');
  });
}

function privateSchema(options: { engine: string; schema?: string; file?: string }): object {
  return options.engine === 'postgresql' ? { schema: `${options.schema}_small` } : { file: `${options.file}-small` };
}

async function refusedWith(options: Parameters<typeof openStore>[0], expected: string): Promise<void> {
  const store = openStore(options);
  try {
    await assert.rejects(store.run(op.count, undefined), code(expected));
    assert.equal(store.status().state, 'down');
    assert.notEqual(store.status().problem, undefined);
  } finally {
    await store.close();
  }
}

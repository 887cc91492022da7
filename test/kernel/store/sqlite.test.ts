import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '../../../nodes/kernel/failure.ts';
import { openPrivateStore, openStore, type SqliteOptions } from '../../../nodes/kernel/store/index.ts';
import { positional } from '../../../nodes/kernel/store/sqlite/database.ts';
import { SqliteStore } from '../../../nodes/kernel/store/sqlite/engine.ts';
import { removeDirectory, spawnOwned, temporaryDirectory, waitUntil } from '../../support/processes.ts';
import * as op from './operations.ts';

const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

function temporary(): { options: SqliteOptions; folder: string } & Disposable {
  const folder = temporaryDirectory('store');
  return {
    folder,
    options: { engine: 'sqlite', file: join(folder, 'store.sqlite'), reopenDelay: 50 },
    [Symbol.dispose]: () => removeDirectory(folder),
  };
}

test('two users of one file share a worker, also through a link to its folder, and the last closes it', async () => {
  using place = temporary();
  mkdirSync(join(place.folder, 'real'));
  symlinkSync(join(place.folder, 'real'), join(place.folder, 'link'));
  const first = openStore({ engine: 'sqlite', file: join(place.folder, 'real/s.sqlite') });
  const second = openStore({ engine: 'sqlite', file: join(place.folder, 'link/s.sqlite') });
  await first.run(op.prepare, undefined);
  await second.run(op.put, { name: 'a' });
  await first.close();
  await first.close();
  assert.equal(await second.run(op.count, undefined), 1);
  await assert.rejects(first.run(op.count, undefined), code('STORE_UNAVAILABLE'));
  await second.close();
  assert(!existsSync(join(place.folder, 'real/s.sqlite-wal')), 'the log was put into the file');
});

test('no other user of the machine can read a new file, nor its log', async () => {
  using place = temporary();
  const store = openStore(place.options);
  await store.run(op.prepare, undefined);
  for (const end of ['', '-wal', '-owner']) {
    assert.equal(statSync(`${place.options.file}${end}`).mode & 0o777, 0o600, end);
  }
  await store.close();
});

test('a second process is refused and told who has the file, and gets it when the first one is killed', async () => {
  using place = temporary();
  const script = join(place.folder, 'hold.ts');
  const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  writeFileSync(
    script,
    `import { openStore } from ${module('../../../nodes/kernel/store/index.ts')};
     import * as op from ${module('./operations.ts')};
     const store = openStore({ engine: 'sqlite', file: ${JSON.stringify(place.options.file)} });
     await store.run(op.prepare, undefined);
     await store.run(op.put, { name: 'theirs' });
     console.log('holding');
     setInterval(() => {}, 1000);`,
  );
  const holder = spawnOwned(process.execPath, [script]);
  await waitUntil('the other process has the file', () => holder.output().includes('holding'));
  const store = openStore({ ...place.options, patience: 30_000 });
  try {
    await assert.rejects(store.run(op.count, undefined), (error: unknown) => {
      assert(code('STORE_IN_USE')(error));
      assert((error as Failure).message.includes(`process ${holder.pid}`));
      return true;
    });
    holder.signal('SIGKILL');
    await holder.waitForExit();
    assert.equal(await waitUntil('the store is back', () => store.run(op.count, undefined)), 1);
  } finally {
    await store.close();
  }
});

test('when the worker dies, what was under way is rejected as unknown and the store comes back by itself', async () => {
  using place = temporary();
  const store = new SqliteStore({ ...place.options, patience: 60_000 });
  try {
    await store.run(op.prepare, undefined);
    await store.run(op.put, { name: 'kept' });
    await assert.rejects(store.run(op.crash, undefined), (error: unknown) => {
      assert(code('STORE_UNAVAILABLE')(error));
      assert.equal((error as Failure).outcome, 'unknown');
      return true;
    });
    assert.equal(store.status().state, 'down');
    assert.equal(await waitUntil('the store is back', () => store.run(op.count, undefined)), 1);
    assert.equal(store.status().state, 'ready');
  } finally {
    await store.close();
  }
});

test('a damaged file is refused and left as it is', async () => {
  using place = temporary();
  writeFileSync(place.options.file, 'this is no database, but it may be precious to somebody'.repeat(100));
  const before = readFileSync(place.options.file);
  const store = openStore(place.options);
  try {
    await assert.rejects(store.run(op.count, undefined), code('STORE_DAMAGED'));
    assert.deepEqual(readFileSync(place.options.file), before);
  } finally {
    await store.close();
  }
});

test('a folder that cannot be made is a configuration failure that names the file', async () => {
  using place = temporary();
  appendFileSync(join(place.folder, 'file'), '');
  const store = openStore({ ...place.options, file: join(place.folder, 'file/store.sqlite') });
  try {
    await assert.rejects(store.run(op.count, undefined), (error: unknown) => {
      assert(code('STORE_CANNOT_OPEN')(error));
      assert((error as Failure).message.includes('file/store.sqlite'));
      return true;
    });
  } finally {
    await store.close();
  }
});

test('arguments and results that cannot cross the thread boundary fail alone', async () => {
  using place = temporary();
  const store = openPrivateStore(place.options);
  try {
    await store.run(op.prepare, undefined);
    const results = await Promise.allSettled([
      store.run(op.put, { name: 'a' }),
      store.run(op.uncloneable, () => {}),
      store.run(op.uncloneable, 1),
      store.run(op.put, { name: 'b' }),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    );
    assert.equal(await store.run(op.count, undefined), 2);
  } finally {
    await store.close();
  }
});

test('numbered parameters become positional ones, whatever their order, and literals stay', () => {
  assert.deepEqual(positional(`SELECT '$1', "$2", $2, $1, $2, 'it''s $1' WHERE a = $10`), {
    sql: `SELECT '$1', "$2", ?, ?, ?, 'it''s $1' WHERE a = ?`,
    order: [1, 0, 1, 9],
  });
});

test('an operation whose module opens a store is refused, and no worker starts another', async () => {
  using place = temporary();
  process.env.HF_TEST_STORE_FILE = place.options.file;
  const { store, touch } = await import('./opens-a-store.ts');
  try {
    await assert.rejects(store.run(touch, undefined), code('STORE_OPENED_IN_WORKER'));
  } finally {
    await store.close();
  }
});

/**
 * Power loss: `kill -9` cannot tell a durable store from another, because the system's page cache outlives the process.
 * Here the store is on a file system inside an image. The writer is stopped in mid-work and the image is copied: the
 * copy holds what was really written to the "disk" and nothing that only was in memory. A writer that does not sync
 * runs beside it, to show that the test can tell.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { removeDirectory, spawnOwned, temporaryDirectory, waitUntil } from '../../support/processes.ts';
import { acknowledgedIn, lost } from './acknowledged.ts';

const rounds = Number(process.env.FAULT_ROUNDS ?? 2);
const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { stdio: 'pipe' });
};

interface Disk extends Disposable {
  readonly path: string;
  /** The disk as it would be found after a power cut now. */
  copy(): Disk;
}

function mounted(image: string): Disk {
  const path = `${image}.mounted`;
  mkdirSync(path);
  run('mount', '-o', 'loop', image, path);
  let copies = 0;
  return {
    path,
    copy() {
      const copied = `${image}.copy${copies++}`;
      run('cp', '--sparse=always', image, copied);
      return mounted(copied);
    },
    [Symbol.dispose]: () => run('umount', '-l', path),
  };
}

/** @returns undefined where image files cannot be mounted */
function makeDisk(folder: string, name: string): Disk | undefined {
  const image = join(folder, `${name}.img`);
  try {
    run('truncate', '-s', '96M', image);
    run('mkfs.ext4', '-q', '-F', image);
    return mounted(image);
  } catch {
    return undefined;
  }
}

const carelessWriter = `
  import { DatabaseSync } from 'node:sqlite';
  const db = new DatabaseSync(process.argv[2]);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (key TEXT)');
  const insert = db.prepare('INSERT INTO t VALUES (?)');
  for (let n = 0; ; n++) {
    insert.run('key-' + n);
    process.stdout.write('c key-' + n + '\\n');
    if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }`;

/** Starts a writer, stops it in mid-work and cuts the power. */
async function cut(disk: Disk, args: string[], enough: number): Promise<{ output: string; after: Disk }> {
  let output = '';
  let lines = 0;
  const child = spawnOwned(process.execPath, args);
  child.onOutput((chunk) => {
    output += chunk;
    lines += chunk.split('\n').length - 1;
  });
  await waitUntil(`${enough} lines are written`, () => lines >= enough, 60_000, 1);
  child.signal('SIGSTOP');
  const after = disk.copy();
  child.signal('SIGKILL');
  await child.waitForExit();
  return { output, after };
}

test('a power cut loses nothing that was acknowledged', async (t) => {
  const folder = temporaryDirectory('power');
  using disk = makeDisk(folder, 'store');
  if (disk === undefined) {
    t.skip('mounting an image file needs root and loop devices');
    return;
  }
  const writer = fileURLToPath(new URL('./writer.ts', import.meta.url));
  let all = '';
  for (let round = 0; round < rounds; round++) {
    const options = { engine: 'sqlite', file: join(disk.path, 'store.sqlite') };
    const enough = 200 + Math.floor(Math.random() * 2000);
    const { output, after } = await cut(disk, [writer, JSON.stringify(options), `r${round}`], enough);
    using found = after;
    all += output;
    const store = openStore({ engine: 'sqlite', file: join(found.path, 'store.sqlite') });
    assert.deepEqual(await lost(store, acknowledgedIn(all)), []);
    await store.close();
  }
  t.diagnostic(`campaign: ${rounds} power cuts, ${acknowledgedIn(all).claimed.size} acknowledged claims, 0 lost`);

  using careless = makeDisk(folder, 'careless')!;
  const script = join(folder, 'careless.mjs');
  writeFileSync(script, carelessWriter);
  const { output, after } = await cut(careless, [script, join(careless.path, 'c.sqlite')], 3000);
  using found = after;
  const db = new DatabaseSync(join(found.path, 'c.sqlite'));
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE name = 't'").all();
  const kept = tables.length === 0 ? 0 : Number(db.prepare('SELECT COUNT(*) AS n FROM t').get()!.n);
  db.close();
  const { claimed } = acknowledgedIn(output);
  assert(kept < claimed.size, 'a writer that does not sync loses something, or this test proves nothing');
  t.diagnostic(`campaign: without syncing ${claimed.size - kept} of ${claimed.size} are lost`);
  t.after(() => removeDirectory(folder));
});

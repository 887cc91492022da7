import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStore, type StoreOptions } from '../../../nodes/kernel/store/index.ts';
import { removeDirectory, spawnOwned, temporaryDirectory, waitUntil } from '../../support/processes.ts';
import { storesUnderTest } from '../../support/store.ts';
import { acknowledgedIn, lost } from './acknowledged.ts';

const writer = fileURLToPath(new URL('./writer.ts', import.meta.url));
const rounds = Number(process.env.FAULT_ROUNDS ?? 4);

/** Lets a writer work until it was told of `enough` keys, and kills it as hard as can be. */
async function killedWriter(options: StoreOptions, run: string, enough: number): Promise<string> {
  let output = '';
  let lines = 0;
  const child = spawnOwned(process.execPath, [writer, JSON.stringify(options), run]);
  child.onOutput((chunk) => {
    output += chunk;
    lines += chunk.split('\n').length - 1;
  });
  await waitUntil(`${enough} keys are acknowledged`, () => lines >= 2 * enough, 60_000, 1);
  child.signal('SIGKILL');
  await child.waitForExit();
  return output;
}

test('SQLite: kill -9 under load loses nothing that was acknowledged, and the file opens again', async (t) => {
  const folder = temporaryDirectory('crash');
  const options: StoreOptions = { engine: 'sqlite', file: join(folder, 'store.sqlite') };
  let output = '';
  for (let round = 0; round < rounds; round++) {
    const told = await killedWriter(options, `r${round}`, 100 + Math.floor(Math.random() * 1000));
    output += told;
    // What earlier rounds were told is looked at again at the end.
    const asked = round === rounds - 1 ? output : told;
    const store = openStore(options);
    const wrong = await lost(store, acknowledgedIn(asked)).finally(() => store.close());
    assert.deepEqual(wrong, []);
  }
  t.diagnostic(`campaign: ${rounds} kills, ${acknowledgedIn(output).claimed.size} acknowledged claims, 0 lost`);
  removeDirectory(folder);
});

const postgresql = storesUnderTest().find(({ name }) => name === 'postgresql')!;
test('PostgreSQL: kill -9 of a writer loses nothing that was acknowledged and blocks no other writer', {
  ...postgresql.options,
}, async (t) => {
  await using fixture = await postgresql.fresh();
  const { clockOffset: _, ...options } = fixture.options;
  let output = '';
  for (let round = 0; round < rounds; round++) {
    const told = await killedWriter(options, `r${round}`, 100 + Math.floor(Math.random() * 500));
    output += told;
    assert.deepEqual(await lost(fixture.store, acknowledgedIn(round === rounds - 1 ? output : told)), []);
  }
  t.diagnostic(`campaign: ${rounds} kills, ${acknowledgedIn(output).claimed.size} acknowledged claims, 0 lost`);
});

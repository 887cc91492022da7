/**
 * `kill -9` at each step between claim and completion. The test is the sender: it repeats a key until it has an answer,
 * and now and then also after. Every key must have had its effect exactly once, whenever its process died.
 *
 * A reduced draw; the whole campaign: HEALTHFLOWS_FAULT_KILLS=200
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { find } from '../../../nodes/idempotency/index.ts';
import { verifyAudit } from '../../../nodes/kernel/audit/index.ts';
import { openStore, type Store, type StoreOptions } from '../../../nodes/kernel/store/index.ts';
import {
  type OwnedProcess,
  removeDirectory,
  spawnOwned,
  temporaryDirectory,
  waitUntil,
} from '../../support/processes.ts';
import { storesUnderTest } from '../../support/store.ts';
import { effects } from './operations.ts';
import { type Point, points } from './points.ts';

const script = fileURLToPath(new URL('./child.ts', import.meta.url));
const kills = Number(process.env.HEALTHFLOWS_FAULT_KILLS ?? points.length);
const postgresql = storesUnderTest().find(({ name }) => name === 'postgresql')!;

/** What the sender knows. */
class Sender {
  readonly #options: StoreOptions;
  readonly #name: string;
  readonly sent = new Set<string>();
  readonly answered = new Set<string>();
  readonly worked = new Map<string, number>();
  #next = 0;

  constructor(options: StoreOptions, name: string) {
    this.#options = options;
    this.#name = name;
  }

  /** Sends what has no answer yet, new keys, and some again that have one. */
  send(fatal: Point, passes: number, fresh: number): OwnedProcess {
    for (let count = 0; count < fresh; count++) this.sent.add(`${this.#name}${this.#next++}`);
    const again = [...this.answered].slice(-2);
    const keys = [...[...this.sent].filter((key) => !this.answered.has(key)), ...again];
    const args = [script, 'work', JSON.stringify(this.#options), fatal, String(passes), keys.join(',')];
    const child = spawnOwned(process.execPath, args);
    let rest = '';
    child.onOutput((chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#hear(line);
    });
    return child;
  }

  #hear(line: string): void {
    const [kind, key] = line.split(' ');
    if (kind === 'done') this.worked.set(key!, (this.worked.get(key!) ?? 0) + 1);
    if (kind === 'done' || kind === 'duplicate') this.answered.add(key!);
  }
}

/**
 * Kills one process after the other, at each point in turn. One that ends by itself does not count: it was quicker than
 * its killer, or found that another process had done all of its keys, and then it gets ahead of that one.
 */
async function campaign(sender: Sender, rounds: number): Promise<void> {
  let fresh = 8;
  for (let killed = 0; killed < rounds; ) {
    const point = points[killed % points.length]!;
    const child = sender.send(point, Math.floor(Math.random() * 6), fresh);
    if (point === 'any') {
      const open = (): boolean => child.exit() !== undefined || child.output().includes('open');
      await waitUntil('the store is open', open, 60_000, 1);
      await sleep(Math.random() * 60);
      child.signal('SIGKILL');
    }
    const { code, signal } = await child.waitForExit();
    assert(signal === 'SIGKILL' || code === 0, `${point}: ${code} ${child.output()}`);
    if (signal === 'SIGKILL') killed++;
    fresh = signal === 'SIGKILL' ? 8 : 32;
  }
}

/** Nobody is killed any more; processes that finish at the same time have these keys in common. */
async function finish(sender: Sender): Promise<void> {
  for (let index = 0; index < 24; index++) sender.sent.add(`last${index}`);
  const child = sender.send('none', 0, 1);
  assert.equal((await child.waitForExit()).code, 0, child.output());
}

/** Never lost, never doubled. */
async function assertOnce(store: Store, sender: Sender): Promise<void> {
  const counts = new Map((await store.run(effects, undefined)).map(({ key, count }) => [key, Number(count)]));
  for (const key of sender.sent) {
    assert.equal(counts.get(key), 1, `effects of ${key}`);
    assert(sender.answered.has(key), `${key} has an answer`);
    assert((sender.worked.get(key) ?? 0) <= 1, `${key} was worked on once`);
    assert.equal((await store.run(find, { scope: 'faults', key }))?.state, 'completed');
  }
  assert.equal((await verifyAudit(store)).kind, 'intact');
}

test('SQLite: killed at each step between claim and completion, nothing is lost and nothing is done twice', async (t) => {
  const folder = temporaryDirectory('claims');
  const options: StoreOptions = { engine: 'sqlite', file: join(folder, 'store.sqlite') };
  const sender = new Sender(options, 'a');
  await campaign(sender, kills);
  await finish(sender);
  const store = openStore(options);
  await assertOnce(store, sender);
  await store.close();
  t.diagnostic(`campaign: ${kills} kills, ${sender.sent.size} keys, each done once`);
  removeDirectory(folder);
});

test('PostgreSQL: two processes with the same messages, both killed at each step, and nothing is lost or done twice', {
  ...postgresql.options,
}, async (t) => {
  await using fixture = await postgresql.fresh();
  const { clockOffset: _, ...options } = fixture.options;
  const [one, other] = [new Sender(options, 'a'), new Sender(options, 'a')];
  await Promise.all([campaign(one, Math.ceil(kills / 2)), campaign(other, Math.floor(kills / 2))]);
  await Promise.all([finish(one), finish(other)]);
  await assertOnce(fixture.store, one);
  await assertOnce(fixture.store, other);
  for (const [key, times] of one.worked) {
    assert(times + (other.worked.get(key) ?? 0) <= 1, `${key} was worked on by one process only`);
  }
  t.diagnostic(`campaign: ${kills} kills, ${new Set([...one.sent, ...other.sent]).size} keys, each done once`);
});

test('PostgreSQL: of 64 posts of one key at once to two processes exactly one is new', {
  ...postgresql.options,
}, async () => {
  await using fixture = await postgresql.fresh();
  const { clockOffset: _, ...options } = fixture.options;
  for (const key of ['first', 'second', 'third']) {
    const children = [1, 2].map(() =>
      spawnOwned(process.execPath, [script, 'post', JSON.stringify(options), key, '32']),
    );
    await Promise.all(children.map((child) => waitUntil('it is ready', () => child.output().includes('ready'))));
    for (const child of children) child.signal('SIGUSR2');
    for (const child of children) assert.equal((await child.waitForExit()).code, 0, child.output());
    const kinds = children.flatMap((child) =>
      [...child.output().matchAll(/^verdict (\S+)$/gm)].map(([, kind]) => kind),
    );
    assert.deepEqual(kinds.toSorted(), [...Array.from({ length: 63 }, () => 'in-progress'), 'new']);
  }
});

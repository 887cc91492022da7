/** Letters of one cause, edited and replayed, while the process is killed. `HEALTHFLOWS_LETTERS` sets how many. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { editLimit, startEditedReplay } from '../../../nodes/settlement/letters/act.ts';
import { collectLetter } from '../../../nodes/settlement/letters/collect.ts';
import { letterTotals } from '../../../nodes/settlement/letters/groups.ts';
import { letterOf } from '../../../nodes/settlement/letters/letter.ts';
import { listJobs } from '../../../nodes/settlement/letters/replay.ts';
import { until } from '../../amqp/engines.ts';
import { type OwnedProcess, removeDirectory, spawnOwned, temporaryDirectory } from '../../support/processes.ts';

const count = Number(process.env.HEALTHFLOWS_LETTERS ?? 400);
const kills = 3;
const queue = 'replay.orders';
const script = new URL('./replay.ts', import.meta.url).pathname;
const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const original = (n: number) => JSON.stringify({ order: n, unit: 'bx' });
const edited = (n: number) => JSON.stringify({ order: n, unit: 'box' });

/** As `amqp-consume` and `settle` leave it in the dead letters. */
function letter(n: number) {
  const at = new Date(1_790_000_000_000 + n).toISOString();
  const headers = {
    'x-failure-class': 'data-quality',
    'x-failure-code': 'UNKNOWN_UNIT',
    'x-failure-message': `Unit "bx" of order ${n} is not known.`,
    'x-failure-at': at,
    'x-first-failed-at': at,
    'x-attempt': 1,
    'x-origin-queue': queue,
    'x-origin-exchange': '',
    'x-origin-routing-key': queue,
  };
  return letterOf(
    {
      handle: 'h',
      queue: `${queue}.dead`,
      exchange: '',
      routingKey: `${queue}.dead`,
      attempt: 1,
      redelivered: false,
      body: Buffer.from(original(n)),
      properties: { messageId: `m${n}`, contentType: 'application/json', timestamp: 1, headers },
    },
    'replay',
  );
}

test(`${count} letters of one cause, edited and replayed, the process killed ${kills} times: each has its edited effect once`, async (t) => {
  const folder = temporaryDirectory('replay');
  t.after(() => removeDirectory(folder));
  const file = join(folder, 'store.sqlite');
  const store = openStore({ engine: 'sqlite', file });
  const letters = Array.from({ length: count }, (_, n) => ({ ...letter(n), queue }));
  await Promise.all(letters.map((each) => store.run(collectLetter, each)));
  assert.deepEqual(await store.run(letterTotals, { queue }), { waiting: count, unresolved: count, groups: 1 });
  for (let from = 0; from < count; from += editLimit) {
    const edits = letters.slice(from, from + editLimit).map(({ id }, i) => ({
      id,
      body: Buffer.from(edited(from + i)),
      bodyKey: null,
      contentType: 'application/json',
      originalHash: hash(original(from + i)),
      editedHash: hash(edited(from + i)),
    }));
    const act = { token: `t${from}`, actor: 'ward.operator', reason: 'the unit is called box' };
    await store.run(startEditedReplay, { ...act, jobId: `j${from}`, rate: 1_000, change: 'set /unit', edits });
  }
  await store.close();

  const effects: string[] = [];
  const launch = (): OwnedProcess => {
    const child = spawnOwned(process.execPath, [script, file, queue]);
    child.onOutput((chunk) => effects.push(...chunk.split('\n').filter((line) => line.startsWith('effect '))));
    return child;
  };
  for (let kill = 1; kill <= kills; kill++) {
    const child = launch();
    const enough = (count * kill) / (kills + 1);
    await until('some are done', () => effects.length >= enough, 600_000);
    child.signal('SIGKILL');
    await child.waitForExit();
  }
  const child = launch();
  // What the killed ones had taken to send is theirs for half a minute.
  await until('no letter is left', () => child.output().includes('nothing left'), 600_000);
  child.signal('SIGKILL');
  await child.waitForExit();

  const after = openStore({ engine: 'sqlite', file });
  t.after(() => after.close());
  assert.deepEqual(await after.run(letterTotals, { queue }), { waiting: 0, unresolved: 0, groups: 0 });
  const jobs = await after.run(listJobs, { limit: 1_000 });
  assert.deepEqual(
    jobs.map(({ state, waiting, sent }) => ({ state, waiting, sent })),
    jobs.map(() => ({ state: 'done', waiting: 0, sent: 0 })),
  );
  assert.equal(
    jobs.reduce((sum, { resolved }) => sum + resolved, 0),
    count,
  );
  // A kill between an effect and its line leaves the effect unsaid; none may be said twice, and none of the old document.
  assert.equal(new Set(effects).size, effects.length, 'an effect was doubled');
  for (const line of effects) {
    const [, id, body] = line.split(' ');
    assert.equal(body, edited(Number(id!.slice(1))));
  }
  t.diagnostic(
    `campaign: ${count} letters in ${jobs.length} edited replays, ${kills} kills: ${count} resolved, ${effects.length} effects said, 0 doubled, 0 left`,
  );
});

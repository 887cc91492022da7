/** Letters of one cause, edited and replayed, while the process is killed. `HEALTHFLOWS_LETTERS` sets how many. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { startEditedReplay } from '../../../nodes/settlement/letters/act.ts';
import { sealChange } from '../../../nodes/settlement/letters/change.ts';
import { payloadCipher } from '../../../nodes/settlement/letters/cipher.ts';
import { collectLetter } from '../../../nodes/settlement/letters/collect.ts';
import { letterTotals } from '../../../nodes/settlement/letters/groups.ts';
import { letterOf } from '../../../nodes/settlement/letters/letter.ts';
import { listJobs } from '../../../nodes/settlement/letters/replay.ts';
import { amqpUrl, deleteFromBroker, uniquePrefix, until } from '../../amqp/engines.ts';
import { type OwnedProcess, removeDirectory, spawnOwned, temporaryDirectory } from '../../support/processes.ts';

const count = Number(process.env.HEALTHFLOWS_LETTERS ?? 400);
const kills = 3;
const script = new URL('./replay.ts', import.meta.url).pathname;
const original = (n: number) => JSON.stringify({ order: n, unit: 'bx' });
const edited = (n: number) => JSON.stringify({ order: n, unit: 'box' });

/** As `amqp-consume` and `settle` leave it in the dead letters. */
function letter(n: number, queue: string) {
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

const engines = [
  { title: 'embedded', url: undefined, skip: false },
  { title: 'RabbitMQ', url: amqpUrl, skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false },
];

for (const { title, url, skip } of engines) {
  test(`${title}: ${count} letters of one cause, edited and replayed in one act, the process killed ${kills} times: each has its edited effect once`, {
    skip,
  }, async (t) => {
    const queue = `${uniquePrefix()}.orders`;
    const folder = temporaryDirectory('replay');
    t.after(async () => {
      removeDirectory(folder);
      if (url !== undefined)
        await deleteFromBroker(
          url,
          ['', '.dead', '.retry.200ms', '.retry.1s'].map((end) => queue + end),
          [],
        );
    });
    const file = join(folder, 'store.sqlite');
    const store = openStore({ engine: 'sqlite', file });
    const letters = Array.from({ length: count }, (_, n) => ({ ...letter(n, queue), queue }));
    await Promise.all(letters.map((each) => store.run(collectLetter, each)));
    assert.deepEqual(await store.run(letterTotals, { queue }), { waiting: count, unresolved: count, groups: 1 });
    const act = { token: 'one act', actor: 'ward.operator', reason: 'the unit is called box' };
    const sealed = sealChange(payloadCipher(), 'job', { pointer: '/unit', to: 'box' });
    const ids = letters.map(({ id }) => id);
    const request = { ...act, jobId: 'job', rate: 1_000, change: 'set /unit', sealed, filter: { queue }, ids };
    assert.deepEqual(await store.run(startEditedReplay, request), { jobId: 'job', count });
    await store.close();

    const effects: string[] = [];
    const launch = (): OwnedProcess => {
      const child = spawnOwned(process.execPath, [script, file, queue, ...(url === undefined ? [] : [url])]);
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
    const [job, ...others] = await after.run(listJobs, { limit: 10 });
    assert.deepEqual([job?.state, job?.waiting, job?.sent, job?.resolved, others], ['done', 0, 0, count, []]);
    // A kill between an effect and its line leaves the effect unsaid; none may be said twice, and none of the old document.
    assert.equal(new Set(effects).size, effects.length, 'an effect was doubled');
    for (const line of effects) {
      const [, id, body] = line.split(' ');
      assert.equal(body, edited(Number(id!.slice(1))));
    }
    t.diagnostic(
      `campaign: ${title}: ${count} letters in one edited replay, ${kills} kills: ${count} resolved, ${effects.length} effects said, 0 doubled, 0 left`,
    );
  });
}

/** A large backlog and a slow consumer, each engine in a process of its own. `HEALTHFLOWS_BACKLOG` sets its size. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { amqpUrl, deleteFromBroker, uniquePrefix } from '../../amqp/engines.ts';
import { removeDirectory, spawnOwned, temporaryDirectory } from '../../support/processes.ts';

const messages = Number(process.env.HEALTHFLOWS_BACKLOG ?? 3_000);
const script = new URL('./backlog.ts', import.meta.url).pathname;

interface Report {
  published: number;
  consumed: number;
  repeated: number;
  disordered: number;
  ready: number;
  /** MiB resident. */
  before: number;
  afterPublishing: number;
  peak: number;
}

describe(`A backlog of ${messages} messages`, () => {
  for (const engine of ['embedded', 'RabbitMQ'] as const) {
    test(`${engine}: memory stays bounded, the order of each key is kept, a redeploy in the middle loses nothing`, {
      skip: engine === 'RabbitMQ' && amqpUrl === undefined ? 'AMQP_URL is not set' : false,
    }, async (t) => {
      const folder = temporaryDirectory('backlog');
      const name = `${uniquePrefix()}.q`;
      const where = engine === 'embedded' ? `sqlite:${join(folder, 'store.sqlite')}` : amqpUrl!;
      const child = spawnOwned(process.execPath, [script, where, name, String(messages)]);
      const exit = await child.waitForExit(3_600_000);
      assert.equal(exit.code, 0, child.output().slice(-2_000));
      const report = JSON.parse(child.output().trim().split('\n').at(-1)!) as Report;
      const { published, consumed, disordered, ready } = report;
      assert.deepEqual(
        { published, consumed, disordered, ready },
        { published: messages, consumed: messages, disordered: 0, ready: 0 },
      );
      assert.ok(report.peak < 400, `${report.peak} MiB`);
      t.diagnostic(
        `campaign: ${engine}, ${messages} messages of 1 kB: ${report.before} MiB at the start, ${report.afterPublishing} after publishing, ${report.peak} at most; ${report.repeated} delivered again after the deploy, order of each key kept`,
      );
      removeDirectory(folder);
      if (engine === 'RabbitMQ') {
        const names = ['', '.dead', '.retry.200ms', '.retry.1s'].map((suffix) => `${name}${suffix}`);
        await deleteFromBroker(amqpUrl!, names, []);
      }
    });
  }
});

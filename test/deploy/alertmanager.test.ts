/** The example of an Alertmanager: what it sends, with a real one, when several alerts of one cause fire. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { packageRoot } from '../support/node-red.ts';
import {
  freePort,
  type OwnedProcess,
  removeDirectory,
  spawnOwned,
  temporaryDirectory,
  waitUntil,
} from '../support/processes.ts';
import { findAlertmanager } from '../support/services.ts';

const run = promisify(execFile);
const example = join(packageRoot, 'deploy/prometheus/alertmanager.example.yml');
const rules = readFileSync(join(packageRoot, 'deploy/prometheus/healthflows.rules.yml'), 'utf8');
const alerts = [...rules.matchAll(/^ {6}- alert: (\w+)$/gm)].map((match) => match[1]!);

test('amtool takes it, and each alert goes to the operators', async () => {
  const { amtool } = await findAlertmanager();
  await run(amtool, ['check-config', example]);
  for (const alert of alerts) {
    const { stdout } = await run(amtool, [
      'config',
      'routes',
      'test',
      `--config.file=${example}`,
      `alertname=${alert}`,
      'job=healthflows',
    ]);
    assert.equal(stdout.trim(), 'operations', alert);
  }
});

test('it speaks of alerts that exist', () => {
  const named = readFileSync(example, 'utf8').match(/Healthflows\w+/g) ?? [];
  assert.ok(named.length > 10);
  for (const name of new Set(named)) assert.ok(alerts.includes(name), name);
});

describe('one cause is one notification', () => {
  const folder = temporaryDirectory('alertmanager');
  const told: string[] = [];
  let receiver: Server;
  let child: OwnedProcess;
  let url: string;

  before(async () => {
    receiver = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { alerts: sent } = JSON.parse(Buffer.concat(parts).toString()) as {
          alerts: { status: string; labels: Record<string, string> }[];
        };
        told.push(...sent.map(({ status, labels }) => `${status} ${labels.job} ${labels.alertname}`));
        response.end();
      });
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const file = join(folder, 'alertmanager.yml');
    writeFileSync(
      file,
      readFileSync(example, 'utf8')
        .replace('http://127.0.0.1:8080/alerts', `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`)
        .replace('group_wait: 30s', 'group_wait: 1s')
        .replace('group_interval: 5m', 'group_interval: 1s'),
    );
    const { alertmanager } = await findAlertmanager();
    child = spawnOwned(
      alertmanager,
      [
        `--config.file=${file}`,
        `--storage.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--cluster.listen-address=',
      ],
      { cwd: folder },
    );
    await waitUntil('Alertmanager answers', () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  });
  after(async () => {
    await child?.stop();
    receiver?.close();
    removeDirectory(folder);
  });

  /** Fires alerts together, and returns what was told of them once a later one of another job has been told. */
  async function toldOf(job: string, ...names: string[]): Promise<string[]> {
    const fire = async (labels: Record<string, string>[]) => {
      const response = await fetch(`${url}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(labels.map((each) => ({ labels: each, startsAt: new Date().toISOString() }))),
      });
      assert.equal(response.status, 200, await response.text());
    };
    await fire(names.map((alertname) => ({ alertname, job })));
    // Each group waits a second; what was sent later and came shows that the others have had their turn.
    await sleep(1_500);
    await fire([{ alertname: 'HealthflowsDown', job: `${job}-later` }]);
    await waitUntil('the later one is told', () => told.includes(`firing ${job}-later HealthflowsDown`));
    return told.filter((line) => line.startsWith(`firing ${job} `)).map((line) => line.split(' ')[2]!);
  }

  test('overload: the retries are told, with their class, not the backlog and the budget that follow', async () => {
    assert.deepEqual(
      await toldOf('overload', 'HealthflowsRetriesHigh', 'HealthflowsBacklogGrowing', 'HealthflowsRetryBudgetSpent'),
      ['HealthflowsRetriesHigh'],
    );
  });

  test('a system is down: that alone is told', async () => {
    assert.deepEqual(
      await toldOf(
        'outage',
        'HealthflowsDependencyDown',
        'HealthflowsRetriesHigh',
        'HealthflowsBacklogGrowing',
        'HealthflowsRetryBudgetSpent',
        'HealthflowsLatencyHigh',
      ),
      ['HealthflowsDependencyDown'],
    );
  });

  test('the store is down: that alone is told', async () => {
    assert.deepEqual(
      await toldOf('store', 'HealthflowsStoreDown', 'HealthflowsWebhookRefusals', 'HealthflowsRecordLost'),
      ['HealthflowsStoreDown'],
    );
  });

  test('dead letters and a broken trail are told beside an outage: they need somebody else', async () => {
    assert.deepEqual(
      (
        await toldOf('both', 'HealthflowsDependencyDown', 'HealthflowsDeadLetters', 'HealthflowsAuditBroken')
      ).toSorted(),
      ['HealthflowsAuditBroken', 'HealthflowsDeadLetters', 'HealthflowsDependencyDown'],
    );
  });

  test('an outage in production does not silence what happens in another job', async () => {
    assert.deepEqual(await toldOf('elsewhere', 'HealthflowsBacklogGrowing'), ['HealthflowsBacklogGrowing']);
  });
});

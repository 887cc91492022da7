/** Node-RED is killed while requests are taken over: whoever is asked is told, perhaps twice. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type FlowNode, startNodeRed } from '../support/node-red.ts';
import { temporaryDirectory, waitUntil } from '../support/processes.ts';

const rounds = 4;
/** Requests sent at once before each kill. */
const burst = 8;

const told = join(temporaryDirectory('notices'), 'told.txt');

const flows: FlowNode[] = [
  { id: 'tab', type: 'tab', label: 'Notices' },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'notices.sqlite', configVersion: 1 },
  // It answers first, so that the kill comes while the request is being stored or told.
  { id: 'in', z: 'tab', type: 'http in', url: '/ask', method: 'post', wires: [['answer', 'event']] },
  { id: 'answer', z: 'tab', type: 'http response', statusCode: '202', wires: [] },
  {
    id: 'event',
    z: 'tab',
    type: 'change',
    rules: [
      { t: 'delete', p: 'res', pt: 'msg' },
      { t: 'set', p: 'event', pt: 'msg', to: '{"source":"/acme","type":"order.placed"}', tot: 'json' },
      { t: 'set', p: 'event.id', pt: 'msg', to: 'payload.order', tot: 'msg' },
    ],
    wires: [['approval']],
  },
  {
    id: 'approval',
    z: 'tab',
    type: 'approval',
    store: 'store',
    process: 'purchases',
    rules: [{ name: 'rest', upTo: '', currency: '', category: '', costCentre: '', approvers: 'anna' }],
    subject: 'payload.order',
    configVersion: 1,
    wires: [[], [], [], [], ['mail']],
  },
  // It takes its time, as a mail server does; what it holds when the process dies is told again.
  {
    id: 'mail',
    z: 'tab',
    type: 'delay',
    pauseType: 'delay',
    timeout: '50',
    timeoutUnits: 'milliseconds',
    wires: [['line']],
  },
  {
    id: 'line',
    z: 'tab',
    type: 'change',
    rules: [{ t: 'set', p: 'payload', pt: 'msg', to: 'approval.id', tot: 'msg' }],
    wires: [['told']],
  },
  { id: 'told', z: 'tab', type: 'file', filename: told, appendNewline: true, overwriteFile: 'false', wires: [[]] },
];

test(`every request that survives ${rounds} kills is told`, async (context) => {
  const red = await startNodeRed({ flows, settings: { healthflows: { allowUnauthenticatedOperations: true } } });
  context.after(() => red.stop());
  const waiting = async (): Promise<string[]> => {
    const answer = await red.admin('/healthflows/console/api/approvals/list?list=mine&as=anna');
    return ((await answer.json()) as { requests: { id: string }[] }).requests.map(({ id }) => id);
  };
  let known = 0;
  for (let round = 0; round < rounds; round++) {
    const answers = Array.from({ length: burst }, (_, i) =>
      fetch(`${red.url}/ask`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ order: `PO-${round}-${i}`, amount: '10.00', currency: 'EUR', requester: 'rita' }),
      }).catch(() => undefined),
    );
    await Promise.any(answers);
    // Anything from nothing stored to all told but the mail.
    if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, round * 15));
    else await waitUntil('one more is stored', async () => (await waiting()).length > known, 30_000, 1);
    await red.kill();
    await Promise.all(answers);
    await red.restart();
    known = (await waiting()).length;
  }
  const asked = await waiting();
  assert.ok(asked.length > 0, 'some were stored');
  const lines = () => new Set(existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);
  const before = asked.filter((id) => !lines().has(id)).length;
  await waitUntil(
    'every request is told',
    () => (asked.every((id) => lines().has(id)) ? true : undefined),
    90_000,
    500,
  );
  context.diagnostic(`${asked.length} requests, ${before} of them told only after a restart`);
});

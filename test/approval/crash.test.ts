/** Node-RED is killed while requests wait and while decided messages are on their way: each goes on, with one effect. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { listRequests } from '../../nodes/approval/store/inspect.ts';
import { listAudit, verifyAudit } from '../../nodes/kernel/audit/index.ts';
import { openStore } from '../../nodes/kernel/store/index.ts';
import { type FlowNode, startNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

const requests = 30;
const kills = 3;

const flows: FlowNode[] = [
  { id: 'tab', type: 'tab', label: 'Crash' },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'crash.sqlite', configVersion: 1 },
  { id: 'amqp', type: 'amqp-connection', engine: 'embedded', namespace: 'crash', store: 'store', configVersion: 1 },
  { id: 'in', z: 'tab', type: 'http in', url: '/ask', method: 'post', wires: [['event']] },
  {
    id: 'event',
    z: 'tab',
    type: 'change',
    rules: [
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
    wires: [['gate'], [], [], [], ['answer']],
  },
  { id: 'answer', z: 'tab', type: 'http response', wires: [] },
  {
    id: 'gate',
    z: 'tab',
    type: 'idempotency-gate',
    store: 'store',
    scope: 'approved',
    lease: 2,
    renew: 0,
    configVersion: 1,
    wires: [['slow'], ['settle'], ['settle'], ['settle']],
  },
  // Messages are in the flow when the process dies.
  {
    id: 'slow',
    z: 'tab',
    type: 'delay',
    pauseType: 'delay',
    timeout: '300',
    timeoutUnits: 'milliseconds',
    wires: [['settle']],
  },
  { id: 'settle', z: 'tab', type: 'settle', configVersion: 1, wires: [[]] },
];

test(`${requests} requests survive ${kills} kills, and each decided message ends once`, async () => {
  const red = await startNodeRed({ flows, settings: { healthflows: { allowUnauthenticatedOperations: true } } });
  const body = (order: string) => JSON.stringify({ order, amount: '10.00', currency: 'EUR', requester: 'rita' });
  const post = (path: string, text: string) =>
    fetch(`${red.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text });
  for (let i = 0; i < requests; i++) assert.equal((await post('/ask', body(`PO-${i}`))).status, 202);
  await red.kill();
  await red.restart();
  // Whoever lost the answer asks again.
  assert.equal((await post('/ask', body('PO-0'))).status, 202);
  const list = await red.admin('/healthflows/console/api/approvals/list?list=mine&as=anna');
  const waiting = ((await list.json()) as { requests: { id: string }[] }).requests;
  assert.equal(waiting.length, requests);
  for (const [i, { id }] of waiting.entries()) {
    const vote = JSON.stringify({
      token: `press-number-${i}-of-the-test`,
      reason: 'agreed',
      as: 'anna',
      verdict: 'approve',
      revision: 1,
    });
    const voted = await post(`/healthflows/console/api/approvals/requests/${id}/vote`, vote);
    assert.equal(voted.status, 200, await voted.text());
    if ((i + 1) % Math.ceil(requests / (kills - 1)) === 0) {
      await red.kill();
      await red.restart();
    }
  }
  const openOnes = async (): Promise<number> => {
    const closed = await red.admin('/healthflows/metrics');
    assert.equal(closed.status, 200);
    const answer = await red.admin('/healthflows/console/api/audit?action=approval.resumed');
    return ((await answer.json()) as { records: unknown[] }).records.length;
  };
  await waitUntil(
    'every message has gone on',
    async () => ((await openOnes()) >= requests ? true : undefined),
    120_000,
    500,
  );
  await red.stop();
  const store = openStore({ engine: 'sqlite', file: join(red.userDir, 'crash.sqlite') });
  try {
    const closed = await store.run(listRequests, { list: 'closed', person: 'x', limit: 100 });
    assert.deepEqual(
      closed.requests.map(({ state, outcome }) => `${state} ${outcome}`),
      Array(requests).fill('resumed approved'),
    );
    const { records } = await store.run(listAudit, { limit: 1000 });
    for (const action of ['approval.requested', 'approval.approved', 'approval.resumed']) {
      assert.equal(records.filter((record) => record.action === action).length, requests, action);
    }
    assert.equal((await verifyAudit(store)).kind, 'intact');
  } finally {
    await store.close();
  }
});

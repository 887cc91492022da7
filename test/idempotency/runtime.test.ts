import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';

let nodeRed: EmbeddedNodeRed;
before(async () => {
  nodeRed = await embedNodeRed();
});
after(() => nodeRed.stop());

const outputs = ['new', 'duplicate', 'busy', 'mismatch'];

function gateFlow(over: Record<string, unknown> = {}): FlowNode[] {
  return [
    { id: 'tab', type: 'tab' },
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'runtime.sqlite' },
    {
      id: 'gate',
      type: 'idempotency-gate',
      z: 'tab',
      store: 'store',
      keySource: 'msg',
      keyProperty: 'payload.id',
      scope: 'runtime',
      ...over,
      wires: outputs.map((output) => [output]),
    },
    { id: 'caught', type: 'junction', z: 'tab', wires: [[]] },
    { id: 'catch', type: 'catch', z: 'tab', scope: null, uncaught: false, wires: [['caught']] },
    ...outputs.map((id) => ({ id, type: 'junction', z: 'tab', wires: [[]] })),
  ] as FlowNode[];
}

async function pass(message: Record<string, unknown>, output: string): Promise<FlowMessage> {
  const received = nodeRed.receive(output);
  nodeRed.node('gate').receive(message);
  return (await received)[0] as FlowMessage;
}

test('a message leaves by the output of its verdict, and a redeploy does not forget it', async () => {
  await nodeRed.setFlows(gateFlow());
  const first = await pass({ payload: { id: 'A', n: 1 } }, 'new');
  assert.equal(first.idempotency?.store, 'store');
  assert.equal(first.idempotency?.scope, 'runtime');
  assert.equal(first.idempotency?.key, 'A');
  assert(Number.isSafeInteger(first.idempotency?.token));

  const busy = await pass({ payload: { id: 'A', n: 1 } }, 'busy');
  assert.equal(busy.failure?.code, 'IDEMPOTENCY_IN_PROGRESS');
  assert.equal(busy.idempotency, undefined);
  assert.equal((await pass({ payload: { id: 'A', n: 2 } }, 'mismatch')).failure?.class, 'data-quality');

  await nodeRed.setFlows(gateFlow({ lease: 30 }));
  assert.equal((await pass({ payload: { id: 'A', n: 1 } }, 'busy')).failure?.retryable, true);
});

test('a message without a key goes to Catch with a failure', async () => {
  await nodeRed.setFlows(gateFlow());
  const caught = await pass({ payload: {} }, 'caught');
  assert.equal(caught.failure?.code, 'IDEMPOTENCY_KEY_MISSING');
  assert.equal(caught.failure?.class, 'data-quality');
});

test('a JSONata key works, and one that does not compile is told when the flow starts', async () => {
  await nodeRed.setFlows(gateFlow({ keySource: 'jsonata', keyExpression: 'payload.supplier & "/" & payload.id' }));
  const message = await pass({ payload: { supplier: 'ACME', id: 'J' } }, 'new');
  assert.equal(message.idempotency?.key, 'ACME/J');
  await nodeRed.setFlows(gateFlow({ keySource: 'jsonata', keyExpression: 'payload.(' }));
  const caught = await pass({ payload: {} }, 'caught');
  assert.equal(caught.failure?.code, 'IDEMPOTENCY_EXPRESSION');
  assert.equal(caught.failure?.class, 'configuration');
});

test('without a store nothing passes', async () => {
  await nodeRed.setFlows(gateFlow({ store: '' }));
  assert.equal((await pass({ payload: { id: 'A' } }, 'caught')).failure?.code, 'NO_CONFIG_NODE');
});

test('Test works with values that are not deployed, and gives a saved password to no other server', async () => {
  const store = {
    id: 'pg',
    type: 'integration-store',
    engine: 'postgresql',
    url: 'postgres://127.0.0.1:1/hf',
    credentials: { user: 'u', password: 'secret-password' },
  };
  await nodeRed.setFlows([...gateFlow(), store]);
  const ask = async (form: Record<string, unknown>) => {
    const response = await fetch(`${nodeRed.url}/healthflows/integration-store/test`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(form),
    });
    return { status: response.status, text: await response.text() };
  };
  assert.match((await ask({ engine: 'sqlite', file: 'runtime.sqlite' })).text, /"at-work".*SQLite/);
  assert.match((await ask({ engine: 'sqlite', file: '/etc/hostname' })).text, /STORE_FILE_ELSEWHERE/);
  assert.match((await ask({ engine: 'sqlite', file: '../runtime.sqlite' })).text, /STORE_FILE_ELSEWHERE/);
  assert.match((await ask({ engine: 'sqlite', file: 'other.sqlite' })).text, /"absent"/);
  const elsewhere = await ask({
    id: 'pg',
    engine: 'postgresql',
    url: 'postgres://127.0.0.1:2/hf',
    password: '__PWRD__',
  });
  assert.match(elsewhere.text, /SECRET_NOT_SENT/);
  const refused = await ask({ engine: 'postgresql', url: 'mysql://u:secret-password@h/db' });
  assert.match(refused.text, /STORE_URL_INVALID/);
  assert(!refused.text.includes('secret-password'));
  assert.match(await (await fetch(`${nodeRed.url}/healthflows/integration-store/auto`)).text(), /sqlite/);
});

test('a deployed SQLite store is backed up from its dialog', async () => {
  await nodeRed.setFlows(gateFlow());
  const ask = async (id: string) => {
    const response = await fetch(`${nodeRed.url}/healthflows/integration-store/backup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id }),
    });
    return { status: response.status, text: await response.text() };
  };
  const made = await ask('store');
  assert.equal(made.status, 200, made.text);
  const { file, size } = JSON.parse(made.text) as { file: string; size: number };
  assert.equal(statSync(file).size, size);
  assert.match((await ask('unknown')).text, /STORE_NOT_DEPLOYED/);
});

test('the example deploys as it is and tells a duplicate from a mismatch', async () => {
  const file = join(packageRoot, 'examples/02 Idempotency/01 - idempotency gate.json');
  await nodeRed.setFlows(JSON.parse(readFileSync(file, 'utf8')) as FlowNode[]);
  const press = async (inject: string, output: string) => {
    const received = nodeRed.receive(output);
    nodeRed.node(inject).receive({});
    return (await received)[0] as FlowMessage;
  };
  assert.equal((await press('hf02inject000001', 'hf02debug0000001')).failure, undefined);
  assert.notEqual((await press('hf02inject000001', 'hf02debug0000002')).duplicate, undefined);
  assert.equal((await press('hf02inject000002', 'hf02debug0000004')).failure?.code, 'IDEMPOTENCY_MISMATCH');
  await press('hf02inject000003', 'hf02debug0000001');
  assert.equal((await press('hf02inject000003', 'hf02debug0000003')).failure?.class, 'conflict');
});

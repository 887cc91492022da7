/** A kept document as a sample: opened to a person with a name and a reason, and said in the audit trail. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed } from '../support/node-red.ts';
import { supplierOrder } from './order.ts';

let red: EmbeddedNodeRed;
before(async () => {
  const known = (name: string) =>
    Promise.resolve(name === 'ann' ? { username: 'ann', permissions: ['healthflows.administer'] } : null);
  red = await embedNodeRed({
    settings: {
      adminAuth: { type: 'credentials', users: known, tokens: (bearer: string) => known(bearer) },
    } as never,
  });
  await red.setFlows([
    { id: 'f1', type: 'tab', label: 'mapping' },
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'opening.sqlite', configVersion: 1 },
    { id: 'settle', z: 'f1', type: 'settle', store: 'store', configVersion: 1, wires: [[]] },
    {
      id: 'm',
      type: 'canonical-mapper',
      z: 'f1',
      mode: 'to-canonical',
      mapping: 'supplier-order-json-to-order',
      keep: 5,
      wires: [['out']],
    },
    { id: 'out', type: 'debug', active: false, z: 'f1', wires: [] },
  ]);
});
after(() => red?.stop());

const ask = async (path: string, body?: object) => {
  const response = await fetch(`${red.url}/healthflows/${path}`, {
    headers: { authorization: 'Bearer ann', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, never> };
};

test('a kept document is opened with a reason, which the audit trail has', async () => {
  const arrived = red.receive('out');
  red.node('m').receive({
    payload: JSON.stringify(supplierOrder),
    event: { specversion: '1.0', id: 'e-1', source: 's', type: 't' },
  });
  await arrived;
  const open = (reason: string) => ask('canonical-mapper/open', { node: 'm', key: '1', reason });
  assert.equal((await open(' ')).status, 422);
  const { status, body } = await open('sample for the new unit');
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(body.sample!), supplierOrder);
  const { body: audit } = await ask('console/api/audit');
  const entries = Object.values(audit).find((value) => Array.isArray(value)) as unknown as Record<string, unknown>[];
  const found = entries.filter(({ action }) => action === 'message.revealed');
  assert.equal(found.length, 1);
  assert.deepEqual(
    [found[0]!.actor, found[0]!.reason, found[0]!.subject, found[0]!.node],
    ['ann', 'sample for the new unit', 'e-1', 'm'],
  );
});

test('the console explains the values of a message whose document is kept, and masks what is confidential', async () => {
  const life = async () =>
    (await ask('console/api/messages/e-1')).body as never as {
      hops?: { stage: string; mapping: { values?: { target: string; result?: unknown; source: string }[] } | null }[];
    };
  let hops = (await life()).hops;
  // The journal writes a quarter of a second later.
  for (let i = 0; i < 200 && hops === undefined; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    hops = (await life()).hops;
  }
  const values = hops?.find(({ stage }) => stage === 'canonical-mapper')?.mapping?.values ?? [];
  const at = (target: string) => values.find((value) => value.target === target);
  assert.equal(at('number')?.result, 'PO-1001');
  assert.equal(at('number')?.source, 'orderNumber');
  assert.equal(at('lines[0].unitPrice.amount')?.result, '***');
});

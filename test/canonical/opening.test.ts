/** A kept document as a sample: opened to a person with a name and a reason, and said in the audit trail. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed } from '../support/node-red.ts';
import type { Reversed } from '../../nodes/canonical/mapping/reverse.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
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

test('the way back of a mapping is derived with the rows that have none, and is a mapping that runs', async () => {
  const shipped = new MappingLibrary().source('supplier-order-json-to-order');
  const rows = [...shipped.rows.filter(({ to }) => to !== 'note'), { jsonata: '$uppercase(note)', to: 'note' }];
  const { status, body } = await ask('canonical-mapper/reverse', { mapping: JSON.stringify({ ...shipped, rows }) });
  assert.equal(status, 200);
  const { mapping, left, coverage } = body as unknown as Reversed;
  assert.deepEqual(
    left.map(({ to, reason }) => [to, reason]),
    [
      ['issueDate', 'is marked as forward only'],
      ['lines[].unitPrice.currency', 'has a condition'],
      ['note', 'is a JSONata expression'],
    ],
  );
  assert.equal(Math.floor(coverage * 100), 89);
  const library = new MappingLibrary();
  const order = library.get('supplier-order-json-to-order').run(supplierOrder).value;
  const { value, violations } = library.compile(mapping).run(order);
  assert.deepEqual(violations, []);
  assert.equal((value as { orderNumber: string }).orderNumber, 'PO-1001');
  const unfinished = JSON.stringify({ ...shipped, rows: [{ from: 'a..b', to: 'number' }] });
  assert.equal((await ask('canonical-mapper/reverse', { mapping: unfinished })).status, 422);
});

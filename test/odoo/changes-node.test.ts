/** odoo-changes in a real Node-RED: with settle behind it, over deploys, with hints and a bad configuration. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

let nodeRed: EmbeddedNodeRed;
let odoo: SandboxOdoo;
let run = 0;
before(async () => {
  nodeRed = await embedNodeRed();
});
after(() => nodeRed.stop());
beforeEach(async () => {
  run++;
  odoo = await startSandboxOdoo();
});
afterEach(async () => {
  await nodeRed.setFlows([]);
  await odoo.close();
});

const flow = (more: Record<string, unknown> = {}, behind: FlowNode[] = []): FlowNode[] => [
  { id: 'tab', type: 'tab', label: 'Changes' },
  {
    id: 'server',
    type: 'odoo-server',
    url: odoo.url,
    database: odoo.database,
    attempts: 1,
    configVersion: 1,
    credentials: { apiKey: apiKeys.bot },
  },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: `changes-${run}.sqlite`, configVersion: 1 },
  {
    id: 'changes',
    type: 'odoo-changes',
    z: 'tab',
    server: 'server',
    store: 'store',
    model: 'res.partner',
    fields: 'name, ref',
    start: 'all',
    interval: 0,
    configVersion: 1,
    wires: [['out']],
    ...more,
  },
  { id: 'out', type: 'junction', z: 'tab', wires: [behind.length === 0 ? ['settle'] : [behind[0]!.id]] },
  ...behind,
  { id: 'settle', type: 'settle', z: 'tab', outcome: 'auto', configVersion: 1, wires: [['end']] },
  { id: 'end', type: 'junction', z: 'tab', wires: [[]] },
  { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['failed', 'settle']] } as unknown as FlowNode,
  { id: 'failed', type: 'junction', z: 'tab', wires: [[]] },
];

/** Everything that passes a node from now on. */
function listen(id: string): FlowMessage[] {
  const messages: FlowMessage[] = [];
  nodeRed.node(id).on('input', (message) => void messages.push(message as FlowMessage));
  return messages;
}

const look = (message: Record<string, unknown> = {}): void => nodeRed.node('changes').receive(message);
const partner = (name: string): number =>
  odoo.engine.transaction((env) => env.create('res.partner', { name, ref: null }));
const idsOf = (messages: FlowMessage[]): number[] => messages.map(({ odoo: outcome }) => outcome!.ids[0]!);

describe('odoo-changes in Node-RED', () => {
  test('a change carries payload, event, odoo and a delivery that settle discharges', async () => {
    await nodeRed.setFlows(flow());
    const total = odoo.records('res.partner').length;
    const settled = listen('end');
    look();
    await waitUntil('all are settled', () => settled.length === total);
    assert.ok(
      settled.every(({ settlement }) => (settlement as { result: string }).result === 'settled'),
      JSON.stringify(settled[0]?.settlement),
    );
    const acme = settled.find(({ payload }) => (payload as { ref: string }).ref === 'ACME')!;
    const id = (acme.payload as { id: number }).id;
    assert.deepEqual(acme.payload, { id, name: 'ACME Medical Supplies', ref: 'ACME' });
    const { event } = acme;
    assert.match(event!.id, new RegExp(`^res\\.partner:${id}:.*Z$`));
    assert.equal(event!.type, 'healthflows.odoo.res.partner.created.v1');
    assert.equal(event!.partitionkey, `res.partner:${id}`);
    assert.equal(event!.source, odoo.url);
    assert.equal(event!.time, acme.odoo!.writeDate);
    assert.match(event!.traceparent!, /^00-/);
    const fresh = partner('later');
    look();
    await waitUntil('it came', () => settled.length === total + 1);
    assert.deepEqual(idsOf(settled).at(-1), fresh);
  });

  test('a deploy in the middle of a page: what was settled stays settled, the rest comes again with its event id', async () => {
    const stuck: FlowNode = {
      id: 'stuck',
      type: 'function',
      z: 'tab',
      func: 'return msg.odoo.ids[0] % 2 === 0 ? msg : null;',
      outputs: 1,
      wires: [['settle']],
    } as unknown as FlowNode;
    await nodeRed.setFlows(flow({}, [stuck]));
    const total = odoo.records('res.partner').length;
    const sent = listen('out');
    const settled = listen('end');
    look();
    await waitUntil('the page is out', () => sent.length === total);
    await waitUntil('half of it is settled', () => settled.length === idsOf(sent).filter((id) => id % 2 === 0).length);
    await nodeRed.setFlows(flow());
    const again = listen('out');
    const ended = listen('end');
    look();
    const open = sent.filter(({ odoo: outcome }) => outcome!.ids[0]! % 2 === 1).map(({ event }) => event!.id);
    await waitUntil('the rest is settled', () => ended.length === open.length);
    assert.deepEqual(again.map(({ event }) => event!.id).sort(), open.sort());
  });

  test('looks by itself, and a webhook of Odoo is a hint for one record', async () => {
    await nodeRed.setFlows(flow({ interval: 1, start: 'now' }));
    const settled = listen('end');
    await waitUntil('it has looked', () => odoo.log.list({ model: 'res.partner', method: 'search_read' }).length > 1);
    const id = partner('by itself');
    await waitUntil('it came', () => settled.length === 1);
    assert.deepEqual(idsOf(settled), [id]);
    await nodeRed.setFlows(flow({ interval: 0, start: 'now' }));
    const hinted = listen('end');
    const other = partner('hinted');
    for (let i = 0; i < 3; i++) look({ payload: { _model: 'res.partner', _id: other, _action: 'x(#1)' } });
    await waitUntil('it came', () => hinted.length === 1);
    assert.deepEqual(idsOf(hinted), [other]);
    const failed = nodeRed.receive('failed');
    look({ payload: { _model: 'sale.order', _id: 1 } });
    assert.equal(((await failed)[0] as FlowMessage).failure?.code, 'ODOO_HINT');
  });

  test('a change that the flow refuses for good does not stop the others', async () => {
    const refusing: FlowNode = {
      id: 'refusing',
      type: 'function',
      z: 'tab',
      func: `if (msg.payload.ref !== 'ACME') return msg;
        msg.failure = { class: 'data-quality', code: 'BAD', retryable: false, message: 'No.' };
        node.error('No.', msg); return null;`,
      outputs: 1,
      wires: [['settle']],
    } as unknown as FlowNode;
    await nodeRed.setFlows(flow({}, [refusing]));
    const settled = listen('end');
    look();
    const total = odoo.records('res.partner').length;
    await waitUntil('all are settled', () => settled.length === total);
    assert.match(JSON.stringify(nodeRed.log), /ODOO_CHANGE_SET_ASIDE/);
    const id = partner('after');
    look();
    await waitUntil('the next came', () => idsOf(settled).includes(id));
  });

  test('a setting that cannot be used is named', async () => {
    for (const [setting, words] of [
      [{ model: '' }, /The model of this odoo-changes/],
      [{ domain: '{"a": 1}' }, /The filter of this odoo-changes must be a list/],
      [{ start: 'from', startFrom: 'yesterday' }, /The start of this odoo-changes must be a date/],
      [{ page: 5_000 }, /must be between 1 and 1000/],
    ] as const) {
      await nodeRed.setFlows(flow(setting));
      assert.match(JSON.stringify(nodeRed.log), words);
    }
    await nodeRed.setFlows(flow({ fields: 'name, no_such_field' }));
    look();
    await waitUntil('it is said', () => /has no field \\+"no_such_field/.test(JSON.stringify(nodeRed.log)));
  });

  test('the example runs against the sandbox', async () => {
    process.env.ODOO_API_KEY = apiKeys.bot;
    try {
      const nodes = JSON.parse(
        readFileSync(join(packageRoot, 'examples/05 Odoo/03 - changes.json'), 'utf8'),
      ) as FlowNode[];
      const named = {
        'odoo-server': { url: odoo.url },
        'integration-store': { engine: 'sqlite', file: `changes-${run}.sqlite` },
      };
      await nodeRed.setFlows(nodes.map((node) => ({ ...node, ...named[node.type as keyof typeof named] })));
      const settled = listen(nodes.find(({ type }) => type === 'settle')!.id);
      await waitUntil('every partner came', () => settled.length >= odoo.records('res.partner').length);
      assert.equal(new Set(settled.map(({ event }) => event!.id)).size, odoo.records('res.partner').length);
    } finally {
      delete process.env.ODOO_API_KEY;
    }
  });
});

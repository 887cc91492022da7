/** Reading in pages: the flow sets the pace, and nothing is skipped, doubled or held. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';

type Message = Record<string, unknown> & {
  payload: unknown;
  parts?: { id: string; index: number; count?: number; len: number; type: string };
  pages?: Record<string, { after: number }>;
  failure?: { code: string };
};

let nodeRed: EmbeddedNodeRed;
let odoo: SandboxOdoo;
before(async () => {
  nodeRed = await embedNodeRed();
});
after(() => nodeRed.stop());
beforeEach(async () => {
  odoo = await startSandboxOdoo();
});
afterEach(() => odoo.close());

const rpc = (more: Record<string, unknown>): FlowNode => ({
  id: 'rpc',
  type: 'odoo-rpc',
  z: 'tab',
  server: 'server',
  operation: 'search-read',
  model: 'res.partner',
  fields: 'name, ref',
  limit: 0,
  paging: 'pages',
  pageSize: 10,
  outputs: 2,
  wires: [['page'], ['end']],
  ...more,
});

const flow = (url: string, ...nodes: FlowNode[]): FlowNode[] => [
  { id: 'tab', type: 'tab', label: 'Odoo' },
  { id: 'server', type: 'odoo-server', url, database: 'sandbox', attempts: 1, credentials: { apiKey: apiKeys.bot } },
  { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['failed']] } as unknown as FlowNode,
  { id: 'failed', type: 'junction', z: 'tab', wires: [[]] },
  { id: 'end', type: 'junction', z: 'tab', wires: [[]] },
  ...nodes,
];

/** A page that stays where it is until the test sends it back. */
const held: FlowNode = { id: 'page', type: 'junction', z: 'tab', wires: [[]] };
/** A page that goes straight back. */
const looped: FlowNode = { id: 'page', type: 'junction', z: 'tab', wires: [['rpc']] };

async function send(message: Record<string, unknown>, at: string): Promise<Message> {
  const arrived = nodeRed.receive(at);
  nodeRed.node('rpc').receive(message);
  return (await arrived)[0] as Message;
}

/** Those that are not archived: Odoo leaves the others out. */
const partners = () =>
  odoo
    .records('res.partner')
    .filter(({ active }) => active !== false)
    .map(({ id }) => id as number);
const searches = () => odoo.log.list({ method: 'search_read' }).length;

describe('reading in pages', () => {
  test('the next page is read when the message comes back, not before, and the end comes once', async () => {
    await nodeRed.setFlows(flow(odoo.url, held, rpc({ pageSize: 3 })));
    const all = partners();
    const seen: number[] = [];
    let message: Message = await send({ payload: 'go', topic: 'kept' }, 'page');
    for (let n = 1; ; n++) {
      assert.equal(searches(), n);
      assert.equal(message.parts?.index, n - 1);
      assert.equal(message.topic, 'kept');
      seen.push(...(message.payload as { id: number }[]).map(({ id }) => id));
      if (message.parts?.count !== undefined) {
        assert.equal(message.parts.count, n);
        break;
      }
      message = await send(message, 'page');
    }
    const end = await send(message, 'end');
    assert.deepEqual(seen, all);
    assert.equal(end.payload, all.length);
    assert.equal(end.parts, undefined);
    assert.equal(end.pages, undefined);
    assert.equal(searches(), Math.ceil(all.length / 3));
  });

  test('a record that is created or deleted meanwhile makes no other one skipped or doubled', async () => {
    await nodeRed.setFlows(flow(odoo.url, held, rpc({ pageSize: 3 })));
    const all = partners();
    let message: Message = await send({ payload: '' }, 'page');
    const seen = (message.payload as { id: number }[]).map(({ id }) => id);
    await nodeRed.setFlows(
      flow(
        odoo.url,
        held,
        rpc({ pageSize: 500 }),
        rpc({ id: 'new', operation: 'create', paging: 'all', wires: [['end']] }),
      ),
    );
    const created = nodeRed.receive('end');
    nodeRed.node('new').receive({ payload: { name: 'Between' } });
    const [made] = (await created)[0]!.odoo
      ? ((await created)[0] as never as { odoo: { ids: number[] } }).odoo.ids
      : [];
    // The node was deployed anew since: where reading stands is in the message.
    message = await send(message, 'page');
    seen.push(...(message.payload as { id: number }[]).map(({ id }) => id));
    assert.deepEqual(seen, [...all, made]);
  });

  test('pages join to one list by msg.parts, and an outer series of parts is given back', async () => {
    const join = { id: 'join', type: 'join', z: 'tab', mode: 'auto', wires: [['joined']] } as unknown as FlowNode;
    const joined: FlowNode = { id: 'joined', type: 'junction', z: 'tab', wires: [[]] };
    await nodeRed.setFlows(flow(odoo.url, looped, join, joined, rpc({ wires: [['page', 'join'], ['end']] })));
    const together = nodeRed.receive('joined');
    const outer = { id: 'outer', index: 0, count: 1 };
    const end = await send({ payload: '', parts: outer }, 'end');
    assert.deepEqual(end.parts, outer);
    const [whole] = await together;
    assert.deepEqual(
      (whole!.payload as { id: number }[]).map(({ id }) => id),
      partners(),
    );
  });

  test('no record at all is the end at once; a limit ends it too', async () => {
    await nodeRed.setFlows(flow(odoo.url, looped, rpc({ domain: '[["ref", "=", "NOBODY-AT-ALL"]]' })));
    assert.equal((await send({ payload: '' }, 'end')).payload, 0);
    await nodeRed.setFlows(flow(odoo.url, looped, rpc({ limit: 4, pageSize: 3 })));
    assert.equal((await send({ payload: '' }, 'end')).payload, 4);
  });

  test('pages within pages keep their places apart', async () => {
    const inner = rpc({ id: 'inner', pageSize: 4, wires: [['inner'], ['rpc']] });
    await nodeRed.setFlows(flow(odoo.url, inner, rpc({ pageSize: 5, wires: [['inner'], ['end']] })));
    const all = partners().length;
    assert.equal((await send({ payload: '' }, 'end')).payload, all);
    assert.equal(searches(), Math.ceil(all / 5) * (1 + Math.ceil(all / 4)));
  });

  test('a message that lost its place on the way is refused instead of beginning again for ever', async () => {
    const forgetful = { id: 'page', type: 'change', z: 'tab', rules: [{ t: 'delete', p: 'pages', pt: 'msg' }] };
    await nodeRed.setFlows(flow(odoo.url, { ...forgetful, wires: [['rpc']] } as unknown as FlowNode, rpc({})));
    assert.equal((await send({ payload: '' }, 'failed')).failure?.code, 'ODOO_PAGE_MARK_LOST');
    assert.equal(searches(), 1);
  });

  test('an order other than by id is refused at deploy, in words', async () => {
    await nodeRed.setFlows(flow(odoo.url, looped, rpc({ order: 'name' })));
    assert.equal((await send({ payload: '' }, 'failed')).failure?.code, 'ODOO_PAGE_ORDER');
  });
});

describe('100,000 records', () => {
  const total = 100_000;
  let server: Server;
  /** Ids that a page was asked behind. */
  const asked: number[] = [];
  let handled = 0;
  before(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        response.writeHead(200, { 'content-type': 'application/json' });
        if (request.url?.endsWith('fields_get')) {
          response.end('{"name":{"type":"char","string":"Name","store":true}}');
          return;
        }
        const { domain, limit } = JSON.parse(body) as { domain: [string, string, number][]; limit: number };
        const after = domain[0]?.[2] ?? 0;
        asked.push(after);
        // Everything handed out before was handled before.
        assert.equal(handled, after);
        const rows = Array.from({ length: Math.min(limit, total - after) }, (_, i) => ({
          id: after + i + 1,
          name: 'x',
        }));
        response.end(JSON.stringify(rows));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server.close());

  test('pass one page at a time', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const paged = rpc({ fields: 'name', pageSize: 2_000 });
    const nodes = flow(url, looped, paged).map((node) =>
      node.type === 'odoo-server' ? { ...node, protocol: 'json2' } : node,
    );
    await nodeRed.setFlows(nodes);
    nodeRed.node('page').on('input', (message) => {
      handled += (message.payload as unknown[]).length;
    });
    assert.equal((await send({ payload: '' }, 'end')).payload, total);
    assert.equal(handled, total);
    assert.deepEqual(
      asked,
      Array.from({ length: 50 }, (_, i) => i * 2_000),
    );
  });
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';

type Message = Record<string, unknown> & {
  odoo?: { ids: number[]; effect: string; verdict?: string; externalId?: string; results?: unknown[] };
  failure?: { class: string; code: string; retryable: boolean; outcome?: string; retryAfter?: number };
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

function server(more: Record<string, unknown> = {}): FlowNode {
  return {
    id: 'server',
    type: 'odoo-server',
    url: odoo.url,
    database: odoo.database,
    attempts: 1,
    configVersion: 1,
    credentials: { apiKey: apiKeys.bot },
    ...more,
  };
}

/** Node-RED's notation for an environment variable. */
const variable = (name: string): string => `$\{${name}}`;

const rpc = (more: Record<string, unknown>): FlowNode => ({
  id: 'rpc',
  type: 'odoo-rpc',
  z: 'tab',
  server: 'server',
  configVersion: 1,
  wires: [['end']],
  ...more,
});

const frame: FlowNode[] = [
  { id: 'tab', type: 'tab', label: 'Odoo' },
  { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['failed']] } as unknown as FlowNode,
  { id: 'failed', type: 'junction', z: 'tab', wires: [[]] },
  { id: 'end', type: 'junction', z: 'tab', wires: [[]] },
];

async function send(message: Record<string, unknown>, at = 'end', from = 'rpc'): Promise<Message> {
  const arrived = nodeRed.receive(at);
  nodeRed.node(from).receive(message);
  return (await arrived)[0] as Message;
}

function order(n: number): Record<string, unknown> {
  return {
    externalId: `hf_test.po_${n}`,
    values: {
      partner_id: { match: { ref: 'ACME' } },
      partner_ref: String(n),
      order_line: [
        {
          externalId: `hf_test.po_${n}_1`,
          values: { product_id: { match: { default_code: 'GLOVE-M' } }, product_qty: '10', price_unit: '4.20' },
        },
      ],
    },
  };
}

describe('odoo-rpc in Node-RED', () => {
  test('upserts a document, keeps it as payload and says what it did; a repeat is the same record', async () => {
    await nodeRed.setFlows([...frame, server(), rpc({ operation: 'upsert', model: 'purchase.order' })]);
    const first = await send({ payload: order(1) });
    assert.equal(first.odoo?.effect, 'created');
    assert.equal(first.odoo?.externalId, 'hf_test.po_1');
    assert.deepEqual(first.payload, order(1));
    const second = await send({ payload: order(1) });
    assert.deepEqual(second.odoo?.ids, first.odoo?.ids);
    assert.equal(second.odoo?.effect, 'updated');
    assert.equal(odoo.records('purchase.order').length, 1);
  });

  test('takes the ids of the node before for a business step, and a repeat is "already"', async () => {
    await nodeRed.setFlows([
      ...frame,
      server(),
      rpc({ operation: 'upsert', model: 'purchase.order', wires: [['confirm']] }),
      rpc({ id: 'confirm', operation: 'action', action: 'confirm-purchase' }),
    ]);
    assert.equal((await send({ payload: order(2) })).odoo?.verdict, 'done');
    assert.equal((await send({ payload: order(2) })).odoo?.verdict, 'already');
    assert.equal(odoo.records('purchase.order', { state: 'purchase' }).length, 1);
  });

  test('a refused document reaches Catch with its class, its code and msg.failure', async () => {
    await nodeRed.setFlows([...frame, server(), rpc({ operation: 'upsert', model: 'purchase.order' })]);
    const bad = order(3);
    (bad.values as Record<string, unknown>).partner_id = { match: { ref: 'NOBODY' } };
    const failed = await send({ payload: bad }, 'failed');
    assert.equal(failed.failure?.class, 'data-quality');
    assert.equal(failed.failure?.code, 'ODOO_REFERENCE_NOT_FOUND');
    assert.equal(failed.failure?.retryable, false);
  });

  test('a message without msg.odoo, where the records come from, is told that ids are missing', async () => {
    await nodeRed.setFlows([...frame, server(), rpc({ operation: 'unlink', model: 'res.partner' })]);
    assert.equal((await send({ payload: '' }, 'failed')).failure?.code, 'ODOO_IDS');
  });

  test('a batch with one bad row writes the others and names the bad one', async () => {
    await nodeRed.setFlows([...frame, server(), rpc({ operation: 'upsert', model: 'purchase.order' })]);
    const bad = order(11);
    (bad.values as Record<string, unknown>).partner_id = { match: { ref: 'NOBODY' } };
    const failed = await send({ payload: [order(10), bad, order(12)] }, 'failed');
    assert.equal(failed.failure?.code, 'ODOO_BATCH_PARTLY_REFUSED');
    assert.equal(failed.odoo?.results?.length, 3);
    assert.equal(odoo.records('purchase.order').length, 2);
  });

  test('search-read replaces the payload; domain and fields come from the dialog', async () => {
    await nodeRed.setFlows([
      ...frame,
      server(),
      rpc({
        operation: 'search-read',
        model: 'res.partner',
        domain: '[["ref", "=", "ACME"]]',
        fields: 'name, country_id, vat',
      }),
    ]);
    const [partner] = (await send({ payload: 'before' })).payload as Record<string, unknown>[];
    assert.equal(partner?.name, 'ACME Medical Supplies');
    assert.equal((partner!.country_id as { name: string }).name, 'Germany');
    assert.equal(partner?.vat, null);
  });

  test('a domain may be a JSONata expression over the message', async () => {
    await nodeRed.setFlows([
      ...frame,
      server(),
      rpc({ operation: 'count', model: 'res.partner', domain: '[["ref", "=", payload]]', domainType: 'jsonata' }),
    ]);
    assert.equal((await send({ payload: 'NORDIC' })).payload, 1);
  });

  test('the trace of the message goes on in the header of the call', async () => {
    const seen: (string | undefined)[] = [];
    const proxy = createServer((request, response) => {
      seen.push(request.headers.traceparent as string | undefined);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(request.url?.endsWith('fields_get') ? '{}' : '1');
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const node = rpc({ operation: 'count', model: 'res.partner' });
      await nodeRed.setFlows([...frame, server({ url, protocol: 'json2' }), node]);
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      await send({ payload: '', event: { id: '1', source: 's', type: 't', traceparent } });
      const [header] = seen.filter((one) => one !== undefined);
      assert.match(header ?? '', /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
      assert.doesNotMatch(header ?? '', /00f067aa0ba902b7/);
    } finally {
      proxy.close();
    }
  });

  test('Odoo down is an outage that may be retried; the same message succeeds when Odoo is back', async () => {
    await nodeRed.setFlows([...frame, server(), rpc({ operation: 'upsert', model: 'purchase.order' })]);
    await odoo.down();
    const failed = await send({ payload: order(20) }, 'failed');
    assert.equal(failed.failure?.class, 'dependency-outage');
    assert.equal(failed.failure?.retryable, true);
    await odoo.up();
    assert.equal((await send({ payload: order(20) })).odoo?.effect, 'created');
  });

  test('without a server, a model or the environment variable, the node says which', async () => {
    await nodeRed.setFlows([
      ...frame,
      server({ url: variable('ODOO_NOT_SET') }),
      rpc({ operation: 'count', model: 'x' }),
    ]);
    assert.match(JSON.stringify(nodeRed.log), /environment variable ODOO_NOT_SET, which is not set/);
    await nodeRed.setFlows([...frame, server(), rpc({ operation: 'count', model: '' })]);
    assert.equal((await send({ payload: '' }, 'failed')).failure?.code, 'ODOO_RPC_INCOMPLETE');
  });

  test('address and key may be environment variables', async () => {
    process.env.ODOO_URL = odoo.url;
    process.env.ODOO_API_KEY = apiKeys.bot;
    try {
      const fromEnvironment = { url: variable('ODOO_URL'), credentials: { apiKey: variable('ODOO_API_KEY') } };
      await nodeRed.setFlows([...frame, server(fromEnvironment), rpc({ operation: 'count', model: 'res.partner' })]);
      assert.equal(typeof (await send({ payload: '' })).payload, 'number');
    } finally {
      delete process.env.ODOO_URL;
      delete process.env.ODOO_API_KEY;
    }
  });
});

describe('odoo-server endpoints', () => {
  const ask = async (path: string, body?: unknown) => {
    const response = await fetch(`${nodeRed.url}/healthflows/odoo-server/${path}`, {
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as never };
  };

  test('Test connection uses values that are not saved', async () => {
    await nodeRed.setFlows(frame);
    const { status, body } = await ask('test', { url: odoo.url, database: 'sandbox', apiKey: apiKeys.bot });
    assert.equal(status, 200);
    const report = body as { version: string; protocol: string; user: string; key: { days: number } };
    assert.equal(report.version, '19.0');
    assert.equal(report.protocol, 'json2');
    assert.match(report.user, /bot/);
    assert.ok(report.key.days > 80);
  });

  test('Test connection names the rights that the deployed flows need and the user lacks', async () => {
    const partners = { model: 'res.partner', operation: 'unlink' };
    await nodeRed.setFlows([
      ...frame,
      server(),
      { id: 'delete', type: 'odoo-rpc', z: 'flow', server: 'server', wires: [[]], ...partners },
      { id: 'confirm', type: 'odoo-rpc', z: 'flow', server: 'server', operation: 'action', wires: [[]] },
      { id: 'elsewhere', type: 'odoo-rpc', z: 'flow', server: 'other', model: 'hr.employee', wires: [[]] },
      { id: 'custom', type: 'odoo-rpc', z: 'flow', server: 'server', model: 'x_absent', wires: [[]] },
    ]);
    const { body } = await ask('test', {
      id: 'server',
      url: odoo.url,
      database: 'sandbox',
      login: 'clerk',
      apiKey: apiKeys.clerk,
    });
    const { rights } = body as { rights: { model: string; may: string[] | string; lacks: string[] }[] };
    assert.deepEqual(
      rights.map(({ model, lacks }) => [model, lacks]),
      [
        ['purchase.order', ['read', 'write']],
        ['res.partner', ['unlink']],
        ['x_absent', ['read', 'write', 'create']],
      ],
    );
    assert.equal(rights[2]?.may, 'absent');
  });

  test('a stored key is used for the address it was stored for, and not sent to another, nor through another proxy', async () => {
    await nodeRed.setFlows([...frame, server()]);
    const same = await ask('test', { id: 'server', url: odoo.url, database: 'sandbox', apiKey: '__PWRD__' });
    assert.equal(same.status, 200);
    const before = odoo.log.counters.requests;
    const other = await ask('test', { id: 'server', url: 'http://127.0.0.1:9', apiKey: '__PWRD__' });
    assert.equal((other.body as { error: { code: string } }).error.code, 'SECRET_NOT_SENT');
    const way = { id: 'server', url: odoo.url, apiKey: '__PWRD__', proxy: 'http://127.0.0.1:9' };
    const proxied = await ask('test', way);
    assert.equal((proxied.body as { error: { code: string } }).error.code, 'SECRET_NOT_SENT');
    assert.equal(odoo.log.counters.requests, before);
  });

  test('a wrong key is told as such, and is not in the answer', async () => {
    const { status, body } = await ask('test', { url: odoo.url, database: 'sandbox', apiKey: 'wrong-key-canary' });
    assert.equal(status, 200, 'a failed test is a result');
    assert.match(String((body as unknown as { error: { message: string } }).error.message), /refused the API key/);
    assert.doesNotMatch(JSON.stringify(body), /canary/);
  });

  test('lists models, fields with type and required mark, and methods of a deployed server', async () => {
    await nodeRed.setFlows([...frame, server()]);
    assert.ok((await ask('server/models')).body as unknown as unknown[]);
    const fields = (await ask('server/models/purchase.order/fields')).body as unknown as {
      value: string;
      type: string;
      required: boolean;
    }[];
    assert.equal(fields.find((field) => field.value === 'partner_id')?.type, 'many2one');
    assert.ok(fields.find((field) => field.value === 'partner_id')?.required);
    const methods = (await ask('server/models/stock.picking/methods')).body as unknown as { value: string }[];
    assert.ok(methods.some((method) => method.value === 'action_assign'));
  });
});

describe('examples', () => {
  for (const name of ['01 - upsert a purchase order.json', '02 - read partners.json', '04 - read in pages.json']) {
    test(`${name} runs unchanged against the sandbox that the environment names`, async () => {
      const environment = {
        ODOO_URL: odoo.url,
        ODOO_DB: odoo.database,
        ODOO_LOGIN: 'bot',
        ODOO_API_KEY: apiKeys.bot,
      };
      Object.assign(process.env, environment);
      try {
        const flow = JSON.parse(readFileSync(join(packageRoot, 'examples/05 Odoo', name), 'utf8')) as FlowNode[];
        await nodeRed.setFlows(flow);
        const button = flow.find((node) => node.type === 'inject')!;
        const target = flow.find((node) => node.type === 'debug')!;
        const message = await send({ payload: JSON.parse(String(button.payload) || '""') }, target.id, button.id);
        assert.ok(message.odoo !== undefined);
      } finally {
        for (const variable of Object.keys(environment)) delete process.env[variable];
      }
    });
  }
});

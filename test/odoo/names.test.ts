/** Names in a node's settings that the connected Odoo does not have are found at deploy and in the dialog. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { checkNames } from '../../nodes/odoo/profile.ts';
import { create, read, searchRead } from '../../nodes/odoo/index.ts';
import { preview } from '../../nodes/odoo/preview.ts';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { clientOf, failure, sandbox } from './support.ts';

describe('names of a node against fields_get', () => {
  test('a field that 19 renamed is named with its new name; on 17 and 18 the old one works and is told as outdated', async () => {
    const names = { model: 'purchase.order.line', fields: { fields: ['name', 'product_uom', 'taxes_id'] } };
    const on19 = await checkNames(clientOf(await sandbox('19')), names);
    assert.deepEqual(
      on19.map(({ kind, where, field, suggestion }) => [kind, where, field, suggestion]),
      [
        ['unknown', 'fields', 'product_uom', 'product_uom_id'],
        ['unknown', 'fields', 'taxes_id', 'tax_ids'],
      ],
    );
    for (const version of ['17', '18'] as const) {
      const found = await checkNames(clientOf(await sandbox(version)), names);
      assert.deepEqual(
        found.map(({ kind, suggestion }) => [kind, suggestion]),
        [
          ['renamed', 'product_uom_id'],
          ['renamed', 'tax_ids'],
        ],
      );
    }
  });

  test('the names of 19 raise nothing on any version', async () => {
    for (const version of ['17', '18', '19'] as const) {
      const found = await checkNames(clientOf(await sandbox(version)), {
        model: 'purchase.order.line',
        fields: { fields: ['id', 'product_uom_id', 'tax_ids'] },
        domain: ['|', ['order_id.partner_id.ref', '=', 'ACME'], ['product_qty', '>', '1']],
      });
      assert.deepEqual(found, []);
    }
  });

  test('a name with a question mark is read where Odoo has it; what 19 no longer has is left out of a document', async () => {
    for (const version of ['17', '18', '19'] as const) {
      const client = clientOf(await sandbox(version));
      const model = 'stock.warehouse.orderpoint';
      const fields = ['product_min_qty', 'qty_multiple?', 'replenishment_uom_id?', 'no_such_field?'];
      const multiple = version === '19' ? 'replenishment_uom_id' : 'qty_multiple';
      const domain = [['product_id.default_code', '=', 'GLOVE-M']];
      const [rule] = await searchRead(client, model, domain, { fields });
      assert.deepEqual(Object.keys(rule!), ['id', 'product_min_qty', multiple]);
      const [bare] = await searchRead(client, model, domain, { fields: ['no_such_field?'] });
      assert.deepEqual(bare, { id: rule!.id }, 'none of the optional fields: only the id, not every field');
      assert.deepEqual(await checkNames(client, { model, fields: { fields } }), []);

      const move = { name: 'Gloves', product_id: { match: { default_code: 'GLOVE-M' } }, product_uom_qty: '1' };
      const at = { match: { barcode: 'LOC-1-STOCK' } };
      const values = { ...move, location_id: at, location_dest_id: at };
      const [made] = await create(client, 'stock.move', [values]);
      assert.ok(made?.kind === 'done');
      const { records } = await read(client, 'stock.move', [made.value], ['name?']);
      assert.equal(records[0]!.name, version === '19' ? undefined : 'Gloves');
      assert.deepEqual(await checkNames(client, { model: 'stock.move', fields: {}, values }), []);
      const [typo] = await checkNames(client, { model: 'stock.move', fields: {}, values: { nane: 'Gloves' } });
      assert.equal(typo?.kind, 'unknown');
    }
  });

  test('paths of a domain, documents and their lines are followed into other models; typing errors get a suggestion', async () => {
    const found = await checkNames(clientOf(await sandbox()), {
      model: 'purchase.order',
      fields: {},
      domain: [['partner_id.contry_id.code', '=', 'DE']],
      values: {
        externalId: 'a.b',
        values: {
          partner_id: { match: { reff: 'ACME' } },
          order_line: [{ externalId: 'a.c', values: { product_qti: '1', product_uom: 1 } }],
        },
      },
    });
    assert.deepEqual(
      found.map(({ where, model, field, suggestion }) => [where, model, field, suggestion]),
      [
        ['domain', 'res.partner', 'contry_id', 'country_id'],
        ['values', 'res.partner', 'reff', 'ref'],
        ['values', 'purchase.order.line', 'product_qti', 'product_qty'],
        ['values', 'purchase.order.line', 'product_uom', 'product_uom_id'],
      ],
    );
  });

  test('an unknown model is the only finding; a server that is down is none', async () => {
    const odoo = await sandbox();
    const client = clientOf(odoo, { attempts: 1 });
    const [only, ...more] = await checkNames(client, { model: 'x.none', fields: { fields: ['a'] } });
    assert.deepEqual([only?.where, more.length], ['model', 0]);
    await odoo.down();
    await assert.rejects(
      checkNames(client, { model: 'res.partner', fields: { fields: ['a'] } }),
      failure({ class: 'dependency-outage' }),
    );
    await odoo.up();
  });

  test('the dialog is told how many records match, or what is wrong with the domain', async () => {
    const client = clientOf(await sandbox());
    const form = { operation: 'search-read', model: 'res.partner', fields: 'name', domainType: 'json' };
    const asked = async (domain: string, domainType = 'json') => {
      const { findings, count } = await preview(client, { ...form, domain, domainType });
      return { findings, count };
    };
    assert.deepEqual(await asked('[["ref", "=", "ACME"]]'), { findings: [], count: 1 });
    const wrong = await preview(client, { ...form, domain: '[["ref", "equals", "ACME"]]' });
    assert.match(wrong.findings[0]!.problem, /operator/);
    assert.equal(wrong.count, undefined);
    assert.deepEqual(await asked('[["ref",'), { findings: [], count: undefined });
    assert.deepEqual(await asked('payload', 'jsonata'), { findings: [], count: undefined });
  });
});

describe('at deploy', () => {
  let nodeRed: EmbeddedNodeRed;
  let odoo: SandboxOdoo;
  before(async () => {
    nodeRed = await embedNodeRed();
    odoo = await startSandboxOdoo();
  });
  after(async () => {
    await nodeRed.stop();
    await odoo.close();
  });

  const flow = (fields: string): FlowNode[] => [
    { id: 'tab', type: 'tab', label: 'Odoo' },
    {
      id: 'server',
      type: 'odoo-server',
      url: odoo.url,
      database: odoo.database,
      attempts: 1,
      breakerPause: 0.01,
      credentials: { apiKey: apiKeys.bot },
    },
    {
      id: 'rpc',
      type: 'odoo-rpc',
      z: 'tab',
      server: 'server',
      operation: 'search-read',
      model: 'purchase.order.line',
      fields,
    },
  ];
  const told = () => nodeRed.log.filter(({ id, level }) => id === 'rpc' && level === 30).map(({ msg }) => String(msg));

  test('the log lists what to fix with the new names, and the node turns yellow', async () => {
    const statuses: unknown[] = [];
    const listener = (event: { id: string; status: { fill?: string; text?: string } }) => {
      if (event.id === 'rpc') statuses.push(`${event.status.fill} ${event.status.text}`);
    };
    nodeRed.RED.events.on('node-status', listener);
    await nodeRed.setFlows(flow('name, product_uom, taxes_id'));
    await waitUntil('it was told', () => told().length > 0);
    nodeRed.RED.events.removeListener('node-status', listener);
    const [line] = told();
    assert.match(line!, /product_uom_id/);
    assert.match(line!, /tax_ids/);
    assert.deepEqual(statuses, ['yellow 2 to fix: see log']);
  });

  test('what could not be checked because Odoo was down is checked when it is back', async () => {
    await odoo.down();
    await nodeRed.setFlows(flow('product_uom'));
    // Calls for the fields of a model are shared while they run, so the messages come one after the other.
    await waitUntil('the breaker opened', () => {
      nodeRed.node('rpc').receive({ payload: '' });
      return nodeRed.log.some(({ msg }) => /"event":"breaker".*"open"/.test(String(msg)));
    });
    assert.deepEqual(told(), []);
    await odoo.up();
    await waitUntil('it was told', () => told().length > 0);
  });
});

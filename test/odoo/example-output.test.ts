/** What the dialog shows beforehand has the shape of what really comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exampleOutput } from '../../nodes/odoo/odoo-rpc/example-output.ts';
import { type OdooRpcConfig, odooRpcDefinition } from '../../nodes/odoo/odoo-rpc/odoo-rpc.def.ts';
import { operations } from '../../nodes/odoo/odoo-rpc/operations.ts';
import { upsert } from '../../nodes/odoo/index.ts';
import { clientOf, order, sandbox } from './support.ts';

/** Keys at every level, lists by their first item. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
}

test('each operation gives what its example says', async () => {
  const client = clientOf(await sandbox());
  const [made] = await upsert(client, 'purchase.order', [order(1)]);
  assert.ok(made?.kind === 'done');
  const { id } = made.value;
  const cases: { config: Partial<OdooRpcConfig>; values?: unknown; ids?: unknown; domain?: unknown }[] = [
    { config: { operation: 'upsert' }, values: order(2) },
    { config: { operation: 'write' }, ids: [id], values: { origin: 'REQ-1' } },
    { config: { operation: 'create', model: 'res.partner' }, values: { name: 'Ward 9' } },
    {
      config: { operation: 'search-read', fields: 'name, date_order, partner_id, amount_total, state, order_line' },
      domain: [],
    },
    { config: { operation: 'read', fields: 'name, date_order, currency_id' }, ids: [id] },
    { config: { operation: 'count' }, domain: [] },
    {
      config: { operation: 'aggregate', groupBy: 'partner_id, date_order:month', aggregates: 'amount_total:sum' },
      domain: [],
    },
    { config: { operation: 'attach' }, ids: id, values: Buffer.from('x') },
    { config: { operation: 'post-message' }, ids: [id], values: 'Confirmed by phone.' },
    { config: { operation: 'action', action: 'confirm-purchase' }, ids: [id] },
  ];
  for (const { config: given, values, ids, domain } of cases) {
    const config: OdooRpcConfig = {
      ...odooRpcDefinition.defaults,
      model: 'purchase.order',
      output: 'result',
      ...given,
    };
    const example = await exampleOutput(client, config);
    const report = await operations[config.operation].run({
      client,
      config,
      caller: {},
      values: async () => values,
      ids: async () => ids,
      domain: async () => domain,
      fileName: async () => 'order.txt',
    });
    assert.deepEqual(shape(example?.payload), shape(report.result), config.operation);
    assert.deepEqual(Object.keys(example!.odoo).sort(), Object.keys(report.odoo).sort(), config.operation);
  }
});

/**
 * The shipped mappings that read Odoo, on records read from the sandbox in every version: the fields that a mapping
 * names are read as a flow reads them, and the entity that comes out is valid.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { sourcesOf } from '../../nodes/canonical/mapping/check.ts';
import type { CompiledMapping } from '../../nodes/canonical/mapping/compile.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { partitionKeyOf } from '../../nodes/canonical/model/keys.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';
import { entities } from '../../nodes/canonical/schemas/index.ts';
import { type OdooClient, searchRead, type UpsertDocument, upsert } from '../../nodes/odoo/index.ts';
import { clientOf, sandbox, versions } from '../odoo/support.ts';

const library = new MappingLibrary();

/** Mappings whose application the sandbox does not have, or that another test reads. */
const elsewhere: Record<string, string> = {
  'odoo-purchase-request-to-requisition': 'purchase.request is a module of the OCA, no part of the sandbox',
  'odoo-purchase-order-to-order': 'odoo.test.ts',
};

type Tree = Record<string, unknown>;

/** The fields that a mapping names, read of the first record that the domain finds; lists with those of their items. */
async function treeOf(client: OdooClient, model: string, { mapping }: CompiledMapping, domain: unknown): Promise<Tree> {
  const wanted = new Map<string, Set<string>>();
  for (const row of mapping.rows)
    for (const path of [...sourcesOf(row), ...(row.when === undefined ? [] : [row.when.path])]) {
      const [field, inner] = path.split('[].') as [string, string | undefined];
      const items = wanted.get(field.split('.')[0]!) ?? new Set();
      if (inner !== undefined) items.add(inner.split('.')[0]!);
      wanted.set(field.split('.')[0]!, items);
    }
  const known = await client.fields(model);
  const fields = [...wanted.keys()].filter((field) => known.has(field));
  const [record] = await searchRead(client, model, domain, { fields, order: 'id desc', limit: 1 });
  assert.ok(record !== undefined, `${model} has no such record`);
  const tree: Tree = { ...record };
  for (const [field, items] of wanted) {
    const relation = items.size > 0 && known.has(field) ? known.get(field)?.relation : undefined;
    if (relation === undefined) continue;
    const inner = await client.fields(relation);
    tree[field] = await searchRead(client, relation, [['id', 'in', record[field]]], {
      fields: [...items].filter((each) => inner.has(each)),
      order: 'id',
    });
  }
  return tree;
}

async function put(client: OdooClient, model: string, id: string): Promise<number> {
  const { value, violations } = library.get(id).run(library.source(id).sample);
  assert.deepEqual(violations, [], id);
  const [outcome] = await upsert(client, model, [value as unknown as UpsertDocument]);
  if (outcome?.kind !== 'done') throw outcome?.failure ?? new Error('no outcome');
  return (outcome.value as { id: number }).id;
}

for (const version of versions) {
  describe(`Odoo ${version}`, () => {
    let client: OdooClient;
    before(async () => {
      client = clientOf(await sandbox(version));
    });

    /** A transfer that has been made: only then has it lines. */
    const done = async (sample: string): Promise<unknown> => {
      const id = await put(client, 'stock.picking', sample);
      for (const method of ['action_confirm', 'button_validate'])
        await client.call({ model: 'stock.picking', method, ids: [id], args: {} }, { effect: 'write' });
      return [['id', '=', id]];
    };
    const asOf = '2026-11-28T21:14:00Z';
    const cases: [
      id: string,
      model: string,
      domain: (client: OdooClient) => unknown,
      said: Record<string, unknown>,
      also?: Tree,
    ][] = [
      ['odoo-partner-to-supplier', 'res.partner', () => [['ref', '=', 'ACME']], { code: 'ACME', active: true }],
      [
        'odoo-partner-to-admin-party',
        'res.partner',
        async () => [['id', '=', await put(client, 'res.partner', 'admin-party-to-odoo-partner')]],
        { pseudonym: 'PSN-8F31C2' },
      ],
      ['odoo-product-to-product', 'product.product', () => [['default_code', '=', 'GLOVE-M']], { sku: 'GLOVE-M' }],
      ['odoo-location-to-location', 'stock.location', () => [['barcode', '=', 'CONSUMED']], { code: 'CONSUMED' }],
      ['odoo-warehouse-to-location', 'stock.warehouse', () => [['code', '=', 'WH']], { code: 'WH', type: 'site' }],
      [
        'odoo-quant-to-inventory-level',
        'stock.quant',
        () => [['lot_id.name', '=', 'SAL-2401']],
        { lot: 'SAL-2401', asOf },
        { as_of: asOf },
      ],
      [
        'odoo-orderpoint-to-inventory-level',
        'stock.warehouse.orderpoint',
        () => [['product_id.default_code', '=', 'MORPH-10']],
        { asOf },
        { as_of: asOf },
      ],
      [
        'odoo-move-to-invoice',
        'account.move',
        async () => [['id', '=', await put(client, 'account.move', 'invoice-to-odoo-move')]],
        { direction: 'in', kind: 'invoice', number: 'INV-77' },
      ],
      [
        'odoo-payment-to-payment',
        'account.payment',
        async () => [['id', '=', await put(client, 'account.payment', 'payment-to-odoo-payment')]],
        { direction: 'out' },
      ],
      ['odoo-picking-to-despatch', 'stock.picking', () => done('despatch-to-odoo-picking'), {}],
      ['odoo-picking-to-receipt', 'stock.picking', () => done('receipt-to-odoo-picking'), {}],
      ['odoo-stock-move-to-stock-movement', 'stock.move.line', () => [], {}],
      [
        'odoo-employee-to-employee',
        'hr.employee',
        () => [['barcode', '=', 'E0002']],
        { number: 'E0002', name: 'Sam Peeters', jobTitle: 'Nurse', department: 'Ward 3 East' },
      ],
      [
        'odoo-maintenance-to-service-request',
        'maintenance.request',
        async () => [['id', '=', await put(client, 'maintenance.request', 'service-request-to-odoo-maintenance')]],
        { kind: 'biomedical', priority: 'urgent', team: 'Biomedical' },
      ],
      ...(version === '17'
        ? []
        : ([['odoo-purchase-agreement-to-contract', 'purchase.requisition', () => [], { currency: 'EUR' }]] as [
            string,
            string,
            () => unknown,
            Tree,
          ][])),
    ];

    for (const [id, model, domain, said, also = {}] of cases) {
      test(`gives what ${id} reads`, async () => {
        const compiled = library.get(id);
        const tree = { ...(await treeOf(client, model, compiled, await domain(client))), ...also };
        const { value, violations } = compiled.run(tree);
        assert.deepEqual(violations, []);
        const { target } = compiled.mapping;
        assert.ok('entity' in target);
        assert.deepEqual(validatorOf(target.entity, 'strict')(value).violations, []);
        for (const [field, wanted] of Object.entries(said)) assert.deepEqual(value[field], wanted, field);
      });
    }

    test('a rule that is low has the key of a cabinet’s alarm for the same shelf, so that both are one', async () => {
      const compiled = library.get('odoo-orderpoint-to-inventory-level');
      const rule = (await treeOf(client, 'stock.warehouse.orderpoint', compiled, [
        ['product_id.default_code', '=', 'MORPH-10'],
      ])) as { product_id: Tree; location_id: Tree };
      const told = compiled.run({
        ...rule,
        product_id: { ...rule.product_id, default_code: 'MORPH-10' },
        location_id: { ...rule.location_id, barcode: 'LOC-1-WARD 3 EAST' },
        as_of: asOf,
      });
      const alarm = { item: 'MORPH-10', location: 'LOC-1-WARD 3 EAST', level: '8', unit: 'EA', at: asOf };
      const cabinet = library.get('cabinet-threshold-to-inventory-level').run(alarm);
      const entity = entities.find(({ name }) => name === 'inventoryLevel')!;
      assert.equal(partitionKeyOf(entity, told.value), partitionKeyOf(entity, cabinet.value));
      assert.match(String(partitionKeyOf(entity, told.value)), /MORPH-10.*WARD/);
    });

    test('an archived supplier is read as archived', async () => {
      const [partner] = await searchRead(client, 'res.partner', [['ref', '=', 'NORDIC']], { fields: ['id'] });
      await client.call(
        { model: 'res.partner', method: 'write', ids: [partner!.id], args: { vals: { active: false } } },
        { effect: 'write' },
      );
      const compiled = library.get('odoo-partner-to-supplier');
      const tree = await treeOf(client, 'res.partner', compiled, [
        ['ref', '=', 'NORDIC'],
        ['active', '=', false],
      ]);
      assert.equal(compiled.run(tree).value.active, false);
    });

    if (version === '19')
      test('every shipped mapping that reads Odoo is among them', () => {
        const tried = new Set([...cases.map(([id]) => id), ...Object.keys(elsewhere)]);
        assert.deepEqual(
          library
            .list()
            .filter(({ source, target }) => 'format' in source && source.format === 'odoo' && 'entity' in target)
            .map(({ id }) => id)
            .filter((id) => !tried.has(id)),
          [],
        );
      });
  });
}

/** The mapper in a real Node-RED: messages, failures, and what the dialog asks of it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';
import { supplierOrder, withLine } from './order.ts';

const mapper = (id: string, more: Record<string, unknown>): FlowNode => ({
  id,
  type: 'canonical-mapper',
  z: 'f1',
  wires: [['out']],
  ...more,
});

const flow: FlowNode[] = [
  { id: 'f1', type: 'tab', label: 'mapping' },
  mapper('to', { mode: 'to-canonical', mapping: 'supplier-order-json-to-order', wires: [['from', 'out']] }),
  mapper('from', { mode: 'from-canonical', mapping: 'order-to-odoo-purchase-order', wires: [['odoo']] }),
  mapper('project', { mode: 'project', entity: 'order', allow: 'PI', hide: 'mask' }),
  mapper('keeping', { mode: 'to-canonical', mapping: 'supplier-order-json-to-order', keep: 2, store: 'store' }),
  mapper('x12', { mode: 'from-canonical', mapping: 'order-to-x12-850', store: 'store' }),
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'mapper.sqlite', configVersion: 1 },
  mapper('broken', { mode: 'to-canonical', mapping: 'no-such-mapping' }),
  mapper('inline', {
    mode: 'to-canonical',
    edited: JSON.stringify({
      id: 'inline',
      version: '1.0.0',
      title: 'In place',
      source: { format: 'json', name: 'in' },
      target: { entity: 'location' },
      rows: [
        { from: 'c', to: 'code' },
        { from: 'n', to: 'name' },
      ],
    }),
  }),
  { id: 'out', type: 'debug', active: false, z: 'f1', wires: [] },
  { id: 'odoo', type: 'debug', active: false, z: 'f1', wires: [] },
  { id: 'catch', type: 'catch', z: 'f1', scope: null, wires: [['caught']] },
  { id: 'caught', type: 'debug', active: false, z: 'f1', wires: [] },
];

describe('canonical-mapper in Node-RED', () => {
  let red: EmbeddedNodeRed;
  before(async () => {
    red = await embedNodeRed();
    await red.setFlows(flow);
  });
  after(() => red.stop());

  const through = async (from: string, to: string, message: Record<string, unknown>) => {
    const arrived = red.receive(to);
    red.node(from).receive(message);
    const [first] = await arrived;
    return first as Record<string, unknown>;
  };

  test('maps an order to the canonical model and on to Odoo, and describes it', async () => {
    const odoo = await through('to', 'odoo', { payload: JSON.stringify(supplierOrder) });
    assert.equal((odoo.payload as { externalId: string }).externalId, 'hf_orders.po_ACME_PO__2d1001');
    const event = odoo.event as Record<string, unknown>;
    assert.equal(event.subject, 'ACME/PO-1001');
    assert.equal(event.partitionkey, 'ACME/PO-1001');
    assert.equal(event.sensitivity, 'C');
  });

  test('hands every violation to Catch', async () => {
    const caught = await through('to', 'caught', { payload: withLine({ qty: 'ten', unit: 'HANDFUL' }) });
    const failure = caught.failure as { class: string; detail: { count: number } };
    assert.equal(failure.class, 'data-quality');
    assert.equal(failure.detail.count, 2);
  });

  test('minimises', async () => {
    const canonical = await through('to', 'out', { payload: JSON.stringify(supplierOrder) });
    const projected = await through('project', 'out', { payload: canonical.payload });
    assert.doesNotMatch(JSON.stringify(projected.payload), /235\.40/);
    assert.match(JSON.stringify(projected.payload), /"\*\*\*"/);
  });

  test('maps with a mapping edited in place', async () => {
    const mapped = await through('inline', 'out', { payload: { c: 'WH', n: 'Store' } });
    assert.equal((mapped.payload as { code: string }).code, 'WH');
  });

  test('says what is wrong with its settings, when it starts and with every message', async () => {
    const caught = await through('broken', 'caught', { payload: '{}' });
    assert.equal((caught.failure as { code: string }).code, 'MAPPING_UNKNOWN');
  });

  const endpoint = async (path: string, body?: unknown) => {
    const response = await fetch(`${red.url}/healthflows/canonical-mapper/${path}`, {
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  test('lists mappings, the model and its fields for the dialog', async () => {
    const { body } = await endpoint('mappings');
    const ids = (body.mappings as { id: string }[]).map(({ id }) => id);
    assert.ok(ids.includes('supplier-order-json-to-order') && ids.includes('order-to-odoo-purchase-order'));
    const { body: model } = await endpoint('model');
    assert.ok((model.transforms as unknown[]).length >= 30);
    const { body: order } = await endpoint('entities/order');
    assert.ok((order.fields as { path: string }[]).some(({ path }) => path === 'lines[].quantity.value'));
    assert.equal((await endpoint('entities/__proto__')).status, 422);
    assert.equal((await endpoint('mappings/nowhere')).status, 500);
  });

  test('previews a sample through the same engine', async () => {
    const { body } = await endpoint('preview', {
      id: 'supplier-order-json-to-order',
      sample: JSON.stringify(supplierOrder),
    });
    const { preview, problems } = body as unknown as {
      preview: { violations: unknown[]; result: string };
      problems: unknown[];
    };
    assert.deepEqual([preview.violations, problems], [[], []]);
    assert.equal(JSON.parse(preview.result).number, 'PO-1001');
  });

  test('previews a mapping whose key is missing with a warning that says which', async () => {
    const sample = JSON.stringify({ resourceType: 'ChargeItem', account: [{ identifier: { value: 'A-1' } }] });
    const { status, body } = await endpoint('preview', { id: 'fhir-charge-item-to-billing-charge', sample });
    assert.equal(status, 200);
    assert.match(JSON.stringify(body.problems), /HEALTHFLOWS_PSEUDONYM_KEY/);
    assert.ok('source' in body, 'what the sample holds is shown all the same');
  });

  test('answers a bad sample or mapping with what is wrong, never with a crash', async () => {
    for (const body of [
      {},
      { mapping: '[]' },
      { mapping: '{"rows":[{"to":3}]}' },
      { id: 'supplier-order-json-to-order', sample: '<xml/>' },
      { mapping: '{' },
      { id: 7 },
    ]) {
      const { status, body: answer } = await endpoint('preview', body);
      assert.ok(status < 600 && ('error' in answer || 'problems' in answer), JSON.stringify(body));
    }
    assert.deepEqual((await endpoint('suggest', { mapping: '{}', sample: '{}' })).body, { suggestions: [] });
  });

  test('numbers X12 interchanges from its store, and a message that comes again keeps its number', async () => {
    const order = (await through('to', 'out', { payload: JSON.stringify(supplierOrder) })).payload;
    const numberOf = async (id: string) => {
      const message = { payload: structuredClone(order), event: { specversion: '1.0', id, source: 's', type: 't' } };
      return Number(((await through('x12', 'out', message)).payload as string).split('*')[13]);
    };
    const first = await numberOf('m1');
    assert.equal(await numberOf('m2'), first + 1);
    assert.equal(await numberOf('m1'), first);
  });

  test('tries a changed mapping on the documents it keeps, also after a deploy, and says what differs', async () => {
    for (const number of ['PO-1', 'PO-2', 'PO-3'])
      await through('keeping', 'out', { payload: JSON.stringify({ ...supplierOrder, orderNumber: number }) });
    await red.setFlows(flow);
    const { body: shipped } = await endpoint('mappings/supplier-order-json-to-order');
    const draft = structuredClone(shipped) as { rows: Record<string, unknown>[] };
    draft.rows.find(({ to }) => to === 'number')!.transforms = ['trim', 'lower'];
    const mapping = JSON.stringify(draft);
    const { body } = await endpoint('dry-run', { node: 'keeping', mapping });
    const runs = body.runs as { verdict: string; changes: { path: string; after?: string }[] }[];
    assert.deepEqual(
      runs.map(({ verdict, changes }) => [verdict, changes[0]?.path, changes[0]?.after]),
      [
        ['changed', 'number', 'po-3'],
        ['changed', 'number', 'po-2'],
      ],
    );
    const { body: difference } = await endpoint('difference', {
      node: 'keeping',
      mapping,
      sample: JSON.stringify(supplierOrder),
    });
    assert.deepEqual((difference.deployed as { id: string }).id, 'supplier-order-json-to-order');
    assert.deepEqual(
      (difference.rows as { to: string; kind: string }[]).map(({ to, kind }) => [kind, to]),
      [['changed', 'number']],
    );
    assert.deepEqual(difference.values, [{ path: 'number', before: 'PO-1001', after: 'po-1001' }]);
    assert.equal((await endpoint('difference', { node: 'none', mapping })).body.deployed, null);
    // A node that keeps nothing has nothing.
    assert.deepEqual((await endpoint('dry-run', { node: 'to', mapping })).body, {
      kept: 0,
      locked: true,
      away: [],
      values: true,
      runs: [],
    });
  });

  test('opens a kept document to a person with a reason only, and never where nobody has a name', async () => {
    await through('keeping', 'out', { payload: JSON.stringify(supplierOrder) });
    const { body } = await endpoint('dry-run', {
      node: 'keeping',
      mapping: JSON.stringify((await endpoint('mappings/supplier-order-json-to-order')).body),
    });
    const { key } = (body.runs as { key: string }[])[0]!;
    const { status, body: refused } = await endpoint('open', {
      node: 'keeping',
      key,
      reason: 'a sample for a mapping',
    });
    assert.equal(status, 403);
    assert.equal((refused.error as { code: string }).code, 'SIGN_IN_REQUIRED');
    assert.ok(!JSON.stringify(refused).includes('PO-1001'));
  });

  test('suggests with reasons, and changes nothing by itself', async () => {
    const mapping = { target: { entity: 'order' }, source: { format: 'json', name: 'x' }, rows: [] };
    const { body } = await endpoint('suggest', {
      mapping: JSON.stringify(mapping),
      sample: JSON.stringify(supplierOrder),
    });
    const suggestions = body.suggestions as { to: string; from: string; score: number; reasons: string[] }[];
    const best = suggestions.find(({ to }) => to === 'currency');
    assert.equal(best?.from, 'currency');
    assert.ok(best!.reasons.length > 0);
  });

  test('takes a JSON Schema for the source in place of a document', async () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        number: { type: 'string', description: 'Number of the order' },
        vendor: { $ref: '#/$defs/party' },
        rows: {
          type: 'array',
          items: { allOf: [{ $ref: '#/$defs/row' }, { properties: { remark: { type: ['string', 'null'] } } }] },
        },
        outside: { $ref: 'https://partner.example/schema.json' },
      },
      $defs: {
        party: { type: 'object', properties: { gln: { type: 'string' }, parent: { $ref: '#/$defs/party' } } },
        row: { type: 'object', properties: { article: { title: 'Our article' }, qty: { type: 'number' } } },
      },
    };
    const mapping = {
      id: 'm',
      version: '1.0.0',
      title: 'M',
      source: { format: 'json', name: 'x' },
      target: { entity: 'order' },
      rows: [
        { from: 'number', to: 'number' },
        { from: '', to: '' },
      ],
    };
    const request = { mapping: JSON.stringify(mapping), sample: JSON.stringify(schema) };
    const { status, body } = await endpoint('preview', request);
    assert.equal(status, 200);
    assert.deepEqual(body.source, [
      { path: 'number', value: 'string: Number of the order' },
      { path: 'vendor.gln', value: 'string' },
      { path: 'rows[].article', value: 'Our article' },
      { path: 'rows[].qty', value: 'number' },
      { path: 'rows[].remark', value: 'string' },
    ]);
    assert.deepEqual(body.unmapped, ['vendor.gln', 'rows[].article', 'rows[].qty', 'rows[].remark']);
    assert.equal(body.preview, undefined, 'a schema is no document to map');
    const { suggestions } = (await endpoint('suggest', request)).body as {
      suggestions: { from: string; to: string }[];
    };
    assert.ok(suggestions.some(({ from, to }) => from === 'rows[].qty' && to === 'lines[].quantity.value'));
    assert.ok(suggestions.every(({ from }) => !from.includes('properties')));

    // One that refers to itself in every way ends.
    const wild = {
      $schema: schema.$schema,
      $defs: { a: { properties: {} as Record<string, unknown> } },
      $ref: '#/$defs/a',
    };
    for (let n = 0; n < 40; n++) {
      wild.$defs.a.properties[`f${n}`] = { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#' }, { type: 'string' }] };
    }
    const ended = await endpoint('preview', { ...request, sample: JSON.stringify(wild) });
    assert.equal(ended.status, 200);
  });
});

describe('the examples', () => {
  const exampleOf = (name: string) =>
    JSON.parse(readFileSync(`${packageRoot}/examples/03 Mapping/${name}.json`, 'utf8')) as (FlowNode & {
      payload?: string;
    })[];
  let red: EmbeddedNodeRed;
  before(async () => {
    red = await embedNodeRed();
  });
  after(() => red.stop());

  /** Sends what an inject node would send, and returns what arrives at another node. */
  const press = async (nodes: ReturnType<typeof exampleOf>, button: string, at: string) => {
    const inject = nodes.find(({ name }) => name === button)!;
    const arrived = red.receive(nodes.find(({ name }) => name === at)!.id);
    red.node(inject.wires![0]![0]!).receive({ payload: inject.payload });
    const [message] = await arrived;
    return message as { payload: Record<string, unknown>; event: Record<string, unknown> };
  };

  test('map a supplier order as they are', async () => {
    const nodes = exampleOf('01 - map a supplier order');
    await red.setFlows(nodes);
    const { payload } = await press(nodes, 'a good order', 'Odoo document');
    assert.match(JSON.stringify(payload), /"price_unit":"4\.20"/);
  });

  test('make one model of many formats, and leave prices behind', async () => {
    const nodes = exampleOf('02 - one model for many formats');
    await red.setFlows(nodes);
    for (const button of ['UBL order', 'X12 850 order']) {
      const { payload, event } = await press(nodes, button, 'without prices');
      assert.equal(event.subject, 'ACME/PO-1001', 'one order has one key in every format');
      assert.doesNotMatch(JSON.stringify(payload), /4\.20?"/);
    }
    const { payload } = await press(nodes, 'HL7 v2 requisition', 'canonical document');
    assert.equal((payload.lines as unknown[]).length, 2);
  });
});

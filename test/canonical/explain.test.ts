/** Why each value is what it is, what a changed mapping changes, and what of it a reader may see. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dryRun, type TrialDocument } from '../../nodes/canonical/dry-run.ts';
import { explainDocument } from '../../nodes/canonical/explain.ts';
import { differenceOf, valuesBetween } from '../../nodes/canonical/mapping/difference.ts';
import type { Mapping } from '../../nodes/canonical/mapping/mapping.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { RecentDocuments } from '../../nodes/canonical/recent.ts';
import { sensitivities } from '../../nodes/canonical/schemas/index.ts';
import { supplierOrder } from './order.ts';

const library = new MappingLibrary();
// Some shipped mappings make pseudonyms.
process.env.HEALTHFLOWS_PSEUDONYM_KEY = 'k'.repeat(40);

describe('an explanation', () => {
  test('tells for each value its source, steps and rule, positions filled in', async () => {
    const { values, count, mapping } = await explainDocument(
      library.get('supplier-order-json-to-order'),
      JSON.stringify(supplierOrder),
      { allow: sensitivities },
    );
    assert.equal(count, 0);
    assert.equal(mapping.id, 'supplier-order-json-to-order');
    const unit = values.find(({ target }) => target === 'lines[0].quantity.unit')!;
    assert.equal(unit.source, 'lines[0].unit');
    assert.match(unit.rule, /lookup/);
    assert.equal(unit.outcome, 'mapped');
    assert.equal(unit.result, unit.steps[unit.steps.length - 1]!.value);
    const price = values.find(({ target }) => target === 'lines[0].unitPrice.amount')!;
    assert.equal(price.sensitivity, 'C');
    assert.equal(price.result, '235.40');
  });

  test('is of every value of the document that the mapping makes, and of no other', async () => {
    for (const { id } of library.list()) {
      const compiled = library.get(id);
      const { sample } = compiled.mapping;
      if (sample === undefined || compiled.expressions.length > 0) continue;
      const { values } = await explainDocument(compiled, sample, { allow: sensitivities, limit: 5_000 });
      for (const { result, outcome, target } of values)
        assert.ok(result !== undefined || outcome !== 'mapped', `${id} ${target}`);
      assert.ok(values.length > 0, id);
    }
  });

  test('masks by the class of the field: no price, name or account for a reader of public and internal fields', async () => {
    const { values } = await explainDocument(library.get('supplier-order-json-to-order'), supplierOrder);
    const text = JSON.stringify(values);
    assert.ok(!text.includes('235.40'), 'a price is confidential');
    assert.equal(values.find(({ target }) => target === 'lines[0].unitPrice.amount')!.result, '***');
    assert.equal(values.find(({ target }) => target === 'number')!.result, 'PO-1001');
  });

  test('never shows what was read where only what came out may be seen: a patient’s account behind its pseudonym', async () => {
    const { sample } = library.source('hl7-dft-to-charge');
    const account = JSON.stringify(sample).match(/PID\|[^|]*\|[^|]*\|([A-Z0-9]+)/)?.[1];
    assert.ok(account !== undefined, 'the sample has a patient identifier');
    for (const id of ['hl7-dft-to-charge', 'hl7-dft-to-billing-charge']) {
      const { values } = await explainDocument(library.get(id), sample, { allow: ['P', 'I', 'C'] });
      assert.ok(!JSON.stringify(values).includes(account), id);
    }
  });

  test('from the model masks the value that was read by its class there', async () => {
    const { values } = await explainDocument(
      library.get('order-to-odoo-purchase-order'),
      library.get('supplier-order-json-to-order').run(supplierOrder).value,
    );
    const price = values.find(({ source }) => source === 'lines[0].unitPrice.amount')!;
    assert.deepEqual([price.value, price.result], ['***', '***']);
    const number = values.find(({ source }) => source === 'number')!;
    assert.equal(number.value, 'PO-1001');
  });

  test('of a document that cannot be mapped tells the rows that failed, without values', async () => {
    const { values, violations, count } = await explainDocument(library.get('supplier-order-json-to-order'), {
      ...supplierOrder,
      lines: [{ ...supplierOrder.lines[0], unit: 'PALLET-OF-SECRETS' }],
    });
    assert.equal(count, violations.length);
    const failed = values.filter(({ outcome }) => outcome === 'error');
    assert.ok(failed.length > 0);
    assert.ok(!JSON.stringify([failed, violations]).includes('PALLET-OF-SECRETS'));
  });

  test('is bounded and says how much it leaves out', async () => {
    const all = await explainDocument(library.get('supplier-order-json-to-order'), supplierOrder);
    const few = await explainDocument(library.get('supplier-order-json-to-order'), supplierOrder, { limit: 3 });
    assert.equal(few.values.length, 3);
    assert.equal(few.more, all.values.length - 3);
  });
});

const small: Mapping = {
  id: 'small',
  version: '1.0.0',
  title: 'Small',
  source: { format: 'json', name: 'in' },
  target: { entity: 'location' },
  rows: [
    { from: 'c', to: 'code' },
    { from: 'n', to: 'name' },
    { from: 'alias', to: 'name' },
  ],
};

describe('the difference of two mappings', () => {
  test('names rows that are new, gone or changed, and what of the mapping itself', () => {
    const after: Mapping = {
      ...small,
      version: '1.1.0',
      rows: [{ to: 'code', from: 'c', transforms: ['trim'] }, small.rows[1]!, { value: 'ward', to: 'kind' }],
    };
    assert.deepEqual(differenceOf(small, after), {
      properties: ['version'],
      rows: [
        { kind: 'changed', row: 1, to: 'code', properties: ['transforms'] },
        { kind: 'removed', row: 3, to: 'name', properties: [] },
        { kind: 'added', row: 3, to: 'kind', properties: [] },
      ],
    });
  });

  test('is none for another order of keys or another sample', () => {
    const after: Mapping = { ...small, sample: { c: 1 }, rows: small.rows.map(({ to, ...rest }) => ({ to, ...rest })) };
    assert.deepEqual(differenceOf(small, after), { properties: [], rows: [] });
  });

  test('of values has paths with positions, and stops at its limit', () => {
    assert.deepEqual(valuesBetween({ a: [{ b: '1' }], c: 'x' }, { a: [{ b: '2' }, { b: '3' }] }), [
      { path: 'a[0].b', before: '1', after: '2' },
      { path: 'a[1].b', after: '3' },
      { path: 'c', before: 'x' },
    ]);
    assert.equal(valuesBetween([], Array.from({ length: 50 }, String), 10).length, 10);
  });
});

describe('the documents that a node keeps', () => {
  const note = (document: string, outcome = 'mapped') => ({ at: '2026-11-23T10:15:00Z', outcome, document });

  test('are the last ones, and none unless the node is told to keep some', () => {
    const recent = new RecentDocuments();
    recent.add(note('a'));
    assert.deepEqual(recent.list(), []);
    recent.limit(2);
    for (const text of ['a', 'b', 'c']) recent.add(note(text));
    assert.deepEqual(
      recent.list().map(({ document }) => document),
      ['c', 'b'],
    );
    recent.limit(0);
    assert.deepEqual(recent.list(), []);
  });

  test('are copies: what follows in the flow does not change them', () => {
    const tree = { a: '1' };
    const copy = new RecentDocuments().copyOf(tree);
    tree.a = '2';
    assert.equal(copy, '{"a":"1"}');
  });

  test('are bounded in number and in size', () => {
    const recent = new RecentDocuments();
    recent.limit(1_000);
    assert.equal(recent.copyOf('x'.repeat(300_000)), undefined);
    for (let i = 0; i < 60; i++) recent.add(note('x'.repeat(200_000)));
    const { length } = recent.list();
    assert.ok(length <= 50 && length * 200_000 <= 4 * 1024 * 1024, `${length} kept`);
  });
});

describe('a dry run', () => {
  const documents: TrialDocument[] = [
    { key: '1', origin: 'node', at: '2026-11-23T10:15:00Z', outcome: 'mapped', document: '{"c":"W1","n":"Ward 1"}' },
    { key: '2', origin: 'node', at: '2026-11-23T10:16:00Z', outcome: 'SCHEMA_VIOLATION', document: '{"c":"W2"}' },
    { key: '3', origin: 'node', at: '2026-11-23T10:17:00Z', outcome: 'JSON_SYNTAX', document: '{"c":' },
  ];
  const compile = (mapping: unknown) => library.compile(mapping);

  test('tells what would change, what is mended and what would be refused', async () => {
    const draft = { ...small, rows: [...small.rows.slice(0, 1), { from: 'n', to: 'name', default: 'unnamed' }] };
    const runs = await dryRun(compile(draft), compile(small), documents, true);
    assert.deepEqual(
      runs.map(({ verdict }) => verdict),
      ['same', 'mended', 'refused'],
    );
    const upper = { ...small, rows: [small.rows[0]!, { from: 'n', to: 'name', transforms: ['upper'] }] };
    const [changed] = await dryRun(compile(upper), compile(small), documents, true);
    assert.deepEqual(changed!.changes, [{ path: 'name', before: 'Ward 1', after: 'WARD 1' }]);
  });

  test('shows paths alone to who may not open documents: a draft may read anything into a field of class I', async () => {
    const draft = { ...small, rows: [small.rows[0]!, { from: 'n', to: 'name', transforms: ['upper'] }] };
    const [changed] = await dryRun(compile(draft), compile(small), documents, false);
    assert.deepEqual(changed!.changes, [{ path: 'name' }]);
  });

  test('without a deployed mapping only says whether they would pass', async () => {
    const runs = await dryRun(compile(small), undefined, documents, true);
    assert.deepEqual(
      runs.map(({ verdict }) => verdict),
      ['new', 'refused', 'refused'],
    );
  });

  test('opens no document: prices stay out, problems have no values', async () => {
    const before = library.get('supplier-order-json-to-order');
    const file = structuredClone(before.mapping) as unknown as { rows: Record<string, unknown>[] };
    const price = file.rows.find(({ to }) => to === 'lines[].unitPrice.amount')!;
    delete price.from;
    price.value = '9.99';
    const text = JSON.stringify(supplierOrder);
    const [run] = await dryRun(compile(file), before, [{ ...documents[0]!, document: text }], true);
    assert.equal(run!.verdict, 'changed');
    assert.ok(run!.changes.some(({ path }) => path === 'lines[0].unitPrice.amount'));
    assert.ok(!/9\.99|235\.40/.test(JSON.stringify(run)));
  });
});

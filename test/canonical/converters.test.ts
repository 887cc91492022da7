/** Documents of earlier majors; the model has only first majors, so a synthetic entity stands for a later one. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMapper } from '../../nodes/canonical/mapper.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { type Converter, registryProblems, upConverted } from '../../nodes/canonical/model/converters.ts';
import { type EntitySchema, entities } from '../../nodes/canonical/schemas/index.ts';
import { supplierOrder } from './order.ts';

const order = entities.find(({ name }) => name === 'order')!;
const later: EntitySchema = { ...order, version: '3.1.0', id: 'urn:healthflows:canonical:order:3.1.0' };

const steps: Converter[] = [
  {
    entity: 'order',
    from: 1,
    to: 2,
    why: '2.0.0 calls the buyer by a pointer',
    convert: ({ buyerCode, ...rest }) =>
      buyerCode === undefined ? rest : { ...rest, buyer: { identifiers: [{ type: 'CODE', value: buyerCode }] } },
  },
  {
    entity: 'order',
    from: 2,
    to: 3,
    why: '3.0.0 has amounts as money',
    convert: ({ total, ...rest }) => ({ ...rest, ...(total === undefined ? {} : { netAmount: { amount: total } }) }),
  },
];

const old = { meta: { schemaVersion: '1.4.0', source: 'acme' }, number: 'PO-1', buyerCode: 'W1', total: '235.40' };

describe('a document of an earlier major', () => {
  test('becomes one of the present major, step by step, and says so', () => {
    assert.deepEqual(upConverted(later, old, steps), {
      meta: { schemaVersion: '3.1.0', schema: later.id, source: 'acme' },
      number: 'PO-1',
      buyer: { identifiers: [{ type: 'CODE', value: 'W1' }] },
      netAmount: { amount: '235.40' },
    });
    assert.equal(old.buyerCode, 'W1', 'the original is as it was');
    assert.deepEqual(
      upConverted(later, { meta: { schemaVersion: '2.0.0' }, buyerCode: 'kept' }, steps).buyerCode,
      'kept',
      'only the steps that are left are taken',
    );
  });

  test('is refused where a step is missing, and one of a later major too', () => {
    assert.throws(() => upConverted(later, old, steps.slice(0, 1)), { class: 'data-quality', code: 'SCHEMA_TOO_OLD' });
    assert.throws(() => upConverted(order, { meta: { schemaVersion: '2.0.0' } }), { code: 'SCHEMA_NEWER' });
  });

  test('of the present major, or without a version that can be read, stays the same object', () => {
    for (const meta of [undefined, null, 'x', {}, { schemaVersion: 7 }, { schemaVersion: '1.9.9' }]) {
      const document = { meta };
      assert.equal(upConverted(order, document), document);
    }
    assert.equal(upConverted(order, null as never), null);
  });
});

test('the registry has each step of each entity once', () => {
  assert.deepEqual(registryProblems(entities), []);
  assert.deepEqual(registryProblems([later], steps), []);
  assert.equal(registryProblems([later], steps.slice(1)).length, 1);
  assert.equal(registryProblems([later], [...steps, steps[0]!]).length, 1);
  assert.equal(registryProblems([order], steps).length, 2);
  assert.equal(registryProblems([later], [steps[0]!, steps[1]!, { ...steps[1]!, from: 1, to: 3 }]).length, 2);
});

test('the mapper refuses a document of a later major with the reason, in each mode that reads the model', async () => {
  const library = new MappingLibrary();
  const value = library.get('supplier-order-json-to-order').run(supplierOrder).value;
  for (const map of [
    createMapper({ mode: 'from-canonical', mapping: library.get('order-to-odoo-purchase-order') }, 'n'),
    createMapper({ mode: 'validate', entity: 'order', reading: 'tolerant' }, 'n'),
    createMapper({ mode: 'project', entity: 'order', projection: { allow: ['P', 'I'], mode: 'drop' } }, 'n'),
  ]) {
    await map({ payload: structuredClone(value) });
    assert.throws(() => map({ payload: { ...structuredClone(value), meta: { schemaVersion: '2.0.0' } } }), {
      code: 'SCHEMA_NEWER',
    });
  }
});

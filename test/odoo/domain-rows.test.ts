import assert from 'node:assert/strict';
import { test } from 'node:test';
import { domainOf, rowsOf, textOf, typedValue } from '../../nodes/odoo/odoo-rpc/editor/domain-rows.ts';

test('what rows can say goes through them unchanged, whichever way it is joined', () => {
  for (const domain of [
    [],
    [['state', '=', 'draft']],
    [
      ['state', 'in', ['draft', 'sent']],
      ['partner_id.ref', '=like', 'A%'],
      ['amount_total', '>', '10.50'],
    ],
    ['|', '|', ['a', '=', 1], ['b', '!=', false], ['c', '=', false]],
  ])
    assert.deepEqual(domainOf(rowsOf(domain)!), domain);
  const and = ['&', ['a', '=', 1], ['b', '=', 2]];
  assert.deepEqual(domainOf(rowsOf(and)!), and.slice(1));
});

test('what rows cannot say is left to the JSON view, never simplified', () => {
  for (const domain of [
    ['!', ['a', '=', 1]],
    ['|', ['a', '=', 1], '&', ['b', '=', 1], ['c', '=', 1]],
    ['|', ['a', '=', 1], ['b', '=', 1], ['c', '=', 1]],
    ['&', '|', ['a', '=', 1], ['b', '=', 1], ['c', '=', 1]],
    [['a', 'any', [['b', '=', 1]]]],
    [['a', '=']],
    [[1, '=', 1]],
    ['|'],
    {},
  ])
    assert.equal(rowsOf(domain), undefined, JSON.stringify(domain));
});

test('a typed value has the type of its field: ids are numbers, amounts keep their digits, codes stay text', () => {
  assert.equal(typedValue('8', '=', 'many2one'), 8);
  assert.equal(typedValue('Acme', 'ilike', 'many2one'), 'Acme');
  assert.equal(typedValue('10.50', '>', 'monetary'), '10.50');
  assert.equal(typedValue('007', '=', 'char'), '007');
  assert.equal(typedValue('7', '=', 'char'), '7');
  assert.equal(typedValue('true', '=', 'boolean'), true);
  assert.deepEqual(typedValue('1, 2,3', 'in', 'integer'), [1, 2, 3]);
  assert.equal(typedValue('7', '=', undefined), 7);
  assert.equal(typedValue('007', '=', undefined), '007');
  for (const value of ['a', 8, true, ['x', 'y']])
    assert.deepEqual(typedValue(textOf(value), Array.isArray(value) ? 'in' : '=', undefined), value);
});

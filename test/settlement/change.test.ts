import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BacklogHistory } from '../../nodes/console/backlog.ts';
import { applyChange, changeOf } from '../../nodes/settlement/letters/change.ts';

const edited = (document: string, change: object): string => {
  const result = applyChange('application/json', Buffer.from(document), changeOf(change));
  return 'body' in result ? result.body.toString() : result.why;
};

test('a field is set in every item, and every other digit stays as it was written', () => {
  assert.equal(
    edited('{"lines":[{"unit":"bx","qty":2.50,"price":12345678901234567890.10},{"unit":"EA","qty":1e2}]}', {
      pointer: '/lines/*/unit',
      from: 'bx',
      to: 'BX',
    }),
    '{"lines":[{"unit":"BX","qty":2.50,"price":12345678901234567890.10},{"unit":"EA","qty":1e2}]}',
  );
});

test('a value keeps its kind: a number takes a number, exact, and nothing else', () => {
  assert.equal(edited('{"qty":2.5}', { pointer: '/qty', to: '3.10' }), '{"qty":3.10}');
  assert.equal(edited('{"qty":2.5}', { pointer: '/qty', to: 'many' }), 'nothing to change');
  assert.equal(edited('{"rush":false}', { pointer: '/rush', to: 'true' }), '{"rush":true}');
  assert.equal(edited('{"note":"a"}', { pointer: '/note', to: '5' }), '{"note":"5"}');
});

test('what does not fit is left alone and says why', () => {
  assert.equal(edited('{"a":1}', { pointer: '/b', to: 'x' }), 'field not there');
  assert.equal(edited('{"a":"1"}', { pointer: '/a', from: '2', to: 'x' }), 'other value');
  assert.equal(edited('{"a":{"b":1}}', { pointer: '/a', to: 'x' }), 'field not there');
  assert.equal(edited('{"a":', { pointer: '/a', to: 'x' }), 'no JSON');
  assert.deepEqual(applyChange('text/csv', Buffer.from('a;b'), changeOf({ pointer: '/a', to: 'x' })), {
    why: 'no JSON',
  });
});

test('a pointer with escapes reaches its field; one to a prototype is refused', () => {
  assert.equal(edited('{"a/b":{"c~d":"x"}}', { pointer: '/a~1b/c~0d', to: 'y' }), '{"a/b":{"c~d":"y"}}');
  for (const pointer of ['/__proto__/x', '/constructor', 'unit', '']) {
    assert.throws(() => changeOf({ pointer, to: 'x' }), { code: 'CHANGE_INVALID' }, pointer);
  }
});

test('a backlog tells how long it will take from how it has changed', () => {
  const history = new BacklogHistory();
  assert.deepEqual(history.note('q', 100, 0), { kind: 'unknown' });
  assert.deepEqual(history.note('q', 80, 20_000), { kind: 'draining', milliseconds: 80_000 });
  assert.deepEqual(history.note('q', 160, 60_000), { kind: 'growing', perMinute: 60 });
  assert.deepEqual(history.note('q', 0, 61_000), { kind: 'empty' });
  assert.deepEqual(history.note('other', 5, 0), { kind: 'unknown' });
  assert.deepEqual(history.note('other', 5, 30_000), { kind: 'standing' });
});

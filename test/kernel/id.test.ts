import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childTraceparent, isTraceparent, uuidv7 } from '../../nodes/kernel/id.ts';

test('identifiers are UUIDs of version 7, all different, and sort by time', () => {
  const ids = Array.from({ length: 1000 }, () => uuidv7());
  assert.equal(new Set(ids).size, 1000);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([...ids].sort(), ids);
  assert(uuidv7(1_700_000_000_000) < uuidv7(1_700_000_000_001));
  assert.equal(Number.parseInt(uuidv7(1_700_000_000_000).replaceAll('-', '').slice(0, 12), 16), 1_700_000_000_000);
});

test('a trace goes on with a new span, and starts anew where the parent is not valid', () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const child = childTraceparent(parent);
  assert(isTraceparent(child));
  assert.equal(child.slice(0, 36), parent.slice(0, 36));
  assert.notEqual(child, parent);
  for (const bad of [
    undefined,
    '',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    parent.toUpperCase(),
    `${parent}-extra`,
  ]) {
    assert(!isTraceparent(bad));
    assert(isTraceparent(childTraceparent(bad)));
  }
});

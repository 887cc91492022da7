/** When the sender of a divided message may be answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcceptedParts } from '../../nodes/amqp/amqp-publish/accepted-parts.ts';

const part = (index: number, more: Record<string, unknown> = {}) => ({
  parts: { id: 'a', index, type: 'array', count: 3, ...more },
});

test('a message is accepted with its last part, in whatever order they come and however often', () => {
  const parts = new AcceptedParts();
  assert.deepEqual(
    [part(2), part(0), part(0), part(1)].map((each) => parts.complete(each)),
    [false, false, false, true],
  );
  assert.equal(parts.complete({}), true);
});

test('a message that other nodes have numbered, and nobody divided, is whole', () => {
  const parts = new AcceptedParts();
  for (const numbered of [{ parts: { id: 'b', index: 0, count: 5 } }, { parts: {} }, { parts: null }]) {
    assert.equal(parts.complete(numbered), true, JSON.stringify(numbered));
  }
});

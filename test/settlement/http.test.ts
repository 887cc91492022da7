/** The HTTP side of settle, with the example as a person imports it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ProblemDetails } from '../../nodes/settlement/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';

let red: EmbeddedNodeRed;

before(async () => {
  red = await embedNodeRed();
  const example = join(packageRoot, 'examples/06 Settlement/01 - settle both paths.json');
  await red.setFlows(JSON.parse(readFileSync(example, 'utf8')) as FlowNode[]);
});
after(() => red?.stop());

async function post(key: string, unit: string) {
  const response = await fetch(`${red.url}/example/settle`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ order: `PO-${key}`, unit }),
  });
  return {
    status: response.status,
    type: response.headers.get('content-type')?.split(';')[0],
    retryAfter: response.headers.get('retry-after'),
    body: (await response.json()) as ProblemDetails & Record<string, unknown>,
  };
}

test('a good order is answered, and its duplicate gets the same answer', async () => {
  const first = await post('1', 'box');
  assert.deepEqual([first.status, first.body], [201, { order: 'PO-1', accepted: true }]);
  assert.deepEqual(await post('1', 'box'), first);
});

test('a bad document is told where it is wrong, and its duplicate is told the same', async () => {
  const first = await post('2', 'bx');
  assert.deepEqual([first.status, first.type, first.body.status], [422, 'application/problem+json', 422]);
  assert.deepEqual(first.body.errors, [{ pointer: '/unit', detail: 'one of box, piece, pair' }]);
  assert.deepEqual(await post('2', 'bx'), first);
});

test('what was refused for now may come again, corrected too', async () => {
  const busy = await post('3', 'busy');
  assert.deepEqual([busy.status, busy.retryAfter], [503, '7']);
  assert.equal((await post('3', 'busy')).status, 503);
  assert.equal((await post('3', 'box')).status, 201);
});

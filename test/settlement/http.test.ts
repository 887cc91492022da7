/** The HTTP side of settle, with the example as a person imports it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ProblemDetails } from '../../nodes/settlement/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

let red: EmbeddedNodeRed;

before(async () => {
  red = await embedNodeRed();
  const example = join(packageRoot, 'examples/06 Settlement/01 - settle both paths.json');
  await red.setFlows(JSON.parse(readFileSync(example, 'utf8')) as FlowNode[]);
});
after(() => red?.stop());

/** Refuses what `settle` wants to record, as a store that is away at that moment does. */
async function storeAwayFor(times: number): Promise<{ done(): boolean }> {
  const dist = (path: string) => import(new URL(`../../dist/${path}`, import.meta.url).href);
  const { serviceOf } = (await dist('node/index.js')) as typeof import('../../nodes/node/index.ts');
  const { integrationStore } = (await dist(
    'idempotency/index.js',
  )) as typeof import('../../nodes/idempotency/index.ts');
  const { Failure } = (await dist('kernel/failure.js')) as typeof import('../../nodes/kernel/failure.ts');
  const { store } = serviceOf(red.RED as never, integrationStore, 'hf06astore')!;
  const run = store.run.bind(store);
  let left = times;
  store.run = (operation, args) => {
    if (operation.name !== 'settleMessage' || left <= 0) return run(operation, args);
    left--;
    return Promise.reject(new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'The store is away.'));
  };
  return { done: () => left <= 0 };
}

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

test('an order whose end could not be recorded is not called accepted, and gets its answer at the next try', async () => {
  const away = await storeAwayFor(2);
  const first = await post('4', 'box');
  assert.deepEqual([first.status, first.type, first.body.code], [503, 'application/problem+json', 'NOT_SETTLED']);
  assert.match(first.retryAfter ?? '', /^[1-9]\d*$/);
  await waitUntil('the store was there again', () => away.done());
  const next = await waitUntil('it is recorded', async () => {
    const answer = await post('4', 'box');
    if (answer.status === 201) return answer;
    // Never 201 twice by working on it twice: the gate says that it is being processed.
    assert.equal(answer.status, 409);
    return undefined;
  });
  assert.deepEqual(next.body, { order: 'PO-4', accepted: true });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprintOf } from '../../nodes/idempotency/gate/fingerprint.ts';
import { keyFromHeader } from '../../nodes/idempotency/gate/header.ts';
import { type Evaluator, inputsOf } from '../../nodes/idempotency/gate/inputs.ts';
import { Leases } from '../../nodes/idempotency/gate/leases.ts';
import { apply } from '../../nodes/idempotency/gate/verdict.ts';
import {
  type IdempotencyGateConfig,
  idempotencyGateDefinition,
} from '../../nodes/idempotency/idempotency-gate/idempotency-gate.def.ts';
import { claim, complete, find } from '../../nodes/idempotency/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { storesUnderTest } from '../support/store.ts';
import { waitUntil } from '../support/processes.ts';

const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

test('a key is read from a structured-field string or from bare text', () => {
  const good: [string, string][] = [
    ['"8e03978e-40d5-43e8-bc93-6894a57f9324"', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
    ['8e03978e-40d5-43e8-bc93-6894a57f9324', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
    [' "a b" ', 'a b'],
    ['"a, b"', 'a, b'],
    ['"say \\"hi\\" \\\\"', 'say "hi" \\'],
    ['order/1001;v=2', 'order/1001;v=2'],
  ];
  for (const [sent, key] of good) assert.equal(keyFromHeader(sent, 'Idempotency-Key'), key);
});

test('a key that is missing, sent twice, not closed or not ASCII is refused', () => {
  for (const sent of [undefined, null, '', '  ', '""']) {
    assert.throws(() => keyFromHeader(sent, 'Idempotency-Key'), code('IDEMPOTENCY_KEY_MISSING'));
  }
  for (const sent of ['"a', 'a, b', '"a", "b"', '"a\\n"', 'ä', '"ä"', '"a"x', ['a', 'b'], 7, 'a b']) {
    assert.throws(() => keyFromHeader(sent, 'Idempotency-Key'), code('IDEMPOTENCY_KEY_INVALID'), String(sent));
  }
});

test('a fingerprint is of what a document says, not of how it is written', () => {
  assert.equal(fingerprintOf({ a: 1, b: [1, 2] }), fingerprintOf({ b: [1, 2], a: 1 }));
  assert.notEqual(fingerprintOf({ a: '1' }), fingerprintOf({ a: 1 }));
  assert.notEqual(fingerprintOf({ b: [1, 2] }), fingerprintOf({ b: [2, 1] }));
  assert.equal(fingerprintOf(Buffer.from('a')), fingerprintOf(new Uint8Array([97])));
  assert.match(fingerprintOf(undefined), /^[0-9a-f]{64}$/);
});

const evaluator: Evaluator = {
  property: (message, path) =>
    path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], message),
  jsonata: (expression) => async (message) => (expression === 'id' ? message.payload : undefined),
};
const inputs = (over: Partial<IdempotencyGateConfig>) =>
  inputsOf({ ...idempotencyGateDefinition.defaults, ...over }, 'node-1', evaluator);

test('keys come from header, event, property, expression or a hash of fields', async () => {
  const message: FlowMessage = {
    payload: { id: 'A1', supplier: 'ACME', number: 7 },
    event: { id: 'e1', source: '/acme', type: 't' },
    req: { headers: { 'idempotency-key': '"k1"' } },
  };
  assert.equal(await inputs({ keySource: 'header' }).key(message), 'k1');
  assert.equal(await inputs({ keySource: 'event' }).key(message), '/acme e1');
  assert.equal(await inputs({ keySource: 'msg' }).key(message), 'A1');
  assert.equal(await inputs({ keySource: 'msg', keyProperty: 'msg.payload.number' }).key(message), '7');
  assert.equal(
    await inputs({ keySource: 'jsonata', keyExpression: 'id' }).key(message),
    '{"id":"A1","number":7,"supplier":"ACME"}',
  );
  const hashed = inputs({ keySource: 'hash', keyFields: 'payload.supplier,\n payload.number' });
  assert.match(await hashed.key(message), /^[0-9a-f]{64}$/);
  assert.notEqual(
    await hashed.key(message),
    await hashed.key({ ...message, payload: { supplier: 'ACME', number: '7' } }),
  );
});

test('a message without a key fails and says where the key was looked for', async () => {
  for (const [over, where] of [
    [{ keySource: 'header' }, 'Idempotency-Key'],
    [{ keySource: 'event' }, 'msg.event.source'],
    [{ keySource: 'msg' }, 'msg.payload.id'],
    [{ keySource: 'jsonata', keyExpression: 'none' }, 'expression'],
    [{ keySource: 'hash', keyFields: 'payload.a, payload.b' }, 'msg.payload.a'],
    [{ keySource: 'msg', keyProperty: 'payload.empty' }, 'msg.payload.empty'],
  ] as const) {
    await assert.rejects(inputs(over).key({ payload: { empty: '' } }), (error: unknown) => {
      assert(code('IDEMPOTENCY_KEY_MISSING')(error));
      assert((error as Failure).message.includes(where), (error as Failure).message);
      return true;
    });
  }
});

test('a dialog that makes no sense is refused when the node starts', () => {
  for (const over of [
    { keySource: 'header', keyHeader: ' ' },
    { keySource: 'msg', keyProperty: '' },
    { keySource: 'msg', keyProperty: 'payload.__proto__.x' },
    { keySource: 'msg', keyProperty: 'payload["constructor"]' },
    { keySource: 'hash', keyFields: ' , ' },
    { fingerprint: 'fields', fingerprintFields: '' },
    { keySource: 'magic' as 'msg' },
  ] as const) {
    assert.throws(() => inputs(over), code('IDEMPOTENCY_GATE'), JSON.stringify(over));
  }
});

test('the scope is the node, a name, or a property', () => {
  const message: FlowMessage = { verification: { scheme: 's', client: 'acme' } };
  assert.equal(inputs({}).scope(message), 'node-1');
  assert.equal(inputs({ scope: 'orders' }).scope(message), 'orders');
  assert.equal(inputs({ scope: 'verification.client', scopeType: 'msg' }).scope(message), 'acme');
  assert.throws(
    () => inputs({ scope: 'verification.none', scopeType: 'msg' }).scope(message),
    code('IDEMPOTENCY_KEY_MISSING'),
  );
});

const key = { store: 's1', scope: 'orders', key: 'k' };

test('only a new message carries a lease', () => {
  const stale = { store: 'x', scope: 'x', key: 'x', token: 1 };
  for (const [verdict, output] of [
    [{ kind: 'new', token: 5 }, 'new'],
    [{ kind: 'taken-over', token: 6 }, 'new'],
    [{ kind: 'duplicate', completedAt: 0 }, 'duplicate'],
    [{ kind: 'in-progress', retryAfter: 1500 }, 'in progress'],
    [{ kind: 'mismatch' }, 'mismatch'],
  ] as const) {
    const message: FlowMessage = { payload: 'p', idempotency: stale };
    assert.equal(apply(message, verdict, key), output);
    assert.deepEqual(message.idempotency, 'token' in verdict ? { ...key, token: verdict.token } : undefined);
    assert.equal(message.payload, 'p', 'a message that did not come by HTTP keeps its payload');
    assert.equal(message.statusCode, undefined);
    assert.equal(
      message.failure?.class,
      { 'in-progress': 'conflict', mismatch: 'data-quality' }[verdict.kind as string],
    );
  }
});

test('a message that came by HTTP gets its answer prepared', () => {
  const http = (): FlowMessage => ({
    payload: 'p',
    res: {},
    event: { id: 'e', source: 's', type: 't', correlationid: 'c' },
  });

  const duplicate = http();
  const headers = { 'Content-Type': 'application/json' };
  const stored = { statusCode: 202, headers, body: new Uint8Array(Buffer.from('{"ok":true}')) };
  apply(duplicate, { kind: 'duplicate', completedAt: 0, reply: stored }, key);
  assert.equal(duplicate.statusCode, 202);
  assert.equal(duplicate.payload, '{"ok":true}');
  assert.deepEqual(duplicate.headers, { ...headers, 'idempotent-replayed': 'true' });

  const binary = http();
  apply(binary, { kind: 'duplicate', completedAt: 0, reply: { statusCode: 200, body: new Uint8Array([255, 0]) } }, key);
  assert.deepEqual(binary.payload, Buffer.from([255, 0]));

  const busy = http();
  apply(busy, { kind: 'in-progress', retryAfter: 1500 }, key);
  assert.equal(busy.statusCode, 409);
  assert.equal(busy.headers?.['retry-after'], '2');
  assert.equal(busy.headers?.['content-type'], 'application/problem+json');
  const problem = JSON.parse(String(busy.payload)) as Record<string, unknown>;
  assert.equal(problem.status, 409);
  assert.equal(problem.correlationId, 'c');

  const mismatch = http();
  apply(mismatch, { kind: 'mismatch' }, key);
  assert.equal(mismatch.statusCode, 422);
  assert(!String(mismatch.payload).includes('orders'), 'scope and key are not told');
});

for (const { name, options, fresh } of storesUnderTest()) {
  test(
    `a lease in flight is renewed until its message is settled, and no longer than allowed (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      const lease = 150;
      const take = async (text: string) => {
        const wanted = { scope: 's', key: text, fingerprint: '', owner: 'o', lease, retention: 60_000 };
        const verdict = await store.run(claim, wanted);
        assert(verdict.kind === 'new');
        return { scope: 's', key: text, token: verdict.token };
      };
      const until = async (text: string) => (await store.run(find, { scope: 's', key: text }))!.leaseUntil;
      const failures: unknown[] = [];
      const leases = new Leases(store, { lease, longest: 3600_000, onFailure: (error) => failures.push(error) });
      const [working, done] = [await take('working'), await take('done')];
      leases.hold(working);
      leases.hold(done);
      await store.run(complete, done);
      const [first, settled] = [await until('working'), await until('done')];
      await waitUntil('the lease is renewed twice over', async () => (await until('working')) > first + 2 * lease);
      assert.equal(await until('done'), settled);
      await leases.stop();
      const last = await until('working');

      const brief = new Leases(store, { lease, longest: 1, onFailure: (error) => failures.push(error) });
      const vanished = await take('vanished');
      brief.hold(vanished);
      const end = await until('vanished');
      await waitUntil(
        'the lease has ended',
        async () =>
          (
            await store.run(claim, {
              scope: 's',
              key: 'vanished',
              fingerprint: '',
              owner: 'other',
              lease,
              retention: 60_000,
            })
          ).kind === 'taken-over',
      );
      assert((await until('vanished')) > end);
      await brief.stop();
      assert.equal(await until('working'), last, 'a stopped gate renews nothing');
      assert.deepEqual(failures, []);
    },
  );
}

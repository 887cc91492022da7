import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure, failureClasses } from '../../nodes/kernel/failure.ts';
import { payloadCipher } from '../../nodes/settlement/letters/cipher.ts';
import { stateAfterDeath } from '../../nodes/settlement/letters/collect.ts';
import { conditionOf, parseFilter } from '../../nodes/settlement/letters/filter.ts';
import { announcementOf } from '../../nodes/settlement/letters/groups.ts';
import { fingerprintOf, generalise } from '../../nodes/settlement/fingerprint.ts';
import { intentOf } from '../../nodes/settlement/intent.ts';
import { problemReply } from '../../nodes/settlement/problem.ts';

const failed = (failureClass: Failure['class'], code = 'X', options = {}) =>
  new Failure(failureClass, code, 'A sentence.', options).toRecord();

test('by what happened: no failure is done, a failure goes to the policy', () => {
  assert.deepEqual(intentOf('auto', {}), { kind: 'done' });
  const failure = failed('saturation');
  assert.deepEqual(intentOf('auto', { failure }), { kind: 'failed', failure });
  assert.deepEqual(intentOf('done', { failure }), { kind: 'done' });
});

test('the error of a foreign node becomes a defect without its words', () => {
  const intent = intentOf('auto', {
    error: { message: 'patient Smith has no ward', source: { id: 'f1', type: 'function', name: 'check', count: 1 } },
  });
  assert.equal(intent.kind, 'failed');
  assert.ok(intent.kind === 'failed');
  assert.equal(intent.failure.class, 'defect');
  assert.equal(intent.failure.node?.type, 'function');
  assert.doesNotMatch(JSON.stringify(intent), /Smith/);
});

test('a class has its status, and only what may pass says when to come again', () => {
  const expected = {
    'data-quality': [422, undefined],
    'policy-rejection': [403, undefined],
    'dependency-outage': [503, '30'],
    saturation: [503, '5'],
    conflict: [409, '2'],
    configuration: [500, undefined],
    defect: [500, undefined],
  };
  for (const name of failureClasses) {
    const reply = problemReply(failed(name), 'corr-1');
    assert.deepEqual([reply.statusCode, reply.headers['retry-after']], expected[name], name);
    assert.equal(reply.headers['content-type'], 'application/problem+json');
    assert.equal(reply.body.status, reply.statusCode);
    assert.equal(reply.body.correlationId, 'corr-1');
  }
  assert.equal(problemReply(failed('data-quality', 'JSON_SYNTAX')).statusCode, 400);
  assert.equal(problemReply(failed('data-quality', 'IDEMPOTENCY_KEY_MISSING')).statusCode, 400);
  assert.equal(problemReply(failed('saturation', 'X', { retryAfter: 1_200 })).headers['retry-after'], '2');
});

test('what failed on our side is told without its sentence, which names files and servers of ours', () => {
  for (const name of ['dependency-outage', 'saturation', 'configuration', 'defect'] as const) {
    const failure = new Failure(name, 'X', 'PostgreSQL 10.0.0.5:5432/hospital does not answer.').toRecord();
    assert.doesNotMatch(JSON.stringify(problemReply(failure)), /10\.0\.0\.5|hospital/, name);
  }
});

test('schema violations are listed by pointer and rule, never with the value', () => {
  const detail = { violations: [{ path: '/lines/0/quantity', rule: 'pattern', value: 'secret' }, { value: 'x' }] };
  const { body } = problemReply(failed('data-quality', 'SCHEMA', { detail }));
  assert.deepEqual(body.errors, [{ pointer: '/lines/0/quantity', detail: 'pattern' }]);
  assert.doesNotMatch(JSON.stringify(body), /secret/);
});

test('causes that differ only in ids, numbers, times and quoted values are one group', () => {
  const pairs = [
    ['Unit "bx" of line 3 is not known.', 'Unit "karton" of line 17 is not known.'],
    [
      'Order PO-2024/001 was refused at 2026-01-02T10:00:00Z.',
      'Order PO-9 was refused at 2026-11-23T08:11:02.123+01:00.',
    ],
    [
      'Partner 018f3a52-7c1e-7000-8000-000000000001 is archived.',
      'Partner 018f3a52-7c1e-7000-8000-00000000beef is archived.',
    ],
    ['https://odoo.example/web?x=1 did not answer.', 'http://127.0.0.1:8069/json/2 did not answer.'],
    ['Order ACME-7 is closed.', 'Order NORD-2024-11 is closed.'],
    ["The field 'ward' is missing.", "The field 'bed' is missing."],
  ] as const;
  for (const [a, b] of pairs) {
    assert.equal(generalise(a), generalise(b), a);
    const cause = { class: 'data-quality', code: 'X' };
    assert.equal(fingerprintOf({ ...cause, message: a }), fingerprintOf({ ...cause, message: b }));
  }
  const base = { class: 'data-quality', code: 'X', message: 'A.' };
  const prints = [
    base,
    { ...base, code: 'Y' },
    { ...base, class: 'defect' },
    { ...base, message: 'B.' },
    { ...base, nodeType: 'odoo-rpc' },
  ];
  assert.equal(new Set(prints.map(fingerprintOf)).size, prints.length);
  assert.equal(generalise("It doesn't answer; it can't be reached."), "It doesn't answer; it can't be reached.");
});

test('any number in a message leaves its group alone', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (a, b) => {
      const print = (n: number) =>
        fingerprintOf({ class: 'defect', code: 'X', message: `Line ${Math.abs(n)} failed.` });
      return print(a) === print(b);
    }),
  );
});

test('a group is told of at one, ten, a hundred letters, and when none is left', () => {
  const told: (string | undefined)[] = [];
  let announced = 0;
  for (const unresolved of [1, 5, 9, 10, 11, 99, 100, 50, 1, 0, 0, 3]) {
    const next = announcementOf(unresolved, announced);
    if (next !== undefined) announced = next.announced;
    told.push(next?.kind);
  }
  assert.deepEqual(told, [
    'first',
    undefined,
    undefined,
    'growing',
    undefined,
    undefined,
    'growing',
    undefined,
    undefined,
    'cleared',
    undefined,
    'first',
  ]);
});

test('a copy of an earlier generation says nothing about a replay on its way', () => {
  assert.equal(stateAfterDeath('replayed', 1, 0), 'replayed');
  assert.equal(stateAfterDeath('replayed', 1, 1), 'failed-again');
  assert.equal(stateAfterDeath('resolved', 1, 0), 'failed-again');
  assert.equal(stateAfterDeath('open', 0, 0), 'open');
});

test('a filter from outside is refused when anything in it is not understood', () => {
  assert.deepEqual(parseFilter({ class: 'defect', text: '' }), { class: 'defect' });
  for (const bad of [
    [],
    'x',
    { class: 'nonsense' },
    { states: ['dead'] },
    { queue: 7 },
    { ids: [1] },
    { 'id; DROP': 'x' },
  ]) {
    assert.throws(() => parseFilter(bad), { code: 'FILTER_INVALID' });
  }
  const { text, values } = conditionOf({ queue: "a'b", text: '50%_\\' }, 4);
  assert.match(text, /queue = \$4 AND .* LIKE \$5/);
  assert.deepEqual(values, ["a'b", '%50\\%\\_\\\\%']);
  assert.equal(conditionOf({ ids: [] }, 1).text, '1 = 0');
});

test('a payload at rest opens only with its key, for its letter, unchanged', () => {
  const key = 'ab'.repeat(32);
  const cipher = payloadCipher(key);
  const sealed = cipher.seal(Buffer.from('diagnosis'), 'letter 1');
  assert.equal(Buffer.from(sealed).includes('diagnosis'), false);
  assert.equal(cipher.open(sealed, cipher.keyId, 'letter 1').toString(), 'diagnosis');
  assert.throws(() => cipher.open(sealed, cipher.keyId, 'letter 2'), { code: 'PAYLOAD_TAMPERED' });
  assert.throws(() => payloadCipher('cd'.repeat(32)).open(sealed, cipher.keyId, 'letter 1'), {
    code: 'PAYLOAD_KEY_MISSING',
  });
  assert.throws(() => payloadCipher('short'), { code: 'PAYLOAD_KEY_INVALID' });
  assert.equal(payloadCipher(Buffer.alloc(32, 7).toString('base64')).keyId?.length, 8);
  const plain = payloadCipher('');
  assert.equal(plain.open(plain.seal(Buffer.from('x'), 'l'), null, 'l').toString(), 'x');
});

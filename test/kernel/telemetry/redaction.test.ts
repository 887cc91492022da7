import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSecretName, redact, redacted, redactText } from '../../../nodes/kernel/telemetry/redaction.ts';

test('a member whose name says secret is never shown, whatever it holds', () => {
  const secrets = [
    'password',
    'Authorization',
    'api_key',
    'apiKey',
    'x-webhook-signature',
    'client_secret',
    'Set-Cookie',
    'access_token',
    'refreshToken',
    'HMAC',
    'session-id',
  ];
  for (const name of secrets) assert.equal(isSecretName(name), true, name);
  for (const name of ['order', 'tokens_used', 'author', 'keyboard', 'name', 'key', 'partner', 'passage']) {
    assert.equal(isSecretName(name), false, name);
  }
  assert.deepEqual(redact({ headers: { authorization: 'x', accept: 'y' }, secret: { deep: 1 } }), {
    headers: { authorization: redacted, accept: 'y' },
    secret: redacted,
  });
});

test('a credential inside a text is taken out and the rest stays', () => {
  const marked = 'S3cr3tS3cr3tS3cr3tS3cr3t';
  const texts = [
    `Authorization: Bearer ${marked}`,
    `basic ${Buffer.from(`user:${marked}`).toString('base64')}`,
    `eyJhbGciOiJIUzI1NiJ9.${marked}.${marked}`,
    `secret whsec_${marked} used`,
    `v1,${marked}${marked}=`,
    `sha256=${marked}`,
    `amqp://guest:${marked}@127.0.0.1:5672/`,
    `https://x.example/hook?token=${marked}&order=7`,
    `-----BEGIN PRIVATE KEY-----\n${marked}\n-----END PRIVATE KEY-----`,
  ];
  for (const text of texts) {
    const clean = redactText(text);
    assert.doesNotMatch(clean, new RegExp(marked), text);
    assert.doesNotMatch(clean, new RegExp(Buffer.from(`user:${marked}`).toString('base64').replace(/\W/g, '.')), text);
    assert.match(clean, /\[redacted\]/);
  }
  assert.match(redactText('https://x.example/hook?token=abc&order=7'), /order=7/);
  assert.equal(redactText('Order PO-1001 of ACME failed at line 3.'), 'Order PO-1001 of ACME failed at line 3.');
});

test('anything is shown bounded: depth, members, length, cycles, bytes', () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  assert.deepEqual(redact(cycle), { self: '[circular]' });
  assert.deepEqual(redact(Buffer.from('abc')), '[3 bytes]');
  assert.deepEqual(redact({ a: { b: { c: 1 } } }, { depth: 2 }), { a: { b: '[deeper]' } });
  assert.deepEqual(redact([1, 2, 3], { members: 2 }), [1, 2, '… (3 items)']);
  assert.equal(redact('x'.repeat(10), { text: 4 }), 'xxxx… (10 characters)');
  assert.deepEqual(Object.getPrototypeOf(redact(JSON.parse('{"__proto__":{"a":1}}'))), Object.prototype);
});

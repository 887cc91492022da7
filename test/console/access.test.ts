import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdminRequest, RuntimeApi } from '../../nodes/node/index.ts';
import { actorOf, allowed, requirePerson } from '../../nodes/console/access.ts';
import { requireOwnOrigin } from '../../nodes/node/origin.ts';
import { outline } from '../../nodes/console/outline.ts';

const runtime = (settings: Record<string, unknown>) => ({ settings }) as unknown as RuntimeApi;
const request = (more: Record<string, unknown> = {}) => ({ headers: {}, ...more }) as unknown as AdminRequest;

test('without a login payloads, replay and discard need the explicit setting', () => {
  assert.throws(() => requirePerson(request(), runtime({})), { code: 'SIGN_IN_REQUIRED' });
  assert.throws(() => requirePerson(request(), runtime({ healthflows: { allowUnauthenticatedOperations: 'yes' } })));
  requirePerson(request(), runtime({ healthflows: { allowUnauthenticatedOperations: true } }));
});

test('the anonymous default user of a login is nobody', () => {
  const anonymous = request({ user: { anonymous: true, permissions: '*' } });
  assert.throws(() => requirePerson(anonymous, runtime({ adminAuth: {} })), { code: 'SIGN_IN_REQUIRED' });
  const person = request({ user: { username: 'ward.operator' } });
  requirePerson(person, runtime({ adminAuth: {} }));
  assert.deepEqual([actorOf(person), actorOf(anonymous)], ['ward.operator', 'anonymous']);
});

test('the page offers what the scope of the session holds', () => {
  const RED = runtime({ adminAuth: {} });
  const scoped = (scope: unknown) => request({ authInfo: { scope } });
  assert.equal(allowed(scoped(['healthflows.view']), 'reveal', RED), false);
  assert.equal(allowed(scoped(['healthflows.reveal']), 'reveal', RED), true);
  assert.equal(allowed(scoped('*'), 'replay', RED), true);
  assert.equal(allowed(scoped(['healthflows.operate']), 'replay', RED), true);
  assert.equal(allowed(scoped(['healthflows.operate']), 'reveal', RED), false);
  assert.equal(allowed(scoped(['healthflows.administer']), 'reveal', RED), true);
  assert.equal(allowed(scoped('read'), 'view', RED), false);
});

test('a request from a page of another site is refused, one from our own or from no page is not', () => {
  const from = (origin?: string) => request({ headers: { host: 'nodered.local:1880', ...(origin ? { origin } : {}) } });
  requireOwnOrigin(from());
  requireOwnOrigin(from('http://nodered.local:1880'));
  for (const origin of ['http://nodered.local', 'https://evil.example', 'null']) {
    assert.throws(() => requireOwnOrigin(from(origin)), { code: 'FOREIGN_ORIGIN' });
  }
  const proxied = (site: string) => {
    const asked = from('https://flows.example.org');
    asked.headers['sec-fetch-site'] = site;
    return asked;
  };
  requireOwnOrigin(proxied('same-origin'));
  assert.throws(() => requireOwnOrigin(proxied('cross-site')), { code: 'FOREIGN_ORIGIN' });
});

test('the outline of a document holds its names and kinds and none of its values', () => {
  const document = { name: 'Smith', age: 41, urgent: true, ward: null, lines: [{ sku: 'X' }] };
  const shown = outline('application/json', Buffer.from(JSON.stringify(document)));
  assert.deepEqual(shown, {
    name: 'text (5)',
    age: 'number',
    urgent: 'true or false',
    ward: null,
    lines: [{ sku: 'text (1)' }],
  });
  const keyed = outline('application/json', Buffer.from('{"beds":{"Ann Smith":1,"4711":2},"__proto__":{"a":1}}'));
  assert.deepEqual(keyed, { beds: { 'key 1 (4)': 'number', 'key 2 (9)': 'number' }, 'key 2 (9)': { a: 'number' } });
  assert.equal(outline('application/hl7-v2', Buffer.from('MSH|Smith')), 'application/hl7-v2, 9 bytes');
  assert.equal(outline('application/json', Buffer.from('{"name":"Smith"')), 'no well-formed JSON, 15 bytes');
});

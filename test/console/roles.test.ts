/** Each admin route of the console for each role, in a real Node-RED with a login. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed } from '../support/node-red.ts';

const roles = {
  nobody: undefined,
  reader: 'read',
  writer: 'write',
  viewer: ['healthflows.view'],
  operator: ['healthflows.view', 'healthflows.operate'],
  revealer: ['healthflows.view', 'healthflows.reveal'],
  scraper: ['healthflows.metrics'],
  administrator: '*',
} as const;
type Role = keyof typeof roles;

let red: EmbeddedNodeRed;
const tokens: Partial<Record<Role, string>> = {};

before(async () => {
  const known = (name: string) =>
    Promise.resolve(name in roles && name !== 'nobody' ? { username: name, permissions: roles[name as Role] } : null);
  red = await embedNodeRed({
    settings: {
      adminAuth: {
        type: 'credentials',
        users: known,
        // Bearer tokens instead of sessions: Node-RED's session timer would keep this process alive for a week.
        tokens: (bearer: string) => known(bearer.replace(/-token$/, '')),
      },
      // Without effect where people sign in under a name, and no loophole for those who do not.
      healthflows: { allowUnauthenticatedOperations: true },
    } as never,
  });
  await red.setFlows([
    { id: 'tab', type: 'tab', label: 'roles' },
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'roles.sqlite', configVersion: 1 },
    { id: 'settle', z: 'tab', type: 'settle', store: 'store', configVersion: 1, wires: [[]] },
  ]);
  for (const role of Object.keys(roles) as Role[]) if (role !== 'nobody') tokens[role] = `${role}-token`;
});
after(() => red?.stop());

function call(role: Role, method: string, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${red.url}/healthflows/${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(tokens[role] === undefined ? {} : { authorization: `Bearer ${tokens[role]}` }),
      ...headers,
    },
    ...(method === 'POST'
      ? {
          body: JSON.stringify({
            token: `token-${role}-0123456789`,
            reason: 'a test of roles',
            filter: {},
            expected: 0,
          }),
        }
      : {}),
  });
}

const views: Role[] = ['viewer', 'operator', 'revealer', 'administrator'];
const operators: Role[] = ['operator', 'administrator'];
const routes: [method: string, path: string, may: Role[]][] = [
  ['GET', 'console/api/session', views],
  ['GET', 'console/api/now', views],
  ['GET', 'console/api/groups', views],
  ['GET', 'console/api/letters', views],
  ['GET', 'console/api/letters/x', views],
  ['GET', 'console/api/jobs', views],
  ['GET', 'console/api/audit', views],
  ['POST', 'console/api/preview', views],
  ['POST', 'console/api/audit/verify', views],
  ['POST', 'console/api/replay', operators],
  ['POST', 'console/api/discard', operators],
  ['POST', 'console/api/jobs/x/cancel', operators],
  ['POST', 'console/api/letters/x/edit-replay', operators],
  ['POST', 'console/api/queues/x/pause', operators],
  ['POST', 'console/api/queues/x/resume', operators],
  ['POST', 'console/api/letters/x/reveal', ['revealer', 'administrator']],
  ['GET', 'metrics', ['scraper', 'administrator']],
];

for (const [method, path, may] of routes) {
  test(`${method} ${path} is open to ${may.join(', ')} and to nobody else`, async () => {
    for (const role of Object.keys(roles) as Role[]) {
      const response = await call(role, method, path);
      if (may.includes(role)) assert.notEqual(response.status, 401, role);
      else assert.equal(response.status, 401, role);
      await response.arrayBuffer();
    }
  });
}

test('who edits must also be allowed to see', async () => {
  const response = await call('operator', 'POST', 'console/api/letters/x/edit-replay');
  assert.equal(response.status, 403);
  assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'REVEAL_NEEDED');
});

test('a page of another site cannot press a button', async () => {
  const response = await call('administrator', 'POST', 'console/api/discard', { origin: 'https://evil.example' });
  assert.equal(response.status, 403);
  const own = await call('administrator', 'POST', 'console/api/discard', { origin: red.url });
  assert.notEqual(own.status, 403);
});

test('an act needs a token and a reason', async () => {
  for (const body of [
    { reason: 'long enough' },
    { token: 'x'.repeat(20), reason: '  ' },
    { token: '<script>', reason: 'long enough' },
  ]) {
    const response = await fetch(`${red.url}/healthflows/console/api/discard`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens.administrator}` },
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 422);
  }
});

test('the page itself is shown without a sign-in, holds no data and takes nothing from elsewhere', async () => {
  const page = await fetch(`${red.url}/healthflows/console`);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  const html = await page.text();
  const assets = [...html.matchAll(/(?:src|href)="(console\/assets\/[^"]+)"/g)].map((match) => match[1]);
  assert.ok(assets.length >= 2);
  for (const asset of assets) assert.equal((await fetch(`${red.url}/healthflows/${asset}`)).status, 200, asset);
  assert.doesNotMatch(html, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
  assert.equal((await fetch(`${red.url}/healthflows/console/assets/..%2Fconsole.js`)).status, 404);
  const slash = await fetch(`${red.url}/healthflows/console/`, { redirect: 'manual' });
  assert.deepEqual([slash.status, slash.headers.get('location')], [302, '../console']);
});

test('an unchanged answer is not sent again', async () => {
  const first = await call('viewer', 'GET', 'console/api/groups');
  const again = await call('viewer', 'GET', 'console/api/groups', { 'if-none-match': first.headers.get('etag') ?? '' });
  assert.equal(again.status, 304);
});

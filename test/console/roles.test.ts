/** Each admin route of the console for each role, in a real Node-RED with a login. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { ConsolePage } from '../../nodes/console/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, packageRoot } from '../support/node-red.ts';

const roles = {
  nobody: undefined,
  reader: 'read',
  writer: 'write',
  viewer: ['healthflows.view'],
  operator: ['healthflows.operate'],
  // One permission an act, without the role that holds them.
  editor: ['healthflows.view', 'healthflows.edit'],
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

/** True when the permission is missing; an act may be refused for other reasons that also answer 403. */
async function refused(response: Response): Promise<boolean> {
  if (response.status === 401) return true;
  return response.status === 403 && (await response.text()).includes('NOT_PERMITTED');
}

const views: Role[] = ['viewer', 'operator', 'editor', 'revealer', 'administrator'];
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
  ['POST', 'console/api/audit/verify', operators],
  ['POST', 'console/api/replay', operators],
  ['POST', 'console/api/discard', operators],
  ['POST', 'console/api/jobs/x/cancel', operators],
  ['POST', 'console/api/letters/x/edit-replay', ['editor', 'administrator']],
  ['POST', 'console/api/queues/x/pause', operators],
  ['POST', 'console/api/queues/x/resume', operators],
  ['POST', 'console/api/letters/x/reveal', ['revealer', 'administrator']],
  ['GET', 'metrics', ['scraper', 'administrator']],
];

for (const [method, path, may] of routes) {
  test(`${method} ${path} is open to ${may.join(', ')} and to nobody else`, async () => {
    for (const role of Object.keys(roles) as Role[]) {
      const response = await call(role, method, path);
      if (may.includes(role)) assert.notEqual(await refused(response.clone()), true, role);
      else assert.equal(response.status, role === 'nobody' ? 401 : 403, role);
      await response.arrayBuffer();
    }
  });
}

test('who edits must also be allowed to see', async () => {
  const response = await call('editor', 'POST', 'console/api/letters/x/edit-replay');
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

test('a slice adds a page with its script, its routes and its own permission, also after the console has started', async () => {
  const assets = join(red.userDir, 'page-of-a-test');
  mkdirSync(assets);
  writeFileSync(join(assets, 'greeting.js'), 'export default () => () => {};\n');
  // The instance that the runtime under test has loaded, not that of the sources.
  const { contributePage } = (await import(
    pathToFileURL(join(packageRoot, 'dist/console/index.js')).href
  )) as typeof import('../../nodes/console/index.ts');
  const page: ConsolePage = {
    id: 'greeting',
    title: 'Greeting',
    order: 45,
    permission: 'healthflows.greet',
    acts: { greet: 'healthflows.greet' },
    assets: pathToFileURL(`${assets}/`),
    script: 'greeting.js',
    waiting: () => 3,
    routes: (routes) => routes.get('words', 'healthflows.greet', () => ({ words: 'good morning' })),
  };
  contributePage(page);
  contributePage(page);
  assert.deepEqual(await (await call('administrator', 'GET', 'console/api/greeting/words')).json(), {
    words: 'good morning',
  });
  assert.equal((await call('viewer', 'GET', 'console/api/greeting/words')).status, 403);
  assert.equal((await call('nobody', 'GET', 'console/pages/greeting/greeting.js')).status, 200);
  for (const path of ['greeting/..%2F..%2Fsettings.js', 'greeting/other.js', 'unknown/greeting.js']) {
    assert.equal((await call('nobody', 'GET', `console/pages/${path}`)).status, 404, path);
  }
  const session = async (role: Role) =>
    (await (await call(role, 'GET', 'console/api/session')).json()) as {
      pages: { id: string; script: string; waiting?: number }[];
      may: Record<string, boolean>;
    };
  const seen = await session('administrator');
  assert.deepEqual(
    seen.pages.find(({ id }) => id === 'greeting'),
    {
      id: 'greeting',
      title: 'Greeting',
      place: 'page',
      order: 45,
      script: '../pages/greeting/greeting.js',
      waiting: 3,
    },
  );
  assert.equal(seen.may.greet, true);
  const viewer = await session('viewer');
  assert.equal(
    viewer.pages.some(({ id }) => id === 'greeting'),
    false,
  );
  assert.equal(viewer.may.greet, false);
});

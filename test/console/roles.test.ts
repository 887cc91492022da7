/** Each admin route of the console for each role, in a real Node-RED with a login. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { permissions } from '../../nodes/console/access.ts';
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
  // Everything of this package, nothing of Node-RED's.
  supervisor: ['healthflows.administer'],
  configurator: ['healthflows.configure'],
  approver: ['healthflows.approve'],
  partner: ['healthflows.view', 'healthflows.partner:urn:acme'],
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
  return response.status === 403 && /NOT_PERMITTED|SCOPE_LIMITED/.test(await response.text());
}

const all: Role[] = ['supervisor', 'administrator'];
const views: Role[] = ['viewer', 'operator', 'editor', 'revealer', ...all];
const operators: Role[] = ['operator', ...all];
const revealers: Role[] = ['revealer', ...all];
const editors: Role[] = ['editor', ...all];
const configurators: Role[] = ['configurator', ...all];
const approvers: Role[] = ['approver', ...all];
const routes: [method: string, path: string, may: Role[]][] = [
  // An approver has a page of another slice, without `view`.
  ['GET', 'console/api/session', [...views, 'partner', 'approver']],
  ['GET', 'console/api/now', [...views, 'partner']],
  ['GET', 'console/api/live?watch=now', [...views, 'partner']],
  ['GET', 'console/api/messages', [...views, 'partner']],
  ['GET', 'console/api/messages-facets', [...views, 'partner']],
  ['GET', 'console/api/messages/x', [...views, 'partner']],
  ['GET', 'console/api/connections', views],
  ['GET', 'console/api/groups', views],
  ['GET', 'console/api/causes', views],
  ['GET', 'console/api/cause', views],
  ['GET', 'console/api/letters', views],
  ['GET', 'console/api/letters/x', views],
  ['GET', 'console/api/jobs', views],
  ['GET', 'console/api/audit', views],
  ['GET', 'console/api/audit/keeping', views],
  ['POST', 'console/api/preview', views],
  ['POST', 'console/api/audit/verify', operators],
  ['POST', 'console/api/audit/export', all],
  ['POST', 'console/api/replay', operators],
  ['POST', 'console/api/discard', operators],
  ['POST', 'console/api/assign', operators],
  ['POST', 'console/api/jobs/x/cancel', operators],
  ['POST', 'console/api/letters/x/edit-replay', editors],
  ['POST', 'console/api/edit-preview', editors],
  ['POST', 'console/api/edit-replay', editors],
  ['POST', 'console/api/queues/x/pause', operators],
  ['POST', 'console/api/queues/x/resume', operators],
  ['POST', 'console/api/systems/x/isolate', operators],
  ['POST', 'console/api/systems/x/release', operators],
  ['GET', 'console/api/messaging', views],
  ['POST', 'console/api/messaging/start', operators],
  ['POST', 'console/api/messaging/stop', operators],
  ['POST', 'console/api/letters/x/reveal', revealers],
  ['POST', 'console/api/messages/x/originals/x/reveal', revealers],
  ['GET', 'metrics', ['scraper', ...all]],
  ['GET', 'integration-store/auto', configurators],
  ['POST', 'integration-store/test', configurators],
  ['POST', 'integration-store/backup', operators],
  ['POST', 'odoo-server/test', configurators],
  ['GET', 'odoo-server/x/models', configurators],
  ['GET', 'odoo-server/x/models/x/fields', configurators],
  ['GET', 'odoo-server/x/models/x/methods', configurators],
  ['POST', 'odoo-server/x/preview', configurators],
  ['GET', 'amqp-connection/auto', configurators],
  ['GET', 'amqp-connection/topology', configurators],
  ['POST', 'amqp-connection/test', configurators],
  ['GET', 'canonical-mapper/mappings', configurators],
  ['POST', 'canonical-mapper/difference', configurators],
  ['POST', 'canonical-mapper/dry-run', configurators],
  ['POST', 'canonical-mapper/open', revealers],
  ['POST', 'canonical-mapper/preview', configurators],
  ['POST', 'webhook-verifier/check', configurators],
  ['POST', 'partner-endpoint/test', configurators],
  ['GET', 'approval/policies', configurators],
  ['GET', 'approval/policies/x', configurators],
  ['GET', 'canonical-mapper/mappings/x', configurators],
  ['GET', 'canonical-mapper/model', configurators],
  ['GET', 'canonical-mapper/samples', configurators],
  ['GET', 'canonical-mapper/samples/x', configurators],
  ['GET', 'canonical-mapper/entities/x', configurators],
  ['POST', 'canonical-mapper/reverse', configurators],
  ['POST', 'canonical-mapper/suggest', configurators],
  ['POST', 'canonical-mapper/csv', configurators],
  ['GET', 'console/api/approvals/list', approvers],
  ['GET', 'console/api/approvals/requests/x', approvers],
  ['POST', 'console/api/approvals/ticket', approvers],
  ['POST', 'console/api/approvals/requests/x/vote', approvers],
  ['POST', 'console/api/approvals/requests/x/review', approvers],
  ['POST', 'console/api/approvals/requests/x/reveal', revealers],
  ['POST', 'console/api/approvals/requests/x/continue', operators],
  ['GET', 'console/api/approvals/delegations', approvers],
  ['POST', 'console/api/approvals/delegations', approvers],
  ['POST', 'console/api/approvals/delegations/x/end', approvers],
  ['GET', 'console/api/reconciliation/overview', views],
  ['GET', 'console/api/reconciliation/breaks', views],
  ['GET', 'console/api/reconciliation/runs', views],
  ['GET', 'console/api/reconciliation/proofs', views],
  ['POST', 'console/api/reconciliation/assign', operators],
  ['POST', 'console/api/reconciliation/resolve', operators],
];

for (const [method, path, may] of routes) {
  test(`${method} ${path} is open to ${may.join(', ')} and to nobody else`, async () => {
    for (const role of Object.keys(roles) as Role[]) {
      const response = await call(role, method, path);
      // A stream goes on; its status is what is asked for.
      if (may.includes(role)) assert.equal(response.status < 400 ? false : await refused(response), false, role);
      else assert.equal(response.status, role === 'nobody' ? 401 : 403, role);
      await response.body?.cancel().catch(() => {});
    }
  });
}

interface Layer {
  route?: { path: string; methods: Record<string, boolean> };
}

/** What Node-RED itself knows of our admin routes, so that none is forgotten here. */
function registered(): [method: 'GET' | 'POST', path: string][] {
  // The application that nodes and plugins register their routes with.
  const { runtime } = red.RED as unknown as { runtime: { httpAdmin: { _router: { stack: Layer[] } } } };
  const found: [method: 'GET' | 'POST', path: string][] = [];
  for (const { route } of runtime.httpAdmin._router.stack) {
    if (route === undefined || !String(route.path).startsWith('/healthflows/')) continue;
    const path = route.path.slice('/healthflows/'.length).replace(/:\w+/g, 'x');
    // What a stream holds decides who may have it.
    if (route.methods.get) found.push(['GET', path === 'console/api/live' ? `${path}?watch=now` : path]);
    if (route.methods.post) found.push(['POST', path]);
  }
  return found;
}

/** Static files without data. */
const open = (path: string) => path === 'console' || /^console\/(assets|pages)\//.test(path);

test('each admin route that Node-RED knows of us is in the table above, and each of the table exists', () => {
  const named = (found: readonly (readonly [string, string, ...unknown[]])[]) =>
    new Set(found.map(([method, path]) => `${method} ${path}`));
  assert.deepEqual([...named(registered().filter(([, path]) => !open(path)))].sort(), [...named(routes)].sort());
});

test('no admin route of any node is open to strangers, or to who may only read or write flows', async () => {
  const found = registered().filter(([, path]) => !open(path));
  for (const [method, path] of found) {
    assert.equal((await call('nobody', method, path)).status, 401, `${method} ${path}`);
    for (const role of ['reader', 'writer'] as const) {
      assert.equal((await call(role, method, path)).status, 403, `${role} ${method} ${path}`);
    }
  }
});

test('a viewer changes nothing and opens nothing, whatever the route', async () => {
  for (const [method, path] of registered()) {
    if (method !== 'POST' || path === 'console/api/preview') continue;
    assert.equal((await call('viewer', method, path)).status, 403, path);
  }
});

test('no permission ends so that Node-RED would grant it to every reader or writer', () => {
  for (const name of Object.values(permissions)) assert.doesNotMatch(name, /\.(read|write)$/);
});

test('a partner-scoped user sees the messages of its partner alone, and no page that tells of others', async () => {
  const session = (await (await call('partner', 'GET', 'console/api/session')).json()) as {
    scope: string;
    pages: { id: string }[];
  };
  assert.equal(session.scope, 'some');
  assert.deepEqual(
    session.pages.map(({ id }) => id),
    ['now', 'messages'],
  );
  const now = (await (await call('partner', 'GET', 'console/api/now')).json()) as Record<string, unknown>;
  assert.deepEqual(now, {
    flows: [],
    parts: [],
    messaging: null,
    broken: [],
    waiting: 0,
    episodes: [],
    changes: [],
  });
  const facets = (await (await call('partner', 'GET', 'console/api/messages-facets')).json()) as { partners: string[] };
  assert.deepEqual(facets.partners, ['urn:acme']);
});

test('what is watched live obeys permission and scope like what is asked once', async () => {
  const response = await call('partner', 'GET', 'console/api/live?watch=now&watch=audit');
  const reader = response.body!.getReader();
  let text = '';
  while (!text.includes('"audit"')) text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  assert.match(text, /"path":"audit","error":\{[^}]*SCOPE_LIMITED/);
  assert.equal((await call('viewer', 'GET', 'console/api/live?watch=letters/x')).status, 422);
  assert.equal((await call('viewer', 'GET', 'console/api/live')).status, 422);
});

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

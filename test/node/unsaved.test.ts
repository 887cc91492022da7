/** Test connection: whoever may press it gets no secret out, neither to a server of their own nor in the answer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';

const password = 'stored-password-canary';
const variable = 'HF_CANARY_ODOO_SECRET';
const value = 'environment-canary';

let nodeRed: EmbeddedNodeRed;
let thief: Server;
let stolen = '';
let port = 0;
before(async () => {
  process.env[variable] = value;
  thief = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      stolen += bytes.toString('latin1');
      socket.end();
    });
  }).listen(0, '127.0.0.1');
  await once(thief, 'listening');
  ({ port } = thief.address() as AddressInfo);
  nodeRed = await embedNodeRed();
  await nodeRed.setFlows([
    { id: 'tab', type: 'tab' },
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'unsaved.sqlite' },
    {
      id: 'amqp',
      type: 'amqp-connection',
      engine: 'rabbitmq',
      url: 'amqp://127.0.0.1:1/',
      store: 'store',
      credentials: { username: 'user', password },
    },
    {
      id: 'pg',
      type: 'integration-store',
      engine: 'postgresql',
      url: 'postgres://127.0.0.1:1/hf',
      credentials: { user: 'user', password },
    },
    { id: 'odoo', type: 'odoo-server', url: 'http://127.0.0.1:1', credentials: { apiKey: password } },
  ] as FlowNode[]);
});
after(async () => {
  delete process.env[variable];
  thief?.close();
  await nodeRed?.stop();
});

const reference = `\${${variable}}`;
const forms: [what: string, type: string, form: () => Record<string, unknown>][] = [];
for (const [type, id, scheme, secret, more] of [
  ['amqp-connection', 'amqp', 'amqp', 'password', { engine: 'rabbitmq' }],
  ['integration-store', 'pg', 'postgres', 'password', { engine: 'postgresql' }],
  ['odoo-server', 'odoo', 'http', 'apiKey', {}],
] as const) {
  const url = () => `${scheme}://127.0.0.1:${port}/db`;
  const here = `${scheme}://127.0.0.1:1`;
  forms.push(
    ['the saved secret to another address', type, () => ({ id, ...more, url: url(), [secret]: '__PWRD__' })],
    ['the saved secret, left out, to another address', type, () => ({ id, ...more, url: url() })],
    ['the secret of a node of another type', type, () => ({ id: id === 'amqp' ? 'pg' : 'amqp', ...more, url: url() })],
    ['a variable as secret', type, () => ({ ...more, url: url(), [secret]: reference })],
    ['a variable in the address', type, () => ({ ...more, url: `${here}/${reference}`, [secret]: 'typed' })],
    ['a variable as address', type, () => ({ ...more, url: reference, [secret]: 'typed' })],
  );
}
forms.push(
  [
    'the saved secret without TLS',
    'integration-store',
    () => ({ id: 'pg', engine: 'postgresql', url: 'postgres://127.0.0.1:1/hf', tls: 'off', password: '__PWRD__' }),
  ],
  [
    'a variable as vhost',
    'amqp-connection',
    () => ({ engine: 'rabbitmq', url: 'amqp://127.0.0.1:1', vhost: reference }),
  ],
  [
    'a variable as vhost, saved address',
    'amqp-connection',
    () => ({ id: 'amqp', engine: 'rabbitmq', url: 'amqp://127.0.0.1:1/', vhost: reference }),
  ],
  ['a variable as file', 'integration-store', () => ({ engine: 'sqlite', file: reference })],
  [
    'a variable as login',
    'odoo-server',
    () => ({ url: `http://127.0.0.1:${port}`, protocol: 'jsonrpc', database: 'd', login: reference, apiKey: 'typed' }),
  ],
  [
    'a variable as file of a certificate',
    'odoo-server',
    () => ({ url: 'http://127.0.0.1:1', caFile: reference, apiKey: 'typed' }),
  ],
);

const press = (type: string, form: unknown) =>
  fetch(`${nodeRed.url}/healthflows/${type}/test`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(form),
  });

describe('Test connection tells of a failed test as its result, not as an error of the server', () => {
  for (const [type, form, words] of [
    [
      'amqp-connection',
      { engine: 'rabbitmq', url: 'amqp://127.0.0.1:1/', username: 'u', password: 'p' },
      /ECONNREFUSED/,
    ],
    ['amqp-connection', { engine: 'rabbitmq', url: 'http://127.0.0.1:1/' }, /must begin with amqp/],
    ['integration-store', { engine: 'postgresql', url: 'postgres://127.0.0.1:1/hf', user: 'u' }, /STORE_/],
    ['integration-store', { engine: 'sqlite', file: '/etc/hostname' }, /STORE_FILE_ELSEWHERE/],
    ['odoo-server', { url: 'http://127.0.0.1:1', apiKey: 'typed' }, /Odoo .* cannot be reached/],
    ['partner-endpoint', { url: 'http://127.0.0.1:1' }, /partner .* cannot be reached/],
  ] as const) {
    test(`${type} ${JSON.stringify(form)}`, async () => {
      const response = await press(type, form);
      const { error } = (await response.json()) as { error: { code: string; message: string } };
      assert.equal(response.status, 200);
      assert.match(`${error.code} ${error.message}`, words);
    });
  }

  test('and of a request that is none as the fault of whoever sent it', async () => {
    assert.equal((await press('odoo-server', [])).status, 422);
  });
});

describe('Test connection does not give away', () => {
  for (const [what, type, form] of forms) {
    test(`${type}: ${what}`, async () => {
      stolen = '';
      const response = await press(type, form());
      const text = await response.text();
      if (!what.includes('another type')) assert.match(text, /SECRET_NOT_SENT/);
      for (const secret of [password, value]) {
        assert.ok(!text.includes(secret), text);
        assert.ok(!stolen.includes(secret), stolen);
      }
    });
  }

  test('and the same settings as they are deployed can be tested', async () => {
    const response = await press('amqp-connection', {
      id: 'amqp',
      engine: 'rabbitmq',
      url: 'amqp://127.0.0.1:1/',
      password: '__PWRD__',
    });
    assert.match(await response.text(), /does not answer: ECONNREFUSED/);
  });

  test('and a page of another site cannot press it', async () => {
    const response = await fetch(`${nodeRed.url}/healthflows/integration-store/test`, {
      method: 'POST',
      headers: { origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded' },
      body: 'engine=sqlite&file=unsaved.sqlite',
    });
    assert.match(await response.text(), /FOREIGN_ORIGIN/);
  });
});

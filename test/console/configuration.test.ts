/** Changes of the nodes' setup in the audit trail: what, by whom, and never a value. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configuredNodes, recordConfiguration } from '../../nodes/console/configuration/configuration.ts';
import { readConfiguration } from '../../nodes/console/configuration/state.ts';
import { listAudit, verifyAudit } from '../../nodes/kernel/audit/index.ts';
import type { Store } from '../../nodes/kernel/store/index.ts';
import type { RuntimeApi } from '../../nodes/node/index.ts';
import { type FlowNode, nodeRedVersions, startNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';

type Node = Record<string, unknown> & { id: string; type: string };

const types = new Set(['odoo-server', 'odoo-rpc']);
const server = (more: object = {}): Node => ({
  id: 's1',
  type: 'odoo-server',
  name: 'Odoo',
  url: 'https://marked-url',
  ...more,
});

/** As Node-RED tells of its nodes. */
function redWith(nodes: readonly Node[], credentials: Record<string, Record<string, string>>): RuntimeApi {
  const eachNode = (call: (node: Node) => void): void => nodes.forEach(call);
  return { nodes: { eachNode, getCredentials: (id: string) => credentials[id] } } as unknown as RuntimeApi;
}

async function look(
  store: Store,
  nodes: readonly Node[],
  credentials: Record<string, Record<string, string>> = {},
  who = { actor: 'ada', whileStopped: false },
): Promise<void> {
  await recordConfiguration(store, 'here', configuredNodes(redWith(nodes, credentials), types), who);
}

async function told(store: Store): Promise<unknown[]> {
  const { records } = await store.run(listAudit, { order: 'oldest-first' });
  return records.map(({ action, actor, subject, node, detail }) => [action, actor, subject ?? node, detail]);
}

for (const { name, options, fresh } of storesUnderTest()) {
  test(`what was added, changed and removed is told by name, and nothing by value (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const secret = { s1: { apiKey: 'marked-secret' } };
    await look(store, [server(), { id: 'f', type: 'function', func: 'not ours' }], secret);
    await look(store, [server()], secret);
    await look(store, [server({ x: 10, y: 20, z: undefined })], secret);
    await look(store, [server({ url: 'https://marked-other', timeout: 5 })], secret);
    await look(store, [server({ url: 'https://marked-other', timeout: 5 })], { s1: { apiKey: 'marked-second' } });
    await look(store, [server({ url: 'https://marked-other', timeout: 5 }), { id: 'r1', type: 'odoo-rpc' }], {
      s1: { apiKey: 'marked-second' },
    });
    await look(store, [{ id: 'r1', type: 'odoo-rpc' }], {}, { actor: 'unknown', whileStopped: true });
    assert.deepEqual(await told(store), [
      ['configuration.first-seen', 'ada', undefined, { nodes: 1 }],
      ['configuration.changed', 'ada', 'odoo-server Odoo', { credentials: false, settings: 'timeout, url' }],
      ['configuration.changed', 'ada', 'odoo-server Odoo', { credentials: true, settings: '' }],
      ['configuration.added', 'ada', 'odoo-rpc r1', { credentials: false }],
      ['configuration.removed', 'unknown', 'odoo-server Odoo', { whileStopped: true }],
    ]);
    const kept = JSON.stringify([
      await store.run(listAudit, {}),
      await store.run(readConfiguration, { instance: 'here' }),
    ]);
    assert.ok(!kept.includes('marked-'), kept);
    assert.equal((await verifyAudit(store)).kind, 'intact');
  });

  test(`two Node-REDs with one store are told apart (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const found = configuredNodes(redWith([server()], {}), types);
    const who = { actor: 'ada', whileStopped: false };
    await recordConfiguration(store, 'one', found, who);
    await recordConfiguration(store, 'other', [], who);
    await recordConfiguration(store, 'one', found, who);
    assert.equal((await told(store)).length, 1);
  });
}

interface Entry {
  action: string;
  actor: string;
  subject?: string;
  detail: Record<string, unknown>;
}

const login = {
  adminAuth: {
    type: 'credentials',
    // The password is "password".
    users: [
      { username: 'ada', password: '$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN.', permissions: '*' },
    ],
  },
};

const secrets = ['whsec_bWFya2VkLXNlY3JldC1mb3ItdGVzdHM=', 'whsec_b3RoZXItc2VjcmV0LWZvci10ZXN0cy0='];

const flows = (name: string, secret?: string): FlowNode[] => [
  { id: 'tab', type: 'tab', label: 'orders' },
  { id: 'store', type: 'integration-store', name: 'the store', engine: 'sqlite', file: 'c.sqlite', configVersion: 1 },
  { id: 'settle', z: 'tab', type: 'settle', name, store: 'store', configVersion: 1, wires: [[]], x: 100, y: 100 },
  {
    id: 'hook',
    z: 'tab',
    type: 'webhook-verifier',
    url: '/hooks/orders',
    configVersion: 1,
    keys: [{ id: 'k', slot: 1 }],
    x: 100,
    y: 200,
    wires: [[], []],
    ...(secret === undefined ? {} : { credentials: { secret1: secret } }),
  },
];

for (const version of nodeRedVersions) {
  test(`who deployed is told; a change made while Node-RED was stopped is found at its start (Node-RED ${version})`, async () => {
    const red = await startNodeRed({ version, settings: login });
    try {
      let headers: Record<string, string> = {};
      const signIn = async (): Promise<void> => {
        const form = {
          client_id: 'node-red-admin',
          grant_type: 'password',
          scope: '*',
          username: 'ada',
          password: 'password',
        };
        const answer = await red.admin('/auth/token', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(form),
        });
        const { access_token } = (await answer.json()) as { access_token: string };
        headers = { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' };
      };
      const deploy = async (nodes: FlowNode[], type: string): Promise<void> => {
        const answer = await red.admin('/flows', {
          method: 'POST',
          headers: { ...headers, 'Node-RED-Deployment-Type': type },
          body: JSON.stringify(nodes),
        });
        assert.equal(answer.status, 204, await answer.text());
      };
      const entries = async (count: number): Promise<Entry[]> => {
        let found: Entry[] = [];
        await waitUntil(`${count} entries are there`, async () => {
          const answer = await red.admin('/healthflows/console/api/audit', { headers });
          const { records = [] } = (await answer.json()) as { records?: Entry[] };
          found = records.filter(({ action }) => action.startsWith('configuration.')).reverse();
          return found.length >= count;
        });
        return found;
      };
      await signIn();
      await deploy(flows('end', secrets[0]), 'full');
      const [seen] = await entries(1);
      assert.deepEqual([seen!.action, seen!.actor, seen!.detail], ['configuration.first-seen', 'ada', { nodes: 3 }]);

      await deploy(flows('end of the order'), 'nodes');
      const [, changed] = await entries(2);
      assert.deepEqual(
        [changed!.action, changed!.actor, changed!.subject, changed!.detail],
        ['configuration.changed', 'ada', 'settle end of the order', { credentials: false, settings: 'name' }],
      );

      await deploy(flows('end of the order', secrets[1]), 'nodes');
      const [, , secret] = await entries(3);
      assert.deepEqual(
        [secret!.actor, secret!.subject, secret!.detail],
        ['ada', 'webhook-verifier hook', { credentials: true, settings: '' }],
      );

      await red.stop();
      const file = join(red.userDir, 'flows.json');
      const nodes = JSON.parse(readFileSync(file, 'utf8')) as FlowNode[];
      writeFileSync(file, JSON.stringify(nodes.filter(({ id }) => id !== 'settle')));
      await red.restart();
      await signIn();
      const all = await entries(4);
      assert.deepEqual(
        [all[3]!.action, all[3]!.actor, all[3]!.subject, all[3]!.detail],
        ['configuration.removed', 'unknown', 'settle end of the order', { whileStopped: true }],
      );
      assert.equal(all.length, 4);
      assert.ok(!JSON.stringify(all).includes('whsec'));
    } finally {
      await red.stop();
    }
  });
}

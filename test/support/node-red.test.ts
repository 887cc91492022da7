import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, nodeRedVersions, startNodeRed } from './node-red.ts';

function echo(path: string): FlowNode[] {
  return [
    { id: 'tab', type: 'tab', label: 'Echo' },
    { id: 'in', type: 'http in', z: 'tab', url: path, method: 'get', wires: [['fill']] },
    {
      id: 'fill',
      type: 'change',
      z: 'tab',
      rules: [{ t: 'set', p: 'payload', to: 'here', tot: 'str' }],
      wires: [['out']],
    },
    { id: 'out', type: 'http response', z: 'tab', wires: [] },
    {
      id: 'login',
      type: 'http proxy',
      name: 'p',
      url: 'http://127.0.0.1:9',
      noproxy: [],
      credentials: { password: 'canary' },
    },
  ];
}

for (const version of nodeRedVersions) {
  describe(`Node-RED ${version} as a process`, () => {
    test('runs the flows it is given, keeps them over kill -9, and ends in order on SIGTERM', async () => {
      const nodeRed = await startNodeRed({ version, flows: echo('/echo'), roots: { admin: '/admin', node: '/api' } });
      assert.equal(nodeRed.url, `http://127.0.0.1:${nodeRed.port}/api`);
      assert.equal(await (await fetch(`${nodeRed.url}/echo`)).text(), 'here');

      await nodeRed.kill();
      assert.deepEqual(nodeRed.exit(), { code: null, signal: 'SIGKILL' });
      await nodeRed.restart();
      assert.equal(await (await fetch(`${nodeRed.url}/echo`)).text(), 'here');

      await nodeRed.deploy(echo('/moved'), 'nodes');
      assert.equal(await (await fetch(`${nodeRed.url}/moved`)).text(), 'here');
      assert.equal((await nodeRed.flows()).find((node) => node.id === 'in')?.url, '/moved');
      assert.ok(nodeRed.rss() > 20e6);

      assert.equal((await nodeRed.stop()).code, 0);
      assert.ok(!readFileSync(join(nodeRed.userDir, 'flows.json'), 'utf8').includes('canary'));
      assert.ok(existsSync(join(nodeRed.userDir, 'flows_cred.json')));
    });
  });
}

describe('Node-RED embedded', () => {
  let nodeRed: EmbeddedNodeRed;
  before(async () => {
    nodeRed = await embedNodeRed();
  });
  after(() => nodeRed.stop());

  test('sets flows again and again, and shows what arrives', async () => {
    for (const payload of ['one', 'two']) {
      await nodeRed.setFlows([
        { id: 'tab', type: 'tab', label: 'Probe' },
        {
          id: 'set',
          type: 'change',
          z: 'tab',
          rules: [{ t: 'set', p: 'payload', to: payload, tot: 'str' }],
          wires: [['end']],
        },
        { id: 'end', type: 'junction', z: 'tab', wires: [[]] },
      ]);
      const arrived = nodeRed.receive('end');
      nodeRed.node('set').receive({});
      assert.equal((await arrived)[0]?.payload, payload);
    }
  });
});

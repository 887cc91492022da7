/** What an odoo-server watches over: its stage, the end of its key, and its way back after an outage. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../nodes/kernel/failure.ts';
import { count } from '../../nodes/odoo/index.ts';
import { type KeyExpiry, keyExpiry, warningAt, watchKey } from '../../nodes/odoo/key-watch.ts';
import { refuseProduction } from '../../nodes/odoo/stage.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { clientOf, failure, sandbox, versions } from './support.ts';

describe('stage', () => {
  test('a flow marked test or sandbox is refused a production server, any other pair is not', () => {
    const production = 'https://erp.example.org';
    for (const mark of ['test', 'sandbox', ' Sandbox ']) {
      assert.throws(
        () => refuseProduction(mark, 'production', production),
        failure({ class: 'policy-rejection', code: 'ODOO_STAGE', retryable: false, outcome: 'none' }),
      );
      refuseProduction(mark, 'test', production);
    }
    for (const server of ['production', 'test', 'sandbox'] as const) {
      refuseProduction('', server, production);
      refuseProduction('production', server, production);
    }
  });

  test('a mark with a typing error lets nothing through', () => {
    assert.throws(() => refuseProduction('prodution', 'test', 'http://x'), failure({ class: 'configuration' }));
  });
});

describe('the end of an API key', () => {
  test('is known on each version, and is the first of several', async () => {
    for (const version of versions) {
      const odoo = await sandbox(version);
      const expiry = await keyExpiry(clientOf(odoo));
      assert.ok(expiry !== undefined && expiry.days >= 89 && expiry.days <= 91, `${version}: ${expiry?.days}`);
    }
  });

  test('warns at 30, 7 and 1 days', () => {
    assert.deepEqual([31, 30, 8, 7, 2, 1, 0].map(warningAt), [undefined, 30, 30, 7, 7, 1, 1]);
  });

  test('is said once at each, again after an outage, and no more after a new key', async () => {
    const days = [40, 30, 29, undefined, 7, 6, 'outage', 1, 90, 30] as const;
    const said: number[] = [];
    let at = 0;
    let done: () => void;
    const all = new Promise<void>((resolve) => {
      done = resolve;
    });
    const stop = watchKey({
      first: 0,
      every: 0,
      look: async (): Promise<KeyExpiry | undefined> => {
        const next = days[at++];
        if (at > days.length) done();
        if (next === 'outage') throw new Failure('dependency-outage', 'X', 'x');
        return next === undefined ? undefined : { name: 'bot', days: next };
      },
      onDays: () => undefined,
      onWarning: (expiry) => said.push(expiry.days),
    });
    const alive = setInterval(() => undefined, 1_000);
    await all;
    clearInterval(alive);
    stop();
    assert.deepEqual(said, [30, 7, 1, 30]);
  });
});

describe('the way back', () => {
  for (const version of versions) {
    test(`with nobody calling, Odoo ${version} is found to be back, and PostgreSQL behind it too`, async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { attempts: 1, breaker: { minimum: 2, openFor: 5, openMost: 20 } });
      const stop = client.keepProbing();
      const changes: string[] = [];
      client.onBreaker(({ kind }) => changes.push(kind));
      await count(client, 'res.partner', []);
      for (const fall of ['down', 'postgres-down'] as const) {
        changes.length = 0;
        if (fall === 'down') await odoo.down();
        else odoo.faults.set({ kind: 'postgres-down' });
        for (let n = 0; n < 5; n++) await count(client, 'res.partner', []).catch(() => undefined);
        await waitUntil('it was probed in vain', () => changes.filter((kind) => kind === 'open').length >= 2);
        assert.notEqual(client.breaker.kind, 'closed');
        if (fall === 'down') await odoo.up();
        else odoo.faults.clear();
        await waitUntil('the breaker closed', () => client.breaker.kind === 'closed');
      }
      stop();
    });
  }
});

describe('odoo-rpc on a server of another stage', () => {
  let nodeRed: EmbeddedNodeRed;
  before(async () => {
    nodeRed = await embedNodeRed();
  });
  after(() => nodeRed.stop());

  test('a flow marked sandbox in its environment sends nothing to a production server; unmarked, it does', async () => {
    const odoo = await sandbox();
    const flow = (env: unknown[]): FlowNode[] => [
      { id: 'tab', type: 'tab', label: 'Odoo', env } as unknown as FlowNode,
      { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['failed']] } as unknown as FlowNode,
      { id: 'failed', type: 'junction', z: 'tab', wires: [[]] },
      { id: 'end', type: 'junction', z: 'tab', wires: [[]] },
      {
        id: 'server',
        type: 'odoo-server',
        url: odoo.url,
        database: odoo.database,
        environment: 'production',
        credentials: { apiKey: apiKeys.bot },
      },
      {
        id: 'rpc',
        type: 'odoo-rpc',
        z: 'tab',
        server: 'server',
        operation: 'count',
        model: 'res.partner',
        wires: [['end']],
      },
    ];
    await nodeRed.setFlows(flow([{ name: 'HEALTHFLOWS_ENVIRONMENT', value: 'sandbox', type: 'str' }]));
    const failed = nodeRed.receive('failed');
    nodeRed.node('rpc').receive({ payload: '' });
    const [message] = await failed;
    const { class: kind, code, message: words } = message!.failure as Record<string, string>;
    assert.deepEqual([kind, code], ['policy-rejection', 'ODOO_STAGE']);
    assert.match(words!, /marked sandbox/);
    assert.equal(odoo.log.counters.requests, 0);

    await nodeRed.setFlows(flow([]));
    const through = nodeRed.receive('end');
    nodeRed.node('rpc').receive({ payload: '' });
    assert.equal(typeof (await through)[0]!.payload, 'number');
  });
});

/** Replay protection and the audit of rejections with a real store, in real Node-RED. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../nodes/kernel/store/index.ts';
import { nodeRedVersions, startNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { problemOf, send } from '../webhook/http.ts';
import { exampleSecret, signStandard } from '../webhook/sign.ts';
import { auditRows } from '../webhook/store-operations.ts';

const json = { 'content-type': 'application/json' };

for (const version of nodeRedVersions) {
  test(`a replay is refused across a kill -9, a failed request may come again, rejections are audited, Node-RED ${version}`, async () => {
    const red = await startNodeRed({
      version,
      flows: [
        { id: 'tab', type: 'tab', label: 'webhooks' },
        { id: 'store', type: 'integration-store', configVersion: 1, engine: 'sqlite', file: 'webhooks.sqlite' },
        {
          id: 'in',
          z: 'tab',
          type: 'webhook-verifier',
          configVersion: 1,
          url: '/hooks/orders',
          keys: [{ id: 'k', slot: 1 }],
          credentials: { secret1: exampleSecret },
          store: 'store',
          replay: true,
          wires: [['status'], []],
        },
        {
          id: 'status',
          z: 'tab',
          type: 'function',
          func: 'msg.statusCode = msg.payload.answer; return msg;',
          outputs: 1,
          initialize: '',
          finalize: '',
          libs: [],
          wires: [['reply']],
        },
        { id: 'reply', z: 'tab', type: 'http response', statusCode: '', headers: {}, wires: [] },
      ],
    });
    try {
      const post = (body: string, signed: Record<string, string>) =>
        send(`${red.url}/hooks/orders`, { body, headers: { ...json, ...signed } });
      const good = '{"answer":202}';
      const signed = signStandard(good, { id: 'msg_replay' });
      assert.equal((await post(good, signed)).status, 202);
      await waitUntil(
        'the request is kept',
        async () => problemOf(await post(good, signed)).code === 'replayed',
        10_000,
        20,
      );

      // The same message signed anew is a sender's retry, not a replay.
      const later = signStandard(good, { id: 'msg_replay', timestamp: Math.floor(Date.now() / 1000) - 5 });
      assert.equal((await post(good, later)).status, 202);

      const failing = '{"answer":500}';
      const twice = signStandard(failing);
      assert.equal((await post(failing, twice)).status, 500);
      await waitUntil('the request is forgotten', async () => (await post(failing, twice)).status === 500, 90_000, 20);

      await red.kill();
      await red.restart();
      assert.equal(problemOf(await post(good, signed)).code, 'replayed');
      assert.equal((await post(good, { ...signed, 'webhook-id': 'other' })).status, 401);
      await red.stop();

      const store = openStore({ engine: 'sqlite', file: join(red.userDir, 'webhooks.sqlite') });
      try {
        const rows = await store.run(auditRows, {});
        const reasons = rows.filter(({ action }) => action === 'message.rejected').map(({ reason }) => reason);
        assert.ok(reasons.includes('signature-invalid') && reasons.includes('replayed'), JSON.stringify(rows));
      } finally {
        await store.close();
      }
    } finally {
      await red.stop();
    }
  });
}

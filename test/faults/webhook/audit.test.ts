/** A rejection that was answered is in the audit trail, whatever happens the moment after. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../../nodes/kernel/store/index.ts';
import { startNodeRed } from '../../support/node-red.ts';
import { problemOf, send } from '../../webhook/http.ts';
import { exampleSecret, signStandard } from '../../webhook/sign.ts';
import { auditRows } from '../../webhook/store-operations.ts';

const rounds = Number(process.env.FAULT_ROUNDS ?? 3);

test('kill -9 of Node-RED loses no rejection that was answered', async (t) => {
  const red = await startNodeRed({
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
        failureLimit: 100_000,
        store: 'store',
        wires: [[], []],
      },
    ],
  });
  const answered = new Set<string>();
  try {
    for (let round = 0; round < rounds; round++) {
      let going = true;
      const client = async () => {
        while (going) {
          // Refused before verification (its content type), and by it.
          const type = Math.random() < 0.3 ? 'image/png' : 'application/json';
          const reply = await send(`${red.url}/hooks/orders`, { body: '{}', headers: { 'content-type': type } }).catch(
            () => undefined,
          );
          if (reply === undefined) return;
          answered.add(problemOf(reply).correlationId);
        }
      };
      const before = answered.size;
      const clients = Array.from({ length: 8 }, client);
      const enough = before + 50 + Math.floor(Math.random() * 200);
      while (answered.size < enough) await new Promise(setImmediate);
      await red.kill();
      going = false;
      await Promise.all(clients);
      await red.restart();
    }
    await red.stop();
    const store = openStore({ engine: 'sqlite', file: join(red.userDir, 'webhooks.sqlite') });
    try {
      const rows = await store.run(auditRows, {});
      const audited = new Set(rows.map(({ correlation_id }) => correlation_id));
      const lost = [...answered].filter((id) => !audited.has(id));
      assert.deepEqual(lost, []);
      t.diagnostic(`campaign: ${rounds} kills, ${answered.size} rejections answered, 0 lost`);
    } finally {
      await store.close();
    }
  } finally {
    await red.stop();
  }
});

test('a store that is down keeps no caller: rejections are answered, and counted where they should have been written', async () => {
  const red = await startNodeRed({
    flows: [
      { id: 'tab', type: 'tab', label: 'webhooks' },
      {
        id: 'store',
        type: 'integration-store',
        configVersion: 1,
        engine: 'postgresql',
        url: 'postgres://nobody@127.0.0.1:1/nothing',
      },
      {
        id: 'in',
        z: 'tab',
        type: 'webhook-verifier',
        configVersion: 1,
        url: '/hooks/orders',
        keys: [{ id: 'k', slot: 1 }],
        credentials: { secret1: exampleSecret },
        store: 'store',
        wires: [['reply'], []],
      },
      { id: 'reply', z: 'tab', type: 'http response', statusCode: '202', headers: {}, wires: [] },
    ],
  });
  try {
    const json = { 'content-type': 'application/json' };
    for (let i = 0; i < 3; i++) {
      const reply = await send(`${red.url}/hooks/orders`, { body: '{}', headers: json });
      assert.equal(problemOf(reply).code, 'signature-missing');
    }
    const honest = await send(`${red.url}/hooks/orders`, { body: '{}', headers: { ...json, ...signStandard('{}') } });
    assert.equal(honest.status, 202);
    await red.waitForLog(/rejection not audited/);
  } finally {
    await red.stop();
  }
});

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startNodeRed } from '../../support/node-red.ts';
import { waitUntil } from '../../support/processes.ts';
import { send } from '../../webhook/http.ts';
import { exampleSecret, signStandard } from '../../webhook/sign.ts';
import { smallDisk } from '../store/small-disk.ts';

const flow = (file: string) => [
  { id: 'tab', type: 'tab', label: 'Ingress' },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file, configVersion: 1 },
  {
    id: 'verifier',
    z: 'tab',
    type: 'webhook-verifier',
    url: '/hooks/orders',
    scheme: 'standard-webhooks',
    keys: [{ id: 'k1', slot: 1 }],
    credentials: { secret1: exampleSecret },
    store: 'store',
    configVersion: 1,
    wires: [['gate'], []],
  },
  {
    id: 'gate',
    z: 'tab',
    type: 'idempotency-gate',
    store: 'store',
    keySource: 'event',
    configVersion: 1,
    wires: [['answer'], ['out'], ['out'], ['out']],
  },
  {
    id: 'answer',
    z: 'tab',
    type: 'change',
    rules: [
      { t: 'set', p: 'statusCode', pt: 'msg', to: '202', tot: 'num' },
      { t: 'set', p: 'headers', pt: 'msg', to: '{"content-type":"application/json"}', tot: 'json' },
    ],
    wires: [['settle']],
  },
  { id: 'catch', z: 'tab', type: 'catch', scope: ['gate', 'settle'], wires: [['settle']] },
  { id: 'settle', z: 'tab', type: 'settle', outcome: 'auto', configVersion: 1, wires: [['out']] },
  { id: 'out', z: 'tab', type: 'http response', statusCode: '', headers: {}, wires: [] },
];

test('on a full disk partners are answered 503 with Retry-After, and what was answered 202 is not taken for new afterwards', async (t) => {
  using disk = smallDisk();
  if (disk === undefined) {
    t.skip('mounting a small file system needs root');
    return;
  }
  const ballast = join(disk.path, 'ballast');
  writeFileSync(ballast, Buffer.alloc(4 * 1024 * 1024));
  const red = await startNodeRed({ flows: flow(join(disk.path, 'store.sqlite')) });
  try {
    const post = (id: string) => {
      const body = JSON.stringify({ id, note: 'x'.repeat(4_000) });
      const headers = { 'content-type': 'application/json', ...signStandard(body, { id: `msg_${id}` }) };
      return send(`${red.url}/hooks/orders`, { body, headers: headers as Record<string, string> });
    };
    const accepted: string[] = [];
    const refused: string[] = [];
    const attempt = async (id: string): Promise<void> => {
      const reply = await post(id);
      if (reply.status === 202) {
        accepted.push(id);
        return;
      }
      assert.equal(reply.status, 503, reply.body);
      assert.ok(Number(reply.headers['retry-after']) > 0, JSON.stringify(reply.headers));
      refused.push(id);
    };
    for (let batch = 0; refused.length < 20; batch++) {
      assert.ok(batch < 200, 'the disk is never full');
      await Promise.all(Array.from({ length: 50 }, (_, index) => attempt(`b${batch}-${index}`)));
    }
    assert.ok(accepted.length > 0);

    rmSync(ballast);
    await waitUntil('the endpoint takes requests again', async () => (await post('again')).status === 202);
    // The claim was durable before the answer; where the disk was full before the completion, the lease still holds it.
    let completed = 0;
    for (const id of accepted.slice(-100)) {
      const reply = await post(id);
      const replayed = reply.headers['idempotent-replayed'] === 'true';
      if (replayed) completed++;
      assert.ok(replayed || reply.status === 409, `${id}: ${reply.status} ${reply.body}`);
    }
    assert.ok(completed > 0);
    // What was refused left nothing behind that would make its retry anything but new, or the holder's to finish.
    for (const id of refused.slice(0, 20)) {
      const reply = await post(id);
      assert.ok(reply.status === 202 || reply.status === 409, `${id}: ${reply.status} ${reply.body}`);
    }
    t.diagnostic(
      `${accepted.length} answered 202, ${refused.length} answered 503; of the last ${Math.min(100, accepted.length)} ${completed} completed`,
    );
  } finally {
    await red.stop();
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claim, find } from '../../nodes/idempotency/index.ts';
import { listAudit, verifyAudit } from '../../nodes/kernel/audit/index.ts';
import { type SettleRecord, settleMessage } from '../../nodes/settlement/record.ts';
import { storesUnderTest } from '../support/store.ts';

for (const { name, options, fresh } of storesUnderTest()) {
  test(`messages settled at the same time each get their own result and audit entry (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const wanted = (key: string) => ({
      scope: 's',
      key,
      fingerprint: '',
      owner: 'o',
      lease: 60_000,
      retention: 60_000,
    });
    const records = await Promise.all(
      Array.from({ length: 24 }, async (_, index): Promise<SettleRecord> => {
        const key = `k${index}`;
        const verdict = await store.run(claim, wanted(key));
        assert(verdict.kind === 'new');
        const audit = { action: 'message.settled', outcome: 'success', actor: 'flow', subject: key } as const;
        // Of each four: completed, released, a lease that was lost, and a message without a key.
        if (index % 4 === 3) return { audit };
        const held = { scope: 's', key, token: verdict.token + (index % 4 === 2 ? 1 : 0) };
        const action = index % 4 === 1 ? 'release' : 'complete';
        return { key: { held, action, reply: { statusCode: 200, body: key } }, audit };
      }),
    );
    const results = await Promise.all(records.map((record) => store.run(settleMessage, record)));
    const expected = ['completed', 'released', 'lost-lease', 'none'];
    assert.deepEqual(
      results.map(({ key }) => key),
      records.map((_, index) => expected[index % 4]),
    );
    const state = await store.run(find, { scope: 's', key: 'k4' });
    assert.equal(Buffer.from(state?.reply?.body ?? '').toString(), 'k4');
    assert.equal((await store.run(find, { scope: 's', key: 'k2' }))?.state, 'claimed');
    assert.equal((await store.run(listAudit, { filter: { action: 'message.settled' } })).records.length, 24);
    assert.equal((await verifyAudit(store)).kind, 'intact');
  });
}

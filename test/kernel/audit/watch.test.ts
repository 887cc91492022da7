/** The watch over the chain: what it finds while nobody asks, and how much it reads for that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  auditKeys,
  AuditWatch,
  auditFinding,
  keepAudit,
  noteVerdict,
  verifyAudit,
} from '../../../nodes/kernel/audit/index.ts';
import type { Store } from '../../../nodes/kernel/store/index.ts';
import { storesUnderTest } from '../../support/store.ts';
import { sql } from '../store/operations.ts';
import { record } from './operations.ts';

const keys = { trusted: new Set<string>() };

async function fill(store: Store, entries: number): Promise<void> {
  const all = Array.from({ length: entries }, (_, n) => ({
    action: 'message.accepted',
    outcome: 'success' as const,
    actor: 'flow',
    subject: `order-${n}`,
  }));
  await store.run(record, all);
}

for (const under of storesUnderTest()) {
  test(`a change among the newest entries is found in the next round (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    await fill(store, 100);
    const watch = new AuditWatch(store, { keys, newest: 20, slice: 10 });
    assert.equal(await watch.round(), undefined);
    assert.equal(auditFinding(store)?.break, undefined);
    await store.run(sql, { text: "UPDATE audit_trail SET actor = 'nobody' WHERE seq = 95" });
    const found = await watch.round();
    assert.deepEqual([found?.seq, found?.problem], [95, 'changed']);
    assert.equal(auditFinding(store)?.break, found);
    assert.equal(await watch.round(), undefined, 'it is told once');
    await store.run(sql, { text: "UPDATE audit_trail SET actor = 'flow' WHERE seq = 95" });
    await watch.round();
    assert.equal(auditFinding(store)?.break, undefined);
  });

  test(
    `an old change is found when its piece has its turn, and stays told (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      await fill(store, 100);
      await store.run(sql, { text: 'DELETE FROM audit_trail WHERE seq = 35' });
      const watch = new AuditWatch(store, { keys, newest: 5, slice: 10 });
      for (let round = 1; round <= 3; round++) assert.equal(await watch.round(), undefined, `round ${round}`);
      const found = await watch.round();
      assert.deepEqual([found?.seq, found?.problem], [35, 'missing']);
      for (let round = 1; round <= 3; round++) assert.equal(await watch.round(), undefined);
      assert.equal(auditFinding(store)?.break?.seq, 35);
    },
  );

  test(
    `entries that come meanwhile are right, and after the end it begins again (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const watch = new AuditWatch(store, { keys, newest: 5, slice: 10 });
      assert.equal(await watch.round(), undefined, 'an empty trail is whole');
      for (let round = 0; round < 12; round++) {
        await fill(store, 7);
        assert.equal(await watch.round(), undefined);
      }
      await store.run(sql, { text: "UPDATE audit_trail SET actor = 'nobody' WHERE seq = 3" });
      let found: Awaited<ReturnType<AuditWatch['round']>>;
      for (let round = 0; round < 12 && found === undefined; round++) found = await watch.round();
      assert.deepEqual([found?.seq, found?.problem], [3, 'changed']);
    },
  );

  test(
    `what a person's verify finds is kept until that entry is right again (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      await fill(store, 100);
      const watch = new AuditWatch(store, { keys, newest: 5, slice: 10 });
      await watch.round();
      await store.run(sql, { text: "UPDATE audit_trail SET actor = 'nobody' WHERE seq = 50" });
      assert.equal(noteVerdict(store, await verifyAudit(store, { keys })), true);
      assert.equal(noteVerdict(store, await verifyAudit(store, { keys })), false);
      await watch.round();
      assert.equal(auditFinding(store)?.break?.seq, 50, 'pieces elsewhere do not acquit it');
      await store.run(sql, { text: "UPDATE audit_trail SET actor = 'flow' WHERE seq = 50" });
      for (let round = 0; round < 4; round++) await watch.round();
      assert.equal(auditFinding(store)?.break, undefined);
    },
  );

  test(`a tail that was cut behind a signed state is missed (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    const signing = auditKeys({ HEALTHFLOWS_AUDIT_KEY: '11'.repeat(32) });
    await fill(store, 40);
    await keepAudit(store, { keys: signing, actor: 'test', sign: true });
    const watch = new AuditWatch(store, { keys: signing, newest: 5, slice: 100 });
    assert.equal(await watch.round(), undefined);
    await store.run(sql, { text: 'DELETE FROM audit_trail WHERE seq > 30' });
    await store.run(sql, {
      text: 'UPDATE audit_head SET entries = 30, hash = (SELECT hash FROM audit_trail WHERE seq = 30) WHERE id = 1',
    });
    const found = await watch.round();
    assert.deepEqual([found?.seq, found?.problem], [31, 'missing']);
  });
}

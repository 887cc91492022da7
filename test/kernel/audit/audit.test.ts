import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { exportAudit, listAudit, verifyAudit } from '../../../nodes/kernel/audit/index.ts';
import { canonicalJson } from '../../../nodes/kernel/json.ts';
import type { Store } from '../../../nodes/kernel/store/index.ts';
import { storesUnderTest } from '../../support/store.ts';
import { sql } from '../store/operations.ts';
import { record } from './operations.ts';

async function fill(store: Store, entries: number): Promise<void> {
  await Promise.all(
    Array.from({ length: entries }, (_, index) =>
      store.run(record, [
        {
          action: index % 2 === 0 ? 'message.accepted' : 'message.settled',
          outcome: 'success',
          actor: 'flow',
          subject: `order-${index}`,
          correlationId: `c-${index % 3}`,
          detail: { amount: '235.40', lines: 3, rush: false, none: null },
        },
      ]),
    ),
  );
}

/** Of a trail without checkpoints. */
const unsigned = { first: 1, signed: { checkpoints: 0, through: 0, keys: [], trusted: false } };

/** Each makes the trail lie; the verdict must name the entry. */
const tamperings: { does: string; statements: string[]; verdict: { seq: number; problem: string } }[] = [
  {
    does: 'a changed entry',
    statements: ["UPDATE audit_trail SET actor = 'somebody else' WHERE seq = 13"],
    verdict: { seq: 13, problem: 'changed' },
  },
  {
    does: 'a changed instant',
    statements: ['UPDATE audit_trail SET at = at + 1 WHERE seq = 13'],
    verdict: { seq: 13, problem: 'changed' },
  },
  {
    does: 'a changed detail',
    statements: ["UPDATE audit_trail SET detail = REPLACE(detail, '235.40', '35.40') WHERE seq = 20"],
    verdict: { seq: 20, problem: 'changed' },
  },
  {
    does: 'an entry stripped of its reason',
    statements: ['UPDATE audit_trail SET subject = NULL WHERE seq = 1'],
    verdict: { seq: 1, problem: 'changed' },
  },
  {
    does: 'a deleted entry',
    statements: ['DELETE FROM audit_trail WHERE seq = 7'],
    verdict: { seq: 7, problem: 'missing' },
  },
  {
    does: 'a deleted beginning',
    statements: ['DELETE FROM audit_trail WHERE seq <= 5'],
    verdict: { seq: 1, problem: 'missing' },
  },
  {
    does: 'a truncated tail',
    statements: ['DELETE FROM audit_trail WHERE seq > 20'],
    verdict: { seq: 21, problem: 'missing' },
  },
  {
    does: 'everything deleted',
    statements: ['DELETE FROM audit_trail'],
    verdict: { seq: 1, problem: 'missing' },
  },
  {
    does: 'two entries in each other’s place',
    statements: [
      'UPDATE audit_trail SET seq = 1000 WHERE seq = 10',
      'UPDATE audit_trail SET seq = 10 WHERE seq = 11',
      'UPDATE audit_trail SET seq = 11 WHERE seq = 1000',
    ],
    verdict: { seq: 10, problem: 'changed' },
  },
  {
    does: 'an inserted entry that moves the rest',
    statements: [
      'UPDATE audit_trail SET seq = seq + 1000 WHERE seq >= 15',
      'UPDATE audit_trail SET seq = seq - 999 WHERE seq >= 1015',
      `INSERT INTO audit_trail SELECT 15, at, action, outcome, actor, subject, correlation_id, node, reason, detail, hash
       FROM audit_trail WHERE seq = 14`,
      'UPDATE audit_head SET entries = entries + 1',
    ],
    verdict: { seq: 15, problem: 'changed' },
  },
  {
    does: 'an entry appended behind the head',
    statements: [
      `INSERT INTO audit_trail SELECT 26, at, action, outcome, actor, subject, correlation_id, node, reason, detail, hash
       FROM audit_trail WHERE seq = 25`,
    ],
    verdict: { seq: 26, problem: 'beyond-head' },
  },
  {
    does: 'a head taken back together with the tail',
    statements: ['DELETE FROM audit_trail WHERE seq > 20', 'UPDATE audit_head SET entries = 20'],
    verdict: { seq: 20, problem: 'changed' },
  },
];

for (const { name, options, fresh } of storesUnderTest()) {
  test(`an untouched trail verifies, empty and full, in slices of any size (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    assert.deepEqual(await verifyAudit(store), {
      kind: 'intact',
      entries: 0,
      hash: '00'.repeat(32),
      ...unsigned,
    });
    await fill(store, 25);
    const verdict = await verifyAudit(store);
    assert.equal(verdict.kind, 'intact');
    for (const slice of [1, 5, 24, 25, 26]) assert.deepEqual(await verifyAudit(store, { slice }), verdict);
  });

  test(`every kind of tampering is found at its first entry (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await fill(store, 25);
    await store.run(sql, { text: 'CREATE TABLE saved_trail AS SELECT * FROM audit_trail' });
    await store.run(sql, { text: 'CREATE TABLE saved_head AS SELECT * FROM audit_head' });
    for (const { does, statements, verdict } of tamperings) {
      for (const text of statements) await store.run(sql, { text });
      for (const slice of [4, 1000]) {
        assert.deepEqual(await verifyAudit(store, { slice }), { kind: 'broken', ...verdict }, does);
      }
      for (const table of ['trail', 'head']) {
        await store.run(sql, { text: `DELETE FROM audit_${table}` });
        await store.run(sql, { text: `INSERT INTO audit_${table} SELECT * FROM saved_${table}` });
      }
      assert.equal((await verifyAudit(store)).kind, 'intact');
    }
  });

  test(`the hash is the documented one, so that anybody can recompute it (${name})`, options, async () => {
    await using fixture = await fresh();
    await fill(fixture.store, 3);
    let previous: Buffer = Buffer.alloc(32);
    for await (const line of exportAudit(fixture.store)) {
      const { hash, at, ...record } = JSON.parse(line) as { hash: string; at: string };
      previous = createHash('sha256')
        .update(previous)
        .update(canonicalJson({ ...record, at: Date.parse(at) }))
        .digest();
      assert.equal(hash, previous.toString('hex'));
    }
    assert.deepEqual(await verifyAudit(fixture.store), {
      kind: 'intact',
      entries: 3,
      hash: previous.toString('hex'),
      ...unsigned,
    });
  });

  test(`entries with awkward text verify after the database had them (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const awkward = ['', ' ', 'nul\0inside', '\ud800 lone', 'é e\u0301', '"quoted"', '\u2028', 'x'.repeat(5000)];
    await store.run(
      record,
      awkward.map((subject) => ({
        action: 'a',
        outcome: 'failure' as const,
        actor: subject,
        subject,
        reason: subject,
        detail: { [subject]: subject, number: -0, small: 1e-9 },
      })),
    );
    assert.equal((await verifyAudit(store)).kind, 'intact');
  });

  test(`entries are found by correlation, subject, action and time, page by page (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await fill(store, 25);
    const found = await store.run(listAudit, { filter: { correlationId: 'c-1', action: 'message.accepted' } });
    assert(found.records.length > 0);
    assert(found.records.every((entry) => entry.correlationId === 'c-1' && entry.action === 'message.accepted'));
    assert.equal((await store.run(listAudit, { filter: { subject: 'order-7' } })).records.length, 1);
    await store.run(record, [
      { action: 'queue.paused', outcome: 'success', actor: 'anna', subject: 'orders' },
      { action: 'queue.resumed', outcome: 'success', actor: 'anna', subject: 'orders' },
      { action: 'queue.paused', outcome: 'success', actor: 'bo', subject: 'orders' },
      { action: 'message.settled', outcome: 'success', actor: 'flow', subject: 'orders' },
    ]);
    const acts = async (filter: object) =>
      (await store.run(listAudit, { filter })).records.map(({ action, actor }) => `${action} ${actor}`);
    assert.deepEqual(await acts({ actor: 'anna' }), ['queue.resumed anna', 'queue.paused anna']);
    assert.deepEqual(await acts({ actor: 'anna', action: 'queue.paused' }), ['queue.paused anna']);
    assert.deepEqual(await acts({ actor: 'flow', subject: 'orders' }), ['message.settled flow']);
    assert.deepEqual(await acts({ actor: 'flow', action: 'queue.paused' }), []);
    assert.equal((await store.run(listAudit, { filter: { from: Date.now() + 3_600_000 } })).records.length, 0);
    assert.equal((await store.run(listAudit, { filter: { to: Date.now() + 3_600_000 } })).records.length, 29);

    for (const order of ['newest-first', 'oldest-first'] as const) {
      const seen: number[] = [];
      let cursor: number | undefined;
      do {
        const page = await store.run(listAudit, { order, limit: 10, ...(cursor === undefined ? {} : { cursor }) });
        seen.push(...page.records.map(({ seq }) => seq));
        cursor = page.next;
      } while (cursor !== undefined);
      const expected = Array.from({ length: 29 }, (_, index) => index + 1);
      assert.deepEqual(seen, order === 'newest-first' ? expected.reverse() : expected);
    }
  });
}

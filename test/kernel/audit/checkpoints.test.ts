/** Signed checkpoints: whoever can write to the database cannot forge a past, and the trail may lose its beginning. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditKeys } from '../../../nodes/kernel/audit/audit-key.ts';
import { auditColumns, chainHash, genesis, recordOfRow } from '../../../nodes/kernel/audit/chain.ts';
import {
  addCheckpoint,
  checkpointEnds,
  type Checkpoint,
  listCheckpoints,
  purgeEntries,
  signCheckpoint,
  signPurge,
} from '../../../nodes/kernel/audit/checkpoints.ts';
import { exportAudit, keepAudit, listAudit, verifyAudit } from '../../../nodes/kernel/audit/index.ts';
import type { Store } from '../../../nodes/kernel/store/index.ts';
import { storesUnderTest } from '../../support/store.ts';
import { sql } from '../store/operations.ts';
import { record } from './operations.ts';

const day = 86_400_000;
const first = auditKeys({ HEALTHFLOWS_AUDIT_KEY: '11'.repeat(32), HEALTHFLOWS_AUDIT_RETENTION_DAYS: '30' });
const foreign = auditKeys({ HEALTHFLOWS_AUDIT_KEY: '22'.repeat(32) });
const publicKey = first.current!.publicKey.toString('hex');
const second = auditKeys({ HEALTHFLOWS_AUDIT_KEY: '33'.repeat(32), HEALTHFLOWS_AUDIT_KEYS_FORMER: publicKey });
const strangers = auditKeys({});

async function fill(store: Store, entries: number): Promise<void> {
  const entry = { action: 'message.accepted', outcome: 'success', actor: 'flow' } as const;
  await store.run(
    record,
    Array.from({ length: entries }, (_, index) => ({ ...entry, subject: `order-${index}` })),
  );
}

/** 30 entries, signed after 10 and after 20. */
async function signedTrail(store: Store): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    if (turn > 0) await keepAudit(store, { keys: first, actor: 'test', sign: true });
    await fill(store, 10);
  }
}

const all = (store: Store): Promise<Checkpoint[]> => store.run(listCheckpoints, { after: 0, limit: 100 });

/** What somebody does who writes the whole chain anew, with its head. */
async function rewrite(store: Store, change: (row: { seq: number; actor: string }) => void): Promise<void> {
  const rows = await store.run(sql, { text: `SELECT ${auditColumns} FROM audit_trail ORDER BY seq` });
  let hash: Uint8Array = genesis;
  for (const row of rows) {
    change(row as never);
    hash = chainHash(hash, recordOfRow(row));
    await store.run(sql, {
      text: 'UPDATE audit_trail SET actor = $1, hash = $2 WHERE seq = $3',
      values: [row.actor as string, hash, row.seq as number],
    });
  }
  await store.run(sql, { text: 'UPDATE audit_head SET hash = $1', values: [hash] });
}

async function replace(store: Store, checkpoint: Checkpoint): Promise<void> {
  const { seq, previous, hash, at, keyId, publicKey: key, signature } = checkpoint;
  await store.run(sql, {
    text: `UPDATE audit_checkpoints SET previous = $1, hash = $2, at = $3, key_id = $4, public_key = $5, signature = $6
           WHERE seq = $7`,
    values: [previous, hash, at, keyId, key, signature, seq],
  });
}

interface Tampering {
  does: string;
  tamper: (store: Store) => Promise<unknown>;
  seq: number;
  problem: string;
}

const statement = (text: string) => (store: Store) => store.run(sql, { text });

const tamperings: Tampering[] = [
  {
    does: 'an entry changed, and the chain written anew',
    tamper: (store) =>
      rewrite(store, (row) => {
        if (row.seq === 13) row.actor = 'somebody else';
      }),
    seq: 20,
    problem: 'rewritten',
  },
  {
    does: 'an entry changed',
    tamper: statement("UPDATE audit_trail SET actor = 'x' WHERE seq = 13"),
    seq: 13,
    problem: 'changed',
  },
  { does: 'an entry deleted', tamper: statement('DELETE FROM audit_trail WHERE seq = 7'), seq: 7, problem: 'missing' },
  {
    does: 'the beginning deleted without a signed purge',
    tamper: statement('DELETE FROM audit_trail WHERE seq <= 10'),
    seq: 1,
    problem: 'missing',
  },
  {
    does: 'the tail dropped, with a head to match',
    tamper: async (store) => {
      await store.run(sql, { text: 'DELETE FROM audit_trail WHERE seq > 15' });
      await store.run(sql, {
        text: 'UPDATE audit_head SET entries = 15, hash = (SELECT hash FROM audit_trail WHERE seq = 15)',
      });
    },
    seq: 16,
    problem: 'missing',
  },
  {
    does: 'a checkpoint moved to another hash',
    tamper: statement(
      'UPDATE audit_checkpoints SET hash = (SELECT hash FROM audit_trail WHERE seq = 9) WHERE seq = 10',
    ),
    seq: 10,
    problem: 'signature',
  },
  {
    does: 'a checkpoint of another instant',
    tamper: statement('UPDATE audit_checkpoints SET at = at - 1 WHERE seq = 20'),
    seq: 20,
    problem: 'signature',
  },
  {
    does: 'the public key swapped',
    tamper: (store) =>
      store.run(sql, {
        text: 'UPDATE audit_checkpoints SET public_key = $1, key_id = $2 WHERE seq = 20',
        values: [foreign.current!.publicKey, foreign.current!.id],
      }),
    seq: 20,
    problem: 'signature',
  },
  {
    does: 'public key and signature of somebody else',
    tamper: async (store) => {
      const [, checkpoint] = await all(store);
      await replace(store, signCheckpoint(checkpoint!, foreign.current!));
    },
    seq: 20,
    problem: 'unknown-key',
  },
  {
    does: 'a checkpoint taken out',
    tamper: statement('DELETE FROM audit_checkpoints WHERE seq = 10'),
    seq: 10,
    problem: 'checkpoint-missing',
  },
  {
    does: 'a purge that nobody signed',
    tamper: async (store) => {
      await store.run(sql, { text: 'DELETE FROM audit_trail WHERE seq <= 10' });
      await store.run(sql, { text: 'UPDATE audit_checkpoints SET purged_at = 1 WHERE seq = 10' });
    },
    seq: 10,
    problem: 'signature',
  },
  {
    does: 'a purge signed by somebody else',
    tamper: async (store) => {
      const [checkpoint] = await all(store);
      const { purge } = signPurge(checkpoint!, 1, foreign.current!);
      await store.run(sql, { text: 'DELETE FROM audit_trail WHERE seq <= 10' });
      await store.run(sql, {
        text: `UPDATE audit_checkpoints SET purged_at = 1, purge_key_id = $1, purge_public_key = $2,
               purge_signature = $3 WHERE seq = 10`,
        values: [purge!.keyId, purge!.publicKey, purge!.signature],
      });
    },
    seq: 10,
    problem: 'unknown-key',
  },
  {
    does: 'an entry broken before a checkpoint that is broken too',
    tamper: async (store) => {
      await store.run(sql, { text: "UPDATE audit_trail SET actor = 'x' WHERE seq = 3" });
      await store.run(sql, { text: 'UPDATE audit_checkpoints SET at = 1 WHERE seq = 10' });
    },
    seq: 3,
    problem: 'changed',
  },
];

for (const { name, options, fresh } of storesUnderTest()) {
  test(`a signed trail verifies and says how far it is signed (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await signedTrail(store);
    for (const slice of [1, 9, 10, 11, 1000]) {
      const verdict = await verifyAudit(store, { keys: first, slice });
      assert(verdict.kind === 'intact');
      assert.equal(verdict.entries, 30);
      assert.deepEqual(verdict.signed, { checkpoints: 2, through: 20, keys: [first.current!.id], trusted: true });
    }
    const unknown = await verifyAudit(store, { keys: strangers });
    assert(unknown.kind === 'intact' && !unknown.signed.trusted);
    const other = await verifyAudit(store, { keys: foreign });
    assert.deepEqual(other, { kind: 'broken', seq: 10, problem: 'unknown-key' });
  });

  for (const { does, tamper, seq, problem } of tamperings) {
    test(`${does}: entry ${seq} is named (${name})`, options, async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      await signedTrail(store);
      await tamper(store);
      for (const slice of [4, 1000]) {
        assert.deepEqual(await verifyAudit(store, { keys: first, slice }), { kind: 'broken', seq, problem });
      }
      // A trail that does not verify is evidence: nothing of it is removed.
      const later = Date.now() + 40 * day;
      const entries = await store.run(sql, { text: 'SELECT COUNT(*) AS n FROM audit_trail' });
      if (!does.startsWith('a purge')) {
        assert.equal((await keepAudit(store, { keys: first, actor: 'test', now: later })).kind, 'broken');
        assert.deepEqual(await store.run(sql, { text: 'SELECT COUNT(*) AS n FROM audit_trail' }), entries);
      }
    });
  }

  test(
    `a state kept elsewhere shows a tail and checkpoints that were dropped together (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      await signedTrail(store);
      const { last } = await store.run(checkpointEnds, undefined);
      const anchor = { seq: last!.seq, hash: last!.hash };
      assert.equal((await verifyAudit(store, { keys: first, anchor })).kind, 'intact');
      await store.run(sql, { text: 'DELETE FROM audit_trail WHERE seq > 15' });
      await store.run(sql, {
        text: 'UPDATE audit_head SET entries = 15, hash = (SELECT hash FROM audit_trail WHERE seq = 15)',
      });
      await store.run(sql, { text: 'DELETE FROM audit_checkpoints WHERE seq = 20' });
      assert.equal((await verifyAudit(store, { keys: first })).kind, 'intact');
      const verdict = await verifyAudit(store, { keys: first, anchor });
      assert.deepEqual(verdict, { kind: 'broken', seq: 16, problem: 'missing' });
      const wrong = { seq: 5, hash: Buffer.alloc(32, 1) };
      assert.deepEqual(await verifyAudit(store, { keys: first, anchor: wrong }), {
        kind: 'broken',
        seq: 5,
        problem: 'not-anchored',
      });
    },
  );

  test(
    `entries past their retention go in slices, signed, and the rest still verifies (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      await signedTrail(store);
      const now = Date.now() + 31 * day;
      const kept = await keepAudit(store, { keys: first, actor: 'house', now, slice: 7, pause: 0 });
      assert(kept.kind === 'kept');
      assert.equal(kept.removed, 20);
      const verdict = await verifyAudit(store, { keys: first });
      assert(verdict.kind === 'intact');
      assert.deepEqual([verdict.first, verdict.entries, verdict.signed.through], [21, 31, 30]);
      const { records } = await store.run(listAudit, { order: 'oldest-first' });
      assert.deepEqual([records[0]!.seq, records.at(-1)!.action], [21, 'audit.purged']);
      assert.deepEqual(records.at(-1)!.detail, { key: first.current!.id, through: 20 });
      // What was kept from there on is still proven.
      const anchor = { seq: 20, hash: (await all(store)).find(({ seq }) => seq === 20)!.hash };
      assert.equal((await verifyAudit(store, { keys: first, anchor })).kind, 'intact');
      await store.run(sql, { text: "UPDATE audit_trail SET actor = 'x' WHERE seq = 21" });
      assert.deepEqual(await verifyAudit(store, { keys: first }), { kind: 'broken', seq: 21, problem: 'changed' });
    },
  );

  test(
    `a purge that was interrupted, and entries put before the beginning, are no part of the trail (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      await signedTrail(store);
      await assert.rejects(
        keepAudit(store, {
          keys: first,
          actor: 'house',
          now: Date.now() + 31 * day,
          slice: 7,
          signal: AbortSignal.abort(),
        }),
      );
      assert.equal((await verifyAudit(store, { keys: first })).kind, 'intact');
      await store.run(sql, { text: "UPDATE audit_trail SET actor = 'planted' WHERE seq = 12" });
      assert.equal((await store.run(listAudit, { filter: { actor: 'planted' } })).records.length, 0);
      const lines: string[] = [];
      for await (const line of exportAudit(store)) lines.push(line);
      assert.equal((JSON.parse(lines[0]!) as { seq: number }).seq, 21);
      assert.equal(await store.run(purgeEntries, { limit: 100 }), 13);
      assert.equal((await verifyAudit(store, { keys: first })).kind, 'intact');
    },
  );

  test(`without a key nothing is signed and nothing removed (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await signedTrail(store);
    const later = Date.now() + 9999 * day;
    assert.deepEqual(await keepAudit(store, { keys: strangers, actor: 'house', now: later }), { kind: 'no-key' });
    assert.equal((await all(store)).length, 2);
    const verdict = await verifyAudit(store, { keys: strangers });
    assert(verdict.kind === 'intact' && verdict.first === 1);
  });

  test(`keys change: the new one signs, the former one still counts while it is named (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await signedTrail(store);
    await keepAudit(store, { keys: second, actor: 'house', sign: true });
    const verdict = await verifyAudit(store, { keys: second });
    assert(verdict.kind === 'intact');
    assert.deepEqual(verdict.signed.keys, [first.current!.id, second.current!.id]);
    const without = auditKeys({ HEALTHFLOWS_AUDIT_KEY: '33'.repeat(32) });
    assert.deepEqual(await verifyAudit(store, { keys: without }), { kind: 'broken', seq: 10, problem: 'unknown-key' });
  });

  test(
    `a checkpoint is made every hour when there is something new, also after the clock was set back (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      const keep = async (now: number) => {
        const kept = await keepAudit(store, { keys: first, actor: 'house', now });
        return kept.kind === 'kept' ? kept.checkpoint?.seq : kept.kind;
      };
      const start = Date.now();
      assert.equal(await keep(start), undefined);
      await fill(store, 1);
      assert.equal(await keep(start), 1);
      await fill(store, 1);
      assert.equal(await keep(start + 3_500_000), undefined);
      assert.equal(await keep(start + 3_600_000), 2);
      assert.equal(await keep(start + 9_600_000), undefined);
      await fill(store, 1);
      assert.equal(await keep(start - 7_200_000), 3);
      // Of two processes that sign at once, one does.
      await fill(store, 1);
      const { head } = await store.run(checkpointEnds, undefined);
      const both = [start, start + 1].map((at) => signCheckpoint({ ...head, previous: 3, at }, first.current!));
      const added = await Promise.all(both.map((checkpoint) => store.run(addCheckpoint, checkpoint)));
      assert.deepEqual(added.toSorted(), [false, true]);
      assert.equal((await verifyAudit(store, { keys: first })).kind, 'intact');
    },
  );
}

test('a key or retention that cannot be one is refused in words', () => {
  assert.throws(() => auditKeys({ HEALTHFLOWS_AUDIT_KEY: 'short' }), { code: 'AUDIT_KEY_INVALID' });
  assert.throws(() => auditKeys({ HEALTHFLOWS_AUDIT_KEYS_FORMER: `${publicKey},x` }), { message: /FORMER/ });
  for (const days of ['0', '-1', '1.5', 'six']) {
    assert.throws(() => auditKeys({ HEALTHFLOWS_AUDIT_RETENTION_DAYS: days }), { code: 'AUDIT_RETENTION_INVALID' });
  }
  assert.equal(auditKeys({}).retention, 2192 * day);
});

test('the key is made from its seed as RFC 8032 has it', () => {
  // RFC 8032 section 7.1, test 1.
  const { current } = auditKeys({
    HEALTHFLOWS_AUDIT_KEY: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
  });
  assert.equal(current!.publicKey.toString('hex'), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
  assert.equal(
    current!.sign(Buffer.alloc(0)).toString('hex'),
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  );
});

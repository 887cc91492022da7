/** What came in, kept in the store: once, sealed, bounded, opened on record, and gone when its time is over. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, test } from 'node:test';
import { trimJournal } from '../../nodes/console/journal/journal.ts';
import { writeJournal } from '../../nodes/console/journal/write.ts';
import {
  keeperOf,
  keepOriginal,
  originalLimit,
  originalsOf,
  purgeOriginals,
  readOriginals,
  revealOriginal,
} from '../../nodes/evidence/index.ts';
import { listAudit } from '../../nodes/kernel/audit/index.ts';
import { keysInUse } from '../../nodes/kernel/store/keys-in-use.ts';
import { payloadKeyVariable } from '../../nodes/kernel/payload-key.ts';
import type { Store } from '../../nodes/kernel/store/index.ts';
import type { RuntimeApi } from '../../nodes/node/index.ts';
import { storesUnderTest } from '../support/store.ts';

const day = 86_400_000;
afterEach(() => {
  delete process.env[payloadKeyVariable];
});

let made = 0;
const keep = (store: Store, messageId: string, body: Uint8Array | string, more: object = {}) =>
  store.run(keepOriginal, {
    id: `o-${String(++made).padStart(4, '0')}`,
    messageId,
    sender: 'acme',
    node: 'n1',
    form: 'bytes' as const,
    contentType: 'application/edi-x12',
    body: Buffer.from(body as string),
    retention: 14 * day,
    ...more,
  });

for (const under of storesUnderTest()) {
  test(
    `the same bytes are kept once, other bytes beside them, and no more than five (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const bytes = randomBytes(2_000);
      assert.equal(await keep(store, 'm-1', bytes), 'new');
      assert.equal(await keep(store, 'm-1', bytes), 'known');
      const other = Buffer.from(bytes);
      other[1_999]! ^= 1;
      assert.equal(await keep(store, 'm-1', other), 'new');
      assert.equal(await keep(store, 'm-2', bytes), 'new', 'of another message');
      for (const text of ['c', 'd', 'e']) assert.equal(await keep(store, 'm-1', text), 'new');
      assert.equal(await keep(store, 'm-1', 'f'), 'full');
      const kept = await store.run(originalsOf, { messageId: 'm-1' });
      assert.deepEqual(
        kept.map(({ size }) => size),
        [2_000, 2_000, 1, 1, 1],
      );
      const opened = await store.run(readOriginals, { ids: kept.map(({ id }) => id) });
      assert.deepEqual(Buffer.from(opened[0]!.body), bytes, 'byte for byte');
    },
  );

  test(
    `two senders that chose the same id have each their own, and neither fills the other's places (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      for (const text of ['a', 'b', 'c', 'd', 'e'])
        assert.equal(await keep(store, '1001', text, { sender: 'globex' }), 'new');
      assert.equal(await keep(store, '1001', 'f', { sender: 'globex' }), 'full');
      assert.equal(await keep(store, '1001', 'a'), 'new', 'of acme, though globex sent the same bytes');
      const of = (senders?: string[]) => store.run(originalsOf, { messageId: '1001', senders });
      assert.deepEqual(
        [(await of()).length, (await of(['globex'])).length, (await of([])).length, (await of(['none'])).length],
        [6, 5, 0, 0],
      );
      const [own] = await of(['acme']);
      assert.equal(own!.sender, 'acme');
      const request = { id: own!.id, messageId: '1001', actor: 'gus', reason: 'not ours' };
      for (const senders of [['globex'], []])
        assert.equal(await store.run(revealOriginal, { ...request, senders }), undefined);
      assert.equal((await store.run(listAudit, { filter: {} })).records.length, 0);
      const opened = await store.run(revealOriginal, { ...request, senders: ['none', 'acme'] });
      assert.equal(Buffer.from(opened!.body).toString(), 'a');
    },
  );

  test(
    `what is not kept is said: under an id that the journal does not take, and above 5 MiB (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const warned: unknown[] = [];
      const keeper = keeperOf({
        RED: { settings: {} } as RuntimeApi,
        store,
        node: 'n1',
        log: { warn: (line) => void warned.push(line) },
      });
      const eventOf = (id: string) => ({ event: { specversion: '1.0' as const, id, source: 's', type: 't' } });
      for (const id of ['x'.repeat(200), 'x'.repeat(201)]) {
        await keeper(eventOf(id), 'ISA');
        assert.equal((await store.run(originalsOf, { messageId: id })).length, id.length === 200 ? 1 : 0);
      }
      assert.deepEqual(warned, ['original.not_kept']);
      await keeper(eventOf('m-1'), Buffer.alloc(originalLimit));
      assert.equal(warned.length, 1, 'at the limit it is kept');
      await keeper(eventOf('m-2'), Buffer.alloc(originalLimit + 1));
      assert.deepEqual(warned, ['original.not_kept', 'original.not_kept']);
    },
  );

  test(
    `opening is in the audit trail with person and reason; under another message nothing opens (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      await keep(store, 'm-1', 'ISA*00*~');
      const { id } = (await store.run(originalsOf, { messageId: 'm-1' }))[0]!;
      const request = { id, actor: 'ann', reason: 'tax audit', correlationId: 'c-1' };
      assert.equal(await store.run(revealOriginal, { ...request, messageId: 'm-2' }), undefined);
      const found = await store.run(revealOriginal, { ...request, messageId: 'm-1' });
      assert.equal(Buffer.from(found!.body).toString(), 'ISA*00*~');
      const { records } = await store.run(listAudit, { filter: {} });
      assert.deepEqual(
        records.map(({ action, actor, reason, subject, correlationId }) => [
          action,
          actor,
          reason,
          subject,
          correlationId,
        ]),
        [['message.revealed', 'ann', 'tax audit', 'm-1', 'c-1']],
      );
    },
  );

  test(`of a document that is too large its size is kept, once (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    const large = Buffer.alloc(originalLimit + 1, 'x');
    assert.equal(await keep(store, 'm-1', large), 'new');
    assert.equal(await keep(store, 'm-1', large), 'known');
    const [only] = await store.run(originalsOf, { messageId: 'm-1' });
    assert.deepEqual([only!.kept, only!.size], [false, originalLimit + 1]);
    const request = { id: only!.id, messageId: 'm-1', actor: 'ann', reason: 'why' };
    assert.equal(await store.run(revealOriginal, request), undefined);
    assert.equal(await keep(store, 'm-2', Buffer.alloc(originalLimit, 'x')), 'new');
    assert.equal((await store.run(originalsOf, { messageId: 'm-2' }))[0]!.kept, true, 'at the limit it is kept');
  });

  test(
    `goes when its retention is over, and with its message from the journal (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      await keep(store, 'm-1', 'a');
      await keep(store, 'm-2', 'b', { retention: 30 * day });
      assert.equal(await store.run(purgeOriginals, { limit: 10 }), 0);
      fixture.setClock(15 * day);
      assert.equal(await store.run(purgeOriginals, { limit: 10 }), 1);
      assert.equal((await store.run(originalsOf, { messageId: 'm-1' })).length, 0);
      await store.run(writeJournal, [
        { id: 'm-2', startedAt: 1_000, changedAt: 1_000, outcomeAt: 0, attempts: 0, terms: [], hops: [] },
      ]);
      assert.equal(await trimJournal(store, 2_000), 1);
      assert.equal((await store.run(originalsOf, { messageId: 'm-2' })).length, 0);
    },
  );

  test(
    `with a key nothing of it can be read in the database, and it opens after a change of nothing (${under.name})`,
    under.options,
    async () => {
      process.env[payloadKeyVariable] = 'ab'.repeat(32);
      await using fixture = await under.fresh();
      const { store, options } = fixture;
      const secret = 'PID|1||MARKED-PATIENT';
      assert.equal(await keep(store, 'm-1', secret), 'new');
      assert.equal(await keep(store, 'm-1', secret), 'known', 'the same bytes under another iv');
      const [only] = await store.run(originalsOf, { messageId: 'm-1' });
      assert.equal(only!.encrypted, true);
      assert.equal(Buffer.from((await store.run(readOriginals, { ids: [only!.id] }))[0]!.body).toString(), secret);
      const used = (await keysInUse(store)).filter(({ table }) => table === 'message_originals');
      assert.deepEqual(
        used.map(({ keyId, rows }) => [keyId === null, rows]),
        [[false, 1]],
      );
      if (options.engine !== 'sqlite') return;
      const folder = dirname(options.file);
      for (const file of readdirSync(folder))
        assert.ok(!readFileSync(join(folder, file)).includes('MARKED-PATIENT'), file);
    },
  );
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Claim,
  type ClaimVerdict,
  claim,
  complete,
  find,
  keyHash,
  purge,
  release,
  renew,
  renewAll,
} from '../../nodes/idempotency/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { openPrivateStore, openStore } from '../../nodes/kernel/store/index.ts';
import { storesUnderTest } from '../support/store.ts';
import { interrupted } from './operations.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const reference = { scope: 'orders', key: 'PO-1001' };

function wanted(over: Partial<Claim> = {}): Claim {
  return { ...reference, fingerprint: 'f1', owner: 'test', lease: minute, retention: 14 * day, ...over };
}

function tokenOf(verdict: ClaimVerdict): number {
  assert(verdict.kind === 'new' || verdict.kind === 'taken-over', `expected a lease, got ${verdict.kind}`);
  return verdict.token;
}

for (const { name, options, fresh } of storesUnderTest()) {
  test(`of 64 concurrent claims of one key exactly one is new (${name})`, options, async () => {
    await using fixture = await fresh();
    const verdicts = await Promise.all(
      Array.from({ length: 64 }, (_, index) => fixture.store.run(claim, wanted({ owner: `o${index}` }))),
    );
    const kinds = verdicts.map(({ kind }) => kind);
    assert.equal(kinds.filter((kind) => kind === 'new').length, 1);
    assert.equal(kinds.filter((kind) => kind === 'in-progress').length, 63);
  });

  test(`many keys at once each get their own verdict, whatever became of the others (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const keys = Array.from({ length: 30 }, (_, index) => ({ scope: 'many', key: `\ud800"\\é${index}` }));
    const claims = () => Promise.all(keys.map((key) => store.run(claim, wanted(key))));
    const tokens = (await claims()).map(tokenOf);
    // Of each three one is completed with its reply, one is released and one stays held; every tenth token is wrong.
    const outcomes = await Promise.all(
      keys.map((key, index) => {
        const held = { ...key, token: tokens[index]! + (index % 10 === 0 ? 1 : 0) };
        if (index % 3 === 0)
          return store.run(complete, { ...held, reply: { statusCode: 200 + index, body: `${index}` } });
        if (index % 3 === 1) return store.run(release, held);
        return store.run(renew, { ...held, lease: minute });
      }),
    );
    const expected = ['completed', 'released', 'renewed'] as const;
    assert.deepEqual(
      outcomes,
      keys.map((_, index) => (index % 10 === 0 ? 'lost-lease' : expected[index % 3])),
    );
    for (const [index, verdict] of (await claims()).entries()) {
      const kind = index % 10 === 0 ? 'in-progress' : ['duplicate', 'new', 'in-progress'][index % 3];
      assert.equal(verdict.kind, kind, `key ${index}`);
      if (verdict.kind !== 'duplicate') continue;
      assert.equal(verdict.reply?.statusCode, 200 + index);
      assert.equal(Buffer.from(verdict.reply?.body as Uint8Array).toString(), `${index}`);
    }
    const tooLarge = { statusCode: 200, body: 'x'.repeat(256 * 1024 + 1) };
    const mixed = await Promise.allSettled(
      [2, 5].map((index) =>
        store.run(complete, { ...keys[index]!, token: tokens[index]!, ...(index === 5 ? { reply: tooLarge } : {}) }),
      ),
    );
    assert.deepEqual(
      mixed.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    );
  });

  test(
    `a completed key is a duplicate and gives the first reply again, also after a restart (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const token = tokenOf(await fixture.store.run(claim, wanted()));
      const body = Buffer.from('{"ok":true,"é":1}');
      const reply = { statusCode: 202, headers: { 'content-type': 'application/json' }, body };
      assert.equal(await fixture.store.run(complete, { ...reference, token, reply }), 'completed');
      await fixture.store.close();

      const again = openStore(fixture.options);
      try {
        const verdict = await again.run(claim, wanted());
        assert(verdict.kind === 'duplicate');
        assert.equal(verdict.reply?.statusCode, 202);
        assert.deepEqual(verdict.reply?.headers, reply.headers);
        assert.deepEqual(Buffer.from(verdict.reply?.body as Uint8Array), body);
        assert((await again.run(find, reference))?.state === 'completed');
      } finally {
        await again.close();
      }
    },
  );

  test(
    `the same key with another document is a mismatch while the key is held and once it is completed (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      const token = tokenOf(await store.run(claim, wanted()));
      assert.equal((await store.run(claim, wanted({ fingerprint: 'f2' }))).kind, 'mismatch');
      await store.run(complete, { ...reference, token });
      assert.equal((await store.run(claim, wanted({ fingerprint: 'f2' }))).kind, 'mismatch');
      assert.equal((await store.run(claim, wanted())).kind, 'duplicate');
    },
  );

  test(`a released key takes a corrected document, and is then bound to that one (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await store.run(release, { ...reference, token: tokenOf(await store.run(claim, wanted())) });
    assert.equal((await store.run(claim, wanted({ fingerprint: 'f2' }))).kind, 'new');
    assert.equal((await store.run(claim, wanted())).kind, 'mismatch');
  });

  test(
    `times with a fraction of a millisecond, as days in a dialog give them, are taken (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      const token = tokenOf(await store.run(claim, wanted({ lease: 1000.4, retention: 0.7 * day + 0.1 })));
      assert.equal(await store.run(renew, { ...reference, token, lease: 1000.6 }), 'renewed');
      assert.deepEqual(await store.run(renewAll, { keys: [{ ...reference, token }], lease: 1000.6 }), [0]);
    },
  );

  test(`keys of different scopes never meet (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    assert.equal((await store.run(claim, wanted({ scope: 'a', key: 'bc' }))).kind, 'new');
    assert.equal((await store.run(claim, wanted({ scope: 'ab', key: 'c' }))).kind, 'new');
  });

  test(
    `a crashed holder's key is taken over after its lease, and the slow holder is fenced off (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      const slow = tokenOf(await store.run(claim, wanted()));
      const waiting = await store.run(claim, wanted());
      assert(waiting.kind === 'in-progress' && waiting.retryAfter > 0 && waiting.retryAfter <= minute);

      fixture.setClock(minute + 1000);
      const verdict = await store.run(claim, wanted());
      assert.equal(verdict.kind, 'taken-over');
      const fast = tokenOf(verdict);
      assert(fast > slow);
      const reply = { statusCode: 500, body: 'the slow one' };
      assert.equal(await store.run(complete, { ...reference, token: slow, reply }), 'lost-lease');
      assert.equal(await store.run(release, { ...reference, token: slow }), 'lost-lease');
      assert.equal(await store.run(renew, { ...reference, token: slow, lease: minute }), 'lost-lease');
      assert.equal(await store.run(complete, { ...reference, token: fast, reply: { statusCode: 201 } }), 'completed');
      assert.equal(await store.run(complete, { ...reference, token: slow, reply }), 'lost-lease');
      const duplicate = await store.run(claim, wanted());
      assert(duplicate.kind === 'duplicate' && duplicate.reply?.statusCode === 201);
    },
  );

  test(`of 64 concurrent take-overs exactly one gets the key (${name})`, options, async () => {
    await using fixture = await fresh();
    await fixture.store.run(claim, wanted());
    fixture.setClock(2 * minute);
    const verdicts = await Promise.all(Array.from({ length: 64 }, () => fixture.store.run(claim, wanted())));
    assert.equal(verdicts.filter(({ kind }) => kind === 'taken-over').length, 1);
  });

  test(`a lease that ended but was not taken over can still be renewed and completed (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const token = tokenOf(await store.run(claim, wanted()));
    fixture.setClock(2 * minute);
    assert.equal(await store.run(renew, { ...reference, token, lease: minute }), 'renewed');
    assert.equal((await store.run(claim, wanted())).kind, 'in-progress');
    assert.equal(await store.run(complete, { ...reference, token }), 'completed');
    assert.equal(await store.run(complete, { ...reference, token }), 'completed', 'completing twice is no error');
  });

  test(`a released key is new again, with a higher token (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const first = tokenOf(await store.run(claim, wanted()));
    assert.equal(await store.run(release, { ...reference, token: first }), 'released');
    const verdict = await store.run(claim, wanted());
    assert.equal(verdict.kind, 'new');
    assert(tokenOf(verdict) > first);
    assert.equal(await store.run(complete, { ...reference, token: first }), 'lost-lease');
    assert.equal((await store.run(find, reference))?.attempts, 2);
  });

  test(`renewing many at once tells which are still held (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const held = [];
    for (const key of ['a', 'b', 'c', 'd']) {
      held.push({ scope: 's', key, token: tokenOf(await store.run(claim, wanted({ scope: 's', key }))) });
    }
    await store.run(complete, held[1]!);
    await store.run(release, held[2]!);
    fixture.setClock(minute - 1000);
    assert.deepEqual(await store.run(renewAll, { lease: minute, keys: held }), [0, 3]);
    assert.deepEqual(await store.run(renewAll, { lease: minute, keys: [] }), []);
    fixture.setClock(minute + 1000);
    assert.equal((await store.run(claim, wanted({ scope: 's', key: 'a' }))).kind, 'in-progress');
  });

  test(`a clock set back or forward lets no completed key run again (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const token = tokenOf(await store.run(claim, wanted()));
    await store.run(complete, { ...reference, token });
    for (const offset of [-400 * day, 400 * day]) {
      fixture.setClock(offset);
      assert.equal((await store.run(claim, wanted())).kind, 'duplicate');
    }
  });

  test(
    `a clock set back makes a crashed holder's key wait one lease, not until the clock has caught up (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      tokenOf(await store.run(claim, wanted()));
      fixture.setClock(-day);
      const waiting = await store.run(claim, wanted());
      assert(waiting.kind === 'in-progress' && waiting.retryAfter <= minute);
      fixture.setClock(-day + minute + 1000);
      assert.equal((await store.run(claim, wanted())).kind, 'taken-over');
    },
  );

  test(
    `purging takes what is past its retention, in slices, and never a key that is held (${name})`,
    options,
    async () => {
      await using fixture = await fresh();
      const { store } = fixture;
      const claims = Array.from({ length: 25 }, (_, index) => wanted({ key: `k${index}`, retention: day }));
      const tokens = await Promise.all(claims.map((one) => store.run(claim, one)));
      const done = claims.slice(0, 20);
      await Promise.all(
        done.map((one, index) =>
          store.run(complete, {
            scope: one.scope,
            key: one.key,
            token: tokenOf(tokens[index]!),
            reply: { statusCode: 200 },
          }),
        ),
      );
      await store.run(claim, wanted({ key: 'kept' }));
      assert.equal(await store.run(purge, { limit: 10 }), 0, 'nothing is due yet');
      fixture.setClock(day + minute);
      await store.run(renew, { scope: 'orders', key: 'k24', token: tokenOf(tokens[24]!), lease: minute });
      const slices: number[] = [];
      do slices.push(await store.run(purge, { limit: 10 }));
      while (slices.at(-1) === 10);
      assert.deepEqual(slices, [10, 10, 4]);
      assert.notEqual(await store.run(find, { scope: 'orders', key: 'k24' }), undefined);
      assert.notEqual(await store.run(find, { scope: 'orders', key: 'kept' }), undefined);
      assert.equal(await store.run(find, { scope: 'orders', key: 'k0' }), undefined);
    },
  );

  test(`a key that returns after it was purged has a higher token than ever before (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const before = tokenOf(await store.run(claim, wanted({ retention: minute })));
    fixture.setClock(day);
    assert.equal(await store.run(purge, { limit: 10 }), 1);
    assert(tokenOf(await store.run(claim, wanted())) > before);
    assert.equal(await store.run(complete, { ...reference, token: before }), 'lost-lease');
  });

  test(`completing is atomic with what else the operation writes (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const token = tokenOf(await store.run(claim, wanted()));
    await assert.rejects(store.run(interrupted, { ...reference, token }));
    assert.equal((await store.run(find, reference))?.state, 'claimed');
  });

  test(`a reply too large to keep is refused and the key stays held (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const token = tokenOf(await store.run(claim, wanted()));
    const reply = { statusCode: 200, body: 'x'.repeat(300_000) };
    await assert.rejects(
      store.run(complete, { ...reference, token, reply }),
      (error: unknown) => error instanceof Failure && error.code === 'IDEMPOTENCY_REPLY_TOO_LARGE',
    );
    assert.equal((await store.run(find, reference))?.state, 'claimed');
  });

  test(`two processes' worth of engines on one database give each of 500 keys to one (${name})`, {
    ...options,
    ...(name === 'sqlite' ? { skip: 'SQLite serves one process' } : {}),
  }, async () => {
    await using fixture = await fresh();
    await fixture.store.run(find, reference);
    const engines = [openPrivateStore(fixture.options), openPrivateStore(fixture.options)];
    try {
      const keys = Array.from({ length: 500 }, (_, index) => `k${index}`);
      const verdicts = await Promise.all(
        // In opposite orders, so that batches meet head on.
        engines.map((engine, index) =>
          Promise.all((index === 0 ? keys : keys.toReversed()).map((key) => engine.run(claim, wanted({ key })))),
        ),
      );
      const kinds = verdicts.flat().map(({ kind }) => kind);
      assert.equal(kinds.filter((kind) => kind === 'new').length, 500);
      assert.equal(kinds.filter((kind) => kind === 'in-progress').length, 500);
    } finally {
      await Promise.all(engines.map((engine) => engine.close()));
    }
  });
}

test('empty, endless and NUL-holding keys are refused as data-quality', () => {
  for (const key of ['', 'x'.repeat(1025), 'a\0b']) {
    assert.throws(() => keyHash({ scope: 's', key }), Failure);
    assert.throws(() => keyHash({ scope: key, key: 'k' }), Failure);
  }
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { storeCommand } from '../../nodes/idempotency/command/command.ts';
import { enter } from '../../nodes/idempotency/gate/enter.ts';
import { backUp } from '../../nodes/idempotency/integration-store/backup.ts';
import { claim, complete, find } from '../../nodes/idempotency/index.ts';
import { auditKeys, auditKeyVariable, keepAudit, listAudit, verifyAudit } from '../../nodes/kernel/audit/index.ts';
import { openPrivateStore, type Store } from '../../nodes/kernel/store/index.ts';
import { listTables, pagesOf } from '../../nodes/kernel/store/transfer/tables.ts';
import { record } from '../kernel/audit/operations.ts';
import { sql } from '../kernel/store/operations.ts';
import { removeDirectory, temporaryDirectory } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';

const folder = temporaryDirectory('command');
const file = join(folder, 'store.sqlite');
const address = `sqlite:${file}`;
const body = Buffer.from([0, 255, 10, 39]);
const wanted = (key: string, retention = 3_600_000) => ({
  scope: 'orders',
  key,
  fingerprint: 'f',
  owner: 'test',
  lease: 1,
  retention,
});

/** A store with something of each kind in it: bytes, nulls, text of every sort, numbers given and gone. */
async function fill(store: Store): Promise<void> {
  for (const key of ['a', 'é"\\\u{1f642}', "it's"]) {
    const verdict = await store.run(claim, wanted(key));
    assert(verdict.kind === 'new');
    const reply = { statusCode: 202, headers: { 'content-type': 'text/plain' }, body };
    await store.run(complete, { scope: 'orders', key, token: verdict.token, reply });
    await store.run(enter, { wanted: wanted(key), visitor: { node: 'n', actor: 'partner', subject: key } });
  }
  for (let index = 0; index < 1200; index++) {
    await store.run(sql, {
      text: `INSERT INTO messaging_outbox (connection, exchange, routing_key, properties, body, enqueued_at)
        VALUES ($1, '', 'q', '{}', $2, $3)`,
      values: [`c${index}`, new Uint8Array(randomBytes(20)), 2 ** 52 + index],
    });
    // Without a rowid on SQLite; pages end in the middle of a term.
    await store.run(sql, {
      text: 'INSERT INTO journal_terms (term, started_at, message_id) VALUES ($1, $2, $3)',
      values: [`key:${index % 2}`, Math.floor(index / 100), `m${index}`],
    });
  }
  await store.run(sql, { text: 'DELETE FROM messaging_outbox WHERE id > 1100' });
}

async function command(...argv: string[]): Promise<{ code: number; output: string; errors: string }> {
  const [output, errors]: [string[], string[]] = [[], []];
  const code = await storeCommand(
    argv,
    (line) => output.push(line),
    (line) => errors.push(line),
  );
  return { code, output: output.join('\n'), errors: errors.join('\n') };
}

async function using<T>(
  options: Parameters<typeof openPrivateStore>[0],
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = openPrivateStore(options);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

before(() => using({ engine: 'sqlite', file }, fill));
after(() => removeDirectory(folder));

test('a store is described, verified and backed up; the copy is a store of its own', async () => {
  const info = await command('info', '--store', address);
  assert.equal(info.code, 0, info.errors);
  assert.match(info.output, /^SQLite 3/);
  assert.match(info.output, /messaging_outbox +1100 rows/);

  const copy = join(folder, 'copies', 'copy.sqlite');
  const backup = await command('backup', '--store', address, '--to', copy);
  assert.equal(backup.code, 0, backup.errors);
  assert.equal(statSync(copy).mode & 0o077, 0);
  const [original, copied] = [
    await command('verify', '--store', address),
    await command('verify', '--store', `sqlite:${copy}`),
  ];
  assert.equal(original.code, 0, original.errors);
  assert.equal(copied.output, original.output);

  const again = await command('backup', '--store', address, '--to', copy);
  assert.equal(again.code, 1);
  assert.match(again.errors, /STORE_BACKUP_EXISTS/);
});

test('a backup while the store is at work holds what was acknowledged before it', async () => {
  const busy = join(folder, 'busy.sqlite');
  const copy = join(folder, 'busy-copy.sqlite');
  const before = Array.from({ length: 50 }, (_, index) => `before-${index}`);
  await using({ engine: 'sqlite', file: busy }, async (store) => {
    await Promise.all(before.map((key) => store.run(claim, wanted(key))));
    const during = Array.from({ length: 200 }, (_, index) => store.run(claim, wanted(`during-${index}`)));
    const [{ size }] = await Promise.all([store.backup!(copy), ...during]);
    assert.equal(size, statSync(copy).size);
    assert.equal(existsSync(`${copy}.partial`), false);
  });
  await using({ engine: 'sqlite', file: copy }, async (store) => {
    for (const key of before) assert.notEqual(await store.run(find, { scope: 'orders', key }), undefined, key);
  });
});

test('the audit trail says who had a backup made, and PostgreSQL is sent to its own means', async () => {
  await using({ engine: 'sqlite', file: join(folder, 'audited.sqlite') }, async (store) => {
    const copy = await backUp(store, join(folder, 'backups'), 'ada');
    assert(existsSync(copy.file));
    const [record] = (await store.run(listAudit, {})).records;
    assert.deepEqual([record?.action, record?.actor], ['store.backed-up', 'ada']);
    const without = { run: store.run.bind(store) } as unknown as Store;
    await assert.rejects(backUp(without, folder, 'ada'), /pg_dump/);
  });
});

test('a backup that cannot be written leaves nothing behind and the store at work', async () => {
  await using({ engine: 'sqlite', file: join(folder, 'full.sqlite') }, async (store) => {
    await assert.rejects(store.backup!('/proc/backup.sqlite'));
    await store.run(claim, wanted('after'));
    assert.equal(store.status().state, 'ready');
  });
});

test('what the command does not understand it says, without the password of an address', async () => {
  assert.equal((await command()).code, 2);
  assert.equal((await command('move', '--from', address)).code, 2);
  assert.equal((await command('info', '--store', address, '--nonsense')).code, 2);
  assert.equal((await command('--help')).code, 0);
  const absent = await command('info', '--store', `sqlite:${join(folder, 'absent.sqlite')}`);
  assert.match(absent.errors, /STORE_CANNOT_OPEN/);
  assert.equal(existsSync(join(folder, 'absent.sqlite')), false);
  const wrong = await command('backup', '--store', 'postgres://u:secret@h/d', '--to', 'x');
  assert.equal(wrong.code, 1);
  assert(!wrong.errors.includes('secret'), wrong.errors);
});

test('a store that Node-RED has open is left alone', async () => {
  await using({ engine: 'sqlite', file: join(folder, 'used.sqlite') }, async (store) => {
    await store.run(claim, wanted('x'));
    const refused = await command('info', '--store', `sqlite:${join(folder, 'used.sqlite')}`);
    assert.equal(refused.code, 1);
    assert.match(refused.errors, /STORE_(IN_USE|UNAVAILABLE)/);
  });
});

const postgresql = storesUnderTest().find(({ name }) => name === 'postgresql')!;
const url = process.env.POSTGRES_URL!;

async function dropped<T>(work: (schema: string) => Promise<T>): Promise<T> {
  const schema = `hf_move_${randomBytes(6).toString('hex')}`;
  try {
    return await work(schema);
  } finally {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await client.end();
  }
}

test('pages of a table hold 16 MiB at most, or one row', async () => {
  const large = join(folder, 'large.sqlite');
  await using({ engine: 'sqlite', file: large }, async (store) => {
    for (const [index, mebibytes] of [9, 9, 3, 17, 1].entries()) {
      await store.run(sql, {
        text: `INSERT INTO message_originals (id, message_id, sender, node_id, form, content_type, size, body, kept_at, expires_at)
          VALUES ($1, 'm', 's', 'n', 'json', '', 0, $2, 0, 0)`,
        values: [`o${index}`, new Uint8Array(mebibytes * 1024 * 1024)],
      });
    }
    const table = (await store.run(listTables, undefined)).find(({ name }) => name === 'message_originals')!;
    const pages: unknown[][] = [];
    for await (const rows of pagesOf(store, table)) pages.push(rows.map(({ id }) => id));
    assert.deepEqual(pages, [['o0'], ['o1', 'o2'], ['o3'], ['o4']]);
  });
});

test('a store is moved to PostgreSQL with all it knows, once', { ...postgresql.options }, () =>
  dropped(async (schema) => {
    const move = () => command('move', '--from', address, '--to', url, '--schema', schema);
    const moved = await move();
    assert.equal(moved.code, 0, moved.errors);
    assert.match(moved.output, /messaging_outbox +1100 rows/);
    assert.match(moved.output, /journal_terms +1200 rows/);
    await using({ engine: 'postgresql', url, schema }, async (store) => {
      const verdict = await store.run(claim, wanted("it's"));
      assert(verdict.kind === 'duplicate');
      assert.deepEqual(Buffer.from(verdict.reply?.body as Uint8Array), body);
      assert.equal((await verifyAudit(store)).kind, 'intact');
      const { records } = await store.run(listAudit, {});
      assert.deepEqual(
        records.map(({ action }) => action),
        ['store.moved', ...Array.from({ length: 3 }, () => 'message.duplicate')],
      );
      const [row] = await store.run(sql, {
        text: `INSERT INTO messaging_outbox (connection, exchange, routing_key, properties, body, enqueued_at)
          VALUES ('c', '', 'q', '{}', $1, 0) RETURNING id`,
        values: [new Uint8Array(1)],
      });
      assert.equal(row?.id, 1201, 'a number that was given is never given again');
    });
    const again = await move();
    assert.equal(again.code, 1);
    assert.match(again.errors, /STORE_NOT_EMPTY/);
  }),
);

test('a move that fails leaves nothing at the target', { ...postgresql.options }, () =>
  dropped(async (schema) => {
    const damaged = join(folder, 'damaged.sqlite');
    await command('backup', '--store', address, '--to', damaged);
    await using({ engine: 'sqlite', file: damaged }, (store) =>
      store.run(sql, { text: "UPDATE audit_trail SET actor = 'nobody' WHERE seq = 2" }),
    );
    const moved = await command('move', '--from', `sqlite:${damaged}`, '--to', url, '--schema', schema);
    assert.equal(moved.code, 1);
    assert.match(moved.errors, /STORE_AUDIT_BROKEN: .*entry 2/);

    const unknown = join(folder, 'unknown.sqlite');
    await command('backup', '--store', address, '--to', unknown);
    await using({ engine: 'sqlite', file: unknown }, (store) =>
      store.run(sql, { text: 'CREATE TABLE somebody_elses (x TEXT)' }),
    );
    const refused = await command('move', '--from', `sqlite:${unknown}`, '--to', url, '--schema', schema);
    assert.match(refused.errors, /STORE_TABLE_UNKNOWN.*somebody_elses/);

    await using({ engine: 'postgresql', url, schema }, async (store) => {
      for (const table of ['audit_trail', 'idempotency_keys', 'messaging_outbox']) {
        assert.deepEqual(await store.run(sql, { text: `SELECT 1 AS one FROM ${table} LIMIT 1` }), []);
      }
      const audit = await verifyAudit(store);
      assert.deepEqual([audit.kind, audit.kind === 'intact' && audit.entries], ['intact', 0]);
    });
  }),
);

test('keys past their retention are purged by command', async () => {
  const old = join(folder, 'old.sqlite');
  await using({ engine: 'sqlite', file: old }, (store) =>
    Promise.all(Array.from({ length: 1500 }, (_, index) => store.run(claim, wanted(`k${index}`, 0)))),
  );
  const purged = await command('purge', '--store', `sqlite:${old}`);
  assert.match(purged.output, /^1500 keys removed\.\n0 originals removed\.\nNo audit entry is removed/, purged.errors);
});

test('the audit trail is signed, purged, proven with a kept state and exported by command', async () => {
  const kept = join(folder, 'kept.sqlite');
  const store = ['--store', `sqlite:${kept}`] as const;
  process.env[auditKeyVariable] = '11'.repeat(32);
  try {
    const entry = { action: 'message.accepted', outcome: 'success', actor: 'flow' } as const;
    const [last] = await using({ engine: 'sqlite', file: kept }, async (open) => {
      await open.run(record, [entry, entry, entry]);
      const sixYearsAgo = Date.now() - 2200 * 86_400_000;
      await keepAudit(open, { keys: auditKeys(), actor: 'house', now: sixYearsAgo });
      await open.run(record, [entry]);
      return (await open.run(listAudit, { limit: 1 })).records;
    });
    const purged = await command('purge', ...store);
    assert.match(purged.output, /3 audit entries removed/, purged.errors);
    const verified = await command('verify', ...store, '--anchor', `4:${last!.hash}`);
    assert.match(
      verified.output,
      /intact, from entry 4 to 5; .*\n?.*Signed through entry 4 with key \w{8}\./,
      verified.errors,
    );
    const wrong = await command('verify', ...store, '--anchor', `4:${'00'.repeat(32)}`);
    assert.match(wrong.errors, /STORE_AUDIT_BROKEN: .*entry 4 has another hash/);
    assert.match((await command('verify', ...store, '--anchor', 'x')).errors, /ANCHOR_INVALID/);

    const publicKey = /public key is (\w{64})/.exec((await command('keys', ...store)).output)![1]!;
    delete process.env[auditKeyVariable];
    assert.match((await command('verify', ...store)).output, /not known here/);
    assert.match((await command('verify', ...store, '--audit-key', publicKey)).output, /with key \w{8}\.$/);
    const foreign = await command('verify', ...store, '--audit-key', '11'.repeat(32));
    assert.match(foreign.errors, /signed by a key that is none of ours/);

    for (const format of ['jsonl', 'fhir']) {
      const to = join(folder, `trail.${format}`);
      const exported = await command('export', ...store, '--to', to, '--format', format);
      assert.equal(exported.code, 0, exported.errors);
      const lines = readFileSync(to, 'utf8').trimEnd().split('\n');
      const newest = JSON.parse(lines.at(-1)!) as { action: string; subtype?: { code: string }[] };
      assert.equal(newest.subtype?.[0]?.code ?? newest.action, 'audit.exported');
      assert.match((await command('export', ...store, '--to', to)).errors, /EXPORT_EXISTS/);
    }
    assert.equal((await command('export', ...store, '--to', join(folder, 'x'), '--format', 'xml')).code, 1);
    assert.equal(existsSync(join(folder, 'x')), false);
  } finally {
    delete process.env[auditKeyVariable];
  }
});

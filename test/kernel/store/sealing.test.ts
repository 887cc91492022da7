/** Payloads at rest: nobody who has the file, a dump or a backup reads a document, and keys can be changed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import pg from 'pg';
import { acceptIntoOutbox, peekOutbox } from '../../../nodes/amqp/outbox-operations.ts';
import { declareTopology, enqueue, fetch } from '../../../nodes/amqp/engines/embedded/operations.ts';
import { claim, complete, find } from '../../../nodes/idempotency/index.ts';
import { storeCommand } from '../../../nodes/idempotency/command/command.ts';
import { formerKeysVariable, payloadKeys, payloadKeyVariable } from '../../../nodes/kernel/payload-key.ts';
import { openPrivateStore, type Store, type StoreOptions } from '../../../nodes/kernel/store/index.ts';
import { seal, unseal } from '../../../nodes/kernel/store/sealing.ts';
import { storesUnderTest } from '../../support/store.ts';
import { sql } from './operations.ts';

const first = 'ab'.repeat(32);
const second = 'cd'.repeat(32);
const idOf = (key: string) => payloadKeys(key, '').current!.id;

function use(current?: string, former?: string): void {
  if (current === undefined) delete process.env[payloadKeyVariable];
  else process.env[payloadKeyVariable] = current;
  if (former === undefined) delete process.env[formerKeysVariable];
  else process.env[formerKeysVariable] = former;
}
afterEach(() => use());

describe('sealed bytes', () => {
  test('open where they were sealed, and nowhere else', () => {
    use(first);
    const plain = randomBytes(1000);
    const sealed = seal(plain, 'here');
    assert.deepEqual(Buffer.from(unseal(sealed, 'here')), plain);
    assert.throws(() => unseal(sealed, 'there'), { code: 'PAYLOAD_TAMPERED' });
  });

  test('of which any single byte was changed do not open', () => {
    use(first);
    const plain = Buffer.from('PO-1001');
    const sealed = Buffer.from(seal(plain, 'here'));
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1;
      let opened: Uint8Array | undefined;
      try {
        opened = unseal(changed, 'here');
      } catch {
        continue;
      }
      // With another beginning or kind they count as bytes that were never sealed.
      assert.ok(at < 4, `byte ${at}`);
      assert.ok(!Buffer.from(opened).includes(plain));
    }
  });

  test('that a sender makes up to look sealed come back as they were sent, with a key and without', () => {
    const forged = Buffer.concat([Buffer.from([0, 0x48, 0x46, 1]), randomBytes(60)]);
    for (const key of [undefined, first]) {
      use(key);
      assert.deepEqual(Buffer.from(unseal(seal(forged, 'here'), 'here')), forged);
    }
  });

  test('with a key that cannot be one are refused in words', () => {
    use('short');
    assert.throws(() => seal(Buffer.from('x'), ''), { code: 'PAYLOAD_KEY_INVALID' });
    use(first, `${second},short`);
    assert.throws(() => seal(Buffer.from('x'), ''), { code: 'PAYLOAD_KEY_INVALID', message: /FORMER/ });
  });
});

const canary = 'CANARY-7f3a PO-1001';
const held = { scope: 'orders', key: 'k1' };

async function write(store: Store): Promise<void> {
  const message = {
    exchange: 'events',
    routingKey: 'order.created',
    properties: '{}',
    expiration: null,
    body: Buffer.from(canary),
  };
  await store.run(declareTopology, {
    exchanges: ['events'],
    queues: [{ name: 'orders', deliveryLimit: -1, maxLength: null }],
    bindings: [{ exchange: 'events', routingKey: '#', queue: 'orders' }],
  });
  const verdict = await store.run(claim, { ...held, fingerprint: 'f', owner: 't', lease: 60_000, retention: 60_000 });
  assert.ok(verdict.kind === 'new');
  await store.run(complete, { ...held, token: verdict.token, reply: { statusCode: 202, body: canary } });
  const audit = { action: 'message.accepted', actor: 'test', subject: 'k1', outcome: 'success' } as const;
  await store.run(acceptIntoOutbox, {
    message,
    completion: null,
    audit,
    connection: 'c',
    partitionKey: null,
    limit: 100,
  });
  await store.run(enqueue, { messages: [message] });
}

async function readAll(store: Store, owner: string): Promise<string[]> {
  const state = await store.run(find, held);
  const [outgoing] = await store.run(peekOutbox, { connection: 'c', after: 0, limit: 10 });
  const { messages } = await store.run(fetch, { queue: 'orders', owner, limit: 1 });
  return [state?.reply?.body, outgoing?.message.body, messages[0]?.body].map((body) =>
    Buffer.from((body ?? '') as Uint8Array).toString(),
  );
}

/** Everything that lies on the disk or in the tables. */
async function atRest(options: StoreOptions): Promise<Buffer> {
  if (options.engine === 'sqlite') {
    const folder = dirname(options.file);
    return Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
  }
  const client = new pg.Client({ connectionString: options.url });
  await client.connect();
  try {
    const bodies: Buffer[] = [];
    for (const table of ['messaging_outbox', 'messaging_messages', 'idempotency_replies']) {
      const { rows } = await client.query<{ body: Buffer }>(`SELECT body FROM ${options.schema}.${table}`);
      bodies.push(...rows.map(({ body }) => body));
    }
    assert.equal(bodies.length, 3);
    return Buffer.concat(bodies);
  } finally {
    await client.end();
  }
}

async function opened<T>(options: StoreOptions, work: (store: Store) => Promise<T>): Promise<T> {
  const store = openPrivateStore(options);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

for (const under of storesUnderTest()) {
  describe(`payloads of the store (${under.name})`, under.options, () => {
    /** A store that nobody has open: the key of its worker is that of the moment it opens. */
    const closedStore = async () => {
      const fixture = await under.fresh();
      await fixture.store.close();
      return fixture;
    };

    test('lie encrypted in outbox, queue and replies, and are read as they were', async () => {
      await using fixture = await closedStore();
      use(first);
      await opened(fixture.options, write);
      const bytes = await atRest(fixture.options);
      assert.ok(!bytes.includes('CANARY-7f3a'));
      assert.ok(bytes.includes(Buffer.from(idOf(first), 'hex')));
      await opened(fixture.options, async (store) => {
        assert.deepEqual(await readAll(store, 'a'), [canary, canary, canary]);
      });
    });

    test('that were written before there was a key stay readable; after a change of keys the former one is needed', async () => {
      await using fixture = await closedStore();
      await opened(fixture.options, write);
      assert.ok((await atRest(fixture.options)).includes(canary));
      use(first);
      await opened(fixture.options, async (store) => {
        assert.deepEqual(await readAll(store, 'a'), [canary, canary, canary]);
        await store.run(sql, { text: 'DELETE FROM messaging_outbox', values: [] });
        await store.run(sql, { text: 'DELETE FROM messaging_messages', values: [] });
        await store.run(sql, { text: 'DELETE FROM idempotency_replies', values: [] });
        await store.run(sql, { text: 'DELETE FROM idempotency_keys', values: [] });
        await write(store);
      });
      use(second);
      await opened(fixture.options, async (store) => {
        for (let i = 0; i < 2; i++) await assert.rejects(readAll(store, 'b'), { code: 'PAYLOAD_KEY_MISSING' });
      });
      // Refused is not lost.
      use(second, first);
      await opened(fixture.options, async (store) => {
        assert.deepEqual(await readAll(store, 'c'), [canary, canary, canary]);
      });
    });

    test('a body that was tampered with goes to the consumer as it lies there, and holds nobody up', async () => {
      await using fixture = await closedStore();
      use(first);
      await opened(fixture.options, async (store) => {
        await write(store);
        const [row] = (await store.run(sql, { text: 'SELECT body FROM messaging_messages', values: [] })) as {
          body: Uint8Array;
        }[];
        const forged = Buffer.from(row!.body);
        forged[forged.length - 1]! ^= 1;
        await store.run(sql, { text: 'UPDATE messaging_messages SET body = $1', values: [new Uint8Array(forged)] });
        const { messages } = await store.run(fetch, { queue: 'orders', owner: 'a', limit: 1 });
        assert.deepEqual(Buffer.from(messages[0]!.body), forged);
      });
    });

    test('healthflows-store keys tells which keys are in use and which is needed no more', async () => {
      await using fixture = await closedStore();
      use(first);
      await opened(fixture.options, write);
      use(second, first);
      const { options } = fixture;
      const where =
        options.engine === 'sqlite'
          ? ['--store', `sqlite:${options.file}`]
          : ['--store', options.url, '--schema', options.schema!];
      const printed: string[] = [];
      const keys = async () => {
        printed.length = 0;
        assert.equal(await storeCommand(['keys', ...where], (line) => printed.push(line), assert.fail), 0);
        return printed.join('\n');
      };
      assert.match(await keys(), new RegExp(`messaging_outbox +1 rows +${idOf(first)} \\(former key\\)`));
      await opened(options, async (store) => {
        for (const table of ['messaging_outbox', 'messaging_messages', 'idempotency_replies'])
          await store.run(sql, { text: `DELETE FROM ${table}`, values: [] });
      });
      assert.match(await keys(), new RegExp(`former key ${idOf(first)}: it may be removed`));
    });
  });
}

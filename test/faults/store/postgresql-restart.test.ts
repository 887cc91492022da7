import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { claim, find } from '../../../nodes/idempotency/index.ts';
import { verifyAudit } from '../../../nodes/kernel/audit/index.ts';
import { Failure } from '../../../nodes/kernel/failure.ts';
import { openPrivateStore, type Store } from '../../../nodes/kernel/store/index.ts';
import { waitUntil } from '../../support/processes.ts';
import { type PrivatePostgres, startPrivatePostgres } from '../../support/services.ts';

let server: PrivatePostgres;
before(async () => {
  server = await startPrivatePostgres();
});
after(() => server.stop());

const wanted = (key: string) => ({
  scope: 'restart',
  key,
  fingerprint: '',
  owner: 'test',
  lease: 60_000,
  retention: 60_000,
});

/** Claims from many sides at once until told to stop; what failed is claimed again, as a sender would. */
function load(store: Store): { accepted: Set<string>; codes: Map<string, number>; stop(): Promise<void> } {
  const accepted = new Set<string>();
  const codes = new Map<string, number>();
  let stopped = false;
  let next = 0;
  const side = async (): Promise<void> => {
    while (!stopped) {
      const key = `k${next++}`;
      while (!stopped && !accepted.has(key)) {
        try {
          const { kind } = await store.run(claim, wanted(key));
          // After an unknown outcome our own claim may be there already.
          assert(kind === 'new' || kind === 'in-progress');
          accepted.add(key);
        } catch (error) {
          assert(error instanceof Failure);
          assert.equal(error.class, 'dependency-outage', error.message);
          codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    }
  };
  const sides = Promise.all(Array.from({ length: 32 }, side));
  return {
    accepted,
    codes,
    async stop() {
      stopped = true;
      await sides;
    },
  };
}

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`PostgreSQL ended by ${signal} under load and started again: nothing acknowledged is lost, and work goes on by itself`, async (t) => {
    const store = openPrivateStore({
      engine: 'postgresql',
      url: server.url,
      schema: `restart_${signal.toLowerCase()}`,
      patience: 500,
    });
    const work = load(store);
    try {
      await waitUntil('there is load', () => work.accepted.size > 300);
      await server.kill(signal);
      await waitUntil('the outage is noticed', () => store.status().state === 'down');
      assert.match(store.status().problem ?? '', /does not answer/);
      await waitUntil('senders are refused', () => (work.codes.get('STORE_UNAVAILABLE') ?? 0) > 0);
      const before = work.accepted.size;
      await server.restart();
      await waitUntil('work goes on', () => work.accepted.size > before + 300);
      assert.equal(store.status().state, 'ready');
      await work.stop();
      for (const key of work.accepted) {
        assert.notEqual(await store.run(find, { scope: 'restart', key }), undefined, `${key} was acknowledged`);
      }
      assert.equal((await verifyAudit(store)).kind, 'intact');
      t.diagnostic(`${work.accepted.size} acknowledged, 0 lost; refused: ${JSON.stringify([...work.codes])}`);
    } finally {
      await work.stop();
      await store.close();
    }
  });
}

/** Passes bytes on to the server, until it is frozen: then it keeps its connections and says nothing. */
async function proxy(): Promise<{ url: string; freeze(frozen: boolean): void } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  let frozen = false;
  const listener = createServer((client) => {
    const upstream = connect(server.port, server.host);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      if (frozen) from.pause();
      from.on('data', (chunk) => to.write(chunk));
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('error', () => {});
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = new URL(server.url);
  url.port = String((listener.address() as AddressInfo).port);
  return {
    url: url.href,
    freeze(now) {
      frozen = now;
      for (const socket of sockets) {
        if (frozen) socket.pause();
        else socket.resume();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

test('a server that stops answering without closing the connection is given up', async () => {
  await using line = await proxy();
  const store = openPrivateStore({
    engine: 'postgresql',
    url: line.url,
    schema: 'frozen',
    silence: 1000,
  });
  try {
    await store.run(claim, wanted('before'));
    line.freeze(true);
    await assert.rejects(store.run(claim, wanted('during')), (error: unknown) => {
      assert(error instanceof Failure);
      assert.equal(error.code, 'STORE_UNAVAILABLE');
      return true;
    });
    line.freeze(false);
    await waitUntil('the store is back', () => store.run(claim, wanted('after')));
  } finally {
    await store.close();
  }
});

test('a wrong password is a configuration failure that does not quote it', async () => {
  const url = new URL(server.url);
  url.password = 'wrong-password';
  const store = openPrivateStore({ engine: 'postgresql', url: url.href });
  try {
    await assert.rejects(store.run(claim, wanted('x')), (error: unknown) => {
      assert(error instanceof Failure);
      assert.equal(error.class, 'configuration');
      assert.equal(error.code, 'STORE_MISCONFIGURED');
      assert(!error.message.includes('wrong-password'));
      return true;
    });
  } finally {
    await store.close();
  }
});

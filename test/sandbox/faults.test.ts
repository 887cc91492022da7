import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';

describe('faults of the sandbox Odoo', () => {
  let odoo: SandboxOdoo;
  before(async () => {
    odoo = await startSandboxOdoo();
  });
  after(() => odoo.close());
  afterEach(() => odoo.faults.clear());

  const post = (path: string, body: unknown, signal?: AbortSignal) =>
    fetch(odoo.url + path, {
      method: 'POST',
      headers: { authorization: `bearer ${odoo.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(signal ? { signal } : {}),
    });
  const call = (path: string, body: unknown = {}) => post(`/json/2/${path}`, body);
  const loadPartner = (key: string) =>
    call('res.partner/load', { fields: ['id', 'name', 'ref'], data: [[`t.${key}`, key, key]] });
  const rpc = async (method: string, ...args: unknown[]) => {
    const params = {
      service: 'object',
      method: 'execute_kw',
      args: ['sandbox', odoo.records('res.users', { login: 'bot' })[0]!.id, odoo.apiKey, 'res.partner', method, args],
    };
    return (await post('/jsonrpc', { id: 1, params }).then((response) => response.json())) as {
      result?: unknown;
      error?: { data: { name: string; message: string } };
    };
  };

  it('drop-reply commits and answers nothing; the retry finds the record', async () => {
    odoo.faults.set({ kind: 'drop-reply', times: 1, model: 'res.partner', method: 'load' });
    await assert.rejects(loadPartner('dropped'));
    assert.equal(odoo.records('res.partner', { ref: 'dropped' }).length, 1);
    assert.equal((await loadPartner('dropped')).status, 200);
    assert.equal(odoo.records('res.partner', { ref: 'dropped' }).length, 1);
    const made = odoo.log
      .list({ model: 'res.partner', method: 'load' })
      .filter((record) => record.effects?.created['res.partner']);
    assert.equal(made.length, 1, 'the log says it was created once');
    assert.deepEqual([made[0]?.status, made[0]?.faults], [0, ['drop-reply']]);
  });

  it('drop-request and refuse do nothing', async () => {
    for (const kind of ['drop-request', 'refuse'] as const) {
      odoo.faults.set({ kind, times: 1 });
      await assert.rejects(loadPartner(kind));
      assert.equal(odoo.records('res.partner', { ref: kind }).length, 0);
    }
  });

  it('down refuses connections, up listens on the same port with the data kept', async () => {
    await loadPartner('kept');
    await odoo.down();
    const probe = request(odoo.url);
    probe.end();
    const [error] = (await once(probe, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    await odoo.up();
    assert.equal((await call('res.users/context_get')).status, 200);
    assert.equal(odoo.records('res.partner', { ref: 'kept' }).length, 1);
  });

  it('hang answers nothing and does nothing; hang-reply has done it', async () => {
    for (const [kind, records] of [
      ['hang', 0],
      ['hang-reply', 1],
    ] as const) {
      odoo.faults.set({ kind, times: 1 });
      const struck = odoo.log.counters.faults[kind] ?? 0;
      const gaveUp = new AbortController();
      const body = { fields: ['id', 'name', 'ref'], data: [[`t.${kind}`, kind, kind]] };
      const answer = post('/json/2/res.partner/load', body, gaveUp.signal);
      while ((odoo.log.counters.faults[kind] ?? 0) === struck) await new Promise(setImmediate);
      gaveUp.abort();
      await assert.rejects(answer);
      assert.equal(odoo.records('res.partner', { ref: kind }).length, records);
    }
  });

  it('a status comes as a proxy sends it: text/html, with Retry-After', async () => {
    odoo.faults.set({ kind: 'status', status: 503, retryAfter: 7, times: 1 });
    const answer = await call('res.users/context_get');
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get('retry-after'), '7');
    assert.match(answer.headers.get('content-type') ?? '', /^text\/html/);
    assert.equal((await call('res.users/context_get')).status, 200, 'once only');
  });

  it('a conflict is ids: false from load, and a SerializationFailure from anything else', async () => {
    odoo.faults.set({ kind: 'conflict', times: 2 });
    const loaded = (await (await loadPartner('conflict')).json()) as { ids: false; messages: { message: string }[] };
    assert.equal(loaded.ids, false);
    assert.equal(loaded.messages[0]?.message, 'could not serialize access due to concurrent update');
    const failed = await call('res.partner/create', { vals_list: [{ name: 'x' }] });
    assert.equal(failed.status, 500);
    assert.equal(((await failed.json()) as { name: string }).name, 'psycopg2.errors.SerializationFailure');
    assert.equal(odoo.records('res.partner', { ref: 'conflict' }).length, 0);
  });

  it('contention: of loads of one new id that overlap in time one wins, the others may try again', async () => {
    odoo.faults.set({ kind: 'contention' }, { kind: 'slow', ms: 300, method: 'load' });
    const results = await Promise.all(
      Array.from({ length: 8 }, async () => ((await (await loadPartner('contended')).json()) as { ids: unknown }).ids),
    );
    assert.ok(results.some((ids) => Array.isArray(ids)));
    assert.ok(results.some((ids) => ids === false));
    assert.equal(odoo.records('res.partner', { ref: 'contended' }).length, 1);
  });

  it('an expired key is 401 over JSON-2 and AccessDenied over JSON-RPC', async () => {
    odoo.faults.set({ kind: 'key-expired' });
    const answer = await call('res.users/context_get');
    assert.equal(answer.status, 401);
    assert.equal(((await answer.json()) as { message: string }).message, 'Invalid apikey');
    assert.equal((await rpc('search', [])).error?.data.name, 'odoo.exceptions.AccessDenied');
  });

  it('PostgreSQL down: 404 text/html, OperationalError, and only the database health check fails', async () => {
    odoo.faults.set({ kind: 'postgres-down' });
    const answer = await call('res.users/context_get');
    assert.equal(answer.status, 404);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/html/);
    const { error } = await rpc('search', []);
    assert.equal(error?.data.name, 'psycopg2.OperationalError');
    assert.match(error!.data.message, /Connection refused/);
    assert.equal((await fetch(`${odoo.url}/web/health`)).status, 200);
    const health = await fetch(`${odoo.url}/web/health?db_server_status=1`);
    assert.deepEqual([health.status, await health.json()], [500, { status: 'fail' }]);
  });

  it('a lock and any named exception can be played', async () => {
    odoo.faults.set({ kind: 'lock', times: 1 });
    assert.equal(
      ((await (await call('res.partner/search', { domain: [] })).json()) as { name: string }).name,
      'psycopg2.errors.LockNotAvailable',
    );
    odoo.faults.set({ kind: 'error', name: 'odoo.exceptions.LockError', status: 409, times: 1 });
    assert.equal((await call('res.partner/search', { domain: [] })).status, 409);
  });

  it('a probability strikes the same calls for the same seed', async () => {
    const strikes = () => {
      odoo.faults.reseed(42);
      odoo.faults.set({ kind: 'refuse', probability: 0.5 });
      return Array.from({ length: 50 }, () => odoo.faults.strike({}).length);
    };
    const first = strikes();
    assert.deepEqual(strikes(), first);
    assert.ok(first.includes(0) && first.includes(1));
  });

  it('faults are switched and read over HTTP, and an unknown kind is refused', async () => {
    const put = await fetch(`${odoo.url}/sandbox/faults`, { method: 'POST', body: '{"kind":"slow","ms":1,"times":3}' });
    assert.deepEqual(await put.json(), { faults: [{ kind: 'slow', ms: 1, times: 3 }] });
    const wrong = await fetch(`${odoo.url}/sandbox/faults`, { method: 'POST', body: '{"kind":"earthquake"}' });
    assert.equal(wrong.status, 400);
    await fetch(`${odoo.url}/sandbox/faults`, { method: 'DELETE' });
    assert.deepEqual(odoo.faults.list(), []);
  });

  it('/sandbox/down refuses connections for a while', async () => {
    const answer = await fetch(`${odoo.url}/sandbox/down`, { method: 'POST', body: '{"ms":50}' });
    assert.equal(answer.status, 202);
    let refused = false;
    for (;;) {
      const up = await call('res.users/context_get').then(
        () => true,
        () => false,
      );
      refused ||= !up;
      if (up && refused) break;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
});

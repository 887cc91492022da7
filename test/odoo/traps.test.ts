/** Every trap of Odoo's external API that was measured on real servers, by name. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import type { Failure } from '../../nodes/kernel/failure.ts';
import { act, count, create, OdooClient, read, searchRead, unlink, upsert, write } from '../../nodes/odoo/index.ts';
import { callMethod } from '../../nodes/odoo/client/write.ts';
import { apiKeys, secretMarker } from '../../sandbox/odoo/index.ts';
import { clientOf, failure, order, patient, sandbox, versions } from './support.ts';

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

type Handler = (request: IncomingMessage & { body: string }, response: ServerResponse) => void;

/** A server that answers as the test says, for what stands in front of an Odoo. */
async function fake(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => handler(Object.assign(request, { body }), response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const clients: OdooClient[] = [];
after(async () => {
  for (const client of clients) await client.close(0);
});
function plain(url: string, more = {}): OdooClient {
  const client = new OdooClient({ url, apiKey: 'k', protocol: 'json2', attempts: 1, breaker: patient, ...more });
  clients.push(client);
  return client;
}

const answering = (status: number, type: string, body: string, headers: Record<string, string> = {}): Promise<string> =>
  fake((_request, response) => {
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(body);
  });
const readCall = { model: 'res.partner', method: 'read', ids: [1] };

describe('in front of Odoo', () => {
  test('a redirect is never followed: 18 sends unknown paths to its login page', async () => {
    let visits = 0;
    const url = await fake((_request, response) => {
      visits++;
      response.writeHead(303, { location: '/web/login' });
      response.end();
    });
    await assert.rejects(
      plain(url).call(readCall, { effect: 'read' }),
      failure({ code: 'ODOO_REDIRECTED', class: 'configuration' }),
    );
    assert.equal(visits, 1);
  });

  test('no cookie is kept: a cookie of another user would outrank the key', async () => {
    const cookies: (string | undefined)[] = [];
    const url = await fake((request, response) => {
      cookies.push(request.headers.cookie);
      response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'session_id=other; Path=/' });
      response.end('[]');
    });
    const client = plain(url);
    for (let i = 0; i < 3; i++) await client.call(readCall, { effect: 'read' });
    assert.deepEqual(cookies, [undefined, undefined, undefined]);
  });

  test('404 as text/html is "no database" and may pass; 404 as JSON is an unknown model and never will', async () => {
    const html = await answering(404, 'text/html; charset=utf-8', '<p>No database is selected</p>');
    await assert.rejects(
      plain(html).call(readCall, { effect: 'read' }),
      failure({ code: 'ODOO_DATABASE_UNAVAILABLE', class: 'dependency-outage', retryable: true }),
    );
    const json = await answering(404, 'application/json', '{"name":"werkzeug.exceptions.NotFound","message":"x"}');
    await assert.rejects(
      plain(json).call(readCall, { effect: 'read' }),
      failure({ code: 'ODOO_NOT_FOUND', class: 'configuration', retryable: false }),
    );
  });

  test('429 and 503 hand on how long to wait, in seconds or as a date', async () => {
    const busy = await answering(429, 'text/html', 'slow down', { 'retry-after': '17' });
    await assert.rejects(
      plain(busy).call(readCall, { effect: 'write' }),
      failure({ class: 'saturation', retryAfter: 17_000, outcome: 'none' }),
    );
    const at = new Date(Date.now() + 60_000).toUTCString();
    const away = await answering(503, 'text/html', 'maintenance', { 'retry-after': at });
    await assert.rejects(plain(away).call(readCall, { effect: 'read' }), (error: Failure) => {
      assert.equal(error.class, 'dependency-outage');
      assert.ok(error.retryAfter! > 50_000 && error.retryAfter! <= 60_000);
      return true;
    });
  });

  test('502, 504, a cut connection and a timeout leave a write unknown, and a read simply undone', async () => {
    for (const status of [502, 504]) {
      const url = await answering(status, 'text/html', 'bad gateway');
      await assert.rejects(
        plain(url).call(readCall, { effect: 'write' }),
        failure({ class: 'dependency-outage', outcome: 'unknown' }),
      );
      await assert.rejects(
        plain(url).call(readCall, { effect: 'read' }),
        failure({ class: 'dependency-outage', outcome: 'none' }),
      );
    }
    const cut = await fake((request) => request.socket.destroy());
    await assert.rejects(
      plain(cut).call(readCall, { effect: 'write' }),
      failure({ code: 'ODOO_CONNECTION_LOST', outcome: 'unknown' }),
    );
    const silent = await fake(() => undefined);
    await assert.rejects(
      plain(silent, { requestTimeout: 30 }).call(readCall, { effect: 'write' }),
      failure({ code: 'ODOO_TIMEOUT', outcome: 'unknown' }),
    );
  });

  test('a refused connection wrote nothing', async () => {
    await assert.rejects(
      plain('http://127.0.0.1:9').call(readCall, { effect: 'write' }),
      failure({ code: 'ECONNREFUSED', class: 'dependency-outage', outcome: 'none', retryable: true }),
    );
  });

  test('an answer larger than the limit is refused, and JSON that was cut off is an outage', async () => {
    const large = await answering(200, 'application/json', JSON.stringify('x'.repeat(5_000)));
    await assert.rejects(
      plain(large, { maxAnswer: 1_000 }).call(readCall, { effect: 'read' }),
      failure({ code: 'ODOO_ANSWER_TOO_LARGE' }),
    );
    const half = await answering(200, 'application/json', '[{"id": 1');
    await assert.rejects(
      plain(half).call(readCall, { effect: 'read' }),
      failure({ code: 'ODOO_ANSWER_CUT', retryable: true }),
    );
  });

  test('a page that is not Odoo is told as such', async () => {
    const url = await answering(200, 'text/html', '<h1>Intranet</h1>');
    await assert.rejects(
      plain(url).call(readCall, { effect: 'read' }),
      failure({ code: 'NOT_ODOO', class: 'configuration' }),
    );
  });

  test('the key travels in the header only, never in a failure', async () => {
    const url = await answering(
      401,
      'application/json',
      '{"name":"werkzeug.exceptions.Unauthorized","message":"Invalid apikey"}',
    );
    await assert.rejects(plain(url, { apiKey: 'canary-key' }).call(readCall, { effect: 'read' }), (error: Failure) => {
      assert.equal(error.class, 'policy-rejection');
      assert.doesNotMatch(JSON.stringify(error.toRecord()) + error.stack, /canary/);
      return true;
    });
  });
});

for (const version of versions) {
  describe(`Odoo ${version}`, () => {
    test('the protocol is found by asking, and the version with it', async () => {
      const client = clientOf(await sandbox(version));
      assert.equal(await client.protocol(), version === '19' ? 'json2' : 'jsonrpc');
      assert.equal((await client.version()).major, Number(version));
      assert.ok((await client.user()) > 0);
    });

    test('19 may be spoken to over JSON-RPC as well; the error code (200 or 0) means nothing, the name everything', async () => {
      const client = clientOf(await sandbox(version), { protocol: 'jsonrpc' });
      await assert.rejects(
        client.fields('no.such.model'),
        failure({ code: 'ODOO_UNKNOWN_MODEL', class: 'configuration' }),
      );
      await assert.rejects(
        callMethod(client, 'purchase.order', 'no_such_method', [1], {}),
        failure({ class: 'configuration' }),
      );
    });

    test('a refused key is a policy rejection and never retried: wrong, expired, of another scope', async () => {
      const odoo = await sandbox(version);
      for (const apiKey of ['wrong', apiKeys.expired, apiKeys.wrongScope]) {
        await assert.rejects(
          count(clientOf(odoo, { apiKey }), 'res.partner', []),
          failure({ class: 'policy-rejection', code: 'ODOO_UNAUTHORIZED', retryable: false }),
        );
      }
    });

    test('a key that expires in the middle of a run stops it as a policy rejection', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      await count(client, 'res.partner', []);
      odoo.faults.set({ kind: 'key-expired' });
      await assert.rejects(count(client, 'res.partner', []), failure({ class: 'policy-rejection', retryable: false }));
      odoo.faults.clear();
      assert.ok((await count(client, 'res.partner', [])) > 0);
    });

    test('rights that are missing are a policy rejection', async () => {
      const client = clientOf(await sandbox(version), { apiKey: apiKeys.clerk, login: 'clerk' });
      await assert.rejects(
        count(client, 'purchase.order', []),
        failure({ class: 'policy-rejection', code: 'ODOO_ACCESS_ERROR' }),
      );
    });

    test('PostgreSQL down behind Odoo is an outage, and the next call after it succeeds', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { attempts: 1 });
      await count(client, 'res.partner', []);
      odoo.faults.set({ kind: 'postgres-down', times: 1 });
      await assert.rejects(count(client, 'res.partner', []), failure({ class: 'dependency-outage', retryable: true }));
      assert.ok((await count(client, 'res.partner', [])) > 0);
    });

    test('write without ids answers true and does nothing: empty ids are refused here', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const before = odoo.log.counters.requests;
      for (const ids of [[], undefined, null, [0], ['8'], [1.5], '8']) {
        await assert.rejects(write(client, 'res.partner', ids, { name: 'x' }), failure({ code: 'ODOO_IDS' }));
        await assert.rejects(unlink(client, 'res.partner', ids), failure({ code: 'ODOO_IDS' }));
        await assert.rejects(read(client, 'res.partner', ids as number[], ['name']), failure({ code: 'ODOO_IDS' }));
        await assert.rejects(act(client, 'confirm-purchase', ids), failure({ code: 'ODOO_IDS' }));
      }
      assert.equal(odoo.log.counters.requests, before);
    });

    test('reading a missing id leaves it out without a word: it is named here, and the order is kept', async () => {
      const client = clientOf(await sandbox(version));
      const { records, missing } = await read(client, 'res.partner', [3, 999_999, 1], ['name']);
      assert.deepEqual([records.map(({ id }) => id), missing], [[3, 1], [999_999]]);
    });

    test('writing to a missing id is the document’s fault', async () => {
      const client = clientOf(await sandbox(version));
      await assert.rejects(
        write(client, 'res.partner', [999_999], { name: 'x' }),
        failure({ class: 'data-quality', code: 'ODOO_MISSING_ERROR', retryable: false }),
      );
    });

    test('deleting what is gone already is no failure', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { apiKey: apiKeys.admin, login: 'admin' });
      const [made] = await create(client, 'res.partner', [{ name: 'short-lived' }]);
      assert.ok(made?.kind === 'done');
      assert.deepEqual(await unlink(client, 'res.partner', [made.value]), { deleted: [made.value], missing: [] });
      assert.deepEqual(await unlink(client, 'res.partner', [made.value]), { deleted: [], missing: [made.value] });
    });

    test('unknown fields, malformed domains and orders never reach Odoo', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      await client.fields('res.partner');
      const before = odoo.log.counters.requests;
      const fields = ['name'];
      for (const domain of [
        '[["a","=",1]]',
        [['name', '=']],
        ['&', ['name', '=', 'x']],
        [['name', '~', 'x']],
        [['name', 'in', 'x']],
        ['!'],
        {},
      ])
        await assert.rejects(searchRead(client, 'res.partner', domain, { fields }), failure({ code: 'ODOO_DOMAIN' }));
      await assert.rejects(
        searchRead(client, 'res.partner', [['nmae', '=', 'x']], { fields }),
        failure({ code: 'ODOO_UNKNOWN_FIELD' }),
      );
      await assert.rejects(
        searchRead(client, 'res.partner', [], { fields: [] }),
        failure({ code: 'ODOO_FIELDS_MISSING' }),
      );
      await assert.rejects(
        searchRead(client, 'res.partner', [], { fields, order: 'name; drop' }),
        failure({ code: 'ODOO_ORDER' }),
      );
      await assert.rejects(
        searchRead(client, 'res.partner', [], { fields, limit: -1 }),
        failure({ code: 'ODOO_LIMIT' }),
      );
      await assert.rejects(write(client, 'res.partner', [1], { nope: 1 }), failure({ code: 'ODOO_UNKNOWN_FIELD' }));
      await assert.rejects(write(client, 'res.partner', [1], { id: 1 }), failure({ code: 'ODOO_READONLY_FIELD' }));
      await assert.rejects(write(client, 'res.partner', [1], {}), failure({ code: 'ODOO_NO_VALUES' }));
      assert.equal(odoo.log.counters.requests, before);
    });

    test('domains: connectives, paths over relations, null, instants and decimals in the flow’s form', async () => {
      const client = clientOf(await sandbox(version));
      const fields = ['name', 'ref'];
      const both = await searchRead(client, 'res.partner', ['|', ['ref', '=', 'ACME'], ['ref', '=', 'NORDIC']], {
        fields,
      });
      assert.deepEqual(
        both.map(({ ref }) => String(ref)).sort((a, b) => a.localeCompare(b)),
        ['ACME', 'NORDIC'],
      );
      const german = await searchRead(client, 'res.partner', [['country_id.code', '=', 'DE']], { fields });
      assert.ok(german.length > 0);
      assert.equal(
        await count(client, 'res.partner', ['!', ['ref', '=', 'ACME']]),
        (await count(client, 'res.partner', [])) - 1,
      );
      assert.ok((await count(client, 'res.partner', [['parent_id', '=', null]])) > 0);
      await upsert(client, 'purchase.order', [order(1)]);
      assert.equal(await count(client, 'purchase.order', [['create_date', '>', '2020-01-01T00:00:00+01:00']]), 1);
      assert.equal(await count(client, 'purchase.order.line', [['price_unit', '=', '4.20']]), 2);
    });

    test('null is null for every type, numbers are decimal strings, instants RFC 3339', async () => {
      const client = clientOf(await sandbox(version));
      await upsert(client, 'purchase.order', [order(1)]);
      const fields = ['date_order', 'partner_id', 'origin', 'amount_total'];
      const [po] = await searchRead(client, 'purchase.order', [], { fields });
      assert.match(String(po?.date_order), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.equal(po?.origin, null);
      assert.equal((po!.partner_id as { name: string }).name, 'ACME Medical Supplies');
      assert.equal(po?.amount_total, '54.6');
    });

    test('paging by key gives each record once, whatever the page; another order pages by offset with id last', async () => {
      const client = clientOf(await sandbox(version));
      const values = Array.from({ length: 25 }, (_, i) => ({ name: `Ward ${i % 3}`, ref: `W${i}` }));
      await create(client, 'res.partner', values);
      const options = { fields: ['ref'], page: 7 };
      const domain = [['ref', '=like', 'W%']];
      const all = await searchRead(client, 'res.partner', domain, options);
      assert.equal(new Set(all.map(({ ref }) => ref)).size, all.length);
      assert.ok(all.length >= 25);
      const sorted = await searchRead(client, 'res.partner', domain, { ...options, order: 'name desc' });
      assert.deepEqual(
        sorted.map(({ id }) => id).sort((a, b) => a - b),
        all.map(({ id }) => id),
      );
      assert.equal((await searchRead(client, 'res.partner', domain, { ...options, limit: 10 })).length, 10);
    });

    test('tracebacks never leave the client', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { attempts: 1 });
      await client.fields('res.partner');
      odoo.faults.set({ kind: 'error', name: 'builtins.ValueError', message: 'bad value' });
      await assert.rejects(write(client, 'res.partner', [1], { name: 'x' }), (error: Failure) => {
        const everything = JSON.stringify(error.toRecord()) + error.message + error.stack;
        assert.ok(!everything.includes(secretMarker) && !everything.includes('Traceback'));
        assert.equal(error.class, 'data-quality');
        return true;
      });
    });

    for (const [name, expected] of [
      ['psycopg2.errors.SerializationFailure', { class: 'conflict', retryable: true }],
      ['psycopg2.errors.DeadlockDetected', { class: 'conflict', retryable: true }],
      ['psycopg2.errors.LockNotAvailable', { class: 'conflict', retryable: true }],
      ['odoo.exceptions.LockError', { class: 'conflict', retryable: true }],
      ['odoo.exceptions.ConcurrencyError', { class: 'conflict', retryable: true }],
      ['psycopg2.OperationalError', { class: 'dependency-outage', retryable: true, outcome: 'unknown' }],
      ['psycopg2.pool.PoolError', { class: 'saturation', retryable: true }],
      ['odoo.exceptions.ValidationError', { class: 'data-quality', retryable: false }],
      ['odoo.exceptions.UserError', { class: 'data-quality', retryable: false }],
      ['odoo.exceptions.MissingError', { class: 'data-quality', retryable: false }],
      ['odoo.exceptions.AccessError', { class: 'policy-rejection', retryable: false }],
      ['odoo.exceptions.AccessDenied', { class: 'policy-rejection', retryable: false }],
      ['werkzeug.exceptions.UnprocessableEntity', { class: 'configuration', retryable: false }],
      ['builtins.TypeError', { class: 'data-quality', retryable: false }],
      ['binascii.Error', { class: 'data-quality', retryable: false }],
    ] as const) {
      test(`${name} is ${expected.class}, ${expected.retryable ? 'retried' : 'not retried'}`, async () => {
        const odoo = await sandbox(version);
        const client = clientOf(odoo, { attempts: 1 });
        await client.fields('res.partner');
        odoo.faults.set({ kind: 'error', name, message: 'übersetzt', times: 1 });
        await assert.rejects(write(client, 'res.partner', [1], { name: 'x' }), failure(expected));
      });
    }

    test('archived records are hidden unless asked for', async () => {
      const client = clientOf(await sandbox(version), { apiKey: apiKeys.admin, login: 'admin' });
      const [made] = await create(client, 'res.partner', [{ name: 'old', ref: 'OLD', active: false }]);
      assert.ok(made?.kind === 'done');
      assert.equal(await count(client, 'res.partner', [['ref', '=', 'OLD']]), 0);
      assert.equal(
        await count(client, 'res.partner', [
          ['ref', '=', 'OLD'],
          ['active', '=', false],
        ]),
        1,
      );
    });

    test('a company that is not allowed is a policy rejection', async () => {
      const client = clientOf(await sandbox(version), { companyId: 3 });
      await assert.rejects(count(client, 'purchase.order', []), failure({ class: 'policy-rejection' }));
    });

    test('a language that is not active is refused by name of the error', async () => {
      const client = clientOf(await sandbox(version), { language: 'xx_XX' });
      await assert.rejects(count(client, 'res.partner', []), failure({ class: 'data-quality' }));
    });
  });
}

/** Statuses, names and shapes of JSON-2 (19 and later). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apiKeys, secretMarker, startSandboxOdoo } from '../../../sandbox/odoo/index.ts';
import { type Answer, Caller, type Failed, http, json2, type Target, unique } from './target.ts';

function assertFault(answer: Answer, status: number, name: string | RegExp): Failed {
  assert.equal(answer.status, status, answer.text);
  const fault = answer.json as Failed;
  if (typeof name === 'string') assert.equal(fault.name, name);
  else assert.match(fault.name, name);
  return fault;
}

function assertHtml(answer: Answer, status: number): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/html/);
  assert.equal(answer.json, undefined);
}

export function json2Contract(target: () => Target): void {
  const call = (path: string, body: unknown, options: Parameters<typeof json2>[3] = {}) =>
    json2(target(), path, body, options);

  describe('JSON-2: success', () => {
    it('answers the bare value: object, list, true, null', async () => {
      const who = (await call('res.users/context_get', {})).json as { uid: number; lang: string };
      assert.ok(Number.isInteger(who.uid) && who.lang !== undefined);
      const list = await call('res.partner/search', { domain: [['id', '=', 0]] });
      assert.deepEqual([list.status, list.json], [200, []]);
      assert.match(list.headers.get('content-type') ?? '', /^application\/json/);
    });

    it('sets no cookie', async () => {
      const answer = await call('res.users/context_get', {});
      assert.equal(answer.headers.get('set-cookie'), null);
    });

    it('takes a JSON array as no arguments at all', async () => {
      const answer = await call('res.users/context_get', [1, 2]);
      assert.equal(answer.status, 200, answer.text);
    });

    it('takes one id as a number', async () => {
      const uid = ((await call('res.users/context_get', {})).json as { uid: number }).uid;
      const answer = await call('res.users/read', { ids: uid, fields: ['login'] });
      assert.equal((answer.json as { id: number }[])[0]?.id, uid);
    });

    it('does not take an id as text', async () => {
      const uid = ((await call('res.users/context_get', {})).json as { uid: number }).uid;
      const answer = await call('res.users/read', { ids: String(uid), fields: ['login'] });
      assert.ok(answer.status !== 200 || (answer.json as unknown[]).length === 0, answer.text);
    });
  });

  describe('JSON-2: errors', () => {
    it('have name, message, arguments, context and a traceback that must not leave the client', async () => {
      const fault = assertFault(await call('no.such.model/read', {}), 404, 'werkzeug.exceptions.NotFound');
      assert.deepEqual(Object.keys(fault).sort(), ['arguments', 'context', 'debug', 'message', 'name']);
      const { debug } = fault as unknown as { debug: string };
      assert.match(debug, /Traceback/);
      if (target().sandbox) assert.ok(debug.includes(secretMarker));
    });

    it('401 for no key, a wrong key, a password and Basic', async () => {
      const basic = `Basic ${Buffer.from('bot:bot-password').toString('base64')}`;
      for (const [what, options] of [
        ['no header', { key: null }],
        ['wrong key', { key: 'f'.repeat(40) }],
        ['password', { key: 'bot-password' }],
        ['Basic', { key: null, headers: { authorization: basic } }],
      ] as const) {
        const answer = await call('res.users/context_get', {}, options);
        assertFault(answer, 401, 'werkzeug.exceptions.Unauthorized');
        assert.match(answer.headers.get('www-authenticate') ?? '', /bearer/i, what);
      }
    });

    it('401 for an expired key and a key of another scope, like a typo', async (t) => {
      if (!target().sandbox) return t.skip('needs the sandbox’s keys');
      for (const key of [apiKeys.expired, apiKeys.wrongScope]) {
        const fault = assertFault(await call('res.users/context_get', {}, { key }), 401, /Unauthorized$/);
        assert.equal(fault.message, 'Invalid apikey');
      }
    });

    it('403 AccessDenied when a cookie of another user comes along', async (t) => {
      if (!target().sandbox) return t.skip('needs a second user');
      const login = await http(target(), 'POST', '/web/session/authenticate', {
        body: JSON.stringify({ params: { db: target().database, login: 'clerk', password: 'clerk-password' } }),
      });
      const cookie = login.headers.get('set-cookie')!.split(';')[0]!;
      const answer = await call('res.users/context_get', {}, { headers: { cookie } });
      assertFault(answer, 403, 'odoo.exceptions.AccessDenied');
    });

    it('403 AccessError for a private method and for exists', async () => {
      for (const method of ['_create_invoices', 'exists']) {
        assertFault(await call(`sale.order/${method}`, { ids: [1] }), 403, 'odoo.exceptions.AccessError');
      }
    });

    it('403 AccessError without the right on the model, also for ir.model.data', async (t) => {
      if (!target().sandbox) return t.skip('needs the sandbox’s users');
      const denied = await call('purchase.order/search_read', { domain: [] }, { key: apiKeys.clerk });
      assertFault(denied, 403, 'odoo.exceptions.AccessError');
      assertFault(await call('ir.model.data/search_read', { domain: [] }), 403, 'odoo.exceptions.AccessError');
    });

    it('403 AccessError for a company that is not allowed', async (t) => {
      if (!target().sandbox) return t.skip('needs the sandbox’s companies');
      const context = { allowed_company_ids: [3] };
      assertFault(await call('res.partner/search', { domain: [], context }), 403, 'odoo.exceptions.AccessError');
    });

    it('404 JSON for an unknown model, an unknown method, GET, and a path of another depth', async () => {
      const name = 'werkzeug.exceptions.NotFound';
      assert.match(assertFault(await call('no.model/read', {}), 404, name).message, /model 'no\.model' does not exist/);
      const method = assertFault(await call('res.partner/no_method', {}), 404, name);
      assert.match(method.message, /res\.partner\.no_method/);
      assertFault(await call('res.partner/read', undefined, { method: 'GET' }), 404, name);
      assertFault(await call('res.partner', {}), 404, name);
      assertFault(await call('res.partner/read/8', {}), 404, name);
    });

    it('404 MissingError for write and unlink of an id that is gone', async () => {
      const ids = [2_000_000_000];
      assertFault(await call('res.partner/write', { ids, vals: { ref: 'x' } }), 404, 'odoo.exceptions.MissingError');
      assertFault(await call('res.partner/unlink', { ids }), 404, 'odoo.exceptions.MissingError');
    });

    it('404 text/html for an unknown database', async () => {
      assertHtml(await call('res.users/context_get', {}, { headers: { 'x-odoo-database': 'no-such-db' } }), 404);
    });

    it('404 text/html when several databases exist and none is selected; 401 for a key of another', async (t) => {
      if (!target().sandbox) return t.skip('needs a server of its own');
      const odoo = await startSandboxOdoo({ databases: ['sandbox', 'other'] });
      try {
        const several = { ...target(), url: odoo.url };
        const headers = { authorization: `bearer ${odoo.apiKey}` };
        assertHtml(await http(several, 'POST', '/json/2/res.users/context_get', { body: '{}', headers }), 404);
        assertHtml(
          await http(several, 'POST', '/json/2/res.users/context_get?db=sandbox', { body: '{}', headers }),
          404,
        );
        assert.equal((await json2(several, 'res.users/context_get', {})).status, 200);
        const other = { headers: { 'x-odoo-database': 'other' } };
        assertFault(await json2(several, 'res.users/context_get', {}, other), 401, /Unauthorized$/);
      } finally {
        await odoo.close();
      }
    });

    it('415 text/html without application/json', async () => {
      assertHtml(await call('res.users/context_get', {}, { headers: { 'content-type': 'text/plain' } }), 415);
    });

    it('400 for malformed JSON', async () => {
      assertFault(await call('res.users/context_get', '{"ids": [', {}), 400, 'werkzeug.exceptions.BadRequest');
    });

    it('422 for a missing and an unexpected argument, and for ids on a model method', async () => {
      const name = 'werkzeug.exceptions.UnprocessableEntity';
      assertFault(await call('res.partner/search_count', {}), 422, name);
      assertFault(await call('res.partner/search', { domain: [], nonsense: 1 }), 422, name);
      assertFault(await call('res.partner/search', { domain: [], ids: [1] }), 422, name);
      assertFault(await call('res.partner/create', { vals: { name: 'x' } }), 422, name);
      assert.equal((await call('res.partner/search', { domain: [['id', '=', 0]], ids: [] })).status, 200, 'no ids');
    });

    it('500 TypeError for an unexpected argument of a method with **kwargs', async () => {
      assertFault(await call('res.partner/search_read', { domain: [], nonsense: 1 }), 500, 'builtins.TypeError');
    });

    it('422 ValidationError for a required field and UserError or ValidationError for an order that is none', async () => {
      const missing = await call('purchase.order/create', { vals_list: [{ partner_ref: unique() }] });
      assertFault(missing, 422, 'odoo.exceptions.ValidationError');
      const order = await call('res.partner/search_read', { domain: [], fields: ['id'], order: 'name; drop' });
      assertFault(order, 422, /^odoo\.exceptions\.(UserError|ValidationError)$/);
    });

    it('422 for a many2one whose target does not exist', async () => {
      const answer = await call('res.partner/create', { vals_list: [{ name: unique(), country_id: 999_999_999 }] });
      assertFault(answer, 422, 'odoo.exceptions.ValidationError');
    });

    it('422 for a language that is not active', async () => {
      const context = { lang: 'xx_XX' };
      const answer = await call('res.partner/search', { domain: [], context });
      assert.match(assertFault(answer, 422, /^odoo\.exceptions\./).message, /Invalid language code/);
    });

    it('500 of builtins and binascii where the caller’s data is wrong: retrying never helps', async () => {
      const name = unique();
      for (const [what, path, body] of [
        ['unknown field in create', 'res.partner/create', { vals_list: [{ name, nonsense: 1 }] }],
        ['unknown field in read', 'res.partner/search_read', { domain: [], fields: ['nonsense'], limit: 1 }],
        ['unknown field in domain', 'res.partner/search', { domain: [['nonsense', '=', 1]] }],
        ['domain as text', 'res.partner/search', { domain: "[('id','=',1)]" }],
        ['operator that is none', 'res.partner/search', { domain: [['name', '~~', 'x']] }],
        ['bad date', 'res.partner/create', { vals_list: [{ name, date: 'tomorrow' }] }],
        ['bad selection', 'res.partner/create', { vals_list: [{ name, type: 'nonsense' }] }],
        ['bad base64', 'ir.attachment/create', { vals_list: [{ name, datas: 'x' }] }],
        ['text for a number', 'res.partner/create', { vals_list: [{ name, color: 'x' }] }],
        ['pair for a many2one', 'res.partner/create', { vals_list: [{ name, country_id: [8, 'x'] }] }],
        ['text for a many2one', 'res.partner/create', { vals_list: [{ name, country_id: 'abc' }] }],
        ['negative limit', 'res.partner/search_read', { domain: [], fields: ['id'], limit: -1 }],
        ['unstored order', 'res.partner/search_read', { domain: [], fields: ['id'], order: 'company_type' }],
      ] as const) {
        const answer = await call(path, body);
        assert.equal(answer.status, 500, `${what}: ${answer.text.slice(0, 200)}`);
        assert.match((answer.json as Failed).name, /^(builtins|binascii)\./, what);
      }
    });

    it('404 MissingError for a many2one written as digits in text', async () => {
      const answer = await call('res.partner/create', { vals_list: [{ name: unique(), country_id: '8' }] });
      assertFault(answer, 404, 'odoo.exceptions.MissingError');
    });
  });

  describe('JSON-2: traps', () => {
    it('write without ids answers true and does nothing; read without ids answers []', async () => {
      const written = await call('res.partner/write', { vals: { comment: 'nobody' } });
      assert.deepEqual([written.status, written.json], [200, true]);
      const read = await call('res.partner/read', { fields: ['name'] });
      assert.deepEqual([read.status, read.json], [200, []]);
    });

    it('create always answers a list of ids, for one object too', async () => {
      const odoo = new Caller(target(), 'json2');
      const answer = await call('res.partner/create', { vals_list: { name: unique() } });
      const ids = answer.json as number[];
      odoo.remember('res.partner', ...ids);
      assert.ok(Array.isArray(ids) && ids.length === 1, answer.text);
      await odoo.tidy();
    });
  });
}

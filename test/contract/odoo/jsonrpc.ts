/** Statuses, codes and shapes of `/jsonrpc` (17, 18, 19). */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Caller, type Failed, http, jsonrpc, type Target, unique } from './target.ts';

interface Envelope {
  jsonrpc: string;
  id: number;
  result?: unknown;
  error?: { code: number; message: string; data: Failed & { debug: string; arguments: unknown[] } };
}

export function jsonrpcContract(target: () => Target): void {
  const common = async (method: string, args: unknown[]) =>
    (await jsonrpc(target(), 'common', method, args)).json as Envelope;
  const execute = async (args: unknown[]) => (await jsonrpc(target(), 'object', 'execute_kw', args)).json as Envelope;
  const uid = async () => {
    const { database, login, key } = target();
    return (await common('authenticate', [database, login, key, {}])).result as number;
  };
  const callAs = async (model: string, method: string, args: unknown[], kwargs: object = {}) =>
    execute([target().database, await uid(), target().key, model, method, args, kwargs]);

  describe('JSON-RPC', () => {
    const made: number[] = [];
    after(async () => {
      const odoo = new Caller(target(), 'jsonrpc');
      odoo.remember('res.partner', ...made);
      await odoo.tidy();
    });

    it('answers HTTP 200 for errors, with code 200 up to 18 and 0 from 19 on', async () => {
      const answer = await jsonrpc(target(), 'object', 'execute_kw', [
        target().database,
        await uid(),
        target().key,
        'res.partner',
        'write',
        [[2_000_000_000], { ref: 'x' }],
      ]);
      assert.equal(answer.status, 200);
      const { error, id } = answer.json as Envelope;
      assert.equal(id, 7);
      assert.equal(error?.code, target().version >= 19 ? 0 : 200);
      assert.equal(error?.message, 'Odoo Server Error');
      assert.equal(error?.data.name, 'odoo.exceptions.MissingError');
      assert.deepEqual(Object.keys(error!.data).sort(), ['arguments', 'context', 'debug', 'message', 'name']);
    });

    it('authenticate answers false, not an error, for a wrong key or login', async () => {
      const { database, login, key } = target();
      assert.deepEqual((await common('authenticate', [database, login, 'f'.repeat(40), {}])).result, false);
      assert.deepEqual((await common('authenticate', [database, `no-${login}`, key, {}])).result, false);
    });

    it('execute_kw answers AccessDenied for a wrong key and MissingError for an unknown uid', async () => {
      const { database, key } = target();
      const wrongKey = await execute([database, await uid(), 'wrong', 'res.partner', 'search', [[]]]);
      assert.equal(wrongKey.error?.data.name, 'odoo.exceptions.AccessDenied');
      const wrongUid = await execute([database, 999_999, key, 'res.partner', 'search', [[]]]);
      assert.equal(wrongUid.error?.data.name, 'odoo.exceptions.MissingError');
    });

    it('an unknown database is an OperationalError', async () => {
      const answer = await common('authenticate', ['no-such-db', 'x', 'y', {}]);
      assert.equal(answer.error?.data.name, 'psycopg2.OperationalError');
      assert.match(answer.error!.data.message, /does not exist/);
    });

    it('an unknown model is a UserError, an unknown method an AttributeError, an unknown service a KeyError', async () => {
      const model = await callAs('no.model', 'search', [[]]);
      assert.equal(model.error?.data.name, 'odoo.exceptions.UserError');
      assert.match(model.error!.data.message, /doesn't exist/);
      assert.equal((await callAs('res.partner', 'no_method', [[]])).error?.data.name, 'builtins.AttributeError');
      const service = (await jsonrpc(target(), 'nonsense', 'x', [])).json as Envelope;
      assert.equal(service.error?.data.name, 'builtins.KeyError');
    });

    it('a private method is an AccessError', async () => {
      assert.equal((await callAs('res.partner', '_write', [[1], {}])).error?.data.name, 'odoo.exceptions.AccessError');
    });

    it('malformed JSON is 400, another content type 415, both text/html', async () => {
      const malformed = await http(target(), 'POST', '/jsonrpc', { body: '{"jsonrpc":' });
      assert.equal(malformed.status, 400);
      assert.match(malformed.headers.get('content-type') ?? '', /^text\/html/);
      const plain = await http(target(), 'POST', '/jsonrpc', { body: '{}', headers: { 'content-type': 'text/plain' } });
      assert.equal(plain.status, 415);
    });

    it('create answers one id for an object and a list for a list', async () => {
      const one = (await callAs('res.partner', 'create', [{ name: unique() }])).result;
      assert.ok(Number.isInteger(one), JSON.stringify(one));
      const many = (await callAs('res.partner', 'create', [[{ name: unique() }, { name: unique() }]])).result;
      assert.ok(Array.isArray(many) && many.length === 2);
      made.push(one as number, ...(many as number[]));
    });

    it('the first positional argument of a record method is its ids', async () => {
      const me = await uid();
      const rows = (await callAs('res.users', 'read', [[me], ['login']])).result as { id: number }[];
      assert.deepEqual(
        rows.map((row) => row.id),
        [me],
      );
    });

    it('exists is public up to 18 and private from 19 on', async () => {
      const me = await uid();
      const answer = await callAs('res.users', 'exists', [[me]]);
      if (target().version >= 19) assert.ok(answer.error, 'private in 19');
      else assert.deepEqual(answer.result, [me]);
    });
  });
}

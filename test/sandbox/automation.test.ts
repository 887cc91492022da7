import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type OdooVersion, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';

for (const version of ['18', '19'] as const satisfies OdooVersion[]) {
  describe(`automations of the sandbox ${version}`, () => {
    const got: { headers: Record<string, unknown>; body: Record<string, unknown>; keys: string[] }[] = [];
    let status = 200;
    const receiver = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
      got.push({ headers: request.headers, body, keys: Object.keys(body) });
      response.writeHead(status).end();
    });
    let odoo: SandboxOdoo;
    let url: string;
    before(async () => {
      receiver.listen(0, '127.0.0.1');
      await once(receiver, 'listening');
      url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook?token=t`;
      odoo = await startSandboxOdoo({ version });
    });
    after(async () => {
      await odoo.close();
      receiver.close();
    });
    beforeEach(() => {
      got.length = 0;
      status = 200;
    });

    /** An automation on contacts, alone. */
    const automate = (trigger: string, watched: string[] = [], sent: string[] = []) =>
      odoo.engine.transaction((env) => {
        env.unlink('base.automation', env.search('base.automation', []));
        const model_id = env.search('ir.model', [['model', '=', 'res.partner']])[0];
        const fields = (names: string[]) => [
          [
            6,
            0,
            env.search('ir.model.fields', [
              ['model', '=', 'res.partner'],
              ['name', 'in', names],
            ]),
          ],
        ];
        env.create('base.automation', {
          name: 'Tell',
          model_id,
          trigger,
          trigger_field_ids: fields(watched),
          action_server_ids: [[0, 0, { name: 'Tell', model_id, webhook_url: url, webhook_field_ids: fields(sent) }]],
        });
      });
    const call = async (method: string, ids: number[] | undefined, ...args: unknown[]) => {
      const uid = odoo.records('res.users', { login: 'bot' })[0]!.id;
      const positional = ids === undefined ? args : [ids, ...args];
      const rpc = ['sandbox', uid, odoo.apiKey, 'res.partner', method, positional];
      const params = { service: 'object', method: 'execute_kw', args: rpc };
      const response = await fetch(`${odoo.url}/jsonrpc`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id: 1, params }),
      });
      return (await response.json()) as { result?: unknown; error?: unknown };
    };

    it('post sorted keys, ids for relations, false for null, microseconds, and neither signature nor delivery id', async () => {
      automate('on_create', [], ['name', 'email', 'parent_id', 'write_date']);
      const id = (await call('create', undefined, { name: 'Told' })).result;
      assert.equal(got.length, 1, 'before the reply');
      const [{ body, headers, keys }] = got as [(typeof got)[number]];
      assert.deepEqual(keys, keys.toSorted());
      assert.deepEqual([body._id, body.id, body._model, body.name], [id, id, 'res.partner', 'Told']);
      assert.deepEqual([body.email, body.parent_id], [false, false]);
      assert.match(String(body.write_date), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/);
      assert.match(String(headers['user-agent']), /^python-requests/);
      assert.deepEqual(
        Object.keys(headers).filter((name) => /signature|timestamp|delivery|-id$/.test(name)),
        [],
      );
    });

    it('an unwatched "on create and edit" posts many times the same for one record', async () => {
      automate('on_create_or_write', [], ['name']);
      await call('create', undefined, { name: 'Often' });
      assert.equal(got.length, version === '19' ? 12 : 13);
      assert.equal(new Set(got.map(({ body }) => JSON.stringify(body))).size, 1);
    });

    it('with watched fields one post a change, and none for an unchanged value', async () => {
      automate('on_create_or_write', ['name', 'email'], ['name']);
      const id = (await call('create', undefined, { name: 'Watched' })).result as number;
      assert.equal(got.length, 1);
      await call('write', [id], { name: 'Watched' });
      assert.equal(got.length, 1);
      await call('write', [id], { name: 'Watched again' });
      await call('write', [id], { city: 'Gent' });
      assert.equal(got.length, 2);
    });

    it(`a rolled-back create posts ${version === '19' ? 'nothing' : 'all the same'}`, async () => {
      automate('on_create', [], ['name']);
      const answer = await call('create', undefined, [{ name: 'Phantom' }, { name: 'Bad', color: 'x' }]);
      assert.ok(answer.error);
      assert.equal(got.length, version === '19' ? 0 : 1);
      assert.equal(odoo.records('res.partner', { name: 'Phantom' }).length, 0);
    });

    it('a receiver that fails is not tried again and does not fail the call', async () => {
      automate('on_create', [], ['name']);
      status = 500;
      assert.ok((await call('create', undefined, { name: 'Unheard' })).result);
      assert.equal(got.length, 1);
    });
  });
}

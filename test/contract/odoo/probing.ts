/** How a client finds out what it talks to, and whether it is ready. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { http, json2, jsonrpc, type Target } from './target.ts';

export function probing(target: () => Target): void {
  describe('probing', () => {
    it('/json/version answers JSON from 19 on, and anything but 200 before', async () => {
      const answer = await http(target(), 'GET', '/json/version');
      if (target().version < 19) {
        assert.ok([303, 404].includes(answer.status), `status ${answer.status}`);
        return;
      }
      assert.equal(answer.status, 200);
      const { version_info, version } = answer.json as { version_info: unknown[]; version: string };
      assert.equal(version_info[0], target().version);
      assert.match(version, /^\d+\.\d/);
    });

    it('/web/version exists from 19 on', async () => {
      const answer = await http(target(), 'GET', '/web/version');
      assert.equal(answer.status === 200 && answer.json !== undefined, target().version >= 19);
    });

    it('JSON-2 does not exist before 19: no 200, no JSON', async (t) => {
      if (target().version >= 19) return t.skip('19 has it');
      const answer = await json2(target(), 'res.users/context_get', {});
      assert.notEqual(answer.status, 200);
      assert.equal(answer.json, undefined);
    });

    it('/web/webclient/version_info and common.version name the version without a login', async () => {
      const info = await http(target(), 'POST', '/web/webclient/version_info', { body: '{}' });
      assert.equal(info.status, 200);
      const { result } = info.json as { result: { server_version_info: unknown[] } };
      assert.equal(result.server_version_info[0], target().version);
      const version = await jsonrpc(target(), 'common', 'version', []);
      assert.equal(
        (version.json as { result: { server_version_info: unknown[] } }).result.server_version_info[0],
        target().version,
      );
    });

    it('/web/health answers pass, with and without the database', async () => {
      for (const path of ['/web/health', '/web/health?db_server_status=1']) {
        const answer = await http(target(), 'GET', path);
        assert.equal(answer.status, 200);
        assert.equal((answer.json as { status: string }).status, 'pass');
      }
    });

    it('keep-alive is never offered by Odoo itself', async (t) => {
      if (!target().sandbox) return t.skip('a proxy may stand in front');
      const answer = await http(target(), 'GET', '/web/health');
      assert.equal(answer.headers.get('connection'), 'close');
    });
  });
}

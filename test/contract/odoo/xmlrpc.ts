/** The oldest protocol: our client does not speak it, others that the bench compares with do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { http, type Target } from './target.ts';

const text = (value: string) => `<value><string>${value}</string></value>`;

export function xmlrpcContract(target: () => Target): void {
  const call = async (service: 'common' | 'object', method: string, params: readonly string[]): Promise<string> => {
    const body = `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${params
      .map((param) => `<param>${param}</param>`)
      .join('')}</params></methodCall>`;
    const answer = await http(target(), 'POST', `/xmlrpc/2/${service}`, {
      body,
      headers: { 'content-type': 'text/xml' },
    });
    assert.equal(answer.status, 200);
    return answer.text.replace(/>\s+</g, '><');
  };
  const uid = async (key = target().key) => {
    const { database, login } = target();
    const answer = await call('common', 'authenticate', [
      text(database),
      text(login),
      text(key),
      '<value><struct/></value>',
    ]);
    return /<int>(\d+)<\/int>/.exec(answer)?.[1];
  };
  const object = async (model: string, method: string, args: string) =>
    call('object', 'execute_kw', [
      text(target().database),
      `<value><int>${await uid()}</int></value>`,
      text(target().key),
      text(model),
      text(method),
      `<value><array><data>${args}</data></array></value>`,
    ]);

  describe('XML-RPC', () => {
    it('authenticate answers the user, and false for a wrong key', async () => {
      assert.match((await uid()) ?? '', /^\d+$/);
      assert.equal(await uid('wrong'), undefined);
    });

    it('creates and reads, with what XML must escape', async () => {
      const made = await object(
        'res.partner',
        'create',
        `<value><array><data><value><struct><member><name>name</name>${text('A &amp; &lt;B&gt;')}</member></struct></value></data></array></value>`,
      );
      const [id] = /(?<=<int>)\d+/.exec(made) ?? [];
      assert.match(id ?? '', /^\d+$/);
      const read = await object(
        'res.partner',
        'read',
        `<value><array><data><value><int>${id}</int></value></data></array></value><value><array><data>${text('name')}${text('active')}</data></array></value>`,
      );
      assert.match(read, /<name>name<\/name><value><string>A &amp; &lt;B&gt;<\/string>/);
      assert.match(read, /<name>active<\/name><value><boolean>1<\/boolean>/);
    });

    it('a fault has code 2 for what a person did wrong', async () => {
      const unnamed =
        '<value><array><data><value><struct><member><name>name</name><value><boolean>0</boolean></value></member></struct></value></data></array></value>';
      assert.match(
        await object('res.partner', 'create', unnamed),
        /<fault>.*<name>faultCode<\/name><value><int>2<\/int>/s,
      );
    });
  });
}

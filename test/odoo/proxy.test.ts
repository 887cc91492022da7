/** Odoo behind a forward proxy: https through a tunnel, http by its whole address, and failures told as the proxy's. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { OdooClient, type OdooClientOptions } from '../../nodes/odoo/index.ts';
import { failure, patient } from './support.ts';

const call = { model: 'res.partner', method: 'read', ids: [1] };

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const skip = hasOpenssl() ? false : 'openssl is not installed, so that no certificates can be made';

async function listen(server: Server | ReturnType<typeof createSecureServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('a forward proxy', { skip }, () => {
  let folder: string;
  let proxy: Server;
  let plain: Server;
  let secure: ReturnType<typeof createSecureServer>;
  const ports = { proxy: 0, plain: 0, secure: 0 };
  let seen: string[] = [];
  let refuse: number | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hf-odoo-proxy-'));
    execFileSync(
      'openssl',
      'req -x509 -subj /CN=odoo -days 2 -nodes -newkey rsa:2048 -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem'.split(
        ' ',
      ),
      { cwd: folder, stdio: 'ignore' },
    );
    const answer = (
      _request: unknown,
      response: { end(text: string): void; setHeader(name: string, value: string): void },
    ) => {
      response.setHeader('content-type', 'application/json');
      response.end('[{"id":1}]');
    };
    plain = createServer(answer);
    secure = createSecureServer(
      { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) },
      answer,
    );
    proxy = createServer((from, response) => {
      seen.push(`${from.method} ${from.url} ${from.headers['proxy-authorization'] ?? '-'}`);
      if (refuse !== undefined) {
        response.writeHead(refuse).end();
        return;
      }
      const { 'proxy-authorization': _own, ...headers } = from.headers;
      from.pipe(
        request(from.url!, { method: from.method!, headers }, (to) => {
          response.writeHead(to.statusCode!, to.headers);
          to.pipe(response);
        }),
      );
    });
    proxy.on('connect', (from, socket) => {
      seen.push(`CONNECT ${from.url} ${from.headers['proxy-authorization'] ?? '-'}`);
      if (refuse !== undefined) {
        socket.end(`HTTP/1.1 ${refuse} No\r\n\r\n`);
        return;
      }
      const [host, port] = from.url!.split(':');
      const to = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(to).pipe(socket);
      });
      to.on('error', () => socket.destroy());
      socket.on('error', () => to.destroy());
    });
    ports.plain = await listen(plain);
    ports.secure = await listen(secure);
    ports.proxy = await listen(proxy);
  });
  after(() => {
    for (const server of [proxy, plain, secure]) {
      server?.closeAllConnections();
      server?.close();
    }
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    seen = [];
    refuse = undefined;
  });

  async function ask(url: string, options: Partial<OdooClientOptions> = {}): Promise<unknown> {
    const client = new OdooClient({
      url,
      apiKey: 'k',
      protocol: 'json2',
      attempts: 1,
      breaker: patient,
      proxy: `http://127.0.0.1:${ports.proxy}`,
      tls: { caFile: join(folder, 'cert.pem') },
      ...options,
    });
    try {
      return await client.call(call, { effect: 'read' });
    } finally {
      await client.close(0);
    }
  }
  const https = () => `https://127.0.0.1:${ports.secure}`;
  const http = () => `http://127.0.0.1:${ports.plain}`;

  test('tunnels https, with name and password for the proxy alone, and the certificate is still checked', async () => {
    assert.deepEqual(await ask(https(), { proxy: `http://me:s%40fe@127.0.0.1:${ports.proxy}` }), [{ id: 1 }]);
    assert.deepEqual(seen, [`CONNECT 127.0.0.1:${ports.secure} Basic ${Buffer.from('me:s@fe').toString('base64')}`]);
    await assert.rejects(ask(https(), { tls: {} }), failure({ code: 'ODOO_TLS', outcome: 'none' }));
  });

  test('is asked for the whole address where Odoo speaks plain http', async () => {
    assert.deepEqual(await ask(http()), [{ id: 1 }]);
    assert.deepEqual(seen, [`POST ${http()}/json/2/res.partner/read -`]);
  });

  test('that refuses is a matter of configuration; one that cannot reach Odoo, or is down, an outage', async () => {
    refuse = 407;
    await assert.rejects(ask(https()), failure({ class: 'configuration', code: 'ODOO_PROXY', outcome: 'none' }));
    refuse = 502;
    await assert.rejects(ask(https()), failure({ class: 'dependency-outage', code: 'EPROXY', retryable: true }));
    await assert.rejects(
      ask(https(), { proxy: 'http://127.0.0.1:9' }),
      failure({ class: 'dependency-outage', code: 'ECONNREFUSED', outcome: 'none' }),
    );
  });

  test('that never answers is given up after the connect timeout, with nothing sent', async () => {
    const silent = createServer();
    silent.on('connect', () => undefined);
    const port = await listen(silent);
    await assert.rejects(
      ask(https(), { proxy: `http://127.0.0.1:${port}`, connectTimeout: 100 }),
      failure({ code: 'ECONNECTTIMEOUT', outcome: 'none' }),
    );
    silent.closeAllConnections();
    silent.close();
  });

  test('without an entry none is used, whatever the environment says', async () => {
    process.env.http_proxy = `http://127.0.0.1:${ports.proxy}`;
    process.env.https_proxy = process.env.http_proxy;
    try {
      await ask(https(), { proxy: '' });
      await ask(http(), { proxy: '' });
      assert.deepEqual(seen, []);
    } finally {
      delete process.env.http_proxy;
      delete process.env.https_proxy;
    }
  });

  test('with an address that is none is refused without repeating it', () => {
    assert.throws(
      () => new OdooClient({ url: http(), apiKey: 'k', proxy: 'socks5://me:canary@x' }),
      (error: Error) => /must be an address/.test(error.message) && !/canary/.test(error.message),
    );
  });
});

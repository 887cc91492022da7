import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { OdooClient, type OdooClientOptions } from '../../nodes/odoo/index.ts';
import { failure, patient } from './support.ts';

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const skip = hasOpenssl() ? false : 'openssl is not installed, so that no certificates can be made';
const call = { model: 'res.partner', method: 'read', ids: [1] };

describe('secure connections', { skip }, () => {
  let folder: string;
  let server: Server;
  let url: string;
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hf-odoo-tls-'));
    const subject = ['-subj', '/CN=test', '-days', '2', '-nodes', '-newkey', 'rsa:2048'];
    openssl('req', '-x509', ...subject, '-keyout', 'ca.key', '-out', 'ca.pem');
    for (const [name, san] of [['server', 'IP:127.0.0.1'] as const, ['client', 'DNS:client'] as const]) {
      openssl(
        'req',
        '-x509',
        ...subject,
        '-addext',
        `subjectAltName=${san}`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
      );
    }
    server = createServer(
      {
        key: readFileSync(file('server.key')),
        cert: readFileSync(file('server.pem')),
        ca: readFileSync(file('ca.pem')),
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        const { authorized } = request.socket as { authorized?: boolean };
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(authorized));
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = async (options: Partial<OdooClientOptions>): Promise<unknown> => {
    const client = new OdooClient({ url, apiKey: 'k', protocol: 'json2', attempts: 1, breaker: patient, ...options });
    try {
      return await client.call(call, { effect: 'write' });
    } finally {
      await client.close(0);
    }
  };

  test('a certificate that nobody vouches for is refused, before anything was sent', async () => {
    await assert.rejects(
      ask({}),
      failure({ code: 'ODOO_TLS', class: 'configuration', outcome: 'none', retryable: false }),
    );
  });

  test('an authority of one’s own is trusted by its file; with a client certificate the server knows who calls', async () => {
    assert.equal(await ask({ tls: { caFile: file('ca.pem') } }), false);
    const tls = { caFile: file('ca.pem'), certFile: file('client.pem'), keyFile: file('client.key') };
    assert.equal(await ask({ tls }), true);
  });

  test('a TLS file that cannot be read is named', () => {
    assert.throws(
      () => new OdooClient({ url, apiKey: 'k', tls: { caFile: file('absent.pem') } }),
      (error: Error) => error.message.includes('absent.pem'),
    );
  });

  test('a server that takes the connection and never answers the handshake is given up: nothing was sent', async () => {
    const silent = createSocketServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    try {
      const address = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      await assert.rejects(
        ask({ url: address, connectTimeout: 50 }),
        failure({ code: 'ECONNECTTIMEOUT', class: 'dependency-outage', outcome: 'none' }),
      );
    } finally {
      silent.close();
    }
  });
});

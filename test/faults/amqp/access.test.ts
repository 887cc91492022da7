/** TLS, permissions and several hosts, on a RabbitMQ of our own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { probe } from '../../../nodes/amqp/amqp-connection/probe.ts';
import { parseAddresses } from '../../../nodes/amqp/engines/rabbitmq/connection.ts';
import type { RabbitMqEngine } from '../../../nodes/amqp/engines/rabbitmq/engine.ts';
import type { Failure } from '../../../nodes/kernel/failure.ts';
import { Inbox, message, queue, rabbitMq, until } from '../../amqp/engines.ts';
import { freePort } from '../../support/processes.ts';
import { type PrivateRabbitMq, startPrivateRabbitMq } from '../../support/services.ts';

describe('Access to a broker', () => {
  let folder: string;
  let broker: PrivateRabbitMq;
  let tlsUrl: string;
  const engines: RabbitMqEngine[] = [];
  const file = (name: string) => join(folder, name);
  const start = (...args: Parameters<typeof rabbitMq>) => {
    const engine = rabbitMq(...args);
    engines.push(engine);
    return engine;
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hf-tls-'));
    // The broker runs as another user.
    chmodSync(folder, 0o755);
    certificates();
    const port = await freePort();
    broker = await startPrivateRabbitMq({
      configuration: {
        'listeners.ssl.1': `127.0.0.1:${port}`,
        'ssl_options.cacertfile': file('ca.pem'),
        'ssl_options.certfile': file('server.pem'),
        'ssl_options.keyfile': file('server.key'),
        'ssl_options.verify': 'verify_peer',
        'ssl_options.fail_if_no_peer_cert': 'true',
      },
    });
    const url = new URL(broker.url.replace('amqp:', 'amqps:'));
    url.port = String(port);
    url.hostname = 'localhost';
    tlsUrl = url.href;
  });
  after(async () => {
    for (const engine of engines) await engine.close();
    await broker?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A CA, a certificate for localhost and one for a client. */
  function certificates(): void {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA');
    writeFileSync(file('server.ext'), 'subjectAltName=DNS:localhost\n');
    writeFileSync(file('client.ext'), 'extendedKeyUsage=clientAuth\n');
    for (const [name, subject] of [
      ['server', '/CN=localhost'],
      ['client', '/CN=node-red'],
    ] as const) {
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
      openssl(
        ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
        ...['-out', `${name}.pem`, '-days', '2', '-extfile', `${name}.ext`],
      );
      chmodSync(file(`${name}.key`), 0o644);
    }
  }

  test('TLS with the hospital’s own CA and a client certificate carries messages', async () => {
    const tls = { ca: file('ca.pem'), certificate: file('client.pem'), key: file('client.key') };
    const engine = start(tlsUrl, { tls });
    await engine.declare({ exchanges: [], queues: [queue('tls.q')] });
    const inbox = new Inbox();
    await engine.consume({ queue: 'tls.q', prefetch: 1 }, inbox.receive);
    await engine.publish(message('', 'tls.q'));
    await inbox.nth(1);
  });

  test('a certificate that cannot be verified, and a file that is not there, are said in words', async () => {
    await assert.rejects(start(tlsUrl).whenReady(10_000), (error: Failure) => {
      assert.equal(error.class, 'configuration');
      assert.match(error.message, /TLS to the broker failed with .* Check the CA certificate/);
      return true;
    });
    const absent = start(tlsUrl, { tls: { ca: file('absent.pem') } });
    await assert.rejects(absent.whenReady(10_000), /CA certificate cannot be read \(ENOENT\)/);
  });

  test('the next host is tried when the first is away', async () => {
    const away = await freePort();
    const url = new URL(broker.url);
    const engine = start(`amqp://${url.username}:${url.password}@127.0.0.1:${away},127.0.0.1:${url.port}`);
    await engine.whenReady(10_000);
    assert.equal(engine.state.kind, 'ready');
  });

  test('the Test button names version, vhost and the permissions that the user lacks', async () => {
    await broker.rabbitmqctl('add_user', 'reader', 'secret');
    await broker.rabbitmqctl('set_permissions', 'reader', '^$', '^$', '.*');
    const url = new URL(broker.url);
    url.username = 'reader';
    url.password = 'secret';
    const poor = await probe({ addresses: parseAddresses(url.href), name: 'test' }, 'hf');
    assert.match(poor.server, /^RabbitMQ \d/);
    assert.deepEqual([poor.vhost, poor.user], ['/', 'reader']);
    assert.match(poor.missing.join(), /configure/);
    const rich = await probe({ addresses: parseAddresses(broker.url), name: 'test' }, 'hf');
    assert.deepEqual(rich.missing, []);
    const old = /^RabbitMQ 3\./.test(rich.server);
    assert.equal(
      rich.notes.some((note) => /no priorities/.test(note)),
      old,
      rich.notes.join(' '),
    );
  });

  test('each connection has a name for the broker’s own pages, and publishing has one to itself', async () => {
    const engine = start(broker.url, { name: 'Node-RED ward' });
    await engine.whenReady(10_000);
    const listed = await broker.rabbitmqctl('list_connections', 'client_properties');
    for (const role of ['publish', 'consume']) assert.ok(listed.includes(`"Node-RED ward ${role}"`), listed);
    await engine.close();
  });

  test('a user who may not consume or publish is told so by name, and works once permitted', async () => {
    const owner = start(broker.url);
    await owner.declare({ exchanges: ['hf.events'], queues: [queue('hf.q')] });
    await broker.rabbitmqctl('add_user', 'guest2', 'secret');
    await broker.rabbitmqctl('set_permissions', 'guest2', '.*', '^$', '^$');
    const url = new URL(broker.url);
    url.username = 'guest2';
    url.password = 'secret';
    const engine = start(url.href);
    await engine.whenReady(10_000);
    const inbox = new Inbox();
    await engine.consume({ queue: 'hf.q', prefetch: 1 }, inbox.receive);
    await until('it says so', () => engine.state.kind === 'misconfigured');
    assert.match((engine.state as { problem: string }).problem, /may not consume from queue "hf\.q"/);
    await assert.rejects(engine.publish(message('', 'hf.q')), { class: 'configuration', code: 'AMQP_ACCESS_REFUSED' });
    await broker.rabbitmqctl('set_permissions', 'guest2', '.*', '.*', '.*');
    await until('it consumes', () => engine.state.kind === 'ready');
    await owner.publish(message('', 'hf.q'));
    await inbox.nth(1);
  });

  test('rotated credentials: the running connection goes on; a new one with the old password is refused', async () => {
    await broker.rabbitmqctl('add_user', 'rotating', 'old');
    await broker.rabbitmqctl('set_permissions', 'rotating', '.*', '.*', '.*');
    const url = new URL(broker.url);
    url.username = 'rotating';
    url.password = 'old';
    const engine = start(url.href);
    await engine.declare({ exchanges: [], queues: [queue('rotate.q')] });
    await broker.rabbitmqctl('change_password', 'rotating', 'new');
    await engine.publish(message('', 'rotate.q'));
    await broker.rabbitmqctl('close_all_user_connections', 'rotating', 'rotated');
    await until('the old password is refused', () => engine.state.kind === 'misconfigured');
    assert.match((engine.state as { problem: string }).problem, /refuses the user "rotating"/);
    await broker.rabbitmqctl('change_password', 'rotating', 'old');
    await until('it is back by itself', () => engine.state.kind === 'ready');
    await engine.publish(message('', 'rotate.q'));
  });
});

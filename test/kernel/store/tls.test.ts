/** TLS to a PostgreSQL of our own, whose certificate is from a CA that no system knows. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { touch } from '../../../nodes/idempotency/integration-store/probe.ts';
import { Failure } from '../../../nodes/kernel/failure.ts';
import { openPrivateStore, type PostgresqlOptions } from '../../../nodes/kernel/store/index.ts';
import { inspectDatabase } from '../../../nodes/kernel/store/inspect.ts';
import { removeDirectory, temporaryDirectory } from '../../support/processes.ts';
import { type PrivatePostgres, startPrivatePostgres } from '../../support/services.ts';

describe('TLS to PostgreSQL', () => {
  let folder: string;
  let server: PrivatePostgres;
  let ca: string;

  before(async () => {
    folder = temporaryDirectory('store-tls');
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA');
    writeFileSync(join(folder, 'server.ext'), 'subjectAltName=DNS:localhost\n');
    openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
    openssl(
      ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-out', 'server.pem', '-days', '2', '-extfile', 'server.ext'],
    );
    ca = readFileSync(join(folder, 'ca.pem'), 'utf8');
    const files = { ssl_cert_file: join(folder, 'server.pem'), ssl_key_file: join(folder, 'server.key') };
    // PostgreSQL takes a key that root owns when only its group may read it as well; it runs as another user.
    const group = execFileSync('id', ['-g', 'postgres'], { encoding: 'utf8' }).trim();
    chmodSync(folder, 0o755);
    execFileSync('chgrp', [group, files.ssl_key_file]);
    chmodSync(files.ssl_key_file, 0o640);
    server = await startPrivatePostgres({ configuration: { ssl: 'on', ...files } });
  });
  after(async () => {
    await server?.stop();
    removeDirectory(folder);
  });

  const address = (host: string, more: Partial<PostgresqlOptions> = {}): PostgresqlOptions => ({
    engine: 'postgresql',
    url: server.url.replace('127.0.0.1', host),
    schema: 'tls',
    patience: 10_000,
    ...more,
  });
  const problem = (words: RegExp) => (error: unknown) =>
    error instanceof Failure && error.code === 'STORE_MISCONFIGURED' && words.test(error.message);

  /** Whether the server says that the store's own session is encrypted. */
  async function use(options: PostgresqlOptions): Promise<void> {
    const store = openPrivateStore(options);
    await store.run(touch, undefined).finally(() => store.close());
    await inspectDatabase(options);
  }

  test('a certificate of a CA that was given is verified', () => use(address('localhost', { tls: 'verify', ca })));

  test('without that CA, or for another host name, it is refused and said in words', async () => {
    await assert.rejects(use(address('localhost', { tls: 'verify' })), problem(/not trusted/));
    await assert.rejects(use(address('127.0.0.1', { tls: 'verify', ca })), problem(/another host name/));
    await assert.rejects(inspectDatabase(address('localhost', { tls: 'verify' })), problem(/not trusted/));
  });

  test('encrypted without verifying is possible, by the dialog and by sslmode', async () => {
    await use(address('127.0.0.1', { tls: 'encrypt' }));
    await use({ ...address('127.0.0.1'), url: `${server.url}?sslmode=require` });
  });
});

test('a server without TLS is told when TLS is wanted', { skip: !process.env.POSTGRES_URL }, async () => {
  const options: PostgresqlOptions = { engine: 'postgresql', url: process.env.POSTGRES_URL!, tls: 'encrypt' };
  await assert.rejects(
    inspectDatabase(options),
    (error: unknown) => error instanceof Failure && /does not offer TLS/.test(error.message),
  );
});

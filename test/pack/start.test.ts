/** `npm start` and the lines it prints, as a reader of the README runs them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ensureBuilt, packageRoot } from '../support/node-red.ts';
import { freePorts, type OwnedProcess, spawnOwned, temporaryDirectory, waitUntil } from '../support/processes.ts';

const run = promisify(execFile);

describe('npm start', () => {
  const folder = temporaryDirectory('start');
  const runtime = join(folder, 'runtime');
  const env: NodeJS.ProcessEnv = { ...process.env, HEALTHFLOWS_RUNTIME: runtime, NODE_TEST_CONTEXT: undefined };
  for (const name of ['ODOO_URL', 'HEALTHFLOWS_AMQP_URL', 'HEALTHFLOWS_POSTGRES_URL', 'CABINET_URL', 'PAYER_URL'])
    delete env[name];
  let product: OwnedProcess;
  let ports: string[];

  const start = () => {
    const [nodeRed, odoo, partners] = ports as [string, string, string];
    const chosen = ['--port', nodeRed, '--odoo-port', odoo, '--partners-port', partners];
    return spawnOwned('npm', ['start', '--', '--no-build', ...chosen], { cwd: packageRoot, env });
  };
  const running = (started: OwnedProcess) =>
    waitUntil('npm start said what to try', () => {
      if (started.exit() !== undefined) throw new Error(started.output());
      return started.output().includes('Ctrl-C stops everything');
    });

  before(async () => {
    ensureBuilt();
    ports = (await freePorts(3)).map(String);
    product = start();
    await running(product);
  });
  after(async () => {
    await product?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('keeps secrets, documents and logs from other users of the machine', () => {
    assert.equal(statSync(runtime).mode & 0o777, 0o700);
  });

  interface Order {
    partner_ref: string;
    state: string;
  }
  const orders = async (): Promise<Order[]> => {
    const response = await fetch(`http://127.0.0.1:${ports[1]}/sandbox/records/purchase.order`);
    return ((await response.json()) as { records: Order[] }).records;
  };
  const confirmedOrders = (count: number) =>
    waitUntil(`${count} confirmed orders stand in Odoo`, async () => {
      // Low shelves buy, too.
      const all = (await orders()).filter(({ partner_ref: reference }) => reference.startsWith('PO-'));
      return all.filter((order) => order.state === 'purchase').length === count && all.length === count;
    });
  const supplier = (...args: string[]) =>
    run('npm', ['run', '--silent', 'sandbox:order', '--', ...args], { cwd: packageRoot, env });

  test('serves the editor, the console and the sandbox Odoo', async () => {
    const addresses = [...product.output().matchAll(/^ {2}(?:Editor|Console|Odoo) +(http\S+)/gm)].map(
      ([, url]) => url!,
    );
    assert.equal(addresses.length, 3);
    for (const address of addresses) assert.equal((await fetch(address)).status, 200, address);
  });

  test('the supplier’s order, sent twice and once with a bad signature, is one confirmed order', async () => {
    assert.match((await supplier()).stdout, /202/);
    assert.match((await supplier('--again')).stdout, /202/);
    assert.match((await supplier('--bad-signature')).stdout, /401/);
    await confirmedOrders(1);
  });

  test('a shelf that the sandbox cabinet says is low becomes a transfer in Odoo', async () => {
    const response = await fetch(`http://127.0.0.1:${ports[2]}/cabinet/scenarios/gloves-low`, { method: 'POST' });
    const { sent } = (await response.json()) as { sent: { status: number; body: string }[] };
    assert.deepEqual(
      sent.map(({ status }) => status),
      [202],
      JSON.stringify(sent),
    );
    await waitUntil('a transfer is planned', async () => {
      const found = await fetch(`http://127.0.0.1:${ports[1]}/sandbox/records/stock.picking`);
      const { records } = (await found.json()) as { records: { origin: string; state: string }[] };
      return records.some(({ origin, state }) => /^REPL-/.test(origin) && state === 'assigned');
    });
  });

  test('the printed curl lines do what they say', async (context) => {
    const missing = await run('sh', ['-c', 'command -v curl && command -v openssl']).then(
      () => false,
      () => true,
    );
    if (missing) {
      context.skip('needs curl and openssl');
      return;
    }
    const lines = product.output().match(/^ {2}ID=[\s\S]*?v1,AAAA.*$/m)?.[0];
    assert.ok(lines !== undefined, product.output());
    const { stdout } = await run('bash', ['-c', lines], { cwd: packageRoot, env });
    const statuses = [...stdout.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    assert.deepEqual(statuses, ['202', '202', '401']);
    await confirmedOrders(2);
  });

  test('a second one is told where the first one is', async () => {
    const second = start();
    assert.equal((await second.waitForExit()).code, 1);
    assert.match(second.output(), new RegExp(`already running.*http://127\\.0\\.0\\.1:${ports[0]}/`, 's'));
  });

  test('ends with 0 on a signal, leaves no process, and goes on where it was', async () => {
    // Twice, as an impatient person does, and npm, which passes on what the group has had.
    product.signal('SIGTERM');
    await sleep(20);
    product.signal('SIGTERM');
    assert.equal((await product.waitForExit(20_000)).code, 0);
    assert.match(readFileSync(join(runtime, 'node-red.log'), 'utf8'), /Stopped flows/);
    for (const port of ports) await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
    product = start();
    await running(product);
    await supplier();
    await confirmedOrders(3);
  });
});

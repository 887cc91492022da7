/**
 * `npm start`: the whole product on this machine. Node-RED with the reference flows, a sandbox Odoo, the embedded
 * store and queue, on loopback only; `--rabbitmq`, `--postgres` and `--odoo` put real servers in their places.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  createWriteStream,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { apiKeys } from '../sandbox/odoo/index.ts';
import { orderDocument } from '../sandbox/supplier/order.ts';
import { type OwnedProcess, spawnOwned, waitUntil } from '../test/support/processes.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Tests set the variable, so that they do not meet a developer's own. */
const runtime = process.env.HEALTHFLOWS_RUNTIME ?? join(root, '.runtime');
/** How it is called in commands that are run in the project's folder. */
const shown = process.env.HEALTHFLOWS_RUNTIME ?? '.runtime';

const help = `Usage: npm start -- [options]

  --port <number>        Node-RED's port. Default 1880, or the next free one
  --odoo <url>           a real Odoo instead of the sandbox; also ODOO_URL. Reads ODOO_DB, ODOO_LOGIN, ODOO_API_KEY
  --supplier <url>       a real supplier instead of the sandbox's; also SUPPLIER_URL. Reads SUPPLIER_API_KEY
  --partners-port <n>    the sandbox partners' port. Default 8070, or the next free one
  --odoo-port <number>   the sandbox Odoo's port. Default 8069, or the next free one
  --rabbitmq <url>       RabbitMQ instead of the embedded queue; also HEALTHFLOWS_AMQP_URL
  --postgres <url>       PostgreSQL instead of the embedded store; also HEALTHFLOWS_POSTGRES_URL
  --no-build             run what dist/ holds
  --reset                start afresh: deletes .runtime/ (flows, store, queue, secrets) first
  --help                 this text`;

const options = readOptions();

function readOptions() {
  try {
    return parseArgs({
      options: {
        port: { type: 'string' },
        odoo: { type: 'string' },
        'odoo-port': { type: 'string' },
        supplier: { type: 'string' },
        'partners-port': { type: 'string' },
        rabbitmq: { type: 'string' },
        postgres: { type: 'string' },
        'no-build': { type: 'boolean', default: false },
        reset: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}

/** A reason not to start that is told in one sentence, without a stack. */
class Refusal extends Error {}

// --- One at a time ------------------------------------------------------------------------------------------------

/** Left in `.runtime/start.json` while running; `npm run sandbox:order` reads it too. */
interface Lock {
  pid: number;
  editor: string;
  ordersUrl: string;
}

const lockFile = join(runtime, 'start.json');

function runningInstance(): Lock | undefined {
  try {
    const lock = JSON.parse(readFileSync(lockFile, 'utf8')) as Lock;
    process.kill(lock.pid, 0);
    // The number may have been given to another process since.
    const commandLine = `/proc/${lock.pid}/cmdline`;
    if (existsSync('/proc/self/cmdline') && !readFileSync(commandLine, 'utf8').includes('start.ts')) return undefined;
    return lock;
  } catch {
    return undefined;
  }
}

// --- Ports --------------------------------------------------------------------------------------------------------

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function choosePort(wanted: string | undefined, usual: number, option: string): Promise<number> {
  if (wanted !== undefined) {
    const port = Number(wanted);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new Refusal(`${option} must be a port number from 1 to 65535.`);
    }
    if (!(await isFree(port))) throw new Refusal(`Port ${port} is taken. Choose another with ${option}.`);
    return port;
  }
  for (let port = usual; port < usual + 100; port++) if (await isFree(port)) return port;
  throw new Refusal(`No port from ${usual} to ${usual + 99} is free. Choose one with ${option}.`);
}

// --- What is kept between starts ------------------------------------------------------------------------------------

/** A secret of this installation, made at the first start. */
function keptSecret(name: string, make: () => string): string {
  const file = join(runtime, name);
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

/** What the environment has, else a secret of this installation. */
const given = (variable: string, name: string, make: () => string): string =>
  process.env[variable] ?? keptSecret(name, make);

/** As Standard Webhooks has them. */
const newWebhookSecret = (): string => `whsec_${randomBytes(24).toString('base64')}`;

interface FlowNode {
  id: string;
  type: string;
  url?: string;
}

/** In the order in which a document goes through them; the editor opens with the first. Others follow by name. */
const tabs = [
  'procurement-requisition.json',
  'procurement-supply.json',
  'procurement.json',
  'procurement-bills.json',
  'billing.json',
];

/** The reference flows as one. They share their config nodes, so the same id appears in several files. */
function referenceFlows(): FlowNode[] {
  const place = (file: string): number => (tabs.indexOf(basename(file)) + tabs.length + 1) % (tabs.length + 1);
  const sources = globSync('flows/*.json', { cwd: root }).sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  const nodes = sources.flatMap((file) => JSON.parse(readFileSync(join(root, file), 'utf8')) as FlowNode[]);
  return [...new Map(nodes.map((node) => [node.id, node])).values()];
}

/** Deploys as the editor does: only so does Node-RED take credentials that stand in a flow. */
async function deploy(editor: string, flows: FlowNode[]): Promise<void> {
  const response = await fetch(`${editor}flows`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'node-red-api-version': 'v2' },
    body: JSON.stringify({ flows }),
  });
  if (!response.ok) throw new Refusal(`Node-RED refused the reference flows: ${await response.text()}`);
}

// --- Processes ----------------------------------------------------------------------------------------------------

const children: { title: string; process: OwnedProcess }[] = [];
let stopping: Promise<void> | undefined;

function startChild(title: string, logName: string, args: string[], env: Record<string, string>): OwnedProcess {
  const child = spawnOwned(process.execPath, args, { cwd: root, env: { ...process.env, ...env } });
  const log = createWriteStream(join(runtime, logName), { flags: 'a' });
  child.onOutput((chunk) => log.write(chunk));
  children.unshift({ title, process: child });
  return child;
}

async function ready(title: string, child: OwnedProcess, url: string): Promise<void> {
  await waitUntil(
    `${title} answered`,
    async () => child.exit() !== undefined || (await fetch(url, { signal: AbortSignal.timeout(2_000) })).status < 500,
    120_000,
    100,
  );
  if (child.exit() !== undefined) throw new Refusal(`${title} did not start. It said:\n${child.output()}`);
}

/** A second signal waits with the first: npm passes on what the terminal has sent to the whole group already. */
async function stop(exitCode: number): Promise<never> {
  stopping ??= stopChildren();
  await stopping;
  process.exit(exitCode);
}

async function stopChildren(): Promise<void> {
  // Node-RED before what it talks to: it finishes what it has in hand.
  for (const { process: child } of children) await child.stop(13_000);
  rmSync(lockFile, { force: true });
}

// --- The start ------------------------------------------------------------------------------------------------------

async function main(): Promise<void> {
  const running = runningInstance();
  if (running !== undefined) {
    throw new Refusal(
      `npm start is already running (process ${running.pid}): the editor is at ${running.editor}\nEnd it there with Ctrl-C, then start again.`,
    );
  }
  if (options.reset) rmSync(runtime, { recursive: true, force: true });
  // Holds secrets, the store's documents and logs.
  mkdirSync(runtime, { recursive: true, mode: 0o700 });
  chmodSync(runtime, 0o700);

  if (!options['no-build']) {
    console.log('Building …');
    const build = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { cwd: root, encoding: 'utf8' });
    if (build.status !== 0) throw new Refusal(`The build failed:\n${build.stdout}${build.stderr}`);
  }
  // Edits made in the editor are kept; --reset brings the originals back.
  const flowFile = join(runtime, 'flows.json');
  const isFirstStart = !existsSync(flowFile);
  const flows = isFirstStart ? referenceFlows() : (JSON.parse(readFileSync(flowFile, 'utf8')) as FlowNode[]);

  const port = await choosePort(options.port, 1880, '--port');
  const editor = `http://127.0.0.1:${port}/`;
  const route = flows.find((node) => node.id === 'hf-webhook')?.url ?? '/procurement/orders';
  const ordersUrl = new URL(route, editor).href;
  writeFileSync(lockFile, JSON.stringify({ pid: process.pid, editor, ordersUrl } satisfies Lock));

  const odoo = await odooAccess();
  const webhookSecret = keptSecret('webhook-secret', newWebhookSecret);
  const amqp = options.rabbitmq ?? process.env.HEALTHFLOWS_AMQP_URL;
  const postgres = options.postgres ?? process.env.HEALTHFLOWS_POSTGRES_URL;
  const partners = await partnerAccess(editor, webhookSecret);
  const environment: Record<string, string> = {
    ...partners.env,
    HEALTHFLOWS_PORT: String(port),
    HEALTHFLOWS_CREDENTIAL_SECRET: keptSecret('credential-secret', () => randomBytes(32).toString('hex')),
    SUPPLIER_WEBHOOK_SECRET: webhookSecret,
    ODOO_URL: odoo.url,
    ODOO_DB: odoo.database,
    ODOO_LOGIN: odoo.login,
    ODOO_API_KEY: odoo.apiKey,
    ...(amqp === undefined ? {} : { HEALTHFLOWS_AMQP_URL: amqp }),
    ...(postgres === undefined ? {} : { HEALTHFLOWS_POSTGRES_URL: postgres }),
  };

  console.log('Starting Node-RED …');
  const nodeRed = startChild(
    'Node-RED',
    'node-red.log',
    [
      join(root, 'node_modules/node-red/red.js'),
      '--settings',
      join(root, 'sandbox/settings.cjs'),
      '--userDir',
      runtime,
    ],
    environment,
  );
  await ready('Node-RED', nodeRed, `${editor}settings`);
  if (isFirstStart) await deploy(editor, flows);
  for (const { title, process: child } of children) {
    void child.ended.then(() => {
      if (stopping !== undefined) return;
      console.error(`${title} ended by itself. Its last words:\n${child.output().slice(-4_000)}`);
      void stop(1);
    });
  }
  printWelcome({ editor, ordersUrl, odoo, partners, amqp, postgres, webhookSecret });
}

interface OdooAccess {
  url: string;
  database: string;
  login: string;
  apiKey: string;
  isSandbox: boolean;
}

async function odooAccess(): Promise<OdooAccess> {
  const url = options.odoo ?? process.env.ODOO_URL;
  if (url !== undefined) {
    const missing = ['ODOO_DB', 'ODOO_LOGIN', 'ODOO_API_KEY'].filter((name) => !process.env[name]);
    if (missing.length > 0) {
      throw new Refusal(`To use the Odoo at ${url}, set ${missing.join(', ')} in the environment as well.`);
    }
    const { ODOO_DB, ODOO_LOGIN, ODOO_API_KEY } = process.env as Record<string, string>;
    return { url, database: ODOO_DB!, login: ODOO_LOGIN!, apiKey: ODOO_API_KEY!, isSandbox: false };
  }
  console.log('Starting the sandbox Odoo …');
  const port = await choosePort(options['odoo-port'], 8069, '--odoo-port');
  const data = join(runtime, 'sandbox-odoo.data');
  const sandbox = startChild(
    'The sandbox Odoo',
    'sandbox-odoo.log',
    [join(root, 'sandbox/odoo/cli.ts'), '--port', String(port), '--data', data],
    {},
  );
  const address = `http://127.0.0.1:${port}`;
  await ready('The sandbox Odoo', sandbox, `${address}/sandbox/state`);
  return { url: address, database: 'sandbox', login: 'bot', apiKey: apiKeys.bot, isSandbox: true };
}

interface PartnerAccess {
  /** Address of the sandbox's partners; undefined where all of them are real. */
  url: string | undefined;
  /** What Node-RED is told of them. */
  env: Record<string, string>;
}

/** Partners that stand in for those of which no address was given. */
async function partnerAccess(editor: string, webhookSecret: string): Promise<PartnerAccess> {
  const { CABINET_URL: cabinet, PAYER_URL: payer } = process.env;
  const supplier = options.supplier ?? process.env.SUPPLIER_URL;
  const supplierKey =
    supplier === undefined
      ? keptSecret('supplier-api-key', () => randomBytes(24).toString('hex'))
      : (process.env.SUPPLIER_API_KEY ?? '');
  const env = {
    HEALTHFLOWS_URL: editor.slice(0, -1),
    SUPPLIER_API_KEY: supplierKey,
    CABINET_WEBHOOK_SECRET: given('CABINET_WEBHOOK_SECRET', 'cabinet-secret', newWebhookSecret),
    CHARGES_WEBHOOK_SECRET: given('CHARGES_WEBHOOK_SECRET', 'charges-secret', newWebhookSecret),
    HOSPITAL_WEBHOOK_SECRET: given('HOSPITAL_WEBHOOK_SECRET', 'hospital-secret', newWebhookSecret),
    PAYER_WEBHOOK_SECRET: given('PAYER_WEBHOOK_SECRET', 'payer-secret', newWebhookSecret),
    HEALTHFLOWS_PSEUDONYM_KEY: given('HEALTHFLOWS_PSEUDONYM_KEY', 'pseudonym-key', () =>
      randomBytes(32).toString('hex'),
    ),
  };
  if (supplier !== undefined && cabinet !== undefined && payer !== undefined) {
    return { url: undefined, env: { ...env, SUPPLIER_URL: supplier, CABINET_URL: cabinet, PAYER_URL: payer } };
  }
  console.log('Starting the sandbox partners …');
  const port = await choosePort(options['partners-port'], 8070, '--partners-port');
  const host = startChild(
    'The sandbox partners',
    'sandbox-partners.log',
    [join(root, 'sandbox/partners/cli.ts'), '--port', String(port)],
    { ...env, SUPPLIER_WEBHOOK_SECRET: webhookSecret, CABINET_FILE: join(runtime, 'sandbox-cabinet.json') },
  );
  const url = `http://127.0.0.1:${port}`;
  await ready('The sandbox partners', host, url);
  return {
    url,
    env: {
      ...env,
      SUPPLIER_URL: supplier ?? `${url}/supplier`,
      CABINET_URL: cabinet ?? `${url}/cabinet`,
      PAYER_URL: payer ?? `${url}/payer`,
    },
  };
}

// --- What to do next --------------------------------------------------------------------------------------------------

interface Welcome {
  editor: string;
  ordersUrl: string;
  odoo: OdooAccess;
  partners: PartnerAccess;
  amqp: string | undefined;
  postgres: string | undefined;
  webhookSecret: string;
}

/** A URL as it may be shown. */
function withoutPassword(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return shown.href;
}

const isSandbox = ({ url, env }: PartnerAccess, name: string): string =>
  url !== undefined && env[name]?.startsWith(`${url}/`) ? '/  (sandbox)' : '';

function printWelcome({ editor, ordersUrl, odoo, partners, amqp, postgres, webhookSecret }: Welcome): void {
  const key = Buffer.from(webhookSecret.slice('whsec_'.length), 'base64').toString('hex');
  writeFileSync(join(runtime, 'webhook-key.hex'), key, { mode: 0o600 });
  const number = `PO-${Math.floor(Date.now() / 1000)}`;
  writeFileSync(join(runtime, 'order.json'), orderDocument(number));
  const post = [
    `curl -i ${ordersUrl} -H 'content-type: application/json'`,
    `-H "webhook-id: $ID" -H "webhook-timestamp: $TIME" -H "webhook-signature: v1,$SIGNATURE"`,
    `--data-binary @${shown}/order.json`,
  ].join(' ');
  const sign = [
    `SIGNATURE=$({ printf '%s.%s.' $ID $TIME; cat ${shown}/order.json; }`,
    `openssl dgst -sha256 -mac HMAC -macopt hexkey:$(cat ${shown}/webhook-key.hex) -binary`,
    'base64)',
  ].join(' | ');

  console.log(`
Running. Everything listens on this machine only, and therefore asks for no login.

  Editor        ${editor}
  Console       ${editor}healthflows/console
  Odoo          ${odoo.url}${odoo.isSandbox ? '/  (sandbox: a stand-in, not Odoo)' : ''}
  Supplier      ${partners.env.SUPPLIER_URL}${isSandbox(partners, 'SUPPLIER_URL')}
  Cabinet       ${partners.env.CABINET_URL}${isSandbox(partners, 'CABINET_URL')}
  Payer         ${partners.env.PAYER_URL}${isSandbox(partners, 'PAYER_URL')}
  Store         ${postgres === undefined ? `SQLite in ${shown}/` : withoutPassword(postgres)}
  Queue         ${amqp === undefined ? 'embedded' : withoutPassword(amqp)}
  Orders go to  ${ordersUrl}
  Logs          ${shown}/node-red.log${odoo.isSandbox ? `, ${shown}/sandbox-odoo.log` : ''}${partners.url === undefined ? '' : `, ${shown}/sandbox-partners.log`}

Try it, in another terminal in this folder:

  # A supplier sends a signed order: 202, and a purchase order in Odoo.
  npm run sandbox:order

  # The same order again: the stored reply, still one purchase order.
  npm run sandbox:order -- --again

  # A bad signature: 401, and nothing goes on.
  npm run sandbox:order -- --bad-signature

The same with curl; the second post is a duplicate, the third has a bad signature:

  ID=msg_${number} TIME=$(date +%s)
  ${sign}
  ${post}
  ${post}
  ${post.replace('v1,$SIGNATURE', 'v1,AAAA')}
${
  odoo.isSandbox
    ? `
  # Odoo is down for a minute: orders are accepted all the same, and delivered when it is back.
  curl -X POST ${odoo.url}/sandbox/down -d '{"ms": 60000}'
`
    : ''
}
Ctrl-C stops everything. Your changes are kept in ${shown}/; npm start -- --reset starts afresh.`);
}

// --- Go -----------------------------------------------------------------------------------------------------------------

if (options.help) {
  console.log(help);
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stopping === undefined) console.log('\nStopping …');
    void stop(0);
  });
}
// The children do not keep this process alive.
setInterval(() => {}, 2 ** 30);
try {
  await main();
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error);
  if (children.length > 0) await stop(1);
  process.exit(1);
}

/** Every line of the log that a node of this package writes is one JSON object: each kind of node, working and failing. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type EmbeddedNodeRed,
  embedNodeRed,
  type FlowNode,
  type LogEntry,
  packageRoot,
  paletteTypes,
} from '../support/node-red.ts';
import { apiKeys, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { partner } from '../partner/support.ts';
import { waitUntil } from '../support/processes.ts';
import { exampleSecret, signStandard } from '../webhook/sign.ts';

const patient = 'QXPATIENT';
/** These begin a flow, or are no part of one. */
const withoutInput = new Set(['amqp-consume', 'odoo-changes', 'dead-letter', 'webhook-verifier']);

let red: EmbeddedNodeRed;
const flows = new Map<string, FlowNode>();
const lines: LogEntry[] = [];

before(async () => {
  red = await embedNodeRed({
    settings: {
      logging: {
        memory: {
          level: 'debug',
          metrics: false,
          audit: false,
          handler: () => (entry: LogEntry) => void lines.push(entry),
        },
      },
    },
  });
  for (const file of globSync('{examples/*,flows}/*.json', { cwd: packageRoot })) {
    for (const node of JSON.parse(readFileSync(join(packageRoot, file), 'utf8')) as FlowNode[])
      flows.set(node.id, node);
  }
  await red.setFlows([...flows.values()]);
});
after(() => red?.stop());

const types = new Set(paletteTypes());
const ofOurs = () => lines.filter(({ type }) => type !== undefined && types.has(type));

interface Line {
  /** Node-RED's own form of an error. */
  __enc__?: unknown;
  event?: unknown;
  stage?: unknown;
  outcome?: unknown;
}
/** Undefined when it is no JSON object. */
function parsed({ msg }: LogEntry): Line | undefined {
  if (typeof msg !== 'string') return undefined;
  try {
    const value = JSON.parse(msg) as unknown;
    return typeof value === 'object' && value !== null ? (value as Line) : undefined;
  } catch {
    return undefined;
  }
}
/** Lines of hops come from the console's plugin, which is no node. */
const hops = () => lines.map(parsed).filter((line) => line?.event === 'hop');

test('each kind of node writes its hops, and whatever else it says, as one JSON object with an event', async () => {
  const working = [...flows.values()].filter(({ type, z }) => types.has(type) && z !== undefined);
  const stages = new Set(working.map(({ type }) => type).filter((type) => !withoutInput.has(type)));
  for (const wanted of ['approval', 'reconcile', 'document-match', 'partner-send', 'odoo-rpc', 'settle']) {
    assert.ok(stages.has(wanted), `${wanted} is in an example`);
  }
  for (const { id, type } of working) {
    if (withoutInput.has(type)) continue;
    red.node(id).receive({ payload: { patient, name: `${patient}-2`, lines: [`${patient}-3`] } });
  }
  await waitUntil(
    'each kind of node has told of a hop',
    () => {
      const told = new Set(hops().map((line) => line!.stage));
      return [...stages].every((stage) => told.has(stage));
    },
    60_000,
  ).catch((error: unknown) => {
    const told = new Set(hops().map((line) => line!.stage));
    throw new Error(`Nothing of ${[...stages].filter((stage) => !told.has(stage)).join(', ')}`, { cause: error });
  });
  await sleep(200);
  const odd = ofOurs().filter((entry) => {
    // An error that no Catch node takes is written by Node-RED itself, in its own form.
    const line = parsed(entry);
    if (entry.level === 20 && (typeof entry.msg === 'object' || line?.__enc__ === true)) return false;
    return line === undefined || typeof line.event !== 'string' || line.event === '';
  });
  assert.deepEqual(
    odd.map(({ type, msg }) => `${type}: ${String(msg)}`),
    [],
  );
  assert.ok(ofOurs().length > 0);
});

test('a hop that failed is a warning with class and code, one that went well a debug line', () => {
  const told = lines.filter((entry) => parsed(entry)?.event === 'hop');
  assert.ok(told.some(({ level }) => level === 30));
  for (const entry of told) {
    const line = parsed(entry) as Record<string, unknown>;
    assert.equal(entry.level, line.outcome === 'failed' ? 30 : 50);
    if (line.outcome === 'failed') assert.match(`${String(line.class)} ${String(line.code)}`, /^[a-z-]+ [A-Z0-9_]+$/);
  }
});

test('no line quotes the documents that were sent', () => {
  const all = lines.map(({ msg }) => (msg instanceof Error ? `${msg.message} ${msg.stack}` : JSON.stringify(msg)));
  assert.deepEqual(
    all.filter((text) => text?.includes(patient)),
    [],
  );
});

test('sources tell of each message they take in, and of each they refuse, as one line with its ids', async () => {
  const odoo = await startSandboxOdoo();
  const acme = await partner();
  try {
    const z = 'sources';
    await red.setFlows([
      { id: z, type: 'tab', label: 'Sources' },
      { id: 's', type: 'integration-store', engine: 'sqlite', file: 'sources.sqlite', configVersion: 1 },
      { id: 'a', type: 'amqp-connection', engine: 'embedded', namespace: 'log', store: 's', configVersion: 1 },
      {
        id: 'hook',
        z,
        type: 'webhook-verifier',
        url: '/log/orders',
        scheme: 'standard-webhooks',
        keys: [{ id: 'partner', slot: 1, env: '' }],
        credentials: { secret1: exampleSecret },
        eventType: 'order',
        configVersion: 1,
        wires: [['publish'], []],
      },
      { id: 'publish', z, type: 'amqp-publish', connection: 'a', configVersion: 1, wires: [['reply']] },
      { id: 'reply', z, type: 'http response', statusCode: '202', wires: [] },
      {
        id: 'consume',
        z,
        type: 'amqp-consume',
        connection: 'a',
        queue: 'q',
        bindings: '#',
        configVersion: 1,
        wires: [['end']],
      },
      {
        id: 'odoo',
        type: 'odoo-server',
        url: odoo.url,
        database: odoo.database,
        configVersion: 1,
        credentials: { apiKey: apiKeys.bot },
      },
      {
        id: 'changes',
        z,
        type: 'odoo-changes',
        server: 'odoo',
        store: 's',
        model: 'res.partner',
        fields: 'name',
        start: 'all',
        interval: 0,
        configVersion: 1,
        wires: [['send']],
      },
      { id: 'acme', type: 'partner-endpoint', name: 'ACME', url: acme.url, configVersion: 1 },
      {
        id: 'send',
        z,
        type: 'partner-send',
        endpoint: 'acme',
        most: 'any',
        path: '/partners',
        configVersion: 1,
        wires: [['end']],
      },
      { id: 'end', z, type: 'settle', outcome: 'done', configVersion: 1, wires: [[]] },
    ]);
    const from = lines.length;
    const body = JSON.stringify({ patient });
    const post = (headers: Record<string, string>) =>
      fetch(`${red.url}/log/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      });
    const signed = signStandard(body);
    assert.equal((await post(signed)).status, 202);
    assert.equal((await post({ ...signed, 'webhook-signature': 'v1,AAAA' })).status, 401);
    red.node('changes').receive({});
    const records = odoo.records('res.partner').length;
    await waitUntil('all were sent', () => acme.received.length === records);
    const told = () =>
      lines.slice(from).flatMap((entry) => {
        const line = parsed(entry) as Record<string, unknown> | undefined;
        return line?.event === undefined ? [] : [line];
      });
    const of = (event: string, stage: string) => told().filter((one) => one.event === event && one.stage === stage);
    await waitUntil(
      'each has told',
      () => of('taken', 'amqp-consume').length === 1 && of('hop', 'settle').length > records,
    );
    const id = signed['webhook-id'];
    for (const stage of ['webhook-verifier', 'amqp-consume']) {
      const [taken, ...more] = of('taken', stage);
      assert.deepEqual([taken!.messageId, taken!.correlationId, more.length], [id, id, 0], stage);
      assert.match(String(taken!.trace), /^[0-9a-f]{32}$/);
    }
    const refused = of('hop', 'webhook-verifier').filter(({ outcome }) => outcome === 'failed');
    assert.equal(refused.length, 1);
    assert.equal(of('taken', 'odoo-changes').length, records);
    for (const line of of('taken', 'odoo-changes')) assert.match(String(line.correlationId), /^res\.partner:/);
    assert.equal(of('hop', 'partner-send').length, records);
    const odd = ofOurs().filter((entry) => lines.indexOf(entry) >= from && typeof parsed(entry)?.event !== 'string');
    assert.deepEqual(odd, []);
    assert.equal(JSON.stringify(lines.slice(from)).includes(patient), false);
  } finally {
    await red.setFlows([]);
    await odoo.close();
    acme.close();
  }
});

test('nothing in the sources writes into the log around the one form', () => {
  const around = globSync('nodes/**/*.ts', { cwd: packageRoot }).flatMap((file) => {
    const text = readFileSync(join(packageRoot, file), 'utf8');
    return [...text.matchAll(/\b(?:RED\.log\.\w+|console\.(?:log|warn|error))\(\s*([^\n]*)/g)]
      .filter(([, rest]) => !/^(?:defectLine|logLine)\(/.test(rest!))
      .map(([found]) => `${file}: ${found}`);
  });
  // Commands speak to the person who runs them.
  assert.deepEqual(
    around.filter((one) => !one.startsWith('nodes/idempotency/command/')),
    [],
  );
});

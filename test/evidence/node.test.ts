/** What came in is found again, byte for byte, from the message's timeline; and is tried in a dry run. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { RuntimeApi } from '../../nodes/node/node-red.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { send } from '../webhook/http.ts';
import { exampleSecret, signStandard } from '../webhook/sign.ts';

interface Original {
  id: string;
  sender: string;
  node: string;
  form: string;
  size: number;
  kept: boolean;
  encrypted: boolean;
  contentType: string;
}
interface Life {
  hops: { stage: string; mapping: { values?: { target: string; result?: unknown }[] } | null }[];
  originals: Original[];
  mayReveal: boolean;
}
interface Trial {
  kept: number;
  locked: boolean;
  away: string[];
  values: boolean;
  runs: { key: string; origin: string; event: string; outcome: string; verdict: string; changes: { path: string }[] }[];
}

const library = (name: string): Buffer => readFileSync(`${packageRoot}/test/canonical/library/${name}`);

/** One document of each format, none of them in the plainest form that it could have. */
const formats: { name: string; type: string; mapping: string }[] = [
  { name: 'ubl/order-latin1-missing-parts.xml', type: 'application/xml', mapping: 'ubl-order-to-order' },
  { name: 'x12/850-release-5010-fs.edi', type: 'application/edi-x12', mapping: 'x12-850-to-order' },
  { name: 'hl7v2/dft-credit-lf-mllp.hl7', type: 'text/plain', mapping: 'hl7-dft-to-charge' },
  {
    name: 'fhir/supply-request-decimal-kept.json',
    type: 'application/fhir+json',
    mapping: 'fhir-supply-request-to-requisition',
  },
  { name: 'csv/order-semicolon-decimal-comma.csv', type: 'text/csv', mapping: 'csv' },
];

const csv = readFileSync(`${packageRoot}/test/canonical/library/csv/order-csv-to-order.mapping.json`, 'utf8');
const mapper = (id: string, mapping: string, more: object = {}): FlowNode => ({
  id,
  z: 'f1',
  type: 'canonical-mapper',
  configVersion: 1,
  mode: 'to-canonical',
  ...(mapping === 'csv' ? { edited: csv } : { mapping }),
  wires: [['reply']],
  ...more,
});
const verifier = (id: string, url: string, to: string, more: object): FlowNode => ({
  id,
  z: 'f1',
  type: 'webhook-verifier',
  configVersion: 1,
  url,
  contentTypes: 'application/json, application/*+json, application/xml, application/edi-x12, text/*',
  source: '/suppliers/acme',
  keys: [{ id: 'k', slot: 1 }],
  credentials: { secret1: exampleSecret },
  store: 'store',
  wires: [[to], []],
  ...more,
});

const flow: FlowNode[] = [
  { id: 'f1', type: 'tab', label: 'evidence' },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'evidence.sqlite', configVersion: 1 },
  ...formats.flatMap(({ mapping }, n) => [
    verifier(`in-${n}`, `/in/${n}`, `map-${n}`, { originals: true }),
    mapper(`map-${n}`, mapping),
  ]),
  verifier('plain', '/plain', 'map-plain', {}),
  mapper('map-plain', 'x12-850-to-order'),
  verifier('in-acme', '/acme', 'map-plain', { originals: true }),
  verifier('in-globex', '/globex', 'map-plain', { originals: true, source: '/suppliers/globex' }),
  mapper('own', 'x12-850-to-order', { originals: true, store: 'store', name: 'Orders by file' }),
  {
    id: 'reply',
    z: 'f1',
    type: 'function',
    func: 'msg.statusCode = 202; msg.payload = ""; return msg;',
    outputs: 1,
    wires: [['answer', 'end']],
  },
  { id: 'answer', z: 'f1', type: 'http response', statusCode: '', headers: {}, wires: [] },
  { id: 'end', z: 'f1', type: 'debug', active: false, wires: [] },
  { id: 'amqp', type: 'amqp-connection', engine: 'embedded', namespace: 'hf', store: 'store', configVersion: 1 },
  { id: 'publish', z: 'f1', type: 'amqp-publish', connection: 'amqp', configVersion: 1, wires: [[]] },
  {
    id: 'consume',
    z: 'f1',
    type: 'amqp-consume',
    connection: 'amqp',
    queue: 'orders',
    bindings: '#',
    configVersion: 1,
    wires: [['queued']],
  },
  mapper('queued', 'x12-850-to-order', { wires: [['settle']] }),
  { id: 'settle', z: 'f1', type: 'settle', outcome: 'auto', configVersion: 1, wires: [['settled']] },
  { id: 'settled', z: 'f1', type: 'debug', active: false, wires: [] },
  { id: 'catch', z: 'f1', type: 'catch', scope: ['queued'], wires: [['settle']] },
  {
    id: 'dead',
    z: 'f1',
    type: 'dead-letter',
    connection: 'amqp',
    store: 'store',
    queue: 'orders',
    configVersion: 1,
    wires: [[]],
  },
];

const people: Record<string, string[]> = {
  admin: ['*'],
  auditor: ['healthflows.view', 'healthflows.reveal'],
  viewer: ['healthflows.view'],
  analyst: ['healthflows.view', 'healthflows.configure'],
  'acme.auditor': ['healthflows.view', 'healthflows.reveal', 'healthflows.partner:/suppliers/acme'],
  'acme.analyst': ['healthflows.configure', 'healthflows.reveal', 'healthflows.partner:/suppliers/acme'],
  'flow.auditor': ['healthflows.view', 'healthflows.reveal', 'healthflows.flow:evidence'],
  'globex.auditor': ['healthflows.view', 'healthflows.reveal', 'healthflows.partner:/suppliers/globex'],
};

describe('what came in', () => {
  let red: EmbeddedNodeRed;
  let token = 0;
  before(async () => {
    const known = (name: string) =>
      Promise.resolve(people[name] === undefined ? null : { username: name, permissions: people[name] });
    red = await embedNodeRed({
      settings: {
        adminAuth: { type: 'credentials', users: known, tokens: known },
      } as unknown as RuntimeApi['settings'],
    });
    await red.setFlows(flow);
  });
  after(() => red?.stop());

  const ask = async <T>(
    who: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: T; text: string }> => {
    const response = await fetch(`${red.url}/healthflows/${path}`, {
      headers: { authorization: `Bearer ${who}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: JSON.parse(text) as T, text };
  };
  const lifeOf = (id: string, who = 'auditor') =>
    waitUntil(
      `the journal has ${id}`,
      async () => {
        const { status, body } = await ask<Life>(who, `console/api/messages/${id}`);
        return status === 200 && body.hops.some(({ stage }) => stage === 'canonical-mapper') ? body : undefined;
      },
      20_000,
    );
  const reveal = (who: string, message: string, original: string, reason: string) =>
    ask<{ base64: string; size: number; form: string }>(
      who,
      `console/api/messages/${message}/originals/${original}/reveal`,
      {
        token: `token-of-the-test-${++token}`,
        reason,
      },
    );
  const post = (path: string, body: Buffer, type: string, id: string) =>
    send(`${red.url}${path}`, { body, headers: { 'content-type': type, ...signStandard(body, { id }) } });

  for (const [n, { name, type }] of formats.entries()) {
    test(`is opened byte for byte by an auditor: ${name}`, async () => {
      const bytes = library(name);
      assert.equal((await post(`/in/${n}`, bytes, type, `format-${n}`)).status, 202);
      const { originals, mayReveal } = await lifeOf(`format-${n}`);
      assert.deepEqual(
        originals.map(({ form, size, kept, contentType }) => [form, size, kept, contentType]),
        [['bytes', bytes.length, true, type]],
      );
      assert.equal(mayReveal, true);
      const { status, body } = await reveal('auditor', `format-${n}`, originals[0]!.id, 'tax audit 2026');
      assert.equal(status, 200);
      assert.deepEqual(Buffer.from(body.base64, 'base64'), bytes);
    });
  }

  test('is kept once however often the sender repeats it, and the timeline tells no content', async () => {
    const bytes = library('x12/850-release-5010-fs.edi');
    assert.equal((await post('/in/1', bytes, 'application/edi-x12', 'format-1')).status, 202);
    const { text, body } = await ask<Life>('viewer', 'console/api/messages/format-1');
    assert.equal(body.originals.length, 1);
    assert.equal(body.mayReveal, false);
    // A name and a price of the document, and its digest, by which a guess could be proven.
    assert.ok(bytes.includes('44.1000'));
    assert.doesNotMatch(text, /44\.1000|[0-9a-f]{64}/);
  });

  test('opens for nobody without the permission, the scope or a reason, and each opening is on record', async () => {
    const { originals } = await lifeOf('format-0');
    const { id } = originals[0]!;
    assert.equal((await reveal('viewer', 'format-0', id, 'curious')).status, 403);
    assert.equal((await reveal('globex.auditor', 'format-0', id, 'not ours')).status, 422);
    assert.equal((await reveal('auditor', 'format-0', id, ' ')).status, 422);
    assert.equal((await reveal('auditor', 'format-1', id, 'of another message')).status, 422);
    assert.equal((await reveal('acme.auditor', 'format-0', id, 'our own order')).status, 200);
    const { body } = await ask<{ records: Record<string, unknown>[] }>(
      'admin',
      'console/api/audit?action=message.revealed',
    );
    const told = body.records
      .filter(({ subject }) => subject === 'format-0')
      .map(({ actor, reason, node }) => [actor, reason, node]);
    assert.deepEqual(told.toSorted(), [
      ['acme.auditor', 'our own order', 'in-0'],
      ['auditor', 'tax audit 2026', 'in-0'],
    ]);
  });

  test("is its sender's alone, also where another sender chose the same id", async () => {
    const ours = library('x12/850-standard-duns.edi');
    const theirs = library('x12/850-release-5010-fs.edi');
    const type = 'application/edi-x12';
    assert.equal((await post('/acme', ours, type, '1001')).status, 202);
    await lifeOf('1001');
    assert.equal((await post('/globex', theirs, type, '1001')).status, 202);
    const all = (await lifeOf('1001')).originals;
    assert.deepEqual(
      all.map(({ sender, size }) => [sender, size]),
      [
        ['/suppliers/acme', ours.length],
        ['/suppliers/globex', theirs.length],
      ],
    );
    const own = (await lifeOf('1001', 'acme.auditor')).originals;
    assert.deepEqual(own, all.slice(0, 1));
    assert.equal((await reveal('acme.auditor', '1001', all[1]!.id, 'not ours')).status, 422);
    assert.equal((await reveal('acme.auditor', '1001', all[0]!.id, 'our own')).status, 200);
    // Of a flow alone, the person sees what the sender of its message sent.
    assert.deepEqual((await lifeOf('1001', 'flow.auditor')).originals, own);
  });

  test('is not kept unless somebody says so', async () => {
    assert.equal(
      (await post('/plain', library('x12/850-standard-duns.edi'), 'application/edi-x12', 'plain-1')).status,
      202,
    );
    assert.deepEqual((await lifeOf('plain-1')).originals, []);
  });

  test('by another way than HTTP is kept by the mapper, also when it is refused; a timeline does not read it', async () => {
    const bytes = library('x12/850-standard-duns.edi');
    const arrived = red.receive('end');
    red
      .node('own')
      .receive({ payload: bytes, event: { specversion: '1.0', id: 'file-1', source: 'files', type: 'order' } });
    await arrived;
    const { originals, hops } = await lifeOf('file-1');
    assert.deepEqual(
      originals.map(({ node, form, size }) => [node, form, size]),
      [['Orders by file', 'bytes', bytes.length]],
    );
    assert.equal(hops.find(({ stage }) => stage === 'canonical-mapper')!.mapping!.values, undefined);
    red.node('own').receive({
      payload: 'ISA*nonsense',
      event: { specversion: '1.0', id: 'file-2', source: 'files', type: 'order' },
    });
    const refused = await lifeOf('file-2');
    const opened = await reveal('auditor', 'file-2', refused.originals[0]!.id, 'the sender asks');
    assert.equal(Buffer.from(opened.body.base64, 'base64').toString(), 'ISA*nonsense');
    assert.equal(opened.body.form, 'text');
  });

  describe('a dry run', () => {
    const bytes = library('x12/850-standard-duns.edi');
    const queue = (id: string, payload: Buffer) => {
      red.node('publish').receive({
        payload,
        event: {
          specversion: '1.0',
          id,
          source: '/suppliers/acme',
          type: 'order.placed',
          datacontenttype: 'application/edi-x12',
        },
      });
    };
    const draft = async (): Promise<{
      rows: Record<string, unknown>[];
      lookups: Record<string, { entries: object[] }>;
    }> => (await ask<never>('admin', 'canonical-mapper/mappings/x12-850-to-order')).body;
    const trial = async (who: string, node: string, mapping: object) =>
      ask<Trial>(who, 'canonical-mapper/dry-run', { node, mapping: JSON.stringify(mapping) });

    test('tries dead letters of the mapper: what was refused and would now pass', async () => {
      // A kind of order that the table does not have.
      const bad = Buffer.from(bytes.toString('latin1').replace('BEG*00*SA*', 'BEG*00*QQ*'), 'latin1');
      assert.ok(!bad.equals(bytes));
      queue('letter-1', bad);
      await waitUntil(
        'the letter is collected',
        async () => {
          const { body } = await ask<{ letters: unknown[] }>('admin', 'console/api/letters?text=letter-1');
          return body.letters.length === 1 ? true : undefined;
        },
        20_000,
      );
      await lifeOf('letter-1');
      const lenient = await draft();
      lenient.lookups.type!.entries.push({ from: 'QQ', to: 'standard' });
      const { body } = await trial('admin', 'queued', lenient);
      const run = body.runs.find(({ event }) => event === 'letter-1');
      assert.deepEqual([run?.origin, run?.outcome, run?.verdict], ['letter', 'MAPPING_UNMAPPED_VALUE', 'mended']);
      const opened = await ask<{ sample: string }>('admin', 'canonical-mapper/open', {
        node: 'queued',
        key: run!.key,
        origin: 'letter',
        event: 'letter-1',
        reason: 'sample for the new unit',
      });
      assert.equal(opened.body.sample, bad.toString('utf8'));
      const elsewhere = await trial('admin', 'own', await draft());
      assert.ok(!elsewhere.body.runs.some(({ event }) => event === 'letter-1'), 'another mapper took it');
    });

    test('tries originals from the journal, whichever node kept them', async () => {
      const changed = await draft();
      changed.rows.find(({ to }) => to === 'number')!.transforms = ['trim', 'lower'];
      const { body } = await trial('admin', 'map-1', changed);
      assert.deepEqual(
        body.runs.map(({ event, origin }) => [event, origin]),
        [['format-1', 'original']],
      );
      const own = await trial('admin', 'own', await draft());
      assert.deepEqual(
        own.body.runs.map(({ event, verdict }) => [event, verdict]),
        [
          ['file-2', 'refused'],
          ['file-1', 'same'],
        ],
      );
    });

    test('opens a document of another character set as the text that it is', async () => {
      const file = (await ask<object>('admin', 'canonical-mapper/mappings/ubl-order-to-order')).body;
      const { body } = await trial('admin', 'map-0', file);
      const { key, origin, event, verdict } = body.runs[0]!;
      assert.deepEqual([event, verdict], ['format-0', 'same']);
      const opened = await ask<{ sample: string }>('admin', 'canonical-mapper/open', {
        node: 'map-0',
        key,
        origin,
        event,
        reason: 'a sample with accents',
      });
      assert.match(opened.body.sample, /<cbc:ID>É-9</);
    });

    test('of a mapping that is only begun lists what came, so that it can be its sample', async () => {
      const begun = {
        id: 'begun',
        version: '1.0.0',
        title: 'Begun',
        source: { format: 'x12', name: '850' },
        target: { entity: 'order' },
        rows: [],
      };
      const { body } = await trial('admin', 'own', begun);
      assert.deepEqual(
        body.runs.map(({ event, verdict }) => [event, verdict]),
        [
          ['file-2', 'listed'],
          ['file-1', 'listed'],
        ],
      );
      const { key, origin, event } = body.runs[1]!;
      const opened = await ask<{ sample: string }>('admin', 'canonical-mapper/open', {
        node: 'own',
        key,
        origin,
        event,
        reason: 'sample for a mapping of our own',
      });
      assert.equal(opened.body.sample, bytes.toString());
    });

    test('shows what the store holds to nobody who may not open it, says so, and is on record', async () => {
      const { status, body } = await trial('analyst', 'own', await draft());
      assert.equal(status, 200);
      assert.deepEqual([body.locked, body.values, body.runs], [true, false, []]);
      // What the store holds is of every partner.
      const scoped = await trial('acme.analyst', 'own', await draft());
      assert.deepEqual([scoped.status, scoped.body.locked, scoped.body.runs], [200, true, []]);
      assert.equal((await trial('auditor', 'own', await draft())).status, 403);
      const trail = await ask<{ records: { actor: string; node: string; subject: string }[] }>(
        'admin',
        'console/api/audit?action=mapping.tried',
      );
      assert.ok(trail.body.records.length > 0);
      assert.ok(trail.body.records.every(({ actor }) => actor === 'admin'));
      assert.ok(trail.body.records.some(({ subject }) => subject === 'x12-850-to-order'));
    });
  });
});

test('nothing is taken whose original cannot be kept: the sender is asked to come again', async () => {
  const red = await embedNodeRed();
  try {
    await red.setFlows([
      { id: 'f1', type: 'tab', label: 'evidence' },
      // Nobody listens there.
      {
        id: 'store',
        type: 'integration-store',
        engine: 'postgresql',
        url: 'postgres://127.0.0.1:1/none',
        configVersion: 1,
      },
      verifier('in', '/in', 'out', { originals: true }),
      { id: 'out', z: 'f1', type: 'debug', active: false, wires: [] },
    ]);
    let passed = 0;
    red.node('out').on('input', () => passed++);
    const body = Buffer.from('ISA*00*~');
    const headers = { 'content-type': 'application/edi-x12', ...signStandard(body, { id: 'lost-1' }) };
    const { status } = await send(`${red.url}/in`, { body, headers });
    assert.deepEqual([status, passed], [503, 0]);
  } finally {
    await red.stop();
  }
});

test('a dry run does without what a store that is away holds, and says so', async () => {
  const admin = () => Promise.resolve({ username: 'admin', permissions: ['*'] });
  const red = await embedNodeRed({
    settings: { adminAuth: { type: 'credentials', users: admin, tokens: admin } } as unknown as RuntimeApi['settings'],
  });
  try {
    await red.setFlows([
      { id: 'f1', type: 'tab', label: 'evidence' },
      { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'here.sqlite', configVersion: 1 },
      {
        id: 'away',
        type: 'integration-store',
        engine: 'postgresql',
        url: 'postgres://127.0.0.1:1/none',
        configVersion: 1,
      },
      mapper('own', 'x12-850-to-order', { keep: 5, wires: [['end']] }),
      { id: 'end', z: 'f1', type: 'debug', active: false, wires: [] },
    ]);
    const arrived = red.receive('end');
    red.node('own').receive({
      payload: library('x12/850-standard-duns.edi'),
      event: { specversion: '1.0', id: 'kept-1', source: 'files', type: 'order' },
    });
    await arrived;
    const ask = async (path: string, body?: object): Promise<{ status: number; body: unknown }> => {
      const response = await fetch(`${red.url}/healthflows/canonical-mapper/${path}`, {
        headers: { authorization: 'Bearer admin', 'content-type': 'application/json' },
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      });
      return { status: response.status, body: await response.json() };
    };
    const { body: mapping } = await ask('mappings/x12-850-to-order');
    const { status, body } = await ask('dry-run', { node: 'own', mapping: JSON.stringify(mapping) });
    const { away, runs } = body as Trial;
    assert.deepEqual([status, away, runs.map(({ event }) => event)], [200, ['letter', 'original'], ['kept-1']]);
  } finally {
    await red.stop();
  }
});

test('a node that cannot keep what it should is not deployed as if it could', async () => {
  const red = await embedNodeRed({ settings: { healthflows: { journal: false } } as never });
  try {
    await red.setFlows([
      { id: 'f1', type: 'tab', label: 'evidence' },
      { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'off.sqlite', configVersion: 1 },
      mapper('no-store', 'x12-850-to-order', { originals: true, wires: [[]] }),
      mapper('no-journal', 'x12-850-to-order', { originals: true, store: 'store', wires: [[]] }),
      { id: 'catch', z: 'f1', type: 'catch', scope: null, wires: [['caught']] },
      { id: 'caught', z: 'f1', type: 'debug', active: false, wires: [] },
    ]);
    for (const [node, code] of [
      ['no-store', 'NO_STORE'],
      ['no-journal', 'JOURNAL_OFF'],
    ] as const) {
      const caught = red.receive('caught');
      red.node(node).receive({ payload: 'ISA' });
      const [message] = await caught;
      assert.equal((message!.failure as { code: string }).code, code);
    }
  } finally {
    await red.stop();
  }
});

/**
 * Where Node-RED's own nodes reorder, hold and divide messages, the asynchronous context is another message's. These
 * promises hold a burst through each of them against the trace that each message brought.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { SpanKind, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { apiKeys, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { partner } from '../partner/support.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, type NodeRedVersion } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

const z = 'tab';
const probe = (id: string): FlowNode => ({ id, z, type: 'settle', outcome: 'done', configVersion: 1, wires: [[]] });
const split = {
  z,
  type: 'split',
  splt: '\\n',
  spltType: 'str',
  arraySplt: 1,
  arraySpltType: 'len',
  stream: false,
  addname: '',
  property: 'payload',
};
const join = {
  z,
  type: 'join',
  build: 'array',
  property: 'payload',
  propertyType: 'msg',
  accumulate: false,
  timeout: '',
};

/** A way through Node-RED, ending in one of our nodes. */
const paths: Record<string, FlowNode[]> = {
  direct: [],
  switch: [
    {
      id: '',
      z,
      type: 'switch',
      property: 'payload[0]',
      propertyType: 'msg',
      rules: [{ t: 'nnull' }],
      checkall: 'true',
      repair: false,
      outputs: 1,
      wires: [],
    },
  ],
  delay: [{ id: '', z, type: 'delay', pauseType: 'delay', timeout: '10', timeoutUnits: 'milliseconds', wires: [] }],
  'rate limit': [
    {
      id: '',
      z,
      type: 'delay',
      pauseType: 'rate',
      timeout: '5',
      timeoutUnits: 'seconds',
      rate: '200',
      nbRateUnits: '1',
      rateUnits: 'second',
      drop: false,
      allowrate: false,
      outputs: 1,
      wires: [],
    },
  ],
  batch: [
    {
      id: '',
      z,
      type: 'batch',
      mode: 'count',
      count: 5,
      overlap: 0,
      interval: 10,
      allowEmptySequence: false,
      topics: [],
      wires: [],
    },
  ],
  'split and join': [
    { ...split, id: '', wires: [] },
    { ...join, id: '', mode: 'auto', wires: [] },
  ],
  'asynchronous function': [
    {
      id: '',
      z,
      type: 'function',
      func: 'setTimeout(() => node.send(msg), 5 * Math.random());',
      outputs: 1,
      wires: [],
    },
  ],
};

const flows: FlowNode[] = [{ id: 'tab', type: 'tab', label: 'Paths' }];
for (const [name, nodes] of Object.entries(paths)) {
  const ids = [...nodes.map((_, index) => `${name}-${index}`), `${name}-end`];
  flows.push(
    { id: `${name}-in`, z, type: 'junction', wires: [[ids[0]!]] },
    ...nodes.map((node, index) => ({ ...node, id: ids[index]!, wires: [[ids[index + 1]!]] })),
    probe(`${name}-end`),
  );
}
flows.push(
  { id: 'four-in', z, type: 'junction', wires: [['four']] },
  { ...join, id: 'four', mode: 'custom', count: '4', wires: [['four-end']] },
  probe('four-end'),
  // The message comes from a source of ours, and a function forgets what is on it.
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'paths.sqlite', configVersion: 1 },
  { id: 'amqp', type: 'amqp-connection', engine: 'embedded', namespace: 'paths', store: 'store', configVersion: 1 },
  { id: 'publish', z, type: 'amqp-publish', connection: 'amqp', configVersion: 1, wires: [[]] },
  {
    id: 'consume',
    z,
    type: 'amqp-consume',
    connection: 'amqp',
    queue: 'q',
    bindings: '#',
    configVersion: 1,
    wires: [['forget', 'keep']],
  },
  {
    id: 'forget',
    z,
    type: 'function',
    name: 'Only the payload',
    func: 'return { payload: msg.payload };',
    outputs: 1,
    wires: [['forgot']],
  },
  probe('forgot'),
  { id: 'keep', z, type: 'function', name: 'Keeps all', func: 'return msg;', outputs: 1, wires: [['kept']] },
  probe('kept'),
);

/** Odoo's changes, in a burst and out of their order, to a partner. */
const changesToPartner = (odoo: { url: string; database: string }, url: string): FlowNode[] => [
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
    store: 'store',
    model: 'res.partner',
    fields: 'name, ref',
    start: 'all',
    interval: 0,
    page: 200,
    configVersion: 1,
    wires: [['shuffle']],
  },
  { ...paths['asynchronous function']![0]!, id: 'shuffle', wires: [['send']] },
  { id: 'partner', type: 'partner-endpoint', name: 'ACME', url, concurrency: 10, configVersion: 1 },
  {
    id: 'send',
    z,
    type: 'partner-send',
    endpoint: 'partner',
    most: 'any',
    path: '/partners',
    configVersion: 1,
    wires: [['sent']],
  },
  probe('sent'),
];

const burst = 40;

export function pathPromises(version: NodeRedVersion): void {
  describe(`traces through Node-RED's own nodes on ${version}`, { timeout: 180_000 }, () => {
    const exporter = new InMemorySpanExporter();
    let red: EmbeddedNodeRed;
    before(async () => {
      new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
      red = await embedNodeRed({ version });
      await red.setFlows(flows);
    });
    after(async () => {
      await red?.stop();
      trace.disable();
    });

    const settled = (node: string) =>
      exporter.getFinishedSpans().filter(({ attributes }) => attributes['healthflows.node.id'] === node);

    /** Sends a burst and returns for each correlation id the context it was sent with. */
    function send(node: string, prefix: string, count: number): Map<string, { traceId: string; spanId: string }> {
      const sent = new Map<string, { traceId: string; spanId: string }>();
      for (let index = 0; index < count; index++) {
        const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
        const id = `${prefix}-${index}`;
        sent.set(id, { traceId, spanId });
        red.node(node).receive({
          payload: [`${id} a`, `${id} b`],
          event: { id, source: '/t', type: 't', correlationid: id, traceparent: `00-${traceId}-${spanId}-01` },
        });
      }
      return sent;
    }

    for (const name of Object.keys(paths)) {
      it(`${name}: each of a burst goes on in its own trace`, async () => {
        const sent = send(`${name}-in`, name, burst);
        await waitUntil('all came through', () => settled(`${name}-end`).length === burst);
        for (const span of settled(`${name}-end`)) {
          const own = sent.get(String(span.attributes['healthflows.correlation_id']));
          assert.equal(span.spanContext().traceId, own?.traceId);
          assert.equal(span.parentSpanContext?.spanId, own?.spanId);
        }
      });
    }

    it('a join of several messages goes on in the trace of one of them, never in that of a stranger', async () => {
      const sent = send('four-in', 'four', 20);
      await waitUntil('five came through', () => settled('four-end').length === 5);
      for (const span of settled('four-end')) {
        const own = sent.get(String(span.attributes['healthflows.correlation_id']));
        assert.equal(span.spanContext().traceId, own?.traceId);
        assert.equal(span.parentSpanContext?.spanId, own?.spanId);
      }
    });

    it('changes of Odoo go to a partner at once, each in a trace of its own, and the partner gets that trace', async () => {
      const odoo = await startSandboxOdoo();
      // Answers come out of their order.
      const acme = await partner();
      try {
        for (let n = 0; n < burst; n++) {
          odoo.engine.transaction((env) => env.create('res.partner', { name: `Partner ${n}`, ref: null }));
        }
        const total = odoo.records('res.partner').length;
        await red.setFlows([...flows, ...changesToPartner(odoo, acme.url)]);
        red.node('changes').receive({});
        await waitUntil('all are settled', () => settled('sent').length === total);
        const spans = exporter.getFinishedSpans();
        const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
        const parentOf = (span: (typeof spans)[number]) => byId.get(span.parentSpanContext?.spanId ?? '');
        // The message that asks for a look has a span of its own.
        const consumed = settled('changes').filter(({ name }) => name !== 'odoo-changes');
        assert.equal(consumed.length, total);
        assert.equal(new Set(consumed.map((span) => span.spanContext().traceId)).size, total);
        for (const span of consumed) {
          assert.equal(span.name, 'process odoo:res.partner');
          assert.equal(span.kind, SpanKind.CONSUMER);
          assert.equal(span.parentSpanContext, undefined);
          assert.equal(span.attributes['healthflows.disposition'], 'done');
        }
        const correlation = 'healthflows.correlation_id';
        for (const node of ['send', 'sent']) {
          assert.equal(settled(node).length, total);
          for (const span of settled(node)) {
            const above = parentOf(span);
            assert.equal(above?.name, 'process odoo:res.partner');
            assert.equal(span.attributes[correlation], above?.attributes[correlation]);
          }
        }
        const calls = spans.filter(({ name }) => name === 'POST ACME');
        assert.equal(calls.length, total);
        for (const call of calls) {
          assert.equal(call.kind, SpanKind.CLIENT);
          assert.equal(parentOf(call)?.attributes['healthflows.node.id'], 'send');
        }
        const own = new Map(calls.map((call) => [call.spanContext().spanId, call]));
        for (const { headers, body } of acme.received) {
          const call = own.get(String(headers.traceparent).split('-')[2] ?? '');
          const change = parentOf(parentOf(call!)!)!;
          const { id } = JSON.parse(body) as { id: number };
          assert.match(String(change.attributes[correlation]), new RegExp(`^res\\.partner:${id}:`));
        }
      } finally {
        await red.setFlows(flows);
        await odoo.close();
        acme.close();
      }
    });

    it('a function that drops the context is named in a warning, once; one that keeps it is not', async () => {
      for (let index = 0; index < 3; index++)
        red.node('publish').receive({ payload: index, event: { id: `w-${index}`, source: '/t', type: 't' } });
      await waitUntil('both ways came through', () => settled('forgot').length === 3 && settled('kept').length === 3);
      const warnings = red.log.filter(({ msg }) => typeof msg === 'string' && msg.includes('trace.dropped'));
      assert.equal(warnings.length, 1);
      assert.match(String(warnings[0]!.msg), /function \\"Only the payload\\"/);
      assert.ok(settled('kept').every(({ parentSpanContext }) => parentSpanContext !== undefined));
      // Rather a trace of its own than somebody else's.
      assert.ok(settled('forgot').every(({ parentSpanContext }) => parentSpanContext === undefined));
    });
  });
}

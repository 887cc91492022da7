/**
 * Promises about traces, for one Node-RED: with a real SDK loaded as `deploy/otel-setup.example.cjs` does it, the
 * procurement flow as it is shipped, and a receiver of OTLP.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { inParallel, post } from '../e2e/sender.ts';
import { type Engines, orderPost, type Stack, startStack } from '../e2e/stack.ts';
import { type NodeRedVersion, packageRoot } from '../support/node-red.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/otlp.ts';
import { waitUntil } from '../support/processes.ts';

const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;

export interface TraceOptions {
  engines?: Engines;
  /** Loaded before Node-RED; default the example for the SDK that is installed here. */
  setup?: string;
  /** Why this SDK is not tried. */
  skip?: string | undefined;
}

export function tracePromises(
  version: NodeRedVersion,
  { engines = 'embedded', setup = join(packageRoot, 'deploy/otel-setup.example.cjs'), skip }: TraceOptions = {},
): void {
  const options = { timeout: 300_000, ...(skip === undefined ? {} : { skip }) };
  describe(`traces on Node-RED ${version}, engines ${engines}, ${basename(setup)}`, options, () => {
    let receiver: OtlpReceiver;
    let stack: Stack;

    before(async () => {
      receiver = await startOtlpReceiver();
      stack = await startStack({
        engines,
        version,
        env: {
          NODE_OPTIONS: `--require ${setup}`,
          OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
          OTEL_METRIC_EXPORT_INTERVAL: '1000',
          OTEL_BSP_SCHEDULE_DELAY: '200',
        },
      });
    });
    after(async () => {
      await stack?.close();
      await receiver?.close();
    });

    /** The spans of a trace, once it holds those that are named. */
    const traceWith = (trace: string, ...names: string[]) =>
      waitUntil(`the trace holds ${names.join(', ')}`, () => {
        const spans = receiver.spans.filter(({ traceId }) => traceId === trace);
        return names.every((name) => spans.some((span) => span.name === name)) ? spans : undefined;
      });
    const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
      const found = spans.filter((span) => span.name === name);
      assert.equal(found.length, 1, `${found.length} spans "${name}" in ${spans.map((span) => span.name).join(', ')}`);
      return found[0]!;
    };
    const headersOf = (trace: string, parent: string) => ({
      traceparent: `00-${trace}-${parent}-01`,
      tracestate: 'a=1',
    });

    it('one trace leads from the webhook over gate, mapper, queue and Odoo to settle, each span under its own', async () => {
      const trace = randomBytes(16).toString('hex');
      const caller = randomBytes(8).toString('hex');
      const reply = await post(stack.ordersUrl, { ...orderPost('T-1'), headers: headersOf(trace, caller) });
      assert.equal(reply.status, 202);
      const queue = 'healthflows.procurement.orders';
      const spans = await traceWith(trace, `process ${queue}`, 'purchase.order/load', `done ${queue}`).catch(
        (error) => {
          throw new Error(`${receiver.spans.map(({ name, traceId }) => `${traceId.slice(0, 4)} ${name}`).join('\n')}`, {
            cause: error,
          });
        },
      );

      const server = one(spans, 'POST /procurement/orders');
      assert.equal(server.kind, kinds.server);
      assert.equal(server.parentSpanId, caller);
      assert.equal(server.attributes['http.response.status_code'], 202);
      const publish = spans.find(({ kind }) => kind === kinds.producer)!;
      assert.match(publish.name, /^publish healthflows\./);
      assert.equal(publish.parentSpanId, server.spanId);
      for (const span of spans.filter(({ name }) => name === 'canonical-mapper' || name === 'idempotency-gate')) {
        assert.equal(span.kind, kinds.internal);
      }
      const process = one(spans, `process ${queue}`);
      assert.equal(process.kind, kinds.consumer);
      assert.equal(process.parentSpanId, publish.spanId);
      assert.deepEqual(
        process.links.map(({ spanId }) => spanId),
        [publish.spanId],
      );
      assert.equal(process.attributes['healthflows.disposition'], 'done');
      const rpc = spans.filter(({ name }) => name === 'odoo-rpc');
      assert.ok(rpc.length > 0 && rpc.every(({ parentSpanId }) => parentSpanId === process.spanId));
      const calls = spans.filter((span) => span.kind === kinds.client && 'rpc.method' in span.attributes);
      assert.ok(calls.length >= 2);
      for (const call of calls)
        assert.ok(
          rpc.some(({ spanId }) => spanId === call.parentSpanId),
          call.name,
        );
      assert.equal(one(spans, `done ${queue}`).parentSpanId, process.spanId);
      const known = new Set([caller, ...spans.map(({ spanId }) => spanId)]);
      for (const { name, parentSpanId } of spans)
        assert.ok(known.has(parentSpanId), `the parent of ${name} is missing`);
      // Search works without the trace: every span of a hop names the correlation.
      const correlation = new Set(
        spans.map(({ attributes }) => attributes['healthflows.correlation_id']).filter(Boolean),
      );
      assert.equal(correlation.size, 1);
      assert.ok(spans.every((span) => JSON.stringify(span).includes('ACME') === false));
    });

    it('orders in parallel keep to their own traces', async () => {
      const traces = new Map<string, string>();
      await inParallel(
        Array.from({ length: 60 }, (_, index) => `T-P-${index}`),
        20,
        async (number) => {
          const trace = randomBytes(16).toString('hex');
          traces.set(orderPost(number).id, trace);
          const reply = await post(stack.ordersUrl, {
            ...orderPost(number),
            headers: headersOf(trace, randomBytes(8).toString('hex')),
          });
          assert.equal(reply.status, 202);
        },
      );
      await waitUntil('all are settled', () => {
        const settled = receiver.spans.filter(({ name }) => name.startsWith('done '));
        return [...traces.values()].every((trace) => settled.some(({ traceId }) => traceId === trace));
      });
      for (const [id, trace] of traces) {
        const spans = receiver.spans.filter(({ traceId }) => traceId === trace);
        for (const { attributes, name } of spans) {
          const correlation = attributes['healthflows.correlation_id'];
          assert.ok(
            correlation === undefined || correlation === id,
            `${name} of ${String(correlation)} is in the trace of ${id}`,
          );
        }
        assert.equal(spans.filter(({ name }) => name.startsWith('done ')).length, 1);
      }
    });

    it('another try is linked to the one before, and a replay is a trace of its own that links back', async () => {
      // A delivery that was handed back before its settling came is delivered again, which is another story than a retry.
      for (const number of ['T-R1', 'T-R2', 'T-R3']) if (await retriedAndReplayed(number)) return;
      assert.fail('no settling came in time');
    });

    async function retriedAndReplayed(number: string): Promise<boolean> {
      const trace = randomBytes(16).toString('hex');
      // Three tries within the client, then the consumer tries again; then Odoo refuses the document for good.
      stack.odoo.faults.set(
        { kind: 'status', status: 503, times: 3, method: 'load' },
        { kind: 'error', name: 'odoo.exceptions.ValidationError', message: 'no', times: 1, method: 'button_confirm' },
      );
      const reply = await post(stack.ordersUrl, {
        ...orderPost(number),
        headers: headersOf(trace, randomBytes(8).toString('hex')),
      });
      assert.equal(reply.status, 202);
      const queue = 'healthflows.procurement.orders';
      const letter = await waitUntil('it is a dead letter', async () => (await stack.deadLetters()).at(-1));
      const first = await waitUntil('both tries are there', () => {
        const tries = receiver.spans.filter(({ traceId, name }) => traceId === trace && name === `process ${queue}`);
        return tries.length === 2 ? tries : undefined;
      });
      const attempt = (of: ReceivedSpan[], nth: number) =>
        of.find(({ attributes }) => attributes['healthflows.attempt'] === nth)!;
      const [retried, refused] = [attempt(first, 1), attempt(first, 2)];
      if (retried.attributes['healthflows.disposition'] === 'stale') return false;
      assert.equal(retried.attributes['healthflows.disposition'], 'retry');
      assert.equal(refused.attributes['healthflows.disposition'], 'dead-letter');
      assert.equal(refused.parentSpanId, retried.parentSpanId);
      assert.ok(refused.links.some(({ spanId }) => spanId === retried.spanId));
      const failed = await waitUntil('all four calls that failed are there', () => {
        const of = receiver.spans.filter(
          ({ traceId, kind, status }) => traceId === trace && kind === 3 && status === 2,
        );
        return of.length >= 4 ? of : undefined;
      });
      assert.deepEqual(
        failed.map(
          ({ name, attributes }) => `${name} ${attributes['healthflows.attempt']} ${attributes['error.type']}`,
        ),
        [
          'purchase.order/load 1 ODOO_HTTP_503',
          'purchase.order/load 2 ODOO_HTTP_503',
          'purchase.order/load 3 ODOO_HTTP_503',
          'purchase.order/button_confirm 1 ODOO_VALIDATION_ERROR',
        ],
      );

      await stack.console('replay', { filter: { ids: [letter.id] }, expected: 1 });
      const replay = await waitUntil('the replay is done', () => {
        const begun = receiver.spans.find(({ name }) => name === 'replay dead letter');
        const of = receiver.spans.filter(({ traceId }) => traceId === begun?.traceId);
        return of.some(({ name }) => name === `done ${queue}`) ? of : undefined;
      });
      const root = one(replay, 'replay dead letter');
      assert.notEqual(root.traceId, trace);
      assert.equal(root.parentSpanId, '');
      assert.deepEqual(new Set(root.links.map(({ traceId }) => traceId)), new Set([trace]));
      assert.ok(root.links.some(({ spanId }) => spanId === refused.spanId));
      assert.equal(root.attributes['healthflows.replay.generation'], 1);
      const sent = one(replay, `publish ${queue}`);
      assert.equal(sent.parentSpanId, root.spanId);
      assert.equal(one(replay, `process ${queue}`).parentSpanId, sent.spanId);
      return true;
    }

    it('metrics arrive by OTLP under the names of the conventions', async () => {
      const wanted = [
        'http.server.request.duration',
        'messaging.process.duration',
        'rpc.client.call.duration',
        'healthflows.transactions',
        'healthflows.queue.depth',
        'healthflows.breaker.state',
        'healthflows.stage.duration',
      ];
      await waitUntil(`the metrics came: ${wanted.join(', ')}`, () =>
        wanted.every((name) => receiver.metrics.has(name)),
      );
    });
  });
}

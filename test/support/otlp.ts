/** A receiver of OTLP over HTTP with JSON bodies: what a collector takes, kept for a test to look at. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

interface KeyValue {
  key: string;
  value: { stringValue?: string; intValue?: string | number; doubleValue?: number; boolValue?: boolean };
}

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  links: { traceId: string; spanId: string }[];
  attributes: Record<string, string | number | boolean | undefined>;
  /** 2 is an error. */
  status: number;
}

export interface OtlpReceiver {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** Names of the metrics that came. */
  readonly metrics: Set<string>;
  /** Every body as it came, for tests that look for what must not be there. */
  readonly bodies: string[];
  close(): Promise<void>;
}

interface SpanBody {
  resourceSpans?: { scopeSpans: { spans: Record<string, unknown>[] }[] }[];
  resourceMetrics?: { scopeMetrics: { metrics: { name: string }[] }[] }[];
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const metrics = new Set<string>();
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      bodies.push(text);
      const body = JSON.parse(text) as SpanBody;
      for (const { scopeSpans } of body.resourceSpans ?? [])
        for (const scope of scopeSpans) spans.push(...scope.spans.map(spanOf));
      for (const { scopeMetrics } of body.resourceMetrics ?? [])
        for (const scope of scopeMetrics) for (const { name } of scope.metrics) metrics.add(name);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    bodies,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function spanOf(span: Record<string, unknown>): ReceivedSpan {
  const attributes = (span.attributes ?? []) as KeyValue[];
  return {
    traceId: span.traceId as string,
    spanId: span.spanId as string,
    parentSpanId: (span.parentSpanId as string | undefined) ?? '',
    name: span.name as string,
    kind: span.kind as number,
    links: (span.links ?? []) as ReceivedSpan['links'],
    status: Number((span.status as { code?: number } | undefined)?.code ?? 0),
    attributes: Object.fromEntries(
      attributes.map(({ key, value }) => [
        key,
        value.stringValue ??
          value.boolValue ??
          value.doubleValue ??
          (value.intValue === undefined ? undefined : Number(value.intValue)),
      ]),
    ),
  };
}

/**
 * Traces and metrics by OTLP with SDK 3. Node-RED has no place of its own for an SDK, so it is loaded before it:
 *
 *   cd ~/.node-red && npm install @opentelemetry/api@^1.10 @opentelemetry/sdk-trace@^3.1 @opentelemetry/sdk-metrics@^3.1 \
 *     @opentelemetry/resources@^3.1 @opentelemetry/exporter-trace-otlp-http@^0.301 \
 *     @opentelemetry/exporter-metrics-otlp-http@^0.301
 *   NODE_OPTIONS="--require $HOME/.node-red/otel-setup.cjs" OTEL_SERVICE_NAME=hospital-integration node-red
 *
 * OTEL_EXPORTER_OTLP_ENDPOINT (default http://localhost:4318) and the other variables of the exporters hold; of those of
 * the SDK, which reads none itself any more, the two below. It needs Node.js 22.15. For SDK 2 there is
 * otel-setup.example.cjs. Leave out the automatic instrumentation of amqplib: every message would be traced twice. Leave
 * out the process resource detector: it exports the command line.
 */
'use strict';

const { metrics, trace } = require('@opentelemetry/api');
const { OTLPMetricExporter } = require('@opentelemetry/exporter-metrics-otlp-http');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { defaultResource, resourceFromAttributes } = require('@opentelemetry/resources');
const { MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { BatchSpanProcessor, TracerProvider } = require('@opentelemetry/sdk-trace');

const resource = defaultResource().merge(
  resourceFromAttributes({
    'service.name': process.env.OTEL_SERVICE_NAME || 'node-red',
    // One place in the dashboards for each Node-RED, and its own line for test and production.
    'service.instance.id': process.env.HOSTNAME || String(process.pid),
    'deployment.environment.name': process.env.HEALTHFLOWS_ENVIRONMENT || 'production',
  }),
);

const traces = new TracerProvider({
  resource,
  spanProcessors: [
    new BatchSpanProcessor({
      exporter: new OTLPTraceExporter(),
      scheduledDelayMillis: Number(process.env.OTEL_BSP_SCHEDULE_DELAY) || 5_000,
    }),
  ],
});
trace.setGlobalTracerProvider(traces);

const readings = new MeterProvider({
  resource,
  readers: [
    new PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter(),
      exportIntervalMillis: Number(process.env.OTEL_METRIC_EXPORT_INTERVAL) || 60_000,
      exportTimeoutMillis: Math.min(Number(process.env.OTEL_METRIC_EXPORT_INTERVAL) || 30_000, 30_000),
    }),
  ],
});
metrics.setGlobalMeterProvider(readings);

// What is still in memory goes out before Node-RED ends itself.
process.once('SIGTERM', () => {
  void traces.shutdown().catch(() => {});
  void readings.shutdown().catch(() => {});
});

/**
 * Traces and metrics by OTLP with SDK 2. Node-RED has no place of its own for an SDK, so it is loaded before it:
 *
 *   cd ~/.node-red && npm install @opentelemetry/sdk-trace-node@^2.12 @opentelemetry/sdk-metrics@^2.12 \
 *     @opentelemetry/resources@^2.12 @opentelemetry/exporter-trace-otlp-http@^0.223 \
 *     @opentelemetry/exporter-metrics-otlp-http@^0.223
 *   NODE_OPTIONS="--require $HOME/.node-red/otel-setup.cjs" OTEL_SERVICE_NAME=hospital-integration node-red
 *
 * OTEL_EXPORTER_OTLP_ENDPOINT (default http://localhost:4318) and the other variables of the exporters hold. For SDK 3,
 * which has other packages, there is otel-setup-3.example.cjs. Leave out the automatic instrumentation of amqplib: every
 * message would be traced twice. Leave out the process resource detector: it exports the command line.
 */
'use strict';

const { metrics } = require('@opentelemetry/api');
const { OTLPMetricExporter } = require('@opentelemetry/exporter-metrics-otlp-http');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { defaultResource, resourceFromAttributes } = require('@opentelemetry/resources');
const { MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { BatchSpanProcessor, NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

const resource = defaultResource().merge(
  resourceFromAttributes({
    'service.name': process.env.OTEL_SERVICE_NAME || 'node-red',
    // One place in the dashboards for each Node-RED, and its own line for test and production.
    'service.instance.id': process.env.HOSTNAME || String(process.pid),
    'deployment.environment.name': process.env.HEALTHFLOWS_ENVIRONMENT || 'production',
  }),
);

const traces = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
traces.register();

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

/** The metrics endpoint, the log of hops, and the last minutes that the console shows. */
import { auditFinding } from '../kernel/audit/index.ts';
import { catalogue } from '../kernel/telemetry/catalogue.ts';
import { logSink } from '../kernel/telemetry/log.ts';
import { MetricsRegistry } from '../kernel/telemetry/metrics.ts';
import { MetricsExport } from '../kernel/telemetry/otel-metrics.ts';
import { RecentRates } from '../kernel/telemetry/rates.ts';
import { addTelemetrySink } from '../kernel/telemetry/telemetry.ts';
import { defectLine, guard, onFlowsStarted, type RuntimeApi } from '../node/index.ts';
import { permissions } from './access.ts';
import { consumedQueues, runningConnections } from './messaging.ts';
import { runningStores } from './stores.ts';

/** Prometheus text exposition format 0.0.4. */
const contentType = 'text/plain; version=0.0.4; charset=utf-8';

export interface Telemetry {
  registry: MetricsRegistry;
  rates: RecentRates;
}

let telemetry: Telemetry | undefined;

/** One registry a process, however many runtimes load the plugin. */
export function startTelemetry(RED: RuntimeApi): Telemetry {
  if (telemetry !== undefined) return telemetry;
  telemetry = { registry: new MetricsRegistry(catalogue), rates: new RecentRates() };
  addTelemetrySink(telemetry.registry);
  addTelemetrySink(telemetry.rates);
  const otlp = new MetricsExport(telemetry.registry);
  otlp.attach();
  // An SDK that a module of the flows brings is there by then.
  onFlowsStarted(() => otlp.attach());
  // A failure that a Catch node handles is in no other line of the log.
  const traced = debugLogged(RED);
  addTelemetrySink(
    logSink(
      (level, line) => RED.log[level](line),
      () => traced,
    ),
  );
  return telemetry;
}

/** True when a handler of Node-RED's log shows debug lines; building them for nobody costs throughput. */
function debugLogged(RED: RuntimeApi): boolean {
  const logging = RED.settings.logging as Record<string, { level?: unknown }> | undefined;
  return Object.values(logging ?? {}).some(({ level }) => level === 'debug' || level === 'trace');
}

export function metricsRoute(RED: RuntimeApi, { registry }: Telemetry): void {
  registry.onScrape(() => readGauges(RED, registry));
  RED.httpAdmin.get('/healthflows/metrics', ...guard(RED, permissions.metrics), async (_request, response) => {
    try {
      const text = await registry.expose();
      response.set('Cache-Control', 'no-store').type(contentType).send(text);
    } catch (error) {
      RED.log.error(defectLine(error, { type: 'metrics' }));
      if (!response.headersSent) response.status(500).send('');
    }
  });
}

async function readGauges(RED: RuntimeApi, registry: MetricsRegistry): Promise<void> {
  await Promise.all(
    consumedQueues(RED).map(async ({ queue, connection: { service } }) => {
      registry.gauge('inflight', { queue }, service.openDeliveries(queue).length);
      const depth = await service.depth(queue).catch(() => undefined);
      if (depth === undefined) return;
      registry.gauge('queue_depth', { queue }, depth.ready);
      // RabbitMQ does not tell the age of a message.
      if (service.engine === 'embedded') {
        registry.gauge('queue_oldest_seconds', { queue }, (depth.oldestAge ?? 0) / 1_000);
      }
    }),
  );
  for (const { name, service } of runningConnections(RED)) {
    // A broker that refuses more for now is there.
    const up = service.state.kind === 'ready' || service.state.kind === 'blocked';
    registry.gauge('connection_up', { connection: name }, up ? 1 : 0);
    const outbox = await service.outbox().catch(() => undefined);
    if (outbox === undefined) continue;
    registry.gauge('outbox_unpublished', { connection: name }, outbox.depth);
    registry.gauge('outbox_oldest_seconds', { connection: name }, outbox.lag / 1_000);
  }
  for (const { name, store } of runningStores(RED)) {
    const status = store.status();
    registry.gauge('store_up', { store: name }, status.state === 'down' ? 0 : 1);
    registry.gauge('store_pending', { store: name }, status.pending);
    if (status.size !== undefined) registry.gauge('store_size_bytes', { store: name }, status.size);
    registry.gauge('audit_broken', { store: name }, auditFinding(store)?.break === undefined ? 0 : 1);
  }
}

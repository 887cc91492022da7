/**
 * The registry's metrics by OTLP, when an OpenTelemetry SDK is loaded. Counters and gauges are read from the registry
 * when the SDK exports, so that they cost nothing meanwhile and carry the same bounded labels as the scrape page;
 * only what goes into a histogram is handed over as it happens.
 */
import {
  createNoopMeter,
  type Histogram,
  type MeterProvider,
  metrics,
  type Observable,
  ValueType,
} from '@opentelemetry/api';
import type { MetricDefinition, MetricsRegistry } from './metrics.ts';
import { attribute, schemaUrl } from './semconv.ts';

const scope = '@healthflows/node-red-integration';

/** Labels of the scrape page that the conventions write with dots. */
const dotted: Record<string, string> = {
  http_request_method: attribute.httpMethod,
  http_route: attribute.httpRoute,
  http_response_status_code: attribute.httpStatus,
  messaging_destination_name: attribute.messagingDestination,
  rpc_method: attribute.rpcMethod,
};
const attributesOf = new WeakMap<Record<string, string>, Record<string, string>>();

/** Once for each series, whose labels are one object. */
function otelAttributes(labels: Record<string, string>): Record<string, string> {
  let attributes = attributesOf.get(labels);
  if (attributes === undefined) {
    attributes = Object.fromEntries(Object.entries(labels).map(([name, value]) => [dotted[name] ?? name, value]));
    attributesOf.set(labels, attributes);
  }
  return attributes;
}

/** @returns the name in the words of the conventions, e.g. `healthflows.queue.depth` for `queue_depth` */
export function otelName(name: string, { semconv }: Pick<MetricDefinition, 'semconv'>): string {
  return semconv ?? `healthflows.${name.replace(/_(?:total|seconds|bytes)$/, '').replaceAll('_', '.')}`;
}

export function otelUnit(name: string): string {
  return name.endsWith('_seconds') ? 's' : name.endsWith('_bytes') ? 'By' : name.endsWith('_days') ? 'd' : '1';
}

/** Offers a registry to the SDK that is loaded, once a provider. Call again when one may have come. */
export class MetricsExport {
  readonly #registry: MetricsRegistry;
  #provider: MeterProvider | undefined;

  constructor(registry: MetricsRegistry) {
    this.#registry = registry;
  }

  attach(): void {
    const provider = metrics.getMeterProvider();
    if (provider === this.#provider || isNoop(provider)) return;
    this.#provider = provider;
    const meter = provider.getMeter(scope, undefined, { schemaUrl });
    const histograms = new Map<string, Histogram>();
    const observed = new Map<string, Observable>();
    for (const [name, definition] of this.#registry.definitions()) {
      const otel = otelName(name, definition);
      const options = { description: definition.help, unit: otelUnit(name) };
      if (definition.kind === 'histogram') {
        const advice = { explicitBucketBoundaries: [...(definition.buckets ?? [])] };
        histograms.set(name, meter.createHistogram(otel, { ...options, valueType: ValueType.DOUBLE, advice }));
      } else if (definition.kind === 'counter') observed.set(name, meter.createObservableCounter(otel, options));
      else observed.set(name, meter.createObservableGauge(otel, options));
    }
    this.#registry.onObserve((name, labels, value) => histograms.get(name)?.record(value, otelAttributes(labels)));
    meter.addBatchObservableCallback(
      async (result) => {
        await this.#registry.collect();
        for (const [name, instrument] of observed) {
          for (const { labels, value } of this.#registry.read(name))
            result.observe(instrument, value, otelAttributes(labels));
        }
      },
      [...observed.values()],
    );
  }
}

/** Without an SDK the API gives out one meter that does nothing. */
function isNoop(provider: MeterProvider): boolean {
  return provider.getMeter(scope) === createNoopMeter();
}

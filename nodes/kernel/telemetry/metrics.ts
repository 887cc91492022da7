/**
 * A small metrics registry with the Prometheus text exposition format 0.0.4. Own code instead of a library, because
 * what matters here is the bound: every label has a closed set or a cap, whatever a caller passes, and what goes over
 * becomes `other` instead of a new series. The rest is one page.
 */
import type { HopReport, TelemetrySink } from './telemetry.ts';

export type MetricKind = 'counter' | 'gauge' | 'histogram';

export interface MetricDefinition {
  kind: MetricKind;
  help: string;
  labels: readonly string[];
  /** Upper bounds, ascending; histograms only. */
  buckets?: readonly number[];
  /** Closed sets: a value outside becomes `other`. */
  values?: Record<string, readonly string[]>;
  /** The name in OpenTelemetry's conventions; such a metric is exposed without the package's prefix. */
  semconv?: string;
  /** Distinct values of one label, where that of the registry is too many. */
  cap?: number;
}

/** A series as it is read: its labels and its value. */
export interface Reading {
  labels: Record<string, string>;
  value: number;
}

export interface RegistryLimits {
  /** Distinct values one label may take before the rest is `other`. Default 50. */
  labelValues?: number;
  /** Series of one metric before the rest is folded into `other`. Default 1,000. */
  series?: number;
}

interface Series {
  labels: string[];
  value: number;
  /** Histogram: observations per bucket (not cumulative), the last for +Inf. */
  counts?: number[];
  sum?: number;
  /** For those who read it by name. */
  named?: Record<string, string>;
}

interface Metric {
  definition: MetricDefinition;
  series: Map<string, Series>;
  /** By the labels as they were reported, for those that are reported with every message. */
  reported: Map<string, Series>;
  seen: Set<string>[];
}

const namePattern = /^[a-z_][a-z0-9_]{0,80}$/;
const overflow = 'other';

/** Seconds; suits steps between a millisecond and a minute. */
export const durationBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

export class MetricsRegistry implements TelemetrySink {
  readonly #prefix: string;
  readonly #metrics = new Map<string, Metric>();
  readonly #collectors = new Set<() => void | Promise<void>>();
  readonly #limits: Required<RegistryLimits>;
  #observed: ((name: string, labels: Record<string, string>, value: number) => void) | undefined;

  constructor(catalogue: Record<string, MetricDefinition>, prefix = 'healthflows_', limits: RegistryLimits = {}) {
    this.#prefix = prefix;
    this.#limits = { labelValues: limits.labelValues ?? 50, series: limits.series ?? 1_000 };
    for (const [name, definition] of Object.entries(catalogue)) this.define(name, definition);
  }

  define(name: string, definition: MetricDefinition): void {
    if (!namePattern.test(name)) throw new TypeError(`"${name}" is no metric name.`);
    this.#metrics.set(name, {
      definition,
      series: new Map(),
      reported: new Map(),
      seen: definition.labels.map(() => new Set()),
    });
    // A counter that appears with its first event has not increased for Prometheus: the event that matters is unseen.
    if (definition.kind === 'counter') for (const labels of closedLabels(definition)) this.count(name, labels, 0);
  }

  /** Called before each scrape, for gauges that are read rather than reported. @returns a function that removes it */
  onScrape(collect: () => void | Promise<void>): () => void {
    this.#collectors.add(collect);
    return () => this.#collectors.delete(collect);
  }

  /** What is defined, by name without prefix. */
  definitions(): Iterable<[name: string, definition: MetricDefinition]> {
    return [...this.#metrics].map(([name, { definition }]) => [name, definition]);
  }

  /** Brings gauges that are read rather than reported up to date. */
  async collect(): Promise<void> {
    for (const collect of this.#collectors) await collect();
  }

  /** The series of a counter or gauge. */
  read(name: string): Reading[] {
    const metric = this.#metrics.get(name);
    if (metric === undefined) return [];
    return [...metric.series.values()].map((series) => ({ labels: namedLabels(metric, series), value: series.value }));
  }

  /** One listener is told of every observation of a histogram, with its bounded labels. */
  onObserve(listener: (name: string, labels: Record<string, string>, value: number) => void): void {
    this.#observed = listener;
  }

  hop(report: HopReport): void {
    this.count('stage_messages_total', { stage: report.stage, outcome: report.outcome });
    this.observe('stage_duration_seconds', { stage: report.stage }, report.duration / 1000);
    if (report.outcome === 'failed') {
      this.count('failures_total', { stage: report.stage, class: report.failureClass ?? 'defect' });
    }
  }

  count(name: string, labels: Record<string, string> = {}, by = 1): void {
    const series = this.#seriesOf(name, 'counter', labels);
    if (series !== undefined && by > 0) series.value += by;
  }

  gauge(name: string, labels: Record<string, string>, value: number): void {
    const series = this.#seriesOf(name, 'gauge', labels);
    if (series !== undefined) series.value = value;
  }

  observe(name: string, labels: Record<string, string>, value: number): void {
    const series = this.#seriesOf(name, 'histogram', labels);
    if (series === undefined) return;
    const metric = this.#metrics.get(this.#nameOf(name))!;
    const buckets = metric.definition.buckets ?? durationBuckets;
    this.#observed?.(this.#nameOf(name), namedLabels(metric, series), value);
    series.counts ??= new Array(buckets.length + 1).fill(0);
    let index = 0;
    while (index < buckets.length && !(value <= buckets[index]!)) index++;
    series.counts[index] = series.counts[index]! + 1;
    series.sum = (series.sum ?? 0) + value;
    series.value += 1;
  }

  forget(name: string, labels: Record<string, string>): void {
    const metric = this.#metrics.get(this.#nameOf(name));
    if (metric?.definition.kind !== 'gauge') return;
    metric.series.delete(seriesKey(metric.definition.labels.map((label) => labels[label] ?? '')));
    metric.reported.clear();
  }

  /** Prometheus text exposition format 0.0.4. */
  async expose(): Promise<string> {
    await this.collect();
    const lines: string[] = [];
    for (const [name, { definition, series }] of this.#metrics) {
      if (series.size === 0) continue;
      const full = definition.semconv === undefined ? this.#prefix + name : name;
      lines.push(`# HELP ${full} ${escapeHelp(definition.help)}`, `# TYPE ${full} ${definition.kind}`);
      for (const one of series.values()) {
        if (definition.kind === 'histogram') exposeHistogram(lines, full, definition, one);
        else lines.push(`${full}${labelsText(definition.labels, one.labels)} ${numberText(one.value)}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }

  /** A reporter may write the name with the prefix or without. */
  #nameOf(reported: string): string {
    return reported.startsWith(this.#prefix) ? reported.slice(this.#prefix.length) : reported;
  }

  /** An unknown metric is defined by its first report: the names of its labels are then fixed. */
  #seriesOf(reported: string, kind: MetricKind, labels: Record<string, string>): Series | undefined {
    const name = this.#nameOf(reported);
    let metric = this.#metrics.get(name);
    if (metric === undefined) {
      if (!namePattern.test(name) || this.#metrics.size >= 200) return undefined;
      this.define(name, { kind, help: name.replaceAll('_', ' '), labels: Object.keys(labels).sort() });
      metric = this.#metrics.get(name)!;
    }
    if (metric.definition.kind !== kind) return undefined;
    const asReported = reportedKey(metric.definition.labels, labels);
    const known = metric.reported.get(asReported);
    if (known !== undefined) return known;
    const series = this.#seriesFor(metric, labels);
    if (metric.reported.size < this.#limits.series) metric.reported.set(asReported, series);
    return series;
  }

  #seriesFor(metric: Metric, labels: Record<string, string>): Series {
    const { seen } = metric;
    const values = metric.definition.labels.map((label, i) => {
      const value = labels[label] ?? '';
      const closed = metric.definition.values?.[label];
      if (closed !== undefined) return closed.includes(value) ? value : overflow;
      const known = seen[i]!;
      if (known.has(value)) return value;
      if (known.size >= (metric.definition.cap ?? this.#limits.labelValues)) return overflow;
      known.add(value);
      return value;
    });
    const key = seriesKey(values);
    const existing = metric.series.get(key);
    if (existing !== undefined) return existing;
    if (metric.series.size >= this.#limits.series) {
      const folded = values.map(() => overflow);
      const foldedKey = seriesKey(folded);
      const fold = metric.series.get(foldedKey) ?? { labels: folded, value: 0 };
      metric.series.set(foldedKey, fold);
      return fold;
    }
    const created: Series = { labels: values, value: 0 };
    metric.series.set(key, created);
    return created;
  }
}

function reportedKey(names: readonly string[], labels: Record<string, string>): string {
  let key = '';
  for (const name of names) key += `${labels[name] ?? ''}\u0000`;
  return key;
}

const seriesKey = (values: readonly string[]): string => values.join('\u0000');

/** All combinations of labels that are closed sets; none when a label is open, or when they would be many. */
function closedLabels({ labels, values = {} }: MetricDefinition): Record<string, string>[] {
  let combinations: Record<string, string>[] = [{}];
  for (const label of labels) {
    const closed = values[label];
    if (closed === undefined || combinations.length * closed.length > 60) return [];
    combinations = combinations.flatMap((known) => closed.map((value) => ({ ...known, [label]: value })));
  }
  return combinations;
}

function namedLabels({ definition }: Metric, series: Series): Record<string, string> {
  series.named ??= Object.fromEntries(definition.labels.map((label, i) => [label, series.labels[i] ?? '']));
  return series.named;
}

function exposeHistogram(lines: string[], name: string, definition: MetricDefinition, series: Series): void {
  const buckets = definition.buckets ?? durationBuckets;
  let cumulative = 0;
  buckets.forEach((bound, i) => {
    cumulative += series.counts?.[i] ?? 0;
    lines.push(
      `${name}_bucket${labelsText([...definition.labels, 'le'], [...series.labels, String(bound)])} ${cumulative}`,
    );
  });
  lines.push(`${name}_bucket${labelsText([...definition.labels, 'le'], [...series.labels, '+Inf'])} ${series.value}`);
  lines.push(`${name}_sum${labelsText(definition.labels, series.labels)} ${numberText(series.sum ?? 0)}`);
  lines.push(`${name}_count${labelsText(definition.labels, series.labels)} ${series.value}`);
}

function labelsText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  return `{${names.map((name, i) => `${name}="${escapeLabel(values[i] ?? '')}"`).join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** What a PromQL expression asks for, by leaving out all that is no metric. promtool has checked its grammar. */
import type { MetricDefinition } from '../../nodes/kernel/telemetry/metrics.ts';

const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);

/** Names of the metrics and recorded series in an expression. */
export function metricsIn(expression: string): string[] {
  const bare = expression
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\{[^}]*\}/g, ' ')
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  return [...bare.matchAll(/(?<![\w.:])[a-zA-Z_:][\w:]*(?!\w|\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => !words.has(name));
}

/** As the scrape page names them. */
export function scrapedNames(catalogue: Record<string, MetricDefinition>, prefix = 'healthflows_'): Set<string> {
  const names = new Set<string>();
  for (const [name, { kind, semconv }] of Object.entries(catalogue)) {
    const full = semconv === undefined ? prefix + name : name;
    if (kind !== 'histogram') names.add(full);
    else for (const suffix of ['_bucket', '_sum', '_count']) names.add(full + suffix);
  }
  return names;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogue } from '../../../nodes/kernel/telemetry/catalogue.ts';
import { logSink } from '../../../nodes/kernel/telemetry/log.ts';
import { MetricsRegistry } from '../../../nodes/kernel/telemetry/metrics.ts';
import { RecentRates } from '../../../nodes/kernel/telemetry/rates.ts';
import type { HopReport } from '../../../nodes/kernel/telemetry/telemetry.ts';

const hop = (more: Partial<HopReport> = {}): HopReport => ({
  stage: 'odoo-rpc',
  nodeId: 'n1',
  flowId: 'f1',
  outcome: 'ok',
  duration: 40,
  ...more,
});

test('hops are exposed in the Prometheus text format, histograms cumulative', async () => {
  const registry = new MetricsRegistry(catalogue);
  registry.hop(hop());
  registry.hop(hop({ outcome: 'failed', failureClass: 'saturation', failureCode: 'X', duration: 70_000 }));
  const text = await registry.expose();
  const lines = text.split('\n');
  for (const line of [
    '# TYPE healthflows_stage_messages_total counter',
    'healthflows_stage_messages_total{stage="odoo-rpc",outcome="ok"} 1',
    'healthflows_failures_total{stage="odoo-rpc",class="saturation"} 1',
    '# TYPE healthflows_stage_duration_seconds histogram',
    'healthflows_stage_duration_seconds_bucket{stage="odoo-rpc",le="0.05"} 1',
    'healthflows_stage_duration_seconds_bucket{stage="odoo-rpc",le="60"} 1',
    'healthflows_stage_duration_seconds_bucket{stage="odoo-rpc",le="+Inf"} 2',
    'healthflows_stage_duration_seconds_sum{stage="odoo-rpc"} 70.04',
    'healthflows_stage_duration_seconds_count{stage="odoo-rpc"} 2',
  ]) {
    assert.ok(lines.includes(line), line);
  }
  // Each line is a comment or `name{labels} number`.
  for (const line of lines.slice(0, -1)) {
    assert.match(
      line,
      /^(# (HELP|TYPE) \w+ .*|\w+(\{(\w+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (-?[\d.e+-]+|[+-]Inf|NaN))$/,
    );
  }
  assert.ok(text.endsWith('\n'));
});

test('label values are escaped, closed sets and caps hold whatever is reported', async () => {
  const registry = new MetricsRegistry(
    {
      closed_total: { kind: 'counter', help: 'x', labels: ['kind'], values: { kind: ['a'] } },
      open_total: { kind: 'counter', help: 'x', labels: ['queue'] },
    },
    'p_',
    { labelValues: 3, series: 4 },
  );
  registry.count('closed_total', { kind: 'a' });
  registry.count('closed_total', { kind: 'patient Smith' });
  registry.count('open_total', { queue: 'a "b"\\\n' });
  for (let i = 0; i < 100; i++) registry.count('open_total', { queue: `q${i}`, extra: 'ignored' });
  const text = await registry.expose();
  assert.match(text, /p_closed_total\{kind="other"\} 1/);
  assert.match(text, /p_open_total\{queue="a \\"b\\"\\\\\\n"\} 1/);
  assert.match(text, /p_open_total\{queue="other"\} 98/);
  assert.doesNotMatch(text, /Smith|ignored/);
});

test('a metric nobody declared gets the labels of its first report; an impossible name is dropped', async () => {
  const registry = new MetricsRegistry({});
  registry.count('webhook_requests_total', { outcome: 'accepted' });
  registry.count('webhook_requests_total', { outcome: 'accepted', partner: 'x' });
  registry.count('healthflows_webhook_requests_total', { outcome: 'accepted' });
  registry.count('Not a name', {});
  registry.gauge('webhook_requests_total', { outcome: 'accepted' }, 7);
  assert.match(await registry.expose(), /healthflows_webhook_requests_total\{outcome="accepted"\} 3/);
});

test('the last minute is told by node and class, and forgets what is older', () => {
  let now = 1_000_000;
  const rates = new RecentRates(() => now);
  rates.hop(hop());
  rates.hop(hop({ outcome: 'failed', failureClass: 'conflict', duration: 20 }));
  assert.deepEqual(
    rates.recent().map(({ ok, failed, byClass, duration }) => ({ ok, failed, byClass, duration })),
    [{ ok: 1, failed: 1, byClass: { conflict: 1 }, duration: 30 }],
  );
  now += 120_000;
  assert.equal(rates.recent()[0]?.ok, 0);
});

test('a failed hop is a warning line in JSON, a good one a debug line, and neither holds a credential', () => {
  const lines: [string, Record<string, unknown>][] = [];
  const sink = logSink((level, line) => lines.push([level, JSON.parse(line) as Record<string, unknown>]));
  sink.hop?.(hop({ correlationId: 'corr-1', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }));
  sink.hop?.(hop({ outcome: 'failed', failureClass: 'policy-rejection', failureCode: 'Bearer abcdefghijklmnop' }));
  assert.deepEqual(
    lines.map(([level]) => level),
    ['debug', 'warn'],
  );
  assert.equal(lines[0]?.[1].correlationId, 'corr-1');
  assert.equal(lines[0]?.[1].trace, '0af7651916cd43dd8448eb211c80319c');
  assert.doesNotMatch(JSON.stringify(lines), /abcdefghijklmnop/);
});

test('a gauge that was forgotten is gone, and begins anew when it is told again', async () => {
  const registry = new MetricsRegistry({ depth: { kind: 'gauge', help: 'Depth.', labels: ['queue'] } });
  registry.gauge('depth', { queue: 'a' }, 1);
  registry.gauge('depth', { queue: 'b' }, 2);
  registry.forget('depth', { queue: 'a' });
  assert.deepEqual(registry.read('depth'), [{ labels: { queue: 'b' }, value: 2 }]);
  registry.gauge('depth', { queue: 'a' }, 3);
  registry.gauge('depth', { queue: 'a' }, 4);
  assert.match(await registry.expose(), /healthflows_depth\{queue="b"\} 2\nhealthflows_depth\{queue="a"\} 4\n/);
});

test('series beyond the limit are folded into one, however often they are told', () => {
  const registry = new MetricsRegistry({ seen: { kind: 'counter', help: 'Seen.', labels: ['who'] } }, 'healthflows_', {
    labelValues: 2,
  });
  for (let round = 0; round < 3; round++) for (const who of ['a', 'b', 'c', 'd']) registry.count('seen', { who });
  assert.deepEqual(registry.read('seen'), [
    { labels: { who: 'a' }, value: 3 },
    { labels: { who: 'b' }, value: 3 },
    { labels: { who: 'other' }, value: 6 },
  ]);
});

/** A real Prometheus with the package's rules, a sixtieth of their time: what takes ten minutes there takes ten seconds. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './node-red.ts';
import { freePort, removeDirectory, spawnOwned, temporaryDirectory, waitUntil } from './processes.ts';
import { findPrometheus } from './services.ts';

export interface Episode {
  alert: string;
  labels: Record<string, string>;
  /** Seconds since the epoch; of the evaluations in which it fired first and last. */
  from: number;
  to: number;
}

export interface Prometheus {
  /** What fires now. */
  firing(): Promise<Record<string, string>[]>;
  /** Every time that an alert fired, since the start. */
  episodes(): Promise<Episode[]>;
  query(expression: string): Promise<{ metric: Record<string, string>; value: number }[]>;
  stop(): Promise<void>;
}

/** A sixtieth. */
const short = (count: string, unit: string) =>
  unit === 'd' ? `${Number(count) * 24}m` : `${count}${unit === 'h' ? 'm' : 's'}`;

/** Windows and waits of the rules, sixty times as short. */
export function hurriedRules(): string {
  const rules = readFileSync(join(packageRoot, 'deploy/prometheus/healthflows.rules.yml'), 'utf8');
  return rules
    .replace(/\[(\d+)([dhm])\]/g, (_, count: string, unit: string) => `[${short(count, unit)}]`)
    .replace(/offset (\d+)([dhm])/g, (_, count: string, unit: string) => `offset ${short(count, unit)}`)
    .replace(
      /((?:keep_firing_)?for: )(\d+)([dhm])/g,
      (_, key: string, count: string, unit: string) => key + short(count, unit),
    );
}

/** Scrapes `address` (host:port) every second. */
export async function startPrometheus(address: string): Promise<Prometheus> {
  const { prometheus } = await findPrometheus();
  const folder = temporaryDirectory('prometheus');
  const port = await freePort();
  writeFileSync(join(folder, 'rules.yml'), hurriedRules());
  writeFileSync(
    join(folder, 'prometheus.yml'),
    JSON.stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yml'],
      scrape_configs: [
        { job_name: 'healthflows', metrics_path: '/healthflows/metrics', static_configs: [{ targets: [address] }] },
      ],
    }),
  );
  const child = spawnOwned(
    prometheus,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { cwd: folder },
  );
  const began = Date.now() / 1000;
  const ask = async <T>(path: string, parameters: Record<string, string>): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}?${new URLSearchParams(parameters)}`);
    const body = (await response.json()) as { data: T; error?: string };
    if (!response.ok) throw new Error(`Prometheus answered ${response.status}: ${body.error}`);
    return body.data;
  };
  await waitUntil('Prometheus answers', () =>
    fetch(`http://127.0.0.1:${port}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  ).catch(async (error: unknown) => {
    await child.stop();
    throw new Error(`Prometheus did not start. It said:\n${child.output()}`, { cause: error });
  });
  return {
    async firing() {
      const { alerts } = await ask<{ alerts: { state: string; labels: Record<string, string> }[] }>(
        '/api/v1/alerts',
        {},
      );
      return alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels);
    },
    async episodes() {
      const { result } = await ask<{ result: { metric: Record<string, string>; values: [number, string][] }[] }>(
        '/api/v1/query_range',
        { query: 'ALERTS{alertstate="firing"}', start: String(began), end: String(Date.now() / 1000), step: '1' },
      );
      return result.flatMap(({ metric: { __name__: _, alertstate: _state, alertname, ...labels }, values }) => {
        const found: Episode[] = [];
        for (const [at] of values) {
          const last = found.at(-1);
          // A series that pauses is another episode.
          if (last !== undefined && at - last.to <= 1.5) last.to = at;
          else found.push({ alert: alertname!, labels, from: at, to: at });
        }
        return found;
      });
    },
    async query(expression) {
      const { result } = await ask<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
        '/api/v1/query',
        { query: expression },
      );
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    async stop() {
      await child.stop();
      removeDirectory(folder);
    },
  };
}

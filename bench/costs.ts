/**
 * What watching and encryption cost the ingress: the same load on Node-REDs that differ in one thing, in interleaved
 * rounds. Embedded engines, 64 connections; the consumers wait for an Odoo that does not answer. The outbox and the
 * journal go on after the last answer: the next load waits for them, and their CPU counts.
 *
 * - as shipped: metrics, recent rates, journal of messages
 * - journal off: `healthflows: {journal: false}`
 * - no telemetry: the console's plugin is not loaded, so that nobody listens to what the nodes report
 * - payloads encrypted: `HEALTHFLOWS_PAYLOAD_KEY`
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type NodeRed, packageRoot } from '../test/support/node-red.ts';
import { temporaryDirectory } from '../test/support/processes.ts';
import { cpuOf, type IngressOptions, load, startIngress } from './ingress-node-red.ts';
import { median, print, publish } from './report.ts';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const connections = 64;
const count = 4_000;

const variants: Record<string, IngressOptions> = {
  'as shipped': {},
  'journal off': { settings: { healthflows: { journal: false } } },
  'no telemetry': { settings: { nodesDir: withoutPlugins() } },
  'payloads encrypted': { env: { HEALTHFLOWS_PAYLOAD_KEY: randomBytes(32).toString('base64') } },
};

/** The package's folder as it would be without its plugins. */
function withoutPlugins(): string {
  const folder = temporaryDirectory('bench-package');
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    'node-red': Record<string, unknown>;
  };
  delete manifest['node-red'].plugins;
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  for (const name of ['dist', 'node_modules']) symlinkSync(join(packageRoot, name), join(folder, name));
  return folder;
}

/** Waits until Node-RED uses less than a twentieth of a processor for half a second. */
async function quiet({ pid }: NodeRed): Promise<void> {
  let last = cpuOf(pid);
  for (let look = 0; look < 120; look++) {
    await sleep(500);
    const now = cpuOf(pid);
    if (now - last < 25_000) return;
    last = now;
  }
  throw new Error('Node-RED was still at work a minute after the last answer.');
}

const running = new Map<string, NodeRed>();
try {
  for (const [name, options] of Object.entries(variants)) running.set(name, await startIngress(options));
  const rates = new Map([...running.keys()].map((name) => [name, [] as number[]]));
  const cpus = new Map([...running.keys()].map((name) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    const names = [...running.keys()];
    // Each takes each place in turn: the machine may be busier at one time than at another.
    for (let place = 0; place < names.length; place++) {
      const name = names[(place + round + 1) % names.length]!;
      const run = `${name.replaceAll(' ', '-')}-${round}`;
      const nodeRed = running.get(name)!;
      const before = cpuOf(nodeRed.pid);
      const result = await load(nodeRed, { path: '/procurement/orders', signed: true, connections, count, run });
      await quiet(nodeRed);
      const cpu = (cpuOf(nodeRed.pid) - before) / count;
      // The first round warms up.
      if (round < 0) continue;
      rates.get(name)!.push(result.rate);
      cpus.get(name)!.push(cpu);
      console.log(JSON.stringify({ bench: 'costs', round, name, rate: Math.round(result.rate), cpu: Math.round(cpu) }));
    }
  }
  const shipped = { rates: rates.get('as shipped')!, cpus: cpus.get('as shipped')! };
  const ratio = (values: number[], base: number[]) =>
    Number(median(values.map((value, round) => value / base[round]!)).toFixed(2));
  const rows = [...running.keys()].map((name) => ({
    variant: name,
    '/s': Math.round(median(rates.get(name)!)),
    'rate to as shipped': ratio(rates.get(name)!, shipped.rates),
    'CPU µs': Math.round(median(cpus.get(name)!)),
    'CPU to as shipped': ratio(cpus.get(name)!, shipped.cpus),
  }));
  print(`Costs in the ingress, ${connections} connections: medians of ${rounds} rounds`, rows);
  publish('costs', { rounds, connections, rows });
} finally {
  for (const nodeRed of running.values()) await nodeRed.stop();
}

/**
 * The whole ingress (verify, claim, map, outbox, 202) against a bare `http in → http response` flow in the same
 * Node-RED, in interleaved rounds; then how fast the queue drains into the sandbox Odoo.
 *
 * Embedded engines unless AMQP_URL and POSTGRES_URL are set. The consumer is paused while the ingress is measured.
 */
import { randomUUID } from 'node:crypto';
import { startSandboxOdoo } from '../sandbox/odoo/index.ts';
import { waitUntil } from '../test/support/processes.ts';
import { bare, load, startIngress } from './ingress-node-red.ts';
import type { LoadResult } from './load.ts';
import { median, print, publish } from './report.ts';

const connections = (process.env.BENCH_CONNECTIONS ?? '1,16,64,200').split(',').map(Number);
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);

const odoo = await startSandboxOdoo({ version: '19' });
const servers = process.env.AMQP_URL !== undefined && process.env.POSTGRES_URL !== undefined;
const nodeRed = await startIngress({
  odoo,
  flows: bare,
  settings: { healthflows: { allowUnauthenticatedOperations: true } },
  env: servers
    ? { HEALTHFLOWS_AMQP_URL: process.env.AMQP_URL!, HEALTHFLOWS_POSTGRES_URL: process.env.POSTGRES_URL! }
    : {},
});

/** Presses the console's button for the queue of orders. */
async function press(button: 'pause' | 'resume'): Promise<void> {
  const response = await nodeRed.admin(`/healthflows/console/api/queues/healthflows.procurement.orders/${button}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: randomUUID(), reason: 'bench', connection: 'hf-amqp' }),
  });
  if (!response.ok) throw new Error(`${button}: ${response.status} ${await response.text()}`);
}

let accepted = 0;
async function measure(kind: 'bare' | 'ingress', width: number, count: number, run: string) {
  const signed = kind === 'ingress';
  const path = signed ? '/procurement/orders' : '/bare';
  if (signed) accepted += count;
  return await load(nodeRed, { path, signed, connections: width, count, run });
}

try {
  await press('pause');
  const rows = [];
  for (const width of connections) {
    const count = width === 1 ? 400 : 3_000;
    const taken: { bare: (LoadResult & { cpu: number })[]; ingress: (LoadResult & { cpu: number })[] } = {
      bare: [],
      ingress: [],
    };
    for (let round = -1; round < rounds; round++) {
      for (const kind of ['bare', 'ingress'] as const) {
        const result = await measure(kind, width, count, `${width}-${round}`);
        // The first round warms up.
        if (round >= 0) taken[kind].push(result);
      }
    }
    const of = (kind: 'bare' | 'ingress', what: 'rate' | 'p50' | 'p99' | 'cpu') =>
      median(taken[kind].map((result) => result[what]));
    rows.push({
      connections: width,
      'bare /s': Math.round(of('bare', 'rate')),
      'ingress /s': Math.round(of('ingress', 'rate')),
      ratio: Number(median(taken.ingress.map((result, round) => result.rate / taken.bare[round]!.rate)).toFixed(2)),
      'ingress p50 ms': Number(of('ingress', 'p50').toFixed(1)),
      'ingress p99 ms': Number(of('ingress', 'p99').toFixed(1)),
      'bare CPU µs': Math.round(of('bare', 'cpu')),
      'ingress CPU µs': Math.round(of('ingress', 'cpu')),
    });
  }
  print(`Ingress, ${servers ? 'RabbitMQ and PostgreSQL' : 'embedded engines'}: medians of ${rounds} rounds`, rows);

  const waiting = accepted;
  const started = performance.now();
  await press('resume');
  const orders = () => odoo.records('purchase.order').filter(({ state }) => state === 'purchase').length;
  const half = Math.floor(waiting / 20);
  await waitUntil('the queue begins to drain', () => orders() > half, 600_000, 50);
  const from = { orders: orders(), at: performance.now() };
  const goal = Math.min(waiting, from.orders + 4_000);
  await waitUntil('the queue drains', () => orders() >= goal, 600_000, 50);
  const drained = (orders() - from.orders) / ((performance.now() - from.at) / 1000);
  const consume = {
    'orders into Odoo /s': Math.round(drained),
    'start-up s': Number(((from.at - started) / 1000).toFixed(1)),
  };
  print('Consume → sandbox Odoo (upsert and confirm: 2 calls an order, stand-in in the same two cores)', [consume]);

  publish('ingress', { engines: servers ? 'servers' : 'embedded', rounds, ingress: rows, consume });
} finally {
  await nodeRed.stop();
  await odoo.close();
}

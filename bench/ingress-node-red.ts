/** Node-RED with the procurement flow as it is shipped, for the benches of the ingress. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type FlowNode, type NodeRed, startNodeRed } from '../test/support/node-red.ts';
import { generateLoad, type LoadResult } from './load.ts';

const secret = `whsec_${randomBytes(24).toString('base64')}`;

/** The least that Node-RED can answer with. */
export const bare: readonly FlowNode[] = [
  { id: 'bare', type: 'tab', label: 'Baseline' },
  { id: 'bare-in', type: 'http in', z: 'bare', url: '/bare', method: 'post', wires: [['bare-out']] },
  { id: 'bare-out', type: 'http response', z: 'bare', statusCode: '202', wires: [] },
];

export interface IngressOptions {
  /** Where the consumers send; without it Odoo does not answer, so that they wait. */
  odoo?: { url: string };
  /** Tabs beside the procurement flow. */
  flows?: readonly FlowNode[];
  settings?: Record<string, unknown>;
  env?: Record<string, string>;
  /** Flags for node itself. */
  nodeArguments?: readonly string[];
}

export function startIngress(options: IngressOptions): Promise<NodeRed> {
  const procurement = JSON.parse(
    readFileSync(new URL('../flows/procurement.json', import.meta.url), 'utf8'),
  ) as FlowNode[];
  const { odoo } = options;
  return startNodeRed({
    flows: [
      ...(options.flows ?? []),
      ...procurement.map((node) => (node.type === 'amqp-consume' ? { ...node, prefetch: 100 } : node)),
    ],
    settings: options.settings ?? {},
    nodeArguments: options.nodeArguments ?? [],
    env: {
      ODOO_URL: odoo?.url ?? 'http://127.0.0.1:9',
      ODOO_DB: 'sandbox',
      ODOO_LOGIN: 'bot',
      ODOO_API_KEY: 'sandbox-key',
      SUPPLIER_WEBHOOK_SECRET: secret,
      ...options.env,
    },
  });
}

/** Load on one route; `cpu` is microseconds of user and system time of Node-RED for a request. */
export async function load(
  nodeRed: NodeRed,
  order: { path: string; signed: boolean; connections: number; count: number; run: string },
): Promise<LoadResult & { cpu: number }> {
  const { signed, ...rest } = order;
  const before = cpuOf(nodeRed.pid);
  const result = await generateLoad({ port: nodeRed.port, ...rest, ...(signed ? { secret } : {}) });
  if (result.statuses['202'] !== order.count) throw new Error(`${order.path}: ${JSON.stringify(result.statuses)}`);
  return { ...result, cpu: (cpuOf(nodeRed.pid) - before) / order.count };
}

/** Microseconds of user and system time (`/proc/<pid>/stat`, 100 ticks a second). */
export function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

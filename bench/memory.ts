/**
 * Resident memory of Node-RED while it takes 100,000 messages in, beside that of a Node-RED without this package under
 * the same number of bare requests. Once with Node's own settings and once with the small heap of
 * `--max-semi-space-size=8 --max-old-space-size=192`, because V8 takes what it is not denied.
 */
import type { NodeRed } from '../test/support/node-red.ts';
import { startNodeRed } from '../test/support/node-red.ts';
import { temporaryDirectory } from '../test/support/processes.ts';
import { bare, load, startIngress } from './ingress-node-red.ts';
import { print, publish } from './report.ts';

const messages = Number(process.env.BENCH_MEMORY_MESSAGES ?? 100_000);
const step = messages / 5;
const smallHeap = ['--max-semi-space-size=8', '--max-old-space-size=192'];

interface Subject {
  name: string;
  start(): Promise<NodeRed>;
  path: string;
  signed: boolean;
}

const alone = (nodeArguments: readonly string[]) => () =>
  startNodeRed({ flows: bare, settings: { nodesDir: temporaryDirectory('no-nodes') }, nodeArguments });
const subjects: Subject[] = [
  { name: 'Node-RED alone', start: alone([]), path: '/bare', signed: false },
  { name: 'ingress', start: () => startIngress({}), path: '/procurement/orders', signed: true },
  { name: 'Node-RED alone, small heap', start: alone(smallHeap), path: '/bare', signed: false },
  {
    name: 'ingress, small heap',
    start: () => startIngress({ nodeArguments: smallHeap }),
    path: '/procurement/orders',
    signed: true,
  },
];

const rows: Record<string, string | number>[] = [];
for (const { name, start, path, signed } of subjects) {
  const nodeRed = await start();
  try {
    const row: Record<string, string | number> = { 'RSS MB': name, '0': Math.round(nodeRed.rss() / 1e6) };
    const began = performance.now();
    for (let sent = 0; sent < messages; sent += step) {
      await load(nodeRed, { path, signed, connections: 64, count: step, run: `${sent}` });
      row[`${sent + step}`] = Math.round(nodeRed.rss() / 1e6);
    }
    row['/s'] = Math.round(messages / ((performance.now() - began) / 1000));
    rows.push(row);
  } finally {
    await nodeRed.stop();
  }
}
print('Resident memory by messages taken in, 64 connections, embedded engines', rows);
publish('memory', { messages, rows });

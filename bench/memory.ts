/**
 * Resident memory of Node-RED while it takes 100,000 messages in, beside that of a Node-RED without this package under
 * the same number of bare requests: with Node's own settings, and with what deploy/node-red/node-red.service offers to
 * small machines, because V8 and the allocator take what they are not denied.
 *
 *     npm run bench -- memory      or, in pieces:      node bench/memory.ts [--messages 100000] [--only ingress]
 */
import { parseArgs } from 'node:util';
import { type NodeRed, startNodeRed } from '../test/support/node-red.ts';
import { temporaryDirectory } from '../test/support/processes.ts';
import { bare, load, startIngress } from './ingress-node-red.ts';
import { print, publish } from './report.ts';

const { values: flags } = parseArgs({
  options: {
    messages: { type: 'string', default: process.env.BENCH_MEMORY_MESSAGES ?? '100000' },
    // Settings whose name holds it, and what: `ingress` or `alone`.
    settings: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
  },
});
const messages = Number(flags.messages);
const steps = 10;
const step = Math.ceil(messages / steps);

interface Settings {
  name: string;
  nodeArguments: readonly string[];
  env: Record<string, string>;
}

const arenas = { MALLOC_ARENA_MAX: '2' };
const settings: readonly Settings[] = [
  { name: "Node's own", nodeArguments: [], env: {} },
  { name: 'semi-space 16', nodeArguments: ['--max-semi-space-size=16'], env: arenas },
  { name: 'semi-space 8', nodeArguments: ['--max-semi-space-size=8'], env: arenas },
  {
    name: 'semi-space 8, old 160',
    nodeArguments: ['--max-semi-space-size=8', '--max-old-space-size=160'],
    env: arenas,
  },
];

const subjects = {
  alone: {
    path: '/bare',
    start: ({ nodeArguments, env }: Settings) =>
      startNodeRed({ flows: bare, settings: { nodesDir: temporaryDirectory('no-nodes') }, nodeArguments, env }),
  },
  ingress: { path: '/procurement/orders', start: (how: Settings) => startIngress(how) },
};

const megabytes = (nodeRed: NodeRed) => Math.round(nodeRed.rss() / 1e6);

const rows: Record<string, string | number>[] = [];
for (const how of settings.filter(({ name }) => name.includes(flags.settings))) {
  for (const [name, { path, start }] of Object.entries(subjects)) {
    if (!name.includes(flags.only)) continue;
    const nodeRed = await start(how);
    try {
      const row: Record<string, string | number> = { 'RSS MB': name, settings: how.name, '0': megabytes(nodeRed) };
      const began = performance.now();
      for (let sent = 0; sent < messages; sent += step) {
        await load(nodeRed, { path, signed: name === 'ingress', connections: 64, count: step, run: `${sent}` });
        row[`${(sent + step) / 1000}k`] = megabytes(nodeRed);
      }
      row['/s'] = Math.round(messages / ((performance.now() - began) / 1000));
      console.log(JSON.stringify(row));
      rows.push(row);
    } finally {
      await nodeRed.stop();
    }
  }
}
print('Resident memory by messages taken in, 64 connections, embedded engines', rows);
publish('memory', { messages, rows });

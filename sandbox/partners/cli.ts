/** `node sandbox/partners/cli.ts --port <n>`: the partners of the sandbox, until the process ends. */
import { parseArgs } from 'node:util';
import { startPartners } from './host.ts';
import { partnersOf } from './partners.ts';

const { values } = parseArgs({ options: { port: { type: 'string', default: '8070' } } });
const host = await startPartners(partnersOf(process.env), Number(values.port));
console.log(`The partners listen at ${host.url}`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void host.close().then(() => process.exit(0)));

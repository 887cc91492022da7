/**
 * `npm run drills`: every drill, larger than in `npm test`, on the embedded engines and on RabbitMQ and PostgreSQL, and
 * the report of what happened in `docs/reports/drills.md`.
 *
 *   npm run drills -- --size 1 --engines embedded     as npm test draws them
 *   npm run drills -- bills                           the files whose name holds the word
 */
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startSharedServices } from '../support/services.ts';
import { type Evidence, marker } from './drill.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
process.chdir(root);
const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '8' },
    engines: { type: 'string', multiple: true, default: ['embedded', 'servers'] },
  },
});

interface Row {
  engines: string;
  title: string;
  passed: boolean;
  evidence?: Evidence;
}

const files = globSync('test/drills/*.test.ts')
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort();

async function drills(engines: string): Promise<Row[]> {
  process.env.HEALTHFLOWS_DRILL_ENGINES = engines;
  const rows: Row[] = [];
  const stream = run({ files: files.map((file) => join(root, file)), concurrency: 1 });
  const ended = (passed: boolean) => (event: { name: string; details: { type?: string | undefined } }) => {
    if (event.details.type !== 'suite') rows.push({ engines, title: event.name, passed });
  };
  stream.on('test:pass', ended(true));
  stream.on('test:fail', ended(false));
  stream.on('test:diagnostic', ({ message }) => {
    if (!message.startsWith(marker)) return;
    const evidence = JSON.parse(message.slice(marker.length)) as Evidence;
    const row = rows.findLast(({ title }) => title === `${evidence.drill}: ${evidence.holds}`);
    if (row !== undefined) row.evidence = evidence;
  });
  for await (const chunk of stream.compose(new spec())) process.stdout.write(String(chunk));
  return rows;
}

function report(rows: readonly Row[]): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const lines = rows.map(({ engines, title, passed, evidence }) => {
    const [drill, holds, found] =
      evidence === undefined
        ? [title, '', 'see the output of the run']
        : [evidence.drill, evidence.holds, evidence.evidence];
    return `| ${drill} | ${holds} | ${engines} | ${passed ? 'held' : '**broken**'} | ${found.replaceAll('|', '\\|')} |`;
  });
  return `# Drills

At ${commit}, ${new Date().toISOString().slice(0, 10)}, size ${options.size}, by \`npm run drills\`. Each runs the reference flows in a real Node-RED against the sandbox
Odoo; *servers* are RabbitMQ and PostgreSQL. The drills are in \`test/drills/\`; \`npm test\` runs them at size 1.

| what happens | what must hold | engines | result | evidence |
|---|---|---|---|---|
${lines.join('\n')}
`;
}

process.env.HEALTHFLOWS_DRILL_SIZE = options.size;
const services = await startSharedServices();
process.env.AMQP_URL = services.amqpUrl;
process.env.POSTGRES_URL = services.postgresUrl;
try {
  const rows: Row[] = [];
  for (const engines of options.engines) rows.push(...(await drills(engines)));
  mkdirSync('docs/reports', { recursive: true });
  writeFileSync('docs/reports/drills.md', report(rows));
  console.log('Report: docs/reports/drills.md');
  process.exitCode = rows.length > 0 && rows.every(({ passed }) => passed) ? 0 : 1;
} finally {
  await services.stop();
}

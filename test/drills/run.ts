/**
 * `npm run drills`: every drill, larger than in `npm test`, on the embedded engines and on RabbitMQ and PostgreSQL, and
 * the report of what happened in `docs/reports/<date>-drills.md`.
 *
 *   npm run drills -- --size 1 --engines embedded     as npm test draws them
 *   npm run drills -- bills --engines servers         a part; the other rows of the report stay as they were run
 *   npm run drills -- --fresh                         forgets what was run before
 */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect } from 'amqplib';
import { Client } from 'pg';
import { startSharedServices } from '../support/services.ts';
import { type Evidence, marker } from './drill.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
process.chdir(root);
const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '8' },
    engines: { type: 'string', multiple: true, default: ['embedded', 'servers'] },
    fresh: { type: 'boolean', default: false },
  },
});

interface Row {
  engines: string;
  title: string;
  passed: boolean;
  evidence?: Evidence;
  /** What it was run at. */
  commit: string;
  size: string;
}

const keptRows = '.test-output/drills.json';
const today = new Date().toISOString().slice(0, 10);
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();

const files = globSync('test/drills/*.test.ts')
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort();

async function drills(engines: string): Promise<Row[]> {
  process.env.HEALTHFLOWS_DRILL_ENGINES = engines;
  const rows: Row[] = [];
  const stream = run({ files: files.map((file) => join(root, file)), concurrency: 1 });
  const ended = (passed: boolean) => (event: { name: string; details: { type?: string | undefined } }) => {
    if (event.details.type !== 'suite') rows.push({ engines, title: event.name, passed, commit, size: options.size });
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

const versionOf = (name: string): string =>
  (JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')) as { version: string }).version;

function report(rows: readonly Row[], servers: string): string {
  const lines = rows.map(({ engines, title, passed, evidence, size }) => {
    const [drill, holds, found] =
      evidence === undefined
        ? [title, '', 'see the output of the run']
        : [evidence.drill, evidence.holds, evidence.evidence];
    return `| ${drill} | ${holds} | ${engines}, ${size} | ${passed ? 'held' : '**broken**'} | ${found.replaceAll('|', '\\|')} |`;
  });
  const commits = [...new Set(rows.map((row) => row.commit))].join(', ');
  return `# Drills

At ${commits}, ${today}, by \`npm run drills\`, on a machine of ${availableParallelism()} cores with Node.js
${process.versions.node}, Node-RED ${versionOf('node-red')}, ${servers}. Each runs the reference flows in a real Node-RED against the sandbox Odoo 19;
*servers* are RabbitMQ and PostgreSQL. The drills are in \`test/drills/\`; \`npm test\` runs them at size 1.

*Accepted* is what was answered 202. It is once in Odoo, or a dead letter or an exception of somebody who is named;
the drill fails when one is neither or both. Sums are exact decimals of what was sent and of what Odoo holds.

| what happens | what must hold | engines, size | result | evidence |
|---|---|---|---|---|
${lines.join('\n')}
`;
}

async function serverVersions(amqpUrl: string, postgresUrl: string): Promise<string> {
  const broker = await connect(amqpUrl);
  const rabbitmq = String(broker.connection.serverProperties.version);
  await broker.close();
  const client = new Client({ connectionString: postgresUrl });
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  await client.end();
  return `RabbitMQ ${rabbitmq} and PostgreSQL ${rows[0]!.server_version.split(' ')[0]}`;
}

process.env.HEALTHFLOWS_DRILL_SIZE = options.size;
const services = await startSharedServices();
process.env.AMQP_URL = services.amqpUrl;
process.env.POSTGRES_URL = services.postgresUrl;
try {
  const servers = await serverVersions(services.amqpUrl, services.postgresUrl);
  const rows: Row[] = [];
  for (const engines of options.engines) rows.push(...(await drills(engines)));
  const before = !options.fresh && existsSync(keptRows) ? (JSON.parse(readFileSync(keptRows, 'utf8')) as Row[]) : [];
  const all = [
    ...before.filter((row) => !rows.some(({ engines, title }) => row.engines === engines && row.title === title)),
    ...rows,
  ];
  mkdirSync('.test-output', { recursive: true });
  writeFileSync(keptRows, JSON.stringify(all));
  mkdirSync('docs/reports', { recursive: true });
  const file = `docs/reports/${today}-drills.md`;
  writeFileSync(
    file,
    report(
      all.toSorted((a, b) => a.engines.localeCompare(b.engines)),
      servers,
    ),
  );
  console.log(`Report: ${file}`);
  process.exitCode = rows.length > 0 && rows.every(({ passed }) => passed) ? 0 : 1;
} finally {
  await services.stop();
}

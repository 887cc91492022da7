/**
 * `npm run campaign [-- name …]`: the fault tests with full counts, one after the other, and a report of what they did
 * under `docs/reports/`. The tests are those of `npm test`, which draws fewer. Interrupted, it goes on where it stopped.
 *
 *   npm run campaign -- --scale 0.1 node-red-embedded     a tenth of the trials, one campaign
 *   npm run campaign -- --fresh                           forgets what an interrupted run has done
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type SharedServices, startSharedServices } from '../support/services.ts';

interface Campaign {
  title: string;
  file: string;
  /** Regular expression on the names of tests. */
  only?: string;
  /** Variable that tells the test how often. */
  variable: string;
  trials: number;
  unit: string;
}

const campaigns: Record<string, Campaign> = {
  'node-red-embedded': {
    title: 'kill -9 of Node-RED under load, embedded engines',
    file: 'test/e2e/procurement-embedded.test.ts',
    only: 'kill -9',
    variable: 'HEALTHFLOWS_KILLS',
    trials: 1_000,
    unit: 'kills',
  },
  'node-red-servers': {
    title: 'kill -9 of Node-RED under load, RabbitMQ and PostgreSQL',
    file: 'test/e2e/procurement-servers.test.ts',
    only: 'kill -9',
    variable: 'HEALTHFLOWS_KILLS',
    trials: 1_000,
    unit: 'kills',
  },
  'node-red-4': {
    title: 'kill -9 of Node-RED 4.1 under load, embedded engines',
    file: 'test/e2e/procurement-node-red-4.test.ts',
    only: 'kill -9',
    variable: 'HEALTHFLOWS_KILLS',
    trials: 200,
    unit: 'kills',
  },
  broker: {
    title: 'kill -9 and restart of RabbitMQ under load, 10,000 messages a round; a memory alarm of 60 s',
    file: 'test/faults/amqp/broker.test.ts',
    variable: 'HEALTHFLOWS_FAULT_ROUNDS',
    trials: 100,
    unit: 'rounds',
  },
  link: {
    title: 'Link to RabbitMQ cut, refused, half-open, silent, slow, narrow under load, 10,000 messages a round',
    file: 'test/faults/amqp/link.test.ts',
    variable: 'HEALTHFLOWS_FAULT_ROUNDS',
    trials: 20,
    unit: 'rounds of each fault',
  },
  replay: {
    title: 'Replay of the letters of one cause with an edit, killed three times',
    file: 'test/faults/amqp/replay.test.ts',
    variable: 'HEALTHFLOWS_LETTERS',
    trials: 5_000,
    unit: 'letters',
  },
  backlog: {
    title: 'A backlog with a slow consumer, order per key, redeploy in the middle',
    file: 'test/faults/amqp/backlog.test.ts',
    variable: 'HEALTHFLOWS_BACKLOG',
    trials: 100_000,
    unit: 'messages',
  },
  shared: {
    title: 'Two Node-REDs on one RabbitMQ and one PostgreSQL, one killed',
    file: 'test/e2e/two-servers.test.ts',
    variable: 'HEALTHFLOWS_SHARED_ORDERS',
    trials: 4_000,
    unit: 'orders',
  },
  messaging: {
    title: 'kill -9 of the publishing and consuming process',
    file: 'test/faults/amqp/crash.test.ts',
    variable: 'HEALTHFLOWS_FAULT_KILLS',
    trials: 200,
    unit: 'kills',
  },
  store: {
    title: 'kill -9 of the writer of the integration store',
    file: 'test/faults/store/crash.test.ts',
    variable: 'FAULT_ROUNDS',
    trials: 200,
    unit: 'kills',
  },
  claims: {
    title: 'kill -9 at each step between claim and completion, both engines',
    file: 'test/faults/idempotency/claim-to-completion.test.ts',
    variable: 'HEALTHFLOWS_FAULT_KILLS',
    trials: 200,
    unit: 'kills on each engine',
  },
  power: {
    title: 'Power loss under the embedded store (copied file system image)',
    file: 'test/faults/store/power-loss.test.ts',
    variable: 'FAULT_ROUNDS',
    trials: 12,
    unit: 'cuts',
  },
  fuzz: {
    title: 'Hostile requests at the webhook verifier',
    file: 'test/faults/webhook/fuzz.test.ts',
    variable: 'FUZZ_REQUESTS',
    trials: 1_000_000,
    unit: 'requests',
  },
};

interface Result {
  name: string;
  trials: number;
  passed: boolean;
  seconds: number;
  /** What the tests said of themselves: events, replies, recovery. */
  notes: string[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
process.chdir(root);
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: 'string', default: '1' }, fresh: { type: 'boolean', default: false } },
});
const scale = Number(options.scale);
const names = positionals.length > 0 ? positionals : Object.keys(campaigns);
const unknown = names.filter((name) => campaigns[name] === undefined);
if (unknown.length > 0 || !(scale > 0)) {
  console.error(`There is no campaign ${unknown.join(', ')}. There are: ${Object.keys(campaigns).join(', ')}.`);
  process.exit(2);
}

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const progressFile = join('.test-output', 'campaign.json');
mkdirSync('.test-output', { recursive: true });
if (options.fresh) rmSync(progressFile, { force: true });
const earlier = existsSync(progressFile)
  ? (JSON.parse(readFileSync(progressFile, 'utf8')) as { commit: string; results: Result[] })
  : undefined;
// Results of another commit prove nothing about this one.
const results: Result[] = earlier?.commit === commit ? earlier.results : [];

function run(name: string, campaign: Campaign, services: SharedServices): Promise<Result> {
  const trials = Math.max(1, Math.round(campaign.trials * scale));
  const began = performance.now();
  const only = campaign.only === undefined ? [] : [`--test-name-pattern=${campaign.only}`];
  const child = spawn(process.execPath, ['--test', '--test-reporter=tap', ...only, campaign.file], {
    env: {
      ...process.env,
      AMQP_URL: services.amqpUrl,
      POSTGRES_URL: services.postgresUrl,
      [campaign.variable]: String(trials),
      HEALTHFLOWS_CAMPAIGN: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve) => {
    child.on('close', (code) => {
      writeFileSync(join('.test-output', `campaign-${name}.tap`), output);
      // Notes that tests leave with `t.diagnostic` begin with "campaign:".
      const notes = [...output.matchAll(/^\s*# campaign: (.+)$/gm)].map((match) => match[1]!);
      resolve({ name, trials, passed: code === 0, seconds: Math.round((performance.now() - began) / 1000), notes });
    });
  });
}

function report(): string {
  const lines = results.map(({ name, trials, passed, seconds, notes }) => {
    const { title, unit } = campaigns[name]!;
    const bound = passed ? `${((3 / trials) * 100).toPrecision(2)} %` : '';
    return `| ${title} | ${trials} ${unit} | ${passed ? '0 violations' : '**failed**'} | ${bound} | ${seconds} | ${notes.join('<br>')} |`;
  });
  return `# Fault campaign at ${commit}

${new Date().toISOString()}, Node.js ${process.version}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB.

With no violation in N trials the chance of one is below 3/N at 95 % confidence.

| campaign | trials | result | upper bound | seconds | what happened |
|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

const services = await startSharedServices();
try {
  for (const name of names) {
    if (results.some((result) => result.name === name && result.passed)) continue;
    console.log(`${campaigns[name]!.title} …`);
    const result = await run(name, campaigns[name]!, services);
    console.log(
      `  ${result.passed ? 'no violation' : 'FAILED'} in ${result.trials} ${campaigns[name]!.unit}, ${result.seconds} s`,
    );
    for (const note of result.notes) console.log(`  ${note}`);
    results.push(result);
    writeFileSync(progressFile, JSON.stringify({ commit, results }));
  }
  mkdirSync('docs/reports', { recursive: true });
  const file = `docs/reports/${new Date().toISOString().slice(0, 10)}-${commit}.md`;
  writeFileSync(file, report());
  console.log(`Report: ${file}`);
} finally {
  await services.stop();
}
process.exit(results.every(({ passed }) => passed) ? 0 : 1);

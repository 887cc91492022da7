/**
 * `npm test`: builds, checks types and style, and runs the tests with the servers they need.
 *
 *   npm test                          everything
 *   npm test -- idempotency settle    the test files whose path holds one of the words
 *   npm test -- --quick               without the slow folders (runtime, end to end, faults, package, editor)
 */
import { spawn } from 'node:child_process';
import { createWriteStream, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { junit, spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type SharedServices, startSharedServices } from '../test/support/services.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const help = `npm test                          everything
npm test -- idempotency settle    only the test files whose path holds one of the words
npm test -- --quick               without the slow folders (runtime, end to end, faults, package, editor)

AMQP_URL and POSTGRES_URL name servers to use; without them private ones are started and removed again.`;

const { values: options, positionals: words } = readArguments();

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { quick: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
    });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}

if (options.help) {
  console.log(help);
  process.exit(0);
}

/** These start whole processes and come after the tests that tell sooner what is wrong. */
const slowFolders = ['runtime', 'contract', 'e2e', 'drills', 'pack', 'editor', 'faults'];

function slowness(file: string): number {
  return slowFolders.indexOf(file.split(/[\\/]/)[1] ?? '');
}

const files = globSync('test/**/*.test.ts')
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .filter((file) => !options.quick || slowness(file) < 0)
  .sort((a, b) => slowness(a) - slowness(b) || a.localeCompare(b));
if (files.length === 0) {
  console.error(`No test file under test/ has a path with ${words.map((word) => `"${word}"`).join(' or ')}.`);
  process.exit(1);
}

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());

/** Runs one of the project's tools and shows what it prints. */
async function tool(title: string, script: string, ...args: string[]): Promise<boolean> {
  const began = performance.now();
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit', signal: interrupt.signal });
  const succeeded = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (!interrupt.signal.aborted) console.log(`${succeeded ? '✔' : '✖'} ${title} (${seconds} s)`);
  return succeeded;
}

async function main(): Promise<number> {
  // They take seconds to start, and the build takes seconds too.
  const starting = startSharedServices();
  starting.catch(() => {});
  let services: SharedServices | undefined;
  try {
    if (!(await tool('Build', 'scripts/build.ts'))) return 1;
    const failed: string[] = [];
    if (words.length === 0) {
      const checks: [title: string, script: string, ...args: string[]][] = [
        ['Types', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.check.json'],
        ['Types of the editor', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.editor.json'],
        ['Format and lint', 'node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
        ['Typed lint', 'node_modules/oxlint/bin/oxlint', '--type-aware', ...sourceFolders()],
      ];
      for (const check of checks) {
        if (interrupt.signal.aborted) return 130;
        if (!(await tool(...check))) failed.push(check[0]);
      }
    }
    services = await starting;
    if (interrupt.signal.aborted) return 130;
    process.env.AMQP_URL = services.amqpUrl;
    process.env.POSTGRES_URL = services.postgresUrl;
    if (!(await runTests())) failed.push('tests');
    if (interrupt.signal.aborted) return 130;
    if (failed.length > 0) console.error(`Failed: ${failed.join(', ')}.`);
    return failed.length === 0 ? 0 : 1;
  } finally {
    services ??= await starting.catch(() => undefined);
    await services?.stop();
  }
}

function sourceFolders(): string[] {
  return ['nodes', 'scripts', 'sandbox', 'bench', 'test'].filter((folder) => globSync(`${folder}/**/*.ts`).length > 0);
}

async function runTests(): Promise<boolean> {
  const output = '.test-output';
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  let passed = true;
  const durations: { file: string; seconds: number; passed: boolean }[] = [];
  const stream = run({
    files: files.map((file) => join(root, file)),
    // One more than processors: test files mostly wait for the servers and browsers they start.
    concurrency: Math.min(4, availableParallelism() + 1),
    signal: interrupt.signal,
    // Per file; only a hanging test comes near.
    timeout: 15 * 60_000,
  });
  stream.on('test:fail', (event) => {
    if (event.todo === undefined || event.todo === false) passed = false;
  });
  stream.on('test:summary', ({ file, duration_ms: duration, success }) => {
    if (file !== undefined) {
      durations.push({ file: relative(root, file), seconds: Math.round(duration / 100) / 10, passed: success });
    }
  });
  const report = stream.compose(junit).pipe(createWriteStream(join(output, 'junit.xml')));
  stream.compose(new spec()).pipe(process.stdout);
  await finished(stream);
  await finished(report);
  durations.sort((a, b) => b.seconds - a.seconds);
  writeFileSync(join(output, 'durations.json'), `${JSON.stringify(durations, null, 2)}\n`);
  return passed;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!interrupt.signal.aborted) console.error(error instanceof Error ? error.message : error);
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
}

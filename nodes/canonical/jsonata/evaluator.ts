/**
 * The escape hatch's budget, and it holds: expressions run in one process of their own, one document after another. A
 * document that takes too long or too much memory costs that process its life, and the next document finds a fresh one.
 * JSONata itself has no limit that an expression could not get around, and neither has a worker thread: one array that
 * grows past the thread's heap limit in one step ends the whole process with it (V8's "Reached heap limit").
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createHash } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import type { CompiledMapping, ExpressionValue, ExpressionValues } from '../mapping/compile.ts';
import type { WorkerReply, WorkerTask } from './protocol.ts';

const childFile = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url),
);

/** Milliseconds for the JSONata rows of one document, unless the mapping says another number. */
export const timeBudget = 1_000;
/** Heap of an expression in MiB. */
export const memoryBudget = 64;
/** Most characters that the results for one document may have. */
const sizeBudget = 1024 * 1024;
/** Documents that may wait. */
const queueLimit = 1_000;

interface Waiting {
  task: WorkerTask;
  mapping: string;
  budget: number;
  resolve(values: ExpressionValues): void;
  reject(failure: Failure): void;
}

type Phase =
  | { kind: 'none' }
  | { kind: 'starting'; child: ChildProcess }
  | { kind: 'idle'; child: ChildProcess }
  | Busy;
interface Busy {
  kind: 'busy';
  child: ChildProcess;
  waiting: Waiting;
  timer: NodeJS.Timeout;
}

class Evaluator {
  #phase: Phase = { kind: 'none' };
  readonly #queue: Waiting[] = [];

  run(waiting: Waiting): void {
    if (this.#queue.length >= queueLimit) {
      waiting.reject(
        new Failure(
          'saturation',
          'JSONATA_QUEUE',
          `${queueLimit} documents wait for their JSONata rows already. Replace the expressions by rows, or slow the sender down.`,
        ),
      );
      return;
    }
    this.#queue.push(waiting);
    this.#next();
  }

  #next(): void {
    if (this.#queue.length === 0) return;
    if (this.#phase.kind === 'none') this.#start();
    if (this.#phase.kind !== 'idle') return;
    const { child } = this.#phase;
    const waiting = this.#queue.shift()!;
    const timer = setTimeout(() => this.#overrun(child, waiting), waiting.budget);
    this.#phase = { kind: 'busy', child, waiting, timer };
    hold(child);
    child.send(waiting.task, (error) => {
      if (error !== null) child.kill('SIGKILL');
    });
  }

  #start(): void {
    const child = fork(childFile, [String(memoryBudget)], {
      // An expression has nothing to read there; the two are what finds Node's own libraries.
      env: Object.fromEntries(
        ['SystemRoot', 'LD_LIBRARY_PATH'].flatMap((name) => {
          const value = process.env[name];
          return value === undefined ? [] : [[name, value]];
        }),
      ),
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#phase = { kind: 'starting', child };
    child.on('message', (message: WorkerReply) => this.#receive(child, message));
    child.on('error', (error) => this.#lost(child, error));
    child.on('exit', (code, signal) => this.#lost(child, undefined, code === 134 || signal === 'SIGABRT'));
  }

  #receive(child: ChildProcess, message: WorkerReply): void {
    const phase = this.#phase;
    if (phase.kind === 'none' || phase.child !== child) return;
    if (phase.kind === 'busy') {
      clearTimeout(phase.timer);
      if (message.kind === 'done') phase.waiting.resolve(valuesOf(message.json));
      else phase.waiting.reject(spent(phase.waiting, 'SIZE', `gave more than ${sizeBudget} characters`));
    }
    this.#phase = { kind: 'idle', child };
    release(child);
    this.#next();
  }

  #overrun(child: ChildProcess, waiting: Waiting): void {
    this.#phase = { kind: 'none' };
    child.kill('SIGKILL');
    waiting.reject(spent(waiting, 'TIME', `did not finish within ${waiting.budget} ms and were stopped`));
    this.#next();
  }

  #lost(child: ChildProcess, error: unknown, memory = false): void {
    const phase = this.#phase;
    if (phase.kind === 'none' || phase.child !== child) return;
    this.#phase = { kind: 'none' };
    if (phase.kind === 'busy') {
      clearTimeout(phase.timer);
      phase.waiting.reject(
        memory
          ? spent(phase.waiting, 'MEMORY', `needed more than ${memoryBudget} MiB and were stopped`)
          : spent(phase.waiting, 'CRASH', 'ended their process'),
      );
    } else if (phase.kind === 'starting') {
      // It never came up: whoever waits is told, instead of starting processes for ever.
      const failure = new Failure(
        'configuration',
        'JSONATA_UNAVAILABLE',
        'The process that evaluates JSONata could not be started. Check that the package is installed completely and that Node-RED may start processes.',
        { cause: error },
      );
      for (const waiting of this.#queue.splice(0)) waiting.reject(failure);
    }
    this.#next();
  }
}

/** An idle process does not keep ours alive, a busy one does. */
function release(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

function hold(child: ChildProcess): void {
  child.ref();
  child.channel?.ref();
}

function spent({ mapping, task }: Waiting, code: string, what: string): Failure {
  const rows = task.expressions.map(({ row }) => row).join(', ');
  return new Failure(
    'configuration',
    `JSONATA_${code}`,
    `The JSONata of ${mapping} (row ${rows}) ${what} on this document. Simplify it, replace it by rows, or raise "jsonataBudget" in the mapping.`,
  );
}

const valuesOf = (json: string): ExpressionValues =>
  new Map((JSON.parse(json) as [number, [string, ExpressionValue][]][]).map(([row, values]) => [row, new Map(values)]));

const evaluator = new Evaluator();
const keys = new WeakMap<CompiledMapping, string>();

/**
 * Results of a mapping's JSONata rows for a document.
 * @throws Failure `configuration` `JSONATA_*` when a budget is spent, `saturation` when too many documents wait
 */
export function evaluateExpressions(compiled: CompiledMapping, document: unknown): Promise<ExpressionValues> {
  const { expressions, mapping } = compiled;
  let key = keys.get(compiled);
  if (key === undefined) {
    key = createHash('sha256').update(JSON.stringify(expressions)).digest('hex');
    keys.set(compiled, key);
  }
  const task: WorkerTask = { key, expressions, document, size: sizeBudget };
  return new Promise((resolve, reject) => {
    evaluator.run({
      task,
      mapping: `${mapping.id} ${mapping.version}`,
      budget: mapping.jsonataBudget ?? timeBudget,
      resolve,
      reject,
    });
  });
}

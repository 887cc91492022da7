/** Evaluates JSONata expressions, in a thread of a process of its own: see evaluator.ts for why. */
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';
import type { ExpressionRow, ExpressionValue } from '../mapping/compile.ts';
import { endOfLoop, listGetter, parsePath } from '../mapping/path.ts';
import type { WorkerReply, WorkerTask } from './protocol.ts';

interface Expression {
  evaluate(input: unknown, bindings: Record<string, unknown>): Promise<unknown>;
}

const jsonata = createRequire(import.meta.url)('jsonata') as (expression: string) => Expression;

// What an expression might put on a prototype would wait for the next document here.
for (const each of [Object, Array, Function, String, Number, Boolean, Date, RegExp, Map, Set, Promise])
  Object.freeze(each.prototype);

interface Compiled {
  row: number;
  expression: Expression;
  /** One function for each loop around it, outermost first. */
  lists: ((value: unknown) => readonly unknown[])[];
}

/** Compiled expressions by mapping; the one used last is the last. */
const cache = new Map<string, Compiled[]>();
const cacheLimit = 100;
const itemLimit = 10_000;

function compiledOf({ key, expressions }: WorkerTask): Compiled[] {
  const known = cache.get(key) ?? expressions.map(compile);
  cache.delete(key);
  cache.set(key, known);
  if (cache.size > cacheLimit) cache.delete(cache.keys().next().value!);
  return known;
}

function compile({ row, expression, loops }: ExpressionRow): Compiled {
  const lists: Compiled['lists'] = [];
  if (loops !== '') {
    const path = parsePath(loops);
    let from = 0;
    for (let n = 1; n <= path.loops; n++) {
      const end = endOfLoop(path, n);
      lists.push(listGetter(path.steps.slice(from, end)));
      from = end;
    }
  }
  return { row, expression: jsonata(expression), lists };
}

async function evaluate({ row, expression, lists }: Compiled, document: unknown) {
  const values: [string, ExpressionValue][] = [];
  const visit = async (value: unknown, depth: number, positions: number[]): Promise<void> => {
    if (values.length >= itemLimit) return;
    if (depth < lists.length) {
      const items = lists[depth]!(value);
      for (let i = 0; i < items.length; i++) await visit(items[i], depth + 1, [...positions, i]);
      return;
    }
    values.push([positions.join('.'), await resultOf(expression, value, document, positions.at(-1))]);
  };
  await visit(document, 0, []);
  return [row, values] as const;
}

async function resultOf(
  expression: Expression,
  input: unknown,
  document: unknown,
  position: number | undefined,
): Promise<ExpressionValue> {
  try {
    const value = await expression.evaluate(input, {
      document,
      ...(position === undefined ? {} : { index: position + 1 }),
    });
    if (value === undefined || value === null) return {};
    if (hasFloat(value)) {
      return {
        problem:
          'no number with decimals was expected from JSONata, which calculates in floating point; hand the text of the document on, and calculate with transforms',
        code: 'MAPPING_FLOAT',
      };
    }
    return { value };
  } catch (error) {
    const { code } = error as { code?: unknown };
    return {
      problem: `an expression that works on this document was expected (JSONata ${typeof code === 'string' && /^[A-Z]\d{4}$/.test(code) ? code : 'error'})`,
      code: 'MAPPING_JSONATA',
    };
  }
}

function hasFloat(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isSafeInteger(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasFloat);
}

const reply = (message: WorkerReply): void => parentPort!.postMessage(message);

parentPort!.on('message', (task: WorkerTask) => {
  Promise.all(compiledOf(task).map((each) => evaluate(each, task.document)))
    .then((results) => JSON.stringify(results))
    .then((json) => reply(json.length > task.size ? { kind: 'too-large' } : { kind: 'done', json }))
    .catch((error: unknown) => {
      // Ends the thread, and the process with it.
      throw error;
    });
});
reply({ kind: 'ready' });

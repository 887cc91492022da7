/** JSONata expressions of mapping rows: read here, evaluated in a process of their own (evaluator.ts). */
import { createRequire } from 'node:module';

interface Syntax {
  type?: string;
  value?: unknown;
  [more: string]: unknown;
}

/** Longest expression, in characters. */
export const expressionLimit = 2_000;

let parser: ((expression: string) => { ast(): unknown }) | undefined;

/** Loaded with the first mapping that has such a row: nearly none has. */
function parse(expression: string): Syntax {
  parser ??= createRequire(import.meta.url)('jsonata') as NonNullable<typeof parser>;
  return parser(expression).ast() as Syntax;
}

/** What is wrong with an expression, or undefined. */
export function expressionProblem(expression: unknown): string | undefined {
  if (typeof expression !== 'string' || expression.trim() === '') return '"jsonata" must be an expression as text';
  if (expression.length > expressionLimit)
    return `the JSONata expression is longer than ${expressionLimit} characters; a mapping that needs it belongs into a function node`;
  try {
    parse(expression);
    return undefined;
  } catch (error) {
    const { code = '', position } = error as { code?: string; position?: number };
    return `the JSONata expression cannot be read (${/^[A-Z]\d{4}$/.test(code) ? code : 'syntax'}${
      typeof position === 'number' ? ` at character ${position}` : ''
    })`;
  }
}

const operators = new Set(['+', '-', '*', '/', '%']);
const functions = new Set([
  'sum',
  'average',
  'number',
  'round',
  'power',
  'sqrt',
  'abs',
  'floor',
  'ceil',
  'formatNumber',
]);

/** True when an expression computes with numbers. */
export function calculates(expression: string): boolean {
  try {
    return computes(parse(expression), 0);
  } catch {
    return false;
  }
}

function computes(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null || depth > 200) return false;
  if (Array.isArray(value)) return value.some((inner) => computes(inner, depth + 1));
  const node = value as Syntax;
  if (node.type === 'binary' && operators.has(String(node.value))) return true;
  if (node.type === 'unary' && node.value === '-') return true;
  const { procedure } = node as { procedure?: Syntax };
  if (node.type === 'function' && procedure?.type === 'variable' && functions.has(String(procedure.value))) return true;
  return Object.values(node).some((inner) => computes(inner, depth + 1));
}

/**
 * Paths of fields that an expression reads, as far as its text tells: `po.comment`, and `po.*` for everything below.
 * Those inside a filter or a function are relative to what that works on.
 */
export function fieldsRead(expression: string): string[] {
  const found = new Set<string>();
  try {
    collect(parse(expression), found, 0);
  } catch {
    // An expression that cannot be read is a problem of its own row.
  }
  return [...found];
}

function collect(value: unknown, found: Set<string>, depth: number): void {
  if (typeof value !== 'object' || value === null || depth > 200) return;
  if (Array.isArray(value)) {
    for (const inner of value) collect(inner, found, depth + 1);
    return;
  }
  const node = value as Syntax;
  if (node.type === 'path') {
    const names: string[] = [];
    for (const step of node.steps as Syntax[]) {
      if (step.type === 'name') names.push(String(step.value));
      else if (step.type === 'wildcard' || step.type === 'descendant') {
        names.push('*');
        break;
      } else if (step.type !== 'variable') break;
    }
    if (names.length > 0) found.add(names.join('.'));
  }
  for (const inner of Object.values(node)) collect(inner, found, depth + 1);
}

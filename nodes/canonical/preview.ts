/** What the dialog shows of a mapping on a sample: the result, what every row did, and what is missing. */
import { toFailure } from '../kernel/failure.ts';
import { isTextFormat, writeDocument } from './formats/index.ts';
import { read } from './mapper.ts';
import { sourcesOf, uncovered } from './mapping/check.ts';
import { evaluateExpressions } from './jsonata/evaluator.ts';
import { fieldsRead } from './jsonata/expression.ts';
import type { CompiledMapping, RowTrace, RunOptions } from './mapping/compile.ts';
import type { Mapping, Side } from './mapping/mapping.ts';
import { parsePath } from './mapping/path.ts';
import { entityNamed } from './model/fields.ts';
import { type Validation, validatorOf } from './model/validate.ts';

export interface RowPreview {
  row: number;
  /** How often the row ran. */
  runs: number;
  outcome: RowTrace['outcome'];
  source: string;
  target: string;
  /** First value and first result, shortened. */
  value?: string;
  result?: string;
  steps: { name: string; value: string }[];
  error?: string;
}

export interface Preview {
  /** The mapped document as text. */
  result: string;
  rows: RowPreview[];
  violations: { row?: number; path: string; rule: string; expected: string }[];
  /** Leaves of the sample that no row reads. */
  unmapped: string[];
  /** Required target fields that are not in the result. */
  missing: string[];
  /** Leaves of the sample, for the source tree. */
  source: { path: string; value: string }[];
}

const leafLimit = 2_000;
const shown = 200;

/**
 * Runs a mapping on a sample that the analyst has pasted; the values shown are the analyst's own.
 * @throws Failure when the sample cannot be read in the source's format
 */
export function preview(compiled: CompiledMapping, sample: string, options: RunOptions = {}): Preview {
  const { mapping } = compiled;
  const source = read(mapping.source, sample);
  const problems: Preview['violations'] = [];
  if ('entity' in mapping.source)
    problems.push(...told(validatorOf(mapping.source.entity, 'tolerant')(source), 'source'));
  const { value, violations, traces } = compiled.explain(source, options);
  for (const { row, path, target, rule, expected } of violations)
    problems.push({ row, path: path === '' ? target : path, rule, expected });
  const missing: string[] = [];
  if ('entity' in mapping.target) {
    const validation = validatorOf(mapping.target.entity, 'strict')(value);
    problems.push(...told(validation, 'target'));
    for (const violation of validation.violations) if (violation.rule === 'required') missing.push(violation.path);
  }
  const leaves = leavesOf(source);
  return {
    result: textOf(mapping, value),
    rows: rowsOf(mapping, traces),
    violations: problems.slice(0, 100),
    unmapped: unread(mapping, leaves),
    missing,
    source: shownLeaves(leaves),
  };
}

/** As {@link preview}, for a mapping that may have JSONata rows. */
export async function previewed(compiled: CompiledMapping, sample: string): Promise<Preview> {
  if (compiled.expressions.length === 0) return preview(compiled, sample);
  const expressions = await evaluateExpressions(compiled, read(compiled.mapping.source, sample));
  return preview(compiled, sample, { expressions });
}

const shownLeaves = (leaves: readonly Leaf[]): Preview['source'] =>
  leaves.slice(0, leafLimit).map(({ path, value }) => ({ path, value: shorten(value) }));

/** The leaves of a sample alone, for a mapping that has no usable row yet. @throws Failure for an unreadable sample */
export function sourceOf(source: Side | undefined, sample: string): Preview['source'] {
  return source === undefined ? [] : shownLeaves(leavesOf(read(source, sample)));
}

const told = (validation: Validation, side: string): Preview['violations'] =>
  validation.violations.map((violation) => ({ ...violation, path: `${side} ${violation.path}` }));

function textOf(mapping: Mapping, value: unknown): string {
  const { target } = mapping;
  if ('entity' in target || !isTextFormat(target.format)) return JSON.stringify(value, null, 2);
  try {
    return writeDocument(target.format, value, target.options);
  } catch (error) {
    return `${toFailure(error).message}\n\n${JSON.stringify(value, null, 2)}`;
  }
}

function rowsOf(mapping: Mapping, traces: readonly RowTrace[]): RowPreview[] {
  const rows = new Map<number, RowPreview>();
  for (const trace of traces) {
    const known = rows.get(trace.row);
    // The first run stands for the row, unless a later one failed.
    if (known !== undefined && (trace.outcome !== 'error' || known.outcome === 'error')) {
      known.runs++;
      continue;
    }
    rows.set(trace.row, {
      row: trace.row,
      runs: (known?.runs ?? 0) + 1,
      outcome: trace.outcome,
      source: trace.source,
      target: trace.target,
      ...(trace.value === undefined ? {} : { value: shorten(trace.value) }),
      ...(trace.result === undefined ? {} : { result: shorten(trace.result) }),
      steps: trace.steps.map((step) => ({ name: step.name, value: shorten(step.value) })),
      ...(trace.error === undefined ? {} : { error: trace.error }),
    });
  }
  return mapping.rows.map(
    (row, i) =>
      rows.get(i + 1) ?? {
        row: i + 1,
        runs: 0,
        outcome: 'absent',
        source: sourcesOf(row).join(' + '),
        target: row.to,
        steps: [],
      },
  );
}

function shorten(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length > shown ? `${text.slice(0, shown)}…` : text;
}

interface Leaf {
  /** With `[]` for every list. */
  path: string;
  value: unknown;
}

/** Leaves of a tree by path; a list counts once, with the value of its first item that has the field. */
export function leavesOf(tree: unknown): Leaf[] {
  const leaves = new Map<string, unknown>();
  const visit = (value: unknown, path: string, depth: number): void => {
    if (leaves.size >= leafLimit || depth > 64) return;
    if (Array.isArray(value)) for (const item of value.slice(0, 1_000)) visit(item, `${path}[]`, depth + 1);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) visit(inner, path === '' ? key : `${path}.${key}`, depth + 1);
    } else if (value !== undefined && !leaves.has(path)) leaves.set(path, value);
  };
  visit(tree, '', 0);
  return [...leaves].map(([path, value]) => ({ path, value }));
}

function unread(mapping: Mapping, leaves: readonly Leaf[]): string[] {
  const read = new Set<string>();
  // `[]`, `[0]`, `[type=GLN]` and an element read as a list of one all name the same leaf.
  const plain = (path: string): string => path.replace(/\[[^\]]*\]/g, '').replace(/\.#text$/, '');
  const byExpression = new Set<string>();
  for (const row of mapping.rows) {
    if (row.direction === 'reverse') continue;
    if (row.jsonata !== undefined) for (const path of fieldsRead(row.jsonata)) byExpression.add(path);
    for (const path of [...sourcesOf(row), ...(row.when === undefined ? [] : [row.when.path])]) {
      read.add(plain(path));
      const { steps } = parsePath(path);
      let before = '';
      for (const step of steps) {
        before = before === '' ? step.key : `${before}.${step.key}`;
        if (step.kind === 'where') read.add(`${before}.${step.by.join('.')}`);
      }
    }
  }
  return leaves
    .filter(({ path, value }) => {
      const name = plain(path);
      return value !== '' && value !== null && !read.has(name) && !readBy(byExpression, name);
    })
    .map(({ path }) => path);
}

/** Fields of the source's schema that no row of a mapping, which may be unfinished, reads. */
export function unreadFields(mapping: Mapping | null, fields: readonly { path: string }[]): string[] {
  const leaves = fields.map(({ path }) => ({ path, value: true }));
  const rows = (Array.isArray(mapping?.rows) ? mapping.rows : []).filter(
    (row) => typeof row?.to === 'string' && sourcesOf(row).every((path) => path !== ''),
  );
  try {
    return unread({ ...mapping!, rows }, leaves);
  } catch {
    // A path that cannot be read is a problem of its own row.
    return leaves.map(({ path }) => path);
  }
}

/** An expression sees the document or the present item, so its path may be the end of the leaf's. */
function readBy(expressions: ReadonlySet<string>, leaf: string): boolean {
  for (const path of expressions) {
    if (path.endsWith('*')) {
      if (`.${leaf}`.includes(`.${path.slice(0, -1)}`)) return true;
    } else if (`.${leaf}`.endsWith(`.${path}`)) return true;
  }
  return false;
}

/** Required fields of the target that no row of an unfinished mapping fills. */
export function requiredTargets(mapping: Pick<Mapping, 'target' | 'rows'>): { path: string; description: string }[] {
  if (!('entity' in mapping.target) || entityNamed(mapping.target.entity) === undefined) return [];
  return uncovered(
    mapping.target.entity,
    mapping.rows.filter((row) => row.direction !== 'reverse'),
  ).map(({ path, description }) => ({ path, description }));
}

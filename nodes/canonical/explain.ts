/**
 * Why each value of a mapped document is what it is: where it came from, through which steps and by which rule of the
 * mapping, with the values that the reader may see.
 */
import { evaluateExpressions } from './jsonata/evaluator.ts';
import { sourcesOf } from './mapping/check.ts';
import type { CompiledMapping, MappingViolation, RowTrace } from './mapping/compile.ts';
import type { Mapping, Row } from './mapping/mapping.ts';
import { entityNamed, schemaAt } from './model/fields.ts';
import { read } from './mapper.ts';
import { type Sensitivity, sensitivities } from './schemas/index.ts';

export interface ExplainedValue {
  /** Where in the target, positions filled in: `lines[3].quantity.value`. */
  target: string;
  /** Where in the source; empty for a constant. */
  source: string;
  /** Number of the row, from 1, and what it says in words of the mapping. */
  row: number;
  rule: string;
  outcome: RowTrace['outcome'];
  /** The class of the field in the canonical model; S where the model does not know it, null for a constant. */
  sensitivity: Sensitivity | null;
  /** What was read, what every step made of it, and what came out; `***` where the reader may not see it. */
  value?: unknown;
  steps: { name: string; value: unknown }[];
  result?: unknown;
  error?: string;
}

export interface Explanation {
  mapping: { id: string; version: string; title: string };
  values: ExplainedValue[];
  /** Values beyond those told. */
  more: number;
  violations: MappingViolation[];
  /** Violations in all. */
  count: number;
}

export interface ExplainOptions {
  /** Classes whose values may be seen. Default P and I. */
  allow?: readonly Sensitivity[];
  /** Values told at most. Default 500. */
  limit?: number;
  /** Day that lookups are read for, where the document does not say. */
  asOf?: string;
}

const masked = '***';

/**
 * Maps a document and tells how. The value that was read and the steps between may hold more than the result (an
 * account behind its pseudonym), so outside the canonical model they are only shown to a reader who may see all.
 * @throws Failure `data-quality` when the document cannot be read
 */
export async function explainDocument(
  compiled: CompiledMapping,
  document: unknown,
  { allow = ['P', 'I'], limit = 500, asOf }: ExplainOptions = {},
): Promise<Explanation> {
  const { mapping } = compiled;
  const source = read(mapping.source, document);
  const { traces, violations, count } = compiled.explain(source, {
    ...(asOf === undefined ? {} : { asOf }),
    ...(compiled.expressions.length === 0 ? {} : { expressions: await evaluateExpressions(compiled, source) }),
  });
  const told = traces.filter(({ outcome }) => outcome !== 'absent' && outcome !== 'condition');
  const classes = mapping.rows.map((row) => classOf(mapping, row));
  const everything = sensitivities.every((each) => allow.includes(each));
  const fromModel = 'entity' in mapping.source;
  return {
    mapping: { id: mapping.id, version: mapping.version, title: mapping.title },
    values: told.slice(0, limit).map((trace): ExplainedValue => {
      const row = mapping.rows[trace.row - 1]!;
      const sensitivity = classes[trace.row - 1]!;
      const visible = sensitivity === null || allow.includes(sensitivity);
      const inside = everything || (visible && (fromModel || sensitivity === null));
      const last = trace.steps.length - 1;
      return {
        target: trace.target,
        source: trace.source,
        row: trace.row,
        rule: ruleOf(row),
        outcome: trace.outcome,
        sensitivity,
        ...(trace.value === undefined ? {} : { value: inside ? trace.value : masked }),
        steps: trace.steps.map(({ name, value }, i) => ({
          name,
          value: inside || (visible && i === last && trace.outcome === 'mapped') ? value : masked,
        })),
        ...(trace.result === undefined ? {} : { result: visible ? trace.result : masked }),
        ...(trace.error === undefined ? {} : { error: trace.error }),
      };
    }),
    more: Math.max(0, told.length - limit),
    violations,
    count,
  };
}

/** A row in one line, as the mapping editor says it. */
export function ruleOf(row: Row): string {
  const parts = (row.transforms ?? []).map((use) => {
    if (typeof use === 'string') return use;
    const args = Object.entries(use).filter(([key]) => key !== 'name');
    return args.length === 0 ? use.name : `${use.name}(${args.map(([, value]) => String(value)).join(', ')})`;
  });
  if (row.value !== undefined) parts.unshift(`constant ${row.value}`);
  if (row.jsonata !== undefined) parts.unshift(`jsonata ${row.jsonata}`);
  if (row.lookup !== undefined) parts.push(`lookup ${row.lookup}`);
  if (row.default !== undefined) parts.push(`default ${row.default}`);
  if (row.when !== undefined)
    parts.push(`when ${row.when.path} is ${row.when.is}${row.when.value === undefined ? '' : ` ${row.when.value}`}`);
  if (row.required === true) parts.push('required');
  if (row.onError !== undefined && row.onError !== 'fail') parts.push(`on error ${row.onError}`);
  return parts.length === 0 ? 'as it is' : parts.join(', ');
}

/** The class of what a row carries, by the canonical side of the mapping. */
export function classOf(mapping: Mapping, row: Row): Sensitivity | null {
  if (row.value !== undefined) return null;
  if ('entity' in mapping.target) return classAt(mapping.target.entity, row.to);
  if (!('entity' in mapping.source)) return 'S';
  if (row.jsonata !== undefined) return 'S';
  const { entity } = mapping.source;
  const paths = sourcesOf(row);
  if (paths.length === 0) return null;
  const levels = paths.map((path) => sensitivities.indexOf(classAt(entity, path)));
  return sensitivities[Math.max(...levels)]!;
}

/** The class of a field of the model; S for what the model does not know. */
export function classAt(entity: string, path: string): Sensitivity {
  const schema = entityNamed(entity);
  if (schema === undefined) return 'S';
  const segments = path
    .replaceAll(/\[[^\]]*\]/g, '.0')
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const found = schemaAt(schema, segments)?.['x-sensitivity'] as Sensitivity | undefined;
  return found ?? 'S';
}

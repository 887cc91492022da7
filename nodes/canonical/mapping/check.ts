/** Reads a mapping file and says everything that is wrong with it, row by row, before it is deployed. */
import { isForbiddenKey } from '../../kernel/json.ts';
import { entityNamed, type Field, fieldsOf } from '../model/fields.ts';
import { isInstant } from '../model/formats.ts';
import { type CompiledMapping, compileMapping, MappingInvalid } from './compile.ts';
import { type LookupTable, lookupProblem } from './lookup.ts';
import { documentFormats, type Mapping, type Problem, type Row, rowProperties, type Side } from './mapping.ts';
import { calculates, expressionProblem } from '../jsonata/expression.ts';
import { MappingSyntax, parsePath, type Step } from './path.ts';
import { transforms } from './transforms.ts';

export interface CheckedMapping {
  problems: Problem[];
  /** Absent when there is a problem of severity `error`. */
  compiled?: CompiledMapping;
}

const rowKeys = new Set<string>(rowProperties);
const mappingKeys = new Set([
  'id',
  'version',
  'title',
  'description',
  'source',
  'target',
  'falseIsAbsent',
  'asOf',
  'lookups',
  'jsonataBudget',
  'rows',
  'sample',
  'signoff',
]);
const rowLimit = 2_000;

/**
 * Checks and compiles a mapping.
 * @param tables shared lookup tables by name
 */
export function checkMapping(
  file: unknown,
  tables: ReadonlyMap<string, LookupTable> = new Map(),
  options: { coverage: boolean } = { coverage: true },
): CheckedMapping {
  const problems: Problem[] = [];
  const error = (message: string, row?: number, field?: string): void => {
    problems.push({
      message,
      severity: 'error',
      ...(row === undefined ? {} : { row }),
      ...(field === undefined ? {} : { field }),
    });
  };
  if (!isObject(file)) {
    error('a mapping is a JSON object with id, version, source, target and rows');
    return { problems };
  }
  for (const key of Object.keys(file)) if (!mappingKeys.has(key)) error(`"${key}" is not a part of a mapping`);
  if (typeof file.id !== 'string' || !/^[a-z0-9][a-z0-9-]{0,99}$/.test(file.id))
    error('"id" must be small letters, digits and hyphens');
  if (typeof file.version !== 'string' || !/^\d+\.\d+\.\d+$/.test(file.version))
    error('"version" must be a semantic version such as 1.0.0');
  if (typeof file.title !== 'string' || file.title === '') error('"title" must say what the mapping does');
  checkSide('source', file.source, error);
  checkSide('target', file.target, error);
  if (file.jsonataBudget !== undefined && !inRange(file.jsonataBudget, 1, 10_000))
    error('"jsonataBudget" must be a whole number of milliseconds between 1 and 10000');
  if (file.asOf !== undefined) checkPath(file.asOf, 'asOf', undefined, error);
  if (file.lookups !== undefined) {
    if (!isObject(file.lookups)) error('"lookups" must be an object of tables');
    else
      for (const [name, table] of Object.entries(file.lookups)) {
        const wrong = isForbiddenKey(name) ? 'has a name that is refused' : lookupProblem(table);
        if (wrong !== undefined) error(`the lookup table "${name}" ${wrong}`);
      }
  }
  if (!Array.isArray(file.rows) || file.rows.length === 0) error('"rows" must be a list with at least one row');
  else if (file.rows.length > rowLimit) error(`"rows" must be a list of at most ${rowLimit}`);
  else for (const [i, row] of file.rows.entries()) checkRow(row, i + 1, error);
  if (problems.length > 0) return { problems };

  const mapping = file as unknown as Mapping;
  checkCanonicalPaths(mapping, problems, options.coverage);
  checkJsonNumbers(mapping, problems);
  lintExpressions(mapping, problems);
  try {
    const compiled = compileMapping(mapping, tables);
    return problems.some((p) => p.severity === 'error') ? { problems } : { problems, compiled };
  } catch (thrown) {
    if (!(thrown instanceof MappingInvalid)) throw thrown;
    return { problems: [...problems, ...thrown.problems] };
  }
}

/** Stands for a row that cannot be used yet; a row that is only read backwards is not run. */
const unusable: Row = { from: 'unusable', to: 'unusable', direction: 'reverse' };

/**
 * Checks a mapping that somebody is still working on: `compiled` has the rows that can be used already, under their
 * own numbers, so that a preview can show them.
 */
export function checkDraft(file: unknown, tables: ReadonlyMap<string, LookupTable> = new Map()): CheckedMapping {
  const { problems, compiled } = checkMapping(file, tables);
  if (compiled !== undefined || !isObject(file) || !Array.isArray(file.rows))
    return { problems, ...(compiled ? { compiled } : {}) };
  const draft = { source: file.source, target: file.target, lookups: file.lookups, falseIsAbsent: file.falseIsAbsent };
  let rows: unknown[] = file.rows;
  // Rows that stand alone are checked before rows that depend on each other, so this settles in a few rounds.
  for (let round = 0; round < 4; round++) {
    const known = Object.entries(draft).filter(([, value]) => value !== undefined);
    const trial = { ...Object.fromEntries(known), id: 'draft', version: '0.0.0', title: 'Draft', rows };
    const checked = checkMapping(trial, tables, { coverage: false });
    if (checked.compiled !== undefined) return { problems, compiled: checked.compiled };
    const wrong = new Set(checked.problems.map(({ row }) => row));
    rows = rows.map((row, i) => (wrong.has(i + 1) ? unusable : row));
  }
  return { problems };
}

type Report = (message: string, row?: number, field?: string) => void;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkSide(name: 'source' | 'target', side: unknown, error: Report): void {
  if (!isObject(side)) {
    error(`"${name}" must name an entity of the canonical model or a document format`);
    return;
  }
  if (side.entity !== undefined) {
    const entity = typeof side.entity === 'string' ? entityNamed(side.entity) : undefined;
    if (entity === undefined) {
      error(`"${name}.entity" is no entity of the canonical model`);
      return;
    }
    const major = (version: string): string | undefined => version.split('.')[0];
    if (typeof side.version === 'string' && major(side.version) !== major(entity.version)) {
      error(
        `"${name}.version" is ${side.version}, but the model has ${entity.name} ${entity.version}; the major versions differ`,
      );
    }
    return;
  }
  if (!(documentFormats as readonly unknown[]).includes(side.format)) {
    error(`"${name}.format" must be one of ${documentFormats.join(', ')}`);
  }
}

const inRange = (value: unknown, least: number, most: number): boolean =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

const scalar = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);

function checkRow(row: unknown, number: number, error: Report): void {
  if (!isObject(row)) {
    error('is not an object', number);
    return;
  }
  for (const key of Object.keys(row)) if (!rowKeys.has(key)) error(`"${key}" is not a part of a row`, number, key);
  if (typeof row.to !== 'string' || row.to === '') error('needs "to", the field it fills', number, 'to');
  else checkPath(row.to, 'to', number, error);
  const sources = row.from === undefined ? [] : Array.isArray(row.from) ? row.from : [row.from];
  for (const path of sources) if (path !== '$index') checkPath(path, 'from', number, error);
  if ([row.from, row.value, row.jsonata].filter((each) => each !== undefined).length > 1)
    error('has more than one of "from", "value" and "jsonata"; keep one', number, 'value');
  if (row.jsonata !== undefined) {
    const wrong = expressionProblem(row.jsonata);
    if (wrong !== undefined) error(wrong, number, 'jsonata');
  }
  if (row.from === undefined && row.value === undefined && row.jsonata === undefined && row.default === undefined) {
    error('needs "from", the field it reads, or "value", a constant', number, 'from');
  }
  for (const key of ['value', 'default'] as const) {
    if (row[key] !== undefined && !scalar(row[key]))
      error(`"${key}" must be text, a whole number, or true or false`, number, key);
    if (typeof row[key] === 'number' && !Number.isSafeInteger(row[key])) {
      error(`"${key}" is a number with decimals; write it as text so that its digits are kept`, number, key);
    }
  }
  if (row.each !== undefined) {
    checkPath(row.each, 'each', number, error);
    if (typeof row.each === 'string' && !row.each.endsWith('[]')) error('"each" must end with []', number, 'each');
  }
  if (row.when !== undefined) checkCondition(row.when, number, error);
  if (row.transforms !== undefined && !(Array.isArray(row.transforms) && row.transforms.every(isUse))) {
    error('"transforms" must be a list of names, or objects with a name', number, 'transforms');
  }
  if (row.lookup !== undefined && typeof row.lookup !== 'string')
    error('"lookup" must be the name of a table', number, 'lookup');
  if (row.onError !== undefined && !['fail', 'skip', 'default'].includes(row.onError as string)) {
    error('"onError" must be fail, skip or default', number, 'onError');
  }
  if (row.lookup !== undefined && row.onError !== undefined && row.onError !== 'fail') {
    error(
      'has a lookup and "onError": a value that the table does not have must fail, else it is lost silently',
      number,
      'onError',
    );
  }
  if (row.onError === 'default' && row.default === undefined)
    error('"onError" is default, but there is none', number, 'default');
  if (row.direction !== undefined && !['both', 'forward', 'reverse'].includes(row.direction as string)) {
    error('"direction" must be both, forward or reverse', number, 'direction');
  }
  if (row.source === 'suggested' && !isAcceptance(row.accepted)) {
    error('was suggested, but nobody has accepted it; "accepted" must say who and when', number, 'accepted');
  }
}

const isAcceptance = (accepted: unknown): boolean =>
  isObject(accepted) &&
  typeof accepted.by === 'string' &&
  accepted.by.trim() !== '' &&
  typeof accepted.at === 'string' &&
  isInstant(accepted.at);

const isUse = (use: unknown): boolean =>
  typeof use === 'string'
    ? Object.hasOwn(transforms, use) || use.length > 0
    : isObject(use) && typeof use.name === 'string';

function checkCondition(when: unknown, number: number, error: Report): void {
  if (!isObject(when)) {
    error('"when" must be an object with path and is', number, 'when');
    return;
  }
  checkPath(when.path, 'when', number, error);
  const needsValue = ['equal', 'not-equal', 'one-of'].includes(when.is as string);
  if (!needsValue && !['present', 'absent'].includes(when.is as string)) {
    error('"when.is" must be one of present, absent, equal, not-equal, one-of', number, 'when');
  }
  if (needsValue && when.value === undefined) error('"when" compares with nothing; give it a value', number, 'when');
}

function checkPath(path: unknown, field: string, row: number | undefined, error: Report): void {
  if (typeof path !== 'string') {
    error(`"${field}" must be a path as text`, row, field);
    return;
  }
  try {
    parsePath(path);
  } catch (thrown) {
    if (!(thrown instanceof MappingSyntax)) throw thrown;
    error(thrown.message, row, field);
  }
}

/** A step list as the field list names it: predicates and positions become items. */
const fieldPath = (steps: readonly Step[]): string =>
  steps.map((s) => (s.kind === 'field' ? s.key : `${s.key}[]`)).join('.');

function lintExpressions(mapping: Mapping, problems: Problem[]): void {
  const rows = mapping.rows.flatMap((row, i) => (row.jsonata === undefined ? [] : [{ row, number: i + 1 }]));
  const others = mapping.rows.length - rows.length;
  rows.forEach(({ row, number }, i) => {
    const warn = (message: string): void => {
      problems.push({ row: number, field: 'jsonata', message, severity: 'warning' });
    };
    if (i === 0) {
      // The trip to their process: 0.9 to 1.4 ms, in which other rows take 10,000 values and more (bench/mapper.ts).
      const these = rows.length === 1 ? '1 JSONata row costs' : `${rows.length} JSONata rows cost`;
      warn(
        `${these} more than the other ${others} together on a document of fewer than 10,000 values, and has no way back; use transforms, a lookup or a condition where they can say it`,
      );
    }
    if (calculates(row.jsonata!))
      warn('JSONata calculates in floating point: an amount or a quantity that it has calculated is refused');
  });
}

/** Exact JSON numbers exist only where a writer puts them out; in a message they would be objects. */
function checkJsonNumbers(mapping: Mapping, problems: Problem[]): void {
  if ('format' in mapping.target && mapping.target.format === 'fhir') return;
  mapping.rows.forEach((row, i) => {
    if (row.direction === 'reverse') return;
    if (row.transforms?.some((use) => (typeof use === 'string' ? use : use.name) === 'jsonNumber')) {
      problems.push({
        row: i + 1,
        field: 'transforms',
        message: '"jsonNumber" is for FHIR documents; everywhere else a decimal number is text',
        severity: 'error',
      });
    }
  });
}

function checkCanonicalPaths(mapping: Mapping, problems: Problem[], coverage: boolean): void {
  const rows = mapping.rows.map((row, i) => ({ row, number: i + 1 }));
  const forward = rows.filter(({ row }) => row.direction !== 'reverse');
  if ('entity' in mapping.target) {
    const fields = fieldIndex(mapping.target.entity);
    for (const { row, number } of forward) unknownPath(row.to, fields, 'to', number, mapping.target, problems);
    const missed = coverage
      ? uncovered(
          mapping.target.entity,
          forward.map(({ row }) => row),
        )
      : [];
    for (const missing of missed) {
      problems.push({
        message: `no row fills "${missing.path}", which is required (${missing.description})`,
        field: missing.path,
        severity: 'error',
      });
    }
  }
  if ('entity' in mapping.source) {
    const fields = fieldIndex(mapping.source.entity);
    for (const { row, number } of forward) {
      for (const path of sourcesOf(row)) unknownPath(path, fields, 'from', number, mapping.source, problems);
    }
  }
}

export const sourcesOf = (row: Row): string[] =>
  (row.from === undefined ? [] : typeof row.from === 'string' ? [row.from] : [...row.from]).filter(
    (path) => path !== '$index',
  );

function fieldIndex(entity: string): Map<string, Field> {
  return new Map(fieldsOf(entityNamed(entity)!).map((field) => [field.path, field]));
}

function unknownPath(
  path: string,
  fields: Map<string, Field>,
  key: string,
  row: number,
  side: Side,
  problems: Problem[],
): void {
  const steps = parsePath(path).steps;
  if (steps[0]?.key === 'ext') return;
  const asField = key === 'from' ? withoutSingles(fieldPath(steps), fields) : fieldPath(steps);
  const field = fields.get(asField) ?? fields.get(asField.replace(/\[\]$/, ''));
  if (field === undefined) {
    problems.push({
      row,
      field: key,
      message: `the canonical ${'entity' in side ? side.entity : ''} has no field "${path}"`,
      severity: 'error',
    });
  } else if (key === 'to' && field.type === 'object') {
    problems.push({ row, field: key, message: `"${path}" is a group of fields; fill its fields`, severity: 'error' });
  }
}

/** A group may be read as a list of one (`code[].display`), for targets that want a list. */
function withoutSingles(path: string, fields: Map<string, Field>): string {
  let out = '';
  for (const part of path.split('.')) {
    const name = out === '' ? part : `${out}.${part}`;
    const single = name.endsWith('[]') ? name.slice(0, -2) : name;
    out = fields.get(single)?.type === 'object' ? single : name;
  }
  return out;
}

/**
 * Required fields of an entity that no row fills: those of the document itself, and those of every optional group
 * that some row begins to fill.
 */
export function uncovered(entity: string, rows: readonly Pick<Row, 'to'>[]): Field[] {
  const filled = new Set<string>();
  for (const row of rows) {
    const steps = parsePath(row.to).steps;
    for (let i = 1; i <= steps.length; i++) filled.add(fieldPath(steps.slice(0, i)).replace(/\[\]$/, ''));
    // A predicate fills the field that it compares.
    steps.forEach((step, i) => {
      if (step.kind === 'where') filled.add(`${fieldPath(steps.slice(0, i + 1))}.${step.by.join('.')}`);
    });
  }
  const parentOf = (path: string): string =>
    path.includes('.') ? path.slice(0, path.lastIndexOf('.')).replace(/\[\]$/, '') : '';
  return fieldsOf(entityNamed(entity)!).filter((field) => {
    if (!field.required || filled.has(field.path)) return false;
    const parent = parentOf(field.path);
    return parent === '' || filled.has(parent);
  });
}

/** Search domains in Polish notation (`odoo.osv.expression`): compiled once a search, using indexes where they help. */
import { assertionError, valueError } from './errors.ts';
import { type Field, isX2many, type Row, type Stored } from './fields.ts';
import type { Env, Model } from './orm.ts';
import { parseDate, parseDatetime, plainText, python, timestamp } from './values.ts';

type Test = (row: Row) => boolean;

interface Compiled {
  test: Test;
  /** Ids among which every match is found; undefined: the whole table. */
  candidates: Iterable<number> | undefined;
}

const operators = new Set([
  '=',
  '!=',
  '<>',
  '==',
  '<',
  '<=',
  '>',
  '>=',
  'in',
  'not in',
  'like',
  'not like',
  'ilike',
  'not ilike',
  '=like',
  '=ilike',
  '=?',
  'child_of',
  'parent_of',
]);

export function compileDomain(env: Env, model: Model, domain: unknown): Compiled {
  const terms = domain === undefined || domain === null || domain === false ? [] : domain;
  if (!Array.isArray(terms)) throw valueError(`Domain() invalid item in domain: ${python(domain)}`);
  const mentioned = new Set<string>();
  const { test, candidates } = compileTerms(env, model, terms, mentioned);
  if (model.fields.active && env.context.active_test !== false && !mentioned.has('active')) {
    return { test: (row) => row.active === true && test(row), candidates };
  }
  return { test, candidates };
}

function compileTerms(env: Env, model: Model, terms: unknown[], mentioned: Set<string>): Compiled {
  const stack: Compiled[] = [];
  for (let i = terms.length - 1; i >= 0; i--) {
    const term = terms[i];
    if (term === '!') {
      const inner = stack.pop();
      if (!inner) throw malformed(terms);
      stack.push({ test: (row) => !inner.test(row), candidates: undefined });
    } else if (term === '&' || term === '|') {
      const left = stack.pop();
      const right = stack.pop();
      if (!left || !right) throw malformed(terms);
      stack.push(term === '&' ? and(left, right) : or(left, right));
    } else if (Array.isArray(term) && term.length === 3) {
      stack.push(compileLeaf(env, model, term as [unknown, unknown, unknown], mentioned));
    } else throw malformed(terms);
  }
  let all: Compiled = { test: () => true, candidates: undefined };
  while (stack.length > 0) all = and(all, stack.pop()!);
  return all;
}

const malformed = (terms: unknown) => valueError(`Domain() invalid item in domain: ${JSON.stringify(terms)}`);

const sizeOf = (ids: Iterable<number> | undefined): number =>
  ids === undefined ? Number.POSITIVE_INFINITY : Array.isArray(ids) ? ids.length : (ids as Set<number>).size;

const and = (a: Compiled, b: Compiled): Compiled => ({
  test: (row) => a.test(row) && b.test(row),
  candidates: sizeOf(a.candidates) <= sizeOf(b.candidates) ? a.candidates : b.candidates,
});

const or = (a: Compiled, b: Compiled): Compiled => ({
  test: (row) => a.test(row) || b.test(row),
  candidates: a.candidates && b.candidates ? new Set([...a.candidates, ...b.candidates]) : undefined,
});

function compileLeaf(
  env: Env,
  model: Model,
  [left, operator, right]: [unknown, unknown, unknown],
  mentioned: Set<string>,
): Compiled {
  // TRUE_LEAF and FALSE_LEAF.
  if (typeof left === 'number' && operator === '=') return { test: () => left === right, candidates: undefined };
  const condition = `(${python(left)}, ${python(operator)}, ${python(right)})`;
  if (typeof left !== 'string' || typeof operator !== 'string')
    throw valueError(`Invalid leaf ${condition} in a domain`);
  const [head = '', ...rest] = left.split('.');
  const field = model.fields[head];
  if (!field || (field.hidden && !env.su))
    throw valueError(`Invalid field ${model.name}.${head} in condition ${condition}`);
  mentioned.add(head);

  const subdomain = operator === 'any' || operator === 'not any';
  if (subdomain && !env.profile.modernDomains) throw valueError(`Invalid operator ${operator} in ${condition}`);
  if (!subdomain && !operators.has(operator)) {
    if (env.profile.modernDomains) throw valueError(`Invalid operator ${operator} in ${condition}`);
    throw assertionError(`Invalid operator ${python(operator)} in domain term ${condition}`);
  }

  if (rest.length > 0 && env.profile.modernDomains && (field.type === 'date' || field.type === 'datetime')) {
    return { test: datePart(env, model, head, rest.join('.'), operator, right), candidates: undefined };
  }
  if (rest.length > 0 || subdomain) {
    if (!field.relation) throw valueError(`Invalid field ${model.name}.${left} in condition ${condition}`);
    const other = env.db.get(field.relation);
    const negative = operator === 'not any' || (rest.length > 0 && negatives.has(operator));
    const positive = negatives.get(operator) ?? operator;
    const inner = subdomain
      ? compileDomain(env.with({ active_test: false }), other, right)
      : compileLeaf(env, other, [rest.join('.'), positive, right], new Set());
    const reach: Test = (row) => {
      const value = env.value(model.name, row, head);
      const ids = Array.isArray(value) ? (value as readonly number[]) : value === null ? [] : [value as number];
      return ids.some((id) => {
        const target = other.table.rows.get(id);
        return target !== undefined && inner.test(target);
      });
    };
    if (negative) return { test: (row) => !reach(row), candidates: undefined };
    const near = field.type === 'many2one' && inner.candidates !== undefined ? [...inner.candidates] : undefined;
    return { test: reach, candidates: near === undefined ? undefined : indexed(env, model, head, field, near) };
  }
  return compileColumn(env, model, head, field, operator, right, condition);
}

const negatives = new Map([
  ['!=', '='],
  ['<>', '='],
  ['not in', 'in'],
  ['not like', 'like'],
  ['not ilike', 'ilike'],
]);

function compileColumn(
  env: Env,
  model: Model,
  name: string,
  field: Field,
  operator: string,
  right: unknown,
  condition: string,
): Compiled {
  const positive = negatives.get(operator);
  if (positive) {
    const { test } = compileColumn(env, model, name, field, positive, right, condition);
    return { test: (row) => !test(row), candidates: undefined };
  }
  if (operator === '==') operator = '=';
  if (operator === '=?') {
    if (right === false || right === null) return { test: () => true, candidates: undefined };
    operator = '=';
  }
  const valueAt = (row: Row): Stored => env.value(model.name, row, name);
  if (field.relation && !isX2many(field) && ['child_of', 'parent_of'].includes(operator)) {
    const ids = new Set((Array.isArray(right) ? right : [right]) as number[]);
    return { test: (row) => ids.has(valueAt(row) as number), candidates: undefined };
  }
  if (name === 'id' && operator === 'child_of') return hierarchy(env, model, right);

  if (operator.endsWith('like')) {
    const matches = likeTest(operator, right);
    const textOf = (row: Row): string[] => labelsOf(env, field, valueAt(row));
    return { test: (row) => textOf(row).some(matches), candidates: undefined };
  }

  if (operator === '=' || operator === 'in') {
    if (operator === 'in' && !Array.isArray(right) && typeof right !== 'boolean') {
      throw valueError(`Invalid value for operator in: ${condition}`);
    }
    const wanted = operator === 'in' ? (Array.isArray(right) ? right : [right]) : [right];
    // A relation compared to a text is searched by name.
    const byName = field.relation && wanted.some((value) => typeof value === 'string');
    if (byName) {
      const names = new Set(wanted);
      return {
        test: (row) => labelsOf(env, field, valueAt(row)).some((label) => names.has(label)),
        candidates: undefined,
      };
    }
    const keys = wanted.map((value) => operand(env, field, value));
    const set = new Set(keys);
    if (isX2many(field)) {
      return {
        test: (row) => {
          const ids = valueAt(row) as readonly number[];
          return ids.length === 0 ? set.has(null) : ids.some((id) => set.has(id));
        },
        candidates: undefined,
      };
    }
    const comparable = comparableOf(env, field);
    return { test: (row) => set.has(comparable(valueAt(row))), candidates: indexed(env, model, name, field, keys) };
  }

  // <, <=, >, >=
  const bound = operand(env, field, right);
  const comparable = comparableOf(env, field);
  const holds = comparisons[operator]!;
  return {
    test: (row) => {
      const value = comparable(valueAt(row));
      return (
        value !== null && bound !== null && typeof value === typeof bound && holds(value as string, bound as string)
      );
    },
    candidates: undefined,
  };
}

const comparisons: Record<string, (a: string, b: string) => boolean> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function indexed(env: Env, model: Model, name: string, field: Field, keys: Stored[]): number[] | undefined {
  // An id that is asked for twice is one record.
  if (name === 'id') return [...new Set(keys)].filter((key): key is number => typeof key === 'number');
  if (
    field.translate ||
    !field.index ||
    field.compute ||
    env.db.get(model.name).table.lookup(name, null) === undefined
  ) {
    return undefined;
  }
  return [...new Set(keys)].flatMap((key) => [...(model.table.lookup(name, key) ?? [])]);
}

/** A domain value in the form that stored values are compared in. */
function operand(env: Env, field: Field, value: unknown): Stored {
  switch (field.type) {
    case 'boolean':
      return Boolean(value);
    case 'integer':
    case 'float':
    case 'monetary':
    case 'many2one_reference':
      if (value === false || value === null) return 0;
      if (typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value))) return Number(value);
      if (typeof value === 'number') return value;
      throw valueError(`could not convert string to float: ${python(value)}`);
    case 'date':
      return value === false || value === null ? null : (relative(env, value)?.slice(0, 10) ?? parseDate(value));
    case 'datetime': {
      if (value === false || value === null) return null;
      // A value with microseconds, as it stands in the database, is understood on both versions.
      if (typeof value === 'string' && /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,6}$/.test(value)) {
        return env.profile.secondGranularity ? value.slice(0, 19) : value.padEnd(26, '0');
      }
      const text = relative(env, value) ?? parseDatetime(value);
      return text === null || env.profile.secondGranularity ? text : `${text}.000000`;
    }
    case 'many2one':
    case 'one2many':
    case 'many2many':
      return value === false || value === null ? null : (value as Stored);
    default:
      return value === false || value === null ? null : plainText(value);
  }
}

/**
 * Datetimes: 19 compares whole seconds, so a value read back equals its row; 18 compares microseconds, so the same
 * value is below it (measured, both ways).
 */
function comparableOf(env: Env, field: Field): (value: Stored) => Stored {
  if (field.type !== 'datetime') return (value) => value;
  return env.profile.secondGranularity
    ? (value) => (value === null ? null : (value as string).slice(0, 19))
    : (value) => (value === null ? null : (value as string).padEnd(20, '.').padEnd(26, '0'));
}

/** 19's relative dates: `today`, `now`, `-7d`, `+1m`. */
function relative(env: Env, value: unknown): string | undefined {
  if (!env.profile.modernDomains || typeof value !== 'string') return undefined;
  const match = /^(today|now)?\s*(?:([+-])(\d{1,5})([dwmyHM]))?$/.exec(value.trim());
  if (!match || value.trim() === '') return undefined;
  const start = new Date(`${env.now().replace(' ', 'T')}Z`);
  if (match[1] === 'today') start.setUTCHours(0, 0, 0, 0);
  const amount = Number(match[3] ?? 0) * (match[2] === '-' ? -1 : 1);
  if (match[4] === 'd') start.setUTCDate(start.getUTCDate() + amount);
  else if (match[4] === 'w') start.setUTCDate(start.getUTCDate() + 7 * amount);
  else if (match[4] === 'm') start.setUTCMonth(start.getUTCMonth() + amount);
  else if (match[4] === 'y') start.setUTCFullYear(start.getUTCFullYear() + amount);
  else if (match[4] === 'H') start.setUTCHours(start.getUTCHours() + amount);
  else if (match[4] === 'M') start.setUTCMinutes(start.getUTCMinutes() + amount);
  return timestamp(start.getTime()).slice(0, 19);
}

const dateParts: Record<string, (day: Date) => number> = {
  year_number: (day) => day.getUTCFullYear(),
  quarter_number: (day) => Math.floor(day.getUTCMonth() / 3) + 1,
  month_number: (day) => day.getUTCMonth() + 1,
  day_of_month: (day) => day.getUTCDate(),
  day_of_week: (day) => day.getUTCDay(),
  hour_number: (day) => day.getUTCHours(),
};

function datePart(env: Env, model: Model, name: string, part: string, operator: string, right: unknown): Test {
  const take = dateParts[part];
  if (!take) throw valueError(`Invalid property ${python(part)} of field ${model.name}.${name}`);
  const holds = (value: number): boolean => {
    if (operator === 'in') return (right as number[]).includes(value);
    if (operator === '=') return value === right;
    if (operator === '!=') return value !== right;
    return comparisons[operator]?.(value as never, right as never) ?? false;
  };
  return (row) => {
    const value = env.value(model.name, row, name);
    return value !== null && holds(take(new Date(`${(value as string).slice(0, 19).replace(' ', 'T')}Z`)));
  };
}

function labelsOf(env: Env, field: Field, value: Stored): string[] {
  if (value === null) return [];
  if (!field.relation) return [String(value)];
  const other = env.db.get(field.relation);
  const ids = Array.isArray(value) ? (value as readonly number[]) : [value as number];
  return ids.flatMap((id) => {
    const row = other.table.rows.get(id);
    return row ? [env.sudo().label(other, row)] : [];
  });
}

/** SQL LIKE: `%` any text, `_` any character; `like` and `ilike` look anywhere in the text. */
function likeTest(operator: string, right: unknown): (value: string) => boolean {
  const pattern = right === false || right === null ? '' : plainText(right);
  const body = Array.from(pattern)
    .map((c) => (c === '%' ? '[\\s\\S]*' : c === '_' ? '[\\s\\S]' : c.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('');
  const flags = operator.includes('ilike') ? 'iu' : 'u';
  const expression = new RegExp(operator.startsWith('=') ? `^${body}$` : body, flags);
  return (value) => expression.test(value);
}

function hierarchy(env: Env, model: Model, right: unknown): Compiled {
  const wanted = new Set((Array.isArray(right) ? right : [right]) as number[]);
  const parent = model.fields.parent_id ? 'parent_id' : model.fields.location_id ? 'location_id' : undefined;
  const test: Test = (row) => {
    for (let at: Row | undefined = row; at; at = parent ? env.follow(at, parent) : undefined) {
      if (wanted.has(at.id)) return true;
    }
    return false;
  };
  return { test, candidates: undefined };
}

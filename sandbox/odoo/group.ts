/** `read_group` (all versions, deprecated in 19) and `formatted_read_group` (19). */
import { listOf, textList } from './arguments.ts';
import { valueError } from './errors.ts';
import { sum } from './exact.ts';
import type { Field, Row, Stored } from './fields.ts';
import type { Args, Env, Model, Values } from './orm.ts';
import { python, pythonFloat, toWire } from './values.ts';
import { fromZone, toZone } from './zone.ts';

interface Key {
  /** As the caller wrote it: `date_order:month`. */
  spec: string;
  name: string;
  field: Field;
  granularity: string | undefined;
}

interface Bucket {
  keys: Stored[];
  rows: Row[];
}

export function readGroup(env: Env, target: Model, args: Args): Values[] {
  const specs = textList(typeof args.groupby === 'string' ? [args.groupby] : args.groupby);
  const lazy = args.lazy !== false;
  const keys = (lazy ? specs.slice(0, 1) : specs).map((spec) => keyOf(target, spec));
  const rest = specs.slice(1);
  const wanted = textList(args.fields).map(parseAggregate);
  const numeric = wanted.filter(
    ({ name, as }) =>
      as !== undefined || (isNumber(target.fields[name]) && !keys.some((key) => key.name === name) && name !== 'id'),
  );
  return page(buckets(env, target, args.domain, keys), args).map((bucket) => {
    const row: Values = {};
    for (const [i, key] of keys.entries()) row[key.spec] = label(env, key, bucket.keys[i]!);
    const count = lazy && keys.length > 0 ? `${keys[0]!.name}_count` : '__count';
    row[count] = bucket.rows.length;
    for (const { name, fn, as } of numeric) row[as ?? name] = aggregate(env, target, name, fn ?? 'sum', bucket.rows);
    row.__domain = [...listOf(args.domain), ...keys.flatMap((key, i) => restriction(env, key, bucket.keys[i]!))];
    if (lazy && rest.length > 0) row.__context = { group_by: rest };
    return row;
  });
}

export function formattedReadGroup(env: Env, target: Model, args: Args): Values[] {
  const keys = textList(args.groupby).map((spec) => keyOf(target, spec));
  const aggregates = textList(args.aggregates);
  return page(buckets(env, target, args.domain, keys), args).map((bucket) => {
    const row: Values = {};
    for (const [i, key] of keys.entries()) row[key.spec] = label(env, key, bucket.keys[i]!);
    row.__extra_domain = keys.flatMap((key, i) => restriction(env, key, bucket.keys[i]!));
    for (const spec of aggregates) {
      if (spec === '__count') row.__count = bucket.rows.length;
      else {
        const [name = '', fn = ''] = spec.split(':');
        if (!target.fields[name] || !fn) throw valueError(`Invalid aggregate method ${python(spec)}`);
        row[spec] = aggregate(env, target, name, fn, bucket.rows);
      }
    }
    return row;
  });
}

function parseAggregate(spec: string): { name: string; fn?: string; as?: string } {
  const match = /^(\w+)(?::(\w+))?(?:\((\w+)\))?$/.exec(spec);
  if (!match) throw valueError(`Invalid field specification ${python(spec)}`);
  if (match[3]) return { name: match[3], fn: match[2] ?? 'sum', as: match[1]! };
  return match[2] ? { name: match[1]!, fn: match[2], as: match[1]! } : { name: match[1]! };
}

const isNumber = (field: Field | undefined): boolean =>
  field !== undefined && ['integer', 'float', 'monetary'].includes(field.type);

function keyOf(target: Model, spec: string): Key {
  const [name = '', granularity] = spec.split(':');
  const field = target.fields[name];
  if (!field) throw valueError(`Invalid field ${python(name)} on model ${python(target.name)}`);
  const dated = field.type === 'date' || field.type === 'datetime';
  return { spec, name, field, granularity: dated ? (granularity ?? 'month') : undefined };
}

function buckets(env: Env, target: Model, domain: unknown, keys: Key[]): Bucket[] {
  const found = new Map<string, Bucket>();
  for (const id of env.search(target.name, domain, { order: 'id' })) {
    const row = env.row(target.name, id)!;
    const values = keys.map((key) => bucketOf(env, target, key, row));
    const hash = JSON.stringify(values);
    const bucket = found.get(hash);
    if (bucket) bucket.rows.push(row);
    else found.set(hash, { keys: values, rows: [row] });
  }
  if (keys.length === 0 && found.size === 0) return [{ keys: [], rows: [] }];
  return [...found.values()].sort((a, b) => compareKeys(a.keys, b.keys));
}

function compareKeys(a: Stored[], b: Stored[]): number {
  for (let i = 0; i < a.length; i++) {
    const left = a[i] ?? null;
    const right = b[i] ?? null;
    if (left === right) continue;
    if (left === null) return 1;
    if (right === null) return -1;
    return left < right ? -1 : 1;
  }
  return 0;
}

function bucketOf(env: Env, target: Model, key: Key, row: Row): Stored {
  const value = env.value(target.name, row, key.name);
  if (value === null || !key.granularity) return value;
  const stored = value as string;
  const local = key.field.type === 'datetime' ? toZone(stored, env.context.tz) : `${stored} 00:00:00`;
  return startOf(local, key.granularity);
}

/** First day of the period a local date lies in. */
function startOf(local: string, granularity: string): string {
  const day = new Date(`${local.slice(0, 10)}T00:00:00Z`);
  switch (granularity) {
    case 'hour':
      return `${local.slice(0, 13)}:00:00`;
    case 'day':
      return local.slice(0, 10);
    case 'week':
      day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
      return day.toISOString().slice(0, 10);
    case 'month':
      return `${local.slice(0, 7)}-01`;
    case 'quarter':
      return `${local.slice(0, 4)}-${String(Math.floor(day.getUTCMonth() / 3) * 3 + 1).padStart(2, '0')}-01`;
    case 'year':
      return `${local.slice(0, 4)}-01-01`;
    default:
      throw valueError(`Invalid granularity ${python(granularity)}`);
  }
}

function nextPeriod(start: string, granularity: string): string {
  const day = new Date(`${start.slice(0, 10)}T${start.slice(11) || '00:00:00'}Z`);
  if (granularity === 'hour') day.setUTCHours(day.getUTCHours() + 1);
  if (granularity === 'day') day.setUTCDate(day.getUTCDate() + 1);
  if (granularity === 'week') day.setUTCDate(day.getUTCDate() + 7);
  if (granularity === 'month') day.setUTCMonth(day.getUTCMonth() + 1);
  if (granularity === 'quarter') day.setUTCMonth(day.getUTCMonth() + 3);
  if (granularity === 'year') day.setUTCFullYear(day.getUTCFullYear() + 1);
  const iso = day.toISOString();
  return granularity === 'hour' ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : iso.slice(0, 10);
}

const english = (start: string, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' }).format(new Date(`${start.slice(0, 10)}T00:00:00Z`));

function label(env: Env, key: Key, value: Stored): unknown {
  if (value === null) return false;
  if (key.granularity) {
    const start = value as string;
    const text =
      key.granularity === 'month'
        ? english(start, { month: 'long', year: 'numeric' })
        : key.granularity === 'year'
          ? start.slice(0, 4)
          : key.granularity === 'quarter'
            ? `Q${Math.floor((Number(start.slice(5, 7)) - 1) / 3) + 1} ${start.slice(0, 4)}`
            : english(start, { day: '2-digit', month: 'short', year: 'numeric' });
    return env.profile.version === '19' ? [start, text] : text;
  }
  if (key.field.relation && typeof value === 'number') {
    const other = env.db.get(key.field.relation);
    const row = other.table.rows.get(value);
    return [value, row ? env.sudo().label(other, row) : ''];
  }
  return toWire(key.field.type, value);
}

function restriction(env: Env, key: Key, value: Stored): unknown[] {
  if (value === null) return [[key.name, '=', false]];
  if (!key.granularity) return [[key.name, '=', value]];
  const start = value as string;
  const end = nextPeriod(start, key.granularity);
  const bound = (day: string) =>
    key.field.type === 'datetime' ? fromZone(day.length === 10 ? `${day} 00:00:00` : day, env.context.tz) : day;
  return ['&', [key.name, '>=', bound(start)], [key.name, '<', bound(end)]];
}

function aggregate(env: Env, target: Model, name: string, fn: string, rows: Row[]): unknown {
  const field = target.fields[name];
  if (!field) throw valueError(`Invalid field ${python(name)} on model ${python(target.name)}`);
  const values = rows.map((row) => env.value(target.name, row, name));
  const numbers = values.filter((value): value is number => typeof value === 'number');
  const wire = (value: number) => (field.type === 'integer' ? value : pythonFloat(value));
  switch (fn) {
    case 'sum':
      return wire(sum(numbers));
    case 'avg':
      return numbers.length === 0 ? false : pythonFloat(sum(numbers) / numbers.length);
    case 'min':
    case 'max': {
      const present = values.filter((value) => typeof value === 'string').sort((a, b) => (a < b ? -1 : 1));
      const sorted = numbers.length > 0 ? [...numbers].sort((a, b) => a - b) : present;
      const value = (fn === 'min' ? sorted[0] : sorted.at(-1)) ?? null;
      return toWire(field.type, value);
    }
    case 'count':
      return values.filter((value) => value !== null).length;
    case 'count_distinct':
      return new Set(values.filter((value) => value !== null)).size;
    case 'array_agg':
      return values;
    default:
      throw valueError(`Invalid aggregate method ${python(fn)} for ${python(name)}`);
  }
}

function page(found: Bucket[], args: Args): Bucket[] {
  const offset = typeof args.offset === 'number' ? args.offset : 0;
  const limit = typeof args.limit === 'number' && args.limit > 0 ? args.limit : undefined;
  const order = (args.order ?? args.orderby) as string | undefined;
  const sorted = order && / desc\b/i.test(order) ? found.reverse() : found;
  return sorted.slice(offset, limit === undefined ? undefined : offset + limit);
}

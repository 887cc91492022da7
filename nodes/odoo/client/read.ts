/** Reading: always named fields (all fields of 100 partners cost 75 times what five do), in bounded pages. */
import { Failure } from '../../kernel/failure.ts';
import type { CallerContext, OdooClient } from './client.ts';
import { checkDomain } from './domain.ts';
import type { ModelFields } from './fields.ts';
import { decoderOf, fromOdoo } from './values.ts';

export type OdooRecord = { id: number } & Record<string, unknown>;

export interface SearchOptions extends CallerContext {
  /** Fields by their names in 19, with a question mark where they may be missing. `id` is always there. */
  fields: readonly string[];
  /** Records at most. Default 1,000; 0 = all. */
  limit?: number;
  /** Default `id`, which pages by key: rows that move meanwhile are neither skipped nor given twice. */
  order?: string;
  /** Records in one call. Default 500. */
  page?: number;
}

/** Most records one search gives back. */
export const recordLimit = 100_000;
const readPage = 500;

/** Pages of the records of a model that a domain matches. */
export async function* searchPages(
  client: OdooClient,
  model: string,
  domain: unknown,
  options: SearchOptions,
): AsyncGenerator<OdooRecord[]> {
  const known = await client.fields(model);
  const fields = namesOf(known, options.fields);
  const checked = await checkDomain(client, model, domain);
  const order = orderOf(known, options.order ?? 'id');
  const limit = options.limit === undefined ? 1_000 : options.limit === 0 ? recordLimit : options.limit;
  if (!Number.isInteger(limit) || limit < 0 || limit > recordLimit) {
    throw new Failure(
      'configuration',
      'ODOO_LIMIT',
      `The number of records must be between 0 (all) and ${recordLimit}.`,
      { outcome: 'none' },
    );
  }
  const page = Math.min(options.page ?? 500, 5_000);
  const byKey = order === 'id';
  let last = 0;
  for (let given = 0; given < limit; ) {
    const size = Math.min(page, limit - given);
    const rows = (await client.call(
      {
        model,
        method: 'search_read',
        args: {
          // Terms without a connective are joined by "and".
          domain: byKey && given > 0 ? [['id', '>', last], ...checked] : checked,
          fields,
          limit: size,
          order,
          ...(byKey || given === 0 ? {} : { offset: given }),
        },
      },
      { effect: 'read', typed: hasPlainTypes(known, fields), ...options },
    )) as OdooRecord[];
    if (rows.length > 0) yield decodeAll(known, fields, rows);
    if (rows.length < size) return;
    given += rows.length;
    last = rows.at(-1)!.id;
  }
}

export interface PageOptions extends CallerContext {
  fields: readonly string[];
  /** Records with a higher id than this; 0 = from the first. */
  after: number;
  /** Records at most, up to 5,000. */
  size: number;
}

/** One page in the order of the ids, and whether there are more behind it. */
export async function searchPage(
  client: OdooClient,
  model: string,
  domain: unknown,
  { fields, after, size, ...caller }: PageOptions,
): Promise<{ records: OdooRecord[]; more: boolean }> {
  const known = await client.fields(model);
  const names = namesOf(known, fields);
  const checked = await checkDomain(client, model, domain);
  const rows = (await client.call(
    {
      model,
      method: 'search_read',
      // One more than asked for tells whether this page is the last.
      args: {
        domain: after > 0 ? [['id', '>', after], ...checked] : checked,
        fields: names,
        limit: size + 1,
        order: 'id',
      },
    },
    { effect: 'read', typed: hasPlainTypes(known, names), ...caller },
  )) as OdooRecord[];
  return { records: decodeAll(known, names, rows.slice(0, size)), more: rows.length > size };
}

export async function searchRead(
  client: OdooClient,
  model: string,
  domain: unknown,
  options: SearchOptions,
): Promise<OdooRecord[]> {
  const records: OdooRecord[] = [];
  for await (const page of searchPages(client, model, domain, options)) records.push(...page);
  return records;
}

/** Records by id, in the order of `ids`. Odoo leaves missing ones out without a word; here they are named. */
export async function read(
  client: OdooClient,
  model: string,
  ids: readonly number[],
  fields: readonly string[],
  caller: CallerContext = {},
): Promise<{ records: OdooRecord[]; missing: number[] }> {
  refuseBadIds(ids, 'read');
  const known = await client.fields(model);
  const names = namesOf(known, fields);
  const byId = new Map<number, OdooRecord>();
  for (let from = 0; from < ids.length; from += readPage) {
    const rows = (await client.call(
      { model, method: 'read', ids: ids.slice(from, from + readPage), args: { fields: names } },
      { effect: 'read', typed: hasPlainTypes(known, names), ...caller },
    )) as OdooRecord[];
    for (const row of decodeAll(known, names, rows)) byId.set(row.id, row);
  }
  return {
    records: ids.flatMap((id) => byId.get(id) ?? []),
    missing: ids.filter((id) => !byId.has(id)),
  };
}

export async function count(
  client: OdooClient,
  model: string,
  domain: unknown,
  caller: CallerContext = {},
): Promise<number> {
  const checked = await checkDomain(client, model, domain);
  return (await client.call(
    { model, method: 'search_count', args: { domain: checked } },
    { effect: 'read', ...caller },
  )) as number;
}

export interface AggregateOptions extends CallerContext {
  /** Fields to group by, a date with its unit: `partner_id`, `date_order:month`. */
  groupBy: readonly string[];
  /** `field:sum`, also avg, min, max, count, count_distinct. */
  aggregates: readonly string[];
  /** Groups at most. Default 1,000. */
  limit?: number;
}

const aggregatePattern = /^([a-z_][a-z0-9_]*):(sum|avg|min|max|count|count_distinct)$/;

/** Groups with their aggregates by the same keys on every version, and `__count`. */
export async function aggregate(
  client: OdooClient,
  model: string,
  domain: unknown,
  options: AggregateOptions,
): Promise<Record<string, unknown>[]> {
  const known = await client.fields(model);
  const checked = await checkDomain(client, model, domain);
  const groups = options.groupBy.map((spec) => {
    const [name, unit] = spec.split(':', 2);
    const field = known.get(name!);
    return { spec, sent: unit === undefined ? field.name : `${field.name}:${unit}`, field };
  });
  const sums = options.aggregates.map((spec) => {
    const match = aggregatePattern.exec(spec);
    if (match === null) {
      throw new Failure(
        'configuration',
        'ODOO_AGGREGATE',
        'An aggregate is written field:function, with sum, avg, min, max, count or count_distinct, e.g. amount_total:sum.',
        { outcome: 'none' },
      );
    }
    const field = known.get(match[1]!);
    return { spec, field, sent: `${field.name}:${match[2]}` };
  });
  const limit = options.limit ?? 1_000;
  const { major } = await client.version();
  const modern = major >= 19;
  const groupby = groups.map((group) => group.sent);
  const rows = (await client.call(
    modern
      ? {
          model,
          method: 'formatted_read_group',
          args: { domain: checked, groupby, aggregates: [...sums.map((sum) => sum.sent), '__count'], limit },
        }
      : {
          model,
          method: 'read_group',
          args: { domain: checked, fields: sums.map((sum) => sum.sent), groupby, limit, lazy: false },
        },
    { effect: 'read', ...options },
  )) as Record<string, unknown>[];
  return rows.map((row) => {
    const out: Record<string, unknown> = {};
    for (const { spec, sent, field } of groups) {
      const value = row[sent];
      // A period: 19 tells its start and its name in the user's language, earlier versions the name alone.
      out[spec] = spec.includes(':') ? periodName(value) : fromOdoo(field, value);
    }
    for (const { spec, sent, field } of sums) out[spec] = fromOdoo(field, row[modern ? sent : field.name]);
    out.__count = row.__count;
    return out;
  });
}

function periodName(value: unknown): unknown {
  return Array.isArray(value) ? value[1] : value === false ? null : value;
}

/** @throws Failure `data-quality` (`ODOO_IDS`): Odoo answers `true` to a write without ids and does nothing */
export function refuseBadIds(ids: unknown, method: string): asserts ids is number[] {
  if (
    Array.isArray(ids) &&
    ids.length > 0 &&
    ids.length <= recordLimit &&
    ids.every((id) => Number.isInteger(id) && id > 0)
  )
    return;
  throw new Failure(
    'data-quality',
    'ODOO_IDS',
    `${method} needs the ids of its records: a list of positive whole numbers, at least one. None or something else was given.`,
    { outcome: 'none' },
  );
}

/** Types whose values {@link fromOdoo} brings into the flow's form; others may hold numbers somewhere inside. */
const plainTypes = new Set(
  'char text html integer float monetary boolean date datetime selection many2one one2many many2many binary'.split(' '),
);

function hasPlainTypes(known: ModelFields, names: readonly string[]): boolean {
  return names.every((name) => plainTypes.has(known.all.get(name)?.type ?? ''));
}

/** Brings freshly parsed rows into the flow's form, in place where no field has another name on this version. */
function decodeAll(known: ModelFields, names: readonly string[], rows: OdooRecord[]): OdooRecord[] {
  const columns = names
    .filter((name) => name !== 'id')
    .map((name) => ({ name, out: known.nameOut(name), decode: decoderOf(known.all.get(name)) }));
  if (columns.every(({ name, out }) => name === out)) {
    for (const row of rows) {
      for (const { name, decode } of columns) {
        const value = row[name];
        const decoded = decode(value);
        if (decoded !== value) row[name] = decoded;
      }
    }
    return rows;
  }
  return rows.map((row) => {
    const record: OdooRecord = { id: row.id };
    for (const { name, out, decode } of columns) record[out] = decode(row[name]);
    return record;
  });
}

function namesOf(known: ModelFields, fields: readonly string[]): string[] {
  if (fields.length === 0) {
    throw new Failure(
      'configuration',
      'ODOO_FIELDS_MISSING',
      `Name the fields of ${known.model} to read; reading all of them is slow and more than the flow needs.`,
      { outcome: 'none' },
    );
  }
  const names = known.asked(fields).map((name) => known.get(name).name);
  // To Odoo an empty list is all fields.
  return names.length === 0 ? ['id'] : names;
}

function orderOf(known: ModelFields, order: string): string {
  const parts = order.split(',').map((part) => {
    const match = /^([a-z_][a-z0-9_]*)(?:\s+(asc|desc))?$/i.exec(part.trim());
    const field = match === null ? undefined : known.get(match[1]!);
    if (field === undefined || !field.store) {
      throw new Failure(
        'configuration',
        'ODOO_ORDER',
        'The order must be stored fields, each with asc or desc, e.g. "date_order desc, id".',
        { outcome: 'none' },
      );
    }
    return match![2] === undefined ? field.name : `${field.name} ${match![2].toLowerCase()}`;
  });
  // Without a unique last key, equal rows change places between pages.
  if (!parts.some((part) => part.split(' ')[0] === 'id')) parts.push('id');
  return parts.join(', ');
}

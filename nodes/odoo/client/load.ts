/**
 * One call of `load()`, Odoo's own upsert by external id. PostgreSQL's unique index on `ir.model.data` makes it atomic,
 * also between writers that know nothing of each other.
 */
import { Failure } from '../../kernel/failure.ts';
import { fullJitter } from '../../kernel/resilience/backoff.ts';
import { sleep } from '../../kernel/resilience/deadline.ts';
import { RowsRefused } from './batch.ts';
import type { CallerContext, OdooClient } from './client.ts';
import { bounded } from './errors.ts';
import type { LoadDocument, LoadTable } from './load-rows.ts';
import { keyOf } from './references.ts';

/** What became of one document. */
export interface Upserted {
  id: number;
  effect: 'created' | 'updated';
  externalId?: string;
  /** Fields that Odoo holds otherwise than sent, where that was checked and is no failure. */
  altered?: string[];
  /** Lines deleted because the document no longer has them. */
  removed?: number;
}

export interface LoadOptions extends CallerContext {
  /** Tries of one `load()` that lost against another transaction. Default 8. */
  attempts?: number;
}

/** A document with the tables that say it. */
export interface LoadItem {
  document: LoadDocument;
  tables: LoadTable[];
}

interface LoadAnswer {
  ids: number[] | false;
  messages?: LoadMessage[];
}

interface LoadMessage {
  type?: string;
  record?: number;
  field?: string;
  message?: unknown;
}

/** PostgreSQL's own words, not translated: `load()` catches the error that elsewhere comes as an exception by name. */
const lostAgainstAnother = /could not serialize access|deadlock detected|could not obtain lock/;

/** @returns the ids of the documents' records */
export async function load(
  client: OdooClient,
  model: string,
  items: readonly LoadItem[],
  stage: number,
  options: LoadOptions,
): Promise<number[]> {
  const tables = items.map((item) => item.tables[stage]!);
  const args = { fields: tables[0]!.columns, data: tables.flatMap((table) => table.rows) };
  // `load()` reads datetimes in the context's time zone, unlike `write`.
  const context = { ...options.context, tz: 'UTC' };
  const attempts = options.attempts ?? 8;
  for (let attempt = 1; ; attempt++) {
    const answer = (await client.call(
      { model, method: 'load', args },
      { effect: 'write', repeatable: true, ...options, context },
    )) as LoadAnswer;
    if (Array.isArray(answer.ids) && answer.ids.length === items.length) return answer.ids;
    const errors = (answer.messages ?? []).filter((message) => message.type !== 'warning');
    const transient = errors.some((error) => lostAgainstAnother.test(String(error.message)));
    // A refusal that names no field may be a conflict in other words; a few tries tell.
    const perhaps = !transient && errors.every((error) => !error.field);
    if (transient ? attempt < attempts : perhaps && attempt < 3) {
      await sleep(fullJitter(attempt, { base: 100, cap: 2_000 }), options.signal);
      continue;
    }
    if (transient) {
      throw new Failure(
        'conflict',
        'ODOO_SERIALIZATION_FAILURE',
        `Other transactions in Odoo kept changing the same ${model} records (${attempt} tries). It is tried again.`,
        { outcome: 'none' },
      );
    }
    // A record found before may have been deleted since: look again next time.
    const known = await client.fields(model);
    if (errors.some(({ field }) => known.all.get(field?.split('/')[0] ?? '')?.relation !== undefined))
      client.references.clear();
    throw refusal(model, items, stage, errors);
  }
}

function refusal(
  model: string,
  items: readonly LoadItem[],
  stage: number,
  errors: readonly LoadMessage[],
): Failure | RowsRefused {
  const rows = new Map<number, Failure>();
  for (const error of errors) {
    const item = error.record === undefined ? undefined : items[error.record];
    if (item === undefined || rows.has(error.record!)) continue;
    rows.set(error.record!, refusedDocument(model, item.document.externalId, stage, error));
  }
  if (rows.size > 0) return new RowsRefused(rows);
  const only = items.length === 1 ? items[0]!.document.externalId : undefined;
  return refusedDocument(model, only, stage, errors[0] ?? {});
}

function refusedDocument(model: string, externalId: string | undefined, stage: number, error: LoadMessage): Failure {
  const which = externalId === undefined ? model : `${model} ${externalId}`;
  const field = typeof error.field === 'string' && error.field !== '' ? error.field : undefined;
  const written = stage === 0 ? 'Nothing of it was written.' : 'It was written without some of its lines.';
  return new Failure(
    'data-quality',
    'ODOO_LOAD_REFUSED',
    `Odoo refused ${which}${field === undefined ? '' : ` because of the field ${field}`}. ${written} Correct the document and replay it.`,
    {
      ...(stage === 0 ? { outcome: 'none' as const } : {}),
      detail: {
        ...(field === undefined ? {} : { field }),
        ...(externalId === undefined ? {} : { externalId }),
        odoo: { name: 'load', message: bounded(error.message) },
      },
    },
  );
}

/** Clients whose user may not read `ir.model.data`. */
const withoutModelData = new WeakSet<OdooClient>();

/** External ids that exist already; undefined where the user may not see them. */
export async function existing(
  client: OdooClient,
  model: string,
  externalIds: readonly string[],
  caller: CallerContext,
): Promise<Set<string> | undefined> {
  if (withoutModelData.has(client)) return undefined;
  const names = new Map<string, string[]>();
  for (const externalId of externalIds) {
    const dot = externalId.indexOf('.');
    const module = externalId.slice(0, dot);
    names.set(module, [...(names.get(module) ?? []), externalId.slice(dot + 1)]);
  }
  try {
    const found = new Set<string>();
    for (const [module, some] of names) {
      const domain = [
        ['module', '=', module],
        ['name', 'in', some],
        ['model', '=', model],
      ];
      const rows = (await client.call(
        { model: 'ir.model.data', method: 'search_read', args: { domain, fields: ['name'], order: 'id' } },
        { effect: 'read', ...caller },
      )) as { name: string }[];
      for (const row of rows) found.add(`${module}.${row.name}`);
    }
    return found;
  } catch (error) {
    if (!(error instanceof Failure) || error.class !== 'policy-rejection' || error.code === 'ODOO_UNAUTHORIZED')
      throw error;
    withoutModelData.add(client);
    return undefined;
  }
}

export async function effects(
  client: OdooClient,
  model: string,
  ids: readonly number[],
  externalIds: readonly string[],
  before: ReadonlySet<string> | undefined,
  caller: CallerContext,
): Promise<Upserted[]> {
  const known = (i: number) => client.references.get(keyOf({ kind: 'externalId', externalId: externalIds[i]! }));
  const doubtful = before === undefined ? ids.filter((id, i) => known(i) !== id) : [];
  const created = doubtful.length === 0 ? undefined : await youngest(client, model, doubtful, caller);
  return ids.map((id, i) => {
    const externalId = externalIds[i]!;
    const isNew = before === undefined ? (created?.has(id) ?? false) : !before.has(externalId);
    client.references.set(keyOf({ kind: 'externalId', externalId }), id);
    return { id, externalId, effect: isNew ? 'created' : 'updated' };
  });
}

/** Records never written since their creation; a second write within the same second looks the same. */
async function youngest(
  client: OdooClient,
  model: string,
  ids: readonly number[],
  caller: CallerContext,
): Promise<Set<number>> {
  const rows = (await client.call(
    { model, method: 'read', ids, args: { fields: ['create_date', 'write_date'] } },
    { effect: 'read', ...caller },
  )) as { id: number; create_date: string; write_date: string }[];
  return new Set(rows.filter((row) => row.create_date === row.write_date).map((row) => row.id));
}

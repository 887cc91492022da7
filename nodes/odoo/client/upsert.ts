/**
 * Writing a document so that repeating it never makes a second record.
 *
 * By external id through `load()`: PostgreSQL's unique index on `ir.model.data` makes it atomic, also between writers
 * that know nothing of each other. By natural key: search, then create or write, serialised in this process.
 */
import { Failure } from '../../kernel/failure.ts';
import { canonicalJson } from '../../kernel/json.ts';
import { fullJitter } from '../../kernel/resilience/backoff.ts';
import { sleep } from '../../kernel/resilience/deadline.ts';
import { inChunks, type RowOutcome, RowsRefused } from './batch.ts';
import type { CallerContext, OdooClient } from './client.ts';
import { bounded } from './errors.ts';
import { removeLeftOut } from './left-out.ts';
import { type LoadDocument, type LoadTable, tablesOf } from './load-rows.ts';
import { type CheckedRecord, checkRecord, referenceSlots, toVals } from './records.ts';
import { findByMatch, findExternalId, keyOf, resolveReferences } from './references.ts';
import { isExternalId } from './values.ts';
import { differences, refuseAltered } from './verify.ts';

export type UpsertDocument =
  /** Kept by Odoo in `ir.model.data`. */
  | { externalId: string; values: Readonly<Record<string, unknown>> }
  /** Fields that together name one record, e.g. `{"ref": "ACME"}`. */
  | { match: Readonly<Record<string, unknown>>; values: Readonly<Record<string, unknown>> };

export interface Upserted {
  id: number;
  effect: 'created' | 'updated';
  externalId?: string;
  /** Fields that Odoo holds otherwise than sent, where that was checked and is no failure. */
  altered?: string[];
  /** Lines deleted because the document no longer has them. */
  removed?: number;
}

export interface UpsertOptions extends CallerContext {
  /** Read the records back and compare; other amounts or quantities are failures. Default false. */
  verify?: boolean;
  /** What becomes of lines that an earlier version of the document made and this one leaves out. Default `keep`. */
  leftOut?: 'keep' | 'remove';
  /** Documents in one call. Default 200. */
  chunk?: number;
  /** Tries of one `load()` that lost against another transaction. Default 8. */
  attempts?: number;
}

/** Most documents in one upsert. */
export const documentLimit = 10_000;

/**
 * Creates or updates records. A document that is refused does not stop the others; outcomes come in the order given.
 * @throws Failure only for what concerns all of them: an unknown model, too many documents
 */
export async function upsert(
  client: OdooClient,
  model: string,
  documents: readonly unknown[],
  options: UpsertOptions = {},
): Promise<RowOutcome<Upserted>[]> {
  if (documents.length > documentLimit) {
    throw new Failure(
      'data-quality',
      'ODOO_TOO_MANY_DOCUMENTS',
      `${documents.length} documents came at once; the limit is ${documentLimit}. Split them.`,
      { outcome: 'none' },
    );
  }
  await client.fields(model);
  const outcomes: RowOutcome<Upserted>[] = [];
  const byExternalId: { index: number; document: LoadDocument }[] = [];
  for (const [index, given] of documents.entries()) {
    try {
      const document = documentOf(given, documents.length === 1 ? '' : `Document ${index + 1}: `);
      if ('match' in document) {
        outcomes[index] = { kind: 'done', value: await upsertByMatch(client, model, document, options) };
      } else {
        const record = await checkRecord(client, model, document.values);
        byExternalId.push({ index, document: { externalId: document.externalId, record } });
      }
    } catch (error) {
      outcomes[index] = failed(error);
    }
  }
  const ready = await resolveEach(client, byExternalId, outcomes, options);
  for (const round of roundsOf(ready, outcomes)) await loadRound(client, model, round, outcomes, options);
  return outcomes;
}

/** Loads the tables of documents: all first ones, which also create the records, then what further ones there are. */
async function loadRound(
  client: OdooClient,
  model: string,
  items: readonly LoadItem[],
  outcomes: RowOutcome<Upserted>[],
  options: UpsertOptions,
): Promise<void> {
  const { chunk = 200 } = options;
  for (let stage = 0; ; stage++) {
    const now = items.filter((item) => item.tables[stage] && (stage === 0 || outcomes[item.index]?.kind === 'done'));
    if (now.length === 0) break;
    for (const group of sameColumns(now, stage)) {
      const results = await inChunks(group, chunk, (some) =>
        client.locks.run(
          some.map((item) => `${model} ${item.document.externalId}`),
          async () =>
            stage === 0
              ? await loadFirst(client, model, some, options)
              : await loadFurther(client, model, some, stage, outcomes, options),
        ),
      );
      for (const [at, outcome] of results.entries()) outcomes[group[at]!.index] = outcome;
    }
  }
  for (const { index, document } of items) {
    if (options.leftOut === 'remove')
      outcomes[index] = await withoutLeftOut(client, model, document, outcomes[index]!, options);
    if (options.verify) outcomes[index] = await verified(client, model, document.record, outcomes[index]!, options);
  }
}

async function withoutLeftOut(
  client: OdooClient,
  model: string,
  document: LoadDocument,
  outcome: RowOutcome<Upserted>,
  caller: CallerContext,
): Promise<RowOutcome<Upserted>> {
  if (outcome.kind === 'failed' || outcome.value.effect === 'created') return outcome;
  const { value } = outcome;
  try {
    const removed = await client.locks.run([`${model} ${document.externalId}`], () =>
      removeLeftOut(client, value.id, document, caller),
    );
    return removed === 0 ? outcome : { kind: 'done', value: { ...value, removed } };
  } catch (error) {
    return failed(error);
  }
}

async function verified(
  client: OdooClient,
  model: string,
  record: CheckedRecord,
  outcome: RowOutcome<Upserted>,
  caller: CallerContext,
): Promise<RowOutcome<Upserted>> {
  if (outcome.kind === 'failed') return outcome;
  try {
    const found = await differences(client, outcome.value.id, record, caller);
    refuseAltered(model, outcome.value.id, found);
    return found.others.length === 0
      ? outcome
      : { kind: 'done', value: { ...outcome.value, altered: found.others.slice(0, 50) } };
  } catch (error) {
    return failed(error);
  }
}

/** @throws Failure `data-quality` when it is no document */
function documentOf(given: unknown, where: string): UpsertDocument {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    const { externalId, match, values } = given as Record<string, unknown>;
    if (typeof values === 'object' && values !== null && !Array.isArray(values)) {
      const fields = values as Record<string, unknown>;
      if (externalId !== undefined && match === undefined) {
        if (isExternalId(externalId)) return { externalId, values: fields };
        throw new Failure(
          'data-quality',
          'ODOO_EXTERNAL_ID',
          `${where}The external id must be written module.name, of letters, digits and underscores, e.g. hf_orders.po_1001.`,
          { outcome: 'none' },
        );
      }
      if (externalId === undefined && isFilledObject(match)) return { match, values: fields };
    }
  }
  throw new Failure(
    'data-quality',
    'ODOO_DOCUMENT',
    `${where}A document for upsert is {"externalId": "module.name", "values": {…}} or {"match": {…}, "values": {…}}.`,
    { outcome: 'none' },
  );
}

function isFilledObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
}

function failed(error: unknown): { kind: 'failed'; failure: Failure } {
  if (error instanceof Failure) return { kind: 'failed', failure: error };
  throw error;
}

interface Item {
  index: number;
  document: LoadDocument;
}

/** Finds the referred records for all documents at once; only when that fails, document by document. */
async function resolveEach(
  client: OdooClient,
  items: Item[],
  outcomes: RowOutcome<Upserted>[],
  caller: CallerContext,
): Promise<Item[]> {
  const resolve = async (some: readonly Item[]) => {
    const records = some.map((item) => item.document.record);
    await resolveReferences(client, records, caller, true);
    for (const record of records) await resolveMixed(client, record, caller);
  };
  try {
    await resolve(items);
    return items;
  } catch (error) {
    if (items.length > 1 && error instanceof Failure && error.class === 'data-quality') {
      const ready: Item[] = [];
      for (const item of items) {
        try {
          await resolve([item]);
          ready.push(item);
        } catch (own) {
          outcomes[item.index] = failed(own);
        }
      }
      return ready;
    }
    for (const item of items) outcomes[item.index] = failed(error);
    return [];
  }
}

/** One column takes either external ids or database ids: where a field has both, the former are looked up. */
async function resolveMixed(client: OdooClient, record: CheckedRecord, caller: CallerContext): Promise<void> {
  const slots = [...referenceSlots(record)];
  const withId = new Set(slots.filter((slot) => slot.ref.kind === 'id').map((slot) => slot.field));
  for (const slot of slots) {
    if (slot.ref.kind !== 'externalId' || !withId.has(slot.field)) continue;
    const known = client.references.get(keyOf(slot.ref));
    const id = known ?? (await findExternalId(client, slot.ref.externalId, slot.field.relation, slot.path, caller));
    client.references.set(keyOf(slot.ref), id);
    slot.set({ kind: 'id', id });
  }
}

interface LoadItem extends Item {
  tables: LoadTable[];
}

/** Documents that may go together: no external id twice in a round, so that the later document stays the later one. */
function roundsOf(items: readonly Item[], outcomes: RowOutcome<Upserted>[]): LoadItem[][] {
  const rounds: LoadItem[][] = [];
  const times = new Map<string, number>();
  for (const item of items) {
    try {
      const tables = tablesOf(item.document);
      const { externalId } = item.document;
      const nth = times.get(externalId) ?? 0;
      times.set(externalId, nth + 1);
      rounds[nth] ??= [];
      rounds[nth].push({ ...item, tables });
    } catch (error) {
      outcomes[item.index] = failed(error);
    }
  }
  return rounds;
}

/** Documents whose tables have the same columns, so that they fit one call. */
function sameColumns(items: readonly LoadItem[], stage: number): LoadItem[][] {
  const groups = new Map<string, LoadItem[]>();
  for (const item of items) {
    const key = item.tables[stage]!.columns.join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

async function loadFirst(
  client: OdooClient,
  model: string,
  items: readonly LoadItem[],
  options: UpsertOptions,
): Promise<Upserted[]> {
  const externalIds = items.map((item) => item.document.externalId);
  const before = await existing(client, model, externalIds, options);
  const ids = await load(client, model, items, 0, options);
  return await effects(client, model, ids, externalIds, before, options);
}

async function loadFurther(
  client: OdooClient,
  model: string,
  items: readonly LoadItem[],
  stage: number,
  outcomes: readonly RowOutcome<Upserted>[],
  options: UpsertOptions,
): Promise<Upserted[]> {
  await load(client, model, items, stage, options);
  return items.map((item) => (outcomes[item.index] as { value: Upserted }).value);
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
async function load(
  client: OdooClient,
  model: string,
  items: readonly LoadItem[],
  stage: number,
  options: UpsertOptions,
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
async function existing(
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

async function effects(
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

/**
 * Creates or updates the one record that `match` names. Nothing in Odoo forbids two: writers in this process take
 * turns, and after a create of unknown outcome the next try waits until Odoo has certainly ended it, and looks first.
 */
async function upsertByMatch(
  client: OdooClient,
  model: string,
  { match, values }: Extract<UpsertDocument, { match: unknown }>,
  caller: CallerContext,
): Promise<Upserted> {
  const key = `${model} ${canonicalJson(match)}`;
  const record = await checkRecord(client, model, { ...match, ...values });
  return await client.locks.run([key], async () => {
    await resolveReferences(client, [record], caller);
    const ids = await findByMatch(client, { model, match }, model, caller);
    if (ids.length > 1) {
      throw new Failure(
        'data-quality',
        'ODOO_KEY_AMBIGUOUS',
        `More than one ${model} in Odoo has the given ${Object.keys(match).join(' and ')}. Match by more fields, or merge the records in Odoo.`,
        { outcome: 'none', detail: { ids } },
      );
    }
    const id = ids[0];
    if (id !== undefined) {
      client.unsettled.delete(key);
      refuseNewLines(record);
      await client.call(
        { model, method: 'write', ids: [id], args: { vals: toVals(record) } },
        { effect: 'write', repeatable: true, ...caller },
      );
      return { id, effect: 'updated' };
    }
    const until = client.unsettled.get(key);
    if (until !== undefined && until > Date.now()) throw unsettled(model, until - Date.now());
    try {
      const created = await client.call(
        { model, method: 'create', args: { vals_list: [toVals(record)] } },
        { effect: 'write', ...caller },
      );
      client.unsettled.delete(key);
      return { id: (created as number[])[0]!, effect: 'created' };
    } catch (error) {
      if (!(error instanceof Failure) || error.outcome !== 'unknown') throw error;
      client.unsettled.set(key, Date.now() + client.settleTime);
      throw unsettled(model, client.settleTime, error);
    }
  });
}

function unsettled(model: string, wait: number, cause?: Failure): Failure {
  return new Failure(
    'dependency-outage',
    'ODOO_UNSETTLED',
    `Whether Odoo created this ${model} is not known. It is looked for again in ${Math.ceil(wait / 1000)} s, when Odoo has certainly ended the first try, and created only if it is not there.`,
    { outcome: 'unknown', retryAfter: Math.ceil(wait), ...(cause === undefined ? {} : { cause }) },
  );
}

function refuseNewLines(record: CheckedRecord): void {
  for (const { path, value } of record.values) {
    if (value.kind === 'records' && value.commands.some((command) => command.kind === 'create')) {
      throw new Failure(
        'data-quality',
        'ODOO_LINES_OF_EXISTING',
        `The record exists already, and writing ${path} would add its lines again. Use an external id for the document and each line.`,
        { outcome: 'none', detail: { field: path } },
      );
    }
  }
}

/** Writing documents so that repeating one never makes a second record: by external id, or by a natural key. */
import { Failure } from '../../kernel/failure.ts';
import { inChunks, type RowOutcome } from './batch.ts';
import type { CallerContext, OdooClient } from './client.ts';
import { removeLeftOut } from './left-out.ts';
import { effects, existing, type LoadOptions, load, type Upserted } from './load.ts';
import { type LoadDocument, type LoadTable, tablesOf } from './load-rows.ts';
import { type KeyedDocument, upsertByMatch } from './natural-key.ts';
import { type CheckedRecord, checkRecord, referenceSlots } from './records.ts';
import { findExternalId, keyOf, resolveReferences } from './references.ts';
import { isExternalId } from './values.ts';
import { differences, refuseAltered } from './verify.ts';

export type UpsertDocument =
  /** Kept by Odoo in `ir.model.data`. */
  | { externalId: string; values: Readonly<Record<string, unknown>> }
  /** Fields that together name one record, e.g. `{"ref": "ACME"}`. */
  | KeyedDocument;

export interface UpsertOptions extends LoadOptions {
  /** Read the records back and compare; other amounts or quantities are failures. Default false. */
  verify?: boolean;
  /** What becomes of lines that an earlier version of the document made and this one leaves out. Default `keep`. */
  leftOut?: 'keep' | 'remove';
  /** Documents in one call. Default 200. */
  chunk?: number;
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
  items: readonly TableItem[],
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

interface TableItem extends Item {
  tables: LoadTable[];
}

/** Documents that may go together: no external id twice in a round, so that the later document stays the later one. */
function roundsOf(items: readonly Item[], outcomes: RowOutcome<Upserted>[]): TableItem[][] {
  const rounds: TableItem[][] = [];
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
function sameColumns(items: readonly TableItem[], stage: number): TableItem[][] {
  const groups = new Map<string, TableItem[]>();
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
  items: readonly TableItem[],
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
  items: readonly TableItem[],
  stage: number,
  outcomes: readonly RowOutcome<Upserted>[],
  options: UpsertOptions,
): Promise<Upserted[]> {
  await load(client, model, items, stage, options);
  return items.map((item) => (outcomes[item.index] as { value: Upserted }).value);
}

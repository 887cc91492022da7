/** Finds the records that documents name by external id or by matching fields; what was found is remembered. */
import { canonicalJson } from '../../kernel/json.ts';
import { Failure, toFailure } from '../../kernel/failure.ts';
import type { CallerContext, OdooClient } from './client.ts';
import { type CheckedRecord, checkRecord, type ReferenceSlot, referenceSlots } from './records.ts';
import { type Reference, toJson } from './values.ts';

/** Values in one search; more go in further searches. */
const pageSize = 500;

type Match = Extract<Reference, { kind: 'match' }>;

/**
 * Replaces every match, and every external id unless `keepExternalIds`, by the id of the record.
 * @throws Failure `data-quality` when there is no such record, or more than one, naming the field
 */
export async function resolveReferences(
  client: OdooClient,
  records: readonly CheckedRecord[],
  caller: CallerContext = {},
  keepExternalIds = false,
): Promise<void> {
  const slots: ReferenceSlot[] = [];
  for (const record of records) {
    for (const slot of referenceSlots(record)) {
      if (slot.ref.kind === 'match' || (slot.ref.kind === 'externalId' && !keepExternalIds)) slots.push(slot);
    }
  }
  const open: ReferenceSlot[] = [];
  for (const slot of slots) {
    const id = client.references.get(keyOf(slot.ref));
    if (id === undefined) open.push(slot);
    else slot.set({ kind: 'id', id });
  }
  if (open.length === 0) return;
  const found = new Map<string, number>();
  await findMatches(client, open, found, caller);
  for (const slot of open) {
    const key = keyOf(slot.ref);
    let id = found.get(key);
    if (id === undefined && slot.ref.kind === 'externalId') {
      id = await findExternalId(client, slot.ref.externalId, slot.field.relation, slot.path, caller);
      found.set(key, id);
    }
    if (id === undefined) throw notFound(slot);
    client.references.set(key, id);
    slot.set({ kind: 'id', id });
  }
}

export function keyOf(ref: Reference): string {
  switch (ref.kind) {
    case 'id':
      return `id:${ref.id}`;
    case 'externalId':
      return `xid:${ref.externalId}`;
    case 'match':
      return `match:${ref.model}:${canonicalJson(ref.match)}`;
  }
}

/**
 * Database id for an external id, by the one method that needs no right on `ir.model.data`. A missing one is a
 * `ValueError` (HTTP 500) there.
 */
export async function findExternalId(
  client: OdooClient,
  externalId: string,
  model: string | undefined,
  path: string,
  caller: CallerContext = {},
): Promise<number> {
  const dot = externalId.indexOf('.');
  let answer: unknown;
  try {
    answer = await client.call(
      {
        model: 'ir.model.data',
        method: 'check_object_reference',
        args: { module: externalId.slice(0, dot), xml_id: externalId.slice(dot + 1) },
      },
      { effect: 'read', ...caller },
    );
  } catch (error) {
    const failure = toFailure(error);
    if (failure.class !== 'data-quality') throw failure;
    throw new Failure(
      'data-quality',
      'ODOO_REFERENCE_NOT_FOUND',
      `${path} names the external id ${externalId}, which no record in Odoo has.`,
      { outcome: 'none', detail: { field: path, externalId } },
    );
  }
  const [found, id] = Array.isArray(answer) ? (answer as unknown[]) : [];
  if (typeof id !== 'number' || (model !== undefined && found !== model)) {
    throw new Failure(
      'data-quality',
      'ODOO_REFERENCE_MODEL',
      `${path} names the external id ${externalId}, which belongs to ${String(found)}, not to ${model}.`,
      { outcome: 'none', detail: { field: path, externalId } },
    );
  }
  return id;
}

/** One search for all matches on the same text field; one each for the others. */
async function findMatches(
  client: OdooClient,
  slots: readonly ReferenceSlot[],
  found: Map<string, number>,
  caller: CallerContext,
): Promise<void> {
  const groups = new Map<string, { field: string; model: string; byText: Map<string, ReferenceSlot> }>();
  const single = new Map<string, ReferenceSlot>();
  for (const slot of slots) {
    if (slot.ref.kind !== 'match') continue;
    const { model, match } = slot.ref;
    const entries = Object.entries(match);
    const [name, value] = entries[0]!;
    const fields = await client.fields(model);
    if (entries.length === 1 && typeof value === 'string' && fields.get(name).type === 'char') {
      const field = fields.get(name).name;
      const group = groups.get(`${model} ${field}`) ?? { field, model, byText: new Map() };
      groups.set(`${model} ${field}`, group);
      group.byText.set(value, slot);
    } else single.set(keyOf(slot.ref), slot);
  }
  for (const { field, model, byText } of groups.values()) {
    const texts = [...byText.keys()];
    for (let start = 0; start < texts.length; start += pageSize) {
      const page = texts.slice(start, start + pageSize);
      const rows = await search(client, model, [[field, 'in', page]], [field], page.length + 500, caller);
      const ids = new Map<string, number[]>();
      for (const row of rows) {
        const text = String(row[field]);
        ids.set(text, [...(ids.get(text) ?? []), row.id as number]);
      }
      for (const text of page) {
        const slot = byText.get(text)!;
        const matching = ids.get(text) ?? [];
        // A full page may have cut somebody's second match off: ask for that one alone.
        if (rows.length >= page.length + 500) single.set(keyOf(slot.ref), slot);
        else found.set(keyOf(slot.ref), exactlyOne(matching, slot));
      }
    }
  }
  for (const [key, slot] of single) {
    const ids = await findByMatch(client, slot.ref as Match, slot.path, caller);
    found.set(key, exactlyOne(ids, slot));
  }
}

/** Ids of the first two records whose fields equal those of `match`. */
export async function findByMatch(
  client: OdooClient,
  { model, match }: Pick<Match, 'model' | 'match'>,
  path: string,
  caller: CallerContext = {},
): Promise<number[]> {
  const record = await checkRecord(client, model, match, `${path}.match.`);
  await resolveReferences(client, [record], caller);
  const domain = record.values.map(({ field, value }) => [
    field.name,
    '=',
    value.kind === 'records' ? false : toJson(value),
  ]);
  return (await search(client, model, domain, ['id'], 2, caller)).map((row) => row.id as number);
}

async function search(
  client: OdooClient,
  model: string,
  domain: unknown[],
  fields: string[],
  limit: number,
  caller: CallerContext,
): Promise<Record<string, unknown>[]> {
  const rows = await client.call(
    { model, method: 'search_read', args: { domain, fields, limit, order: 'id' } },
    { effect: 'read', ...caller },
  );
  return rows as Record<string, unknown>[];
}

function exactlyOne(ids: readonly number[], slot: ReferenceSlot): number {
  if (ids.length === 1) return ids[0]!;
  if (ids.length === 0) throw notFound(slot);
  throw new Failure(
    'data-quality',
    'ODOO_REFERENCE_AMBIGUOUS',
    `${slot.path}: more than one ${slot.field.relation} in Odoo has the given ${matchedBy(slot.ref)}. Match by more fields, or merge the records in Odoo.`,
    { outcome: 'none', detail: { field: slot.path, ids } },
  );
}

function notFound(slot: ReferenceSlot): Failure {
  return new Failure(
    'data-quality',
    'ODOO_REFERENCE_NOT_FOUND',
    `${slot.path}: no ${slot.field.relation} in Odoo has the given ${matchedBy(slot.ref)}. Create it there, or correct the document.`,
    { outcome: 'none', detail: { field: slot.path } },
  );
}

function matchedBy(ref: Reference): string {
  return ref.kind === 'match' ? Object.keys(ref.match).join(' and ') : 'external id';
}

/**
 * Creating or updating the one record that a natural key names, e.g. a partner by its `ref`. Nothing in Odoo forbids
 * two of them. So a new record is made by `load()` under an external id that is derived from the key, and PostgreSQL
 * keeps it single: between processes, after a lost reply, after a crash. Only what `load()` cannot say (lines without
 * external ids, commands) is created plainly; then writers in this process take turns, and after a create of unknown
 * outcome the next try waits until Odoo has certainly ended it, and looks first.
 */
import { createHash } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import { canonicalJson } from '../../kernel/json.ts';
import type { OdooClient } from './client.ts';
import { type LoadItem, load, type LoadOptions, type Upserted } from './load.ts';
import { tablesOf } from './load-rows.ts';
import { type CheckedRecord, checkRecord, toVals } from './records.ts';
import { findByMatch, findExternalId, resolveReferences } from './references.ts';

export interface KeyedDocument {
  /** Fields that together name one record. */
  match: Readonly<Record<string, unknown>>;
  values: Readonly<Record<string, unknown>>;
}

export async function upsertByMatch(
  client: OdooClient,
  model: string,
  { match, values }: KeyedDocument,
  options: LoadOptions,
): Promise<Upserted> {
  const key = `${model} ${canonicalJson(match)}`;
  const record = await checkRecord(client, model, { ...match, ...values });
  return await client.locks.run([key], async () => {
    await resolveReferences(client, [record], options);
    const id = await findOne(client, model, match, options);
    if (id !== undefined) {
      client.unsettled.delete(key);
      return await update(client, model, id, record, options);
    }
    const item = loadable(externalIdOf(model, key), record);
    if (item === undefined) return await createPlainly(client, model, key, record, options);
    if (await madeBefore(client, model, item.document.externalId, options)) {
      // Another process may have made it between the two looks.
      const now = await findOne(client, model, match, options);
      if (now === undefined) throw moved(model, match, item.document.externalId);
      return await update(client, model, now, record, options);
    }
    let ids: number[] = [];
    for (const stage of item.tables.keys()) ids = await load(client, model, [item], stage, options);
    return { id: ids[0]!, effect: 'created' };
  });
}

/** Names the record among those of its model; 96 bits of the key's hash, so that it fits and quotes nothing. */
function externalIdOf(model: string, key: string): string {
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 24);
  return `hf_key.${model.replaceAll('.', '_')}_${hash}`;
}

function loadable(externalId: string, record: CheckedRecord): LoadItem | undefined {
  const document = { externalId, record };
  try {
    return { document, tables: tablesOf(document) };
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

async function madeBefore(
  client: OdooClient,
  model: string,
  externalId: string,
  options: LoadOptions,
): Promise<boolean> {
  try {
    await findExternalId(client, externalId, model, model, options);
    return true;
  } catch (error) {
    if (error instanceof Failure && error.code === 'ODOO_REFERENCE_NOT_FOUND') return false;
    throw error;
  }
}

async function findOne(
  client: OdooClient,
  model: string,
  match: KeyedDocument['match'],
  options: LoadOptions,
): Promise<number | undefined> {
  const ids = await findByMatch(client, { model, match }, model, options);
  if (ids.length <= 1) return ids[0];
  throw new Failure(
    'data-quality',
    'ODOO_KEY_AMBIGUOUS',
    `More than one ${model} in Odoo has the given ${Object.keys(match).join(' and ')}. Match by more fields, or merge the records in Odoo.`,
    { outcome: 'none', detail: { ids } },
  );
}

async function update(
  client: OdooClient,
  model: string,
  id: number,
  record: CheckedRecord,
  options: LoadOptions,
): Promise<Upserted> {
  refuseNewLines(record);
  await client.call(
    { model, method: 'write', ids: [id], args: { vals: toVals(record) } },
    { effect: 'write', repeatable: true, ...options },
  );
  return { id, effect: 'updated' };
}

async function createPlainly(
  client: OdooClient,
  model: string,
  key: string,
  record: CheckedRecord,
  options: LoadOptions,
): Promise<Upserted> {
  const until = client.unsettled.get(key);
  if (until !== undefined && until > Date.now()) throw unsettled(model, until - Date.now());
  try {
    const created = await client.call(
      { model, method: 'create', args: { vals_list: [toVals(record)] } },
      { effect: 'write', ...options },
    );
    client.unsettled.delete(key);
    return { id: (created as number[])[0]!, effect: 'created' };
  } catch (error) {
    if (!(error instanceof Failure) || error.outcome !== 'unknown') throw error;
    client.unsettled.set(key, Date.now() + client.settleTime);
    throw unsettled(model, client.settleTime, error);
  }
}

function moved(model: string, match: KeyedDocument['match'], externalId: string): Failure {
  return new Failure(
    'data-quality',
    'ODOO_KEY_MOVED',
    `The ${model} that was made for the given ${Object.keys(match).join(' and ')} is archived, or has been given other values since. Restore it in Odoo, or delete its external id ${externalId} there to have a new one made.`,
    { outcome: 'none', detail: { model, externalId } },
  );
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

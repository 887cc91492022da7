/**
 * What Odoo made of what it was sent. It alters some values without a word (rounds to the field's digits, matches a
 * billed quantity to the received one); for money and quantities that is a failure.
 */
import { compare, isDecimal } from '../../kernel/decimal.ts';
import { Failure } from '../../kernel/failure.ts';
import type { CallerContext, OdooClient } from './client.ts';
import type { CheckedRecord, CheckedValue } from './records.ts';
import { plainDecimal } from './wire.ts';

export interface Differences {
  /** Paths of decimals that differ, e.g. `order_line[2].product_qty`. */
  decimals: string[];
  /** Paths of other fields that differ. */
  others: string[];
}

type Row = { id: number } & Record<string, unknown>;

/** Compares a record, and its lines that have external ids, with what was sent. */
export async function differences(
  client: OdooClient,
  id: number,
  record: CheckedRecord,
  caller: CallerContext = {},
): Promise<Differences> {
  const found: Differences = { decimals: [], others: [] };
  const [row] = await rows(client, record.fields.model, [id], [record], caller);
  if (row !== undefined) compareRow(record, row, found);
  for (const { field, value } of record.values) {
    if (value.kind !== 'records' || row === undefined) continue;
    const lines = value.commands.flatMap((command) =>
      command.kind === 'create' && command.externalId !== undefined
        ? [{ externalId: command.externalId, record: command.record }]
        : [],
    );
    const ids = row[field.name];
    if (lines.length === 0 || !Array.isArray(ids) || ids.length === 0) continue;
    const model = field.relation!;
    const names = (await client.call(
      { model, method: 'get_external_id', ids: ids as number[] },
      { effect: 'read', ...caller },
    )) as Record<string, string>;
    const idOf = new Map(Object.entries(names).map(([key, name]) => [name, Number(key)]));
    const here = lines.filter((line) => idOf.has(line.externalId));
    const read = await rows(
      client,
      model,
      here.map((line) => idOf.get(line.externalId)!),
      here.map((line) => line.record),
      caller,
    );
    const byId = new Map(read.map((line) => [line.id, line]));
    for (const line of here) {
      const got = byId.get(idOf.get(line.externalId)!);
      if (got !== undefined) compareRow(line.record, got, found);
    }
  }
  return found;
}

/** @throws Failure `data-quality` (`ODOO_ALTERED`) when money or a quantity differs */
export function refuseAltered(model: string, id: number, { decimals }: Differences): void {
  if (decimals.length === 0) return;
  throw new Failure(
    'data-quality',
    'ODOO_ALTERED',
    `Odoo wrote ${model} ${id}, but with other amounts or quantities than were sent: ${decimals.slice(0, 10).join(', ')}. Check the decimals of the field in Odoo, and the document.`,
    { detail: { model, id, fields: decimals.slice(0, 50) } },
  );
}

async function rows(
  client: OdooClient,
  model: string,
  ids: readonly number[],
  records: readonly CheckedRecord[],
  caller: CallerContext,
): Promise<Row[]> {
  if (ids.length === 0) return [];
  const fields = [...new Set(records.flatMap((record) => record.values.map((value) => value.field.name)))];
  return (await client.call({ model, method: 'read', ids, args: { fields } }, { effect: 'read', ...caller })) as Row[];
}

function compareRow(record: CheckedRecord, row: Row, found: Differences): void {
  for (const checked of record.values) {
    const got = row[checked.field.name];
    if (got === undefined || same(checked, got)) continue;
    (checked.value.kind === 'decimal' ? found.decimals : found.others).push(checked.path);
  }
}

function same({ field, value }: CheckedValue, got: unknown): boolean {
  switch (value.kind) {
    case 'decimal': {
      const text = plainDecimal(String(got));
      return isDecimal(text) && compare(value.text, text) === 0;
    }
    case 'boolean':
    case 'integer':
      return got === value.value;
    case 'text':
      // Odoo cleans HTML and hands binaries out in another form.
      return field.type === 'html' || field.type === 'binary' || got === value.text;
    case 'reference':
      return value.ref.kind !== 'id' || (Array.isArray(got) ? got[0] : got) === value.ref.id;
    case 'null':
      return got === false || got === 0 || got === '' || got === '0.0' || (Array.isArray(got) && got.length === 0);
    default:
      return true;
  }
}

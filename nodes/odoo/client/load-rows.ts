/** Documents as the rows of `load()`: text cells, records of a one2many on continuation rows below their parent. */
import { Failure } from '../../kernel/failure.ts';
import type { CheckedCommand, CheckedRecord, CheckedValue } from './records.ts';
import type { Reference } from './values.ts';

export interface LoadDocument {
  externalId: string;
  record: CheckedRecord;
}

export interface LoadTable {
  columns: string[];
  /** Cells by column, one row or more. */
  rows: string[][];
}

type Line = Extract<CheckedCommand, { kind: 'create' }>;

/** The cells of one record by column, and below it the records of its one2many fields. */
interface Cells {
  own: Map<string, string>;
  nested: Map<string, Map<string, string>[]>;
}

/**
 * The tables to load for a document, in this order. Usually one; more where lines have different fields, because
 * Odoo empties the field of an empty cell: then lines with the same fields share a table, the first of which also has
 * the fields of the document itself. That holds for a document that is new, too: the empty cells cannot be filled with
 * defaults instead, because most of what a line leaves out (description, unit, price, taxes) is computed by Odoo from
 * the product, which `default_get` does not tell, and any value sent would stand in the way of the computation.
 *
 * @throws Failure `data-quality` for what a `load()` cannot say: a line without external id (a repeat would add it
 * again), lines inside lines, named commands
 */
export function tablesOf({ externalId, record }: LoadDocument): LoadTable[] {
  const { own, nested } = cellsOf(record, externalId, '');
  const groups = [...nested].map(([field, lines]) => ({ field, groups: byColumns(lines) }));
  const tables: LoadTable[] = [];
  for (let nth = 0; nth === 0 || groups.some((one) => one.groups.length > nth); nth++) {
    const parent = nth === 0 ? own : new Map([['id', externalId]]);
    const lines = groups.flatMap(({ field, groups: all }) => {
      const group = all[nth];
      return group === undefined ? [] : [{ field, lines: group }];
    });
    tables.push(tableOf(parent, lines));
  }
  return tables;
}

type Lines = readonly ReadonlyMap<string, string>[];

function byColumns(lines: Lines): Lines[] {
  const groups = new Map<string, ReadonlyMap<string, string>[]>();
  for (const line of lines) {
    const key = [...line.keys()].sort().join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [line]);
    else group.push(line);
  }
  return [...groups.values()];
}

function tableOf(parent: ReadonlyMap<string, string>, nested: readonly { field: string; lines: Lines }[]): LoadTable {
  const columns = [...parent.keys()];
  const blank = columns.map(() => '');
  const height = Math.max(1, ...nested.map(({ lines }) => lines.length));
  const rows = Array.from({ length: height }, (_, i) => (i === 0 ? [...parent.values()] : [...blank]));
  for (const { field, lines } of nested) {
    const names = [...lines[0]!.keys()];
    columns.push(...names.map((name) => `${field}/${name}`));
    for (const [i, row] of rows.entries()) row.push(...names.map((name) => lines[i]?.get(name) ?? ''));
  }
  return { columns, rows };
}

function cellsOf(record: CheckedRecord, externalId: string, prefix: string): Cells {
  const own = new Map([['id', externalId]]);
  const nested: Cells['nested'] = new Map();
  for (const checked of record.values) {
    const { field, path, value } = checked;
    if (value.kind === 'records') {
      if (prefix !== '') throw unsupported(path, 'holds records inside a line');
      const lines = value.commands.map((command, i) => lineOf(command, `${path}[${i + 1}]`));
      if (lines.length > 0) nested.set(field.name, linesOf(lines));
    } else {
      const [column, text] = cellOf(checked);
      own.set(column, text);
    }
  }
  return { own, nested };
}

function lineOf(command: CheckedCommand, path: string): Line & { externalId: string } {
  if (command.kind !== 'create' || !command.path.endsWith(']')) throw unsupported(path, 'is a command');
  const { externalId } = command;
  if (externalId === undefined) {
    throw new Failure(
      'data-quality',
      'ODOO_LINE_WITHOUT_EXTERNAL_ID',
      `${path} has no externalId. Give each line one of its own, or repeating the document would add the line again.`,
      { outcome: 'none', detail: { field: path } },
    );
  }
  return { ...command, externalId };
}

function linesOf(lines: readonly (Line & { externalId: string })[]): Map<string, string>[] {
  unifyReferences(lines.map((line) => line.record));
  const cells = lines.map((line) => cellsOf(line.record, line.externalId, line.path).own);
  const seen = new Set<string>();
  for (const line of lines) {
    if (seen.has(line.externalId)) {
      throw new Failure(
        'data-quality',
        'ODOO_LINE_TWICE',
        `${line.path} has the external id ${line.externalId}, which an earlier line has already.`,
        { outcome: 'none', detail: { field: line.path } },
      );
    }
    seen.add(line.externalId);
  }
  return cells;
}

/** A null reference goes into whichever column its siblings use: `x/id` and `x/.id` exclude each other. */
function unifyReferences(records: readonly CheckedRecord[]): void {
  const byExternalId = new Set<string>();
  for (const record of records)
    for (const { field, value } of record.values)
      if (value.kind === 'reference' && value.ref.kind === 'externalId') byExternalId.add(field.name);
  for (const record of records)
    for (const checked of record.values)
      if (checked.value.kind === 'null' && byExternalId.has(checked.field.name))
        checked.value = { kind: 'reference', ref: { kind: 'externalId', externalId: '' } };
}

/** Column and text of one value, as Odoo's import converters read them (`ir.fields.converter`). */
function cellOf({ field, path, value }: CheckedValue): [column: string, text: string] {
  switch (value.kind) {
    case 'null':
      return [field.type === 'many2one' || field.type === 'many2many' ? `${field.name}/.id` : field.name, ''];
    case 'boolean':
      return [field.name, value.value ? '1' : '0'];
    case 'integer':
      return [field.name, String(value.value)];
    case 'decimal':
    case 'text':
      return [field.name, value.text];
    case 'reference':
      return referenceCell(field.name, [value.ref]);
    case 'references':
      return referenceCell(field.name, value.refs);
    case 'raw':
      if (typeof value.value === 'string') return [field.name, value.value];
      throw unsupported(path, 'has a form that only create and write take');
    case 'records':
      throw unsupported(path, 'holds records');
  }
}

function referenceCell(name: string, refs: readonly Reference[]): [string, string] {
  const ids = refs.flatMap((ref) => (ref.kind === 'id' ? [String(ref.id)] : []));
  if (ids.length === refs.length) return [`${name}/.id`, ids.join(',')];
  return [`${name}/id`, refs.flatMap((ref) => (ref.kind === 'externalId' ? [ref.externalId] : [])).join(',')];
}

function unsupported(path: string, what: string): Failure {
  return new Failure(
    'data-quality',
    'ODOO_UPSERT_FORM',
    `${path} ${what}, which an upsert by external id cannot take. Use create or write for it.`,
    { outcome: 'none', detail: { field: path } },
  );
}

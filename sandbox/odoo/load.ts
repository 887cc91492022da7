/**
 * `load(fields, data)`: Odoo's import, an atomic upsert by external id. All values are text in import format. It
 * never raises for bad data: it answers `ids: false` with messages and leaves nothing behind.
 */
import { keyError, OdooError, toOdooError } from './errors.ts';
import type { Field } from './fields.ts';
import type { Env, Model, Values } from './orm.ts';
import { plainText, python } from './values.ts';
import { fromZone } from './zone.ts';

export interface LoadMessage {
  type: 'error' | 'warning';
  record: number;
  rows: { from: number; to: number };
  message: string;
  field?: string;
  field_name?: string;
}

export interface LoadResult {
  ids: number[] | false;
  messages: LoadMessage[];
  nextrow: number;
}

interface ImportRecord {
  /** Field to its text, or to its parts by sub-column (`id`, `.id`) for a relation. */
  cells: Map<string, Map<string, string>>;
  lines: Map<string, ImportRecord[]>;
  rows: { from: number; to: number };
}

/** The sub-column that stands for the cell itself. */
const self = '';

class ImportError extends Error {
  readonly field: string;
  readonly label: string;

  constructor(field: string, label: string, message: string) {
    super(message);
    this.field = field;
    this.label = label;
  }
}

export function load(env: Env, target: Model, fields: string[], data: unknown[][]): LoadResult {
  const paths = fields.map((field) => field.split('/'));
  for (const path of paths) checkPath(env, target, path);
  const rows = data.map((row) => fields.map((_, i) => cellText(row[i])));
  const rollback = env.tx.savepoint();
  const messages: LoadMessage[] = [];
  const ids: number[] = [];
  for (const [index, record] of extract(env, target, paths, rows, 0).entries()) {
    const undo = env.tx.savepoint();
    try {
      ids.push(store(env, target, record, undefined));
      env.flush();
    } catch (thrown) {
      undo();
      messages.push({
        type: 'error',
        record: index,
        rows: record.rows,
        ...(thrown instanceof ImportError
          ? { field: thrown.field, field_name: thrown.label, message: thrown.message }
          : { message: reason(thrown) }),
      });
      if (messages.length >= 10) break;
    }
  }
  if (messages.length > 0) {
    rollback();
    return { ids: false, messages, nextrow: 0 };
  }
  return { ids, messages, nextrow: 0 };
}

function reason(thrown: unknown): string {
  const error = toOdooError(thrown);
  const known = error.odooName.startsWith('odoo.exceptions.') || error.odooName.startsWith('psycopg2.');
  return known ? error.message : `Unknown error during import: <class '${error.odooName}'>: ${error.message}`;
}

function cellText(value: unknown): string {
  if (value === null || value === undefined || value === false) return '';
  return plainText(value);
}

function checkPath(env: Env, target: Model, [head = '', ...rest]: string[]): void {
  if (head === 'id' || head === '.id') return;
  const field = target.fields[head];
  if (!field) throw keyError(python(head));
  if (rest.length > 0 && field.relation) checkPath(env, env.db.get(field.relation), rest);
}

function extract(env: Env, target: Model, paths: string[][], rows: string[][], offset: number): ImportRecord[] {
  const isLine = (i: number) => target.fields[paths[i]![0]!]?.type === 'one2many';
  const continues = (row: string[]) =>
    row.some((cell, i) => cell !== '' && isLine(i)) && !row.some((cell, i) => cell !== '' && !isLine(i));
  const found: ImportRecord[] = [];
  for (let from = 0; from < rows.length; ) {
    let to = from + 1;
    while (to < rows.length && continues(rows[to]!)) to++;
    const record: ImportRecord = {
      cells: new Map(),
      lines: new Map(),
      rows: { from: offset + from, to: offset + to - 1 },
    };
    const lineColumns = new Map<string, number[]>();
    for (const [i, [head = '', ...rest]] of paths.entries()) {
      if (isLine(i)) lineColumns.set(head, [...(lineColumns.get(head) ?? []), i]);
      else {
        const parts = record.cells.get(head) ?? new Map<string, string>();
        parts.set(rest.join('/'), rows[from]![i]!);
        record.cells.set(head, parts);
      }
    }
    for (const [name, columns] of lineColumns) {
      const inner = rows
        .slice(from, to)
        .map((row) => columns.map((i) => row[i]!))
        .filter((row) => row.some((cell) => cell !== ''));
      if (inner.length === 0) continue;
      const subpaths = columns.map((i) => (paths[i]!.length > 1 ? paths[i]!.slice(1) : ['id']));
      const lines = env.db.get(target.fields[name]!.relation!);
      record.lines.set(name, extract(env, lines, subpaths, inner, offset + from));
    }
    found.push(record);
    from = to;
  }
  return found;
}

/** Creates or updates one record and its lines. @returns its id */
function store(
  env: Env,
  target: Model,
  record: ImportRecord,
  parent: { field: string; id: number } | undefined,
): number {
  const values: Values = parent ? { [parent.field]: parent.id } : {};
  let externalId: string | undefined;
  let id: number | undefined;
  for (const [name, parts] of record.cells) {
    const whole = parts.get(self) ?? '';
    if (name === 'id') externalId = whole === '' ? undefined : qualified(env, whole);
    else if (name === '.id') {
      if (whole === '') continue;
      id = Number(whole);
      if (!env.row(target.name, id))
        throw new ImportError('.id', 'Database ID', `Unknown database identifier '${whole}'`);
    } else values[name] = convert(env, name, target.fields[name]!, parts);
  }
  if (externalId !== undefined) id = resolve(env, target.name, externalId) ?? id;
  if (id === undefined) id = env.create(target.name, values);
  else env.write(target.name, [id], values);
  if (externalId !== undefined && resolve(env, target.name, externalId) === undefined) {
    const dot = externalId.indexOf('.');
    env.sudo().create('ir.model.data', {
      module: externalId.slice(0, dot),
      name: externalId.slice(dot + 1),
      model: target.name,
      res_id: id,
      noupdate: false,
    });
  }
  for (const [name, lines] of record.lines) {
    const field = target.fields[name]!;
    const other = env.db.get(field.relation!);
    for (const line of lines) store(env, other, line, { field: field.inverse!, id });
  }
  return id;
}

function qualified(env: Env, externalId: string): string {
  if (externalId.includes('.')) return externalId;
  const module = env.context.module ?? env.context._import_current_module ?? '__import__';
  return `${plainText(module)}.${externalId}`;
}

/** Database id of an external id; an O(1) look-up. @throws ImportError when it names a record of another model */
export function resolve(env: Env, target: string, externalId: string): number | undefined {
  const data = env.db.get('ir.model.data').table;
  const [entry] = data.lookup('complete_name', externalId) ?? [];
  if (entry === undefined) return undefined;
  const row = data.rows.get(entry)!;
  if (row.model !== target) {
    throw new OdooError(
      'odoo.exceptions.ValidationError',
      422,
      `The external ID '${externalId}' belongs to ${String(row.model)}, not to ${target}.`,
    );
  }
  return row.res_id as number;
}

const yes = new Set(['1', 'true', 'yes']);
const no = new Set(['0', 'false', 'no']);

/** A cell in import format to the value a client would write. */
function convert(env: Env, name: string, field: Field, parts: Map<string, string>): unknown {
  const fail = (message: string) => new ImportError(name, field.string, message);
  if (field.type === 'many2one' || field.type === 'many2many') {
    for (const [part, cell] of parts) {
      if (cell === '') continue;
      const items = field.type === 'many2many' ? cell.split(',').map((item) => item.trim()) : [cell];
      const ids = items.map((item) => reference(env, field, part, item, fail));
      return field.type === 'many2many' ? [[6, 0, ids]] : ids[0];
    }
    return false;
  }
  const cell = parts.get(self) ?? '';
  if (cell === '') return false;
  switch (field.type) {
    case 'boolean':
      if (yes.has(cell.toLowerCase())) return true;
      if (no.has(cell.toLowerCase())) return false;
      return true;
    case 'integer':
      if (!/^\s*[+-]?\d+\s*$/.test(cell)) {
        throw fail(`'${cell}' does not seem to be an integer for field '${field.string}'`);
      }
      return Number(cell);
    case 'float':
    case 'monetary':
      if (cell.trim() === '' || !Number.isFinite(Number(cell))) {
        throw fail(`'${cell}' does not seem to be a number for field '${field.string}'`);
      }
      return Number(cell);
    case 'date':
      if (!/^\d{4}-\d\d-\d\d/.test(cell) || Number.isNaN(Date.parse(cell.slice(0, 10)))) {
        throw fail(`'${cell}' does not seem to be a valid date for field '${field.string}'`);
      }
      return cell.slice(0, 10);
    case 'datetime': {
      if (!/^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$/.test(cell) || Number.isNaN(Date.parse(cell.replace(' ', 'T')))) {
        throw fail(`'${cell}' does not seem to be a valid datetime for field '${field.string}'`);
      }
      // Import reads a datetime as the user's wall clock, unlike write(), which takes UTC.
      const user = env.row('res.users', env.uid);
      const zone = env.context.tz ?? (user?.tz as string | null) ?? undefined;
      return fromZone(cell.length === 10 ? `${cell} 00:00:00` : cell, zone);
    }
    case 'selection': {
      const chosen = field.selection?.find(([key, label]) => key === cell || label === cell);
      if (!chosen) throw fail(`Value '${cell}' not found in selection field '${field.string}'`);
      return chosen[0];
    }
    default:
      return cell;
  }
}

function reference(env: Env, field: Field, part: string, cell: string, fail: (message: string) => Error): number {
  const other = env.db.get(field.relation!);
  if (part === '.id') {
    const id = Number(cell);
    if (!other.table.rows.has(id)) {
      throw fail(`No matching record found for database id '${cell}' in field '${field.string}'`);
    }
    return id;
  }
  if (part === 'id') {
    const id = resolve(env, other.name, qualified(env, cell));
    if (id === undefined) throw fail(`No matching record found for external id '${cell}' in field '${field.string}'`);
    return id;
  }
  const [id] = env.search(other.name, [[other.recName, '=', cell]], { limit: 1 });
  if (id === undefined) throw fail(`No matching record found for name '${cell}' in field '${field.string}'`);
  return id;
}

/**
 * Values between the flow and Odoo, by the type of the field: decimals are strings, instants RFC 3339, absence is
 * null, and a related record is named by id, external id, or by fields that match it.
 */
import { Failure } from '../../kernel/failure.ts';
import { isDecimal, normalise, toDecimal } from '../../kernel/decimal.ts';
import type { FieldInfo } from './fields.ts';
import { fromOdooDatetime, isDate, toOdooDatetime } from './instants.ts';
import { numberLiteral, plainDecimal } from './wire.ts';

/** A record of another model, as a document names it. */
export type Reference =
  | { kind: 'id'; id: number }
  | { kind: 'externalId'; externalId: string }
  | { kind: 'match'; model: string; match: Readonly<Record<string, unknown>> };

/** One record of a one2many, as a document holds it. */
export interface LineDocument {
  externalId?: string;
  values: Readonly<Record<string, unknown>>;
}

/** What happens to the records of a one2many or many2many, by Odoo's names for its commands. */
export type Command =
  | { kind: 'create'; values: Readonly<Record<string, unknown>> }
  | { kind: 'update'; id: number; values: Readonly<Record<string, unknown>> }
  | { kind: 'delete' | 'unlink' | 'link'; ref: Reference }
  | { kind: 'clear' }
  | { kind: 'set'; refs: Reference[] };

/** A checked value, before it is written the way a method wants it. */
export type Value =
  | { kind: 'null' }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'integer'; value: number }
  /** `text` is a normal decimal string, zeros kept. */
  | { kind: 'decimal'; text: string }
  /** Text, selection, date, datetime, base64: what Odoo takes as a string. */
  | { kind: 'text'; text: string }
  | { kind: 'reference'; ref: Reference }
  | { kind: 'references'; refs: Reference[] }
  | { kind: 'lines'; lines: LineDocument[] }
  | { kind: 'commands'; commands: Command[] }
  /** JSON fields, properties and command triples, passed as they are. */
  | { kind: 'raw'; value: unknown };

export interface ValueLimits {
  /** Records in one x2many value. Default 5,000. */
  lines?: number;
  /** Bytes of one binary value, decoded. Default 25 MiB. */
  attachment?: number;
  /** Zone in which a bare date given for a datetime is midnight. Default UTC. */
  timeZone?: string;
}

export const defaultLimits = { lines: 5_000, attachment: 25 * 1024 * 1024, timeZone: 'UTC' } as const;

/** Odoo external ids: `module.name`. Narrower than Odoo's own rule: no comma, blank or second dot in the module. */
const externalIdPattern = /^[A-Za-z_][A-Za-z0-9_]{0,63}\.[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$/;

export function isExternalId(text: unknown): text is string {
  return typeof text === 'string' && externalIdPattern.test(text);
}

type Check = (field: FieldInfo, value: unknown, path: string, limits: Required<ValueLimits>) => Value;

const text: Check = (_field, value, path) => {
  if (typeof value === 'string') return value === '' ? { kind: 'null' } : { kind: 'text', text: value };
  if (typeof value === 'number' && Number.isSafeInteger(value)) return { kind: 'text', text: String(value) };
  throw wrong(path, 'text', value);
};

const integer: Check = (_field, value, path) => {
  const number = typeof value === 'string' && /^-?\d{1,10}$/.test(value) ? Number(value) : value;
  // PostgreSQL int4, which is what an Integer field is.
  if (typeof number === 'number' && Number.isInteger(number) && Math.abs(number) <= 2_147_483_647)
    return { kind: 'integer', value: number };
  throw wrong(path, 'a whole number between -2147483647 and 2147483647', value);
};

const decimal: Check = (_field, value, path) => {
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw wrong(path, 'a decimal string such as "12.50" (a floating-point number has already lost its digits)', value);
  if (typeof value !== 'number' && !isDecimal(typeof value === 'string' ? value.trim() : value))
    throw wrong(path, 'a decimal string such as "12.50"', value);
  return { kind: 'decimal', text: canonicalDecimal(toDecimal(value)) };
};

const checks: Record<string, Check> = {
  char: text,
  text,
  html: text,
  integer,
  many2one_reference: integer,
  float: decimal,
  monetary: decimal,
  boolean: (_field, value, path) => {
    // Odoo takes any non-empty string as true, "false" included.
    if (typeof value === 'boolean') return { kind: 'boolean', value };
    throw wrong(path, 'true or false', value);
  },
  date: (_field, value, path) => {
    if (typeof value === 'string' && isDate(value)) return { kind: 'text', text: value };
    throw wrong(path, 'a date that exists, as YYYY-MM-DD', value);
  },
  datetime: (_field, value, path, limits) => {
    const text =
      typeof value === 'string' || value instanceof Date ? toOdooDatetime(value, limits.timeZone) : undefined;
    if (text !== undefined) return { kind: 'text', text };
    throw wrong(path, 'an instant with its offset, such as 2026-03-01T09:00:00+01:00', value);
  },
  selection: (field, value, path) => {
    const allowed = field.selection?.map(([key]) => key);
    const key = typeof value === 'number' ? String(value) : value;
    if (typeof key === 'string' && (allowed === undefined || allowed.includes(key))) return { kind: 'text', text: key };
    throw wrong(path, `one of ${(allowed ?? []).slice(0, 20).join(', ')}`, value);
  },
  binary: (_field, value, path, limits) => {
    const bytes = Buffer.isBuffer(value)
      ? value.length
      : typeof value === 'string' && isBase64(value)
        ? Math.floor((value.length * 3) / 4)
        : undefined;
    if (bytes === undefined) throw wrong(path, 'base64 text or a Buffer', value);
    if (bytes > limits.attachment) {
      throw new Failure(
        'data-quality',
        'ODOO_ATTACHMENT_TOO_LARGE',
        `${path} has ${bytes} bytes; the limit is ${limits.attachment}.`,
        { outcome: 'none' },
      );
    }
    return { kind: 'text', text: Buffer.isBuffer(value) ? value.toString('base64') : (value as string) };
  },
  many2one: (field, value, path) => ({ kind: 'reference', ref: referenceOf(value, field, path) }),
  many2many: relations,
  one2many: relations,
};

/** JSON, properties, reference and what future versions add pass unchecked. */
const unchecked: Check = (_field, value) => ({ kind: 'raw', value });

/**
 * Checks a value for a field. `path` names it in messages, e.g. `order_line[2].product_qty`.
 * @throws Failure `data-quality` (`ODOO_VALUE`, `ODOO_TOO_MANY_LINES`, `ODOO_ATTACHMENT_TOO_LARGE`), never quoting the value
 */
export function checkValue(field: FieldInfo, value: unknown, path: string, limits: ValueLimits = {}): Value {
  if (value === null || value === undefined) return { kind: 'null' };
  // What Odoo itself reads as "nothing" for every type but boolean.
  if (value === false && field.type !== 'boolean') return { kind: 'null' };
  return (checks[field.type] ?? unchecked)(field, value, path, { ...defaultLimits, ...limits });
}

function relations(field: FieldInfo, value: unknown, path: string, limits: Required<ValueLimits>): Value {
  if (Array.isArray(value)) {
    if (value.length > limits.lines) {
      throw new Failure(
        'data-quality',
        'ODOO_TOO_MANY_LINES',
        `${path} has ${value.length} records; the limit is ${limits.lines}. Split the document.`,
        { outcome: 'none' },
      );
    }
    if (value.length > 0 && value.every(isTriple)) return { kind: 'raw', value };
    if (field.type === 'one2many')
      return { kind: 'lines', lines: value.map((item, i) => lineOf(item, `${path}[${i + 1}]`)) };
    return { kind: 'references', refs: value.map((item, i) => referenceOf(item, field, `${path}[${i + 1}]`)) };
  }
  if (typeof value === 'object' && value !== null) {
    return { kind: 'commands', commands: commandsOf(value as Record<string, unknown>, field, path) };
  }
  throw wrong(path, 'a list of records', value);
}

/** A raw command of Odoo's ORM: `[0, 0, {…}]`, `[6, 0, [1, 2]]`, `[5]`. */
function isTriple(item: unknown): boolean {
  return Array.isArray(item) && item.length <= 3 && Number.isInteger(item[0]) && item[0] >= 0 && item[0] <= 6;
}

function lineOf(item: unknown, path: string): LineDocument {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw wrong(path, 'a document with externalId and values', item);
  const { externalId, values } = item as Record<string, unknown>;
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw wrong(path, 'a document with externalId and values', item);
  if (externalId !== undefined && !isExternalId(externalId)) throw wrongExternalId(path);
  return { ...(externalId === undefined ? {} : { externalId }), values: values as Record<string, unknown> };
}

const commandNames = ['create', 'update', 'delete', 'unlink', 'link', 'clear', 'set'] as const;

function commandsOf(value: Record<string, unknown>, field: FieldInfo, path: string): Command[] {
  const commands: Command[] = [];
  for (const [name, argument] of Object.entries(value)) {
    const at = `${path}.${name}`;
    const list = () => {
      if (Array.isArray(argument)) return argument as unknown[];
      throw wrong(at, 'a list', argument);
    };
    switch (name) {
      case 'create':
        for (const item of list()) commands.push({ kind: 'create', values: record(item, at) });
        break;
      case 'update':
        for (const item of list()) {
          const { id, values } = record(item, at);
          commands.push({ kind: 'update', id: idOf(id, at), values: record(values, at) });
        }
        break;
      case 'delete':
      case 'unlink':
      case 'link':
        for (const item of list()) commands.push({ kind: name, ref: referenceOf(item, field, at) });
        break;
      case 'clear':
        if (argument !== true) throw wrong(at, 'true', argument);
        commands.push({ kind: 'clear' });
        break;
      case 'set':
        commands.push({ kind: 'set', refs: list().map((item) => referenceOf(item, field, at)) });
        break;
      default:
        throw wrong(path, `a list of records, or an object with ${commandNames.join(', ')}`, value);
    }
  }
  return commands;
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong(path, 'an object', value);
}

function idOf(value: unknown, path: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  throw wrong(path, 'the id of a record, a positive whole number', value);
}

/** @param path names the value in messages */
export function referenceOf(value: unknown, field: Pick<FieldInfo, 'relation'>, path: string): Reference {
  if (typeof value === 'number') return { kind: 'id', id: idOf(value, path) };
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const { id, externalId, match } = value as Record<string, unknown>;
    if (id !== undefined) return { kind: 'id', id: idOf(id, path) };
    if (externalId !== undefined) {
      if (!isExternalId(externalId)) throw wrongExternalId(path);
      return { kind: 'externalId', externalId };
    }
    if (typeof match === 'object' && match !== null && !Array.isArray(match)) {
      const keys = Object.entries(match);
      if (keys.length > 0 && keys.length <= 10 && keys.every(([, v]) => v !== null && v !== undefined && v !== ''))
        return { kind: 'match', model: field.relation ?? '', match: match as Record<string, unknown> };
      throw wrong(`${path}.match`, '1 to 10 fields, each with a value', match);
    }
  }
  throw wrong(path, 'an id, {"externalId": "module.name"} or {"match": {"field": "value"}}', value);
}

function wrongExternalId(path: string): Failure {
  return new Failure(
    'data-quality',
    'ODOO_EXTERNAL_ID',
    `${path}: an external id is written module.name, of letters, digits and underscores, e.g. hf_orders.po_1001.`,
    { outcome: 'none' },
  );
}

function wrong(path: string, wanted: string, given: unknown): Failure {
  const got = given === null ? 'null' : Array.isArray(given) ? 'a list' : typeof given;
  return new Failure('data-quality', 'ODOO_VALUE', `${path} must be ${wanted}; it is of type ${got}.`, {
    outcome: 'none',
    detail: { field: path },
  });
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/\n\r]*={0,2}$/.test(text);
}

/** Leading zeros and minus zero removed, decimals kept: what JSON and Python both read. */
function canonicalDecimal(text: string): string {
  const [, sign, whole, fraction] = /^(-?)0*(\d+)(\.\d+)?$/.exec(text)!;
  const body = `${whole}${fraction ?? ''}`;
  return sign === '-' && /[1-9]/.test(body) ? `-${body}` : body;
}

/** A value as `create`, `write` and domains take it; references must have been resolved to ids. */
export function toJson(value: Value): unknown {
  switch (value.kind) {
    case 'null':
      return false;
    case 'boolean':
    case 'integer':
      return value.value;
    case 'decimal':
      return numberLiteral(value.text);
    case 'text':
      return value.text;
    case 'reference':
      return resolved(value.ref);
    case 'references':
      return [[6, 0, value.refs.map(resolved)]];
    case 'raw':
      return value.value;
    case 'lines':
    case 'commands':
      throw new Failure('defect', 'ODOO_NESTED', 'Lines and commands must be expanded before they are sent.');
  }
}

export function resolved(ref: Reference): number {
  if (ref.kind === 'id') return ref.id;
  throw new Failure('defect', 'ODOO_UNRESOLVED', 'A reference was not resolved before it was sent.');
}

type Decoder = (value: unknown) => unknown;

const orNull: Decoder = (value) => (value === false ? null : value);
const exactText: Decoder = (value) =>
  typeof value === 'number' || typeof value === 'string' ? shortest(plainDecimal(String(value))) : null;

const decoders: Readonly<Record<string, Decoder>> = {
  boolean: (value) => value === true,
  float: exactText,
  monetary: exactText,
  datetime: (value) => (typeof value === 'string' ? fromOdooDatetime(value) : null),
  many2one: (value) => (Array.isArray(value) ? { id: value[0], name: value[1] } : orNull(value)),
};

/** What turns a field's values, as they come from Odoo, into the flow's form. */
export function decoderOf(field: FieldInfo | undefined): Decoder {
  if (field === undefined) return (value) => value;
  return decoders[field.type] ?? orNull;
}

/** A field's value as it came from Odoo, for the flow. */
export function fromOdoo(field: FieldInfo | undefined, value: unknown): unknown {
  return decoderOf(field)(value);
}

/** Python always writes at least one decimal (`10.0`); the shortest exact text says the same. */
function shortest(text: string): string {
  return isDecimal(text) ? normalise(text) : text;
}

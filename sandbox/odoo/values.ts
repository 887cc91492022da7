/** Conversion between the wire and the tables, with the strictness and the laxness measured on real servers. */
import { binasciiError, missingError, validationError, valueError } from './errors.ts';
import { roundNumber } from './exact.ts';
import { type Field, type FieldType, emptyOf, type Stored } from './fields.ts';

/** A JSON text emitted as it stands; Python writes a float with its point (`10.0`), JavaScript does not. */
const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);

const datePattern = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])/;
const datetimePattern = /^(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))(?: ([01]\d|2[0-3]):([0-5]\d):([0-5]\d))?$/;
const floatPattern = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/;
const integerPattern = /^\s*[+-]?\d+\s*$/;

export const isNothing = (value: unknown): boolean => value === false || value === null || value === undefined;

/** Python's truth of a JSON value: the text "false" is true. */
export function truthy(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

export function parseDate(value: unknown): string | null {
  if (isNothing(value) || value === '') return null;
  if (typeof value !== 'string' || !datePattern.test(value)) {
    throw valueError(`time data ${python(value)} does not match format '%Y-%m-%d'`);
  }
  return value.slice(0, 10);
}

/** `YYYY-MM-DD[ HH:MM:SS]`, always UTC. ISO 8601's `T`, `Z`, offsets and milliseconds are refused as in 18 and 19. */
export function parseDatetime(value: unknown): string | null {
  if (isNothing(value) || value === '') return null;
  const match = typeof value === 'string' ? datetimePattern.exec(value) : null;
  if (!match) throw valueError(`time data ${python(value)} does not match format '%Y-%m-%d %H:%M:%S'`);
  return match[2] === undefined ? `${match[1]} 00:00:00` : match[0];
}

/** A scalar value as written by a client. x2many values are commands and go elsewhere. */
export function toStored(model: string, name: string, field: Field, value: unknown): Stored {
  switch (field.type) {
    case 'boolean':
      return truthy(value);
    case 'integer':
    case 'many2one_reference':
      return toInteger(value);
    case 'float':
    case 'monetary': {
      const number = toFloat(value);
      return field.digits === undefined ? number : roundNumber(number, field.digits);
    }
    case 'char':
    case 'text':
    case 'html':
      if (isNothing(value) || value === '') return null;
      if (field.type === 'html' && typeof value === 'string' && !value.startsWith('<')) return `<p>${value}</p>`;
      return typeof value === 'string' ? value : python(value);
    case 'date':
      return parseDate(value);
    case 'datetime':
      if (value === '' && field.required) throw valueError(`Invalid datetime '' for field ${model}.${name}`);
      return parseDatetime(value);
    case 'selection':
      if (isNothing(value) || value === '') return null;
      if (!field.selection?.some(([key]) => key === value)) {
        throw valueError(`Wrong value for ${model}.${name}: ${python(value)}`);
      }
      return value as string;
    case 'binary':
      return toBase64(value);
    case 'json':
      return isNothing(value) ? null : JSON.stringify(value);
    case 'many2one':
      if (isNothing(value) || value === 0) return null;
      if (typeof value === 'number' && Number.isInteger(value)) return value;
      if (typeof value === 'string' && integerPattern.test(value)) {
        throw missingError(`Record does not exist or has been deleted.\n(Record: ${field.relation}('${value}',))`);
      }
      throw valueError(`Wrong value for ${model}.${name}: ${python(value)}`);
    default:
      throw valueError(`Wrong value for ${model}.${name}: ${python(value)}`);
  }
}

function toInteger(value: unknown): number {
  if (isNothing(value) || value === '') return 0;
  if (typeof value === 'number') return Math.trunc(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string' && integerPattern.test(value)) return Number(value);
  throw valueError(`invalid literal for int() with base 10: ${python(value)}`);
}

function toFloat(value: unknown): number {
  if (isNothing(value) || value === '') return 0;
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string' && floatPattern.test(value)) return Number(value);
  throw valueError(`could not convert string to float: ${python(value)}`);
}

function toBase64(value: unknown): string | null {
  if (isNothing(value) || value === '') return null;
  if (typeof value !== 'string') throw binasciiError('argument should be bytes or ASCII string');
  const packed = value.replace(/\s/g, '');
  if (packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(packed)) throw binasciiError('Incorrect padding');
  return packed;
}

/** A scalar as text; anything else as JSON. */
export function plainText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Python's `repr`, for error texts. */
export function python(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (value === null || value === undefined) return 'None';
  return JSON.stringify(value);
}

/** A stored scalar as it leaves the server. Relations are the caller's business. */
export function toWire(type: FieldType, value: Stored): unknown {
  if (value === null) return emptyOf(type) ?? false;
  switch (type) {
    case 'float':
    case 'monetary':
      return pythonFloat(value as number);
    case 'datetime':
      return (value as string).slice(0, 19);
    case 'json':
      return JSON.parse(value as string);
    default:
      return value;
  }
}

/** A float as Python's json module writes it: `10.0`, not `10`. */
export function pythonFloat(value: number): unknown {
  return Number.isInteger(value) && Math.abs(value) < 1e16 ? rawJson(value.toFixed(1)) : value;
}

/** UTC with microseconds, as PostgreSQL keeps `write_date`. */
export function timestamp(milliseconds: number, microseconds = 0): string {
  const iso = new Date(milliseconds).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)}${String(microseconds).padStart(3, '0')}`;
}

export function seconds(stored: string): string {
  return stored.slice(0, 19);
}

export function mandatory(modelLabel: string, model: string, label: string, field: string): Error {
  return validationError(
    'The operation cannot be completed:\n- Create/update: a mandatory field is not set.\n' +
      '- Delete: another model requires the record being deleted. If possible, archive it instead.\n\n' +
      `Model: ${modelLabel} (${model})\nField: ${label} (${field})\n`,
  );
}

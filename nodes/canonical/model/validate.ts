/**
 * Validation against the canonical model. Each entity has two readings of one schema file: `strict` for what we
 * produce (no unknown keys, only listed values) and `tolerant` for what we consume, so that a partner's additive
 * minor version does not break us.
 */
import type { ErrorObject } from 'ajv/dist/2020.js';
import { Failure } from '../../kernel/failure.ts';
import type { EntitySchema } from '../schemas/index.ts';
import { maskedValue } from '../masked.ts';
import { compiledValidator, type Reading } from './ajv.ts';
import { entityNamed } from './fields.ts';
import { formats } from './formats.ts';

export { type Reading, variant } from './ajv.ts';

/** One rule that a document breaks, told without quoting the document. */
export interface Violation {
  /** JSON Pointer (RFC 6901) into the document. */
  path: string;
  /** The rule's name: a JSON Schema keyword or `check-digit`. */
  rule: string;
  /** What stands there, masked: `text (3)`. */
  found: string;
  /** What would be right. */
  expected: string;
}

export interface Validation {
  valid: boolean;
  violations: Violation[];
  /** How many there are in all; `violations` holds the first of them. */
  count: number;
}

const violationLimit = 50;
/** Members in all that a document may have; it bounds what collecting all errors can cost. */
const memberLimit = 500_000;

/**
 * The validator of an entity; asked for when a node starts so that the first message does not wait for it.
 * @throws Failure `configuration` for an entity that the model does not have
 */
export function validatorOf(name: string, reading: Reading): (document: unknown) => Validation {
  const entity = entityNamed(name);
  if (entity === undefined) {
    throw new Failure('configuration', 'UNKNOWN_ENTITY', `The canonical model has no entity "${name}".`);
  }
  const validate = compiledValidator(entity, reading);
  return (document) => {
    if (!withinBounds(document)) {
      return {
        valid: false,
        count: 1,
        violations: [
          { path: '', rule: 'size', found: 'more', expected: `at most ${memberLimit} members, nested at most 64 deep` },
        ],
      };
    }
    if (validate(document)) return { valid: true, violations: [], count: 0 };
    // The branches of a choice are told once, by the choice itself.
    const errors = (validate.errors ?? []).filter((error) => !error.schemaPath.includes('/anyOf/'));
    validate.errors = null;
    return {
      valid: false,
      count: errors.length,
      violations: errors.slice(0, violationLimit).map((error) => render(error, document)),
    };
  };
}

function withinBounds(document: unknown): boolean {
  let members = 0;
  const visit = (value: unknown, depth: number): boolean => {
    if (typeof value !== 'object' || value === null) return true;
    if (depth > 64) return false;
    const values = Array.isArray(value) ? value : Object.values(value);
    members += values.length;
    return members <= memberLimit && values.every((inner) => visit(inner, depth + 1));
  };
  return visit(document, 0);
}

/** @throws Failure `data-quality` `SCHEMA_VIOLATION` with every violation (bounded) in `detail` */
export function assertValid(name: string, reading: Reading, document: unknown): void {
  const { valid, violations, count } = validatorOf(name, reading)(document);
  if (valid) return;
  throw schemaFailure(entityNamed(name)!, violations, count);
}

export function schemaFailure(entity: EntitySchema, violations: Violation[], count: number): Failure {
  const first = violations[0]!;
  const more = count > 1 ? ` and ${count - 1} more` : '';
  return new Failure(
    'data-quality',
    'SCHEMA_VIOLATION',
    `The document is not a valid canonical ${entity.name}: ${first.path === '' ? 'the document' : first.path} should be ${first.expected}${more}. ` +
      'Correct the document at its source, or the mapping that made it.',
    { detail: { schema: entity.id, violations, count } },
  );
}

type Render = (params: Record<string, unknown>) => string;

const expectations: Record<string, Render> = {
  required: (p) => `present: the field "${p.missingProperty}" is required`,
  type: (p) => `of type ${Array.isArray(p.type) ? p.type.join(' or ') : p.type}`,
  format: (p) => formats[p.format as string]?.expected ?? `in the format ${p.format}`,
  enum: (p) => `one of ${(p.allowedValues as string[]).join(', ')}`,
  minLength: (p) => `at least ${p.limit} character long`,
  maxLength: (p) => `at most ${p.limit} characters long`,
  minimum: (p) => `at least ${p.limit}`,
  maximum: (p) => `at most ${p.limit}`,
  minItems: (p) => `a list of at least ${p.limit}`,
  maxItems: (p) => `a list of at most ${p.limit}`,
  maxProperties: (p) => `an object of at most ${p.limit} fields`,
  unevaluatedProperties: () => 'without fields that the model does not have; use ext for those',
  additionalProperties: () => 'without fields that the model does not have; use ext for those',
  anyOf: () => 'given by id or by identifiers',
  propertyNames: () => 'a name with its namespace, e.g. acme:season',
};

function render(error: ErrorObject, document: unknown): Violation {
  let path = error.instancePath;
  const params = error.params as Record<string, unknown>;
  if (error.keyword === 'required') path += `/${params.missingProperty}`;
  const unknown = params.unevaluatedProperty ?? params.additionalProperty;
  if (unknown !== undefined) path += `/${safeName(unknown)}`;
  const parts = path.split('/').map((part, i) => (i === 0 ? part : safeName(part)));
  // An extension's key is the sender's own; it is repeated only when it is the name of one.
  if (parts[1] === 'ext' && parts[2] !== undefined && !/^[a-z][a-z0-9-]*:/.test(parts[2])) parts[2] = unknownField;
  return {
    path: parts.join('/').slice(0, 256),
    rule: ruleOf(error.keyword),
    found: maskedValue(valueAt(document, path)),
    expected: expectationOf(error, params),
  };
}

/** What a JSON Pointer leads to; undefined where nothing stands. */
function valueAt(document: unknown, pointer: string): unknown {
  let value = document;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

const rules: Record<string, string> = {
  'x-check-digit': 'check-digit',
  'x-extensible-enum': 'enum',
  'x-unique-by': 'unique',
  unevaluatedProperties: 'unknown-field',
  additionalProperties: 'unknown-field',
};
const ruleOf = (keyword: string): string => rules[keyword] ?? keyword;

function expectationOf(error: ErrorObject, params: Record<string, unknown>): string {
  if (error.keyword === 'x-check-digit') return 'a GLN, GTIN-14 or SSCC of the right length with a correct check digit';
  if (error.keyword === 'x-unique-by') return 'a list in which no two lines have the same number';
  if (error.keyword === 'x-extensible-enum') return 'one of the values that the model lists for the field';
  if (error.keyword === 'pattern') {
    return /\\d\{1,15\}/.test(String(params.pattern))
      ? 'a decimal number as text, at most 15 digits and 6 decimals, e.g. "235.40"'
      : `text of the form ${params.pattern}`;
  }
  return expectations[error.keyword]?.(params) ?? `right by the rule ${error.keyword}`;
}

const unknownField = '(unknown field)';

/** Names of unknown fields come from the document; only such as look like names are repeated. */
function safeName(name: unknown): string {
  return typeof name === 'string' && /^([A-Za-z_][A-Za-z0-9_:-]{0,63}|\d{1,6})$/.test(name) ? name : unknownField;
}

/** A source told by its JSON Schema in place of a sample: the fields that a document of it may have. */
import { read } from './mapper.ts';
import type { Side } from './mapping/mapping.ts';

type Schema = Record<string, unknown>;

export interface SourceField {
  /** With `[]` for every list. */
  path: string;
  /** What the schema says of it: type, and title or description. */
  value: string;
}

const fieldLimit = 2_000;
/** Steps taken through a schema, so that one that refers to itself many times ends. */
const stepLimit = 50_000;
const depthLimit = 24;

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Fields of a pasted JSON Schema (its `$schema` tells), in its order; undefined for any other sample. */
export function schemaFields(source: Side | undefined, sample: string): SourceField[] | undefined {
  if (source === undefined || 'entity' in source || !['json', 'odoo', 'fhir'].includes(source.format)) return undefined;
  if (!sample.includes('json-schema.org')) return undefined;
  const root = read({ format: 'json', name: source.name }, sample);
  if (!isObject(root) || typeof root.$schema !== 'string' || !/^https?:\/\/json-schema\.org\//.test(root.$schema))
    return undefined;
  const fields = new Map<string, string>();
  let steps = 0;
  walk(root, '', []);
  return [...fields].map(([path, value]) => ({ path, value }));

  /** `open` are the references on the way here: one that is met again would never end. */
  function walk(schema: unknown, path: string, open: readonly string[]): void {
    if (!isObject(schema) || fields.size >= fieldLimit || ++steps > stepLimit || open.length > depthLimit) return;
    if (typeof schema.$ref === 'string') {
      if (!open.includes(schema.$ref)) walk(at(root as Schema, schema.$ref), path, [...open, schema.$ref]);
    }
    for (const key of ['allOf', 'anyOf', 'oneOf'] as const) {
      const parts = schema[key];
      if (Array.isArray(parts)) for (const part of parts) walk(part, path, open);
    }
    if (isObject(schema.properties)) {
      for (const [name, inner] of Object.entries(schema.properties)) {
        walk(inner, path === '' ? name : `${path}.${name}`, open);
      }
    }
    if (isObject(schema.items)) walk(schema.items, `${path}[]`, open);
    if (path !== '' && isLeaf(schema) && !fields.has(path)) fields.set(path, about(schema));
  }
}

const typesOf = ({ type }: Schema): string[] =>
  (Array.isArray(type) ? type : [type]).filter((t) => typeof t === 'string');

/** One that holds a value: whatever is not led on by the schema itself. */
function isLeaf(schema: Schema): boolean {
  const leadsOn = ['$ref', 'allOf', 'anyOf', 'oneOf', 'properties', 'items'].some((key) => schema[key] !== undefined);
  const types = typesOf(schema);
  return !leadsOn && !types.includes('object') && !types.includes('array');
}

function about(schema: Schema): string {
  const type = typesOf(schema)
    .filter((each) => each !== 'null')
    .join(' or ');
  const words = [schema.title, schema.description].find((each) => typeof each === 'string' && each !== '');
  return [type, words].filter((each) => each !== undefined && each !== '').join(': ');
}

/** Where a reference within the schema leads (RFC 6901); undefined for one that leads elsewhere: nothing is fetched. */
function at(root: Schema, reference: string): unknown {
  if (reference === '#') return root;
  if (!reference.startsWith('#/')) return undefined;
  let value: unknown = root;
  for (const part of reference.slice(2).split('/')) {
    const key = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
    value = (isObject(value) || Array.isArray(value)) && Object.hasOwn(value, key) ? (value as Schema)[key] : undefined;
  }
  return value;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

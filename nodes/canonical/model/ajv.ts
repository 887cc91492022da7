/**
 * The model's validators as Ajv makes them. The build writes them as plain code (`compiled/`), so that a running
 * Node-RED neither loads Ajv's compiler nor makes code from text; run from the sources, they are compiled when asked for.
 */
import { createRequire } from 'node:module';
import type { Ajv2020, CodeKeywordDefinition, KeywordCxt, ValidateFunction } from 'ajv/dist/2020.js';
import { isGln, isGtin14, isSscc } from '../schemas/check-digits.ts';
import { commonSchema, type EntitySchema, entities, type JsonSchema } from '../schemas/index.ts';
import { formats } from './formats.ts';

export type Reading = 'strict' | 'tolerant';

const require = createRequire(import.meta.url);

const checks: Record<string, (value: string) => boolean> = { GLN: isGln, GTIN: isGtin14, SSCC: isSscc };

/** What the compiled code calls by name. */
const keywords = {
  hasValidCheckDigit(identifier: { type?: unknown; value?: unknown }): boolean {
    const check =
      typeof identifier.type === 'string' && Object.hasOwn(checks, identifier.type)
        ? checks[identifier.type]
        : undefined;
    return check === undefined || typeof identifier.value !== 'string' || check(identifier.value);
  },
  isUniqueBy(items: unknown[], field: string): boolean {
    const seen = new Set<unknown>();
    for (const item of items) {
      const value = typeof item === 'object' && item !== null ? (item as Record<string, unknown>)[field] : undefined;
      if (value === undefined) continue;
      if (seen.has(value)) return false;
      seen.add(value);
    }
    return true;
  },
};

const formatTests = Object.fromEntries(Object.entries(formats).map(([name, { test }]) => [name, test]));

type Compiled = (formats: typeof formatTests, called: typeof keywords) => ValidateFunction;

const loaded = new Map<string, ValidateFunction>();

/** The validator of an entity, read when it is asked for the first time. */
export function compiledValidator(entity: EntitySchema, reading: Reading): ValidateFunction {
  const file = fileOf(entity, reading);
  const known = loaded.get(file);
  if (known !== undefined) return known;
  let validate: ValidateFunction;
  try {
    validate = (require(`./compiled/${file}`) as Compiled)(formatTests, keywords);
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error;
    validate = instance(reading).getSchema(entity.id) as ValidateFunction;
  }
  loaded.set(file, validate);
  return validate;
}

const fileOf = ({ name }: EntitySchema, reading: Reading): string => `${name}-${reading}.cjs`;

/** Every validator as the text of a CommonJS module, by its file name; for the build. */
export function compiledSources(): Map<string, string> {
  const { default: standaloneCode } = require('ajv/dist/standalone') as {
    default(ajv: Ajv2020, validate: ValidateFunction): string;
  };
  const sources = new Map<string, string>();
  for (const reading of ['strict', 'tolerant'] as const) {
    const ajv = make(reading);
    for (const entity of entities) {
      const code = standaloneCode(ajv, ajv.getSchema(entity.id) as ValidateFunction);
      sources.set(
        fileOf(entity, reading),
        `// ${entity.name} ${entity.version}, ${reading}; written by the build.\nmodule.exports = (formats, keywords) => {\nconst module = {};\n${code}\nreturn module.exports;\n};\n`,
      );
    }
  }
  return sources;
}

const instances = new Map<Reading, Ajv2020>();

function instance(reading: Reading): Ajv2020 {
  const known = instances.get(reading);
  if (known !== undefined) return known;
  const ajv = make(reading);
  instances.set(reading, ajv);
  return ajv;
}

function make(reading: Reading): Ajv2020 {
  const { Ajv2020, Name, _, stringify } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const ajv = new Ajv2020({
    strict: true,
    allErrors: true,
    ownProperties: true,
    validateSchema: true,
    messages: false,
    inlineRefs: false,
    code: { source: true, formats: _`formats` },
  });
  for (const keyword of ['x-sensitivity', 'x-ref', 'x-business-key', 'x-partition-key', 'x-purpose', 'x-retain'])
    ajv.addKeyword({ keyword });
  const called = (cxt: KeywordCxt, name: keyof typeof keywords) =>
    cxt.gen.scopeValue('keyword', { ref: keywords[name], key: keywords[name], code: _`keywords.${new Name(name)}` });
  const listed: Pick<CodeKeywordDefinition, 'code'> = {
    code(cxt: KeywordCxt) {
      const values = cxt.gen.scopeValue('schema', {
        ref: cxt.schema as unknown,
        key: cxt.schema as unknown,
        code: stringify(cxt.schema),
      });
      cxt.fail(_`!${values}.includes(${cxt.data})`);
    },
  };
  ajv.addKeyword({
    keyword: 'x-extensible-enum',
    type: 'string',
    schemaType: 'array',
    ...(reading === 'strict' ? listed : {}),
  });
  ajv.addKeyword({
    keyword: 'x-check-digit',
    type: 'object',
    schemaType: 'string',
    code: (cxt) => cxt.fail(_`!${called(cxt, 'hasValidCheckDigit')}(${cxt.data})`),
  });
  ajv.addKeyword({
    keyword: 'x-unique-by',
    type: 'array',
    schemaType: 'string',
    code: (cxt) => cxt.fail(_`!${called(cxt, 'isUniqueBy')}(${cxt.data}, ${cxt.schema as string})`),
  });
  for (const [name, test] of Object.entries(formatTests)) ajv.addFormat(name, test);
  ajv.addSchema(variant(commonSchema(), reading));
  for (const entity of entities) ajv.addSchema(variant(entity.schema, reading));
  return ajv;
}

/** The strict reading closes every object; the tolerant one is the file as it stands. */
export function variant(schema: JsonSchema, reading: Reading): JsonSchema {
  if (reading === 'tolerant') return schema;
  return close(schema) as JsonSchema;
}

function close(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(close);
  if (typeof value !== 'object' || value === null) return value;
  const record = value as JsonSchema;
  const copy: JsonSchema = {};
  for (const [key, inner] of Object.entries(record)) copy[key] = close(inner);
  if (record.type === 'object' && record.properties !== undefined && record.additionalProperties === undefined) {
    // Cheaper where no sibling applicator has to be asked what it has evaluated.
    copy[record.anyOf === undefined ? 'additionalProperties' : 'unevaluatedProperties'] = false;
  }
  return copy;
}

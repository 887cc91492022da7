/**
 * The words the entity schemas are written in. Every function returns plain JSON Schema 2020-12; a leaf cannot be
 * made without saying how sensitive it is.
 */

/**
 * How sensitive a field is, from least to most: P public, I internal, C confidential (prices, contracts, bank),
 * N personal (staff, contacts), H linked to a patient, S secret.
 */
export const sensitivities = ['P', 'I', 'C', 'N', 'H', 'S'] as const;
export type Sensitivity = (typeof sensitivities)[number];

/** A JSON Schema as plain data. */
export interface JsonSchema {
  [keyword: string]: unknown;
}

/** Fields of an object: schema by name. Names ending in `!` are required; the mark is not part of the name. */
export type Fields = Record<string, JsonSchema>;

function leaf(type: string | string[], sensitivity: Sensitivity, description: string, more: JsonSchema): JsonSchema {
  return { type, description, 'x-sensitivity': sensitivity, ...more };
}

/** Text of at least one and at most `maxLength` characters (default 256). */
export function text(sensitivity: Sensitivity, description: string, maxLength = 256): JsonSchema {
  return leaf('string', sensitivity, description, { minLength: 1, maxLength });
}

export function pattern(sensitivity: Sensitivity, description: string, regex: string): JsonSchema {
  return leaf('string', sensitivity, description, { maxLength: 256, pattern: regex });
}

export function format(sensitivity: Sensitivity, description: string, name: string): JsonSchema {
  return leaf('string', sensitivity, description, { maxLength: 256, format: name });
}

/** A calendar day, `YYYY-MM-DD`. */
export const date = (sensitivity: Sensitivity, description: string): JsonSchema =>
  format(sensitivity, description, 'date');

/** A point in time, RFC 3339 with an offset. A time without one is refused: nobody knows which hour it means. */
export const instant = (sensitivity: Sensitivity, description: string): JsonSchema =>
  format(sensitivity, description, 'instant');

export function integer(sensitivity: Sensitivity, description: string, minimum = 0, maximum = 2147483647): JsonSchema {
  return leaf('integer', sensitivity, description, { minimum, maximum });
}

export function boolean(sensitivity: Sensitivity, description: string): JsonSchema {
  return leaf('boolean', sensitivity, description, {});
}

/** A closed list: producers and consumers both refuse anything else. */
export function oneOf(sensitivity: Sensitivity, description: string, values: readonly string[]): JsonSchema {
  return leaf('string', sensitivity, description, { enum: [...values] });
}

/**
 * A list that may grow in a minor version: producers (strict) may send only these, consumers (tolerant) let others
 * pass.
 */
export function openList(sensitivity: Sensitivity, description: string, values: readonly string[]): JsonSchema {
  return leaf('string', sensitivity, description, { minLength: 1, maxLength: 64, 'x-extensible-enum': [...values] });
}

/** A decimal number as text: at most 15 digits and 6 decimals, never a JSON number. */
export function decimal(sensitivity: Sensitivity, description: string): JsonSchema {
  return leaf('string', sensitivity, description, { maxLength: 23, pattern: '^-?\\d{1,15}(\\.\\d{1,6})?$' });
}

/** A list. Items with a required `number` are lines: no two may have the same one, because systems tell lines by it. */
export function list(items: JsonSchema, description: string, maxItems = 100, minItems = 0): JsonSchema {
  const numbered = (items.required as string[] | undefined)?.includes('number') === true;
  return {
    type: 'array',
    description,
    items,
    maxItems,
    ...(minItems === 0 ? {} : { minItems }),
    ...(numbered ? { 'x-unique-by': 'number' } : {}),
  };
}

export function object(description: string, fields: Fields, more: JsonSchema = {}): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  const required: string[] = [];
  for (const [name, schema] of Object.entries(fields)) {
    const plain = name.endsWith('!') ? name.slice(0, -1) : name;
    properties[plain] = schema;
    if (plain !== name) required.push(plain);
  }
  return { type: 'object', description, properties, ...(required.length === 0 ? {} : { required }), ...more };
}

/** The only place for keys the model does not know, each under a namespace (`acme:season`). Values are text. */
export function extensions(): JsonSchema {
  return {
    type: 'object',
    description: 'What the model has no field for, each key under a namespace of its owner, e.g. `acme:season`.',
    maxProperties: 50,
    propertyNames: { pattern: '^[a-z][a-z0-9-]{0,31}:[A-Za-z][A-Za-z0-9_.-]{0,63}$' },
    additionalProperties: { ...text('C', 'Value of an extension.', 1024) },
  };
}

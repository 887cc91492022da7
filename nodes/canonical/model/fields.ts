/** Reads the entity schemas as field lists: for the editor, the mapping check, the projectors and the documentation. */
import { commonSchema, type EntitySchema, entities, type JsonSchema, type Sensitivity } from '../schemas/index.ts';
import { commonId } from '../schemas/common.ts';

const byName = new Map(entities.map((entity) => [entity.name, entity]));

export function entityNamed(name: string): EntitySchema | undefined {
  return byName.get(name);
}

/** The entity of a schema id, whatever its version. */
export function entityOfSchema(schema: string): EntitySchema | undefined {
  const match = /^urn:healthflows:canonical:([A-Za-z]+)(:[\d.]+)?$/.exec(schema);
  return match ? byName.get(match[1]!) : byName.get(schema);
}

const common = commonSchema().$defs as Record<string, JsonSchema>;

/** The schema a reference points to, with the words of the place that refers. */
export function dereference(schema: JsonSchema): JsonSchema {
  const ref = schema.$ref;
  if (typeof ref !== 'string') return schema;
  const target = common[ref.slice(`${commonId}#/$defs/`.length)];
  if (target === undefined) return schema;
  const { $ref: _, ...own } = schema;
  return { ...target, ...own };
}

/** One field of an entity. */
export interface Field {
  /** Mapping path: `lines[].quantity.value`. */
  path: string;
  type: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  description: string;
  /** Required in its parent. */
  required: boolean;
  /** Required all the way up: no document is valid without it. */
  mandatory: boolean;
  /** On leaves. */
  sensitivity?: Sensitivity;
  format?: string;
  /** Values of a closed or growing list. */
  values?: readonly string[];
  /** Entity that a pointer leads to. */
  refersTo?: string;
}

/** Every field of an entity, parents before children. `ext` and pointers' inner fields are included. */
export function fieldsOf(entity: EntitySchema): Field[] {
  const fields: Field[] = [];
  walk(entity.schema, '', true);
  return fields;

  function walk(schema: JsonSchema, prefix: string, mandatoryParent: boolean): void {
    const properties = (schema.properties ?? {}) as Record<string, JsonSchema>;
    const required = new Set((schema.required as string[] | undefined) ?? []);
    for (const [name, raw] of Object.entries(properties)) {
      const property = dereference(raw);
      const mandatory = mandatoryParent && required.has(name);
      const path = prefix === '' ? name : `${prefix}.${name}`;
      const type = property.type as Field['type'];
      fields.push({
        path,
        type,
        description: (property.description as string | undefined) ?? '',
        required: required.has(name),
        mandatory,
        ...(property['x-sensitivity'] === undefined ? {} : { sensitivity: property['x-sensitivity'] as Sensitivity }),
        ...(property.format === undefined ? {} : { format: property.format as string }),
        ...(property.enum === undefined ? {} : { values: property.enum as string[] }),
        ...(property['x-extensible-enum'] === undefined ? {} : { values: property['x-extensible-enum'] as string[] }),
        ...(property['x-ref'] === undefined ? {} : { refersTo: property['x-ref'] as string }),
      });
      if (type === 'object') walk(property, path, mandatory);
      if (type === 'array') {
        const items = dereference(property.items as JsonSchema);
        if (items.type === 'object') walk(items, `${path}[]`, mandatory && Number(property.minItems ?? 0) > 0);
        else
          fields.push({
            path: `${path}[]`,
            type: items.type as Field['type'],
            description: (items.description as string | undefined) ?? '',
            required: false,
            mandatory: false,
            ...(items['x-sensitivity'] === undefined ? {} : { sensitivity: items['x-sensitivity'] as Sensitivity }),
          });
      }
    }
  }
}

/** The schema at a place in an entity, e.g. to learn the sensitivity of a document value. */
export function schemaAt(entity: EntitySchema, segments: readonly (string | number)[]): JsonSchema | undefined {
  let schema: JsonSchema | undefined = entity.schema;
  for (const segment of segments) {
    if (schema === undefined) return undefined;
    schema = dereference(schema);
    if (schema.type === 'array') schema = schema.items as JsonSchema;
    else {
      const properties = schema.properties as Record<string, JsonSchema> | undefined;
      const key = String(segment);
      schema =
        properties !== undefined && Object.hasOwn(properties, key)
          ? properties[key]
          : (schema.additionalProperties as JsonSchema | undefined);
    }
  }
  return schema === undefined ? undefined : dereference(schema);
}

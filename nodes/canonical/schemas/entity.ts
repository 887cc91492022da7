import { header } from './common.ts';
import { type Fields, type JsonSchema, object, type Sensitivity } from './vocabulary.ts';

/** One entity of the canonical model. */
export interface EntitySchema {
  /** Name in the model and in event types, e.g. `order`. */
  name: string;
  /** Semantic version: patch = words, minor = new optional field or list value, major = everything else. */
  version: string;
  title: string;
  /** `$id` of the schema, also the event attribute `dataschema`. */
  id: string;
  /**
   * Fields that name the thing in business terms, in order; together they are the event's `subject`. A pointer counts
   * with its preferred identifier.
   */
  businessKey: readonly string[];
  /** Fields whose equal values keep events in order; default the business key. */
  partitionKey: readonly string[];
  /** The schema as authored: the tolerant reading. The strict one is derived from it. */
  schema: JsonSchema;
}

interface EntityOptions {
  version: string;
  title: string;
  description: string;
  businessKey: readonly string[];
  partitionKey?: readonly string[];
  /** Sensitivity of the entity's own identifiers; default I. */
  identifiers?: Sensitivity;
}

export const schemaIdOf = (name: string, version: string): string => `urn:healthflows:canonical:${name}:${version}`;

export function entity(name: string, options: EntityOptions, fields: Fields): EntitySchema {
  const id = schemaIdOf(name, options.version);
  return {
    name,
    version: options.version,
    title: options.title,
    id,
    businessKey: options.businessKey,
    partitionKey: options.partitionKey ?? options.businessKey,
    schema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: id,
      title: options.title,
      ...object(options.description, { ...header(options.identifiers ?? 'I'), ...fields }),
      'x-business-key': [...options.businessKey],
      'x-partition-key': [...(options.partitionKey ?? options.businessKey)],
    },
  };
}

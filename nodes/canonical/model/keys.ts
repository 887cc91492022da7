import type { EntitySchema } from '../schemas/index.ts';

/** The name by which a pointer's target is known: its canonical id, else its official identifier, else its first. */
function nameOf(value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, identifiers } = value as { id?: unknown; identifiers?: unknown };
  if (Array.isArray(identifiers)) {
    const chosen =
      (identifiers as { value?: unknown; use?: unknown }[]).find((i) => i.use === 'official') ?? identifiers[0];
    if (typeof chosen?.value === 'string') return chosen.value;
  }
  return typeof id === 'string' ? id : undefined;
}

/**
 * The fields joined by `/`, each percent-encoded so that no two different keys look alike. A missing field is an
 * empty part; without any field there is no key.
 */
function keyOf(fields: readonly string[], entity: Record<string, unknown>): string | undefined {
  const parts = fields.map((field) => nameOf(entity[field]));
  return parts.every((part) => part === undefined)
    ? undefined
    : parts.map((part) => encodeURIComponent(part ?? '')).join('/');
}

/** The CloudEvents `subject` of an entity: what it is called in business terms. */
export function subjectOf(schema: EntitySchema, entity: Record<string, unknown>): string | undefined {
  return keyOf(schema.businessKey, entity);
}

/** The CloudEvents `partitionkey`: events with one key keep their order. Falls back to the subject. */
export function partitionKeyOf(schema: EntitySchema, entity: Record<string, unknown>): string | undefined {
  return keyOf(schema.partitionKey, entity) ?? subjectOf(schema, entity);
}

import { identifierTypes } from '../schemas/common.ts';
import type { EntitySchema } from '../schemas/index.ts';

interface Named {
  type?: unknown;
  value?: unknown;
  use?: unknown;
}

/** Official identifiers first, then by the order of the kinds in the model: our own code before those of registries. */
function rank({ type, use }: Named): number {
  const kind = (identifierTypes as readonly unknown[]).indexOf(type);
  return (use === 'official' ? 0 : use === 'old' ? 2_000 : 1_000) + (kind < 0 ? identifierTypes.length : kind);
}

/**
 * The name by which a pointer's target is known: its preferred identifier, whatever order they came in, so that one
 * document has one key in every format; else its canonical id.
 */
function nameOf(value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, identifiers } = value as { id?: unknown; identifiers?: unknown };
  if (Array.isArray(identifiers)) {
    let chosen: Named | undefined;
    for (const each of identifiers as Named[]) {
      if (typeof each?.value === 'string' && (chosen === undefined || rank(each) < rank(chosen))) chosen = each;
    }
    if (chosen !== undefined) return chosen.value as string;
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

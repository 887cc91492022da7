/**
 * Minimisation: what of an entity may leave on an edge, by the sensitivity of each leaf. Compiled once for an entity
 * and a set of allowed classes.
 */
import { createHmac } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import { type EntitySchema, type JsonSchema, type Sensitivity, sensitivities } from '../schemas/index.ts';
import { dereference, entityNamed } from './fields.ts';

export interface Projection {
  /** Classes that may pass. */
  allow: readonly Sensitivity[];
  /** What becomes of the others: left out, replaced by `***`, or by a keyed hash that still links equal values. */
  mode: 'drop' | 'mask' | 'hash';
  /** Key of the hash; needed for mode `hash`, because a hash without one of a short value is reversed by trying. */
  key?: string;
}

type Projector = (value: unknown) => unknown;

/**
 * Compiles a projector. Fields that the model does not have are dropped in every mode: nobody has said what they may
 * hold.
 * @throws Failure `configuration` for an unknown entity, or for hashing without a key
 */
export function projectorOf(name: string, projection: Projection): (entity: unknown) => unknown {
  const entity = entityNamed(name);
  if (entity === undefined) {
    throw new Failure('configuration', 'UNKNOWN_ENTITY', `The canonical model has no entity "${name}".`);
  }
  if (projection.mode === 'hash' && (projection.key ?? '').length < 16) {
    throw new Failure('configuration', 'PROJECTION_KEY', 'Hashing fields needs a key of at least 16 characters.');
  }
  const allowed = new Set<string>(projection.allow);
  const hidden = hiderOf(projection);
  const cache = new Map<unknown, Projector>();
  const project = compile(entity.schema);
  return (value) => project(value) ?? {};

  function compile(raw: JsonSchema): Projector {
    const schema = dereference(raw);
    const cacheKey = raw.$ref === undefined ? schema : raw.$ref;
    const known = cache.get(cacheKey);
    if (known !== undefined) return known;
    const made = make(schema);
    cache.set(cacheKey, made);
    return made;
  }

  function make(schema: JsonSchema): Projector {
    if (schema.type === 'object') {
      const properties = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>).map(
        ([key, property]) => [key, compile(property)] as const,
      );
      const others =
        schema.additionalProperties === undefined ? undefined : compile(schema.additionalProperties as JsonSchema);
      return (value) => {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
        const record = value as Record<string, unknown>;
        const out: Record<string, unknown> = {};
        let any = false;
        const keep = (key: string, projector: Projector): void => {
          const kept = projector(record[key]);
          if (kept === undefined) return;
          out[key] = kept;
          any = true;
        };
        for (const [key, projector] of properties) if (Object.hasOwn(record, key)) keep(key, projector);
        if (others !== undefined) for (const key of Object.keys(record)) if (key.includes(':')) keep(key, others);
        return any ? out : undefined;
      };
    }
    if (schema.type === 'array') {
      const item = compile(schema.items as JsonSchema);
      return (value) => {
        if (!Array.isArray(value)) return undefined;
        const kept = value.map(item).filter((inner) => inner !== undefined);
        return kept.length === 0 && value.length > 0 ? undefined : kept;
      };
    }
    // A leaf that holds an object is not what the model says; it may hold anything, so it does not pass.
    if (allowed.has(schema['x-sensitivity'] as string)) {
      return (value) => (typeof value === 'object' ? undefined : value);
    }
    return hidden;
  }
}

function hiderOf(projection: Projection): Projector {
  if (projection.mode === 'mask') return (value) => (value === undefined ? undefined : '***');
  if (projection.mode === 'hash') {
    return (value) =>
      value === undefined || typeof value === 'object'
        ? undefined
        : `hmac:${createHmac('sha256', projection.key!)
            .update(`${typeof value}:${value}`)
            .digest('base64url')
            .slice(0, 22)}`;
  }
  return () => undefined;
}

/** @see projectorOf */
export function project(name: string, entity: unknown, projection: Projection): unknown {
  return projectorOf(name, projection)(entity);
}

type Collector = (value: unknown) => number;
const collectors = new Map<string, Collector>();

/** The highest sensitivity class present in an entity; fields that the model does not have count as S. */
export function classificationOf(entity: EntitySchema, value: unknown): Sensitivity {
  let collect = collectors.get(entity.name);
  if (collect === undefined) {
    collect = collectorOf(entity.schema, new Map());
    collectors.set(entity.name, collect);
  }
  return sensitivities[collect(value)]!;
}

function collectorOf(raw: JsonSchema, cache: Map<unknown, Collector>): Collector {
  const schema = dereference(raw);
  const cacheKey = raw.$ref ?? schema;
  const known = cache.get(cacheKey);
  if (known !== undefined) return known;
  let made: Collector;
  if (schema.type === 'object') {
    const properties = new Map(
      Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>).map(([key, property]) => [
        key,
        collectorOf(property, cache),
      ]),
    );
    const others =
      schema.additionalProperties === undefined
        ? undefined
        : collectorOf(schema.additionalProperties as JsonSchema, cache);
    made = (value) => {
      if (typeof value !== 'object' || value === null) return 0;
      let highest = 0;
      for (const key of Object.keys(value)) {
        const collector = properties.get(key) ?? others;
        const level =
          collector === undefined ? sensitivities.length - 1 : collector((value as Record<string, unknown>)[key]);
        if (level > highest) highest = level;
      }
      return highest;
    };
  } else if (schema.type === 'array') {
    const item = collectorOf(schema.items as JsonSchema, cache);
    made = (value) => {
      let highest = 0;
      if (Array.isArray(value)) for (const inner of value) highest = Math.max(highest, item(inner));
      return highest;
    };
  } else {
    const level = sensitivities.indexOf(schema['x-sensitivity'] as Sensitivity);
    made = (value) => (value === undefined ? 0 : level);
  }
  cache.set(cacheKey, made);
  return made;
}

/**
 * Documents of an earlier major of an entity, which may still wait in a queue or with the dead letters, become documents
 * of the present one. A step is one major; steps are chained.
 */
import { Failure } from '../../kernel/failure.ts';
import type { EntitySchema } from '../schemas/index.ts';

type Tree = Record<string, unknown>;

export interface Converter {
  entity: string;
  /** Majors; `to` is `from` + 1. */
  from: number;
  to: number;
  /** What the major changed, for people. */
  why: string;
  /** Pure; the document is its own copy. It invents nothing: what the earlier version does not say stays absent. */
  convert(document: Tree): Tree;
}

/** Every step there is. The model has only first majors, so there is none yet. */
export const converters: readonly Converter[] = [];

const majorOf = (version: string): number => Number(version.split('.')[0]);

/**
 * The document as one of the entity's present major; the same object where it already is. A document that does not say
 * its version is taken for the present one.
 * @throws Failure `data-quality` `SCHEMA_NEWER` for a later major than ours, `SCHEMA_TOO_OLD` where a step is missing
 */
export function upConverted(entity: EntitySchema, document: Tree, registry: readonly Converter[] = converters): Tree {
  // A text may hold anything, `null` too; what is no document is the validator's to say.
  const meta = (document as Tree | null)?.meta as { schemaVersion?: unknown } | null | undefined;
  const told = meta?.schemaVersion;
  if (typeof told !== 'string' || !/^\d{1,4}\.\d{1,4}\.\d{1,4}$/.test(told)) return document;
  const present = majorOf(entity.version);
  let major = majorOf(told);
  if (major === present) return document;
  if (major > present) {
    throw new Failure(
      'data-quality',
      'SCHEMA_NEWER',
      `The document is a canonical ${entity.name} of version ${told}, and this package knows ${entity.version}. Update the package where the document is read.`,
    );
  }
  let current = structuredClone(document);
  while (major < present) {
    const from = major;
    const step = registry.find((each) => each.entity === entity.name && each.from === from);
    if (step === undefined) {
      throw new Failure(
        'data-quality',
        'SCHEMA_TOO_OLD',
        `The document is a canonical ${entity.name} of version ${told}, and there is no converter from ${from} to ${from + 1}. Send it again from its source.`,
      );
    }
    current = step.convert(current);
    major = step.to;
  }
  return {
    ...current,
    meta: { ...(current.meta as Tree | undefined), schema: entity.id, schemaVersion: entity.version },
  };
}

/** Steps that the registry lacks or has too many of, as sentences; empty when it is whole. */
export function registryProblems(
  entities: readonly Pick<EntitySchema, 'name' | 'version'>[],
  registry: readonly Converter[] = converters,
): string[] {
  const problems: string[] = [];
  for (const { name, version } of entities) {
    for (let from = 1; from < majorOf(version); from++) {
      const steps = registry.filter((each) => each.entity === name && each.from === from);
      if (steps.length !== 1) problems.push(`${name} has ${steps.length} converters from ${from} to ${from + 1}`);
    }
  }
  for (const { entity, from, to } of registry) {
    const known = entities.find(({ name }) => name === entity);
    if (to !== from + 1) problems.push(`the converter of ${entity} from ${from} to ${to} is not one step`);
    if (known === undefined || to > majorOf(known.version))
      problems.push(`the converter of ${entity} from ${from} to ${to} leads to no version of the model`);
  }
  return problems;
}

/**
 * What a mapper does, row by row, for the timeline of a message; and where its node still has the document in memory,
 * what it did to it: values of classes P and I, the others masked. Originals are not read for it: who may see the
 * timeline may not open them, and opening one is recorded with a reason.
 */
import {
  entityNamed,
  type ExplainedValue,
  explainDocument,
  fieldsOf,
  libraryOf,
  type Mapping,
  recentOf,
} from '../canonical/index.ts';
import { toFailure } from '../kernel/failure.ts';
import { parseJson } from '../kernel/json.ts';
import type { RuntimeApi } from '../node/index.ts';

export interface ExplainedMapping {
  mode: string;
  id?: string;
  version?: string;
  title?: string;
  /** Rows beyond those shown. */
  more?: number;
  rows?: { to: string; from: string; steps: string[]; sensitivity: string | null }[];
  problem?: string;
  /** Each value of the target with its source, steps and rule; absent where the document is not in memory. */
  values?: ExplainedValue[];
  /** Values beyond those told. */
  moreValues?: number;
}

const rowLimit = 100;
const valueLimit = 300;

/**
 * @param config of a `canonical-mapper`
 * @param event id of the message
 */
export async function explainMapping(
  RED: RuntimeApi,
  config: Record<string, unknown>,
  event: string,
): Promise<ExplainedMapping> {
  const mode = String(config.mode ?? 'to-canonical');
  if (mode === 'validate' || mode === 'project') return { mode, id: String(config.entity ?? '') };
  try {
    const edited = typeof config.edited === 'string' ? config.edited.trim() : '';
    const mapping =
      edited === '' ? libraryOf(RED).source(String(config.mapping ?? '')) : (parseJson(edited) as Mapping);
    const classes = sensitivitiesOf(mapping);
    const kept = recentOf(RED, String(config.id))
      .list()
      .find((each) => each.event === event);
    const explained =
      kept === undefined
        ? undefined
        : await explainDocument(libraryOf(RED).compile(mapping), kept.document, {
            limit: valueLimit,
            ...(kept.asOf === undefined ? {} : { asOf: kept.asOf }),
          });
    return {
      mode,
      id: mapping.id,
      version: mapping.version,
      title: mapping.title,
      rows: mapping.rows.slice(0, rowLimit).map((row) => ({
        to: row.to,
        from: row.from === undefined ? '' : [row.from].flat().join(', '),
        steps: stepsOf(row),
        sensitivity: classes.get(row.to) ?? [row.from].flat().map((path) => classes.get(path ?? ''))[0] ?? null,
      })),
      ...(mapping.rows.length > rowLimit ? { more: mapping.rows.length - rowLimit } : {}),
      ...(explained === undefined ? {} : { values: explained.values, moreValues: explained.more }),
    };
  } catch (error) {
    return { mode, problem: toFailure(error).message };
  }
}

function stepsOf(row: Mapping['rows'][number]): string[] {
  return [
    ...(row.value === undefined ? [] : ['constant']),
    ...(row.transforms ?? []).map((use) => (typeof use === 'string' ? use : use.name)),
    ...(row.lookup === undefined ? [] : [`lookup ${row.lookup}`]),
    ...(row.default === undefined ? [] : ['default']),
    ...(row.when === undefined ? [] : [`when ${row.when.path} is ${row.when.is}`]),
    ...(row.required === true ? ['required'] : []),
  ];
}

/** Sensitivity by the path in the canonical side of the mapping. */
function sensitivitiesOf({ source, target }: Mapping): Map<string, string> {
  const side = 'entity' in target ? target : source;
  const entity = 'entity' in side ? entityNamed(side.entity) : undefined;
  if (entity === undefined) return new Map();
  return new Map(
    fieldsOf(entity).flatMap(({ path, sensitivity }) => (sensitivity === undefined ? [] : [[path, sensitivity]])),
  );
}

/** The way back: a mapping from target to source, derived from the rows that can be undone. */
import { entityNamed, fieldsOf } from '../model/fields.ts';
import { type LookupTable, reverseLookup } from './lookup.ts';
import type { Mapping, Row, Side } from './mapping.ts';
import { endOfLoop, parsePath, textOf } from './path.ts';
import { nothing, type TransformUse, transforms } from './transforms.ts';

export interface Reversed {
  mapping: Mapping;
  /** Rows that have no way back, with the reason. */
  left: { row: number; to: string; reason: string }[];
  /** Rows whose table leads several values to one: the way back gives the first, never one of these. */
  lossy: { row: number; to: string; values: string[] }[];
  /** Share of the rows (constants aside) that have a way back, 0 to 1. */
  coverage: number;
}

/**
 * Derives the reverse mapping. Constants need no way back; `forward` rows are left out on purpose.
 * @param tables shared lookup tables by name
 */
export function reverseMapping(mapping: Mapping, tables: ReadonlyMap<string, LookupTable> = new Map()): Reversed {
  // What tidies a partner's spelling needs no way back: the model's value is a spelling that is read as the same value.
  const tidying: ReadonlySet<string> = new Set(
    'entity' in mapping.target ? ['trim', 'collapse', 'upper', 'lower'] : [],
  );
  const falseIsAbsent = 'format' in mapping.target && mapping.target.format === 'odoo';
  const yesOrNo = falseIsAbsent ? booleansOf(mapping.source) : new Set<string>();
  const left: Reversed['left'] = [];
  const lossy: Reversed['lossy'] = [];
  const rows: Row[] = [];
  const lookups: Record<string, LookupTable> = {};
  const loops = loopPairs(mapping.rows);
  let candidates = 0;
  mapping.rows.forEach((row, i) => {
    if (row.jsonata !== undefined) {
      candidates++;
      left.push({ row: i + 1, to: row.to, reason: 'is a JSONata expression' });
      return;
    }
    if (row.value !== undefined || row.from === undefined || row.from === '$index') return;
    if (row.direction === 'forward') {
      left.push({ row: i + 1, to: row.to, reason: 'is marked as forward only' });
      return;
    }
    candidates++;
    const reason = whyNot(row);
    const inverses =
      reason === undefined
        ? inverted((row.transforms ?? []).filter((use) => typeof use !== 'string' || !tidying.has(use)))
        : undefined;
    if (reason !== undefined || typeof inverses === 'string') {
      left.push({ row: i + 1, to: row.to, reason: reason ?? (inverses as string) });
      return;
    }
    let lookup: string | undefined;
    let transformsBack = inverses as TransformUse[];
    if (row.lookup !== undefined && row.direction === 'reverse') {
      // The table of a reverse row is written for the way back, too.
      lookup = row.lookup;
      const own = mapping.lookups?.[row.lookup];
      if (own !== undefined) lookups[row.lookup] = own;
    } else if (row.lookup !== undefined) {
      const table = mapping.lookups?.[row.lookup] ?? tables.get(row.lookup);
      if (table === undefined || transformsBack.some((use) => use !== nothing)) {
        left.push({ row: i + 1, to: row.to, reason: 'has transforms before its lookup' });
        return;
      }
      lookup = `${row.lookup}-reverse`;
      const reversed = reverseLookup(table);
      lookups[lookup] = reversed.table;
      if (reversed.lossy.length > 0) lossy.push({ row: i + 1, to: row.to, values: reversed.lossy });
      transformsBack = [];
    }
    const to = firstSource(row);
    // Where false says "nothing", a field of yes and no says what it is.
    if (yesOrNo.has(to) && lookup === undefined && transformsBack.every((use) => use === nothing))
      transformsBack = [{ name: 'boolean', true: ['true'], false: ['false'] }];
    const back = parsePath(to).loops > 0 ? loops(row) : undefined;
    rows.push({
      from: row.to,
      to,
      ...(back === undefined ? {} : { each: back }),
      // The condition of a reverse row is written for the way back.
      ...(row.when === undefined ? {} : { when: row.when }),
      ...(transformsBack.some((use) => use !== nothing)
        ? { transforms: transformsBack.filter((use) => use !== nothing) }
        : {}),
      ...(lookup === undefined ? {} : { lookup }),
    });
  });
  // Where several rows lead back to one field, the first that has a value counts: those that merge nothing go first.
  const merging = new Set(lossy.map(({ to }) => to));
  rows.sort((a, b) => Number(merging.has(a.from as string)) - Number(merging.has(b.from as string)));
  return {
    mapping: {
      id: `${mapping.id}-reverse`,
      version: mapping.version,
      title: `${mapping.title} (reverse)`,
      source: mapping.target,
      target: mapping.source,
      ...(falseIsAbsent ? { falseIsAbsent } : {}),
      ...(Object.keys(lookups).length === 0 ? {} : { lookups }),
      rows,
    },
    left,
    lossy,
    coverage: candidates === 0 ? 1 : rows.length / candidates,
  };
}

/** Fields of the model that are yes or no. */
function booleansOf(side: Side): Set<string> {
  const entity = 'entity' in side ? entityNamed(side.entity) : undefined;
  return new Set(
    entity === undefined ? [] : fieldsOf(entity).flatMap(({ path, type }) => (type === 'boolean' ? [path] : [])),
  );
}

const firstSource = (row: Row): string => (typeof row.from === 'string' ? row.from : row.from![0]!);

function whyNot(row: Row): string | undefined {
  if (row.when !== undefined && row.direction !== 'reverse') return 'has a condition';
  if (/\[\d+\]/.test(firstSource(row))) return 'reads a fixed position';
  // The first of several sources gets the value back; the others stay empty.
  const first = row.transforms?.[0];
  if (typeof row.from !== 'string' && first !== 'coalesce') return 'joins several sources';
  return undefined;
}

function inverted(uses: readonly TransformUse[]): TransformUse[] | string {
  const back: TransformUse[] = [];
  for (const use of [...uses].reverse()) {
    const name = typeof use === 'string' ? use : use.name;
    const { name: _, ...args } = typeof use === 'string' ? { name: use } : use;
    const inverse = transforms[name]?.inverse?.(
      args as Parameters<NonNullable<(typeof transforms)[string]['inverse']>>[0],
    );
    if (inverse === undefined) return `the transform "${name}" cannot be undone`;
    back.push(inverse);
  }
  return back;
}

/** For a target loop the list of the source that fills it, as rows of the forward mapping say. */
function loopPairs(rows: readonly Row[]): (row: Row) => string | undefined {
  const bySource = new Map<string, string>();
  for (const row of rows) {
    const told = row.each ?? (row.from === undefined ? undefined : firstSource(row));
    if (told === undefined || told === '$index') continue;
    const from = parsePath(told);
    const to = parsePath(row.to);
    if (from.loops === 0 || from.loops !== to.loops) continue;
    for (let n = 1; n <= from.loops; n++) {
      bySource.set(textOf(from.steps.slice(0, endOfLoop(from, n))), textOf(to.steps.slice(0, endOfLoop(to, n))));
    }
  }
  return (row) => {
    const from = parsePath(firstSource(row));
    return from.loops === 0 ? undefined : bySource.get(textOf(from.steps.slice(0, endOfLoop(from, from.loops))));
  };
}

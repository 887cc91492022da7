/** What is different between two versions of a mapping, and between what they make of one document. */
import type { Mapping, Row } from './mapping.ts';

export interface RowDifference {
  kind: 'added' | 'removed' | 'changed';
  /** Number in the new version, or for a removed row in the old one; from 1. */
  row: number;
  to: string;
  /** What differs; empty for an added or removed row. */
  properties: string[];
}

export interface MappingDifference {
  /** Properties of the mapping itself, such as its version or a table of its own. */
  properties: string[];
  rows: RowDifference[];
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));

/** With the keys of objects in one order: the order in a file says nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const record = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.keys(record)
      .sort()
      .filter((key) => record[key] !== undefined)
      .map((key) => [key, sorted(record[key])]),
  );
}

/** Rows are told by their target, several with one target by their order: the first that has a value wins. */
export function differenceOf(before: Mapping, after: Mapping): MappingDifference {
  const properties = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (key) => key !== 'rows' && key !== 'sample' && !same(before[key as keyof Mapping], after[key as keyof Mapping]),
  );
  const old = byTarget(before.rows);
  const rows: RowDifference[] = [];
  for (const [to, now] of byTarget(after.rows)) {
    const was = old.get(to) ?? [];
    old.delete(to);
    now.forEach(({ row, number }, i) => {
      const counterpart = was[i]?.row;
      if (counterpart === undefined) {
        rows.push({ kind: 'added', row: number, to, properties: [] });
        return;
      }
      const changed = [...new Set([...Object.keys(counterpart), ...Object.keys(row)])].filter(
        (key) => !same(counterpart[key as keyof Row], row[key as keyof Row]),
      );
      if (changed.length > 0) rows.push({ kind: 'changed', row: number, to, properties: changed });
    });
    for (const { number } of was.slice(now.length)) rows.push({ kind: 'removed', row: number, to, properties: [] });
  }
  for (const [to, gone] of old)
    for (const { number } of gone) rows.push({ kind: 'removed', row: number, to, properties: [] });
  return { properties, rows };
}

function byTarget(rows: readonly Row[]): Map<string, { row: Row; number: number }[]> {
  const targets = new Map<string, { row: Row; number: number }[]>();
  rows.forEach((row, i) => {
    const known = targets.get(row.to);
    if (known === undefined) targets.set(row.to, [{ row, number: i + 1 }]);
    else known.push({ row, number: i + 1 });
  });
  return targets;
}

export interface ValueDifference {
  /** With positions: `lines[3].quantity.value`. */
  path: string;
  /** Absent where there was nothing. */
  before?: unknown;
  after?: unknown;
}

/** Leaves that differ between two documents, at most `limit` of them. */
export function valuesBetween(before: unknown, after: unknown, limit = 200): ValueDifference[] {
  const found: ValueDifference[] = [];
  const visit = (was: unknown, is: unknown, path: string): void => {
    if (found.length >= limit || was === is) return;
    const [a, b] = [membersOf(was), membersOf(is)];
    if (a === undefined && b === undefined) {
      found.push({
        path,
        ...(was === undefined ? {} : { before: was }),
        ...(is === undefined ? {} : { after: is }),
      });
      return;
    }
    const list = Array.isArray(was) || Array.isArray(is);
    for (const key of new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])) {
      visit(a?.[key], b?.[key], list ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`);
    }
  };
  visit(before, after, '');
  return found;
}

/** Decimal-like objects and other leaves have none. */
function membersOf(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const plain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  return plain ? (value as Record<string, unknown>) : undefined;
}

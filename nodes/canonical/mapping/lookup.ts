/** Lookup tables: codes of one system in the words of another, versioned and with the days they are valid. */
import { isDate } from '../model/formats.ts';
import { TransformProblem } from './problem.ts';

export interface LookupEntry {
  from: string;
  to: string;
  /** First and last day it holds. */
  validFrom?: string;
  validTo?: string;
}

export interface LookupTable {
  id?: string;
  version?: string;
  title?: string;
  /** Who answers for it. */
  owner?: string;
  entries: readonly LookupEntry[];
}

export type Lookup = (value: string, day: string | undefined) => string;

/**
 * Compiles a table. A value that it does not have, or not on that day, is a {@link TransformProblem}
 * `MAPPING_UNMAPPED_VALUE`: never a silent default.
 */
export function compileLookup(name: string, table: LookupTable): Lookup {
  const entries = new Map<string, LookupEntry[]>();
  for (const entry of table.entries) {
    const known = entries.get(entry.from);
    if (known === undefined) entries.set(entry.from, [entry]);
    else known.push(entry);
  }
  return (value, day) => {
    const found = entries.get(value)?.find((entry) => holds(entry, day));
    if (found === undefined) {
      throw new TransformProblem(
        `a value that the table "${name}" has was expected; add the value to the table or correct the document`,
        'MAPPING_UNMAPPED_VALUE',
      );
    }
    return found.to;
  };
}

const holds = (entry: LookupEntry, day: string | undefined): boolean =>
  day === undefined ||
  ((entry.validFrom === undefined || day >= entry.validFrom) && (entry.validTo === undefined || day <= entry.validTo));

/** What is wrong with a table, or undefined. Two entries for one value on one day would make the result a matter of order. */
export function lookupProblem(table: unknown): string | undefined {
  const entries = (table as LookupTable | null)?.entries;
  if (!Array.isArray(entries)) return 'has no list "entries"';
  if (entries.length > 100_000) return 'has more than 100,000 entries';
  const seen = new Map<string, LookupEntry[]>();
  for (const [i, entry] of (entries as unknown[]).entries()) {
    const { from, to, validFrom, validTo } = (entry ?? {}) as LookupEntry;
    if (typeof from !== 'string' || typeof to !== 'string') return `entry ${i + 1} needs "from" and "to" as text`;
    for (const day of [validFrom, validTo]) {
      if (day !== undefined && (typeof day !== 'string' || !isDate(day)))
        return `entry ${i + 1} has a day that is not YYYY-MM-DD`;
    }
    const others = seen.get(from) ?? [];
    if (others.length >= 1_000) return `has "${from}" for more than 1,000 periods`;
    if (others.some((other) => overlap(other, entry as LookupEntry)))
      return `has "${from}" twice for the same day (entry ${i + 1})`;
    others.push(entry as LookupEntry);
    seen.set(from, others);
  }
  return undefined;
}

const overlap = (a: LookupEntry, b: LookupEntry): boolean =>
  (a.validFrom ?? '0') <= (b.validTo ?? '9') && (b.validFrom ?? '0') <= (a.validTo ?? '9');

/** The table read backwards. Where several values lead to one, the first is the way back; `lossy` names the others. */
export function reverseLookup(table: LookupTable): { table: LookupTable; lossy: string[] } {
  const taken = new Set<string>();
  const lossy: string[] = [];
  const entries: LookupEntry[] = [];
  for (const entry of table.entries) {
    const key = `${entry.to}\u0000${entry.validFrom ?? ''}\u0000${entry.validTo ?? ''}`;
    if (taken.has(key)) lossy.push(entry.from);
    else {
      taken.add(key);
      entries.push({ ...entry, from: entry.to, to: entry.from });
    }
  }
  return { table: { ...table, entries }, lossy };
}

/**
 * A delivery whose message a `split` node has divided: it is done when all its parts are, so that a part that fails, or
 * that a crash ends, is not lost behind one that was done before. A failed part fails the delivery as a whole.
 *
 * Kept in memory only: after a restart the delivery comes again, undivided.
 */
import type { IdempotencyLease } from '../kernel/message.ts';

/** `msg.parts` of Node-RED's `split`; nested splits keep the outer one in `parts`. */
interface Parts {
  id: string;
  index: number;
  /** On every part, or on the last one of a stream. */
  count?: number;
  parts?: Parts;
}

interface Group {
  done: Set<number>;
  count?: number;
}

interface Progress {
  groups: Map<string, Group>;
  /** Key of the first part that was done, while it may be the key of all. */
  first?: IdempotencyLease | undefined;
  ownKeys: boolean;
}

/** Deliveries that are divided and under way, by tag. */
const divided = new Map<string, Progress>();
/** Deliveries remembered; beyond these the ones that nobody settles any more are forgotten. */
const remembered = 1_000;

/** `batch` and others number messages too, but only a message that was divided has the type of what it was before. */
export function partsOf(value: unknown): Parts | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, index, type } = value as Record<string, unknown>;
  return typeof id === 'string' && Number.isInteger(index) && typeof type === 'string' ? (value as Parts) : undefined;
}

/**
 * Keys to be completed now that a part is done. Keys that the parts got after they were divided end with their part;
 * one that all share waits for the last, with which it is settled as usual. Which it is shows with the second part.
 */
export function keysOfPart(tag: string, lease: IdempotencyLease | undefined, last: boolean): IdempotencyLease[] {
  const progress = progressOf(tag);
  const { first } = progress;
  const shared = first === undefined || (first.scope === lease?.scope && first.key === lease.key);
  if (last) return shared ? [] : [first];
  if (lease === undefined) return [];
  if (progress.ownKeys) return [lease];
  if (shared) {
    progress.first = lease;
    return [];
  }
  progress.ownKeys = true;
  progress.first = undefined;
  return [first, lease];
}

/** Notes a part that is done. @returns whether the delivery is: all parts of it, and of those they were part of */
export function isLastPart(tag: string, parts: Parts): boolean {
  const { groups } = progressOf(tag);
  for (let part: Parts | undefined = parts; part !== undefined; part = partsOf(part.parts)) {
    const group = groups.get(part.id) ?? { done: new Set<number>() };
    groups.set(part.id, group);
    group.done.add(part.index);
    if (part.count !== undefined) group.count = part.count;
    if (group.count === undefined || group.done.size < group.count) return false;
  }
  return true;
}

/** The delivery is settled. */
export function forgetParts(tag: string): void {
  divided.delete(tag);
}

/** Forgets deliveries that are no longer open, when many are remembered. */
export function pruneParts(isOpen: (tag: string) => boolean): void {
  if (divided.size <= remembered) return;
  for (const tag of divided.keys()) if (!isOpen(tag)) divided.delete(tag);
}

function progressOf(tag: string): Progress {
  const known = divided.get(tag);
  if (known !== undefined) return known;
  const progress: Progress = { groups: new Map(), ownKeys: false };
  divided.set(tag, progress);
  return progress;
}

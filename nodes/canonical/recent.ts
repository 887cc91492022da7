/**
 * The last documents that a mapper took, in memory, so that a changed mapping can be tried on them before it is
 * deployed. Off unless the node is told to keep some; they outlast a deploy, never a restart.
 */
import type { RuntimeApi } from '../node/index.ts';

export interface RecentDocument {
  /** Number among those kept, never used twice. */
  key: string;
  /** Id of the event, where it has one. */
  event?: string;
  /** Day that lookups are read for. */
  asOf?: string;
  /** When it came, RFC 3339. */
  at: string;
  /** `mapped`, or the code of the failure. */
  outcome: string;
  document: string | Uint8Array;
}

/** Bytes of one document, and of all that a node keeps. */
export const documentLimit = 256 * 1024;
const totalLimit = 4 * 1024 * 1024;
export const keepLimit = 50;

export class RecentDocuments {
  #limit = 0;
  #next = 1;
  #size = 0;
  #kept: RecentDocument[] = [];

  /** Keeps that many from now on, and forgets what is beyond. */
  limit(count: number): void {
    this.#limit = Math.min(Math.max(Math.trunc(count) || 0, 0), keepLimit);
    this.#trim();
  }

  get keeps(): boolean {
    return this.#limit > 0;
  }

  /** A copy: what follows in the flow may change the tree. Undefined for what is too large or no document. */
  copyOf(payload: unknown): string | Uint8Array | undefined {
    if (typeof payload === 'string') return payload.length <= documentLimit ? payload : undefined;
    if (payload instanceof Uint8Array)
      return payload.length <= documentLimit ? Uint8Array.prototype.slice.call(payload) : undefined;
    if (typeof payload !== 'object' || payload === null) return undefined;
    try {
      const text = JSON.stringify(payload);
      return text.length <= documentLimit ? text : undefined;
    } catch {
      // Circular, which a later row may complain about; it is no document to keep.
      return undefined;
    }
  }

  add(document: Omit<RecentDocument, 'key'>): void {
    this.#kept.push({ key: String(this.#next++), ...document });
    this.#size += document.document.length;
    this.#trim();
  }

  /** The latest first. */
  list(): RecentDocument[] {
    return this.#kept.toReversed();
  }

  #trim(): void {
    while (this.#kept.length > this.#limit || this.#size > totalLimit)
      this.#size -= this.#kept.shift()!.document.length;
  }
}

/** By the runtime's admin server: each module has an API object of its own, but all have this one. */
const nodes = new WeakMap<RuntimeApi['httpAdmin'], Map<string, RecentDocuments>>();

function kept(RED: RuntimeApi): Map<string, RecentDocuments> {
  let map = nodes.get(RED.httpAdmin);
  if (map === undefined) {
    map = new Map();
    nodes.set(RED.httpAdmin, map);
  }
  return map;
}

/** What a node keeps; made where it is asked for the first time. */
export function recentOf(RED: RuntimeApi, node: string): RecentDocuments {
  const map = kept(RED);
  let recent = map.get(node);
  if (recent === undefined) {
    recent = new RecentDocuments();
    map.set(node, recent);
  }
  return recent;
}

export function forgetRecent(RED: RuntimeApi, node: string): void {
  kept(RED).delete(node);
}

/**
 * Documents that other slices hold of what a mapper took (dead letters, originals), for a dry run. They offer
 * themselves, because they are built on this slice.
 */
import type { AdminRequest, RuntimeApi } from '../node/index.ts';

export interface StoredDocument {
  /** Among those of its source. */
  key: string;
  event: string;
  /** RFC 3339. */
  at: string;
  /** What became of the message, or the code of its failure. */
  outcome: string;
  document: Uint8Array;
}

export interface DocumentSource {
  /** Shown beside each document. */
  readonly kind: 'letter' | 'original';
  /** False for a person who does not see all of it, and so none: it covers every partner. */
  readable(RED: RuntimeApi, request: AdminRequest): boolean;
  /**
   * The latest that the mapper `node` took as they are and that have at most `size` bytes, newest first; who asks says
   * so in the audit trail first.
   */
  latest(
    RED: RuntimeApi,
    asked: { node: string; request: AdminRequest; limit: number; size: number },
  ): Promise<StoredDocument[]>;
  /** Opens one to a person's eyes, said in the audit trail; undefined when it is gone. */
  open(
    RED: RuntimeApi,
    asked: { key: string; event: string; request: AdminRequest; reason: string },
  ): Promise<Uint8Array | undefined>;
}

const sources = new Map<DocumentSource['kind'], DocumentSource>();

export function offerDocuments(source: DocumentSource): void {
  sources.set(source.kind, source);
}

export function documentSources(): readonly DocumentSource[] {
  return [...sources.values()];
}

import { hash } from 'node:crypto';
import { canonicalJson } from '../../kernel/json.ts';

/** SHA-256, in hex, of what a document says: the order of its members and its white space do not matter. */
export function fingerprintOf(document: unknown): string {
  return hash('sha256', ArrayBuffer.isView(document) ? (document as Uint8Array) : canonicalJson(document), 'hex');
}

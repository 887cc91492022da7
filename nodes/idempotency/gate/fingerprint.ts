import { createHash } from 'node:crypto';
import { canonicalJson } from '../../kernel/json.ts';

/** SHA-256, in hex, of what a document says: the order of its members and its white space do not matter. */
export function fingerprintOf(document: unknown): string {
  const hash = createHash('sha256');
  if (ArrayBuffer.isView(document)) hash.update(document as Uint8Array);
  else hash.update(canonicalJson(document));
  return hash.digest('hex');
}

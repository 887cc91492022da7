/** Keys as configured, joined with their secrets. */
import { Failure } from '../../kernel/failure.ts';
import type { KeyEntry } from '../schemes/scheme.ts';
import type { KeyConfig } from '../webhook-verifier/webhook-verifier.def.ts';

/**
 * @param secretOf finds a key's secret; empty when there is none
 * @throws Failure `configuration` `KEY_WINDOW_INVALID` or `KEY_ID_INVALID`
 */
export function keyEntries(keys: readonly KeyConfig[], secretOf: (key: KeyConfig) => string): KeyEntry[] {
  const ids = new Set<string>();
  return keys.map((key, index) => {
    const id = key.id === '' ? `key-${index + 1}` : key.id;
    if (ids.has(id) || id.length > 128) {
      throw new Failure('configuration', 'KEY_ID_INVALID', `Two keys are named "${id}", or the name is too long.`);
    }
    ids.add(id);
    const notBefore = instant(id, key.notBefore);
    const notAfter = instant(id, key.notAfter);
    if (notBefore !== undefined && notAfter !== undefined && notBefore >= notAfter) {
      throw new Failure('configuration', 'KEY_WINDOW_INVALID', `The key "${id}" ends before it begins.`);
    }
    return {
      id,
      secret: secretOf(key).trim(),
      ...(notBefore === undefined ? {} : { notBefore }),
      ...(notAfter === undefined ? {} : { notAfter }),
    };
  });
}

function instant(id: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) {
    throw new Failure(
      'configuration',
      'KEY_WINDOW_INVALID',
      `The validity of the key "${id}" is not a time like 2027-01-31T00:00:00Z.`,
    );
  }
  return at;
}

/** Keys with validity windows: a new key is valid before the old one ends, so that rotation costs no outage. */
import { Failure } from '../../kernel/failure.ts';
import { type KeyEntry, mostKeys, type Rejected, rejected, type Trace } from './scheme.ts';

export interface Key<M> {
  id: string;
  material: M;
  notBefore: number;
  notAfter: number;
}

/**
 * @param read turns a secret into key material, or says in one sentence what is wrong with it
 * @throws Failure `configuration` `KEY_INVALID` or `NO_KEYS`
 */
export function prepareKeys<M>(
  entries: readonly KeyEntry[],
  read: (secret: string) => { material: M } | { problem: string },
): Key<M>[] {
  if (entries.length === 0) {
    throw new Failure('configuration', 'NO_KEYS', 'No key is set. Open the node and add the secret agreed on.');
  }
  if (entries.length > mostKeys) {
    throw new Failure('configuration', 'TOO_MANY_KEYS', `At most ${mostKeys} keys can be valid side by side.`);
  }
  return entries.map(({ id, secret, notBefore, notAfter }) => {
    const result = secret === '' ? { problem: 'its secret is empty' } : read(secret);
    if ('problem' in result) {
      throw new Failure('configuration', 'KEY_INVALID', `The key "${id}" cannot be used: ${result.problem}.`);
    }
    return { id, material: result.material, notBefore: notBefore ?? -Infinity, notAfter: notAfter ?? Infinity };
  });
}

/** Of the keys that matched, one that is valid now. */
export function currentKey<M>(
  matching: readonly Key<M>[],
  now: number,
  trace?: Trace,
): { kind: 'current'; key: Key<M> } | Rejected {
  const key = matching.find(({ notBefore, notAfter }) => notBefore <= now && now < notAfter);
  if (key === undefined) {
    return rejected('key-not-current', 'key window', trace, `matched key ${matching.map(({ id }) => id).join(', ')}`);
  }
  trace?.('key window', true, `key ${key.id}`);
  return { kind: 'current', key };
}

/** The shortest secret that guessing cannot reach, in bytes (NIST SP 800-107 section 5.3.4 asks for 14). */
export const shortestSecret = 16;

/** A secret used as it is written, as UTF-8. */
export function textSecret(secret: string): { material: Buffer } | { problem: string } {
  const material = Buffer.from(secret, 'utf8');
  return material.length < shortestSecret
    ? { problem: `its secret is shorter than ${shortestSecret} characters, so it could be guessed` }
    : { material };
}

/** A PEM (RFC 7468) whose line breaks were lost in a one-line field, as it was. */
export function restorePem(secret: string): string {
  const match = /^(-----BEGIN [A-Z ]{1,40}-----)([A-Za-z0-9+/=\s]+)(-----END [A-Z ]{1,40}-----)\s*$/.exec(
    secret.trim(),
  );
  if (match === null) return secret;
  const lines = match[2]!.replace(/\s+/g, '').match(/.{1,64}/g) ?? [];
  return [match[1], ...lines, match[3], ''].join('\n');
}

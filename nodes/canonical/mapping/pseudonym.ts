/**
 * Pseudonyms by keyed hash (HMAC-SHA-256): an account number has few digits, so a hash without a key is undone by
 * trying all of them. The key is in the environment alone: neither a mapping nor a flow file ever holds it.
 */
import { createHmac } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';

export const pseudonymKeyVariable = 'HEALTHFLOWS_PSEUDONYM_KEY';

/** Characters of the key at least; 16 random bytes in hexadecimal. */
const leastKey = 32;

/** Crockford's letters: nobody reads O for 0 or I for 1 over the telephone. */
const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * @returns 20 letters and digits (100 bits): among a hundred million accounts two alike are less likely than one in 10^14
 * @throws Failure `configuration` `PSEUDONYM_KEY` without a key: no document passes with the identifier itself
 */
export function pseudonymOf(identifier: string, key: string | undefined = process.env[pseudonymKeyVariable]): string {
  if ((key ?? '').length < leastKey) {
    throw new Failure(
      'configuration',
      'PSEUDONYM_KEY',
      `Pseudonyms need a key of at least ${leastKey} characters in the environment variable ${pseudonymKeyVariable} of Node-RED. Set it once (openssl rand -hex 32), keep a copy where keys are kept, and start again: another key gives other pseudonyms.`,
    );
  }
  const hash = createHmac('sha256', key!).update(identifier, 'utf8').digest();
  let out = '';
  for (let bit = 0; bit < 100; bit += 5) {
    const two = hash.readUInt16BE(bit >> 3);
    out += letters[(two >> (11 - (bit & 7))) & 31];
  }
  return out;
}

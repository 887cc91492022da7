/**
 * Payload columns of the store, encrypted when there is a key. Operations call this where a row is written or read, so
 * that on SQLite the work is done in the worker thread. What was written without a key stays readable as it is; a plain
 * payload that happens to begin like a sealed one is marked as plain.
 *
 * Sealed form: 00 48 46 ("HF"), kind (0 plain, 1 AES-256-GCM), then for kind 1 four bytes of the key's id, iv, tag and
 * ciphertext.
 */
import { Failure } from '../failure.ts';
import {
  decrypt,
  encrypt,
  formerKeysVariable,
  payloadKeys,
  type PayloadKeys,
  payloadKeyVariable,
} from '../payload-key.ts';

const magic = Buffer.from([0x00, 0x48, 0x46]);
const plainKind = 0;
const sealedKind = 1;
/** Bytes before the ciphertext's own parts, and where the key's id stands among them. */
const head = { length: 8, keyId: 4 } as const;

let cached: { current: string | undefined; former: string | undefined; keys: PayloadKeys } | undefined;

/** The keys of the environment, parsed once. */
function keys(): PayloadKeys {
  const current = process.env[payloadKeyVariable];
  const former = process.env[formerKeysVariable];
  if (cached?.current !== current || cached?.former !== former || cached === undefined)
    cached = { current, former, keys: payloadKeys(current, former) };
  return cached.keys;
}

/** @param context what the row is about and never changes; sealed for it, the bytes open for nothing else */
export function seal(plain: Uint8Array, context: string): Uint8Array {
  const { current } = keys();
  if (current !== undefined)
    return Buffer.concat([
      magic,
      Buffer.of(sealedKind),
      Buffer.from(current.id, 'hex'),
      encrypt(current, plain, context),
    ]);
  return startsWithMagic(plain) ? Buffer.concat([magic, Buffer.of(plainKind), plain]) : plain;
}

/** @throws Failure `PAYLOAD_KEY_MISSING`, `PAYLOAD_TAMPERED` */
export function unseal(stored: Uint8Array, context: string): Uint8Array {
  if (!startsWithMagic(stored)) return stored;
  const kind = stored[magic.length];
  if (kind === plainKind) return stored.subarray(magic.length + 1);
  if (kind === sealedKind && stored.length >= head.length) {
    const keyId = Buffer.from(stored.subarray(head.keyId, head.length)).toString('hex');
    return decrypt(keys(), keyId, stored.subarray(head.length), context);
  }
  throw new Failure('policy-rejection', 'PAYLOAD_TAMPERED', 'The stored payload was changed outside this package.');
}

function startsWithMagic(bytes: Uint8Array): boolean {
  return bytes.length > magic.length && magic.every((byte, i) => bytes[i] === byte);
}

/** SQL that tells the id of the key a payload column is sealed with, in hexadecimal; null for a plain one. */
export function keyIdSql(column: string, dialect: 'sqlite' | 'postgresql'): string {
  const prefix = `${magic.toString('hex')}0${sealedKind}`;
  return dialect === 'sqlite'
    ? `CASE WHEN lower(hex(substr(${column}, 1, 4))) = '${prefix}' THEN lower(hex(substr(${column}, 5, 4))) END`
    : `CASE WHEN encode(substring(${column} from 1 for 4), 'hex') = '${prefix}' THEN encode(substring(${column} from 5 for 4), 'hex') END`;
}

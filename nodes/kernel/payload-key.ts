/**
 * The keys that payloads are encrypted with at rest (AES-256-GCM, NIST SP 800-38D), from the environment: so that a
 * database file, a dump or a backup shows no document. The first encrypts; former ones only open what they sealed, and
 * may go when nothing is left that was sealed with them (`healthflows-store keys`).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { Failure } from './failure.ts';
import { keyBytes } from './key-bytes.ts';

export const payloadKeyVariable = 'HEALTHFLOWS_PAYLOAD_KEY';
export const formerKeysVariable = 'HEALTHFLOWS_PAYLOAD_KEYS_FORMER';

const ivLength = 12;
const tagLength = 16;

export interface PayloadKey {
  /** First 8 hexadecimal digits of the key's SHA-256: tells keys apart and nothing of the key. */
  readonly id: string;
  readonly bytes: Buffer;
}

export interface PayloadKeys {
  /** What new payloads are sealed with; undefined: they stay plain. */
  readonly current: PayloadKey | undefined;
  readonly byId: ReadonlyMap<string, PayloadKey>;
}

/**
 * @param current 32 bytes as 64 hexadecimal digits or as base64; undefined or empty for none
 * @param former the same, several separated by commas
 * @throws Failure `configuration` `PAYLOAD_KEY_INVALID`
 */
export function payloadKeys(
  current: string | undefined = process.env[payloadKeyVariable],
  former: string | undefined = process.env[formerKeysVariable],
): PayloadKeys {
  const first = keyOf(current, payloadKeyVariable);
  const others = (former ?? '').split(',').map((one) => keyOf(one, formerKeysVariable));
  const all = [...others, first].filter((key) => key !== undefined);
  return { current: first, byId: new Map(all.map((key) => [key.id, key])) };
}

function keyOf(text: string | undefined, variable: string): PayloadKey | undefined {
  const bytes = keyBytes(text, variable, 'PAYLOAD_KEY_INVALID');
  return bytes && { id: createHash('sha256').update(bytes).digest('hex').slice(0, 8), bytes };
}

/** @param context bound to the bytes: sealed for one place, they open for no other */
export function encrypt(key: PayloadKey, plain: Uint8Array, context: string): Buffer {
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, iv).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** @throws Failure `PAYLOAD_TAMPERED`, `PAYLOAD_KEY_MISSING` when the key with `keyId` is not there */
export function decrypt(keys: PayloadKeys, keyId: string, sealed: Uint8Array, context: string): Buffer {
  const key = keys.byId.get(keyId);
  if (key === undefined) {
    throw new Failure(
      'configuration',
      'PAYLOAD_KEY_MISSING',
      `This payload is encrypted with key ${keyId}, which is neither in ${payloadKeyVariable} nor in ${formerKeysVariable}. Start Node-RED with that key.`,
    );
  }
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, sealed.subarray(0, ivLength))
      .setAAD(Buffer.from(context))
      .setAuthTag(sealed.subarray(ivLength, ivLength + tagLength));
    return Buffer.concat([decipher.update(sealed.subarray(ivLength + tagLength)), decipher.final()]);
  } catch (cause) {
    throw new Failure('policy-rejection', 'PAYLOAD_TAMPERED', 'The stored payload was changed outside this package.', {
      cause,
    });
  }
}

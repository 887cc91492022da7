/**
 * Payloads of dead letters at rest: AES-256-GCM (NIST SP 800-38D) with a key from the environment, so that the
 * database file or a dump of it shows no document. Without a key the bytes are stored as they came.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';

export const payloadKeyVariable = 'HEALTHFLOWS_PAYLOAD_KEY';

const ivLength = 12;
const tagLength = 16;

export interface PayloadCipher {
  /** Short id of the key; null when bytes stay plain. */
  readonly keyId: string | null;
  /** @param context bound to the bytes: sealed for one letter, they open for no other */
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** @throws Failure `configuration` `PAYLOAD_KEY_MISSING` when the bytes were sealed with another key */
  open(sealed: Uint8Array, keyId: string | null, context: string): Buffer;
}

/**
 * @param key 32 bytes as 64 hexadecimal digits or as base64; undefined or empty for none
 * @throws Failure `configuration` `PAYLOAD_KEY_INVALID`
 */
export function payloadCipher(key: string | undefined = process.env[payloadKeyVariable]): PayloadCipher {
  const bytes = keyBytes(key);
  const keyId = bytes === undefined ? null : createHash('sha256').update(bytes).digest('hex').slice(0, 8);
  return {
    keyId,
    seal(plain, context) {
      if (bytes === undefined) return plain;
      const iv = randomBytes(ivLength);
      const cipher = createCipheriv('aes-256-gcm', bytes, iv).setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
    },
    open(sealed, sealedWith, context) {
      if (sealedWith === null) return Buffer.from(sealed);
      if (bytes === undefined || sealedWith !== keyId) {
        throw new Failure(
          'configuration',
          'PAYLOAD_KEY_MISSING',
          `This payload is encrypted with key ${sealedWith}, which is not the one in ${payloadKeyVariable}. Start Node-RED with that key.`,
        );
      }
      const decipher = createDecipheriv('aes-256-gcm', bytes, sealed.subarray(0, ivLength))
        .setAAD(Buffer.from(context))
        .setAuthTag(sealed.subarray(ivLength, ivLength + tagLength));
      try {
        return Buffer.concat([decipher.update(sealed.subarray(ivLength + tagLength)), decipher.final()]);
      } catch (cause) {
        throw new Failure(
          'policy-rejection',
          'PAYLOAD_TAMPERED',
          'The stored payload was changed outside this package.',
          {
            cause,
          },
        );
      }
    },
  };
}

function keyBytes(key: string | undefined): Buffer | undefined {
  if (key === undefined || key.trim() === '') return undefined;
  const text = key.trim();
  const bytes = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
  if (bytes.length === 32) return bytes;
  throw new Failure(
    'configuration',
    'PAYLOAD_KEY_INVALID',
    `${payloadKeyVariable} must be 32 bytes, as 64 hexadecimal digits or as base64. Make one with: openssl rand -hex 32`,
  );
}

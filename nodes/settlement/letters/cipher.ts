/**
 * Payloads of dead letters at rest. The id of the key stands in a column beside the bytes, where the console can tell
 * it without opening them. Without a key the bytes are stored as they came.
 */
import { decrypt, encrypt, payloadKeys } from '../../kernel/payload-key.ts';

export interface PayloadCipher {
  /** Short id of the key; null when bytes stay plain. */
  readonly keyId: string | null;
  /** @param context bound to the bytes: sealed for one letter, they open for no other */
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** @throws Failure `configuration` `PAYLOAD_KEY_MISSING` when the bytes were sealed with a key that is not there */
  open(sealed: Uint8Array, keyId: string | null, context: string): Buffer;
}

/**
 * @param key see `payloadKeys`; default from the environment
 * @throws Failure `configuration` `PAYLOAD_KEY_INVALID`
 */
export function payloadCipher(key?: string): PayloadCipher {
  const keys = payloadKeys(key);
  const { current } = keys;
  return {
    keyId: current?.id ?? null,
    seal: (plain, context) => (current === undefined ? plain : encrypt(current, plain, context)),
    open: (sealed, keyId, context) => (keyId === null ? Buffer.from(sealed) : decrypt(keys, keyId, sealed, context)),
  };
}

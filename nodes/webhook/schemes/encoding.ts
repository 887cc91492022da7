/** Strict readers for what signatures are written in: one value has one spelling, everything else is refused. */
import { createHash, timingSafeEqual } from 'node:crypto';

export type Encoding = 'base64' | 'base64url' | 'hex';

/** The bytes of `text`, or undefined unless it is the canonical spelling (hex in lower case, base64 with padding). */
export function decodeCanonical(text: string, encoding: Encoding): Buffer | undefined {
  if (text === '') return undefined;
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : undefined;
}

const secondsPattern = /^(?:0|[1-9]\d{0,11})$/;

/** Unix seconds written as plain digits, in milliseconds; undefined for any other spelling. */
export function parseUnixSeconds(text: string): number | undefined {
  return secondsPattern.test(text) ? Number(text) * 1000 : undefined;
}

/** Equality in a time that depends on the lengths only. */
export function equalBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Equality of secrets of any length, by their digests, so that not even the length shows. */
export function equalSecrets(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}

export function sha256Hex(...parts: (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest('hex');
}

/** Keys as the environment gives them: 32 bytes, written as 64 hexadecimal digits or as base64. */
import { Failure } from './failure.ts';

/**
 * @param variable where the text comes from, for the message
 * @param code of the failure
 * @param hint a further sentence for the message
 * @returns undefined for no text or an empty one
 * @throws Failure `configuration` with `code` for anything else than 32 bytes
 */
export function keyBytes(text: string | undefined, variable: string, code: string, hint = ''): Buffer | undefined {
  const trimmed = (text ?? '').trim();
  if (trimmed === '') return undefined;
  const bytes = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64');
  if (bytes.length === 32) return bytes;
  throw new Failure(
    'configuration',
    code,
    `${variable} must be 32 bytes, as 64 hexadecimal digits or as base64. Make a key with: openssl rand -hex 32${hint}`,
  );
}

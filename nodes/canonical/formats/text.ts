import { Failure } from '../../kernel/failure.ts';

const marks: readonly [encoding: string, bytes: readonly number[]][] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];

/**
 * Bytes as text: the byte order mark decides, else the encoding given, else UTF-8. Bytes that are not of the encoding
 * are refused, because a replacement character in a name or code is a silent change.
 * @throws Failure `data-quality` `TEXT_ENCODING`
 */
export function decodeText(bytes: Uint8Array, encoding = 'utf-8'): string {
  const marked = marks.find(([, mark]) => mark.every((byte, i) => bytes[i] === byte))?.[0] ?? encoding;
  try {
    return new TextDecoder(marked, { fatal: true }).decode(bytes);
  } catch {
    const named = /^[A-Za-z0-9._-]{1,40}$/.test(marked) ? marked : 'text';
    throw new Failure(
      'data-quality',
      'TEXT_ENCODING',
      `The document is not valid ${named}. Ask the sender for its character set.`,
    );
  }
}

/** Values that a reader makes of one document at most: separators alone would fill the memory. */
export const valueLimit = 1_000_000;

/**
 * The parts of a text, at most so many. `split` alone would take a hundred times the memory of a text that is all
 * separators before anybody counts.
 */
export function partsOf(text: string, separator: string | RegExp, limit: number, tooMany: () => Failure): string[] {
  const parts = text.split(separator, limit + 1);
  if (parts.length > limit) throw tooMany();
  return parts;
}

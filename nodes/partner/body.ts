/** What goes over the wire and what comes back, by media type. */
import { readDocument } from '../canonical/index.ts';
import { Failure } from '../kernel/failure.ts';
import type { PartnerAnswer } from './client/client.ts';

export interface Body {
  type: string;
  content: string | Uint8Array;
}

/**
 * Text and bytes go as they are, anything else as JSON.
 * @param type from the dialog; empty = by what the document looks like
 * @throws Failure `data-quality` where there is nothing to send
 */
export function bodyOf(payload: unknown, type: string): Body {
  if (payload === undefined || payload === null || payload === '') {
    throw new Failure(
      'data-quality',
      'PARTNER_NO_DOCUMENT',
      'The message has no document to send in the chosen place.',
      {
        outcome: 'none',
      },
    );
  }
  if (typeof payload === 'string') return { type: type || looksLike(payload), content: payload };
  if (payload instanceof Uint8Array) return { type: type || 'application/octet-stream', content: payload };
  return { type: type || 'application/json', content: JSON.stringify(payload) };
}

function looksLike(text: string): string {
  const head = text.slice(0, 64).trimStart();
  if (head.startsWith('<')) return 'application/xml';
  if (head.startsWith('ISA')) return 'application/EDI-X12';
  if (head.startsWith('MSH')) return 'application/hl7-v2';
  if (head.startsWith('{') || head.startsWith('[')) return 'application/json';
  return 'text/plain';
}

const readers: readonly [RegExp, Parameters<typeof readDocument>[0]][] = [
  [/[/+]json$/, 'json'],
  [/[/+]xml$/, 'xml'],
  [/^application\/edi-x12$/, 'x12'],
  [/^(x-)?application\/hl7-v2/, 'hl7v2'],
];

/**
 * What a partner answered: JSON, XML, X12 and HL7 v2 as trees, other text as text, anything else as bytes. Empty: undefined.
 * @throws Failure `data-quality` of the format for what is not well-formed
 */
export function answerOf({ type, bytes }: Pick<PartnerAnswer, 'type' | 'bytes'>): unknown {
  if (bytes === undefined || bytes.length === 0) return undefined;
  const format = readers.find(([pattern]) => pattern.test(type))?.[1];
  if (format !== undefined) return readDocument(format, bytes);
  return type.startsWith('text/') || type === 'application/x-www-form-urlencoded' ? bytes.toString('utf8') : bytes;
}

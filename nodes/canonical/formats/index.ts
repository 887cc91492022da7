/** Documents as plain trees: tolerant readers, strict writers, bounded in size and depth. */
import { Failure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import type { DocumentFormat } from '../mapping/mapping.ts';
import { csv } from './csv.ts';
import { hl7v2 } from './hl7v2.ts';
import { decodeText } from './text.ts';
import { x12 } from './x12.ts';
import { xml } from './xml.ts';

export type FormatOptions = Record<string, unknown>;

/** What a writer is told of the message: the envelopes of X12 and HL7 v2 carry a time and a number of their own. */
export interface WriteContext {
  /** Moment of the event, RFC 3339; a replay writes the same one again. */
  at: string;
  /** Id of the event; what numbers a document is derived from it where nothing else is given. */
  id: string;
  /** Number of the interchange in its series, where a store keeps one. */
  number?: number;
}

/** One format: text to tree and back. */
export interface Format {
  /** The series that numbers a document of this tree, for a format that has such; undefined where it is numbered. */
  series?(tree: unknown, options: FormatOptions): string | undefined;
  read(text: string, options: FormatOptions): unknown;
  write(tree: unknown, options: FormatOptions, context: WriteContext): string;
}

const json: Format = {
  read: (text) => parseJson(text.replace(/^\uFEFF/, '')),
  write: (tree) => JSON.stringify(tree),
};

/** FHIR wants decimals as JSON numbers: an exact number is written digit by digit. The document travels as text. */
const fhir: Format = { read: json.read, write: (tree) => JSON.stringify(tree) };

const formats: Record<DocumentFormat, Format> = { json, odoo: json, fhir, csv, xml, x12, hl7v2 };

/** Largest document that is read, in bytes. */
export const byteLimit = 10 * 1024 * 1024;

/**
 * Reads a document: bytes or text are parsed, a tree (already parsed) is taken as it is.
 * @throws Failure `data-quality` with a code of the format; the message never quotes the document
 */
export function readDocument(format: DocumentFormat, document: unknown, options: FormatOptions = {}): unknown {
  if (typeof document !== 'string' && !(document instanceof Uint8Array)) {
    if (typeof document === 'object' && document !== null) return document;
    throw new Failure(
      'data-quality',
      'MAPPING_NO_DOCUMENT',
      'The message has no document to map: an object, text or bytes were expected in msg.payload.',
    );
  }
  const size = document.length;
  if (size > byteLimit) {
    throw new Failure(
      'data-quality',
      'DOCUMENT_TOO_LARGE',
      `The document has ${size} bytes; the limit is ${byteLimit}.`,
    );
  }
  const text = typeof document === 'string' ? document : readableDocument(format, document, options);
  // No format allows it and no database keeps it; JSON and XML say so themselves.
  if ((format === 'csv' || format === 'x12' || format === 'hl7v2') && text.includes('\u0000')) {
    throw new Failure(
      'data-quality',
      'TEXT_NUL',
      'The document holds a NUL character. It may be in another character set (UTF-16), or not be a text at all.',
    );
  }
  return formatOf(format).read(text, options);
}

/** Bytes as the text that the format's reader takes. @throws Failure `data-quality` `TEXT_ENCODING` */
export const readableDocument = (format: DocumentFormat, bytes: Uint8Array, options: FormatOptions = {}): string =>
  decodeText(bytes, encodingOf(format, bytes, options));

/** Writes a tree as text. @throws Failure `data-quality` for what the format cannot express */
export function writeDocument(
  format: DocumentFormat,
  tree: unknown,
  options: FormatOptions = {},
  context: WriteContext = { at: new Date().toISOString(), id: '' },
): string {
  return formatOf(format).write(tree, options, context);
}

/** The series from which a store numbers the document; undefined where nothing is to be numbered. */
export const seriesOf = (format: DocumentFormat, tree: unknown, options: FormatOptions = {}): string | undefined =>
  formatOf(format).series?.(tree, options);

/** The character set: what the mapping says, else what an XML declaration says, else UTF-8. */
function encodingOf(format: DocumentFormat, document: Uint8Array, options: FormatOptions): string {
  if (typeof options.encoding === 'string') return options.encoding;
  if (format !== 'xml') return 'utf-8';
  const head = Buffer.from(document.subarray(0, 200)).toString('latin1');
  return /^<\?xml[^>]*encoding=["']([A-Za-z0-9._-]{1,40})["']/.exec(head)?.[1] ?? 'utf-8';
}

function formatOf(format: DocumentFormat): Format {
  const known = formats[format];
  if (known === undefined)
    throw new Failure('configuration', 'FORMAT_UNKNOWN', `There is no reader for the format "${format}".`);
  return known;
}

/** Formats whose documents travel as text rather than as an object. */
export const isTextFormat = (format: DocumentFormat): boolean => formatOf(format) !== json;

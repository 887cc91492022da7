/** Turns verified bytes into `msg.payload`. Only what proved authentic is parsed. */
import { isUtf8 } from 'node:buffer';
import { Failure } from '../../kernel/failure.ts';
import { isForbiddenKey, type JsonLimits, parseJson } from '../../kernel/json.ts';
import { isJson, parseMediaType } from '../ingress/media-type.ts';

/**
 * JSON types become the parsed document (numbers that a double cannot hold stay text), forms an object of strings,
 * `text/*` a string, everything else the Buffer itself. An empty body is an empty string.
 *
 * @throws Failure `data-quality` `JSON_*`, `TEXT_NOT_UTF8` or `FORM_INVALID`; never quotes the document
 */
export function readContent(body: Buffer, contentType: string | undefined, limits: JsonLimits): unknown {
  const type = parseMediaType(contentType);
  if (body.length === 0) return '';
  if (type === undefined) return body;
  if (isJson(type)) return parseJson(utf8(body), limits);
  if (type.essence === 'application/x-www-form-urlencoded') return readForm(utf8(body), limits.members ?? 10_000);
  const isUtf8 = type.charset === undefined || type.charset === 'utf-8' || type.charset === 'us-ascii';
  return type.essence.startsWith('text/') && isUtf8 ? utf8(body) : body;
}

/** Without a byte order mark, as every decoder of UTF-8 leaves it out. */
function utf8(body: Buffer): string {
  if (!isUtf8(body)) {
    throw new Failure(
      'data-quality',
      'TEXT_NOT_UTF8',
      'The body is not valid UTF-8. Check how the sender encodes text.',
    );
  }
  return body.toString('utf8', body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0);
}

/** A field sent once is a string, a repeated one a list. */
function readForm(text: string, limit: number): Record<string, string | string[]> {
  const form = new Map<string, string | string[]>();
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    if (++count > limit || isForbiddenKey(name)) {
      throw new Failure(
        'data-quality',
        'FORM_INVALID',
        'The form has too many fields or a field name that is refused.',
      );
    }
    const before = form.get(name);
    form.set(name, before === undefined ? value : [before, value].flat());
  }
  return Object.fromEntries(form);
}

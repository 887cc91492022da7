/** Which content types an endpoint takes (RFC 9110 section 8.3). */
import { Failure } from '../../kernel/failure.ts';

// An asterisk is a token character (RFC 9110), but stands for a wildcard here.
const token = "[A-Za-z0-9!#$%&'+.^_`|~-]+";
const mediaTypePattern = new RegExp(`^(${token})/(${token})[ \\t]*(?:;.*)?$`);
const charsetPattern = /;[ \t]*charset[ \t]*=[ \t]*"?([A-Za-z0-9._-]+)"?/i;
const longest = 256;

export interface MediaType {
  /** Lower case, without parameters: `application/fhir+json`. */
  essence: string;
  /** Lower case; undefined when not given. */
  charset: string | undefined;
}

export function parseMediaType(value: string | undefined): MediaType | undefined {
  if (value === undefined || value.length > longest) return undefined;
  const match = mediaTypePattern.exec(value.trim());
  if (match === null) return undefined;
  return {
    essence: `${match[1]}/${match[2]}`.toLowerCase(),
    charset: charsetPattern.exec(value)?.[1]?.toLowerCase(),
  };
}

export function isJson({ essence }: MediaType): boolean {
  return essence === 'application/json' || essence === 'text/json' || essence.endsWith('+json');
}

export class MediaTypes {
  readonly #exact = new Set<string>();
  readonly #patterns: { type: string; suffix: string }[] = [];

  /**
   * @param list comma-separated; `application/*+json` takes a whole suffix, `text/*` a whole type
   * @throws Failure `configuration` `MEDIA_TYPE_INVALID`
   */
  constructor(list: string) {
    for (const entry of list.split(',').map((part) => part.trim().toLowerCase())) {
      if (entry === '') continue;
      const wildcard = new RegExp(`^(${token})/\\*(\\+[a-z0-9.-]+)?$`).exec(entry);
      if (wildcard !== null) this.#patterns.push({ type: `${wildcard[1]}/`, suffix: wildcard[2] ?? '' });
      else if (parseMediaType(entry)?.essence === entry) this.#exact.add(entry);
      else {
        throw new Failure(
          'configuration',
          'MEDIA_TYPE_INVALID',
          'A content type is written like application/json, application/*+json or text/*.',
        );
      }
    }
    if (this.#exact.size === 0 && this.#patterns.length === 0) {
      throw new Failure('configuration', 'MEDIA_TYPE_INVALID', 'At least one content type must be accepted.');
    }
  }

  accepts(contentType: string | undefined): boolean {
    const type = parseMediaType(contentType);
    if (type === undefined) return false;
    if (isJson(type) && type.charset !== undefined && type.charset !== 'utf-8' && type.charset !== 'utf8') return false;
    return (
      this.#exact.has(type.essence) ||
      this.#patterns.some(
        ({ type: prefix, suffix }) => type.essence.startsWith(prefix) && type.essence.endsWith(suffix),
      )
    );
  }
}

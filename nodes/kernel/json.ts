import { Failure } from './failure.ts';

export interface JsonLimits {
  /** Deepest nesting of objects and arrays. Default 64. */
  depth?: number;
  /** Longest array and largest object, in members. Default 10,000. */
  members?: number;
}

const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);
const integer = /^-?\d{1,15}$/;

/** True for a key that could reach a prototype once a message is cloned (lodash.clonedeep turns an own `__proto__` into a real one). */
export function isForbiddenKey(key: string): boolean {
  return forbiddenKeys.has(key);
}

/**
 * Parses JSON (RFC 8259) without losing digits: an integer of at most 15 digits becomes a number, every other number
 * keeps its text as a string (`235.40` stays `"235.40"`), because IEEE 754 doubles hold neither money nor long
 * identifiers. Keys that could reach a prototype, nesting and member counts beyond the limits are refused.
 *
 * @throws Failure `data-quality` with a code of `JSON_*`; the message never quotes the document.
 */
export function parseJson(text: string, limits: JsonLimits = {}): unknown {
  const depthLimit = limits.depth ?? 64;
  const memberLimit = limits.members ?? 10_000;
  checkDepth(text, depthLimit);
  try {
    return JSON.parse(text, function (key, value, context?: { source?: string }) {
      if (forbiddenKeys.has(key) && !Array.isArray(this)) {
        throw new Failure(
          'data-quality',
          'JSON_FORBIDDEN_KEY',
          `The JSON document has the key "${key}", which is refused.`,
        );
      }
      if (typeof value === 'number') {
        const source = context?.source ?? String(value);
        return integer.test(source) && source !== '-0' ? value : source;
      }
      if (typeof value === 'object' && value !== null) {
        const members = Array.isArray(value) ? value.length : Object.keys(value).length;
        if (members > memberLimit) {
          throw new Failure(
            'data-quality',
            'JSON_TOO_MANY_MEMBERS',
            `An array or object in the JSON document has ${members} members; the limit is ${memberLimit}.`,
          );
        }
      }
      return value;
    } as (this: unknown, key: string, value: unknown) => unknown);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(
      'data-quality',
      'JSON_SYNTAX',
      "The body is not well-formed JSON. Check the sender's serialisation.",
    );
  }
}

/** One pass over the text, before the parser recurses into it. */
function checkDepth(text: string, limit: number): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > limit)
        throw new Failure('data-quality', 'JSON_TOO_DEEP', `The JSON document is nested deeper than ${limit} levels.`);
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
}

/** JSON with object keys sorted at every level (RFC 8785 order of members), for hashes and fingerprints. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value))
    return `[${value.map((item) => canonicalJson(item === undefined ? null : item)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const record = value as Record<string, unknown>;
    const members: string[] = [];
    for (const key of Object.keys(record).sort()) {
      if (record[key] !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(record[key])}`);
    }
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

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
  const plain = plainJson(text, depthLimit, memberLimit);
  if (plain === undefined) return parseCarefully(text, depthLimit, memberLimit);
  try {
    return JSON.parse(plain);
  } catch {
    throw notWellFormed();
  }
}

/** A reviver sees every value with its source text; it costs several times what parsing alone does. */
function parseCarefully(text: string, depthLimit: number, memberLimit: number): unknown {
  checkStructure(text, depthLimit, memberLimit);
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
        if (members > memberLimit) throw tooManyMembers(String(members), memberLimit);
      }
      return value;
    } as (this: unknown, key: string, value: unknown) => unknown);
  } catch (error) {
    throw error instanceof Failure ? error : notWellFormed();
  }
}

function notWellFormed(): Failure {
  return new Failure(
    'data-quality',
    'JSON_SYNTAX',
    "The body is not well-formed JSON. Check the sender's serialisation.",
  );
}

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * The text with every number that must keep its digits put in quotation marks, for `JSON.parse` without a reviver.
 * Undefined when the text is close to a limit, has a key that is or could be (written with escapes) a forbidden one, or
 * looks odd in any way: then the careful parser decides. So this one needs to know only what is surely harmless.
 */
function plainJson(text: string, depthLimit: number, memberLimit: number): string | undefined {
  const commas: number[] = [];
  let quoted = '';
  let copied = 0;
  const { length } = text;
  for (let i = 0; i < length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      const start = i + 1;
      let escaped = false;
      for (i = start; i < length; i++) {
        const d = text.charCodeAt(i);
        if (d === 0x22) break;
        if (d === 0x5c) {
          escaped = true;
          i++;
        }
      }
      if (i >= length) return undefined;
      const size = i - start;
      if ((escaped || size === 9 || size === 11) && isFollowedByColon(text, i + 1)) {
        if (escaped || isForbiddenKey(text.slice(start, i))) return undefined;
      }
    } else if (c === 0x2c) {
      const members = commas.length === 0 ? undefined : ++commas[commas.length - 1]!;
      if (members === undefined || members >= memberLimit) return undefined;
    } else if (c === 0x7b || c === 0x5b) {
      if (commas.push(0) > depthLimit) return undefined;
    } else if (c === 0x7d || c === 0x5d) {
      if (commas.pop() === undefined) return undefined;
    } else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      const start = i;
      let whole = true;
      for (i++; i < length; i++) {
        const d = text.charCodeAt(i);
        if (d >= 0x30 && d <= 0x39) continue;
        if (d !== 0x2e && d !== 0x2b && d !== 0x2d && d !== 0x65 && d !== 0x45) break;
        whole = false;
      }
      const digits = c === 0x2d ? i - start - 1 : i - start;
      const isNumber = whole && digits <= 15 && !(c === 0x2d && text.charCodeAt(start + 1) === 0x30);
      if (!isNumber) {
        const source = text.slice(start, i);
        if (!jsonNumber.test(source) || isFollowedByColon(text, i)) return undefined;
        quoted += `${text.slice(copied, start)}"${source}"`;
        copied = i;
      }
      i--;
    }
  }
  return copied === 0 ? text : quoted + text.slice(copied);
}

function isFollowedByColon(text: string, from: number): boolean {
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return c === 0x3a;
  }
  return false;
}

/**
 * One pass over the text, before the parser recurses into it. Ten times the members that are allowed are refused here,
 * before memory is spent on them; how many there are exactly (a name may come twice) only the parser can tell.
 */
function checkStructure(text: string, depthLimit: number, memberLimit: number): void {
  const commas: number[] = [];
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > depthLimit)
        throw new Failure(
          'data-quality',
          'JSON_TOO_DEEP',
          `The JSON document is nested deeper than ${depthLimit} levels.`,
        );
      commas.push(0);
    } else if (c === 0x7d || c === 0x5d) {
      depth--;
      commas.pop();
    } else if (c === 0x2c && commas.length > 0 && ++commas[commas.length - 1]! > 10 * memberLimit) {
      throw tooManyMembers(`more than ${10 * memberLimit}`, memberLimit);
    }
  }
}

const tooManyMembers = (members: string, limit: number): Failure =>
  new Failure(
    'data-quality',
    'JSON_TOO_MANY_MEMBERS',
    `An array or object in the JSON document has ${members} members; the limit is ${limit}.`,
  );

/** JSON with object keys sorted at every level (RFC 8785 order of members), for hashes and fingerprints. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  let out = '';
  if (Array.isArray(value)) {
    for (const item of value) out += `${out === '' ? '' : ','}${canonicalJson(item ?? null)}`;
    return `[${out}]`;
  }
  const record = value as Record<string, unknown>;
  for (const key of sorted(Object.keys(record))) {
    const member = record[key];
    if (member !== undefined) out += `${out === '' ? '' : ','}${nameText(key)}${canonicalJson(member)}`;
  }
  return `{${out}}`;
}

/** Names of members as JSON writes them, with the colon: documents have few, and writing one takes as long as a value. */
const nameTexts = new Map<string, string>();
const namesRemembered = 1_000;

function nameText(name: string): string {
  let text = nameTexts.get(name);
  if (text === undefined) {
    text = `${JSON.stringify(name)}:`;
    if (nameTexts.size < namesRemembered && name.length <= 64) nameTexts.set(name, text);
  }
  return text;
}

/** Sorts in place by UTF-16 code units. For the dozen keys of an object, insertion takes a fifth of what `sort` does. */
function sorted(keys: string[]): string[] {
  if (keys.length > 32) return keys.sort();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!;
    let at = i;
    for (; at > 0 && keys[at - 1]! > key; at--) keys[at] = keys[at - 1]!;
    keys[at] = key;
  }
  return keys;
}

/**
 * The path language of mappings. Paths are absolute and dotted:
 *
 * - `supplier.code` a field; `PriceAmount.@currencyID` an attribute, `PriceAmount.#text` the text of an element
 * - `lines[].sku` the same field of every item
 * - `identifiers[type=GLN].value` the item whose `type` is `GLN`; `N1[N1.01=ST].N3` looks deeper
 * - `notes[0]` the item at a position, from 0 (reading only)
 *
 * A list where one value is expected is an error unless it has one item: nothing is dropped silently.
 */

export type Step =
  | { kind: 'field'; key: string }
  | { kind: 'each'; key: string }
  | { kind: 'where'; key: string; by: readonly string[]; equals: string }
  | { kind: 'at'; key: string; index: number };

export interface Path {
  text: string;
  steps: readonly Step[];
  /** How many `[]` it has. */
  loops: number;
}

/** A path or row that cannot be used; becomes a deploy-time problem with its row number. */
export class MappingSyntax extends Error {}

const keyPattern = /^[A-Za-z0-9_@#$:-]{1,64}$/;
const refused = new Set(['__proto__', 'constructor', 'prototype', ...Object.getOwnPropertyNames(Object.prototype)]);

function checkKey(key: string, text: string): string {
  if (!keyPattern.test(key))
    throw new MappingSyntax(`the path "${text}" has the part "${key}", which is no field name`);
  if (refused.has(key)) throw new MappingSyntax(`the path "${text}" has the part "${key}", which is refused`);
  return interned(key);
}

/**
 * The same text as V8 keeps it for property names. A slice of a path is another string to it, and every read or write
 * by such a key looks it up in the table of names first; the mapper takes half as long again with them.
 */
const interned = (key: string): string => Object.keys({ [key]: 0 })[0]!;

/** @throws MappingSyntax saying what is wrong with it */
export function parsePath(text: string): Path {
  if (text.length > 512) throw new MappingSyntax('a path is longer than 512 characters');
  const steps = splitDots(text).map((part) => parseStep(part, text));
  if (steps.length > 32) throw new MappingSyntax(`the path "${text}" has more than 32 parts`);
  return { text, steps, loops: steps.filter((step) => step.kind === 'each').length };
}

/** Splits at dots outside brackets. */
function splitDots(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '[') inside = true;
    else if (c === ']') inside = false;
    else if (c === '.' && !inside) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function parseStep(part: string, text: string): Step {
  const open = part.indexOf('[');
  if (open < 0) return { kind: 'field', key: checkKey(part, text) };
  const key = checkKey(part.slice(0, open), text);
  if (!part.endsWith(']')) throw new MappingSyntax(`the path "${text}" has an open "[" in "${part}"`);
  const inner = part.slice(open + 1, -1);
  if (inner === '') return { kind: 'each', key };
  if (/^\d{1,5}$/.test(inner)) return { kind: 'at', key, index: Number(inner) };
  const equals = inner.indexOf('=');
  if (equals < 1) throw new MappingSyntax(`the path "${text}" has "[${inner}]"; use [], [0] or [field=value]`);
  const by = inner
    .slice(0, equals)
    .split('.')
    .map((name) => checkKey(name, text));
  const value = inner.slice(equals + 1);
  if (value === '' || value.length > 128)
    throw new MappingSyntax(`the path "${text}" compares with nothing in "[${inner}]"`);
  return { kind: 'where', key, by, equals: value };
}

/** The text of the first `count` steps. */
export function textOf(steps: readonly Step[]): string {
  return steps
    .map((step) => {
      if (step.kind === 'each') return `${step.key}[]`;
      if (step.kind === 'at') return `${step.key}[${step.index}]`;
      return step.kind === 'where' ? `${step.key}[${step.by.join('.')}=${step.equals}]` : step.key;
    })
    .join('.');
}

/** Position after the `n`-th `[]` step (n from 1): the steps up to there name the n-th loop. */
export function endOfLoop(path: Path, n: number): number {
  let seen = 0;
  for (let i = 0; i < path.steps.length; i++) {
    if (path.steps[i]!.kind === 'each' && ++seen === n) return i + 1;
  }
  return -1;
}

export type Getter = (value: unknown) => unknown;

/** What a getter returns where the source has several values and the path does not say which. */
export const ambiguous: unique symbol = Symbol('ambiguous');

function field(value: unknown, key: string): unknown {
  if (typeof value === 'object' && value !== null) {
    if (!Array.isArray(value)) return (value as Record<string, unknown>)[key];
    if (value.length === 1) return field(value[0], key);
    return value.length === 0 ? undefined : ambiguous;
  }
  // An XML element without attributes is read as its text.
  return key === '#text' ? value : undefined;
}

/** A list as it is, one thing as a list of one (an XML element that happens not to repeat), nothing as an empty list. */
export function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined || value === null || value === '' ? [] : [value];
}

function stepGetter(step: Exclude<Step, { kind: 'each' }>): Getter {
  const { key } = step;
  if (step.kind === 'field') return (value) => field(value, key);
  if (step.kind === 'at') return (value) => asList(field(value, key))[step.index];
  const { by, equals } = step;
  return (value) => {
    const found = field(value, key);
    if (found === ambiguous) return ambiguous;
    return asList(found).find((item) => sameText(by.reduce(field, item), equals));
  };
}

const sameText = (value: unknown, text: string): boolean =>
  value === text || (typeof value === 'number' && String(value) === text);

/** Compiles steps without loops into a function that reads them. */
export function getterOf(steps: readonly Step[]): Getter {
  const getters = steps.map((step) => {
    if (step.kind === 'each') throw new MappingSyntax('a loop cannot be read as one value');
    return stepGetter(step);
  });
  if (steps.length === 1 && steps[0]!.kind === 'field') {
    const { key } = steps[0]!;
    return (value) => {
      const found = field(value, key);
      return Array.isArray(found) ? single(found) : found;
    };
  }
  return (value) => {
    let current = value;
    for (const get of getters) {
      current = get(current);
      if (current === undefined || current === null || current === ambiguous) return current;
    }
    return Array.isArray(current) ? single(current) : current;
  };
}

const single = (values: unknown[]): unknown =>
  values.length === 1 ? values[0] : values.length === 0 ? undefined : ambiguous;

/** Compiles steps that may hold loops into a function that reads all values, in document order. */
export function collectorOf(steps: readonly Step[]): (value: unknown) => unknown[] {
  const first = steps.findIndex((step) => step.kind === 'each');
  if (first < 0) {
    const get = getterOf(steps);
    return (value) => {
      const found = get(value);
      return found === undefined || found === null ? [] : [found];
    };
  }
  const list = listGetter(steps.slice(0, first + 1));
  const rest = steps.slice(first + 1);
  if (rest.length === 0) return (value) => [...list(value)];
  const inner = collectorOf(rest);
  return (value) => list(value).flatMap(inner);
}

/** Compiles steps of which only the last is a loop into a function that reads the list. */
export function listGetter(steps: readonly Step[]): (value: unknown) => readonly unknown[] {
  const last = steps[steps.length - 1]!;
  const before = steps.length === 1 ? undefined : getterOf(steps.slice(0, -1));
  return (value) => {
    const holder = before === undefined ? value : before(value);
    return holder === ambiguous ? [ambiguous] : asList(field(holder, last.key));
  };
}

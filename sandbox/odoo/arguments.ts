/** Arguments of a method as it expects them; Python would stumble over anything else with a TypeError. */
import { typeError } from './errors.ts';
import type { Values } from './orm.ts';
import { isNothing, python } from './values.ts';

/** A list of texts; nothing counts as an empty one. */
export function textList(value: unknown): string[] {
  if (isNothing(value)) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw typeError(`a list of names was expected, not ${python(value)}`);
}

/** A dictionary; nothing counts as an empty one. */
export function dictionary(value: unknown): Values {
  if (isNothing(value)) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Values;
  throw typeError(`a dictionary was expected, not ${python(value)}`);
}

/** A list; nothing counts as an empty one. */
export function listOf(value: unknown): unknown[] {
  if (isNothing(value)) return [];
  if (Array.isArray(value)) return value as unknown[];
  throw typeError(`a list was expected, not ${python(value)}`);
}

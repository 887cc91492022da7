import { ambiguous } from './mapping/path.ts';

/** What stands somewhere, without its value: a person who needs that opens the document with a reason. */
export function maskedValue(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'nothing';
  if (value === ambiguous) return 'several values';
  switch (typeof value) {
    case 'string':
      return `text (${value.length})`;
    case 'number':
    case 'bigint':
      return 'a number';
    // A flag may be a finding.
    case 'boolean':
      return 'true or false';
    default:
      return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
  }
}

/** A search domain as rows of field, operator and value, and back. No DOM, so that it can be tested. */

export interface Row {
  field: string;
  operator: string;
  value: unknown;
}

export interface Rows {
  /** Whether all rows must hold or any one of them. */
  join: 'all' | 'any';
  rows: Row[];
}

/** Operators to choose from; the last two are what people mean by comparing with false. */
export const operators = [
  '=',
  '!=',
  '>',
  '>=',
  '<',
  '<=',
  'ilike',
  'not ilike',
  '=like',
  'in',
  'not in',
  'child_of',
  'is set',
  'is not set',
] as const;

const withoutValue = new Set(['is set', 'is not set']);

export function takesValue(operator: string): boolean {
  return !withoutValue.has(operator);
}

/** Undefined for a domain that rows cannot say: nested connectives, negations, sub-domains. */
export function rowsOf(domain: unknown): Rows | undefined {
  if (!Array.isArray(domain)) return undefined;
  const connectives = domain.filter((term) => typeof term === 'string');
  const terms = domain.slice(connectives.length);
  if (!domain.slice(0, connectives.length).every((term) => term === connectives[0])) return undefined;
  if (connectives.some((term) => term !== '|' && term !== '&')) return undefined;
  const any = connectives[0] === '|';
  // One connective fewer than terms joins them all; without any they are joined by "and".
  if (connectives.length > 0 && connectives.length !== terms.length - 1) return undefined;
  const rows = terms.map(rowOf);
  return rows.every((row) => row !== undefined) ? { join: any ? 'any' : 'all', rows } : undefined;
}

function rowOf(term: unknown): Row | undefined {
  if (!Array.isArray(term) || term.length !== 3) return undefined;
  const [field, operator, value] = term as unknown[];
  if (typeof field !== 'string' || typeof operator !== 'string') return undefined;
  if (value === false && operator === '=') return { field, operator: 'is not set', value };
  if (value === false && operator === '!=') return { field, operator: 'is set', value };
  return (operators as readonly string[]).includes(operator) ? { field, operator, value } : undefined;
}

/** Rows without a field yet are left out. */
export function domainOf({ join, rows }: Rows): unknown[] {
  const terms = rows
    .filter(({ field }) => field !== '')
    .map(({ field, operator, value }) =>
      takesValue(operator) ? [field, operator, value] : [field, operator === 'is set' ? '!=' : '=', false],
    );
  return join === 'any' ? [...terms.slice(1).map(() => '|'), ...terms] : terms;
}

/** A value as people type it. */
export function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}

const asTyped = new Set(['char', 'text', 'html', 'selection', 'date', 'datetime', 'float', 'monetary']);

/**
 * What was typed, as the value that Odoo compares with: ids and whole numbers as numbers, decimals as text.
 * @param type of the field; undefined where it is not known, then what looks like a whole number is one
 */
export function typedValue(text: string, operator: string, type: string | undefined): unknown {
  if (operator === 'in' || operator === 'not in')
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => single(part, type));
  return operator.includes('like') ? text : single(text.trim(), type);
}

function single(text: string, type: string | undefined): unknown {
  if (type !== undefined && asTyped.has(type)) return text;
  if ((type === undefined || type === 'boolean') && (text === 'true' || text === 'false')) return text === 'true';
  return /^-?(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

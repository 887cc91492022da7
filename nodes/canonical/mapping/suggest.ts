/**
 * Suggestions for targets that no row fills yet. They are shown with a score and its reasons, and taken one by one by
 * a person: on hard schemas the first suggestion is right in fewer than half of the cases, so none is ever applied on
 * its own.
 */
import { read } from '../mapper.ts';
import { entityNamed, type Field, fieldsOf } from '../model/fields.ts';
import { isCurrency, isDate, isInstant } from '../model/formats.ts';
import { isGln, toGtin14 } from '../schemas/check-digits.ts';
import { leavesOf } from '../preview.ts';
import { schemaFields } from '../schema-source.ts';
import { sourcesOf } from './check.ts';
import type { Mapping } from './mapping.ts';

export interface Suggestion {
  to: string;
  from: string;
  /** 0 to 1; from 0.8 on it is strong. */
  score: number;
  reasons: string[];
}

const synonyms: readonly (readonly string[])[] = [
  ['number', 'no', 'nr', 'num', 'id', 'code', 'identifier'],
  ['quantity', 'qty', 'amount', 'count'],
  ['price', 'cost', 'rate'],
  ['amount', 'total', 'sum', 'value'],
  ['supplier', 'vendor', 'seller', 'issuer'],
  ['buyer', 'customer', 'recipient'],
  ['product', 'item', 'article', 'sku', 'material'],
  ['unit', 'uom', 'measure'],
  ['description', 'name', 'text', 'title'],
  ['ship', 'deliver', 'delivery', 'destination'],
  ['date', 'day', 'on', 'at', 'time'],
  ['needed', 'need', 'requested', 'required', 'due', 'by'],
  ['issue', 'issued', 'order', 'document', 'created'],
  ['note', 'comment', 'remark', 'memo'],
  ['line', 'lines', 'row', 'position', 'items'],
  ['gtin', 'ean', 'barcode', 'upc'],
  ['lot', 'batch'],
  ['expiry', 'expiration', 'best', 'until'],
];

const groupOf = new Map<string, Set<number>>();
synonyms.forEach((words, group) => {
  for (const word of words) groupOf.set(word, (groupOf.get(word) ?? new Set()).add(group));
});

const tokens = (path: string): string[] =>
  path
    .replace(/\[[^\]]*\]/g, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');

function alike(a: string, b: string): number {
  if (a === b) return 1;
  const groups = groupOf.get(a);
  return groups !== undefined && [...(groupOf.get(b) ?? [])].some((group) => groups.has(group)) ? 0.7 : 0;
}

/** How well the words of one path are found in the other, last words counting double. */
function nameScore(source: string, target: string): number {
  const from = tokens(source);
  const to = tokens(target);
  const wanted = to.map((word, i) => ({ word, weight: i >= to.length - 2 ? 2 : 1 }));
  const total = wanted.reduce((sum, { weight }) => sum + weight, 0);
  const found = wanted.reduce(
    (sum, { word, weight }) => sum + weight * Math.max(0, ...from.map((other) => alike(other, word))),
    0,
  );
  return total === 0 ? 0 : found / total;
}

/** 1 when the sample value is what the field takes, 0 when it cannot be (a veto), 0.5 when it says nothing. */
function shapeScore(value: unknown, field: Field): number {
  const text = String(value ?? '');
  if (text === '') return 0.5;
  const isNumber = /^-?\d+([.,]\d+)?$/.test(text);
  switch (field.format) {
    case 'date':
      return isDate(text) || /^\d{4}-\d{2}-\d{2}T/.test(text) ? 1 : /^\d{8}$/.test(text) ? 0.7 : 0;
    case 'instant':
      return isInstant(text) ? 1 : /^\d{4}-\d{2}-\d{2}/.test(text) ? 0.6 : 0;
    case 'currency':
      return isCurrency(text) ? 1 : 0;
    case 'gln':
      return isGln(text) ? 1 : 0;
    case 'gtin14':
      return toGtin14(text) !== undefined ? 1 : 0;
    case 'email':
      return text.includes('@') ? 1 : 0;
    default:
  }
  if (/amount|value|perBase|percent/i.test(field.path.split('.').at(-1)!))
    return field.path.includes('identifiers') ? 0.5 : isNumber ? 1 : 0;
  if (field.type === 'boolean') return /^(true|false|y|n|yes|no|0|1)$/i.test(text) ? 1 : 0;
  if (field.type === 'integer') return /^-?\d+$/.test(text) ? 1 : 0;
  return isCurrency(text) || isInstant(text) ? 0.2 : 0.6;
}

/** At most five suggestions a target, for the targets that matter: required ones and those with a strong match. */
export function suggest(mapping: Partial<Pick<Mapping, 'source' | 'target' | 'rows'>>, sample: string): Suggestion[] {
  const { source, target } = mapping;
  const entity = target !== undefined && 'entity' in target ? entityNamed(target.entity) : undefined;
  if (source === undefined || entity === undefined || sample.trim() === '') return [];
  const leaves: { path: string; value: unknown }[] =
    schemaFields(source, sample)?.map(({ path }) => ({ path, value: undefined })) ?? leavesOf(read(source, sample));
  // The mapping may be unfinished.
  const rows = (Array.isArray(mapping.rows) ? mapping.rows : []).filter((row) => typeof row?.to === 'string');
  const filled = new Set(rows.map((row) => row.to.replace(/\[[^\]]*\]/g, '[]')));
  const used = new Set(rows.flatMap(sourcesOf));
  const found: Suggestion[] = [];
  for (const field of fieldsOf(entity)) {
    if (field.type === 'object' || field.type === 'array' || filled.has(field.path)) continue;
    if (/^(id|meta|ext|identifiers)\b|\.(id|system|use|validFrom|validTo)$|identifiers\[\]\.type$/.test(field.path))
      continue;
    const candidates = leaves
      .filter(({ path }) => loops(path) === loops(field.path.replaceAll('identifiers[]', 'identifiers')))
      .map(({ path, value }) => scored(path, value, field, used.has(path)))
      .filter((suggestion) => suggestion.score >= (field.required ? 0.3 : 0.55))
      .sort((a, b) => b.score - a.score);
    found.push(...candidates.slice(0, 5));
  }
  return found.sort((a, b) => b.score - a.score).slice(0, 200);
}

const loops = (path: string): number => path.split('[]').length - 1;

function scored(path: string, value: unknown, field: Field, used: boolean): Suggestion {
  const name = nameScore(path, field.path);
  const shape = shapeScore(value, field);
  const reasons: string[] = [];
  if (name >= 0.5) reasons.push('the names are alike');
  if (shape === 1) reasons.push('the sample value has the right form');
  if (used) reasons.push('the source is used by another row');
  const score = shape === 0 || name === 0 ? 0 : 0.65 * name + 0.35 * shape - (used ? 0.15 : 0);
  return { to: field.path, from: path, score: Math.round(Math.max(0, score) * 100) / 100, reasons };
}

/** How much may differ: versioned profiles with rules by supplier, category and value band. */
import { compare, isDecimal, multiply } from '../kernel/decimal.ts';
import { Failure } from '../kernel/failure.ts';
import { type LimitName, limits } from './editor-tables.ts';
import { compareRatios, over, type Ratio, times, whole } from './ratio.ts';

export type ToleranceName = LimitName;
export const toleranceNames = Object.keys(limits) as LimitName[];

/** As the dialog's table holds it: `any`, `0.02`, `2 %`, or both (`5; 2 %`: then both must hold). */
export type Limits = Record<ToleranceName, string>;

export interface ToleranceRule extends Partial<Limits> {
  /** Our code of the supplier; empty = every supplier. */
  supplier?: string;
  /** Product category and what is below it; empty = every category. */
  category?: string;
  /** Line or document value from which the rule holds; empty = from 0. */
  from?: string;
  /** Value below which it holds; empty = without end. */
  below?: string;
}

export interface ToleranceProfile {
  id: string;
  version: string;
  rules: readonly ToleranceRule[];
}

/**
 * No more than ordered, any part of it; not dearer than agreed, cheaper without end; rounding as Peppol BIS 3 allows
 * (R120: 0.02 a line); nothing that was not ordered; not later than agreed.
 */
export const defaultLimits: Limits = limits;

export const defaultProfile: ToleranceProfile = { id: 'default', version: '1.0.0', rules: [{}] };

interface Limit {
  any: boolean;
  absolute?: string;
  percent?: string;
}

interface Rule {
  index: number;
  conditions: number;
  supplier: string;
  category: string;
  from: string | undefined;
  below: string | undefined;
  limits: Partial<Record<ToleranceName, Limit>>;
}

/** What a line or document is, for choosing its rule. */
export interface Subject {
  supplier?: string;
  category?: string;
  /** In document currency. */
  value?: string;
}

export interface Tolerances {
  readonly id: string;
  readonly version: string;
  /** @returns the limits that hold and the number of the row they come from, from 1 */
  of(subject: Subject, name: ToleranceName): { limit: Limit; text: string; row: number };
}

/**
 * Prepares a profile, at deploy.
 * @throws Failure `configuration` naming the row and column that cannot be read
 */
export function tolerancesOf(profile: ToleranceProfile): Tolerances {
  const rules = profile.rules.map(ruleOf);
  const basic = Object.fromEntries(
    toleranceNames.map((name) => [name, limitOf(defaultLimits[name], 'defaults')]),
  ) as Record<ToleranceName, Limit>;
  return {
    id: profile.id,
    version: profile.version,
    of(subject, name) {
      const rule = rules
        .filter((candidate) => candidate.limits[name] !== undefined && holds(candidate, subject))
        .reduce<Rule | undefined>(
          (best, candidate) => (best === undefined || candidate.conditions > best.conditions ? candidate : best),
          undefined,
        );
      const limit = rule?.limits[name] ?? basic[name];
      return { limit, text: textOf(limit), row: rule === undefined ? 0 : rule.index + 1 };
    },
  };
}

/** True when `difference` (0 or more) from `expected` is within the limit. */
export function within(limit: Limit, difference: Ratio, expected: Ratio): boolean {
  if (limit.any || compareRatios(difference, whole('0')) <= 0) return true;
  if (limit.absolute !== undefined && compareRatios(difference, whole(limit.absolute)) > 0) return false;
  if (limit.percent !== undefined) {
    const allowed = times(expected, over(limit.percent, '100'));
    const positive = compareRatios(allowed, whole('0')) < 0 ? times(allowed, whole('-1')) : allowed;
    if (compareRatios(difference, positive) > 0) return false;
  }
  return true;
}

function textOf({ any, absolute, percent }: Limit): string {
  if (any) return 'any';
  return [absolute, percent === undefined ? undefined : `${percent} %`].filter((part) => part !== undefined).join('; ');
}

function ruleOf(rule: ToleranceRule, index: number): Rule {
  const where = `row ${index + 1}`;
  const amount = (text: string | undefined): string | undefined => {
    const value = (text ?? '').trim();
    if (value === '') return undefined;
    if (isDecimal(value)) return value;
    throw unreadable(where, 'value band', value);
  };
  const limits: Rule['limits'] = {};
  for (const name of toleranceNames) {
    const text = (rule[name] ?? '').trim();
    if (text !== '') limits[name] = limitOf(text, `${where}, ${name}`);
  }
  const supplier = (rule.supplier ?? '').trim();
  const category = (rule.category ?? '').trim().toLowerCase();
  const from = amount(rule.from);
  const below = amount(rule.below);
  const conditions = [supplier !== '', category !== '', from !== undefined || below !== undefined].filter(
    Boolean,
  ).length;
  return { index, conditions, supplier, category, from, below, limits };
}

function holds(rule: Rule, { supplier, category, value }: Subject): boolean {
  if (rule.supplier !== '' && rule.supplier !== supplier) return false;
  if (rule.category !== '') {
    const name = (category ?? '').toLowerCase();
    // Odoo writes a category with those above it: "Consumables / Gloves".
    if (name !== rule.category && !name.startsWith(`${rule.category} /`) && !name.endsWith(`/ ${rule.category}`))
      return false;
  }
  if (rule.from === undefined && rule.below === undefined) return true;
  if (value === undefined) return false;
  const amount = compare(value, '0') < 0 ? multiply(value, '-1') : value;
  if (rule.from !== undefined && compare(amount, rule.from) < 0) return false;
  return rule.below === undefined || compare(amount, rule.below) < 0;
}

/** @param where for the failure */
function limitOf(text: string, where: string): Limit {
  if (/^any$/i.test(text)) return { any: true };
  const limit: Limit = { any: false };
  for (const part of text.split(';').map((each) => each.trim())) {
    const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(part)?.[1];
    if (percent !== undefined && limit.percent === undefined) limit.percent = percent;
    else if (/^\d+(?:\.\d+)?$/.test(part) && limit.absolute === undefined) limit.absolute = part;
    else throw unreadable(where, 'tolerance', text);
  }
  return limit;
}

function unreadable(where: string, what: string, text: string): Failure {
  return new Failure(
    'configuration',
    'MATCH_TOLERANCE',
    `The ${what} "${text.slice(0, 40)}" (${where}) of the document-match node cannot be read. Write any, an amount such as 0.02, a share such as 2 %, or both divided by a semicolon.`,
    { outcome: 'none' },
  );
}

/**
 * Who must approve what: the approval matrix. Kept in a file of the user directory that is reviewed like code, or in
 * the node's own table. Pure.
 */
import { compare, isDecimal } from '../kernel/decimal.ts';
import { Failure } from '../kernel/failure.ts';
import { peopleOf } from './people.ts';
import { seatLimit } from './seats.ts';

/** One row. The first row that fits a request decides; an empty condition or `*` fits everything. */
export interface ApprovalRule {
  name: string;
  /** Decimal, this amount included; empty: without limit. Its sign does not count: a credit of 500 is 500. */
  upTo: string;
  /** ISO 4217. An amount is compared only within its currency. */
  currency: string;
  /** Values separated by commas; a final `*` stands for anything. */
  category: string;
  costCentre: string;
  /** Seats separated by `;`, alternatives within a seat by `,`: people or groups. `auto`: nobody needs to decide. */
  approvers: string;
}

export interface ApprovalPolicy {
  name: string;
  /** Of the file, as its reviewers number it. */
  version: string;
  rules: ApprovalRule[];
  groups: Record<string, string[]>;
  /** People who may take any seat once a request is escalated. */
  escalateTo: string;
  /** People who may let a request pass at once, in an emergency, up to an amount; somebody else reviews it after. */
  emergency: { people: string; upTo: string };
  /** Fields that an approver may change, e.g. `lines.*.quantity`. */
  editable: string[];
  /** Fields of the document that every approver sees, whatever its schema says, as `path` or `path = Label`. */
  show: string[];
}

/** What of a request the matrix looks at. */
export interface Asked {
  amount?: string;
  currency?: string;
  category?: string;
  costCentre?: string;
}

/** What a rule makes of a request; stored with it, so that a later change of the policy does not change it. */
export interface Assignment {
  rule: string;
  policy: string;
  /** Empty: nobody needs to decide. */
  seats: string[][];
  escalation: string[];
  emergency: string[];
}

const limits = { rules: 200, groups: 100, people: 200, text: 2_000, fields: 100 };

/** @throws Failure `configuration` `APPROVAL_POLICY` that names the row and what is wrong */
export function checkPolicy(policy: ApprovalPolicy): ApprovalPolicy {
  const { rules, groups, editable, show } = policy;
  if (rules.length === 0) throw wrong('has no row. Add at least one that says who approves.');
  if (rules.length > limits.rules) throw wrong(`has ${rules.length} rows; ${limits.rules} are possible.`);
  if (Object.keys(groups).length > limits.groups) throw wrong(`has more than ${limits.groups} groups.`);
  for (const [group, people] of Object.entries(groups)) {
    if (people.length === 0) throw wrong(`has a group "${group}" without people.`);
    if (people.length > limits.people) throw wrong(`has more than ${limits.people} people in the group "${group}".`);
  }
  rules.forEach((rule, index) => {
    const row = `in row ${index + 1}${rule.name === '' ? '' : ` (${rule.name})`}`;
    if (rule.upTo !== '' && !isDecimal(rule.upTo)) throw wrong(`has no amount ${row}: write it like 1500.00.`);
    if (rule.upTo !== '' && anything(rule.currency)) {
      throw wrong(`has an amount without a currency ${row}: 1,000 EUR and 1,000 JPY are not the same limit.`);
    }
    if (rule.approvers.length > limits.text) throw wrong(`has too long a list of approvers ${row}.`);
    const seats = seatsOf(rule, groups);
    if (seats === undefined) return;
    if (seats.length === 0) throw wrong(`names no approver ${row}. Write people or groups, or "auto" for nobody.`);
    if (seats.length > seatLimit) throw wrong(`asks for more than ${seatLimit} approvals ${row}.`);
    seats.forEach((seat, place) => {
      if (seat.length === 0) throw wrong(`names nobody for approval ${place + 1} ${row}.`);
    });
    const everybody = new Set(seats.flat());
    if (everybody.size < seats.length) {
      throw wrong(`asks for ${seats.length} approvals of ${everybody.size} people ${row}: nobody approves twice.`);
    }
  });
  if (policy.emergency.upTo !== '' && !isDecimal(policy.emergency.upTo)) {
    throw wrong('has no amount as the limit of an emergency: write it like 1500.00.');
  }
  if (editable.length > limits.fields || show.length > limits.fields) {
    throw wrong(`names more than ${limits.fields} fields.`);
  }
  return policy;
}

/**
 * The first row that fits.
 * @throws Failure `configuration` `APPROVAL_NO_RULE` when none does
 */
export function assign(policy: ApprovalPolicy, asked: Asked): Assignment {
  const rule = policy.rules.find((one) => fits(one, asked));
  if (rule === undefined) {
    throw new Failure(
      'configuration',
      'APPROVAL_NO_RULE',
      `No row of the approval policy ${labelOf(policy)} fits: ${wordsOf(asked)}. Add a row, the last one without conditions, and replay.`,
    );
  }
  const { groups } = policy;
  return {
    rule: rule.name === '' ? `row ${policy.rules.indexOf(rule) + 1}` : rule.name,
    policy: labelOf(policy),
    seats: seatsOf(rule, groups) ?? [],
    escalation: peopleOf(policy.escalateTo, groups),
    emergency: isWithin(asked.amount, policy.emergency.upTo) ? peopleOf(policy.emergency.people, groups) : [],
  };
}

/** Whether an amount stays within a limit; without a limit every amount does, an unknown amount only without one. */
export function isWithin(amount: string | undefined, upTo: string): boolean {
  if (upTo === '') return true;
  return amount !== undefined && compare(magnitude(amount), upTo) <= 0;
}

export function magnitude(amount: string): string {
  return amount.startsWith('-') ? amount.slice(1) : amount;
}

/**
 * A policy from a file.
 * @throws Failure `configuration` `APPROVAL_POLICY`
 */
export function policyOf(value: unknown, fallbackName: string): ApprovalPolicy {
  const file = objectOf(value, 'is no JSON object.');
  const emergency =
    file.emergency === undefined ? {} : objectOf(file.emergency, 'has an "emergency" that is no object.');
  const groups: Record<string, string[]> = {};
  for (const [group, people] of Object.entries(objectOf(file.groups ?? {}, 'has "groups" that are no object.'))) {
    groups[group] = textsOf(people, `groups.${group}`);
  }
  if (!Array.isArray(file.rules)) throw wrong('has no list "rules".');
  return checkPolicy({
    name: textOf(file.name ?? fallbackName, 'name'),
    version: textOf(file.version ?? '', 'version'),
    rules: file.rules.map((one, index) => {
      const rule = objectOf(one, `has no object in row ${index + 1}.`);
      const known = ['name', 'upTo', 'currency', 'category', 'costCentre', 'approvers'];
      const stranger = Object.keys(rule).find((key) => !known.includes(key));
      // A misspelt condition would be one that fits everything.
      if (stranger !== undefined) throw wrong(`has an unknown column "${stranger}" in row ${index + 1}.`);
      const cell = (name: keyof ApprovalRule) => textOf(rule[name] ?? '', `${name} of row ${index + 1}`).trim();
      return {
        name: cell('name'),
        upTo: cell('upTo'),
        currency: cell('currency'),
        category: cell('category'),
        costCentre: cell('costCentre'),
        approvers: cell('approvers'),
      };
    }),
    groups,
    escalateTo: textOf(file.escalateTo ?? '', 'escalateTo'),
    emergency: {
      people: textOf(emergency.people ?? '', 'emergency.people'),
      upTo: textOf(emergency.upTo ?? '', 'emergency.upTo').trim(),
    },
    editable: textsOf(file.editable ?? [], 'editable'),
    show: textsOf(file.show ?? [], 'show'),
  });
}

function fits(rule: ApprovalRule, { amount, currency, category, costCentre }: Asked): boolean {
  if (!anything(rule.currency) && rule.currency.trim().toUpperCase() !== (currency ?? '').toUpperCase()) return false;
  if (!isWithin(amount, rule.upTo)) return false;
  return matches(rule.category, category) && matches(rule.costCentre, costCentre);
}

function matches(patterns: string, value = ''): boolean {
  if (anything(patterns)) return true;
  const text = value.toLowerCase();
  return patterns
    .split(',')
    .map((pattern) => pattern.trim().toLowerCase())
    .some((pattern) =>
      pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern !== '' && text === pattern,
    );
}

function anything(condition: string): boolean {
  return condition.trim() === '' || condition.trim() === '*';
}

/** Undefined where nobody needs to decide. */
function seatsOf({ approvers }: ApprovalRule, groups: ApprovalPolicy['groups']): string[][] | undefined {
  if (approvers.trim().toLowerCase() === 'auto') return undefined;
  if (approvers.trim() === '') return [];
  return approvers.split(';').map((seat) => peopleOf(seat, groups));
}

function labelOf({ name, version }: ApprovalPolicy): string {
  return version === '' ? name : `${name} ${version}`;
}

function wordsOf({ amount, currency, category, costCentre }: Asked): string {
  const parts = [
    amount === undefined ? 'no amount' : `${amount} ${currency ?? 'without a currency'}`,
    ...(category === undefined ? [] : [`category ${category}`]),
    ...(costCentre === undefined ? [] : [`cost centre ${costCentre}`]),
  ];
  return parts.join(', ');
}

function objectOf(value: unknown, problem: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong(problem);
}

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string' && value.length <= limits.text) return value;
  throw wrong(`has no text as ${name}.`);
}

function textsOf(value: unknown, name: string): string[] {
  if (Array.isArray(value)) return value.map((item) => textOf(item, name));
  throw wrong(`has no list of texts as ${name}.`);
}

function wrong(problem: string): Failure {
  return new Failure('configuration', 'APPROVAL_POLICY', `The approval policy ${problem}`);
}

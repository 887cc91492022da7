/**
 * What an approver may change: fields that the policy names, to a value of the same kind, and amounts only downwards,
 * because a higher one might need other approvers.
 */
import { compare, isDecimal, toDecimal } from '../kernel/decimal.ts';
import { Failure } from '../kernel/failure.ts';
import { isForbiddenKey } from '../kernel/json.ts';
import type { FieldEdit } from './envelope.ts';
import { magnitude } from './policy.ts';

const limits = { edits: 100, text: 1_000, shown: 500 };

type Scalar = string | number | boolean | null;

export interface EditableField {
  path: string;
  value: Scalar;
  kind: 'text' | 'decimal' | 'boolean';
}

/** The fields of a document that patterns name, e.g. `lines.*.quantity`; `*` is every member of a list. */
export function editableFields(document: unknown, patterns: readonly string[]): EditableField[] {
  const fields = new Map<string, EditableField>();
  for (const pattern of patterns) {
    const steps = pattern.trim().split('.');
    if (steps.some((step) => step === '' || isForbiddenKey(step))) continue;
    walk(document, steps, []);
  }
  return [...fields.values()];

  function walk(value: unknown, steps: string[], path: string[]): void {
    if (fields.size >= limits.shown) return;
    const [step, ...rest] = steps;
    if (step === undefined) {
      if (isScalar(value)) fields.set(path.join('.'), { path: path.join('.'), value, kind: kindOf(value) });
    } else if (Array.isArray(value)) {
      const places = step === '*' ? [...value.keys()] : /^\d{1,6}$/.test(step) ? [Number(step)] : [];
      for (const place of places) if (place < value.length) walk(value[place], rest, [...path, String(place)]);
    } else if (typeof value === 'object' && value !== null && Object.hasOwn(value, step)) {
      walk((value as Record<string, unknown>)[step], rest, [...path, step]);
    }
  }
}

/**
 * Applies what a person typed; fields that stay as they are count for nothing.
 * @returns a copy of the document, and what is different
 * @throws Failure `policy-rejection` `EDIT_NOT_ALLOWED`, `EDIT_RAISES`; `data-quality` `EDIT_INVALID`
 */
export function applyEdits(
  document: unknown,
  wanted: unknown,
  patterns: readonly string[],
  by: string,
): { document: unknown; edits: FieldEdit[] } {
  if (!Array.isArray(wanted) || wanted.length > limits.edits) {
    throw invalid(`Changes are a list of at most ${limits.edits} fields.`);
  }
  const allowed = new Map(editableFields(document, patterns).map((field) => [field.path, field]));
  const copy = structuredClone(document);
  const edits: FieldEdit[] = [];
  for (const one of wanted as { path?: unknown; value?: unknown }[]) {
    const field = typeof one?.path === 'string' ? allowed.get(one.path) : undefined;
    if (field === undefined) {
      throw new Failure(
        'policy-rejection',
        'EDIT_NOT_ALLOWED',
        'The approval policy does not allow this field to be changed. Reject the request with a reason instead.',
      );
    }
    const to = converted(field, one.value);
    if (to === field.value) continue;
    put(copy, field.path.split('.'), to);
    edits.push({ path: field.path, from: field.value, to, by });
  }
  return { document: copy, edits };
}

function converted({ path, value, kind }: EditableField, typed: unknown): Scalar {
  if (kind === 'boolean') {
    if (typed === true || typed === 'true') return true;
    if (typed === false || typed === 'false') return false;
    throw invalid(`${path} is true or false.`);
  }
  if (typeof typed !== 'string' || typed.length > limits.text) {
    throw invalid(`${path} is text of at most ${limits.text} characters.`);
  }
  if (kind === 'text') return typed;
  const text = typed.trim();
  if (!isDecimal(text)) throw invalid(`${path} is a number like 12.50.`);
  const before = toDecimal(value);
  if (before === toDecimal(text)) return value;
  const turned =
    compare(before, '0') !== 0 && compare(text, '0') !== 0 && before.startsWith('-') !== text.startsWith('-');
  if (turned || compare(magnitude(text), magnitude(before)) > 0) {
    throw new Failure(
      'policy-rejection',
      'EDIT_RAISES',
      `${path} can only be lowered here: a higher value may need other approvers. Reject the request and ask for a new one.`,
    );
  }
  if (typeof value === 'string') return toDecimal(text);
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw invalid(`${path} is a whole number.`);
  return number;
}

function put(target: unknown, steps: string[], value: Scalar): void {
  const last = steps.pop()!;
  let inner = target as Record<string, unknown>;
  for (const step of steps) inner = inner[step] as Record<string, unknown>;
  inner[last] = value;
}

function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** An identifier of digits only is edited like text by nobody: it reads as a number, and may then only be lowered. */
function kindOf(value: Scalar): EditableField['kind'] {
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return isDecimal(value) ? 'decimal' : 'text';
  return typeof value === 'number' && Number.isSafeInteger(value) ? 'decimal' : 'text';
}

function invalid(problem: string): Failure {
  return new Failure('data-quality', 'EDIT_INVALID', problem);
}

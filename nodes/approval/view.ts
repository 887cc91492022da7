/**
 * What of a document an approver sees: of a canonical entity the fields whose sensitivity they may see, and what the
 * policy names. Nobody has said what an unknown document holds, so of that only the named fields are shown.
 */
import { entityOfSchema, project, type Sensitivity } from '../canonical/index.ts';
import type { Envelope } from './envelope.ts';
import { editableFields } from './edits.ts';

export interface ShownField {
  path: string;
  label: string;
  value: string | number | boolean | null;
  /** The person may change it. */
  editable?: 'text' | 'decimal' | 'boolean';
}

export interface DocumentView {
  /** Title of the canonical entity. */
  entity?: string;
  fields: ShownField[];
  /** Values of the document that are not shown. */
  hidden: number;
}

/** Public, internal and confidential: an approver must see prices. Staff and patients are behind `healthflows.reveal`. */
export const approverSees: readonly Sensitivity[] = ['P', 'I', 'C'];
const most = 500;

export function documentView(
  { message }: Envelope,
  policy: { show: readonly string[]; editable: readonly string[] },
  mayEdit: boolean,
): DocumentView {
  const { payload } = message;
  const entity = entityOf(message);
  const fields = new Map<string, ShownField>();
  for (const line of policy.show) {
    const [pattern = '', ...label] = line.split('=');
    for (const { path, value } of editableFields(payload, [pattern])) {
      fields.set(path, { path, label: label.join('=').trim() || labelOf(path), value });
    }
  }
  if (entity !== undefined) {
    const seen = project(entity.name, payload, { allow: approverSees, mode: 'drop' });
    for (const [path, value] of leaves(seen)) {
      if (path.startsWith('meta.') || fields.has(path)) continue;
      fields.set(path, { path, label: labelOf(path), value });
    }
  }
  for (const { path, value, kind } of editableFields(payload, policy.editable)) {
    const shown = fields.get(path) ?? { path, label: labelOf(path), value };
    fields.set(path, mayEdit ? { ...shown, editable: kind } : shown);
  }
  const all = leaves(payload).filter(([path]) => !path.startsWith('meta.'));
  const shown = [...fields.values()].slice(0, most);
  return {
    fields: shown,
    hidden: Math.max(0, all.length - shown.length),
    ...(entity === undefined ? {} : { entity: entity.title }),
  };
}

function entityOf({ payload, event }: Record<string, unknown>) {
  const schema =
    (event as { dataschema?: unknown } | undefined)?.dataschema ??
    (payload as { meta?: { schema?: unknown } } | null | undefined)?.meta?.schema;
  return typeof schema === 'string' ? entityOfSchema(schema) : undefined;
}

function leaves(
  value: unknown,
  path = '',
  found: [string, ShownField['value']][] = [],
): [string, ShownField['value']][] {
  if (found.length >= 10 * most) return found;
  if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) leaves(member, path === '' ? key : `${path}.${key}`, found);
  } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    found.push([path, value]);
  }
  return found;
}

/** `lines.0.unitPrice` → `Unit price`. */
function labelOf(path: string): string {
  const steps = path.split('.');
  const named = steps.filter((step) => !/^\d+$/.test(step)).slice(-2);
  const words = (
    named.length === 2 && /^(amount|value|code|id|name|currency|unit)$/.test(named[1]!) ? named : named.slice(-1)
  ).join(' ');
  const spaced = words.replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase();
  return spaced === '' ? path : spaced[0]!.toUpperCase() + spaced.slice(1);
}

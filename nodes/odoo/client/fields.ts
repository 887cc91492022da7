import { Failure } from '../../kernel/failure.ts';
import { isGone, newerName, olderName } from './renames.ts';

/** What `fields_get` tells about a field, as far as it is used here. */
export interface FieldInfo {
  name: string;
  type: string;
  /** Label in the user's language. */
  string: string;
  required: boolean;
  readonly: boolean;
  /** False for a field that is computed on the fly. */
  store: boolean;
  /** Model at the other end of a relation. */
  relation?: string;
  /** Allowed values with their labels. */
  selection?: [string, string][];
  help?: string;
}

export const fieldAttributes = ['type', 'string', 'required', 'readonly', 'store', 'relation', 'selection', 'help'];

/** The fields of one model on one server, found by their names in Odoo 19 or on the server itself. */
export class ModelFields {
  readonly model: string;
  readonly all: ReadonlyMap<string, FieldInfo>;

  constructor(model: string, description: Record<string, Record<string, unknown>>) {
    this.model = model;
    const all = new Map<string, FieldInfo>();
    for (const [name, field] of Object.entries(description)) {
      all.set(name, {
        name,
        type: String(field.type),
        string: typeof field.string === 'string' ? field.string : name,
        required: field.required === true,
        readonly: field.readonly === true,
        store: field.store !== false,
        ...(typeof field.relation === 'string' ? { relation: field.relation } : {}),
        ...(Array.isArray(field.selection) ? { selection: field.selection as [string, string][] } : {}),
        ...(typeof field.help === 'string' ? { help: field.help } : {}),
      });
    }
    this.all = all;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** @throws Failure `configuration` (`ODOO_UNKNOWN_FIELD`) with what the field may be called on this server */
  get(name: string): FieldInfo {
    const field = this.#find(name);
    if (field !== undefined) return field;
    const newer = newerName(this.model, name);
    const renamed = newer !== undefined && this.all.has(newer) ? newer : undefined;
    const near = renamed === undefined ? nearest(name, this.all.keys()) : [];
    const suggestion = renamed ?? near[0];
    const hint =
      renamed === undefined
        ? `${near.length === 0 ? '' : `Did you mean ${near.join(' or ')}? `}Pick a field that this Odoo has, or install the module that adds it.`
        : `It is called ${renamed} on this version.`;
    throw new Failure(
      'configuration',
      'ODOO_UNKNOWN_FIELD',
      `${this.model} has no field "${name.slice(0, 80)}" on this Odoo. ${hint}`,
      {
        outcome: 'none',
        detail: {
          model: this.model,
          field: name.slice(0, 80),
          ...(suggestion === undefined ? {} : { suggestion }),
        },
      },
    );
  }

  /** A value for this field is left out: older versions want it, and this one has no such field. */
  leavesOut(name: string): boolean {
    return isGone(this.model, name) && !this.has(name);
  }

  /**
   * Names of fields to read; one with a question mark (`qty_multiple?`) only where this Odoo has it, so that a flow can
   * name what an older and a newer version call by different things.
   */
  asked(names: readonly string[]): string[] {
    return names.flatMap((name) => {
      if (!name.endsWith('?')) return [name];
      const optional = name.slice(0, -1);
      return this.has(optional) ? [optional] : [];
    });
  }

  /** The name of a field in Odoo 19, for what goes out to the flow. */
  nameOut(name: string): string {
    const newer = newerName(this.model, name);
    return newer === undefined || this.all.has(newer) ? name : newer;
  }

  #find(name: string): FieldInfo | undefined {
    const older = olderName(this.model, name);
    return this.all.get(name) ?? (older === undefined ? undefined : this.all.get(older));
  }
}

/** Names that a typing error away could be meant, the nearest first. */
function nearest(name: string, names: Iterable<string>): string[] {
  const most = Math.max(2, name.length / 4);
  return [...names]
    .map((other) => ({ other, far: distance(name, other) }))
    .filter(({ far }) => far <= most)
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map(({ other }) => other);
}

/** Levenshtein distance, capped by the length of what a field name can be. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 10 || a.length > 60) return 99;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Field kinds and builders, in Odoo's own words (`odoo.fields`). */
import type { Env } from './orm.ts';

/** How a value lies in a table. Null is null here and becomes `false` only on the wire. */
export type Stored = string | number | boolean | null | readonly number[];
export type Row = { id: number; [field: string]: Stored };

export type FieldType =
  | 'boolean'
  | 'integer'
  | 'float'
  | 'monetary'
  | 'char'
  | 'text'
  | 'html'
  | 'date'
  | 'datetime'
  | 'selection'
  | 'binary'
  | 'json'
  | 'many2one'
  | 'many2one_reference'
  | 'one2many'
  | 'many2many';

/** A constant in written form, or what gives one. */
export type Default = string | number | boolean | ((env: Env) => unknown);

export interface Field {
  type: FieldType;
  string: string;
  required?: boolean;
  /** Written values are ignored, as Odoo does for computed fields. */
  readonly?: boolean;
  relation?: string;
  /** one2many: the many2one on the other side. */
  inverse?: string;
  /** one2many: which of the other side's rows count. */
  filter?: (row: Row) => boolean;
  selection?: readonly (readonly [string, string])[];
  default?: Default;
  /** Not stored; calculated at each read, not searchable by order. */
  compute?: (env: Env, row: Row) => Stored;
  index?: boolean;
  translate?: boolean;
  /** Decimals a float keeps (decimal.precision); more are rounded away silently. */
  digits?: number;
  /** Lives in the record that this many2one points to and is written there (`_inherits`). */
  delegate?: string;
  /** Not a field to the outside: neither described nor readable nor writable. */
  hidden?: boolean;
  /** Left out by `copy()`. */
  copy?: boolean;
  /** many2one: `restrict` refuses to delete the target, `cascade` deletes this row too, `set null` clears. */
  ondelete?: 'restrict' | 'cascade' | 'set null';
}

type Options = Omit<Field, 'type' | 'string' | 'relation' | 'inverse' | 'selection'>;

const simple =
  (type: FieldType) =>
  (label: string, options: Options = {}): Field => ({ type, string: label, ...options });

export const boolean = simple('boolean');
export const integer = simple('integer');
export const float = simple('float');
export const monetary = simple('monetary');
export const char = simple('char');
export const text = simple('text');
export const html = simple('html');
export const date = simple('date');
export const datetime = simple('datetime');
export const binary = simple('binary');
export const json = simple('json');

export function selection(label: string, values: Record<string, string>, options: Options = {}): Field {
  return { type: 'selection', string: label, selection: Object.entries(values), ...options };
}

export function many2one(relation: string, label: string, options: Options = {}): Field {
  return { type: 'many2one', string: label, relation, index: true, ...options };
}

export function one2many(relation: string, inverse: string, label: string): Field {
  return { type: 'one2many', string: label, relation, inverse };
}

export function many2many(relation: string, label: string, options: Options = {}): Field {
  return { type: 'many2many', string: label, relation, ...options };
}

/** The value of a field of the record a many2one points to (Odoo's `related=`), not stored. */
export function related(field: Field, through: string, name: string): Field {
  return {
    ...field,
    readonly: true,
    index: false,
    compute: (env, row) => {
      const target = env.follow(row, through);
      return target ? env.value(env.modelOf(row, through), target, name) : emptyOf(field.type);
    },
  };
}

export function emptyOf(type: FieldType): Stored {
  switch (type) {
    case 'boolean':
      return false;
    case 'integer':
    case 'float':
    case 'monetary':
    case 'many2one_reference':
      return 0;
    case 'one2many':
    case 'many2many':
      return [];
    default:
      return null;
  }
}

export const isX2many = (field: Field): boolean => field.type === 'one2many' || field.type === 'many2many';

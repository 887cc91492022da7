/**
 * The record layer: models, environments (user, context, transaction) and create/read/write/unlink/search with
 * Odoo's rules for access, companies, archived rows, x2many commands and required fields.
 */
import { compileDomain } from './domain.ts';
import { accessError, attributeError, missingError, userError, validationError, valueError } from './errors.ts';
import { char, datetime, emptyOf, type Field, integer, isX2many, many2one, type Row, type Stored } from './fields.ts';
import { Table, type Transaction } from './table.ts';
import { mandatory, python, toStored, toWire, truthy } from './values.ts';
import type { VersionProfile } from './versions.ts';

export type Values = Record<string, unknown>;
export type Args = Record<string, unknown>;
export type Operation = 'read' | 'write' | 'create' | 'unlink';

export interface Method {
  /** `@api.model` methods take no ids; record methods do. */
  api: 'model' | 'records';
  /** Names in Python's order; a trailing `?` marks one with a default. */
  params: readonly string[];
  /** Accepts `**kwargs`: over JSON-2 an unknown argument is then a TypeError (500), else a 422. */
  kwargs?: boolean;
  run: (env: Env, ids: number[], args: Args) => unknown;
}

export interface ModelDefinition {
  name: string;
  description: string;
  fields: Record<string, Field>;
  /** `_order`. @default 'id' */
  order?: string;
  /** `_rec_name`. @default 'name' */
  recName?: string;
  displayName?: (env: Env, row: Row) => string;
  methods?: Record<string, Method>;
  /** Groups of which the user needs one, by operation; nobody named: everybody. */
  access?: Partial<Record<Operation, readonly string[]>>;
  /** Record rule: which rows the user may see and change. */
  rule?: (env: Env, row: Row) => boolean;
  /** `mail.thread`: `message_post` and `message_ids`. */
  thread?: boolean;
  /** Wizard or session data: not in the journal. */
  transient?: boolean;
  /** Fills what Odoo computes or defaults on creation. `given` names what the client sent. */
  prepare?: (env: Env, row: Row, given: ReadonlySet<string>) => void;
  afterCreate?: (env: Env, row: Row) => void;
  beforeWrite?: (env: Env, rows: Row[], values: Record<string, Stored>) => void;
  afterWrite?: (env: Env, rows: Row[], changed: ReadonlySet<string>) => void;
  beforeUnlink?: (env: Env, rows: Row[]) => void;
  afterUnlink?: (env: Env, rows: Row[]) => void;
  /** Recalculates stored computed fields of a row marked with `env.touch`. */
  recompute?: (env: Env, row: Row) => void;
}

export interface Model extends ModelDefinition {
  order: string;
  recName: string;
  methods: Record<string, Method>;
  table: Table;
}

export const model = (params: readonly string[], run: (env: Env, args: Args) => unknown, kwargs = false): Method => ({
  api: 'model',
  params,
  kwargs,
  run: (env, _ids, args) => run(env, args),
});

export const records = (params: readonly string[], run: Method['run'], kwargs = false): Method => ({
  api: 'records',
  params,
  kwargs,
  run,
});

/** A button: a record method without arguments. */
export const action = (run: (env: Env, ids: number[]) => unknown): Method => records([], (env, ids) => run(env, ids));

const magicFields = (): Record<string, Field> => ({
  id: integer('ID', { readonly: true }),
  display_name: char('Display Name', { readonly: true, compute: (env, row) => env.label(env.owner(row), row) }),
  create_uid: many2one('res.users', 'Created by', { readonly: true, index: false }),
  create_date: datetime('Created on', { readonly: true }),
  write_uid: many2one('res.users', 'Last Updated by', { readonly: true, index: false }),
  write_date: datetime('Last Updated on', { readonly: true }),
});

/** Which model a row belongs to; rows themselves are plain data. */
const owners = new WeakMap<Row, Model>();

export class Database {
  readonly profile: VersionProfile;
  readonly models = new Map<string, Model>();
  /** Called with every created or changed row before the transaction ends (automations). */
  readonly observers: ((
    env: Env,
    model: Model,
    rows: Row[],
    event: 'create' | 'write' | 'unlink',
    changed: ReadonlySet<string>,
  ) => void)[] = [];
  /** An entry of a closed period is refused, as modules that forbid it do, instead of moved to the next open one. */
  refusesClosed = false;
  private posts: (() => Promise<void>)[] = [];

  constructor(profile: VersionProfile) {
    this.profile = profile;
  }

  /** A post that an automation wants sent. */
  outbound(post: () => Promise<void>): void {
    this.posts.push(post);
  }

  /** Sends them one after the other; the reply to the API call waits for it, as Odoo's does. */
  async sendPosts(): Promise<void> {
    const wanted = this.posts;
    this.posts = [];
    for (const post of wanted) await post();
  }

  define(definition: ModelDefinition): void {
    const fields = { ...magicFields(), ...definition.fields };
    const indexed = Object.entries(fields).flatMap(([name, field]) => (field.index && !field.compute ? [name] : []));
    this.models.set(definition.name, {
      ...definition,
      fields,
      order: definition.order ?? 'id',
      recName: definition.recName ?? 'name',
      methods: definition.methods ?? {},
      table: new Table(definition.name, indexed),
    });
  }

  get(name: string): Model {
    const found = this.models.get(name);
    if (!found) throw valueError(`Model ${python(name)} does not exist in registry.`);
    return found;
  }

  /** Puts a row back as the journal has it. */
  restore(name: string, id: number, row: Row | null): void {
    const target = this.models.get(name);
    if (!target) return;
    target.table.remove(id);
    if (row) {
      target.table.insert(row);
      owners.set(row, target);
    }
  }
}

export interface Context {
  lang?: string;
  tz?: string;
  allowed_company_ids?: number[];
  active_test?: boolean;
  bin_size?: boolean;
  [key: string]: unknown;
}

export class Env {
  readonly db: Database;
  readonly uid: number;
  readonly context: Context;
  readonly tx: Transaction;
  /** Superuser mode: no access rules. */
  readonly su: boolean;
  private groupsOfUser: ReadonlySet<string> | undefined;

  constructor(db: Database, uid: number, context: Context, tx: Transaction, su = false) {
    this.db = db;
    this.uid = uid;
    this.context = context;
    this.tx = tx;
    this.su = su;
  }

  get profile(): VersionProfile {
    return this.db.profile;
  }

  sudo(): Env {
    return this.su ? this : new Env(this.db, this.uid, this.context, this.tx, true);
  }

  with(context: Context): Env {
    return new Env(this.db, this.uid, { ...this.context, ...context }, this.tx, this.su);
  }

  /** Now, in the transaction's sense, at the second. */
  now(): string {
    return this.tx.startedAt.slice(0, 19);
  }

  today(): string {
    return this.tx.startedAt.slice(0, 10);
  }

  // Users, companies, access

  get groups(): ReadonlySet<string> {
    if (!this.groupsOfUser) {
      const user = this.row('res.users', this.uid);
      const ids = user ? list(user, this.profile.userGroups) : [];
      this.groupsOfUser = new Set(ids.map((id) => text(this.row('res.groups', id)!, 'code')));
    }
    return this.groupsOfUser;
  }

  /** Companies of this call, the first one being the default for new records. @throws AccessError for a foreign one */
  companies(): number[] {
    const user = this.row('res.users', this.uid);
    const allowed = user ? list(user, 'company_ids') : [];
    const asked = this.context.allowed_company_ids;
    if (asked && asked.length > 0) {
      if (!this.su && asked.some((id) => !allowed.includes(id))) {
        throw accessError('Access to unauthorized or invalid companies.');
      }
      return asked;
    }
    const own = user ? ref(user, 'company_id') : null;
    return own === null ? [...allowed] : [own, ...allowed.filter((id) => id !== own)];
  }

  company(): number {
    return this.companies()[0] ?? 1;
  }

  check(target: Model, operation: Operation): void {
    const needed = target.access?.[operation];
    if (this.su || !needed || needed.some((group) => this.groups.has(group)) || this.groups.has('base.group_system'))
      return;
    const verbs = { read: 'access', write: 'modify', create: 'create', unlink: 'delete' };
    throw accessError(
      `You are not allowed to ${verbs[operation]} '${target.description}' (${target.name}) records.\n\n` +
        `This operation is allowed for the following groups:\n${needed.map((group) => `\t- ${group}`).join('\n')}\n\n` +
        'Contact your administrator to request access if necessary.',
    );
  }

  // Rows

  row(name: string, id: number): Row | undefined {
    return this.db.get(name).table.rows.get(id);
  }

  /** @throws MissingError when any of the ids does not exist, AccessError when it belongs to a foreign company */
  browse(name: string, ids: readonly number[]): Row[] {
    const target = this.db.get(name);
    return ids.map((id) => {
      const row = target.table.rows.get(id);
      if (!row) {
        throw missingError(`Record does not exist or has been deleted.\n(Record: ${name}(${id},), User: ${this.uid})`);
      }
      this.checkRule(target, row);
      return row;
    });
  }

  one(name: string, id: number): Row {
    return this.browse(name, [id])[0]!;
  }

  owner(row: Row): Model {
    const found = owners.get(row);
    if (!found) throw new Error('A row without a model.');
    return found;
  }

  follow(row: Row, field: string): Row | undefined {
    const id = ref(row, field);
    return id === null ? undefined : this.row(this.modelOf(row, field), id);
  }

  modelOf(row: Row, field: string): string {
    return this.owner(row).fields[field]!.relation!;
  }

  label(target: Model, row: Row): string {
    if (target.displayName) return target.displayName(this, row);
    if (!target.fields[target.recName]) return `${target.name},${row.id}`;
    return String(this.value(target.name, row, target.recName) ?? '');
  }

  /** Rows of the other side of a one2many, in the other model's order. */
  lines(row: Row, field: string): Row[] {
    const definition = this.owner(row).fields[field]!;
    const target = this.db.get(definition.relation!);
    const ids = target.table.lookup(definition.inverse!, row.id) ?? [];
    const all = [...ids].map((id) => target.table.rows.get(id)!);
    const rows = definition.filter ? all.filter(definition.filter) : all;
    const visible =
      target.fields.active && this.context.active_test !== false ? rows.filter((line) => line.active) : rows;
    return visible.sort(comparator(this, target, target.order));
  }

  /** A field of a row in stored form, computed or followed where it is not a column. */
  value(name: string, row: Row, fieldName: string): Stored {
    const field = this.db.get(name).fields[fieldName]!;
    if (field.compute) return field.compute(this, row);
    if (field.type === 'one2many') return this.lines(row, fieldName).map((line) => line.id);
    if (field.translate && this.context.lang && this.context.lang !== 'en_US') {
      const translated = row[`${fieldName}@${this.context.lang}`];
      if (translated !== undefined && translated !== null) return translated;
    }
    return row[fieldName] ?? emptyOf(field.type);
  }

  // Create, write, unlink

  create(name: string, values: Values): number {
    const target = this.db.get(name);
    this.check(target, 'create');
    this.checkFields(target, values);
    const row: Row = { id: target.table.nextId() };
    const given = new Set<string>();
    const commands: [string, Field, unknown][] = [];
    values = this.delegated(target, undefined, values);
    for (const [fieldName, field] of Object.entries(target.fields)) {
      if (fieldName === 'id' || field.compute) continue;
      let value = values[fieldName];
      if (value === undefined || (field.readonly && !this.su)) {
        value = typeof field.default === 'function' ? field.default(this) : field.default;
        if (value === undefined) value = this.context[`default_${fieldName}`];
      } else given.add(fieldName);
      if (isX2many(field)) {
        if (value !== undefined) commands.push([fieldName, field, value]);
        if (field.type === 'many2many') row[fieldName] = [];
      } else row[fieldName] = value === undefined ? emptyOf(field.type) : toStored(name, fieldName, field, value);
    }
    row.create_uid = row.write_uid = this.uid;
    row.create_date = row.write_date = this.tx.startedAt;
    owners.set(row, target);
    target.prepare?.(this, row, given);
    this.checkColumns(target, row, Object.keys(target.fields));
    this.checkRule(target, row);
    this.tx.insert(target.table, row);
    for (const [fieldName, field, value] of commands) this.apply(target, row, fieldName, field, value);
    target.afterCreate?.(this, row);
    if (target.recompute) this.touch(name, row.id);
    for (const observe of this.db.observers) observe(this, target, [row], 'create', given);
    return row.id;
  }

  write(name: string, ids: readonly number[], values: Values): void {
    if (ids.length === 0) return;
    const target = this.db.get(name);
    this.check(target, 'write');
    const rows = this.browse(name, ids);
    this.checkFields(target, values);
    for (const row of rows) this.delegated(target, row, values);
    const stored: Record<string, Stored> = {};
    const commands: [string, Field, unknown][] = [];
    for (const [fieldName, value] of Object.entries(values)) {
      const field = target.fields[fieldName]!;
      if (fieldName === 'id' || field.compute || (field.readonly && !this.su)) continue;
      if (isX2many(field)) commands.push([fieldName, field, value]);
      else stored[this.column(field, fieldName)] = toStored(name, fieldName, field, value);
    }
    target.beforeWrite?.(this, rows, stored);
    // A watched field that is written its own value is not changed.
    const changed = new Set(
      Object.keys(values).filter((name) => !(name in stored) || rows.some((row) => row[name] !== stored[name])),
    );
    const stamp = { write_uid: this.uid, write_date: this.tx.startedAt };
    for (const row of rows) {
      this.tx.update(target.table, row, { ...stored, ...stamp });
      this.checkColumns(target, row, Object.keys(stored));
      for (const [fieldName, field, value] of commands) this.apply(target, row, fieldName, field, value);
      if (target.recompute) this.touch(name, row.id);
    }
    target.afterWrite?.(this, rows, new Set(Object.keys(values)));
    for (const observe of this.db.observers) observe(this, target, rows, 'write', changed);
  }

  /** Sets columns without access rules or hooks: what business methods use for state and computed fields. */
  set(row: Row, changes: Record<string, Stored>): void {
    const same = Object.entries(changes).every(([field, value]) => row[field] === value);
    if (same) return;
    this.tx.update(this.owner(row).table, row, {
      ...changes,
      write_uid: this.uid,
      write_date: this.tx.startedAt,
    });
  }

  unlink(name: string, ids: readonly number[]): void {
    const target = this.db.get(name);
    this.check(target, 'unlink');
    const rows = this.browse(name, ids);
    target.beforeUnlink?.(this, rows);
    for (const row of rows) {
      this.releaseReferences(name, row.id);
      this.tx.remove(target.table, row.id);
      const names = this.db.get('ir.model.data');
      for (const dataId of names.table.lookup('target', `${name},${row.id}`) ?? []) {
        this.tx.remove(names.table, dataId);
      }
    }
    target.afterUnlink?.(this, rows);
    for (const observe of this.db.observers) observe(this, target, rows, 'unlink', new Set());
  }

  touch(name: string, id: number): void {
    const ids = this.tx.dirty.get(name);
    if (ids) ids.add(id);
    else this.tx.dirty.set(name, new Set([id]));
  }

  flush(): void {
    for (const [name, ids] of this.tx.dirty) {
      this.tx.dirty.delete(name);
      const target = this.db.get(name);
      for (const id of ids) {
        const row = target.table.rows.get(id);
        if (row) target.recompute?.(this.sudo(), row);
      }
    }
  }

  // Search and read

  search(name: string, domain: unknown, options: { offset?: number; limit?: number; order?: string } = {}): number[] {
    const target = this.db.get(name);
    this.check(target, 'read');
    this.flush();
    const { test, candidates } = compileDomain(this, target, domain);
    const allowed = this.recordRule(target);
    const found: Row[] = [];
    const consider = (row: Row | undefined) => {
      if (row && test(row) && allowed(row)) found.push(row);
    };
    if (candidates) for (const id of candidates) consider(target.table.rows.get(id));
    else for (const row of target.table.rows.values()) consider(row);
    found.sort(comparator(this, target, options.order || target.order));
    const offset = options.offset ?? 0;
    const limit = options.limit || undefined;
    return found.slice(offset, limit === undefined ? undefined : offset + limit).map((row) => row.id);
  }

  /** @throws ValueError for a field the model does not have */
  read(name: string, ids: readonly number[], fields: readonly string[] | undefined, load = true): Values[] {
    const target = this.db.get(name);
    this.check(target, 'read');
    this.flush();
    const visible = (field: string) => target.fields[field] !== undefined && !target.fields[field].hidden;
    const wanted = fields && fields.length > 0 ? fields : Object.keys(target.fields).filter(visible);
    for (const field of wanted) {
      if (!visible(field)) throw valueError(`Invalid field ${python(field)} on model ${python(name)}`);
    }
    const allowed = this.recordRule(target);
    const labels = new Map<string, string>();
    const found: Values[] = [];
    for (const id of ids) {
      const row = target.table.rows.get(id);
      if (!row) continue;
      if (!allowed(row)) throw this.ruleViolation(target);
      const values: Values = { id };
      for (const field of wanted) {
        if (field !== 'id') values[field] = this.wireValue(target, row, field, load, labels);
      }
      found.push(values);
    }
    return found;
  }

  private wireValue(target: Model, row: Row, name: string, load: boolean, labels: Map<string, string>): unknown {
    const field = target.fields[name]!;
    const value = this.value(target.name, row, name);
    if (field.type === 'many2one') {
      if (value === null) return false;
      if (!load) return value;
      const key = `${field.relation},${value as number}`;
      let label = labels.get(key);
      if (label === undefined) {
        const other = this.db.get(field.relation!);
        const otherRow = other.table.rows.get(value as number);
        label = otherRow ? this.sudo().label(other, otherRow) : '';
        labels.set(key, label);
      }
      return [value, label];
    }
    if (field.type === 'binary' && value !== null && this.context.bin_size) return sizeText(value as string);
    return toWire(field.type, value);
  }

  // Internals

  private checkFields(target: Model, values: Values): void {
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      throw attributeError(`${python(values)} object has no attribute 'items'`);
    }
    for (const name of Object.keys(values)) {
      const field = target.fields[name];
      if (!field || (field.hidden && !this.su)) {
        throw valueError(`Invalid field ${python(name)} in ${python(target.name)}`);
      }
    }
  }

  /** Where a translated field of a non-default language is kept. */
  private column(field: Field, name: string): string {
    return field.translate && this.context.lang && this.context.lang !== 'en_US'
      ? `${name}@${this.context.lang}`
      : name;
  }

  private checkColumns(target: Model, row: Row, names: readonly string[]): void {
    for (const name of names) {
      const field = target.fields[name];
      if (!field || field.compute) continue;
      const value = row[name] ?? null;
      if (value === null) {
        if (field.required) throw mandatory(target.description, target.name, field.string, name);
      } else if (field.type === 'many2one' && field.index && !this.row(field.relation!, value as number)) {
        throw validationError(
          'The operation cannot be completed: another model is using the record you are trying to delete.\n\n' +
            `The troublesome model is: ${target.description} (${target.name})\nThe following constraint prevented the ` +
            `operation: ${target.name.replaceAll('.', '_')}_${name}_fkey\n\nHow about archiving the record instead?`,
        );
      }
    }
  }

  /**
   * `_inherits`: values of delegated fields go to the record behind the many2one, which a new record creates unless
   * it is given one. @returns the values with that many2one
   */
  private delegated(target: Model, row: Row | undefined, values: Values): Values {
    let through: string | undefined;
    const passed: Values = {};
    for (const [name, field] of Object.entries(target.fields)) {
      if (field.delegate === undefined) continue;
      through = field.delegate;
      if (values[name] !== undefined) passed[name] = values[name];
    }
    if (through === undefined) return values;
    const parent = row ? ref(row, through) : ((values[through] as number | null | undefined) ?? null);
    const model = target.fields[through]!.relation!;
    if (typeof parent === 'number') {
      if (Object.keys(passed).length > 0) this.write(model, [parent], passed);
      return values;
    }
    const own = Object.fromEntries(
      Object.entries(values).filter(([name]) => !(name in passed) && this.db.get(model).fields[name]),
    );
    const created = this.with({ create_product_product: false }).create(model, { ...own, ...passed });
    return { ...values, [through]: created };
  }

  private apply(target: Model, row: Row, name: string, field: Field, value: unknown): void {
    if (value === false || value === null) value = [[5]];
    if (!Array.isArray(value)) throw valueError(`Wrong value for ${target.name}.${name}: ${python(value)}`);
    const commands = value.every((item) => typeof item === 'number') ? [[6, 0, value]] : value;
    for (const command of commands as unknown[]) {
      if (!Array.isArray(command) || (command[0] === 6 && !Array.isArray(command[2])))
        throw valueError(`Wrong value for ${target.name}.${name}: ${python(value)}`);
      if (field.type === 'one2many') this.applyOne2many(row, name, field, command);
      else this.applyMany2many(target, row, name, field, command);
    }
  }

  private applyOne2many(row: Row, name: string, field: Field, [code, second, third]: unknown[]): void {
    const lines = field.relation!;
    const inverse = field.inverse!;
    const id = second as number;
    switch (code) {
      case 0:
        this.create(lines, { ...(third as Values), [inverse]: row.id });
        return;
      case 1:
        this.write(lines, [id], third as Values);
        return;
      case 2:
        this.unlink(lines, [id]);
        return;
      case 3:
      case 5:
      case 6: {
        const keep = new Set(code === 6 ? (third as number[]) : []);
        const current = this.with({ active_test: false }).lines(row, name);
        const gone = code === 3 ? [id] : current.map((line) => line.id).filter((line) => !keep.has(line));
        const cascade = this.db.get(lines).fields[inverse]!.ondelete === 'cascade';
        if (cascade || this.db.get(lines).fields[inverse]!.required) this.unlink(lines, gone);
        else this.write(lines, gone, { [inverse]: false });
        if (keep.size > 0) this.write(lines, [...keep], { [inverse]: row.id });
        return;
      }
      case 4:
        this.write(lines, [id], { [inverse]: row.id });
        return;
      default:
        throw valueError(`Unknown x2many command ${python(code)}`);
    }
  }

  private applyMany2many(target: Model, row: Row, name: string, field: Field, command: unknown[]): void {
    const [code, second, third] = command;
    const current = list(row, name);
    const id = second as number;
    const next = ((): readonly number[] => {
      switch (code) {
        case 0:
          return [...current, this.create(field.relation!, third as Values)];
        case 1:
          this.write(field.relation!, [id], third as Values);
          return current;
        case 2:
          this.unlink(field.relation!, [id]);
          return current.filter((other) => other !== id);
        case 3:
          return current.filter((other) => other !== id);
        case 4:
          return current.includes(id) ? current : [...current, id];
        case 5:
          return [];
        case 6:
          return [...new Set(third as number[])];
        default:
          throw valueError(`Unknown x2many command ${python(code)}`);
      }
    })();
    for (const other of next) {
      if (!this.row(field.relation!, other)) {
        throw missingError(`Record does not exist or has been deleted.\n(Record: ${field.relation}(${other},))`);
      }
    }
    this.tx.update(target.table, row, { [name]: next });
  }

  /** Foreign keys: what points to the deleted row. */
  private releaseReferences(name: string, id: number): void {
    for (const other of this.db.models.values()) {
      for (const [fieldName, field] of Object.entries(other.fields)) {
        if (field.type === 'many2many' && field.relation === name && !field.compute) {
          for (const row of other.table.rows.values()) {
            const ids = list(row, fieldName);
            if (ids.includes(id)) this.set(row, { [fieldName]: ids.filter((each) => each !== id) });
          }
        }
        if (field.type !== 'many2one' || field.relation !== name || field.compute || !field.index) continue;
        const pointing = [...(other.table.lookup(fieldName, id) ?? [])];
        if (pointing.length === 0) continue;
        if (field.ondelete === 'cascade') this.sudo().unlink(other.name, pointing);
        else if (field.ondelete === 'restrict' || field.required) {
          throw validationError(
            'The operation cannot be completed: another model is using the record you are trying to delete.\n\n' +
              `The troublesome model is: ${other.description} (${other.name})\nThe following constraint prevented the ` +
              `operation: ${other.name.replaceAll('.', '_')}_${fieldName}_fkey\n\nHow about archiving the record instead?`,
          );
        } else for (const pointer of pointing) this.set(other.table.rows.get(pointer)!, { [fieldName]: null });
      }
    }
  }

  private recordRule(target: Model): (row: Row) => boolean {
    const { rule } = target;
    if (this.su) return () => true;
    if (rule) return (row) => rule(this, row);
    if (!target.fields.company_id || target.name === 'res.users') return () => true;
    const allowed = new Set(this.companies());
    return (row) => {
      const company = ref(row, 'company_id');
      return company === null || allowed.has(company);
    };
  }

  private checkRule(target: Model, row: Row): void {
    if (!this.recordRule(target)(row)) throw this.ruleViolation(target);
  }

  private ruleViolation(target: Model): Error {
    return accessError(
      `Uh-oh! Looks like you have stumbled upon some top-secret records.\n\n` +
        `Sorry, ${target.description} (${target.name}) of this company or user are not yours to see.`,
    );
  }
}

/** "12.3 Kb": what `bin_size` gives in place of the data. */
function sizeText(base64: string): string {
  const bytes = Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
  const units = ['bytes', 'Kb', 'Mb', 'Gb'];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size.toFixed(2)} ${units[unit]}`;
}

/** `order` of a search: "name desc, id". @throws ValidationError when it names no column of the model */
export function comparator(env: Env, target: Model, order: string): (a: Row, b: Row) => number {
  const keys = order.split(',').map((part) => {
    const match = /^\s*([a-z_0-9]+)(?:\s+(asc|desc))?(?:\s+nulls\s+(?:first|last))?\s*$/i.exec(part);
    const field = match && target.fields[match[1]!];
    if (!match || !field) {
      throw userError(`Invalid "order" specified (${order}). A valid "order" specification is a comma-separated list.`);
    }
    if (field.compute || field.type === 'one2many') {
      throw valueError(`Cannot convert field ${target.name}.${match[1]} to SQL: it is not stored`);
    }
    const name = match[1]!;
    const text = field.type === 'many2one';
    return { name, relation: text ? field.relation! : undefined, sign: match[2]?.toLowerCase() === 'desc' ? -1 : 1 };
  });
  const keyOf = (row: Row, { name, relation }: { name: string; relation: string | undefined }): Stored => {
    const value = row[name] ?? null;
    if (relation === undefined || value === null) return value;
    const other = env.row(relation, value as number);
    return other ? env.sudo().label(env.db.get(relation), other) : null;
  };
  return (a, b) => {
    for (const key of keys) {
      if (a[key.name] === b[key.name]) continue;
      const left = keyOf(a, key);
      const right = keyOf(b, key);
      if (left === right) continue;
      // PostgreSQL: nulls last when ascending, first when descending.
      if (left === null) return key.sign;
      if (right === null) return -key.sign;
      return left < right ? -key.sign : key.sign;
    }
    return a.id - b.id;
  };
}

// Typed access to a row's columns

export const number = (row: Row, field: string): number => (row[field] as number | null) ?? 0;
export const text = (row: Row, field: string): string => (row[field] as string | null) ?? '';
export const ref = (row: Row, field: string): number | null => (row[field] as number | null) ?? null;
export const list = (row: Row, field: string): readonly number[] => (row[field] as readonly number[] | null) ?? [];
export const flag = (row: Row, field: string): boolean => truthy(row[field]);

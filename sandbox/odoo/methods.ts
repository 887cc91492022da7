/** The methods every Odoo model has (`odoo.models.BaseModel`), as far as they may be called from outside. */
import { dictionary, listOf } from './arguments.ts';
import { attributeError, keyError, typeError, userError, valueError } from './errors.ts';
import { isX2many } from './fields.ts';
import { formattedReadGroup, readGroup } from './group.ts';
import { load } from './load.ts';
import { type Args, type Env, type Method, type Model, model, records, type Values } from './orm.ts';
import { python } from './values.ts';

const optionalNumber = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const optionalText = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);
const names = (value: unknown): string[] | undefined =>
  Array.isArray(value) ? value.map((name) => String(name)) : undefined;

function range(args: Args): { offset?: number; limit?: number; order?: string } {
  const limit = optionalNumber(args.limit);
  const offset = optionalNumber(args.offset);
  if ((limit ?? 0) < 0) throw valueError(`Limit must not be negative: ${limit}`);
  const order = optionalText(args.order);
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(offset === undefined ? {} : { offset }),
    ...(order === undefined ? {} : { order }),
  };
}

/** Plain ids instead of `[id, name]` when `load` is anything but `_classic_read`. */
const classic = (args: Args): boolean => !('load' in args) || args.load === '_classic_read';

/** The model's methods, its own first. `undefined` for a name Odoo does not have or keeps private. */
export function methodOf(env: Env, target: Model, name: string): Method | undefined {
  return target.methods[name] ?? (target.thread ? threadMethods[name] : undefined) ?? baseMethods(env, target)[name];
}

export function methodNames(env: Env, target: Model): string[] {
  return Object.keys({ ...baseMethods(env, target), ...(target.thread ? threadMethods : {}), ...target.methods });
}

const cache = new WeakMap<Model, Record<string, Method>>();

function baseMethods(env: Env, target: Model): Record<string, Method> {
  const known = cache.get(target);
  if (known) return known;
  const methods = buildMethods(env, target);
  cache.set(target, methods);
  return methods;
}

function buildMethods({ profile }: Env, target: Model): Record<string, Method> {
  const name = target.name;
  const search = (env: Env, args: Args) => env.search(name, args.domain, range(args));
  const nameSearch = (env: Env, args: Args) => {
    const domain = listOf(args[profile.nameSearchDomain]);
    const label = optionalText(args.name);
    const operator = optionalText(args.operator) ?? 'ilike';
    const limit = optionalNumber(args.limit) ?? 100;
    const field = target.fields[target.recName] ? target.recName : undefined;
    const also = ['default_code', 'ref', 'barcode'].filter((key) => target.fields[key]);
    const keys = field ? [field, ...also] : also;
    const byName =
      label && keys.length > 0 ? [...keys.slice(1).map(() => '|'), ...keys.map((key) => [key, operator, label])] : [];
    const ids = env.search(name, [...domain, ...byName], { limit });
    return ids.map((id) => [id, env.label(target, env.one(name, id))]);
  };
  const methods: Record<string, Method> = {
    create: model(['vals_list'], (env, { vals_list }) => {
      const many = Array.isArray(vals_list) ? vals_list : [vals_list];
      const ids = many.map((values) => {
        if (typeof values !== 'object' || values === null || Array.isArray(values)) {
          throw attributeError(`${python(values)} object has no attribute 'keys'`);
        }
        return env.create(name, values as Values);
      });
      env.flush();
      return ids;
    }),
    write: records(['vals'], (env, ids, { vals }) => {
      if (typeof vals !== 'object' || vals === null || Array.isArray(vals)) {
        throw attributeError(`${python(vals)} object has no attribute 'keys'`);
      }
      env.write(name, ids, vals as Values);
      env.flush();
      return true;
    }),
    unlink: records([], (env, ids) => {
      env.unlink(name, ids);
      env.flush();
      return true;
    }),
    read: records(['fields?', 'load?'], (env, ids, args) => env.read(name, ids, names(args.fields), classic(args))),
    search: model(['domain', 'offset?', 'limit?', 'order?'], search),
    search_count: model(['domain', 'limit?'], (env, args) => search(env, args).length),
    search_read: model(
      ['domain?', 'fields?', 'offset?', 'limit?', 'order?', 'load?'],
      (env, args) => env.read(name, search(env, args), names(args.fields), classic(args)),
      true,
    ),
    fields_get: model(['allfields?', 'attributes?'], (env, args) =>
      fieldsGet(env, target, names(args.allfields), names(args.attributes)),
    ),
    default_get: model([profile.version === '19' ? 'fields' : 'fields_list'], (env, args) => {
      const wanted = names(args.fields ?? args.fields_list) ?? [];
      const found: Values = {};
      for (const key of wanted) {
        const field = target.fields[key];
        const value = typeof field?.default === 'function' ? field.default(env) : field?.default;
        if (value !== undefined) found[key] = value;
      }
      return found;
    }),
    name_search: model(['name?', `${profile.nameSearchDomain}?`, 'operator?', 'limit?'], nameSearch),
    name_create: model(['name'], (env, args) => {
      const id = env.create(name, { [target.recName]: args.name });
      return [id, env.label(target, env.one(name, id))];
    }),
    copy: records(['default?'], (env, ids, args) => {
      const copies = ids.map((id) => copy(env, target, id, dictionary(args.default)));
      env.flush();
      return copies;
    }),
    load: model(['fields', 'data'], (env, { fields, data }) => {
      if (!Array.isArray(fields) || !Array.isArray(data)) throw typeError('load() takes a list of fields and rows');
      return load(env, target, fields.map(String), data as unknown[][]);
    }),
    get_external_id: records([], (env, ids) => {
      const data = env.db.get('ir.model.data');
      return Object.fromEntries(
        ids.map((id) => {
          const [first] = data.table.lookup('target', `${name},${id}`) ?? [];
          return [String(id), first === undefined ? '' : String(data.table.rows.get(first)!.complete_name)];
        }),
      );
    }),
    get_metadata: records([], (env, ids) =>
      env.read(name, ids, ['create_uid', 'create_date', 'write_uid', 'write_date']).map((row) => ({
        ...row,
        xmlid: false,
        noupdate: false,
      })),
    ),
    action_archive: records([], (env, ids) => archive(env, target, ids, false)),
    action_unarchive: records([], (env, ids) => archive(env, target, ids, true)),
    read_group: model(['domain', 'fields', 'groupby', 'offset?', 'limit?', 'orderby?', 'lazy?'], (env, args) =>
      readGroup(env, target, args),
    ),
    check_access_rights: model(['operation', 'raise_exception?'], (env, args) => {
      try {
        env.check(target, args.operation as 'read');
        return true;
      } catch (error) {
        if (args.raise_exception === false) return false;
        throw error;
      }
    }),
    has_access: records(['operation'], (env, _ids, args) => {
      try {
        env.check(target, args.operation as 'read');
        return true;
      } catch {
        return false;
      }
    }),
    web_search_read: model(['domain', 'specification', 'offset?', 'limit?', 'order?', 'count_limit?'], (env, args) => {
      const ids = env.search(name, args.domain, range(args));
      const total = env.search(name, args.domain).length;
      return { length: total, records: webRead(env, target, ids, dictionary(args.specification)) };
    }),
    web_read: records(['specification'], (env, ids, args) => webRead(env, target, ids, dictionary(args.specification))),
    web_save: records(['vals', 'specification', 'next_id?'], (env, ids, args) => {
      const saved = ids.length > 0 ? ids : [env.create(name, dictionary(args.vals))];
      if (ids.length > 0) env.write(name, ids, dictionary(args.vals));
      env.flush();
      return webRead(env, target, saved, dictionary(args.specification));
    }),
    get_field_translations: records(['field_name', 'langs?'], (env, ids, args) => {
      const field = args.field_name as string;
      const row = env.one(name, ids[0] ?? 0);
      const source = row[field] ?? '';
      const translations = ['en_US', 'fr_FR'].map((lang) => ({
        lang,
        source,
        value: lang === 'en_US' ? source : (row[`${field}@${lang}`] ?? ''),
      }));
      return [translations, { translation_type: 'char', translation_show_source: false }];
    }),
    update_field_translations: records(['field_name', 'translations'], (env, ids, args) => {
      for (const [lang, value] of Object.entries(dictionary(args.translations))) {
        env.with({ lang }).write(name, ids, { [args.field_name as string]: value });
      }
      return true;
    }),
  };
  if (profile.publicExists) {
    methods.exists = records([], (env, ids) => ids.filter((id) => env.row(name, id)));
  }
  if (profile.version === '19') {
    methods.formatted_read_group = model(
      ['domain', 'groupby?', 'aggregates?', 'having?', 'offset?', 'limit?', 'order?'],
      (env, args) => formattedReadGroup(env, target, args),
    );
  }
  return methods;
}

function archive(env: Env, target: Model, ids: number[], active: boolean): boolean {
  if (!target.fields.active) throw userError(`You cannot archive ${target.description}.`);
  env.write(target.name, ids, { active });
  return true;
}

function copy(env: Env, target: Model, id: number, changes: Values): number {
  const row = env.one(target.name, id);
  const values: Values = {};
  for (const [name, field] of Object.entries(target.fields)) {
    if (field.compute || field.readonly || field.copy === false || name in changes) continue;
    if (field.type === 'one2many') {
      const lines = env.db.get(field.relation!);
      values[name] = env.lines(row, name).map((line) => {
        const inner: Values = {};
        for (const [key, definition] of Object.entries(lines.fields)) {
          if (definition.compute || definition.readonly || definition.copy === false || key === field.inverse) continue;
          if (isX2many(definition)) continue;
          inner[key] = line[key] ?? false;
        }
        return [0, 0, inner];
      });
    } else values[name] = field.type === 'many2many' ? [[6, 0, row[name] ?? []]] : (row[name] ?? false);
  }
  return env.create(target.name, { ...values, ...changes });
}

function fieldsGet(env: Env, target: Model, wanted: string[] | undefined, attributes: string[] | undefined): Values {
  env.check(target, 'read');
  const found: Values = {};
  for (const [name, field] of Object.entries(target.fields)) {
    if (field.hidden || (wanted && wanted.length > 0 && !wanted.includes(name))) continue;
    const all: Values = {
      name,
      type: field.type,
      string: field.string,
      required: field.required ?? false,
      readonly: field.readonly ?? false,
      store: !field.compute && field.type !== 'one2many',
      searchable: true,
      sortable: !field.compute && field.type !== 'one2many',
      company_dependent: false,
      change_default: false,
      ...(field.relation ? { relation: field.relation, domain: [], context: {} } : {}),
      ...(field.inverse ? { relation_field: field.inverse } : {}),
      ...(field.selection ? { selection: field.selection } : {}),
      ...(field.type === 'char' ? { translate: field.translate ?? false, trim: true } : {}),
      ...(field.digits === undefined ? {} : { digits: [16, field.digits] }),
      ...(field.type === 'monetary' ? { currency_field: 'currency_id' } : {}),
    };
    found[name] =
      attributes && attributes.length > 0
        ? Object.fromEntries(Object.entries(all).filter(([key]) => attributes.includes(key)))
        : all;
  }
  return found;
}

/** `web_read`: fields by name, each with the fields of what it points to: `{ partner_id: { fields: { name: {} } } }`. */
function webRead(env: Env, target: Model, ids: readonly number[], specification: Values): Values[] {
  const fields = Object.keys(specification);
  const rows = env.read(target.name, ids, fields.length > 0 ? fields : ['id'], false);
  return rows.map((row) => {
    const values: Values = { ...row };
    for (const [name, wanted] of Object.entries(specification)) {
      const field = target.fields[name]!;
      const { fields: nested } = dictionary(wanted);
      if (nested === undefined || !field.relation || values[name] === false) continue;
      const other = env.db.get(field.relation);
      const inner = Array.isArray(values[name]) ? (values[name] as number[]) : [values[name] as number];
      const read = webRead(env, other, inner, dictionary(nested));
      values[name] = isX2many(field) ? read : (read[0] ?? false);
    }
    return values;
  });
}

const threadMethods: Record<string, Method> = {
  message_post: records(
    ['body?', 'subject?', 'message_type?', 'attachment_ids?', 'subtype_xmlid?', 'partner_ids?', 'body_is_html?'],
    (env, ids, args) => {
      if (ids.length !== 1) throw valueError('Expected singleton');
      const id = ids[0]!;
      const target = args.$model as string;
      env.browse(target, [id]);
      const message = env.sudo().create('mail.message', {
        model: target,
        res_id: id,
        body: args.body ?? '',
        subject: args.subject ?? false,
        message_type: args.message_type ?? 'notification',
        author_id: env.row('res.users', env.uid)?.partner_id ?? false,
        attachment_ids: [[6, 0, (args.attachment_ids as number[] | undefined) ?? []]],
      });
      return [message];
    },
    true,
  ),
};

/** `getattr(model, name)`: private and unknown names fail alike in JSON-RPC's `builtins.AttributeError`. */
export function unknownMethod(target: Model, name: string): Error {
  return attributeError(`The method '${target.name}.${name}' does not exist`);
}

/** Positional and named arguments bound to a method's parameters, as Python would. */
export function bind(
  target: Model,
  methodName: string,
  method: Method,
  positional: readonly unknown[],
  named: Args,
  mismatch: (message: string) => Error,
): Args {
  const parameters = method.params.map((parameter) => parameter.replace('?', ''));
  const label = `${target.name}.${methodName}()`;
  if (positional.length > parameters.length) {
    throw mismatch(
      `${label} takes ${parameters.length + 1} positional arguments but ${positional.length + 1} were given`,
    );
  }
  const args: Args = {};
  for (const [index, value] of positional.entries()) args[parameters[index]!] = value;
  for (const [key, value] of Object.entries(named)) {
    if (key.startsWith('$')) throw keyError(key);
    if (key in args) throw mismatch(`${label} got multiple values for argument '${key}'`);
    if (!parameters.includes(key)) {
      if (method.kwargs) throw typeError(`${label} got an unexpected keyword argument '${key}'`);
      throw mismatch(`${label} got an unexpected keyword argument '${key}'`);
    }
    args[key] = value;
  }
  for (const parameter of method.params) {
    if (!parameter.endsWith('?') && !(parameter in args)) {
      throw mismatch(`missing a required argument: '${parameter}'`);
    }
  }
  args.$model = target.name;
  return args;
}

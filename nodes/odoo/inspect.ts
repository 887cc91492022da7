/** What dialogs ask a server: a connection test in one line, and lists to pick from. */
import { toFailure } from '../kernel/failure.ts';
import { actions } from './client/actions.ts';
import type { OdooClient } from './client/client.ts';
import { type KeyExpiry, keyExpiry, warningAt } from './key-watch.ts';
import type { Right } from './usage.ts';

export interface ConnectionReport {
  version: string;
  protocol: 'json2' | 'jsonrpc';
  /** Milliseconds of one small call. */
  latency: number;
  user: string;
  company: string;
  /** Of the integration user's API keys, the one that ends first. */
  key?: KeyExpiry & { warning: boolean };
  /** Models the flows use, with what the user may do; common ones where no flow uses the server yet. */
  rights: ModelRights[];
}

/** `absent`: the module is not installed. `unknown`: this Odoo does not tell. */
export interface ModelRights {
  model: string;
  may: Right[] | 'absent' | 'unknown';
  /** What the flows need and the user may not. */
  lacks: Right[];
}

const allRights: readonly Right[] = ['read', 'write', 'create', 'unlink'];
/** Most models asked about in one test. */
const modelLimit = 40;
/** Asked about while no flow uses the server yet. */
const startingModels = [
  'res.partner',
  'product.product',
  'purchase.order',
  'sale.order',
  'account.move',
  'stock.picking',
] as const;
/** To pick from where the user may not list the models; any other may be typed. */
const commonModels = [
  'account.move',
  'account.move.line',
  'account.payment',
  'product.product',
  'product.template',
  'purchase.order',
  'purchase.order.line',
  'res.partner',
  'sale.order',
  'sale.order.line',
  'stock.location',
  'stock.lot',
  'stock.move',
  'stock.move.line',
  'stock.picking',
  'stock.quant',
  'uom.uom',
] as const;

/**
 * @param used models that the flows use with the rights they need, see `modelsInUse`
 * @throws Failure when the server does not answer or refuses the key
 */
export async function testConnection(
  client: OdooClient,
  used: ReadonlyMap<string, ReadonlySet<Right>> = new Map(),
): Promise<ConnectionReport> {
  const protocol = await client.protocol();
  const version = await client.version();
  const uid = await client.user();
  const started = performance.now();
  const [user] = (await client.call(
    { model: 'res.users', method: 'read', ids: [uid], args: { fields: ['name', 'login', 'company_id'] } },
    { effect: 'read' },
  )) as { name: string; login: string; company_id: [number, string] | false }[];
  const latency = Math.round(performance.now() - started);
  const key = await keyExpiry(client);
  const models =
    used.size > 0 ? [...used] : startingModels.map((model): [string, ReadonlySet<Right>] => [model, new Set()]);
  const rights = await Promise.all(
    models
      .sort(([a], [b]) => a.localeCompare(b))
      .slice(0, modelLimit)
      .map(([model, needs]) => rightsOn(client, model, needs, version.major)),
  );
  return {
    version: version.text,
    protocol,
    latency,
    user: user === undefined ? String(uid) : `${user.name} (${user.login})`,
    company: Array.isArray(user?.company_id) ? user.company_id[1] : '',
    ...(key === undefined ? {} : { key: { ...key, warning: warningAt(key.days) !== undefined } }),
    rights,
  };
}

async function rightsOn(
  client: OdooClient,
  model: string,
  needs: ReadonlySet<Right>,
  major: number,
): Promise<ModelRights> {
  const may: Right[] = [];
  const answer = (what: ModelRights['may']): ModelRights => ({
    model,
    may: what,
    lacks: what === 'unknown' ? [] : [...needs].filter((right) => !may.includes(right)),
  });
  try {
    await client.fields(model);
    for (const operation of allRights) {
      const granted = await client.call(
        major >= 18
          ? { model, method: 'has_access', ids: [], args: { operation } }
          : { model, method: 'check_access_rights', args: { operation, raise_exception: false } },
        { effect: 'read' },
      );
      if (granted === true) may.push(operation);
    }
  } catch (error) {
    const failure = toFailure(error);
    if (failure.code === 'ODOO_UNKNOWN_MODEL') return answer('absent');
    if (failure.class === 'policy-rejection') return answer(may);
    if (failure.class === 'dependency-outage') throw failure;
    return answer('unknown');
  }
  return answer(may);
}

export interface Choice {
  value: string;
  label: string;
}

/** Models to pick from: all where the user may list them, else the common ones. */
export async function modelChoices(client: OdooClient): Promise<Choice[]> {
  try {
    const rows = (await client.call(
      {
        model: 'ir.model',
        method: 'search_read',
        args: {
          domain: [
            ['transient', '=', false],
            ['abstract', '=', false],
          ],
          fields: ['model', 'name'],
          order: 'model',
          limit: 2_000,
        },
      },
      { effect: 'read' },
    )) as { model: string; name: string }[];
    return rows.map(({ model, name }) => ({ value: model, label: name }));
  } catch (error) {
    if (toFailure(error).class === 'dependency-outage') throw error;
    return commonModels.map((model) => ({ value: model, label: model }));
  }
}

export interface FieldChoice extends Choice {
  type: string;
  required: boolean;
  readonly: boolean;
  relation?: string;
  selection?: [string, string][];
  help?: string;
}

export async function fieldChoices(client: OdooClient, model: string): Promise<FieldChoice[]> {
  const fields = await client.fields(model);
  return [...fields.all.values()]
    .map((field) => ({
      value: fields.nameOut(field.name),
      label: field.string,
      type: field.type,
      required: field.required,
      readonly: field.readonly,
      ...(field.relation === undefined ? {} : { relation: field.relation }),
      ...(field.selection === undefined ? {} : { selection: field.selection }),
      ...(field.help === undefined ? {} : { help: field.help }),
    }))
    .sort((a, b) => Number(b.required) - Number(a.required) || a.value.localeCompare(b.value));
}

/** Public methods that integrations call, by model; any other may be typed. */
const methods: Record<string, string[]> = {
  'purchase.order': ['button_approve', 'button_cancel', 'button_draft', 'button_lock', 'button_unlock'],
  'sale.order': ['action_cancel', 'action_draft', 'action_lock', 'action_unlock'],
  'stock.picking': ['action_assign', 'action_confirm', 'action_cancel', 'do_unreserve'],
  'account.move': ['action_reverse', 'js_assign_outstanding_line'],
  'res.partner': ['name_search', 'action_archive', 'action_unarchive'],
};
const everyModel = ['name_search', 'default_get', 'get_metadata', 'action_archive', 'action_unarchive', 'copy'];

export function methodChoices(model: string): Choice[] {
  const names = new Set([...(methods[model] ?? []), ...everyModel]);
  return [...names].map((name) => ({ value: name, label: name }));
}

/** Steps that work on a model. */
export function actionsOf(model: string): string[] {
  return Object.entries(actions).flatMap(([name, action]) => (action.model === model ? [name] : []));
}

/** A server to hold to the contract: a sandbox profile, or the real Odoo that `ODOO_URL` names. */
import { randomBytes } from 'node:crypto';
import { apiKeys, type OdooVersion, type SandboxOdoo, startSandboxOdoo } from '../../../sandbox/odoo/index.ts';

export type Protocol = 'json2' | 'jsonrpc';

export interface Target {
  url: string;
  database: string;
  login: string;
  key: string;
  /** Major version. */
  version: number;
  /** Present for the sandbox: switches and a look behind the wire. */
  sandbox: SandboxOdoo | undefined;
  close(): Promise<void>;
}

export async function sandboxTarget(version: OdooVersion): Promise<Target> {
  const sandbox = await startSandboxOdoo({ version });
  return {
    url: sandbox.url,
    database: sandbox.database,
    login: sandbox.login,
    key: apiKeys.bot,
    version: Number(version),
    sandbox,
    close: () => sandbox.close(),
  };
}

/** Environment of a real server; undefined unless all of it is set. */
export const realServer = ((): { url: string; database: string; login: string; key: string } | undefined => {
  const { ODOO_URL: url, ODOO_DB: database, ODOO_API_KEY: key, ODOO_LOGIN: login } = process.env;
  return url && database && key ? { url: url.replace(/\/$/, ''), database, key, login: login ?? '' } : undefined;
})();

export async function realTarget(): Promise<Target> {
  if (!realServer) throw new Error('Set ODOO_URL, ODOO_DB, ODOO_API_KEY and, for JSON-RPC, ODOO_LOGIN.');
  const target = { ...realServer, version: 0, sandbox: undefined, close: async () => {} };
  const reply = await http(target, 'POST', '/web/webclient/version_info', { body: '{}' });
  const info = (reply.json as { result: { server_version_info: [number] } }).result;
  return { ...target, version: info.server_version_info[0] };
}

/** Unlike any other run's, so that a real server can be used again and again. */
export const unique = (): string => `hfc${Date.now().toString(36)}${randomBytes(4).toString('hex')}`;

// The wire

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** undefined when the body is no JSON. */
  json: unknown;
}

export interface HttpOptions {
  body?: string;
  headers?: Record<string, string>;
}

export async function http(
  target: Pick<Target, 'url'>,
  method: string,
  path: string,
  options: HttpOptions = {},
): Promise<Answer> {
  const response = await fetch(target.url + path, {
    method,
    redirect: 'manual',
    headers: { ...(options.body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers },
    ...(options.body === undefined ? {} : { body: options.body }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

/** `POST /json/2/<path>`; `key: null` sends no Authorization header. */
export function json2(
  target: Target,
  path: string,
  body: unknown,
  options: HttpOptions & { key?: string | null; method?: string } = {},
): Promise<Answer> {
  const key = options.key === undefined ? target.key : options.key;
  return http(target, options.method ?? 'POST', `/json/2/${path}`, {
    ...(options.method === 'GET' ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    headers: {
      ...(key === null ? {} : { authorization: `bearer ${key}` }),
      'x-odoo-database': target.database,
      ...options.headers,
    },
  });
}

export function jsonrpc(target: Target, service: string, method: string, args: unknown[]): Promise<Answer> {
  return http(target, 'POST', '/jsonrpc', {
    body: JSON.stringify({ jsonrpc: '2.0', method: 'call', id: 7, params: { service, method, args } }),
  });
}

// Calls, the same over both protocols

export interface Failed {
  /** HTTP status; 200 over JSON-RPC. */
  status: number;
  name: string;
  message: string;
}

export class OdooFault extends Error implements Failed {
  readonly status: number;
  readonly odooName: string;

  constructor({ status, name, message }: Failed) {
    super(`${name}: ${message}`);
    this.name = name;
    this.odooName = name;
    this.status = status;
  }
}

export interface CallOptions {
  ids?: unknown;
  context?: Record<string, unknown>;
  /** Named arguments. */
  [argument: string]: unknown;
}

/** A client as thin as can be: what the server says, nothing else. */
export class Caller {
  readonly target: Target;
  readonly protocol: Protocol;
  private uid: number | undefined;
  private readonly made: { model: string; id: number }[] = [];

  constructor(target: Target, protocol: Protocol) {
    this.target = target;
    this.protocol = protocol;
  }

  /** @throws OdooFault */
  async call<T = unknown>(model: string, method: string, options: CallOptions = {}): Promise<T> {
    const { ids, context, ...named } = options;
    if (this.protocol === 'json2') {
      const answer = await json2(this.target, `${model}/${method}`, {
        ...(ids === undefined ? {} : { ids }),
        ...(context === undefined ? {} : { context }),
        ...named,
      });
      if (answer.status === 200) return answer.json as T;
      throw new OdooFault({ ...(answer.json as Failed), status: answer.status });
    }
    this.uid ??= await this.authenticate();
    const { database, key } = this.target;
    const answer = await jsonrpc(this.target, 'object', 'execute_kw', [
      database,
      this.uid,
      key,
      model,
      method,
      ids === undefined ? [] : [ids],
      { ...named, ...(context === undefined ? {} : { context }) },
    ]);
    const { result, error } = answer.json as { result?: T; error?: { data: Failed } };
    if (error) throw new OdooFault({ ...error.data, status: answer.status });
    return (result ?? null) as T;
  }

  /** The fault a call ends in. @throws when it succeeds */
  async fault(model: string, method: string, options: CallOptions = {}): Promise<OdooFault> {
    let result: unknown;
    try {
      result = await this.call(model, method, options);
    } catch (error) {
      if (error instanceof OdooFault) return error;
      throw error;
    }
    throw new Error(`${model}.${method} was expected to fail and answered ${JSON.stringify(result)}`);
  }

  /** Creates records that {@link tidy} removes. */
  async create(model: string, values: Record<string, unknown>, context?: Record<string, unknown>): Promise<number> {
    const made = await this.call<number[]>(model, 'create', { vals_list: [values], ...(context ? { context } : {}) });
    const id = made[0]!;
    this.remember(model, id);
    return id;
  }

  remember(model: string, ...ids: number[]): void {
    for (const id of ids) this.made.push({ model, id });
  }

  async read<T = Record<string, unknown>>(model: string, id: number, fields: string[]): Promise<T> {
    const rows = await this.call<T[]>(model, 'read', { ids: [id], fields });
    return rows[0]!;
  }

  /** Removes what was made as far as Odoo lets it; a posted bill or a received transfer stays. */
  async tidy(): Promise<void> {
    for (const { model, id } of this.made.splice(0).reverse()) {
      const quietly = (method: string, options: CallOptions = {}) =>
        this.call(model, method, { ids: [id], ...options }).catch(() => undefined);
      if (model === 'purchase.order') await quietly('button_cancel');
      if (model === 'sale.order') await quietly('action_cancel');
      if (model === 'account.move') await quietly('button_draft');
      const gone = await this.call(model, 'unlink', { ids: [id] }).then(
        () => true,
        () => false,
      );
      if (!gone) await quietly('write', { vals: { active: false } });
    }
  }

  private async authenticate(): Promise<number> {
    const { database, login, key } = this.target;
    const answer = await jsonrpc(this.target, 'common', 'authenticate', [database, login, key, {}]);
    const { result } = answer.json as { result: number | false };
    if (result === false) throw new Error('common.authenticate refused ODOO_LOGIN with ODOO_API_KEY.');
    return result;
  }
}

/** Names that changed between the versions. */
export function names(version: number) {
  const modern = version >= 19;
  return {
    uom: modern ? 'product_uom_id' : 'product_uom',
    purchaseTaxes: modern ? 'tax_ids' : 'taxes_id',
    saleTaxes: modern ? 'tax_ids' : 'tax_id',
    groups: modern ? 'group_ids' : 'groups_id',
    searchDomain: modern ? 'domain' : 'args',
  };
}

export interface Fixture {
  supplier: number;
  product: number;
  /** On ordered quantities, so that it can be billed at once. */
  service: number;
}

/** A supplier and two products of the run's own. */
export async function fixture(odoo: Caller): Promise<Fixture> {
  const tag = unique();
  const supplier = await odoo.create('res.partner', { name: `Contract ${tag}`, ref: tag, is_company: true });
  const product = await odoo.create('product.product', {
    name: `Contract goods ${tag}`,
    default_code: `${tag}-G`,
    type: 'consu',
    standard_price: 4.2,
    supplier_taxes_id: [[6, 0, []]],
    taxes_id: [[6, 0, []]],
  });
  const service = await odoo.create('product.product', {
    name: `Contract service ${tag}`,
    default_code: `${tag}-S`,
    type: 'service',
    purchase_method: 'purchase',
    supplier_taxes_id: [[6, 0, []]],
    taxes_id: [[6, 0, []]],
  });
  return { supplier, product, service };
}

/** Odoo up to 21: `POST /jsonrpc`, services `common` and `object`. HTTP is 200 even for errors. */
import { Failure } from '../../kernel/failure.ts';
import { failureOf, type OdooException } from './errors.ts';
import { failureOfAnswer, type Http } from './http.ts';
import type { Call, CallOptions, OdooVersion, Transport } from './transport.ts';
import { versionOf } from './version.ts';
import { parseAnswer } from './wire.ts';

export interface JsonRpcOptions {
  database: string;
  login: string;
  apiKey: string;
}

export class JsonRpcTransport implements Transport {
  readonly protocol = 'jsonrpc';
  readonly #http: Http;
  readonly #options: JsonRpcOptions;
  #id = 0;
  #user: Promise<number> | undefined;

  constructor(http: Http, options: JsonRpcOptions) {
    this.#http = http;
    this.#options = options;
  }

  async call(call: Call, options: CallOptions): Promise<unknown> {
    const { database, apiKey } = this.#options;
    const uid = await this.user(options.signal);
    const { positional, named } = argumentsOf(call);
    try {
      return await this.#post(
        'object',
        'execute_kw',
        [database, uid, apiKey, call.model, call.method, positional, named],
        call,
        options,
      );
    } catch (error) {
      // The user may have changed behind the key: ask again who it is next time.
      if (error instanceof Failure && error.class === 'policy-rejection') this.#user = undefined;
      throw error;
    }
  }

  async version(signal?: AbortSignal): Promise<OdooVersion> {
    const call = { model: 'common', method: 'version' };
    const answer = await this.#post('common', 'version', [], call, {
      effect: 'read',
      ...(signal === undefined ? {} : { signal }),
    });
    return versionOf(JSON.stringify(answer)) ?? { major: 0, text: '' };
  }

  /** Asked once; shared by all calls. `common.authenticate` answers `false`, not an error, for a refused key. */
  user(signal?: AbortSignal): Promise<number> {
    this.#user ??= this.#authenticate(signal).catch((error: unknown) => {
      this.#user = undefined;
      throw error;
    });
    return this.#user;
  }

  async #authenticate(signal?: AbortSignal): Promise<number> {
    const { database, login, apiKey } = this.#options;
    if (database === '' || login === '') {
      throw new Failure(
        'configuration',
        'ODOO_LOGIN_MISSING',
        'JSON-RPC (Odoo 18 and older) needs the database and the login of the integration user. Enter them in the odoo-server node.',
        { outcome: 'none' },
      );
    }
    const call = { model: 'common', method: 'authenticate' };
    const uid = await this.#post('common', 'authenticate', [database, login, apiKey, {}], call, {
      effect: 'read',
      ...(signal === undefined ? {} : { signal }),
    });
    if (typeof uid !== 'number') {
      throw new Failure(
        'policy-rejection',
        'ODOO_UNAUTHORIZED',
        `${this.#http.url} refused the login or the API key: one is wrong, the key has expired, or the user is archived. Make a new key in Odoo and enter it in the odoo-server node.`,
        { outcome: 'none' },
      );
    }
    return uid;
  }

  async #post(service: string, method: string, args: unknown[], call: Call, options: CallOptions): Promise<unknown> {
    const { effect, signal, timeout, traceparent } = options;
    const answer = await this.#http.exchange({
      method: 'POST',
      path: '/jsonrpc',
      body: JSON.stringify({ jsonrpc: '2.0', method: 'call', id: ++this.#id, params: { service, method, args } }),
      effect,
      ...(traceparent === undefined ? {} : { headers: { traceparent } }),
      ...(signal === undefined ? {} : { signal }),
      ...(timeout === undefined ? {} : { timeout }),
    });
    if (answer.status === 404) {
      throw new Failure(
        'configuration',
        'ODOO_JSONRPC_OFF',
        `${this.#http.url} has no /jsonrpc: the address is wrong, or this Odoo has its old services switched off. Choose the protocol JSON-2 for Odoo 19 and later.`,
        { outcome: 'none' },
      );
    }
    if (answer.status !== 200 || answer.type !== 'application/json')
      throw failureOfAnswer(answer, effect, this.#http.url);
    let body: { result?: unknown; error?: { data?: OdooException } };
    try {
      body = parseAnswer(answer.text, options.typed) as typeof body;
    } catch {
      throw new Failure('dependency-outage', 'ODOO_ANSWER_CUT', 'The answer of Odoo is not complete JSON.', {
        outcome: effect === 'write' ? 'unknown' : 'none',
      });
    }
    // A method that returns None answers without `result`, so the absence of `error` is what success means.
    if (body.error !== undefined) throw failureOf(body.error.data ?? {}, call, effect);
    return body.result ?? null;
  }
}

/** `execute_kw` takes ids, and `create` its values, by position; everything else goes by name. */
function argumentsOf(call: Call): { positional: unknown[]; named: Record<string, unknown> } {
  const named: Record<string, unknown> = { ...call.args };
  const positional: unknown[] = [];
  if (call.ids !== undefined) positional.push(call.ids);
  if (call.method === 'create' && 'vals_list' in named) {
    positional.push(named.vals_list);
    delete named.vals_list;
  }
  if (call.context !== undefined) named.context = call.context;
  return { positional, named };
}

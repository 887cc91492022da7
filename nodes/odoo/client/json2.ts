/** Odoo 19 and later: `POST /json/2/<model>/<method>` with a bearer key and named arguments. */
import { Failure } from '../../kernel/failure.ts';
import { failureOf, type OdooException } from './errors.ts';
import { failureOfAnswer, type Http } from './http.ts';
import type { Call, CallOptions, OdooVersion, Transport } from './transport.ts';
import { versionOf } from './version.ts';
import { parseAnswer } from './wire.ts';

export interface Json2Options {
  /** 40 hexadecimal characters, as Odoo shows it once. */
  apiKey: string;
  /** Needed where one server has several databases. */
  database?: string;
}

export class Json2Transport implements Transport {
  readonly protocol = 'json2';
  readonly #http: Http;
  readonly #headers: Record<string, string>;

  constructor(http: Http, options: Json2Options) {
    this.#http = http;
    this.#headers = {
      Authorization: `bearer ${options.apiKey}`,
      ...(options.database ? { 'X-Odoo-Database': options.database } : {}),
    };
  }

  async call(call: Call, options: CallOptions): Promise<unknown> {
    const { effect, signal, timeout, traceparent } = options;
    const answer = await this.#http.exchange({
      method: 'POST',
      path: `/json/2/${encodeURIComponent(call.model)}/${encodeURIComponent(call.method)}`,
      headers: traceparent === undefined ? this.#headers : { ...this.#headers, traceparent },
      body: JSON.stringify({
        ...call.args,
        ...(call.ids === undefined ? {} : { ids: call.ids }),
        ...(call.context === undefined ? {} : { context: call.context }),
      }),
      effect,
      ...(signal === undefined ? {} : { signal }),
      ...(timeout === undefined ? {} : { timeout }),
    });
    // The same status comes as text/html when a proxy, or the lack of a database, speaks: that is another story.
    if (answer.type !== 'application/json') throw failureOfAnswer(answer, effect, this.#http.url);
    let body: unknown;
    try {
      body = parseAnswer(answer.text, options.typed);
    } catch {
      throw new Failure('dependency-outage', 'ODOO_ANSWER_CUT', 'The answer of Odoo is not complete JSON.', {
        outcome: effect === 'write' ? 'unknown' : 'none',
      });
    }
    if (answer.status === 200) return body;
    const exception = body as OdooException | null;
    if (typeof exception?.name !== 'string') throw failureOfAnswer(answer, effect, this.#http.url);
    if (answer.status === 401) throw failureOfAnswer(answer, effect, this.#http.url);
    throw failureOf(exception, call, effect);
  }

  async version(signal?: AbortSignal): Promise<OdooVersion> {
    const answer = await this.#http.exchange({
      method: 'GET',
      path: '/json/version',
      effect: 'read',
      ...(signal === undefined ? {} : { signal }),
    });
    const version = answer.status === 200 ? versionOf(answer.text) : undefined;
    if (version === undefined) throw failureOfAnswer(answer, 'read', this.#http.url);
    return version;
  }

  async user(signal?: AbortSignal): Promise<number> {
    const context = (await this.call(
      { model: 'res.users', method: 'context_get' },
      { effect: 'read', ...(signal === undefined ? {} : { signal }) },
    )) as { uid?: unknown } | null;
    return typeof context?.uid === 'number' ? context.uid : 0;
  }
}

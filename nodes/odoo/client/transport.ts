/** What both protocols of Odoo's external API can do, and what a caller may ask of them. */
import type { Effect } from '../../kernel/http/http.ts';

export type { Effect };

export interface Call {
  model: string;
  method: string;
  /** Records a record method works on; absent for a model method. */
  ids?: readonly number[];
  /** Arguments by their Python names. */
  args?: Readonly<Record<string, unknown>>;
  context?: Readonly<Record<string, unknown>>;
}

export interface CallOptions {
  effect: Effect;
  signal?: AbortSignal;
  /** W3C Trace Context of this hop. */
  traceparent?: string;
  /** Milliseconds for this try; overrides the connection's. */
  timeout?: number;
  /** The caller knows the types of what comes back; see `parseAnswer`. */
  typed?: boolean;
}

export interface OdooVersion {
  /** 17, 18, 19; 0 when the server does not tell. */
  major: number;
  /** As the server writes it, e.g. `19.0-20260212`. */
  text: string;
}

export interface Transport {
  readonly protocol: 'json2' | 'jsonrpc';
  /**
   * @returns what the method returned, numbers with a fraction or more than 15 digits as text; `null` for None
   * @throws Failure per the table in `errors.ts`
   */
  call(call: Call, options: CallOptions): Promise<unknown>;
  version(signal?: AbortSignal): Promise<OdooVersion>;
  /** Database id of the user the key belongs to. */
  user(signal?: AbortSignal): Promise<number>;
}

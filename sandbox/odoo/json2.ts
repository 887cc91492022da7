/** `POST /json/2/<model>/<method>` (Odoo 19): named arguments, bare results, real HTTP statuses. */
import { type Engine, isPrivate } from './engine.ts';
import {
  accessDenied,
  accessError,
  badRequest,
  notFound,
  type OdooError,
  serializeException,
  toOdooError,
  typeError,
  unauthorized,
  unprocessable,
} from './errors.ts';
import type { Fault } from './faults.ts';
import { htmlReply, isJson, jsonReply, type Reply, type Request, unsupportedMediaType } from './http.ts';
import type { Args, Context } from './orm.ts';
import { truthy } from './values.ts';

const noDatabase = (): Reply =>
  htmlReply(
    404,
    'Not Found',
    'No database is selected and the requested URL was not found in the server-wide controllers.',
  );

const failed = (error: OdooError, extra: Partial<Reply> = {}): Reply =>
  jsonReply(error.httpStatus, serializeException(error), {
    error: error.odooName,
    ...(error.httpStatus === 401 ? { headers: { 'www-authenticate': 'Bearer' } } : {}),
    ...extra,
  });

export function json2(engine: Engine, request: Request, faults: Fault[]): Reply {
  const [model = '', method = '', ...deeper] = request.path.slice('/json/2/'.length).split('/');
  const extra: Partial<Reply> = { model, call: method };
  const asked = request.headers['x-odoo-database'];
  const database = asked ?? (engine.databases.length === 1 ? engine.databases[0] : undefined);
  if (faults.some((fault) => fault.kind === 'postgres-down')) return { ...noDatabase(), ...extra };
  if (database === undefined || !engine.databases.includes(database)) return { ...noDatabase(), ...extra };
  if (request.method !== 'POST' || deeper.length > 0 || model === '' || method === '') {
    return failed(notFound('Did you mean POST /json/2/<model>/<method>?'), extra);
  }
  if (!isJson(request.headers['content-type'])) return { ...unsupportedMediaType(), ...extra };
  try {
    const uid = authenticate(engine, request, database, faults);
    extra.uid = uid;
    const { ids, context, named } = parseBody(request.body);
    const target = engine.model(model);
    if (!target) throw notFound(`the model '${model}' does not exist`);
    if (isPrivate(method))
      throw accessError(`Private methods (such as '${model}.${method}') cannot be called remotely.`);
    const found = engine.method(target, method);
    if (!found) {
      if (privateInApi.has(method)) {
        throw accessError(`Private methods (such as '${model}.${method}') cannot be called remotely.`);
      }
      throw notFound(`The method '${model}.${method}' does not exist`);
    }
    if (found.api === 'model' && truthy(ids)) throw unprocessable(`cannot call ${model}.${method} with ids`);
    const call = { uid, model, method, ids: toIds(ids), positional: [], named, context, arrivedAt: request.arrivedAt };
    const { result, effects } = engine.run(call, target, found, unprocessable, faults);
    return jsonReply(200, result, { ...extra, effects });
  } catch (thrown) {
    return failed(toOdooError(thrown), extra);
  }
}

/** Public in Python, closed by `@api.private`. */
const privateInApi = new Set([
  'exists',
  'browse',
  'sudo',
  'with_context',
  'with_user',
  'mapped',
  'filtered',
  'flush_model',
]);

function authenticate(engine: Engine, request: Request, database: string, faults: Fault[]): number {
  const header = request.headers.authorization;
  if (header === undefined) throw unauthorized('User not authenticated, use the "Authorization" header');
  const key = /^bearer\s+(.+)$/i.exec(header)?.[1];
  const uid = key === undefined || database !== engine.databases[0] ? undefined : engine.userOfKey(key.trim());
  if (uid === undefined || faults.some((fault) => fault.kind === 'key-expired')) throw unauthorized('Invalid apikey');
  const session = /(?:^|;\s*)session_id=sandbox-(\d+)/.exec(request.headers.cookie ?? '');
  if (session && Number(session[1]) !== uid) throw accessDenied('Session user does not match the used apikey.');
  return uid;
}

function parseBody(body: Buffer): { ids: unknown; context: Context; named: Args } {
  let parsed: unknown;
  try {
    parsed = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
  } catch {
    throw badRequest('could not parse the body as json: Expecting value');
  }
  // An array is ignored, as if there were no arguments at all.
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return { ids: undefined, context: {}, named: {} };
  const { ids, context, ...named } = parsed as Args;
  return { ids, context: (context as Context | null | undefined) ?? {}, named };
}

function toIds(ids: unknown): number[] {
  if (ids === undefined || ids === null || ids === false) return [];
  if (typeof ids === 'number') return [ids];
  if (Array.isArray(ids) && ids.every((id) => Number.isInteger(id))) return ids as number[];
  throw typeError(`unsupported ids: ${JSON.stringify(ids)}`);
}

/** `POST /jsonrpc` (all versions): services common, object and db; HTTP 200 for every outcome. */
import { type Engine, isPrivate, noSuchMethod } from './engine.ts';
import {
  accessDenied,
  accessError,
  keyError,
  OdooError,
  operationalError,
  serializeException,
  toOdooError,
  typeError,
  userError,
} from './errors.ts';
import type { Fault } from './faults.ts';
import { htmlReply, isJson, jsonReply, type Reply, type Request, unsupportedMediaType } from './http.ts';
import type { Args, Context } from './orm.ts';

interface Envelope {
  id?: unknown;
  params?: { service?: unknown; method?: unknown; args?: unknown };
}

/** Model and method of an `execute_kw` body, for fault rules; nothing for any other call. */
export function subjectOf(body: Buffer): { model?: string; method?: string } {
  try {
    const { params } = JSON.parse(body.toString('utf8')) as Envelope;
    if (params?.service !== 'object' || !Array.isArray(params.args)) return {};
    return { model: String(params.args[3]), method: String(params.args[4]) };
  } catch {
    return {};
  }
}

export function jsonrpc(engine: Engine, request: Request, faults: Fault[]): Reply {
  if (!isJson(request.headers['content-type'])) return unsupportedMediaType();
  let envelope: Envelope;
  try {
    envelope = JSON.parse(request.body.toString('utf8')) as Envelope;
  } catch {
    return htmlReply(400, 'Bad Request', 'Invalid JSON data');
  }
  const id = envelope.id ?? null;
  const extra: Partial<Reply> = {};
  try {
    const result = callService(engine, envelope.params ?? {}, request.arrivedAt, faults, extra);
    // A method that returns None: the key `result` is absent.
    const body = result === null || result === undefined ? { jsonrpc: '2.0', id } : { jsonrpc: '2.0', id, result };
    return jsonReply(200, body, extra);
  } catch (thrown) {
    const error = toOdooError(thrown);
    const code = error.httpStatus === 404 && error.odooName.startsWith('werkzeug.') ? 404 : engine.profile.rpcErrorCode;
    return jsonReply(
      200,
      { jsonrpc: '2.0', id, error: { code, message: 'Odoo Server Error', data: serializeException(error) } },
      { ...extra, error: error.odooName },
    );
  }
}

/** What the remote services do, whichever protocol carries the call. */
export function callService(
  engine: Engine,
  { service, method, args: given }: NonNullable<Envelope['params']>,
  arrivedAt: number,
  faults: Fault[],
  extra: Partial<Reply>,
): unknown {
  const args = Array.isArray(given) ? (given as unknown[]) : [];
  if (service === 'common') return common(engine, String(method), args, faults);
  if (service === 'object') return object(engine, String(method), args, arrivedAt, faults, extra);
  if (service === 'db') {
    if (method === 'list') return [...engine.databases];
    if (method === 'server_version') return engine.profile.serie;
    if (method === 'db_exist') return engine.databases.includes(String(args[0]));
    throw accessDenied('Access Denied');
  }
  throw keyError(`'${String(service)}'`);
}

function common(engine: Engine, method: string, args: unknown[], faults: Fault[]): unknown {
  const { serie, versionInfo } = engine.profile;
  switch (method) {
    case 'version':
      return { server_version: serie, server_version_info: versionInfo, server_serie: serie, protocol_version: 1 };
    case 'login':
    case 'authenticate':
      checkDatabase(engine, args[0], faults);
      if (faults.some((fault) => fault.kind === 'key-expired')) return false;
      if (args[0] !== engine.databases[0]) return false;
      return engine.authenticate(args[1], args[2]);
    default:
      throw new OdooError('builtins.Exception', 500, `Method not found: ${method}`);
  }
}

function checkDatabase(engine: Engine, database: unknown, faults: Fault[]): void {
  if (faults.some((fault) => fault.kind === 'postgres-down')) {
    throw operationalError(
      'connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n',
    );
  }
  if (!engine.databases.includes(String(database))) {
    throw operationalError(
      `connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL:  database "${String(database)}" does not exist\n`,
    );
  }
}

function object(
  engine: Engine,
  verb: string,
  args: unknown[],
  arrivedAt: number,
  faults: Fault[],
  extra: Partial<Reply>,
): unknown {
  if (verb !== 'execute_kw' && verb !== 'execute')
    throw new OdooError('builtins.NameError', 500, `Method not available ${verb}`);
  const [database, user, secret, modelName, methodName] = args;
  const model = String(modelName);
  const method = String(methodName);
  extra.model = model;
  extra.call = method;
  checkDatabase(engine, database, faults);
  if (faults.some((fault) => fault.kind === 'key-expired') || database !== engine.databases[0]) {
    throw accessDenied('Access Denied');
  }
  const uid = engine.checkUser(user, secret);
  extra.uid = uid;
  const positional = verb === 'execute' ? args.slice(5) : Array.isArray(args[5]) ? [...(args[5] as unknown[])] : [];
  const { context, ...named } = verb === 'execute' ? ({} as Args) : ((args[6] as Args | null | undefined) ?? {});
  const target = engine.model(model);
  if (!target) throw userError(`Object ${model} doesn't exist`);
  if (isPrivate(method)) throw accessError(`Private methods (such as '${model}.${method}') cannot be called remotely.`);
  const found = engine.method(target, method);
  if (!found) throw noSuchMethod(model, method);
  const ids = found.api === 'records' ? toIds(positional.shift()) : [];
  const call = {
    uid,
    model,
    method,
    ids,
    positional,
    named,
    context: (context as Context | null | undefined) ?? {},
    arrivedAt,
  };
  const done = engine.run(call, target, found, typeError, faults);
  extra.effects = done.effects;
  return unpack(method, positional[0] ?? named.vals_list, done.result);
}

/** `create` with one object answers one id; JSON-2 always answers a list. */
function unpack(name: string, given: unknown, result: unknown): unknown {
  if (name === 'create' && Array.isArray(result) && !Array.isArray(given)) return result[0];
  return result;
}

function toIds(ids: unknown): number[] {
  if (ids === undefined || ids === null || ids === false) return [];
  if (typeof ids === 'number') return [ids];
  if (Array.isArray(ids) && ids.every((id) => Number.isInteger(id))) return ids as number[];
  throw typeError(`unsupported ids: ${JSON.stringify(ids)}`);
}

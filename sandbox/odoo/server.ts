/** The stand-in Odoo as an HTTP server, and the handle a test holds. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { admin } from './admin.ts';
import { CallLog } from './calls.ts';
import { Engine } from './engine.ts';
import { type Fault, Faults } from './faults.ts';
import { htmlReply, isJson, jsonReply, type Reply, type Request, unsupportedMediaType } from './http.ts';
import { json2 } from './json2.ts';
import { jsonrpc, subjectOf } from './jsonrpc.ts';
import type { Values } from './orm.ts';
import { page } from './page.ts';
import { apiKeys } from './seed.ts';
import { type OdooVersion, profileOf } from './versions.ts';
import { isXmlRpc, xmlrpc } from './xmlrpc.ts';

export interface SandboxOptions {
  /** Profile to play. @default '19' */
  version?: OdooVersion;
  /** 0 takes a free one. @default 0 */
  port?: number;
  /** @default '127.0.0.1' */
  host?: '127.0.0.1' | '::1' | 'localhost';
  /** First holds the data; with several, JSON-2 needs `X-Odoo-Database`. @default ['sandbox'] */
  databases?: readonly string[];
  /** Append-only journal file, for data that outlives the process. @default none, all in memory */
  data?: string;
  /** Seed of the generator behind a fault's `probability`. @default 1 */
  seed?: number;
}

export interface SandboxOdoo {
  readonly url: string;
  readonly port: number;
  readonly version: OdooVersion;
  /** Name of the database with the data. */
  readonly database: string;
  /** The integration's user and key. */
  readonly login: string;
  readonly apiKey: string;
  readonly faults: Faults;
  /** Calls received and what they did. */
  readonly log: CallLog;
  readonly engine: Engine;
  /** Rows in stored form (null for nothing), with external id `xmlid`; `filter` compares by equality. */
  records(model: string, filter?: Values): Values[];
  /**
   * Closes the books of purchases up to a day, and refuses what is posted up to then, as a module that forbids it does
   * (Odoo by itself moves it to the next open month). Without a day opens them again.
   */
  closeBooks(through?: string): void;
  /** Stops listening and cuts all connections: connection refused, as a stopped server. Data stays. */
  down(): Promise<void>;
  /** Listens again on the same port. */
  up(): Promise<void>;
  close(): Promise<void>;
}

export async function startSandboxOdoo(options: SandboxOptions = {}): Promise<SandboxOdoo> {
  const version = options.version ?? '19';
  const databases = options.databases ?? ['sandbox'];
  const host = options.host ?? '127.0.0.1';
  const engine = new Engine({
    profile: profileOf(version),
    databases,
    ...(options.data === undefined ? {} : { data: options.data }),
  });
  const faults = new Faults(options.seed);
  const log = new CallLog();
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  const server = createServer((request, response) => {
    receive(request, response).catch(() => request.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  // A request may stay unanswered for as long as a test wants it to.
  server.requestTimeout = 0;

  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        resolve();
      }, ms);
      timers.add(timer);
    });

  await listen(options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  const odoo: SandboxOdoo = {
    url: `http://${host === '::1' ? '[::1]' : host}:${port}`,
    port,
    version,
    database: databases[0]!,
    login: 'bot',
    apiKey: apiKeys.bot,
    faults,
    log,
    engine,
    records: (model, filter = {}) => recordsOf(engine, model, filter),
    closeBooks(through) {
      engine.db.refusesClosed = through !== undefined;
      const field = version === '17' ? 'period_lock_date' : 'purchase_lock_date';
      engine.transaction((env) =>
        env.write('res.company', env.search('res.company', []), { [field]: through ?? false }),
      );
    },
    down: stop,
    up: () => (server.listening ? Promise.resolve() : listen(port)),
    async close() {
      for (const timer of timers) clearTimeout(timer);
      if (server.listening) await stop();
    },
  };

  async function receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://sandbox');
    const struck: Fault[] = [];
    const named = url.pathname.startsWith('/json/2/') ? url.pathname.split('/') : [];
    const early = { model: named[3], method: named[4] };
    const request: Request = {
      method: incoming.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])),
      body: await bodyOf(incoming),
      arrivedAt: performance.now(),
    };
    if (request.path.startsWith('/sandbox/')) {
      const reply = admin(odoo, request);
      if (reply.downFor !== undefined) {
        send(response, reply);
        response.on('finish', () => {
          void odoo.down().then(async () => {
            await wait(reply.downFor!);
            await odoo.up();
          });
        });
        return;
      }
      send(response, reply);
      return;
    }
    if (request.path === '/' || request.path === '/odoo') {
      send(response, page(engine, log));
      return;
    }
    struck.push(...faults.strike(request.path === '/jsonrpc' ? subjectOf(request.body) : early));
    const kinds = struck.map((fault) => fault.kind);
    const cut = (reply?: Reply) => {
      remember(request, reply, kinds, 0);
      incoming.socket.destroy();
    };
    if (kinds.includes('refuse') || kinds.includes('drop-request')) return cut();
    if (kinds.includes('hang')) return remember(request, undefined, kinds, 0);
    const status = struck.find((fault) => fault.kind === 'status');
    if (status) {
      const retryAfter: Record<string, string> =
        status.retryAfter === undefined ? {} : { 'retry-after': String(status.retryAfter) };
      const reply = htmlReply(status.status, reasons[status.status] ?? 'Error', 'Answered by a proxy.', retryAfter);
      remember(request, reply, kinds, reply.status);
      return send(response, reply);
    }
    for (const fault of struck) if (fault.kind === 'slow') await wait(fault.ms);
    const reply = dispatch(engine, request, struck, log);
    await engine.db.sendPosts();
    if (kinds.includes('drop-reply')) return cut(reply);
    if (kinds.includes('hang-reply')) return remember(request, reply, kinds, 0);
    remember(request, reply, kinds, reply.status);
    for (const fault of struck) if (fault.kind === 'slow-reply') await wait(fault.ms);
    send(response, reply);
  }

  function remember(request: Request, reply: Reply | undefined, kinds: string[], status: number): void {
    const protocol = request.path === '/jsonrpc' ? 'jsonrpc' : request.path.startsWith('/json/2/') ? 'json2' : 'http';
    const effects = reply?.effects;
    const changed = effects && Object.values(effects).some((models) => Object.keys(models).length > 0);
    log.note(
      {
        protocol,
        status,
        ...(reply?.model === undefined ? {} : { model: reply.model }),
        ...(reply?.call === undefined ? {} : { method: reply.call }),
        ...(reply?.uid === undefined ? {} : { uid: reply.uid }),
        ...(reply?.error === undefined ? {} : { error: reply.error }),
        ...(kinds.length === 0 ? {} : { faults: kinds }),
        ...(changed ? { effects } : {}),
      },
      request.path,
    );
  }

  return odoo;
}

const reasons: Record<number, string> = {
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

function dispatch(engine: Engine, request: Request, faults: Fault[], log: CallLog): Reply {
  const { path } = request;
  const { profile } = engine;
  if (path === '/jsonrpc') {
    if (request.method !== 'POST') return htmlReply(405, 'Method Not Allowed', 'The method is not allowed.');
    if (profile.version === '19') log.counters.deprecated++;
    return jsonrpc(engine, request, faults);
  }
  if (isXmlRpc(request)) {
    if (request.method !== 'POST') return htmlReply(405, 'Method Not Allowed', 'The method is not allowed.');
    if (profile.version === '19') log.counters.deprecated++;
    return xmlrpc(engine, request, faults);
  }
  if (profile.json2 && (path === '/json/version' || path === '/web/version')) {
    return jsonReply(200, { version_info: profile.versionInfo, version: profile.serie });
  }
  if (profile.json2 && path.startsWith('/json/2')) return json2(engine, request, faults);
  if (path === '/web/webclient/version_info') {
    if (!isJson(request.headers['content-type'])) return unsupportedMediaType();
    const result = {
      server_version: profile.serie,
      server_version_info: profile.versionInfo,
      server_serie: profile.serie,
      protocol_version: 1,
    };
    return jsonReply(200, { jsonrpc: '2.0', id: null, result });
  }
  if (path === '/web/health') {
    const down = faults.some((fault) => fault.kind === 'postgres-down');
    return down && request.query.get('db_server_status') === '1'
      ? jsonReply(500, { status: 'fail' })
      : jsonReply(200, { status: 'pass' });
  }
  if (path === '/web/session/authenticate' && request.method === 'POST') return signIn(engine, request);
  if (path === '/web/login') return htmlReply(200, 'Odoo', 'Log in');
  if (!profile.json2 && path.startsWith('/json/')) {
    const target = `/web/login?redirect=${encodeURIComponent(path)}`;
    return htmlReply(303, 'See Other', `You should be redirected to ${target}`, { location: target });
  }
  return htmlReply(404, 'Not Found', 'The requested URL was not found on the server.');
}

/** The web client's login, which gives a cookie: a client of the API must not keep it. */
function signIn(engine: Engine, request: Request): Reply {
  try {
    const { params } = JSON.parse(request.body.toString('utf8')) as {
      params?: { login?: unknown; password?: unknown };
    };
    const uid = engine.authenticate(params?.login, params?.password);
    if (uid === false)
      return jsonReply(200, { jsonrpc: '2.0', id: null, error: { code: 200, message: 'Access Denied' } });
    return jsonReply(
      200,
      { jsonrpc: '2.0', id: null, result: { uid } },
      {
        headers: { 'set-cookie': `session_id=sandbox-${uid}; HttpOnly; Path=/` },
      },
    );
  } catch {
    return htmlReply(400, 'Bad Request', 'Invalid JSON data');
  }
}

function send(response: ServerResponse, reply: Reply): void {
  if (response.destroyed) return;
  // Odoo never offers keep-alive itself.
  response.writeHead(reply.status, {
    ...reply.headers,
    'content-length': String(Buffer.byteLength(reply.body)),
    connection: 'close',
  });
  response.end(reply.body);
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function recordsOf(engine: Engine, model: string, filter: Values): Values[] {
  const env = engine.readEnv();
  const target = engine.db.get(model);
  const names = engine.db.get('ir.model.data').table;
  const found: Values[] = [];
  const candidates = Object.entries(filter).map(([field, value]) =>
    field === 'id' ? new Set([value as number]) : target.table.lookup(field, value as string | number | null),
  );
  const smallest = candidates.filter((ids) => ids !== undefined).sort((a, b) => a.size - b.size)[0];
  for (const id of smallest ?? target.table.rows.keys()) {
    const row = target.table.rows.get(id);
    if (!row || !Object.entries(filter).every(([field, value]) => env.value(model, row, field) === value)) continue;
    const values: Values = {};
    for (const name of Object.keys(target.fields)) values[name] = env.value(model, row, name);
    const [entry] = names.lookup('target', `${model},${row.id}`) ?? [];
    values.xmlid = entry === undefined ? null : names.rows.get(entry)!.complete_name;
    found.push(values);
  }
  return found;
}

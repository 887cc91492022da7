/**
 * The one door for all webhook routes of a Node-RED runtime.
 *
 * Why not a route a node: Node-RED's `http in`, when it closes, deletes every Express layer with its method and path,
 * ours included, and requests then hang. Why at the top of the application: with Node-RED's default roots the
 * editor's body parser comes first and would parse what we must verify byte by byte. So a small layer at the top tells
 * body parsers to leave requests for our routes alone (`request._body`, which body-parser honours); the body itself
 * is read only in the dispatcher, after `httpNodeAuth`, so that no unauthenticated caller can fill our memory.
 */
import { flowsPaused, onFlowsStarted, type RuntimeApi } from '../../node/index.ts';
import type { CorsPolicy } from './cors.ts';
import type { HttpApplication, HttpRequest, HttpResponse, Middleware, Next } from './http.ts';
import { correlationIdOf } from './identity.ts';
import { sendProblem } from './problem.ts';
import { parseRoute, type RouteMatch, RouteTable } from './routes.ts';

export interface Endpoint {
  /** Pages of other origins that may call. */
  readonly cors: CorsPolicy;
  /** Takes a request whose body is unread. Never rejects. */
  accept(request: HttpRequest, response: HttpResponse, parameters: Record<string, string>): void;
}

export class Dispatcher {
  readonly #app: HttpApplication;
  readonly #middleware: readonly Middleware[];
  readonly #table = new RouteTable<Endpoint>();
  /** Requests that the top layer has told body parsers to leave alone. */
  readonly #spared = new WeakSet<HttpRequest>();
  readonly #hoistedTo = new WeakSet<HttpApplication>();
  readonly #planned: () => RouteTable<true> | undefined;
  readonly #adminRoot: string;
  #prefix = '';
  #started = false;

  /**
   * @param middleware `settings.httpNodeMiddleware`
   * @param planned the routes that the flow file has; undefined while it is not read
   * @param adminRoot where the editor is, in lower case and without a trailing slash
   */
  constructor(
    app: HttpApplication,
    middleware: readonly Middleware[],
    planned: () => RouteTable<true> | undefined,
    adminRoot: string,
  ) {
    this.#app = app;
    this.#middleware = middleware;
    this.#planned = planned;
    this.#adminRoot = adminRoot;
    app.use((request, response, next) => this.#dispatch(request, response, next));
    app.on('mount', () => this.#hoist());
    this.#hoist();
  }

  /** @throws Failure `configuration` `ROUTE_INVALID` or `ROUTE_TAKEN` @returns a function that closes the route */
  open(method: string, path: string, owner: string, endpoint: Endpoint): () => void {
    this.#hoist();
    this.#table.add(parseRoute(method, path), owner, endpoint);
    return () => this.#table.vacate(endpoint);
  }

  /** A deploy is over: what has not come back is gone. */
  flowsStarted(): void {
    this.#started = true;
    this.#hoist();
    this.#table.prune();
  }

  #dispatch(request: HttpRequest, response: HttpResponse, next: Next): void {
    const match = this.#table.match(request.method ?? '', request.path);
    if (match === undefined) {
      if (this.#preflight(request, response, request.path)) return;
      if (this.#spared.delete(request)) request._body = false;
      if (this.#started || request.method === 'GET' || request.method === 'HEAD') next();
      else this.#dispatchEarly(request, response, next, Date.now() + longestStart);
      return;
    }
    if (flowsPaused() || match.route.endpoint === undefined) {
      sendProblem(response, 'deploying', correlationIdOf(request));
      request.resume();
      return;
    }
    this.#runMiddleware(0, request, response, match, next);
  }

  /** @returns whether it was a preflight of one of our routes, and is answered */
  #preflight(request: HttpRequest, response: HttpResponse, path: string): boolean {
    if (request.method !== 'OPTIONS') return false;
    const method = request.headers['access-control-request-method'];
    if (typeof method !== 'string' || request.headers.origin === undefined) return false;
    const cors = this.#table.match(method, path)?.route.endpoint?.cors;
    cors?.preflight(request, response, method);
    return cors !== undefined;
  }

  /**
   * Node-RED listens a moment before it has read its flows. A sender that came in that moment would be told 404, and
   * some senders then never come again: so the request waits until it is known whose it is.
   */
  #dispatchEarly(request: HttpRequest, response: HttpResponse, next: Next, until: number): void {
    const planned = this.#started ? this.#table : this.#planned();
    if (planned === undefined && Date.now() < until) {
      setTimeout(() => this.#dispatchEarly(request, response, next, until), 10);
    } else if (planned?.match(request.method ?? '', request.path) === undefined) {
      next();
    } else {
      sendProblem(response, 'deploying', correlationIdOf(request));
      request.resume();
    }
  }

  /** `settings.httpNodeMiddleware` runs inside core's `http in` routes only, so we owe it to the user here. */
  #runMiddleware(index: number, request: HttpRequest, response: HttpResponse, match: RouteMatch<Endpoint>, next: Next) {
    const middleware = this.#middleware[index];
    if (middleware === undefined) {
      const { endpoint } = match.route;
      if (endpoint !== undefined && !flowsPaused()) endpoint.accept(request, response, match.parameters);
      else sendProblem(response, 'deploying', correlationIdOf(request));
      return;
    }
    try {
      middleware(request, response, (error) => {
        if (error === undefined) this.#runMiddleware(index + 1, request, response, match, next);
        else next(error);
      });
    } catch (error) {
      next(error);
    }
  }

  /** Puts our layer at the top of the root application, once, when it is known. Moves no layer but our own. */
  #hoist(): void {
    let root = this.#app;
    while (root.parent !== undefined) root = root.parent;
    this.#prefix = this.#app
      .path()
      .replace(/\/{2,}/g, '/')
      .replace(/\/$/, '')
      .toLowerCase();
    if (root === this.#app || this.#hoistedTo.has(root)) return;
    this.#hoistedTo.add(root);
    const layer: Middleware = (request, response, next) => this.#spare(request, response, next);
    root.use(layer);
    const stack = (root._router ?? root.router)?.stack;
    const own = stack?.findIndex(({ handle }) => handle === layer) ?? -1;
    if (stack !== undefined && own > 0) stack.unshift(...stack.splice(own, 1));
  }

  #spare(request: HttpRequest, response: HttpResponse, next: Next): void {
    const path = pathOf(request.url ?? '/');
    if (path.slice(0, this.#prefix.length).toLowerCase() === this.#prefix && !isOfEditor(path, this.#adminRoot)) {
      const own = path.slice(this.#prefix.length);
      if (this.#preflight(request, response, own)) return;
      if (request._body !== true && this.#table.match(request.method ?? '', own) !== undefined) {
        request._body = true;
        this.#spared.add(request);
      }
    }
    next();
  }
}

/** First segments of Node-RED's admin API, and of the console, as far as they take bodies. */
const editorSegments = new Set(
  'auth context credentials debug flow flows healthflows inject library nodes plugins projects settings'.split(' '),
);

/**
 * The editor comes before us and needs its bodies parsed: under a route like `/:partner` nobody could deploy, and so
 * not take the route back, nor sign in. Express tells no letter case apart.
 */
function isOfEditor(path: string, adminRoot: string): boolean {
  const lower = path.toLowerCase();
  return lower.startsWith(`${adminRoot}/`) && editorSegments.has(lower.slice(adminRoot.length + 1).split('/', 1)[0]!);
}

/** Milliseconds that an early request waits for the flow file at most. */
const longestStart = 5_000;

/** The path of a request target (RFC 9112 section 3.2: origin-form or absolute-form). */
function pathOf(target: string): string {
  if (target.startsWith('/')) {
    const query = target.indexOf('?');
    return query < 0 ? target : target.slice(0, query);
  }
  return URL.canParse(target) ? new URL(target).pathname : '/';
}

const dispatchers = new WeakMap<object, Dispatcher>();

/** The runtime's dispatcher; made on the first call, which must be when the module loads, before any flow starts. */
export function dispatcherOf(RED: RuntimeApi): Dispatcher {
  const app = RED.httpNode as unknown as HttpApplication;
  const existing = dispatchers.get(app);
  if (existing !== undefined) return existing;
  const { httpNodeMiddleware } = RED.settings;
  const middleware = [httpNodeMiddleware].flat().filter((entry): entry is Middleware => typeof entry === 'function');
  const { httpAdminRoot } = RED.settings;
  const adminRoot = typeof httpAdminRoot === 'string' ? httpAdminRoot.replace(/\/+$/, '').toLowerCase() : '';
  const dispatcher = new Dispatcher(app, middleware, () => plannedRoutes(RED), adminRoot);
  dispatchers.set(app, dispatcher);
  onFlowsStarted(() => dispatcher.flowsStarted());
  return dispatcher;
}

/** The routes in the flow file, before any node of it has started. */
function plannedRoutes(RED: RuntimeApi): RouteTable<true> | undefined {
  const table = new RouteTable<true>();
  const plan = ({ type, id, method, url }: Record<string, unknown>) => {
    if (type !== 'webhook-verifier' || typeof url !== 'string' || url.trim() === '') return;
    try {
      table.add(parseRoute(String(method ?? 'post'), url.trim()), String(id), true);
    } catch {
      // The node itself will say what is wrong with its route.
    }
  };
  try {
    RED.nodes.eachNode(plan);
  } catch {
    // Node-RED 4.1 and 5.0 throw a TypeError as long as no flow file is read.
    return undefined;
  }
  return table;
}

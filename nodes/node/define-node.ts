/**
 * The one adapter between Node-RED and this package. Every node is made here, so that what every node must do is
 * done once: a handler that rejects never ends the process, `done` is called exactly once, a failure becomes
 * `msg.failure` before Catch sees it, closing is awaited, and every hop is reported.
 */
import { Failure, type FailureRecord, toFailure } from '../kernel/failure.ts';
import type { FlowMessage } from '../kernel/message.ts';
import { logLine } from '../kernel/telemetry/log.ts';
import { attribute } from '../kernel/telemetry/semconv.ts';
import { telemetry } from '../kernel/telemetry/telemetry.ts';
import { carryTrace, type HopSpan, type SpanRole, startSpan, tracing, traceOf } from '../kernel/telemetry/tracing.ts';
import { offerExactFunctions } from './exact.ts';
import { attachLifecycle } from './lifecycle.ts';
import type { AdminHandler, AdminRequest, AdminResponse, Done, RuntimeApi, RuntimeNode } from './node-red.ts';
import { requireOwnOrigin } from './origin.ts';
import { guard } from './permission.ts';
import { type StatusKind, StatusLight } from './status.ts';
import { TraceWatch } from './trace-watch.ts';

/** What runtime and editor share about a node; lives in `<type>.def.ts`. */
export interface NodeDefinition<C extends object> {
  /** Palette type; also the name of its files and admin routes. */
  type: string;
  /** Version of the configuration's shape; stored in the flow as `configVersion`. */
  version: number;
  /** Fills in what an older or hand-written flow leaves out. */
  defaults: C;
  /** Names of the outputs in order; one unnamed output when absent. */
  outputs?: readonly string[];
  /** Names and kinds of credentials, as `registerType` wants them. */
  credentials?: Record<string, { type: 'text' | 'password' }>;
  /**
   * What one input is in a trace. Default `internal`. `own`: the node reports and traces its messages itself, as one
   * that also takes them from elsewhere.
   */
  span?: SpanRole | 'own';
  /** Brings a configuration of an earlier version to the present one. */
  migrate?(config: Record<string, unknown>, fromVersion: number): Record<string, unknown>;
}

export interface Log {
  info(event: string, fields?: Record<string, unknown>): void;
  warn(event: string, fields?: Record<string, unknown>): void;
  error(event: string, fields?: Record<string, unknown>): void;
  debug(event: string, fields?: Record<string, unknown>): void;
}

export interface NodeContext<C extends object> {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly flowId: string | undefined;
  readonly config: C;
  readonly credentials: Readonly<Record<string, string>>;
  readonly log: Log;
  readonly RED: RuntimeApi;
  /** For Node-RED's typed-input helpers, which want the node itself. */
  readonly node: RuntimeNode;
  readonly status: (kind: StatusKind, text?: string) => void;
  /**
   * The service a config node offers.
   * @throws Failure `configuration` when none is chosen, it is disabled, or it could not start
   */
  readonly resolve: <A>(kind: ConfigNodeKind<A>, id: string | undefined) => A;
  /** Sends from a source, outside an input handler. `output` is an index or a name from the definition. */
  readonly emit: (message: FlowMessage, output?: number | string) => void;
  /** Reports a failure that no input handler is waiting for; Catch nodes see it. */
  readonly fail: (error: unknown, message?: FlowMessage) => void;
}

export interface InputContext {
  /** `output` is an index or a name from the definition; default the first. */
  readonly send: (message: FlowMessage, output?: number | string) => void;
  /** Of this hop: the parent of what the handler calls. Undefined when nobody traces. */
  readonly span: HopSpan | undefined;
}

export interface NodeHandlers {
  input?(message: FlowMessage, context: InputContext): Promise<void> | void;
  /** Awaited, at most Node-RED's `nodeCloseTimeout` (15 s). `removed` is true when the node was deleted or disabled. */
  close?(removed: boolean): Promise<void> | void;
}

type Installer = (RED: RuntimeApi) => void;

export interface AdminRoutes {
  /** Registers `GET <httpAdminRoot>/healthflows/<type>/<path>`. */
  get(path: string, permission: string, handler: (request: AdminRequest, response: AdminResponse) => unknown): void;
  post(path: string, permission: string, handler: (request: AdminRequest, response: AdminResponse) => unknown): void;
  /**
   * `POST …/test` of a dialog's Test connection, permission `healthflows.configure`. That the test fails is its result,
   * not an error of the request: 200 with `{error}` instead of what `handler` finds. A request that is none gets a 4xx,
   * a defect of ours 500.
   */
  test(handler: (request: AdminRequest) => Promise<object>): void;
  readonly RED: RuntimeApi;
}

export interface InstallOptions {
  /** Admin endpoints; called once when the module loads. */
  admin?(routes: AdminRoutes): void;
  /** Once when the module loads, e.g. to register a route that must outlive deploys. */
  install?(RED: RuntimeApi): void;
}

/** Defines a palette node. The returned function is what Node-RED calls with its API. */
export function defineNode<C extends object>(
  definition: NodeDefinition<C>,
  setup: (context: NodeContext<C>) => NodeHandlers,
  options: InstallOptions = {},
): Installer {
  return (RED) => {
    install(RED, definition, options);
    RED.nodes.registerType(
      definition.type,
      function (this: RuntimeNode, config: Record<string, unknown>) {
        RED.nodes.createNode(this, config);
        startNode(RED, this, definition, config, setup);
      },
      registration(definition),
    );
  };
}

/** A config node's type together with the type of the service it offers. */
export interface ConfigNodeKind<A> {
  readonly type: string;
  /** Carries `A` for the type checker only. */
  readonly service?: A;
}

export interface ConfigNodeService<A> {
  service: A;
  close?(removed: boolean): Promise<void> | void;
}

type Running = { kind: 'running'; service: unknown } | { kind: 'failed'; failure: Failure };
const services = new WeakMap<object, Running>();

/** Defines a config node: `setup` starts its service, which other nodes get with `context.resolve`. */
export function defineConfigNode<C extends object, A>(
  definition: NodeDefinition<C>,
  setup: (context: NodeContext<C>) => ConfigNodeService<A>,
  options: InstallOptions = {},
): Installer & { kind: ConfigNodeKind<A> } {
  const installer: Installer = (RED) => {
    install(RED, definition, options);
    RED.nodes.registerType(
      definition.type,
      function (this: RuntimeNode, config: Record<string, unknown>) {
        RED.nodes.createNode(this, config);
        const context = contextOf(RED, this, definition, config);
        let close: ConfigNodeService<A>['close'];
        try {
          const started = setup(context);
          close = started.close?.bind(started);
          services.set(this, { kind: 'running', service: started.service });
        } catch (error) {
          const failure = toFailure(error);
          services.set(this, { kind: 'failed', failure });
          context.fail(failure);
        }
        onClose(this, context, async (removed) => {
          services.delete(this);
          await close?.(removed);
        });
      },
      registration(definition),
    );
  };
  return Object.assign(installer, { kind: { type: definition.type } });
}

/** The running service of a deployed config node, for admin endpoints; undefined when it is not deployed or failed. */
export function serviceOf<A>(RED: RuntimeApi, kind: ConfigNodeKind<A>, id: string): A | undefined {
  const node = RED.nodes.getNode(id);
  if (node?.type !== kind.type) return undefined;
  const running = services.get(node);
  return running?.kind === 'running' ? (running.service as A) : undefined;
}

function registration<C extends object>(definition: NodeDefinition<C>): unknown {
  return definition.credentials === undefined ? undefined : { credentials: definition.credentials };
}

const types = new Set<string>();

/** The palette types of this package that are installed. */
export function definedTypes(): ReadonlySet<string> {
  return types;
}

function install<C extends object>(RED: RuntimeApi, definition: NodeDefinition<C>, options: InstallOptions): void {
  types.add(definition.type);
  attachLifecycle(RED);
  offerExactFunctions(RED);
  options.install?.(RED);
  const guarded =
    (handler: (request: AdminRequest, response: AdminResponse) => unknown): AdminHandler =>
    async (request, response) => {
      try {
        await handler(request, response);
      } catch (error) {
        const failure = toFailure(error);
        if (failure.class === 'defect') RED.log.error(defectLine(error, { type: definition.type }));
        if (!response.headersSent) response.status(httpStatusOf(failure)).json({ error: failure.toRecord() });
      }
    };
  const post: AdminRoutes['post'] = (path, permission, handler) =>
    RED.httpAdmin.post(
      `/healthflows/${definition.type}/${path}`,
      ...guard(RED, permission),
      guarded((request, response) => {
        requireOwnOrigin(request);
        return handler(request, response);
      }),
    );
  options.admin?.({
    RED,
    get: (path, permission, handler) =>
      RED.httpAdmin.get(`/healthflows/${definition.type}/${path}`, ...guard(RED, permission), guarded(handler)),
    post,
    test: (handler) =>
      post('test', 'healthflows.configure', async (request, response) => {
        requireForm(request.body);
        response.json(await handler(request).catch(failedTest));
      }),
  });
}

function requireForm(body: unknown): void {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return;
  throw new Failure('data-quality', 'FORM_INVALID', 'A test needs the settings of the dialog as a JSON object.');
}

function failedTest(error: unknown): { error: FailureRecord } {
  const failure = toFailure(error);
  if (failure.class === 'defect') throw error;
  return { error: failure.toRecord() };
}

const statusByClass: Record<Failure['class'], number> = {
  'data-quality': 422,
  'dependency-outage': 503,
  'policy-rejection': 403,
  saturation: 503,
  conflict: 409,
  configuration: 500,
  defect: 500,
};

/** The HTTP status (RFC 9110) that tells a caller whose turn it is. */
export function httpStatusOf(failure: Pick<FailureRecord, 'class'>): number {
  return statusByClass[failure.class];
}

function startNode<C extends object>(
  RED: RuntimeApi,
  node: RuntimeNode,
  definition: NodeDefinition<C>,
  config: Record<string, unknown>,
  setup: (context: NodeContext<C>) => NodeHandlers,
): void {
  const context = contextOf(RED, node, definition, config);
  const watch = new TraceWatch(RED, node, (fields) => context.log.warn('trace.dropped', fields));
  let handlers: NodeHandlers = {};
  let broken: Failure | undefined;
  try {
    handlers = setup(context);
  } catch (error) {
    broken = toFailure(error);
    if (broken.class === 'defect') RED.log.error(defectLine(error, { node: node.id, type: definition.type }));
    context.status('down', broken.code);
    context.fail(broken);
  }

  node.on('input', (message, send, done) => {
    if (broken !== undefined) {
      settleInput(context, message, done, performance.now(), broken);
      return;
    }
    if (handlers.input === undefined) {
      done();
      return;
    }
    const started = performance.now();
    const own = definition.span === 'own';
    const span = own || !tracing() ? undefined : hopSpan(context, definition.span, message);
    if (!own && message.event === undefined) watch.arrivedBare(message);
    const sender: InputContext = { send: (out, output) => send(spread(definition, out, output)), span };
    let running: Promise<void> | void;
    try {
      running = handlers.input(message, sender);
    } catch (error) {
      settleInput(context, message, done, started, error, span);
      return;
    }
    if (running === undefined) settleInput(context, message, done, started, undefined, span, own);
    else
      running.then(
        () => settleInput(context, message, done, started, undefined, span, own),
        (error) => settleInput(context, message, done, started, error, span),
      );
  });

  onClose(node, context, async (removed) => {
    await handlers.close?.(removed);
  });
}

/** The span of one message at one node. A message that came without a trace begins one and carries it on. */
function hopSpan<C extends object>(
  { type, id, name, flowId }: NodeContext<C>,
  role: SpanRole | 'own' = 'internal',
  message: FlowMessage,
): HopSpan | undefined {
  const parent = traceOf(message);
  const correlationId = message.event?.correlationid;
  const span = startSpan({
    name: type,
    role: role === 'own' ? 'internal' : role,
    parent,
    attributes: {
      [attribute.nodeId]: id,
      ...(name === '' ? {} : { [attribute.nodeName]: name }),
      ...(flowId === undefined ? {} : { [attribute.flowId]: flowId }),
      ...(correlationId === undefined ? {} : { [attribute.correlationId]: correlationId }),
    },
  });
  if (span !== undefined && parent === undefined) carryTrace(message, span.context);
  return span;
}

/** Calls `done` exactly once, after the failure is on the message. */
function settleInput<C extends object>(
  context: NodeContext<C>,
  message: FlowMessage,
  done: Done,
  started: number,
  error?: unknown,
  span?: HopSpan,
  reported = false,
): void {
  const failure = error === undefined ? undefined : toFailure(error);
  span?.end(failure);
  if (reported) {
    done();
    return;
  }
  if (failure !== undefined) {
    if (failure.class === 'defect') context.log.error('defect', { stack: describe(error) });
    // Before the report: who reads it (the journal) takes the sentence from the message.
    message.failure = failure.toRecord({
      at: new Date().toISOString(),
      node: { id: context.id, type: context.type, ...(context.name === '' ? {} : { name: context.name }) },
      attempt: message.delivery?.attempt ?? 1,
    });
  }
  telemetry.hop(
    {
      stage: context.type,
      nodeId: context.id,
      outcome: failure === undefined ? 'ok' : 'failed',
      duration: performance.now() - started,
      ...(context.flowId === undefined ? {} : { flowId: context.flowId }),
      ...(failure === undefined ? {} : { failureClass: failure.class, failureCode: failure.code }),
      ...(message.event?.correlationid === undefined ? {} : { correlationId: message.event.correlationid }),
      ...(message.event?.traceparent === undefined ? {} : { traceparent: message.event.traceparent }),
      ...(message.event?.id === undefined ? {} : { messageId: message.event.id }),
    },
    message,
  );
  if (failure === undefined) done();
  else done(withoutCause(failure));
}

/** As Catch nodes get it: they copy the cause to `msg.error`, and that of a library may quote the document. */
function withoutCause(failure: Failure): Failure {
  if (failure.cause === undefined) return failure;
  const shown = Failure.fromRecord(failure.toRecord());
  if (failure.stack !== undefined) shown.stack = failure.stack;
  return shown;
}

/** Stack of the error and its causes, for our own log; never sent on. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return `a thrown ${typeof error}`;
  const own = error instanceof Failure ? (error.stack ?? error.message) : withoutValues(error);
  return error.cause === undefined ? own : `${own}\ncaused by: ${describe(error.cause)}`;
}

/** The line of the log for an error that nobody foresaw. */
export function defectLine(error: unknown, fields: Record<string, unknown> = {}): string {
  return logLine('defect', { ...fields, stack: describe(error) }, logText);
}

/** The runtime quotes what it could not parse or convert; the frames and the rest of the message tell enough. */
function withoutValues({ name, message, stack = '' }: Error): string {
  const told = name === 'SyntaxError' ? '' : `: ${message.replace(/"[^"]*"|(?<=\bstring )'[^']*'/g, '"…"')}`;
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return [`${name}${told}`, ...frames].join('\n');
}

function onClose<C extends object>(
  node: RuntimeNode,
  context: NodeContext<C>,
  close: (removed: boolean) => Promise<void>,
): void {
  // Two declared parameters: Node-RED awaits `done` only when the listener's length says so.
  node.on('close', (removed: boolean, done: () => void) => {
    close(removed)
      .catch((error: unknown) => context.log.error('close failed', { stack: describe(error) }))
      .finally(() => {
        lights.get(node)?.stop();
        done();
      });
  });
}

const lights = new WeakMap<RuntimeNode, StatusLight>();

function contextOf<C extends object>(
  RED: RuntimeApi,
  node: RuntimeNode,
  definition: NodeDefinition<C>,
  raw: Record<string, unknown>,
): NodeContext<C> {
  const light = new StatusLight(node);
  lights.set(node, light);
  const log = logOf(node, definition.type);
  return {
    id: node.id,
    type: definition.type,
    name: node.name ?? '',
    flowId: node.z,
    config: configOf(definition, raw),
    credentials: node.credentials ?? {},
    log,
    RED,
    node,
    status: (kind, text) => light.show(kind, text),
    resolve: (kind, id) => resolve(RED, definition.type, kind, id),
    emit: (message, output) => {
      telemetry.taken(
        { stage: definition.type, nodeId: node.id, ...(node.z === undefined ? {} : { flowId: node.z }) },
        message,
      );
      node.send(spread(definition, message, output) as FlowMessage[]);
      TraceWatch.sent(message);
    },
    fail: (error, message) => {
      const failure = toFailure(error);
      if (message === undefined)
        log.error('failure', { class: failure.class, code: failure.code, problem: failure.message });
      else {
        message.failure = failure.toRecord({ at: new Date().toISOString(), node: { id: node.id, type: node.type } });
        node.error(withoutCause(failure), message);
      }
    },
  };
}

function configOf<C extends object>(definition: NodeDefinition<C>, raw: Record<string, unknown>): C {
  const from = typeof raw.configVersion === 'number' ? raw.configVersion : definition.version;
  const migrated = from < definition.version && definition.migrate ? definition.migrate(raw, from) : raw;
  const config: Record<string, unknown> = { ...(definition.defaults as Record<string, unknown>) };
  for (const key of Object.keys(config)) {
    const value = migrated[key];
    if (value === undefined || value === null) continue;
    // The editor stores what a number field holds as text.
    config[key] = typeof config[key] === 'number' && typeof value === 'string' ? numberOr(value, config[key]) : value;
  }
  return config as C;
}

function numberOr(text: string, fallback: number): number {
  const value = Number(text);
  return text.trim() === '' || !Number.isFinite(value) ? fallback : value;
}

function resolve<A>(RED: RuntimeApi, type: string, kind: ConfigNodeKind<A>, id: string | undefined): A {
  if (id === undefined || id === '') {
    throw new Failure(
      'configuration',
      'NO_CONFIG_NODE',
      `This ${type} has no ${kind.type} chosen. Open it and pick one.`,
    );
  }
  const node = RED.nodes.getNode(id);
  const running = node ? services.get(node) : undefined;
  if (running === undefined) {
    throw new Failure(
      'configuration',
      'CONFIG_NODE_MISSING',
      `The ${kind.type} that this ${type} uses is missing or disabled. Open the node and pick another.`,
    );
  }
  if (running.kind === 'failed') throw running.failure;
  return running.service as A;
}

function spread<C extends object>(
  definition: NodeDefinition<C>,
  message: FlowMessage,
  output: number | string = 0,
): (FlowMessage | null)[] {
  const index = typeof output === 'number' ? output : (definition.outputs?.indexOf(output) ?? -1);
  if (index < 0) throw new Failure('defect', 'NO_SUCH_OUTPUT', `${definition.type} has no output "${output}".`);
  const all: (FlowMessage | null)[] = new Array(index + 1).fill(null);
  all[index] = message;
  return all;
}

/** Characters of one field: enough for a stack. */
const logText = 4_000;

/** One JSON line an event, redacted, through Node-RED's logger. */
function logOf(node: RuntimeNode, type: string): Log {
  const line = (event: string, fields: Record<string, unknown> = {}) =>
    logLine(event, { node: node.id, type, ...fields }, logText);
  const debug = (node as { debug?: (text: unknown) => void }).debug;
  return {
    info: (event, fields) => node.log(line(event, fields)),
    warn: (event, fields) => node.warn(line(event, fields)),
    error: (event, fields) => node.error(line(event, fields)),
    debug: (event, fields) => debug?.call(node, line(event, fields)),
  };
}

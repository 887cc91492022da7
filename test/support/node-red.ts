/**
 * Node-RED under test. {@link startNodeRed} runs it as a process of its own, the way users start it, so that it can be
 * killed; {@link embedNodeRed} runs it inside the test process, which is cheaper and lets a test reach its nodes.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RuntimeApi } from '../../nodes/node/node-red.ts';
import { type Exit, freePort, type OwnedProcess, spawnOwned, temporaryDirectory, waitUntil } from './processes.ts';

/** The package's root: what Node-RED loads in these tests is its `dist/`. */
export const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

export const nodeRedVersions = ['5.0', '4.1'] as const;
export type NodeRedVersion = (typeof nodeRedVersions)[number];

const installed: Record<NodeRedVersion, string> = { '5.0': 'node-red', '4.1': 'node-red-4' };

/** A node as in a flow file. Credentials may be inline: Node-RED moves them to its encrypted file. */
export interface FlowNode {
  id: string;
  type: string;
  z?: string;
  wires?: string[][];
  credentials?: Record<string, string>;
  [property: string]: unknown;
}

export type DeployType = 'full' | 'flows' | 'nodes' | 'reload';

/** The palette types of this package, from its manifest. */
export function paletteTypes(): string[] {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    'node-red': { nodes: Record<string, string> };
  };
  return Object.keys(manifest['node-red'].nodes);
}

/** Builds `dist/` when it is not there; `npm test` has built it before. */
export function ensureBuilt(): void {
  if (existsSync(join(packageRoot, 'dist'))) return;
  execFileSync(process.execPath, [join(packageRoot, 'scripts/build.ts')], { cwd: packageRoot, stdio: 'inherit' });
}

/** Settings that keep Node-RED on loopback and quiet: no telemetry, tours, catalogue or projects. */
function quietSettings(extra: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    uiHost: '127.0.0.1',
    credentialSecret: 'for tests only',
    flowFile: 'flows.json',
    telemetry: { enabled: false, updateNotification: false },
    diagnostics: { enabled: false },
    runtimeState: { enabled: true, ui: false },
    editorTheme: { tours: false, projects: { enabled: false }, palette: { catalogues: [] } },
    externalModules: { autoInstall: false, palette: { allowInstall: false, allowUpload: false } },
    ...extra,
  };
}

/**
 * Node-RED takes a node without coordinates for a config node, which works until the second deploy. Tests should not
 * have to draw, so whatever has wires gets a place.
 */
function placed(flows: readonly FlowNode[]): FlowNode[] {
  return flows.map((node, index) =>
    node.wires === undefined || node.x !== undefined ? node : { x: 200, y: 60 + 50 * index, ...node },
  );
}

// --- A process of its own -------------------------------------------------------------------------------------------

export interface NodeRedOptions {
  /** Default 5.0. */
  version?: NodeRedVersion;
  /** Deployed after start. When absent, Node-RED runs what the user directory holds. */
  flows?: readonly FlowNode[];
  /** Added to the environment. */
  env?: Record<string, string>;
  /** Merged over the quiet settings of tests. JSON only. */
  settings?: Record<string, unknown>;
  /** Reuse a user directory, e.g. after kill -9. Default a new temporary one. */
  userDir?: string;
  /** `httpAdminRoot` and `httpNodeRoot`. Default Node-RED's own: both `/`. */
  roots?: { admin?: string; node?: string };
  /** Where the package comes from: its folder (default), or `node_modules` of the user directory. */
  packageFrom?: 'folder' | 'userDir';
  /** Default a free one. */
  port?: number;
  /** Flags for node itself, e.g. `--max-old-space-size=128`. */
  nodeArguments?: readonly string[];
}

export interface NodeRed {
  readonly version: NodeRedVersion;
  readonly userDir: string;
  readonly port: number;
  readonly pid: number;
  /** Where the flows' HTTP routes are, without a trailing slash. */
  readonly url: string;
  /** Where the editor and the admin API are, without a trailing slash. */
  readonly adminUrl: string;
  /** Calls the admin API and returns the response. `path` starts with a slash. */
  admin(path: string, init?: RequestInit): Promise<Response>;
  /** Deploys and resolves when the flows run. Default a full deploy. */
  deploy(flows: readonly FlowNode[], type?: DeployType): Promise<void>;
  /** The deployed flows, without credentials. */
  flows(): Promise<FlowNode[]>;
  /** Everything it logged, its earlier lives on this object included. */
  logs(): string;
  /** Resolves with the match as soon as the log has one, at or after `from` (an index into {@link logs}). */
  waitForLog(pattern: RegExp, options?: { timeout?: number; from?: number }): Promise<RegExpMatchArray>;
  /** Resident memory in bytes. */
  rss(): number;
  /** The end of the running process, if it has ended. */
  exit(): Exit | undefined;
  /** Sends a signal (default SIGKILL) and waits for the end, except after SIGSTOP and SIGCONT. */
  kill(signal?: NodeJS.Signals): Promise<Exit | undefined>;
  /** Starts it again on the same user directory and port. */
  restart(): Promise<void>;
  /** Ends it in order (SIGTERM) and resolves with how it ended. */
  stop(): Promise<Exit>;
}

export async function startNodeRed(options: NodeRedOptions = {}): Promise<NodeRed> {
  ensureBuilt();
  const version = options.version ?? '5.0';
  const userDir = options.userDir ?? temporaryDirectory('node-red');
  mkdirSync(userDir, { recursive: true });
  const port = options.port ?? (await freePort());
  const settingsFile = join(userDir, 'settings.cjs');
  const settings = quietSettings({
    uiPort: port,
    ...(options.packageFrom === 'userDir' ? {} : { nodesDir: packageRoot }),
    ...(options.roots?.admin === undefined ? {} : { httpAdminRoot: options.roots.admin }),
    ...(options.roots?.node === undefined ? {} : { httpNodeRoot: options.roots.node }),
    logging: { console: { level: 'info', metrics: false, audit: false } },
    ...options.settings,
  });
  writeFileSync(settingsFile, `module.exports = ${JSON.stringify(settings, null, 2)};\n`);

  const base = `http://127.0.0.1:${port}`;
  const rooted = (root: string | undefined) => `${base}${(root ?? '').replace(/^\/?/, '/').replace(/\/+$/, '')}`;
  const url = rooted(options.roots?.node);
  const adminUrl = rooted(options.roots?.admin);
  const command = join(packageRoot, 'node_modules', installed[version], 'red.js');

  let child: OwnedProcess;
  let earlier = '';
  const logs = () => earlier + child.output();

  /** What the log has told so far; the log itself is kept only in part. */
  let told = { starts: 0, listening: false, missingTypes: 0 };

  const waitForStart = async (before: typeof told) => {
    const started = () => told.listening && told.starts > before.starts;
    const stuck = () => child.exit() !== undefined || told.missingTypes > before.missingTypes;
    const inVain = await waitUntil('Node-RED started its flows', () => started() || stuck(), 120_000, 20).then(
      () => undefined,
      (error: Error) => error,
    );
    if (!started()) {
      const exit = child.exit();
      const how = exit === undefined ? 'does not start its flows' : `ended (${exit.signal ?? exit.code})`;
      throw new Error(`Node-RED ${how}. Its log ends with:\n${child.output().slice(-6_000)}`, { cause: inVain });
    }
  };

  const boot = async () => {
    child = spawnOwned(
      process.execPath,
      [...(options.nodeArguments ?? []), command, '--settings', settingsFile, '--userDir', userDir],
      {
        cwd: userDir,
        // Set by node's test runner for its own children; Node-RED is not one of them.
        env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
      },
    );
    const state = { starts: 0, listening: false, missingTypes: 0 };
    told = state;
    let rest = '';
    child.onOutput((chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (/ - \[info\] Started (?:modified )?(?:flows|nodes)/.test(line)) state.starts++;
        else if (/ - \[info\] Waiting for missing types/.test(line)) state.missingTypes++;
        // Logged once HTTP is served.
        else if (/ - \[info\] Server now running at/.test(line)) state.listening = true;
      }
    });
    await waitForStart({ starts: 0, listening: false, missingTypes: 0 });
  };

  const admin = (path: string, init: RequestInit = {}) =>
    fetch(`${adminUrl}${path}`, { signal: AbortSignal.timeout(60_000), ...init });

  const deploy = async (flows: readonly FlowNode[], type: DeployType = 'full') => {
    const before = { ...told };
    const response = await admin('/flows', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'node-red-api-version': 'v2',
        'node-red-deployment-type': type,
      },
      body: JSON.stringify({ flows: placed(flows) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`The deploy was answered ${response.status}: ${text}`);
    await waitForStart(before);
  };

  await boot();
  if (options.flows !== undefined) await deploy(options.flows);

  return {
    version,
    userDir,
    port,
    url,
    adminUrl,
    admin,
    deploy,
    logs,
    get pid() {
      return child.pid;
    },
    async flows() {
      const response = await admin('/flows', { headers: { 'node-red-api-version': 'v2' } });
      return ((await response.json()) as { flows: FlowNode[] }).flows;
    },
    waitForLog: (pattern, { timeout, from = 0 } = {}) =>
      waitUntil(`the log matched ${pattern}`, () => logs().slice(from).match(pattern), timeout, 20),
    rss() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
    exit: () => child.exit(),
    async kill(signal = 'SIGKILL') {
      child.signal(signal);
      return signal === 'SIGSTOP' || signal === 'SIGCONT' ? undefined : await child.waitForExit();
    },
    async restart() {
      await child.stop();
      earlier += child.output();
      await boot();
    },
    stop: () => child.stop(),
  };
}

// --- Inside the test process ------------------------------------------------------------------------------------------

export interface EmbedOptions {
  version?: NodeRedVersion;
  settings?: Record<string, unknown>;
}

export interface LogEntry {
  /** Node-RED's numbers: 10 fatal, 20 error, 30 warn, 40 info, 50 debug. */
  level: number;
  id?: string;
  type?: string;
  msg: unknown;
}

export interface EmbeddedNodeRed {
  /** The runtime API as a node sees it. */
  readonly RED: RuntimeApi;
  readonly url: string;
  readonly userDir: string;
  /** Deploys and resolves when the flows run. Empties {@link log}. */
  setFlows(flows: readonly FlowNode[], type?: DeployType): Promise<void>;
  /** The running node. @throws Error when there is none of that id */
  node(id: string): ProbeNode;
  /** Resolves with the next messages that arrive at a node; put a `junction` or `debug` node where it should listen. */
  receive(id: string, count?: number, timeout?: number): Promise<Record<string, unknown>[]>;
  readonly log: LogEntry[];
  stop(): Promise<void>;
}

/** What tests do with a running node. */
export interface ProbeNode {
  id: string;
  type: string;
  receive(message: Record<string, unknown>): void;
  on(event: 'input', listener: (message: Record<string, unknown>) => void): void;
  removeListener(event: 'input', listener: (message: Record<string, unknown>) => void): void;
}

interface NodeRedModule extends Omit<RuntimeApi, 'httpAdmin' | 'httpNode'> {
  init(server: Server, settings: Record<string, unknown>): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  httpAdmin: (request: unknown, response: unknown) => void;
  httpNode: (request: unknown, response: unknown) => void;
  runtime: {
    flows: {
      setFlows(options: { flows: unknown; deploymentType: DeployType; req: unknown; user: unknown }): Promise<unknown>;
    };
  };
}

let embedded = false;

/** Boots Node-RED in this process. One at a time: its runtime is a singleton. */
export async function embedNodeRed(options: EmbedOptions = {}): Promise<EmbeddedNodeRed> {
  if (embedded) throw new Error('Node-RED is already embedded in this process; stop it first.');
  embedded = true;
  ensureBuilt();
  const userDir = temporaryDirectory('node-red-embedded');
  const log: LogEntry[] = [];
  const require = createRequire(join(packageRoot, 'node_modules', installed[options.version ?? '5.0'], 'package.json'));
  const RED = require('./lib/red.js') as NodeRedModule;
  const express = require('express') as () => {
    use(root: string, handler: unknown): void;
    (request: unknown, response: unknown): void;
  };
  const app = express();
  const server = createServer(app);
  const settings = quietSettings({
    userDir,
    nodesDir: packageRoot,
    httpAdminRoot: '/',
    httpNodeRoot: '/',
    disableEditor: true,
    logging: {
      memory: {
        level: 'debug',
        metrics: false,
        audit: false,
        handler: () => (entry: LogEntry) => void log.push(entry),
      },
    },
    ...options.settings,
  });
  RED.init(server, settings);
  app.use(String(settings.httpAdminRoot), RED.httpAdmin);
  app.use(String(settings.httpNodeRoot), RED.httpNode);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const running = once(RED.events, 'flows:started');
  await RED.start();
  await running;

  const node = (id: string): ProbeNode => {
    const found = RED.nodes.getNode(id);
    if (found === null) throw new Error(`No node ${id} is running. The log says:\n${JSON.stringify(log, null, 2)}`);
    return found as unknown as ProbeNode;
  };

  return {
    RED: RED as unknown as RuntimeApi,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    userDir,
    log,
    node,
    async setFlows(flows, type = 'full') {
      log.length = 0;
      const ready = once(RED.events, 'flows:started');
      await RED.runtime.flows.setFlows({
        flows: { flows: placed(flows) },
        deploymentType: type,
        req: {},
        user: undefined,
      });
      await ready;
    },
    async receive(id, count = 1, timeout = 90_000) {
      const target = node(id);
      const messages: Record<string, unknown>[] = [];
      const listener = (message: Record<string, unknown>) => void messages.push(message);
      target.on('input', listener);
      try {
        await waitUntil(`${count} messages arrived at ${id}`, () => messages.length >= count, timeout, 5);
      } finally {
        target.removeListener('input', listener);
      }
      return messages;
    },
    async stop() {
      await RED.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      embedded = false;
    },
  };
}

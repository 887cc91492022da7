/**
 * RabbitMQ, PostgreSQL and Chromium for tests: servers named by environment variables (`AMQP_URL`, `POSTGRES_URL`),
 * else private ones on free loopback ports from the machine's installed binaries, else Debian's packages where this
 * process may install them, else one sentence on what to install.
 *
 * Fault tests always start their own: {@link startPrivateRabbitMq}, {@link startPrivatePostgres}.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  globSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import {
  freePort,
  freePorts,
  type OwnedProcess,
  removeDirectory,
  spawnOwned,
  temporaryDirectory,
  waitUntil,
} from './processes.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

/** A server that a test may hurt. */
export interface PrivateServer {
  /** With credentials; the same after {@link restart}. */
  readonly url: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Where its data is, e.g. to fill or copy the disk. */
  readonly dataDirectory: string;
  /** Sends a signal to the whole server. SIGKILL and SIGTERM wait for its end; SIGSTOP and SIGCONT return at once. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it if it runs, and starts it again on the same port and data; resolves when it answers. */
  restart(): Promise<void>;
  /** Ends it and deletes its data. */
  stop(): Promise<void>;
  /** What it wrote to its console. */
  output(): string;
}

export interface PrivateRabbitMq extends PrivateServer {
  /** Runs `rabbitmqctl` against it and returns what that prints. */
  rabbitmqctl(...args: string[]): Promise<string>;
}

export interface PrivatePostgres extends PrivateServer {
  /** Creates an empty database in it and returns its URL. */
  createDatabase(name?: string): Promise<string>;
}

// --- Finding and installing ---------------------------------------------------------------------------------------

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findExecutable(names: readonly string[], patterns: readonly string[]): string | undefined {
  for (const pattern of patterns) {
    // The newest of several installed versions.
    const found = globSync(pattern)
      .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
      .find(executable);
    if (found !== undefined) return found;
  }
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name);
      if (executable(path)) return path;
    }
  }
  return undefined;
}

interface Tool {
  /** For people. */
  title: string;
  debianPackage: string;
  /** The variable that names one that is already there. */
  variable: string;
  find(): string | undefined;
}

const rabbitmqTool: Tool = {
  title: 'RabbitMQ',
  debianPackage: 'rabbitmq-server',
  variable: 'AMQP_URL',
  // Not /usr/sbin/rabbitmq-server: that is Debian's wrapper, which insists on the system's own node and user.
  find: () =>
    findExecutable(
      [],
      [
        '/usr/lib/rabbitmq/bin/rabbitmq-server',
        '/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server',
        '/opt/rabbitmq/sbin/rabbitmq-server',
        '/usr/local/opt/rabbitmq/sbin/rabbitmq-server',
        '/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server',
      ],
    ),
};

const postgresTool: Tool = {
  title: 'PostgreSQL',
  debianPackage: 'postgresql',
  variable: 'POSTGRES_URL',
  find: () =>
    findExecutable(
      ['initdb'],
      ['/usr/lib/postgresql/*/bin/initdb', '/usr/pgsql-*/bin/initdb', '/opt/homebrew/opt/postgresql*/bin/initdb'],
    ),
};

const chromiumTool: Tool = {
  title: 'Chromium',
  debianPackage: 'chromium',
  variable: 'CHROMIUM_PATH',
  find: () =>
    findExecutable(
      ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
      ['/usr/bin/chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
    ),
};

const prometheusTool: Tool = {
  title: 'Prometheus',
  debianPackage: 'prometheus',
  variable: 'PROMETHEUS_PATH',
  find: () => findExecutable(['prometheus'], ['/usr/bin/prometheus', '/opt/prometheus/prometheus']),
};

const alertmanagerTool: Tool = {
  title: 'Alertmanager',
  debianPackage: 'prometheus-alertmanager',
  variable: 'ALERTMANAGER_PATH',
  find: () =>
    findExecutable(
      ['prometheus-alertmanager', 'alertmanager'],
      ['/usr/bin/prometheus-alertmanager', '/opt/alertmanager/alertmanager'],
    ),
};

/** The tool's path; installs Debian's package when it is missing and this process is root. */
async function locate(tool: Tool): Promise<string> {
  const found = tool.find();
  if (found !== undefined) return found;
  if (isRoot && executable('/usr/bin/apt-get')) {
    await install(tool.debianPackage);
    const installed = tool.find();
    if (installed !== undefined) return installed;
  }
  throw new Error(
    `The tests need ${tool.title}: install it (on Debian or Ubuntu: sudo apt-get install ${tool.debianPackage}) or set ${tool.variable}.`,
  );
}

/** Installs a Debian package without letting it start its service, which would take the standard port. */
async function install(name: string): Promise<void> {
  console.error(`Installing the Debian package ${name} …`);
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, maxBuffer: 64 * 1024 * 1024 };
  const args = ['-o', 'DPkg::Lock::Timeout=300', '-qq', '-y', '--no-install-recommends', 'install', name];
  try {
    await run('apt-get', args, options).catch(async () => {
      // The package lists of a fresh image are absent or too old.
      await run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', '-qq', 'update'], options);
      await run('apt-get', args, options);
    });
  } catch (error) {
    const reason = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? String(error);
    throw new Error(`The tests need the Debian package ${name}, and apt-get could not install it: ${reason}`, {
      cause: error,
    });
  } finally {
    if (ours) await rm(policy, { force: true });
  }
}

/** The path of Chromium (or Chrome) for the editor tests. `CHROMIUM_PATH` wins. */
export async function findChromium(): Promise<string> {
  return process.env.CHROMIUM_PATH ?? (await locate(chromiumTool));
}

/** Prometheus and its promtool, which is in the same folder. `PROMETHEUS_PATH` wins. */
export async function findPrometheus(): Promise<{ prometheus: string; promtool: string }> {
  const prometheus = process.env.PROMETHEUS_PATH ?? (await locate(prometheusTool));
  return { prometheus, promtool: join(prometheus, '..', 'promtool') };
}

/** Alertmanager and its amtool, which is in the same folder. `ALERTMANAGER_PATH` wins. */
export async function findAlertmanager(): Promise<{ alertmanager: string; amtool: string }> {
  const alertmanager = process.env.ALERTMANAGER_PATH ?? (await locate(alertmanagerTool));
  return { alertmanager, amtool: join(alertmanager, '..', 'amtool') };
}

/** Both servers refuse or dislike root, so as root they run as the first of these users that exists. */
function unprivileged(...names: string[]): { uid?: number; gid?: number } {
  if (!isRoot) return {};
  const users = new Map(
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name, , uid, gid]) => [name, { uid: Number(uid), gid: Number(gid) }] as const),
  );
  for (const name of [...names, 'nobody']) {
    const user = users.get(name);
    if (user !== undefined) return user;
  }
  return { uid: 65534, gid: 65534 };
}

function own(path: string, user: { uid?: number; gid?: number }): void {
  if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid);
}

/** True when something answers on the port. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 2_000 });
    const finish = (verdict: boolean) => {
      socket.destroy();
      resolve(verdict);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
    socket.once('timeout', () => finish(false));
  });
}

// --- A server that can be killed and started again ----------------------------------------------------------------

interface Launch {
  title: string;
  launch(): OwnedProcess;
  /** True once it serves clients. */
  ready(): Promise<boolean>;
  timeout: number;
}

class Server {
  #process: OwnedProcess | undefined;
  readonly #plan: Launch;

  constructor(plan: Launch) {
    this.#plan = plan;
  }

  async start(): Promise<void> {
    const started = this.#plan.launch();
    this.#process = started;
    await waitUntil(
      `${this.#plan.title} answered`,
      async () => started.exit() !== undefined || (await this.#plan.ready()),
      this.#plan.timeout,
    ).catch(async (error: unknown) => {
      await started.stop();
      throw new Error(`${this.#plan.title} did not start. It said:\n${started.output()}`, { cause: error });
    });
    const exit = started.exit();
    if (exit !== undefined) {
      throw new Error(`${this.#plan.title} ended at once (exit code ${exit.code}). It said:\n${started.output()}`);
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#process?.signal(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await this.#process?.waitForExit();
  }

  async restart(): Promise<void> {
    this.#process?.signal('SIGCONT');
    await this.#process?.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    this.#process?.signal('SIGCONT');
    await this.#process?.stop();
  }

  output(): string {
    return this.#process?.output() ?? '';
  }
}

/** Another process can take a port between our choosing and the server's binding it. */
async function withRetry<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!/address already in use|eaddrinuse|could not bind/i.test(String(error))) throw error;
    return attempt();
  }
}

// --- PostgreSQL ---------------------------------------------------------------------------------------------------

export interface PostgresOptions {
  /** Put the data directory inside this existing directory, e.g. a small file system for a full-disk test. */
  parentDirectory?: string;
  /** Lines for `postgresql.conf`. */
  configuration?: Readonly<Record<string, string>>;
}

/** Starts a PostgreSQL of the caller's own, durable as in production (fsync on). */
export async function startPrivatePostgres(options: PostgresOptions = {}): Promise<PrivatePostgres> {
  const binaries = join(await locate(postgresTool), '..');
  return withRetry(() => launchPostgres(binaries, options));
}

async function launchPostgres(binaries: string, options: PostgresOptions): Promise<PrivatePostgres> {
  const user = unprivileged('postgres');
  const home = temporaryDirectory('postgres');
  own(home, user);
  const dataDirectory =
    options.parentDirectory === undefined
      ? join(home, 'data')
      : join(options.parentDirectory, `postgres-${randomBytes(4).toString('hex')}`);
  if (options.parentDirectory !== undefined) own(options.parentDirectory, user);
  const port = await freePort();
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(home, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  own(passwordFile, user);
  const env = { PATH: process.env.PATH, HOME: home, LC_ALL: 'C.UTF-8', TZ: 'UTC' };
  const identity = { cwd: home, env, ...user };
  await run(
    join(binaries, 'initdb'),
    [
      `--pgdata=${dataDirectory}`,
      '--username=healthflows',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    identity,
  );
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '200',
    // Small: the tests' data fits, and several instances share one machine.
    shared_buffers: '32MB',
    ...options.configuration,
  };
  const server = new Server({
    title: 'PostgreSQL',
    timeout: 60_000,
    // SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients to leave.
    launch: () =>
      spawnOwned(
        join(binaries, 'postgres'),
        ['-D', dataDirectory, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
        { ...identity, stopSignal: 'SIGINT' },
      ),
    ready: () =>
      run(join(binaries, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port), '-U', 'healthflows'], { env }).then(
        () => true,
        () => false,
      ),
  });
  await server.start();
  const address = `postgres://healthflows:${password}@127.0.0.1:${port}`;
  return {
    url: `${address}/postgres`,
    host: '127.0.0.1',
    port,
    dataDirectory,
    kill: (signal) => server.kill(signal),
    restart: () => server.restart(),
    output: () => server.output(),
    async stop() {
      await server.stop();
      removeDirectory(home);
      await rm(dataDirectory, { recursive: true, force: true });
    },
    async createDatabase(name = `hf_${randomBytes(6).toString('hex')}`) {
      await run(
        join(binaries, 'createdb'),
        ['-h', '127.0.0.1', '-p', String(port), '-U', 'healthflows', '--template', 'template0', name],
        { env: { ...env, PGPASSWORD: password } },
      );
      return `${address}/${name}`;
    },
  };
}

// --- RabbitMQ -----------------------------------------------------------------------------------------------------

export interface RabbitMqOptions {
  /** Lines for `rabbitmq.conf`, e.g. `{'disk_free_limit.absolute': '1GB'}`. */
  configuration?: Readonly<Record<string, string>>;
}

/** Starts a RabbitMQ of the caller's own: own node name, cookie, port mapper and data; no plugins. */
export async function startPrivateRabbitMq(options: RabbitMqOptions = {}): Promise<PrivateRabbitMq> {
  const script = await locate(rabbitmqTool);
  return withRetry(() => launchRabbitMq(script, options));
}

async function launchRabbitMq(script: string, options: RabbitMqOptions): Promise<PrivateRabbitMq> {
  const epmd = findExecutable(['epmd'], ['/usr/lib/erlang/erts-*/bin/epmd', '/usr/bin/epmd']);
  if (epmd === undefined) throw new Error('RabbitMQ is installed, but not Erlang’s epmd: install erlang-base.');
  const user = unprivileged('rabbitmq');
  const home = temporaryDirectory('rabbitmq');
  own(home, user);
  const file = (name: string, text: string, mode = 0o644): string => {
    const path = join(home, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    own(path, user);
    return path;
  };
  const [port, distributionPort, epmdPort] = (await freePorts(3)) as [number, number, number];
  const password = randomBytes(12).toString('hex');
  file('.erlang.cookie', randomBytes(20).toString('hex'), 0o400);
  const configuration = {
    'listeners.tcp.1': `127.0.0.1:${port}`,
    default_user: 'healthflows',
    default_pass: password,
    'log.console': 'true',
    'log.console.level': 'warning',
    'log.file': 'false',
    // Enough for tests; the broker's own default would reserve 40 % of the machine.
    'vm_memory_high_watermark.absolute': '1GB',
    'disk_free_limit.absolute': '50MB',
    ...options.configuration,
  };
  const env: NodeJS.ProcessEnv = {
    PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH ?? ''}`,
    HOME: home,
    LC_ALL: 'C.UTF-8',
    RABBITMQ_NODENAME: `hf${randomBytes(5).toString('hex')}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(home, 'data'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_CONFIG_FILE: file(
      'rabbitmq.conf',
      Object.entries(configuration)
        .map(([key, value]) => `${key} = ${value}\n`)
        .join(''),
    ),
    RABBITMQ_CONF_ENV_FILE: file('rabbitmq-env.conf', ''),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins', '[].\n'),
    RABBITMQ_ADVANCED_CONFIG_FILE: file('advanced.config', '[].\n'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_CTL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP_SECONDS: '0',
  };
  const identity = { cwd: home, env, ...user };
  // Started here, because the Erlang runtime would start it as a daemon that nobody ends.
  const portMapper = spawnOwned(epmd, ['-address', '127.0.0.1', '-port', String(epmdPort)], identity);
  await waitUntil('epmd answered', () => answers(epmdPort));
  const server = new Server({
    title: 'RabbitMQ',
    timeout: 120_000,
    launch: () => spawnOwned(script, [], identity),
    // The port opens only at the end of the boot, with the users and the virtual host in place.
    ready: () => answers(port),
  });
  const stop = async () => {
    await server.stop();
    await portMapper.stop(2_000);
    removeDirectory(home);
  };
  try {
    await server.start();
  } catch (error) {
    await stop();
    throw error;
  }
  const control = join(script, '..', 'rabbitmqctl');
  return {
    url: `amqp://healthflows:${password}@127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    dataDirectory: join(home, 'data'),
    kill: (signal) => server.kill(signal),
    restart: () => server.restart(),
    output: () => server.output(),
    stop,
    async rabbitmqctl(...args) {
      const { stdout } = await run(control, args, { ...identity, maxBuffer: 16 * 1024 * 1024 });
      return stdout;
    },
  };
}

// --- What a whole test run shares -----------------------------------------------------------------------------------

export interface SharedServices {
  amqpUrl: string;
  postgresUrl: string;
  stop(): Promise<void>;
}

/** The servers of one test run: those of the environment, else private ones. */
export async function startSharedServices(): Promise<SharedServices> {
  const [rabbitmq, postgres] = await Promise.allSettled([
    process.env.AMQP_URL === undefined ? startPrivateRabbitMq() : undefined,
    process.env.POSTGRES_URL === undefined ? startPrivatePostgres() : undefined,
  ]);
  const stop = async () => {
    for (const started of [rabbitmq, postgres]) {
      if (started.status === 'fulfilled') await started.value?.stop();
    }
  };
  if (rabbitmq.status === 'rejected' || postgres.status === 'rejected') {
    await stop();
    throw [rabbitmq, postgres].find((started) => started.status === 'rejected')!.reason;
  }
  return {
    amqpUrl: process.env.AMQP_URL ?? rabbitmq.value!.url,
    postgresUrl: process.env.POSTGRES_URL ?? postgres.value!.url,
    stop,
  };
}

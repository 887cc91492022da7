/** Child processes, ports and directories that are gone when the test process is gone, however it ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ReaperLine } from './reaper.ts';

let reaper: ChildProcess | undefined;

function tellReaper(line: ReaperLine): void {
  if (reaper === undefined) {
    reaper = spawn(process.execPath, [fileURLToPath(new URL('./reaper.ts', import.meta.url))], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined },
    });
    reaper.unref();
    reaper.stdin?.on('error', () => {});
    (reaper.stdin as unknown as { unref(): void }).unref();
  }
  reaper.stdin?.write(`${JSON.stringify(line)}\n`);
}

/** An empty directory under the system's temporary directory, deleted with the test process. */
export function temporaryDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `healthflows-${name}-`));
  tellReaper({ directory: path });
  return path;
}

export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  tellReaper({ forgetDirectory: path });
}

/** Free loopback ports, distinct from each other. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function freePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}

/**
 * Waits until `condition` gives something other than undefined, null or false, and returns it. An error thrown by the
 * condition counts as "not yet" and is shown when time is up.
 *
 * @param timeout milliseconds; generous, because it only ends a test that has failed anyway
 */
export async function waitUntil<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeout = 90_000,
  interval = 50,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== null && value !== false) return value as NonNullable<T>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`Waited ${timeout / 1000} s in vain until ${what}.`, { cause: last });
    }
    await sleep(interval);
  }
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface OwnedProcess {
  readonly pid: number;
  /** Everything it wrote to standard output and standard error, the last 2 MiB of it. */
  output(): string;
  onOutput(listener: (chunk: string) => void): void;
  exit(): Exit | undefined;
  /** Resolves when it has ended. Does not keep this process alive; {@link waitForExit} does. */
  readonly ended: Promise<Exit>;
  /** Sends a signal to the process and its descendants in the same group. */
  signal(name: NodeJS.Signals): void;
  /** Waits for its end. @throws Error when it is still running after `timeout` milliseconds */
  waitForExit(timeout?: number): Promise<Exit>;
  /** Asks it to end, and kills it when it has not after `grace` milliseconds. */
  stop(grace?: number): Promise<Exit>;
}

export interface SpawnOptions {
  cwd?: string;
  /** Replaces the environment. */
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
  /** The signal that asks it to end. Default SIGTERM. */
  stopSignal?: NodeJS.Signals;
}

const outputLimit = 2 * 1024 * 1024;

/**
 * Starts a process in a group of its own that does not outlive this one. It does not keep this process alive, so that
 * a test that forgets to stop it ends all the same.
 */
export function spawnOwned(command: string, args: readonly string[], options: SpawnOptions = {}): OwnedProcess {
  const stopSignal = options.stopSignal ?? 'SIGTERM';
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env ?? process.env,
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  let output = '';
  let exit: Exit | undefined;
  let announce: (how: Exit) => void;
  const ended = new Promise<Exit>((resolve) => {
    announce = resolve;
  });
  const end = (how: Exit) => {
    exit ??= how;
    announce(exit);
  };
  const listeners = new Set<(chunk: string) => void>();
  const take = (chunk: string) => {
    output = (output + chunk).slice(-outputLimit);
    for (const listener of listeners) listener(chunk);
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', take);
    (stream as unknown as { unref(): void }).unref();
  }
  child.unref();
  child.on('error', (error) => {
    take(`${error.message}\n`);
    end({ code: 127, signal: null });
  });
  child.on('exit', (code, signal) => {
    end({ code, signal });
    tellReaper({ forget: pid });
  });
  const pid = child.pid ?? -1;
  if (pid > 0) tellReaper({ group: pid, signal: stopSignal });

  const owned: OwnedProcess = {
    pid,
    output: () => output,
    onOutput: (listener) => listeners.add(listener),
    exit: () => exit,
    ended,
    signal(name) {
      if (exit !== undefined || pid < 0) return;
      try {
        process.kill(-pid, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    },
    async waitForExit(timeout = 90_000) {
      await waitUntil(`${command} (pid ${pid}) ended`, () => exit !== undefined, timeout, 10);
      return exit!;
    },
    async stop(grace = 15_000) {
      if (exit !== undefined) return exit;
      owned.signal(stopSignal);
      try {
        return await owned.waitForExit(grace);
      } catch {
        owned.signal('SIGKILL');
        return await owned.waitForExit();
      }
    },
  };
  return owned;
}

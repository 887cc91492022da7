/**
 * A small process that outlives its parent by a moment: it ends the process groups and deletes the directories the
 * parent registered, as soon as the parent is gone, however it went (end, crash, Ctrl-C, kill -9). The sign is the end
 * of its standard input, which the kernel closes with the parent.
 *
 * Reads one JSON object a line: {"group": pid, "signal": "SIGTERM"}, {"forget": pid}, {"directory": path},
 * {"forgetDirectory": path}.
 */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ReaperLine {
  group?: number;
  signal?: NodeJS.Signals;
  forget?: number;
  directory?: string;
  forgetDirectory?: string;
}

/** How long the groups have to end by themselves before SIGKILL, in milliseconds. */
const grace = 8_000;

const groups = new Map<number, NodeJS.Signals>();
const directories = new Set<string>();

function signal(group: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, name);
    return true;
  } catch {
    return false;
  }
}

// The terminal sends Ctrl-C to the whole foreground group; the reaper has work to do after that.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {});

for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text) as ReaperLine;
  if (line.group !== undefined) groups.set(line.group, line.signal ?? 'SIGTERM');
  if (line.forget !== undefined) groups.delete(line.forget);
  if (line.directory !== undefined) directories.add(line.directory);
  if (line.forgetDirectory !== undefined) directories.delete(line.forgetDirectory);
}

let alive = [...groups.keys()].filter((group) => signal(group, groups.get(group)!));
for (const group of alive) signal(group, 'SIGCONT');
const deadline = Date.now() + grace;
while (alive.length > 0 && Date.now() < deadline) {
  await sleep(50);
  alive = alive.filter((group) => signal(group, 0));
}
for (const group of alive) signal(group, 'SIGKILL');
if (alive.length > 0) await sleep(200);
for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });

/** The tarball as users get it, and a user directory that it is installed into. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { ensureBuilt, packageRoot } from '../support/node-red.ts';
import { temporaryDirectory } from '../support/processes.ts';

const run = promisify(execFile);

export interface Packed {
  tarball: string;
  /** What is in it. */
  paths: Set<string>;
}

export async function pack(): Promise<Packed> {
  ensureBuilt();
  const folder = temporaryDirectory('pack');
  // Without prepack: dist/ is what npm test has just built, and other tests are reading it.
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: packageRoot,
    maxBuffer: 64 * 1024 * 1024,
  });
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  return { tarball: join(folder, basename(filename)), paths: new Set(files.map((file) => file.path)) };
}

/** @returns a new user directory of Node-RED with the package in its `node_modules` */
export async function installInto(tarball: string): Promise<string> {
  const userDir = temporaryDirectory('user-directory');
  writeFileSync(join(userDir, 'package.json'), JSON.stringify({ name: 'flows', version: '0.0.1', private: true }));
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], { cwd: userDir });
  return userDir;
}

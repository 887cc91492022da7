/**
 * Other packages that do the same work, installed for a comparison only: into a folder of their own, from the npm
 * registry, so that they are no dependency of this project and never run anywhere else.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../.runtime/peers/', import.meta.url));

/**
 * @param packages names with exact versions, e.g. `{ 'odoo-await': '3.4.1' }`
 * @returns loads one of them by name; undefined when they cannot be installed, after saying why
 */
export function peers(packages: Readonly<Record<string, string>>): ((name: string) => unknown) | undefined {
  const missing = Object.entries(packages).filter(([name]) => !existsSync(join(folder, 'node_modules', name)));
  if (missing.length > 0) {
    mkdirSync(folder, { recursive: true });
    if (!existsSync(join(folder, 'package.json'))) writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
    const names = missing.map(([name, version]) => `${name}@${version}`);
    try {
      const options = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
      execFileSync('npm', [...options, ...names], {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: 120_000,
      });
    } catch (error) {
      console.log(
        `The comparison is left out: ${names.join(', ')} cannot be installed (${(error as Error).message.split('\n', 1)[0]}).`,
      );
      return undefined;
    }
  }
  return createRequire(folder);
}

/** What the package says of itself, read from its sources and its build: palette types, examples, dialogs. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type FlowNode, packageRoot } from './node-red.ts';

export interface PaletteNode {
  type: string;
  /** The folder of its sources, relative to the package's root. */
  folder: string;
  /** The built html that the editor loads. */
  html: string;
}

interface Manifest {
  'node-red': { nodes: Record<string, string> };
}

export function manifest(): Manifest & Record<string, unknown> {
  return JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as Manifest & Record<string, unknown>;
}

export function paletteNodes(): PaletteNode[] {
  return Object.entries(manifest()['node-red'].nodes).map(([type, file]) => ({
    type,
    folder: dirname(file).replace(/^dist/, 'nodes'),
    html: readFileSync(join(packageRoot, file.replace(/\.js$/, '.html')), 'utf8'),
  }));
}

export interface FlowFile {
  /** Relative to the package's root. */
  path: string;
  nodes: FlowNode[];
}

/** The examples and the reference flows (the build copies those into `examples/`, so they are listed once). */
export function flowFiles(): FlowFile[] {
  return [...globSync('examples/**/*.json', { cwd: packageRoot }), ...globSync('flows/*.json', { cwd: packageRoot })]
    .filter((path) => !path.startsWith('examples/00 Reference flows'))
    .sort()
    .map((path) => ({ path, nodes: JSON.parse(readFileSync(join(packageRoot, path), 'utf8')) as FlowNode[] }));
}

/**
 * Builds `dist/`: the compiled nodes, and beside each palette node the `.html` that the editor loads, put together
 * from its `.editor.ts`, `.form.html` and `.help.md`, with its locales and icons.
 *
 * A palette node is a folder whose name is its type and which holds `<type>.editor.ts`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { compiledSources } from '../nodes/canonical/model/ajv.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);

// Built beside and put in place at the end, so that a failed build leaves the last good one.
const building = `.dist-${process.pid}`;
process.on('exit', () => rmSync(building, { recursive: true, force: true }));
try {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--outDir', building], {
    stdio: 'inherit',
  });
} catch {
  console.error('The TypeScript sources do not compile; see above.');
  process.exit(1);
}

const nodes: Record<string, string> = {};
for (const editor of globSync('nodes/**/*.editor.ts').sort()) {
  const folder = dirname(editor);
  const type = basename(editor, '.editor.ts');
  const target = join(building, relative('nodes', folder));
  const bundle = await build({
    entryPoints: [editor],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
    charset: 'utf8',
    legalComments: 'none',
  });
  const script = bundle.outputFiles[0]!.text.replaceAll('</script', '<\\/script');
  const form = readFileSync(join(folder, `${type}.form.html`), 'utf8').trimEnd();
  const help = readFileSync(join(folder, `${type}.help.md`), 'utf8').trimEnd();
  mkdirSync(target, { recursive: true });
  writeFileSync(
    join(target, `${type}.html`),
    [
      `<script type="text/html" data-template-name="${type}">\n${form}\n</script>`,
      `<script type="text/markdown" data-help-name="${type}">\n${help}\n</script>`,
      `<script type="text/javascript">\n${script}</script>\n`,
    ].join('\n\n'),
  );
  for (const part of ['locales', 'icons']) {
    if (existsSync(join(folder, part))) cpSync(join(folder, part), join(target, part), { recursive: true });
  }
  nodes[type] = `./${join('dist', relative('nodes', folder), `${type}.js`)}`;
}

// Static parts of slices that are served or read as they are (console pages, mapping files).
for (const asset of globSync('nodes/**/assets')) {
  cpSync(asset, join(building, relative('nodes', asset)), { recursive: true });
}
// The documents that the tests prove the formats with are samples for analysts.
cpSync('test/canonical/library', join(building, 'canonical/samples'), {
  recursive: true,
  filter: (file) => !/\.ts$|\.mapping\.json$/.test(file),
});
// The model's validators as code, so that a running Node-RED needs no compiler for them.
const validators = join(building, 'canonical/model/compiled');
mkdirSync(validators, { recursive: true });
for (const [file, source] of compiledSources()) writeFileSync(join(validators, file), source);
if (existsSync('flows')) {
  for (const flow of globSync('flows/*.json')) {
    mkdirSync('examples/00 Reference flows', { recursive: true });
    cpSync(flow, join('examples/00 Reference flows', basename(flow)));
  }
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { 'node-red': { nodes: Record<string, string> } };
const declared = Object.fromEntries(
  Object.entries(manifest['node-red'].nodes).map(([type, file]) => [type, `./${join(file)}`]),
);
for (const type of new Set([...Object.keys(nodes), ...Object.keys(declared)])) {
  if (nodes[type] !== declared[type]) {
    throw new Error(
      `package.json "node-red".nodes["${type}"] is ${declared[type] ?? 'absent'}, the sources say ${nodes[type] ?? 'absent'}.`,
    );
  }
}
if (existsSync('dist')) renameSync('dist', join(building, '.previous'));
renameSync(building, 'dist');
rmSync(join('dist', '.previous'), { recursive: true, force: true });
console.log(`Built ${Object.keys(nodes).length} nodes into dist/.`);

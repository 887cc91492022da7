/** The tarball as users get it: what is in it, and that both Node-RED versions run with it. */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type NodeRed, nodeRedVersions, packageRoot, paletteTypes, startNodeRed } from '../support/node-red.ts';
import { flowFiles, manifest, paletteNodes } from '../support/palette.ts';
import { installInto, pack } from './packed.ts';

const name = '@healthflows/node-red-integration';

describe('the packed package', () => {
  let tarball: string;
  let paths: Set<string>;

  before(async () => {
    ({ tarball, paths } = await pack());
  });

  test('holds for each node its code, dialog, icon and locale', () => {
    for (const file of Object.values(manifest()['node-red'].nodes)) {
      assert.ok(paths.has(file), file);
      assert.ok(paths.has(file.replace(/\.js$/, '.html')), `the html beside ${file}`);
      assert.ok(
        paths.has(file.replace(/[^/]+\.js$/, `locales/en-US/${basename(file, '.js')}.json`)),
        `the locale of ${file}`,
      );
    }
    for (const icon of globSync('nodes/**/icons/*.svg', { cwd: packageRoot })) {
      assert.ok(paths.has(icon.replace(/^nodes/, 'dist')), icon);
    }
  });

  test('holds the examples, the licence and the readme', () => {
    for (const example of globSync('examples/**/*.json', { cwd: packageRoot })) assert.ok(paths.has(example), example);
    for (const flow of globSync('flows/*.json', { cwd: packageRoot })) {
      assert.ok(paths.has(`examples/00 Reference flows/${basename(flow)}`), flow);
    }
    for (const file of ['LICENSE', 'README.md', 'package.json', 'CHANGELOG.md']) assert.ok(paths.has(file), file);
  });

  test('holds no sources, tests or tools', () => {
    const allowed = /^(dist\/|examples\/|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/;
    assert.deepEqual(
      [...paths].filter((path) => !allowed.test(path) || (path.endsWith('.ts') && !path.endsWith('.d.ts'))),
      [],
    );
  });

  for (const version of nodeRedVersions) {
    describe(`installed into a user directory of Node-RED ${version}`, () => {
      let nodeRed: NodeRed;

      before(async () => {
        const userDir = await installInto(tarball);
        nodeRed = await startNodeRed({ version, userDir, packageFrom: 'userDir' });
      });
      after(() => nodeRed?.stop());

      const json = async (path: string) => {
        const response = await nodeRed.admin(path, { headers: { accept: 'application/json' } });
        assert.equal(response.status, 200, path);
        return response.json();
      };

      const library = (path: string) => `/library/examples/flows/${path.split('/').map(encodeURIComponent).join('/')}`;

      /** The admin API lists one folder at a time: names of folders, and objects for files. */
      const exampleNames = async (folder: string): Promise<string[]> => {
        const entries = (await json(library(folder))) as (string | { fn: string })[];
        const names: string[] = [];
        for (const entry of entries) {
          if (typeof entry === 'string') names.push(...(await exampleNames(`${folder}${entry}/`)));
          else names.push(folder.slice(name.length + 1) + entry.fn);
        }
        return names;
      };

      test('every node is there, enabled, without an error', async () => {
        const sets = (await json('/nodes')) as {
          module: string;
          types: string[];
          enabled: boolean;
          local: boolean;
          err?: unknown;
        }[];
        const ours = sets.filter((set) => set.module === name);
        assert.deepEqual(ours.flatMap((set) => set.types).sort(), paletteTypes().sort());
        for (const set of ours) {
          assert.deepEqual(
            { enabled: set.enabled, local: set.local, err: set.err },
            { enabled: true, local: true, err: undefined },
            String(set.types),
          );
        }
      });

      test('the editor gets every icon', async () => {
        const icons = ((await json('/icons')) as Record<string, string[]>)[name] ?? [];
        for (const icon of globSync('nodes/**/icons/*.svg', { cwd: packageRoot }).map((file) => basename(file))) {
          assert.ok(icons.includes(icon), icon);
          assert.equal((await nodeRed.admin(`/icons/${name}/${icon}`)).status, 200, icon);
        }
      });

      test('the editor gets every locale', async () => {
        const catalogues = (await json('/nodes/messages?lng=en-US')) as Record<string, Record<string, object>>;
        for (const type of paletteTypes()) {
          const texts = catalogues[`${name}/${type}`]?.[type];
          assert.ok(texts !== undefined && Object.keys(texts).length > 0, type);
        }
      });

      test('the editor gets every dialog', async () => {
        const html = await (await nodeRed.admin('/nodes', { headers: { accept: 'text/html' } })).text();
        for (const { type } of paletteNodes()) {
          assert.ok(html.includes(`data-template-name="${type}"`), type);
          assert.ok(html.includes(`data-help-name="${type}"`), type);
        }
      });

      test('the import dialog lists every example, and each can be read', async () => {
        const listed = await exampleNames(`${name}/`);
        const expected = globSync('examples/**/*.json', { cwd: packageRoot }).map((file) =>
          file.replace(/^examples\//, '').replace(/\.json$/, ''),
        );
        assert.deepEqual(listed.sort(), expected.sort());
        for (const example of listed) {
          assert.ok(Array.isArray(await json(library(`${name}/${example}`))), example);
        }
      });

      test('every example and reference flow deploys with no type missing', async () => {
        for (const { path, nodes } of flowFiles()) {
          await assert.doesNotReject(nodeRed.deploy(nodes), path);
        }
      });
    });
  }
});

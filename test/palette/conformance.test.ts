/** What holds for every palette node, whoever wrote it. Reads the sources and the built html; no Node-RED runs. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import type { NodeDefinition } from '../../nodes/node/index.ts';
import { ensureBuilt, packageRoot } from '../support/node-red.ts';
import { flowFiles, type PaletteNode, paletteNodes } from '../support/palette.ts';

interface EditorDefinition {
  category: string;
  color?: string;
  icon?: string;
  inputs?: number;
  outputs?: number;
  label?: unknown;
  labelStyle?: unknown;
  outputLabels?: unknown;
  paletteLabel?: unknown;
  defaults: Record<
    string,
    { value: unknown; type?: string; required?: boolean; validate?: (...args: never[]) => unknown }
  >;
  credentials?: Record<string, { type: string }>;
}

/** One colour a family, so that an analyst sees what a node is for. */
const colours: Record<string, string> = {
  'webhook-verifier': '#A6D8C9',
  'idempotency-gate': '#A6D8C9',
  debounce: '#A6D8C9',
  sequence: '#A6D8C9',
  'canonical-mapper': '#B5D3E7',
  'amqp-publish': '#F3C99F',
  'amqp-consume': '#F3C99F',
  replenishment: '#E8D8A0',
  reconcile: '#E8D8A0',
  'odoo-rpc': '#CBB5DE',
  'odoo-changes': '#CBB5DE',
  'document-match': '#B5D3E7',
  'partner-send': '#C9DBA5',
  settle: '#E7BFC0',
  'dead-letter': '#E7BFC0',
  approval: '#E3D48F',
};

/** Something that may be called, constructed and read at any depth: the editor's globals while a script registers. */
const anything: unknown = new Proxy(() => {}, {
  get: (_target, property) => (property === Symbol.toPrimitive ? () => '' : anything),
  apply: () => anything,
  construct: () => anything as object,
});

/** Runs the node's editor script and returns what it registered. */
function registered(node: PaletteNode): EditorDefinition {
  const script = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(node.html)?.[1];
  assert.ok(script !== undefined, `dist has no editor script of ${node.type}`);
  const definitions = new Map<string, EditorDefinition>();
  const RED = new Proxy(
    { nodes: { registerType: (type: string, definition: EditorDefinition) => definitions.set(type, definition) } },
    { get: (target, property) => (property in target ? target[property as 'nodes'] : anything) },
  );
  const browser = { RED, $: anything, jQuery: anything, document: anything, console, window: anything };
  runInContext(script, createContext(browser), { filename: `${node.type}.html` });
  const definition = definitions.get(node.type);
  assert.ok(definition !== undefined, `the editor script of ${node.type} registers ${[...definitions.keys()].join()}`);
  return definition;
}

async function definitionOf(node: PaletteNode): Promise<NodeDefinition<Record<string, unknown>>> {
  const module = (await import(join(packageRoot, node.folder, `${node.type}.def.ts`))) as Record<string, unknown>;
  const found = Object.values(module).find(
    (value) => typeof value === 'object' && value !== null && (value as { type?: unknown }).type === node.type,
  );
  assert.ok(found !== undefined, `${node.type}.def.ts exports no definition of it`);
  return found as NodeDefinition<Record<string, unknown>>;
}

function textsOf(node: PaletteNode): Record<string, unknown> {
  const file = join(packageRoot, node.folder, 'locales/en-US', `${node.type}.json`);
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
}

function textAt(texts: Record<string, unknown>, key: string): unknown {
  return key.split('.').reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], texts);
}

/** JSON, because values made inside the editor's context have other prototypes. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

ensureBuilt();

for (const node of paletteNodes()) {
  describe(node.type, () => {
    let editor: EditorDefinition;
    let definition: NodeDefinition<Record<string, unknown>>;
    const form = readFileSync(join(packageRoot, node.folder, `${node.type}.form.html`), 'utf8');
    const help = readFileSync(join(packageRoot, node.folder, `${node.type}.help.md`), 'utf8');
    const isConfig = () => editor.category === 'config';

    before(async () => {
      editor = registered(node);
      definition = await definitionOf(node);
    });

    test('has the same defaults in the editor and at run time', () => {
      const { configVersion, ...defaults } = editor.defaults;
      assert.equal(configVersion?.value, definition.version, 'configVersion');
      const inEditor = Object.fromEntries(Object.entries(defaults).map(([key, { value }]) => [key, plain(value)]));
      const atRunTime = plain(definition.defaults) as Record<string, unknown>;
      // Every node has a name; a definition that does not use it need not say so.
      if (!('name' in atRunTime)) delete inEditor.name;
      assert.deepEqual(inEditor, atRunTime);
    });

    test('has the same credentials in the editor and at run time', () => {
      assert.deepEqual(plain(editor.credentials ?? {}), plain(definition.credentials ?? {}));
    });

    test('has as many outputs, each with a label, in the editor as at run time', () => {
      if (isConfig()) return;
      const names = definition.outputs;
      if (names === undefined) assert.ok((editor.outputs ?? 0) <= 1, `${editor.outputs} outputs`);
      else assert.equal(editor.outputs, names.length);
      if ((editor.outputs ?? 0) > 1) assert.ok(editor.outputLabels !== undefined, 'outputLabels');
    });

    test('sits in the palette with its family’s colour, an icon of its own and a label', () => {
      if (isConfig()) return;
      assert.equal(editor.category, 'healthflows');
      assert.equal(editor.color?.toUpperCase(), colours[node.type]);
      assert.ok(
        existsSync(join(packageRoot, node.folder, 'icons', String(editor.icon))),
        `icons/${editor.icon} beside the sources`,
      );
      assert.equal(typeof editor.label, 'function');
      assert.ok(editor.paletteLabel !== undefined, 'paletteLabel');
    });

    test('explains itself', () => {
      const sections = isConfig() ? ['Details'] : ['Inputs', 'Outputs', 'Details', 'Example'];
      if (editor.inputs === 0) sections.splice(sections.indexOf('Inputs'), 1);
      if (editor.outputs === 0) sections.splice(sections.indexOf('Outputs'), 1);
      for (const section of sections) {
        assert.match(help, new RegExp(`^#{1,4} ${section}`, 'm'), `"${section}" in ${node.type}.help.md`);
      }
    });

    test('has a text for every key its dialog and editor script use', () => {
      const texts = textsOf(node);
      const source = readFileSync(join(packageRoot, node.folder, `${node.type}.editor.ts`), 'utf8');
      const inForm = [...form.matchAll(/data-i18n="([^"]+)"/g)]
        .flatMap(([, value]) => value!.split(';'))
        .map((key) => key.replace(/^\[[^\]]+\]/, ''));
      const inSource = [...source.matchAll(/\b_\(\s*['"]([\w-]+(?:\.[\w-]+)+)['"]/g)].map(([, key]) => key!);
      const missing = [...inForm, ...inSource]
        .filter((key) => !key.includes(':'))
        .filter((key) => typeof textAt(texts, key) !== 'string');
      assert.deepEqual([...new Set(missing)], []);
    });

    test('has a label for every field of its dialog', () => {
      const labelled = new Set([...form.matchAll(/<label[^>]*\bfor="([^"]+)"/g)].map(([, id]) => id!));
      // Fields that are never shown hold values for a table that the script draws.
      const shown = form.replace(/<div[^>]*display: ?none[^>]*>(?:\s*<input[^>]*>)*\s*<\/div>/g, '');
      const unlabelled = [...shown.matchAll(/<(?:input|select|textarea)\b([^>]*)>/g)]
        .map(([, attributes]) => attributes!)
        .filter((attributes) => !/type="(?:hidden|button)"/.test(attributes))
        .filter((attributes) => !/aria-label|\[aria-label\]/.test(attributes))
        .map((attributes) => /\bid="([^"]+)"/.exec(attributes)?.[1] ?? attributes)
        .filter((id) => !labelled.has(id));
      assert.deepEqual(unlabelled, []);
    });

    test('leaves the colours of its dialog to the editor’s theme', () => {
      assert.doesNotMatch(
        form,
        /(?:color|background|border)[^;"]*:[^;"]*(?:#[0-9a-f]{3,8}\b|rgba?\(|\bwhite\b|\bblack\b)/i,
      );
    });

    test('has validators whose words reach the analyst', () => {
      for (const [property, { value: usual, validate }] of Object.entries(editor.defaults)) {
        // Node-RED takes a string for "invalid, because" only from a validator that declares (value, options).
        if (validate === undefined || validate === anything || validate.length >= 2) continue;
        for (const value of typeof usual === 'object' ? [usual] : ['', 'x', '-1', '1e9']) {
          const verdict: unknown = validate.call(anything as never, value as never);
          assert.notEqual(typeof verdict, 'string', `${property}: Node-RED would take "${String(verdict)}" for valid`);
        }
      }
    });

    test('has settings of the types of its defaults in every shipped flow', () => {
      const kind = (value: unknown): string => (Array.isArray(value) ? 'list' : typeof value);
      const wrong = flowFiles().flatMap(({ path, nodes }) =>
        nodes
          .filter(({ type }) => type === node.type)
          .flatMap((each) =>
            Object.entries(definition.defaults)
              .filter(([key, usual]) => each[key] !== undefined && kind(each[key]) !== kind(usual))
              // Config nodes may take their settings from the environment.
              .filter(([key]) => !/^\$\{\w+\}$/.test(String(each[key])))
              .map(([key]) => `${path} ${each.id} ${key}: ${kind(each[key])}`),
          ),
      );
      assert.deepEqual(wrong, []);
    });

    test('is in an example', () => {
      const used = flowFiles().filter((file) => file.nodes.some((each) => each.type === node.type));
      assert.ok(used.length > 0, `no file under examples/ or flows/ has a ${node.type}`);
    });
  });
}

test('icons have names of their own, as Node-RED files them by name', () => {
  const names = globSync('nodes/**/icons/*', { cwd: packageRoot }).map((file) => file.split('/').at(-1)!);
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
});

test('examples hold no credentials', () => {
  for (const { path, nodes } of flowFiles()) {
    const withSecrets = nodes.filter((node) =>
      Object.values(node.credentials ?? {}).some((value) => !/^(\$\{\w+\})?$/.test(value)),
    );
    assert.deepEqual(
      withSecrets.map((node) => node.id),
      [],
      path,
    );
  }
});

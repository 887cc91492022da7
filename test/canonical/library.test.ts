/**
 * The library of sample documents: each is read to a valid canonical entity that says what the document is about,
 * written back, and read again. What a format cannot say is agreed for each pair of mappings, with the reason; anything
 * else that is lost, gained or changed on the way fails here.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { isTextFormat, writeDocument } from '../../nodes/canonical/formats/index.ts';
import { read } from '../../nodes/canonical/mapper.ts';
import { checkDraft, sourcesOf } from '../../nodes/canonical/mapping/check.ts';
import type { CompiledMapping } from '../../nodes/canonical/mapping/compile.ts';
import { reverseMapping } from '../../nodes/canonical/mapping/reverse.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';
import { facts } from './library/facts.ts';
import { longDocuments } from './library/long.ts';
import { pairs, type Pair } from './library/pairs.ts';

process.env.HEALTHFLOWS_PSEUDONYM_KEY = 'k'.repeat(40);

const root = new URL('./library/', import.meta.url);
const library = new MappingLibrary();
const moment = { at: '2026-11-23T10:15:00+01:00', id: 'e1' };

const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const files = folders.flatMap(({ name: folder }) =>
  readdirSync(new URL(`${folder}/`, root))
    .filter((name) => !/\.mapping\.json$|\.md$/.test(name))
    .map((name) => `${folder}/${name}`),
);
const documents = new Map<string, Uint8Array | string>([
  ...files.map((name): [string, Uint8Array] => [name, new Uint8Array(readFileSync(new URL(name, root)))]),
  ...Object.entries(longDocuments).map(([name, make]): [string, string] => [name, make()]),
]);

/** A shipped mapping by its id, one of the library's own by its file. */
function mappingOf(name: string): CompiledMapping {
  return name.endsWith('.json')
    ? library.compile(JSON.parse(readFileSync(new URL(name, root), 'utf8')))
    : library.get(name);
}

/** Leaves by path with positions; identifiers by their kind, because their order says nothing. */
function leavesOf(value: unknown, path: string[] = [], out = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value) && path.at(-1) === 'identifiers')
    for (const item of value) leavesOf(item, [...path, String((item as { type: unknown }).type)], out);
  else if (
    typeof value === 'object' &&
    value !== null &&
    !(Symbol.toPrimitive in value) &&
    Object.keys(value).length > 0
  )
    for (const [key, inner] of Object.entries(value)) leavesOf(inner, [...path, key], out);
  else if (value !== undefined)
    out.set(path.join('/'), typeof value === 'object' ? JSON.stringify(value) : String(value));
  return out;
}

/** What of a source the rows of its mapping read: values by path without positions, sorted. */
function readValues(mapping: CompiledMapping, tree: unknown): Map<string, string[]> {
  const plain = (path: string): string => path.replaceAll(/\[[^\]]*\]/g, '').replace(/\.#text$/, '');
  const { source } = mapping.mapping;
  const counted = 'format' in source && source.format === 'hl7v2';
  const paths = new Set(mapping.mapping.rows.flatMap((row) => sourcesOf(row).map(plain)));
  const found = new Map<string, string[]>();
  for (const [path, value] of leavesOf(tree)) {
    const key = path
      .split('/')
      .filter((part) => !/^\d+$/.test(part) || /^\d\d$/.test(part) || counted)
      .join('.')
      .replace(/\.#text$/, '');
    if (paths.has(key) && value !== '') found.set(key, [...(found.get(key) ?? []), value].sort());
  }
  return found;
}

const used = new Set<string>();

/** Takes off what is agreed for a pair; `used` notes which agreements were needed. */
function disagreed(pair: Pair, side: 'entity' | 'source', differences: readonly string[]): string[] {
  return differences.filter((difference) => {
    const agreed = pair[side]?.filter(([pattern]) => pattern.test(difference)) ?? [];
    for (const [pattern] of agreed) used.add(`${pair.read} ${side} ${pattern}`);
    return agreed.length === 0;
  });
}

function differencesOf(before: Map<string, string>, after: Map<string, string>): string[] {
  return [
    ...[...before].filter(([path]) => !after.has(path)).map(([path, value]) => `lost ${path}: ${value}`),
    ...[...after].filter(([path]) => !before.has(path)).map(([path, value]) => `gained ${path}: ${value}`),
    ...[...before]
      .filter(([path, value]) => after.has(path) && after.get(path) !== value)
      .map(([path, value]) => `changed ${path}: ${value} → ${after.get(path)}`),
  ];
}

describe('a document of the library', () => {
  for (const [name, document] of documents) {
    const pair = pairs.find(({ files: prefix }) => name.startsWith(prefix));

    test(`${name} says what it is about, and comes back`, () => {
      assert.ok(pair !== undefined, 'no mapping reads it');
      const reader = mappingOf(pair.read);
      const { target, source } = reader.mapping;
      assert.ok('entity' in target && 'format' in source);

      const tree = read(source, document);
      const { value: entity, violations } = reader.run(tree);
      assert.deepEqual(violations, []);
      assert.deepEqual(validatorOf(target.entity, 'strict')(entity).violations, []);
      const leaves = leavesOf(entity);
      const said = facts[name];
      assert.ok(said !== undefined, 'nobody says what it is about: facts.ts');
      for (const [path, value] of Object.entries(said)) {
        if (value !== null) assert.equal(leaves.get(path), value, path);
        else assert.ok(![...leaves.keys()].some((leaf) => `${leaf}/`.startsWith(`${path}/`)), `${path} is there`);
      }

      if (pair.oneWay !== undefined) return;
      const writer =
        pair.write === undefined
          ? checkDraft(reverseMapping(reader.mapping, library.tables()).mapping, library.tables()).compiled!
          : mappingOf(pair.write);
      const back = writer.run(entity);
      assert.deepEqual(back.violations, []);
      const side = writer.mapping.target;
      assert.ok('format' in side);
      const text = isTextFormat(side.format)
        ? writeDocument(side.format, back.value, side.options, moment)
        : JSON.stringify(back.value);
      const again = mappingOf(pair.readBack ?? pair.read);
      const whole = read(again.mapping.source, text);
      const treeBack = pair.part === undefined ? whole : pair.part(whole);
      const second = again.run(treeBack);
      assert.deepEqual(second.violations, []);
      assert.deepEqual(validatorOf(target.entity, 'strict')(second.value).violations, []);
      assert.deepEqual(disagreed(pair, 'entity', differencesOf(leaves, leavesOf(second.value))), []);

      if (pair.readBack !== undefined) return;
      const joined = (values: Map<string, string[]>) =>
        new Map([...values].map(([path, each]) => [path, each.join(' | ')]));
      assert.deepEqual(
        disagreed(
          pair,
          'source',
          differencesOf(joined(readValues(reader, tree)), joined(readValues(reader, treeBack))),
        ),
        [],
      );
    });
  }

  test('is one of at least sixty, in every format, by every shipped mapping that reads one', () => {
    assert.ok(files.length >= 60, `${files.length} files`);
    const readers = new Set(pairs.map((pair) => pair.read));
    const shipped = library
      .list()
      .filter(({ source, target }) => 'format' in source && source.format !== 'odoo' && 'entity' in target)
      .map(({ id }) => id);
    assert.deepEqual(
      shipped.filter((id) => !readers.has(id)),
      [],
    );
    for (const { read: id, files: prefix } of pairs)
      assert.ok(
        files.some((name) => name.startsWith(prefix)),
        `${id} has no document`,
      );
  });

  test('is described in the README of its folder', () => {
    for (const name of files) {
      const [folder, file] = name.split('/') as [string, string];
      assert.ok(readFileSync(new URL(`${folder}/README.md`, root), 'utf8').includes(`\`${file}\``), name);
    }
  });

  test('needs every agreement that stands in pairs.ts', () => {
    const agreed = pairs.flatMap((pair) =>
      (['entity', 'source'] as const).flatMap((side) =>
        (pair[side] ?? []).map(([pattern]) => `${pair.read} ${side} ${pattern}`),
      ),
    );
    assert.deepEqual(
      agreed.filter((each) => !used.has(each)),
      [],
    );
  });
});

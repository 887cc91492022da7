/**
 * What is published about the model is what the code says, and no published version changes under its users.
 * `UPDATE_DOCS=1` writes the pages and the schemas of new versions.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { changesBetween, isStep, levelOf } from '../../nodes/canonical/model/compatibility.ts';
import { overview, pageOf, publishedSchema } from '../../nodes/canonical/model/documentation.ts';
import { mappingsPage } from '../../nodes/canonical/mappings/documentation.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { entities, type JsonSchema } from '../../nodes/canonical/schemas/index.ts';

const folder = fileURLToPath(new URL('../../docs/canonical', import.meta.url));
const update = process.env.UPDATE_DOCS === '1';

function same(file: string, text: string): void {
  const path = join(folder, file);
  if (update) {
    mkdirSync(join(folder, 'schemas'), { recursive: true });
    writeFileSync(path, text);
  }
  assert.ok(existsSync(path), `docs/canonical/${file} is missing; run this test with UPDATE_DOCS=1`);
  assert.equal(
    readFileSync(path, 'utf8'),
    text,
    `docs/canonical/${file} is out of date; run this test with UPDATE_DOCS=1`,
  );
}

test('the pages of the model and of mappings say what the code says', () => {
  same('README.md', overview());
  same('mappings.md', mappingsPage(new MappingLibrary()));
  for (const entity of entities) same(`${entity.name}.md`, pageOf(entity));
});

describe('a published schema', () => {
  for (const entity of entities) {
    const schema = publishedSchema(entity);
    const file = `schemas/${entity.name}-${entity.version}.json`;

    test(`of ${entity.name} ${entity.version} never changes`, () => {
      // Only a version that is not published yet is written; a published one needs a new version.
      if (update && !existsSync(join(folder, file))) same(file, `${JSON.stringify(schema, null, 2)}\n`);
      const published = JSON.parse(readFileSync(join(folder, file), 'utf8')) as JsonSchema;
      assert.deepEqual(
        changesBetween(published, JSON.parse(JSON.stringify(schema)) as JsonSchema),
        [],
        'raise the version',
      );
    });

    test(`of ${entity.name} is followed by a version that tells what changed`, () => {
      for (const earlier of globSync(`schemas/${entity.name}-*.json`, { cwd: folder })) {
        const version = /-([\d.]+)\.json$/.exec(earlier)![1]!;
        const level = levelOf(
          changesBetween(JSON.parse(readFileSync(join(folder, earlier), 'utf8')) as JsonSchema, schema),
        );
        if (level !== undefined && version !== entity.version) {
          assert.ok(isStep(version, entity.version, level), `${version} to ${entity.version} is not a ${level} step`);
        }
      }
    });
  }
});

describe('a change of a schema', () => {
  const base = (): JsonSchema => ({
    type: 'object',
    description: 'A thing.',
    properties: {
      name: { type: 'string', maxLength: 10, 'x-sensitivity': 'C' },
      state: { type: 'string', 'x-extensible-enum': ['a', 'b'], 'x-sensitivity': 'I' },
      kind: { type: 'string', enum: ['x', 'y'], 'x-sensitivity': 'I' },
      lines: { type: 'array', items: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } },
    },
    required: ['name'],
  });
  const properties = (schema: JsonSchema) => schema.properties as Record<string, JsonSchema>;
  const cases: [what: string, level: string | undefined, change: (schema: JsonSchema) => void][] = [
    ['nothing', undefined, () => undefined],
    ['other words', 'patch', (s) => Object.assign(s, { description: 'The thing.' })],
    ['a new optional field', 'minor', (s) => Object.assign(properties(s), { colour: { type: 'string' } })],
    [
      'a new value of a growing list',
      'minor',
      (s) => Object.assign(properties(s).state!, { 'x-extensible-enum': ['a', 'b', 'c'] }),
    ],
    [
      'a value less of a growing list',
      'major',
      (s) => Object.assign(properties(s).state!, { 'x-extensible-enum': ['a'] }),
    ],
    ['a new value of a closed list', 'major', (s) => Object.assign(properties(s).kind!, { enum: ['x', 'y', 'z'] })],
    ['a field removed', 'major', (s) => delete properties(s).state],
    ['a field required', 'major', (s) => Object.assign(s, { required: ['name', 'state'] })],
    ['a field no longer required', 'major', (s) => Object.assign(s, { required: [] })],
    ['a shorter length', 'major', (s) => Object.assign(properties(s).name!, { maxLength: 5 })],
    ['another type', 'major', (s) => Object.assign(properties(s).name!, { type: 'integer' })],
    ['a lower class', 'major', (s) => Object.assign(properties(s).name!, { 'x-sensitivity': 'P' })],
    [
      'a field of a line required',
      'major',
      (s) => Object.assign(properties(s).lines!.items as JsonSchema, { required: ['n', 'm'] }),
    ],
  ];
  for (const [what, level, change] of cases) {
    test(`that is ${what} is ${level ?? 'none'}`, () => {
      const after = base();
      change(after);
      assert.equal(levelOf(changesBetween(base(), after)), level);
    });
  }

  test('needs a version that rises at least as far', () => {
    assert.equal(isStep('1.0.0', '1.0.1', 'patch'), true);
    assert.equal(isStep('1.0.0', '1.0.1', 'minor'), false);
    assert.equal(isStep('1.0.9', '1.1.0', 'minor'), true);
    assert.equal(isStep('1.4.2', '2.0.0', 'minor'), true);
    assert.equal(isStep('1.4.2', '1.5.0', 'major'), false);
    assert.equal(isStep('2.0.0', '1.9.9', 'patch'), false);
  });
});

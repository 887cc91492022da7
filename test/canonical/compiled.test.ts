/** The validators that the build writes: the same verdicts as Ajv's own, and no compiler in a running Node-RED. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';
import { entities } from '../../nodes/canonical/schemas/index.ts';
import { ensureBuilt, packageRoot } from '../support/node-red.ts';

const built = join(packageRoot, 'dist/canonical/model');
before(ensureBuilt);

test('each entity has its validator in both readings', () => {
  for (const { name } of entities)
    for (const reading of ['strict', 'tolerant'])
      assert.ok(existsSync(join(built, 'compiled', `${name}-${reading}.cjs`)), `${name} ${reading}`);
});

test('they say of good and of broken documents what Ajv says', async () => {
  const { validatorOf: compiled } = (await import(pathToFileURL(join(built, 'validate.js')).href)) as {
    validatorOf: typeof validatorOf;
  };
  const library = new MappingLibrary();
  let broken = 0;
  for (const { id, source } of library.list()) {
    if (!('entity' in source)) continue;
    const sample = library.source(id).sample as Record<string, unknown> | undefined;
    if (sample === undefined) continue;
    const lines = Array.isArray(sample.lines) ? (sample.lines as object[]) : [];
    const documents = [
      sample,
      { ...sample, surprise: 1 },
      { ...sample, number: 7, currency: 'Euro', issueDate: '2026-13-01' },
      { ...sample, identifiers: [{ type: 'GLN', value: '1234567890123' }] },
      { ...sample, lines: [...lines, ...lines] },
      { ...sample, type: 'no such type', status: 'no such state' },
      {},
      [],
      null,
    ];
    for (const document of documents)
      for (const reading of ['strict', 'tolerant'] as const) {
        const verdict = validatorOf(source.entity, reading)(document);
        assert.deepEqual(compiled(source.entity, reading)(document), verdict, `${id} ${reading}`);
        if (!verdict.valid) broken++;
      }
  }
  assert.ok(broken > 100, `${broken} broken documents`);
});

test('a process that validates has loaded no compiler and needs none', () => {
  const script = `
    import { createRequire } from 'node:module';
    const { validatorOf } = await import(${JSON.stringify(pathToFileURL(join(built, 'validate.js')).href)});
    const { count } = validatorOf('order', 'strict')({});
    const { cache } = createRequire(import.meta.url);
    console.log(JSON.stringify({ count, ajv: Object.keys(cache).filter((file) => /ajv.dist.(?!runtime)/.test(file)) }));
  `;
  const answer = execFileSync(
    process.execPath,
    ['--disallow-code-generation-from-strings', '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  const { count, ajv } = JSON.parse(answer) as { count: number; ajv: string[] };
  assert.ok(count > 0);
  assert.deepEqual(ajv, []);
});

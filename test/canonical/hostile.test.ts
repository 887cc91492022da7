/**
 * Documents that mean harm: each ends with a clear error, or is read, without filling the memory. Every format has its
 * table in hostile-reader.ts and its own process with a heap of 320 MB, so that one that is not bounded kills that
 * process and the test says which it was.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkMapping } from '../../nodes/canonical/mapping/check.ts';
import { compileLookup } from '../../nodes/canonical/mapping/lookup.ts';
import type { Row } from '../../nodes/canonical/mapping/mapping.ts';
import { parseJson } from '../../nodes/kernel/json.ts';

interface Line {
  kind: 'started' | 'ended' | 'finished';
  name: string;
  expected: string;
  end: string;
  message: string;
  clean: boolean;
}

/** What the reader's process said before it ended, and how it ended. Ten minutes are for a machine that is busy. */
function readAll(format: string): Promise<{ lines: Line[]; ending: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--max-old-space-size=320', fileURLToPath(new URL('./hostile-reader.ts', import.meta.url)), format],
      { stdio: ['ignore', 'pipe', 'pipe'], timeout: 10 * 60_000, killSignal: 'SIGKILL' },
    );
    let out = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const lines = out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line);
      resolve({ lines, ending: String(signal ?? code), errors });
    });
  });
}

describe('a hostile document', () => {
  for (const format of ['json', 'fhir', 'xml', 'csv', 'hl7v2', 'x12']) {
    test(`in ${format} ends with a clear error, in bounded memory`, async () => {
      const { lines, ending, errors } = await readAll(format);
      const last = lines.at(-1);
      assert.equal(ending, '0', `the process died of "${last?.name}": ${errors.slice(0, 500)}`);
      assert.equal(last?.kind, 'finished');
      assert.equal(last.clean, true, 'a document reached Object.prototype');
      const ended = lines.filter(({ kind }) => kind === 'ended');
      assert.ok(ended.length >= 15, `${ended.length} documents`);
      for (const { name, expected, end, message } of ended) {
        assert.equal(end, expected, name);
        if (end !== 'read') assert.match(message, /^(?=.{20,300}$)[A-Z].*\.$/s, name);
      }
    });
  }
});

/** Maps one value and tells the rule that refused it. */
function refusal(value: unknown, row: Partial<Row>): string | undefined {
  const { compiled, problems } = checkMapping({
    id: 'hostile',
    version: '1.0.0',
    title: 'Hostile',
    source: { format: 'json', name: 'in' },
    target: { format: 'json', name: 'out' },
    rows: [{ from: 'a', to: 'b', ...row }],
  });
  assert.ok(compiled, JSON.stringify(problems));
  return compiled.run({ a: value }).violations[0]?.rule;
}

describe('a hostile value', () => {
  const decimals = [
    '1e999999999',
    '9'.repeat(10_000),
    `0.${'1'.repeat(10_000)}`,
    'NaN',
    'Infinity',
    '0x10',
    '1_000',
    '٣',
  ];

  for (const transform of ['decimal', 'plain', 'negate', 'sum', 'product', 'toDecimalComma', 'integer']) {
    test(`is no number for ${transform}`, () => {
      for (const value of decimals) {
        const row = { transforms: [transform] };
        assert.equal(refusal(value, row), 'MAPPING_INVALID_VALUE', value.slice(0, 20));
        assert.equal(refusal((parseJson(`{"a":"${value}"}`) as { a: string }).a, row), 'MAPPING_INVALID_VALUE');
      }
    });
  }

  test('whose product has more digits than a number may have is refused with its row', () => {
    assert.equal(refusal(Array(50).fill('9'.repeat(30)), { from: 'a[]', transforms: ['product'] }), 'DECIMAL_SYNTAX');
  });

  test('that a transform would make huge is refused', () => {
    const long = 'a'.repeat(1_000_000);
    assert.equal(
      refusal(long, { transforms: [{ name: 'replace', find: 'a', with: 'b'.repeat(1_000) }] }),
      'MAPPING_INVALID_VALUE',
    );
    assert.equal(
      refusal('ä'.repeat(1_000_000), { transforms: [{ name: 'externalId', module: 'm', prefix: 'p' }] }),
      'MAPPING_INVALID_VALUE',
    );
  });
});

test('a path, a lookup and a table by the name of a prototype reach none', () => {
  for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
    for (const row of [
      { from: name, to: 'b' },
      { from: `a.${name}`, to: 'b' },
      { from: `a[${name}=1].b`, to: 'b' },
      { from: 'a', to: name },
      { from: 'a', to: `b.${name}.c` },
      { from: 'a', to: 'b', lookup: name },
      { from: 'a', to: 'b', transforms: [name] },
      { from: 'a', to: 'b', when: { path: name, is: 'present' } },
    ]) {
      const { compiled } = checkMapping({
        id: 'hostile',
        version: '1.0.0',
        title: 'Hostile',
        source: { format: 'json', name: 'in' },
        target: { format: 'json', name: 'out' },
        rows: [row],
      });
      assert.equal(compiled, undefined, JSON.stringify(row));
    }
    const lookup = compileLookup('table', { entries: [{ from: 'a', to: 'b' }] });
    assert.throws(() => lookup(name, undefined), { code: 'MAPPING_UNMAPPED_VALUE' });
  }
});

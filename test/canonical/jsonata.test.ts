/** The escape hatch: what expressions can do, and what they cannot do to the process. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { evaluateExpressions, memoryBudget } from '../../nodes/canonical/jsonata/evaluator.ts';
import { createMapper } from '../../nodes/canonical/mapper.ts';
import { checkMapping } from '../../nodes/canonical/mapping/check.ts';
import type { CompiledMapping, MappingResult } from '../../nodes/canonical/mapping/compile.ts';
import { mappingFromCsv, mappingToCsv } from '../../nodes/canonical/mapping/csv.ts';
import type { Row } from '../../nodes/canonical/mapping/mapping.ts';
import { reverseMapping } from '../../nodes/canonical/mapping/reverse.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { previewed } from '../../nodes/canonical/preview.ts';
import { waitUntil } from '../support/processes.ts';
import { supplierOrder } from './order.ts';

const library = new MappingLibrary();

function mapping(rows: Row[], more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'hatch',
    version: '1.0.0',
    title: 'Hatch',
    source: { format: 'json', name: 'a' },
    target: { format: 'json', name: 'b' },
    rows,
    ...more,
  };
}
const compiled = (rows: Row[], more?: Record<string, unknown>): CompiledMapping => library.compile(mapping(rows, more));

async function mapped(rows: Row[], document: unknown): Promise<MappingResult> {
  const ready = compiled(rows);
  return ready.run(document, { expressions: await evaluateExpressions(ready, document) });
}

describe('a JSONata row', () => {
  test('says what rows cannot say, and goes on through transforms and lookups', async () => {
    const { value, violations } = await mapped(
      [
        { jsonata: "parties[role='payer' and active].code", to: 'payer', transforms: ['lower'] },
        { jsonata: '$count(lines)', to: 'count', transforms: ['text'] },
        { jsonata: "$join(lines.sku, ', ')", to: 'skus' },
        { jsonata: "'BX'", to: 'unit', lookup: 'unit-to-ucum' },
        { jsonata: 'nowhere', to: 'missing', default: 'none' },
        { jsonata: 'tags', to: 'tags', transforms: ['join'] },
      ],
      {
        parties: [
          { role: 'payer', active: false, code: 'OLD' },
          { role: 'payer', active: true, code: 'NEW' },
        ],
        lines: [{ sku: 'A' }, { sku: 'B' }],
        tags: ['x', 'y'],
      },
    );
    assert.deepEqual(violations, []);
    assert.deepEqual(value, {
      payer: 'new',
      count: '2',
      skus: 'A, B',
      unit: '{box}',
      missing: 'none',
      tags: 'x y',
    });
  });

  test('in a list sees the item, the document and the position, also where two lists are flattened', async () => {
    const { value } = await mapped(
      [
        { from: 'orders[].lines[].sku', to: 'rows[].sku', each: 'orders[].lines[]' },
        { jsonata: "sku & '@' & $document.site & '#' & $index", to: 'rows[].label', each: 'orders[].lines[]' },
      ],
      { site: 'WH', orders: [{ lines: [{ sku: 'A' }, { sku: 'B' }] }, { lines: [{ sku: 'C' }] }] },
    );
    assert.deepEqual(value.rows, [
      { sku: 'A', label: 'A@WH#1' },
      { sku: 'B', label: 'B@WH#2' },
      { sku: 'C', label: 'C@WH#1' },
    ]);
  });

  test('never brings a calculated number with decimals into a document', async () => {
    const { value, violations } = await mapped(
      [
        { jsonata: '$number(a) + $number(b)', to: 'sum' },
        { jsonata: 'a', to: 'kept' },
      ],
      { a: '235.40', b: '0.1' },
    );
    assert.deepEqual(
      violations.map(({ row, rule }) => [row, rule]),
      [[1, 'MAPPING_FLOAT']],
    );
    assert.deepEqual(value, { kept: '235.40' });
  });

  test('that fails on a document is a violation of that row, without the document’s values', async () => {
    const { violations } = await mapped([{ jsonata: "$toMillis(day, '[X9999')", to: 'x' }], { day: 'SECRET' });
    assert.equal(violations[0]?.rule, 'MAPPING_JSONATA');
    assert.doesNotMatch(JSON.stringify(violations), /SECRET/);
  });

  test('is checked before it is deployed, and told what it costs', () => {
    const problems = (rows: Row[]) => checkMapping(mapping(rows), library.tables()).problems;
    assert.match(problems([{ jsonata: 'a[', to: 'x' }])[0]!.message, /cannot be read \(S\d{4} at character \d+\)/);
    assert.match(problems([{ jsonata: 'a', from: 'b', to: 'x' }])[0]!.message, /more than one of/);
    assert.match(problems([{ jsonata: `'${'x'.repeat(2_001)}'`, to: 'x' }])[0]!.message, /longer than 2000/);
    const rows: Row[] = Array.from({ length: 49 }, (_, i) => ({ from: `a${i}`, to: `b${i}` }));
    const [cost, floats] = problems([...rows, { jsonata: 'price * 2', to: 'x' }]);
    assert.equal(cost!.severity, 'warning');
    assert.match(cost!.message, /^1 JSONata row costs more than the other 49 together/);
    assert.match(floats!.message, /floating point/);
    assert.deepEqual([cost!.row, floats!.row], [50, 50]);
  });

  test('survives the sheet, has no way back, and is said so', () => {
    const rows: Row[] = [
      { jsonata: 'a[b = \'x, "y"\'].c', to: 'x' },
      { from: 'd', to: 'e' },
    ];
    assert.deepEqual(mappingFromCsv(mappingToCsv({ rows })), rows);
    const { left } = reverseMapping(mapping(rows) as never, library.tables());
    assert.deepEqual(left, [{ row: 1, to: 'x', reason: 'is a JSONata expression' }]);
  });

  test('is shown in the preview with its value', async () => {
    const shown = await previewed(
      compiled([{ jsonata: '$uppercase(a)', to: 'x', transforms: ['lower'] }]),
      '{"a":"Word"}',
    );
    assert.deepEqual(shown.rows[0]!.steps, [
      { name: 'jsonata', value: 'WORD' },
      { name: 'lower', value: 'word' },
    ]);
  });

  test('makes the node answer later, with the same document and the same failures', async () => {
    const rows: Row[] = library
      .source('supplier-order-json-to-order')
      .rows.map((row) => (row.to === 'number' ? { jsonata: 'orderNumber', to: 'number', required: true } : row));
    const hatched = library.compile({ ...library.source('supplier-order-json-to-order'), rows });
    const map = createMapper({ mode: 'to-canonical', mapping: hatched }, 'n1');
    const plain = createMapper({ mode: 'to-canonical', mapping: library.get('supplier-order-json-to-order') }, 'n1');
    const messages = [0, 1].map(() => ({ payload: structuredClone(supplierOrder) as unknown, _msgid: 'm' }));
    await map(messages[0]!);
    void plain(messages[1]!);
    assert.deepEqual(messages[0], messages[1]);
    await assert.rejects(async () => map({ payload: { ...supplierOrder, orderNumber: undefined } }), {
      class: 'data-quality',
      code: 'MAPPING_REQUIRED_MISSING',
    });
  });
});

describe('the budget of JSONata', () => {
  const one = (jsonata: string, more: Record<string, unknown> = {}) => compiled([{ jsonata, to: 'x' }], more);
  const evaluate = (ready: CompiledMapping, document: unknown = {}) => evaluateExpressions(ready, document);
  const value = async (expression: string, document: unknown = {}) =>
    (await evaluate(one(expression), document)).get(1)?.get('');

  test('stops an endless loop, an endless regular expression, and goes on with the next document', async () => {
    const loops = [
      ['( $f := function($n) { $f($n) }; $f(1) )', {}],
      ['$match(text, /^(a+)+$/)', { text: `${'a'.repeat(40)}b` }],
    ] as const;
    for (const [expression, document] of loops) {
      const after = evaluate(one('1 + 1'));
      await assert.rejects(evaluate(one(expression, { jsonataBudget: 150 }), document), {
        class: 'configuration',
        code: 'JSONATA_TIME',
        retryable: false,
      });
      assert.deepEqual((await after).get(1)?.get(''), { value: 2 });
      assert.deepEqual(await value('1 + 1'), { value: 2 });
    }
  });

  test('stops an expression that eats memory, and the process lives', async () => {
    const hungry = '( $grow := function($a) { $grow($append($a, $a)) }; $grow([1..100000]) )';
    await assert.rejects(evaluate(one(hungry, { jsonataBudget: 10_000 })), { code: /^JSONATA_(MEMORY|CRASH)$/ });
    assert.deepEqual(await value("'still here'"), { value: 'still here' });
    assert.ok(memoryBudget <= 64);
  });

  test('bounds what it gives', async () => {
    await assert.rejects(evaluate(one("$pad('', 2000000, 'x')")), { code: 'JSONATA_SIZE' });
    await assert.rejects(
      evaluate(one('$eval($pad("", 100000, "("))')).then((values) => Promise.reject(values.get(1)!.get(''))),
      {
        code: 'MAPPING_JSONATA',
      },
    );
  });

  test('leaves nothing behind for the next document', async () => {
    await value("a ~> | $ | {'__proto__': {'polluted': true}} |", { a: { b: 1 } });
    assert.deepEqual(await value('polluted', {}), {});
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    assert.deepEqual(await value("$lookup({}, 'constructor')"), {});
  });

  test('an evaluator that waits keeps no process alive, and a killed process leaves no expression running', async () => {
    const script = `
      import { evaluateExpressions } from ${JSON.stringify(new URL('../../nodes/canonical/jsonata/evaluator.ts', import.meta.url).href)};
      const compiled = { mapping: { id: 'a', version: '1' }, expressions: [{ row: 1, expression: '1', loops: '' }] };
      console.log((await evaluateExpressions(compiled, {})).get(1).get('').value);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 60_000,
    });
    assert.equal(stdout.trim(), '1');

    const endless = script
      .replace("expression: '1'", "expression: '( $f := function($n) { $f($n) }; $f(1) )'")
      .replace("version: '1'", "version: '1', jsonataBudget: 600000");
    const before = evaluators();
    const parent = execFile(process.execPath, ['--input-type=module', '-e', endless]);
    await waitUntil('the expression runs', () => evaluators().length > before.length);
    parent.kill('SIGKILL');
    await waitUntil('the expression is gone', () => evaluators().length === before.length);
  });
});

/** Processes that evaluate JSONata on this machine, whoever started them. */
function evaluators(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(childFile);
    } catch {
      return false;
    }
  });
}
const childFile = fileURLToPath(new URL('../../nodes/canonical/jsonata/child.ts', import.meta.url));

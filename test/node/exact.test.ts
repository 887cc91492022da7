import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { offerExactFunctions } from '../../nodes/node/exact.ts';
import type { RuntimeApi } from '../../nodes/node/node-red.ts';
import { flowFiles } from '../support/palette.ts';

/** Node-RED's own JSONata, as the nodes get it. */
const { util } = createRequire(import.meta.url)('@node-red/util') as { util: RuntimeApi['util'] };
offerExactFunctions({ util });

const evaluate = (text: string, message: Record<string, unknown>): Promise<unknown> =>
  new Promise((resolve, reject) =>
    util.evaluateJSONataExpression(util.prepareJSONataExpression(text, {}), message, (error, result) =>
      error ? reject(error) : resolve(result),
    ),
  );

describe('exact functions of JSONata', () => {
  test('add, multiply and round decimals as text', async () => {
    assert.equal(await evaluate('$exactSum(a)', { a: ['0.1', '0.2'] }), '0.3');
    assert.notEqual(await evaluate('$sum(a.$number($))', { a: ['0.1', '0.2'] }), 0.3, 'which JSONata itself cannot');
    assert.equal(await evaluate('$exactSum(a)', { a: '235.40' }), '235.40');
    assert.equal(await evaluate('$exactSum(a)', {}), '0');
    assert.equal(
      await evaluate('$exactSum(a.(q))', { a: [{ q: '90071992547409.93' }, { q: 2 }] }),
      '90071992547411.93',
    );
    assert.equal(await evaluate('$exactProduct("1.005", "3", 2)', {}), '6.030');
    assert.equal(await evaluate('$exactRound("1.005", 2)', {}), '1.01');
    assert.equal(await evaluate('$exactQuotient("100", "3", 6)', {}), '33.333333');
    assert.equal(await evaluate('$exactQuotient("1.50", 1, 6)', {}), '1.5');
    assert.equal(await evaluate('$exactCompare("9007199254740993", "9007199254740992")', {}), 1);
    assert.equal(await evaluate('$exactCompare("1.10", "1.1")', {}), 0);
  });

  test('refuse what has lost its digits, or is not there', async () => {
    await assert.rejects(evaluate('$exactSum(a)', { a: ['1', 0.5] }), { code: 'DECIMAL_FLOAT' });
    await assert.rejects(evaluate('$exactProduct(a, "2")', {}), { code: 'DECIMAL_SYNTAX' });
    await assert.rejects(evaluate('$exactRound("1e999999999", 2)', {}), { code: 'DECIMAL_SYNTAX' });
  });
});

test('an expression that Node-RED prepares by itself does not know them, and says so', async () => {
  const { evaluateNodeProperty } = util as unknown as {
    evaluateNodeProperty(...args: [string, string, object, object, (error: unknown, value: unknown) => void]): void;
  };
  const told = await new Promise((resolve) =>
    evaluateNodeProperty('$exactSum(["0.1", "0.2"])', 'jsonata', {}, {}, (error) => resolve(error)),
  );
  assert.equal((told as { code?: string } | null)?.code, 'T1006');
});

interface FlowNode {
  id: string;
  type: string;
  amount: string;
  amountType: string;
  values: string;
}

function nodeOf(flow: string, id: string): FlowNode {
  const nodes = JSON.parse(readFileSync(new URL(`../../flows/${flow}.json`, import.meta.url), 'utf8')) as FlowNode[];
  return nodes.find((node) => node.id === id)!;
}

/** The amount that an approval of a reference flow asks for. */
function amountOf(flow: string, id: string): string {
  const approval = nodeOf(flow, id);
  assert.equal(approval.type, 'approval');
  assert.equal(approval.amountType, 'jsonata');
  return approval.amount;
}

describe('what a person approves in the reference flows is the exact amount', () => {
  const lines = (quantity: string, price: string) => [
    { quantity: { value: quantity }, estimatedPrice: { amount: price } },
  ];

  test('of a requisition', async () => {
    const amount = amountOf('procurement-requisition', 'hf-r-approve');
    assert.equal(await evaluate(amount, { payload: { lines: lines('1', '1.005') } }), '1.01');
    const two = [...lines('1', '0.1'), ...lines('3', '70000000000000.1')];
    assert.equal(await evaluate(amount, { payload: { lines: two } }), '210000000000000.40');
    await assert.rejects(evaluate(amount, { payload: { lines: [{ quantity: { value: '1' } }] } }));
  });

  test('of a changed order', async () => {
    const amount = amountOf('procurement-supply', 'hf-s-a-ask');
    const amounts = [
      { quantity: '1', price: '1.005' },
      { quantity: '3', price: '0.1' },
    ];
    assert.equal(await evaluate(amount, { amounts }), '1.31');
  });

  test('of a charge and of a credit', async () => {
    const amount = amountOf('billing', 'hf-bi-approval');
    const charge = { quantity: { value: '1' } };
    assert.equal(await evaluate(amount, { charge, check: { category: 'late', unit: '1.005', amount: '1' } }), '1.01');
    assert.equal(await evaluate(amount, { charge, check: { category: 'credit', unit: '1', amount: '0.7' } }), '0.7');
    const priced = { ...charge, unitPrice: { amount: '1.005' } };
    assert.equal(
      await evaluate(amount, { charge: priced, check: { category: 'credit', unit: '1.005', amount: '1' } }),
      '1.01',
    );
  });

  test('and what a count writes to Odoo is the exact quantity, where the count has the line', async () => {
    const { values } = nodeOf('procurement-supply', 'hf-s-counted');
    const message = {
      document: {
        number: 'C1',
        lines: [
          { orderLine: '7', accepted: { value: '0.1' }, rejected: { value: '0.2' }, reason: { code: 'scrap' } },
          { orderLine: '7', accepted: { value: '0.30' }, rejected: { value: '5' }, reason: { code: 'return' } },
          { orderLine: '8', accepted: { value: '0' } },
        ],
      },
      payload: [7, 8, 9].map((id) => ({ id: id * 10, purchase_line_id: { id } })),
    };
    const result = (await evaluate(values, message)) as { move_ids: { update: unknown } };
    assert.deepEqual(JSON.parse(JSON.stringify(result.move_ids.update)), [
      { id: 70, values: { quantity: '0.60', picked: true } },
      { id: 80, values: { quantity: '0', picked: false } },
      { id: 90, values: {} },
    ]);
    // What is too many goes back: of 0.3 ordered 0.1 had come before.
    const [line] = message.document.lines;
    const returned = {
      ...message,
      returned: true,
      order: { lines: [{ number: '7', quantity: { value: '0.3' }, received: { value: '0.1' } }] },
      document: { number: 'C2', lines: [{ ...line, accepted: { value: '0.25' } }] },
    };
    const less = (await evaluate(values, returned)) as { move_ids: { update: { values: unknown }[] } };
    assert.deepEqual({ ...(less.move_ids.update[0]!.values as object) }, { quantity: '0.4', picked: true });
  });
});

interface Part {
  type?: string;
  value?: unknown;
  lhs?: Part;
  rhs?: Part;
  arguments?: Part[];
  procedure?: Part;
  steps?: Part[];
}

const jsonata = createRequire(createRequire(import.meta.url).resolve('@node-red/util'))('jsonata') as (
  text: string,
) => { ast(): Part };

/** Calculate in floating point, whatever they are given. */
const floating = new Set('sum average round power sqrt formatNumber abs floor ceil max min'.split(' '));
const clock = new Set(['millis', 'toMillis']);
const literal = (part: Part | undefined): boolean => part?.type === 'number';

/** Milliseconds since 1970 are whole numbers: what is added to them or compared with them is a time. */
function isTime(part: Part | undefined): boolean {
  if (part?.type === 'function') return clock.has(String(part.procedure?.value));
  return part?.type === 'binary' && [part.lhs, part.rhs].some(isTime) && [part.lhs, part.rhs].every(isTimeOrNumber);
}
const isTimeOrNumber = (part: Part | undefined): boolean => literal(part) || isTime(part);

const isNumberCall = (part: Part | undefined): boolean =>
  part?.type === 'path' && part.steps?.length === 1
    ? isNumberCall(part.steps[0])
    : part?.type === 'function' && part.procedure?.value === 'number';

/** What an expression calculates or compares in floating point: `*`, `$sum`, `$number`. */
function floats(part: unknown, found: string[] = []): string[] {
  if (Array.isArray(part)) for (const each of part) floats(each, found);
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return found;
  const { type, value, lhs, rhs, procedure } = part as Part;
  if (type === 'function' && floating.has(String(procedure?.value))) found.push(`$${String(procedure!.value)}`);
  if (type === 'binary' && !isTime(part as Part)) {
    if (['+', '-', '*', '/', '%'].includes(String(value))) found.push(String(value));
    // The sign of an exact difference is one thing, two numbers that have lost their digits are another.
    else if (['<', '<=', '>', '>=', '=', '!='].includes(String(value)) && [lhs, rhs].some(isNumberCall)) {
      if (![lhs, rhs].some(literal)) found.push('$number');
    }
  }
  for (const each of Object.values(part)) floats(each, found);
  return found;
}

/** Every JSONata expression in the settings of a node: a text beside which a type says so. */
function* expressionsOf(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  const settings = value as Record<string, unknown>;
  for (const [key, each] of Object.entries(settings)) {
    const types = [settings[`${key}Type`], settings[`${key}t`], settings[{ to: 'tot', from: 'fromt' }[key] ?? '']];
    if (typeof each === 'string' && types.includes('jsonata')) yield each;
    else yield* expressionsOf(each);
  }
}

describe('flows that are shipped', () => {
  /** Counters, days, and what makes up documents for the buttons: no quantity and no amount. */
  const counters = ['billing hf-bt-make', 'billing hf-bt-item', 'billing hf-bi-keep'];

  test('calculate and compare quantities and amounts exactly', () => {
    const offenders = new Map<string, string[]>();
    for (const { path, nodes } of flowFiles()) {
      for (const node of nodes) {
        const found = [...expressionsOf(node)].flatMap((text) => floats(jsonata(text).ast()));
        if (found.length > 0) offenders.set(`${path.replace(/^flows\/|\.json$/g, '')} ${node.id}`, found);
      }
    }
    const unexpected = [...offenders].filter(([where]) => !counters.includes(where));
    assert.deepEqual(unexpected, [], 'use $exactSum, $exactProduct, $exactRound, or the node replenishment');
    assert.deepEqual(
      counters.filter((where) => !offenders.has(where)),
      [],
      'take what is mended from the list',
    );
  });

  test('would be found out', () => {
    const of = (text: string) => floats(jsonata(text).ast());
    assert.deepEqual(of('quantity + "0.2"'), ['+']);
    assert.deepEqual(of('payload.($number(quantity) * 2)'), ['*']);
    assert.deepEqual(of('$sum(payload.$number(quantity)) >= 3'), ['$sum']);
    assert.deepEqual(of('lines[$number(a) > $number(b)]'), ['$number']);
    assert.deepEqual(of('($round(x, 2))'), ['$round']);
    assert.deepEqual(of('$number(x) > 0 and $toMillis(at) > $millis() + 900000 and $exactSum(x) & "-" & y = ""'), []);
    assert.deepEqual([...expressionsOf({ rules: [{ t: 'set', p: 'a', to: 'b + 1', tot: 'jsonata' }] })], ['b + 1']);
    assert.deepEqual([...expressionsOf({ rules: [{ t: 'eq', v: 'c + 1', vt: 'jsonata' }] })], ['c + 1']);
  });
});

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { prepareExpression } from '../../nodes/node/exact.ts';
import type { RuntimeApi, RuntimeNode } from '../../nodes/node/node-red.ts';

/** Node-RED's own JSONata, as the nodes get it. */
const { util } = createRequire(import.meta.url)('@node-red/util') as { util: RuntimeApi['util'] };
const RED = { util } as RuntimeApi;

const evaluate = (text: string, message: Record<string, unknown>): Promise<unknown> =>
  new Promise((resolve, reject) =>
    util.evaluateJSONataExpression(prepareExpression(RED, text, {} as RuntimeNode), message, (error, result) =>
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
  });

  test('refuse what has lost its digits, or is not there', async () => {
    await assert.rejects(evaluate('$exactSum(a)', { a: ['1', 0.5] }), { code: 'DECIMAL_FLOAT' });
    await assert.rejects(evaluate('$exactProduct(a, "2")', {}), { code: 'DECIMAL_SYNTAX' });
    await assert.rejects(evaluate('$exactRound("1e999999999", 2)', {}), { code: 'DECIMAL_SYNTAX' });
  });
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
  });

  test('everywhere: no approval takes an amount that JSONata itself has calculated', () => {
    for (const file of readdirSync(new URL('../../flows/', import.meta.url)).filter((name) => name.endsWith('.json'))) {
      for (const { type, amount, amountType, id } of JSON.parse(
        readFileSync(new URL(`../../flows/${file}`, import.meta.url), 'utf8'),
      ) as FlowNode[]) {
        if (type !== 'approval' || amountType !== 'jsonata') continue;
        assert.doesNotMatch(amount, /\$(sum|number|round|formatNumber)\(|[*/+]/, `${file} ${id}`);
      }
    }
  });
});

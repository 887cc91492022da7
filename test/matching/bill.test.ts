/** A bill beside order and receipt: what is held, for what reason, and what is let through. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Match } from '../../nodes/matching/difference.ts';
import type { Facts, Invoice, Order } from '../../nodes/matching/documents.ts';
import { matchDocuments, tolerancesOf, type ToleranceProfile } from '../../nodes/matching/index.ts';
import { failure } from '../odoo/support.ts';
import { bill, boxes, each, eur, order, sku, supplier } from './documents.ts';

const profile = (rules: ToleranceProfile['rules'] = [{}]) => tolerancesOf({ id: 'test', version: '1.2.0', rules });

function match(
  document: Invoice,
  placed: Order | undefined = order(),
  facts: Facts = {},
  rules?: ToleranceProfile['rules'],
): Match {
  return matchDocuments({ mode: 'bill', tolerances: profile(rules) }, { document, order: placed, facts });
}

/** Outcome, reason, owner and the fields that are outside. */
function held(found: Match): [string, string | undefined, string | undefined, string] {
  const outside = found.differences.filter(({ within }) => !within).map(({ field }) => field);
  return [found.outcome, found.reason, found.owner, outside.join()];
}

describe('a bill', () => {
  test('that agrees with order and receipt is matched, with the profile and what was looked at', () => {
    const found = match(bill());
    assert.equal(found.outcome, 'matched');
    assert.equal(found.response, 'AP');
    assert.equal(found.proceed, true);
    assert.deepEqual(found.profile, { id: 'test', version: '1.2.0' });
    assert.ok(found.checks.includes('price') && found.checks.includes('received'));
    assert.deepEqual(
      found.lines.map(({ orderLine, found: quantity, open }) => [orderLine, quantity, open]),
      [
        ['1', '10', '0'],
        ['2', '200', '0'],
      ],
    );
  });

  test('in pieces for an order in boxes is matched through the pack factor', () => {
    const pieces = bill(({ lines }) => {
      Object.assign(lines[0]!, { quantity: each('100'), unitPrice: eur('4.20') });
    });
    assert.equal(match(pieces).outcome, 'matched');
  });

  test('dearer than ordered is held for purchasing, cheaper is within tolerance', () => {
    const dearer = bill((b) => {
      Object.assign(b.lines[0]!, { unitPrice: eur('43.00'), netAmount: eur('430.00') });
      Object.assign(b, {
        netAmount: eur('454.00'),
        taxes: undefined,
        taxAmount: eur('88.80'),
        grossAmount: eur('542.80'),
      });
    });
    const found = match(dearer);
    assert.deepEqual(held(found), ['hold', 'PRI', 'purchasing', 'price']);
    assert.equal(found.response, 'UQ');
    const { expected, found: is, difference, tolerance, row } = found.differences[0]!;
    assert.deepEqual([expected, is, difference, tolerance, row], ['42', '43', '1', '0', 0]);
    const cheaper = bill((b) => {
      Object.assign(b.lines[0]!, { unitPrice: eur('41.00'), netAmount: eur('410.00') });
      Object.assign(b, {
        netAmount: eur('434.00'),
        taxes: undefined,
        taxAmount: eur('86.80'),
        grossAmount: eur('520.80'),
      });
    });
    assert.equal(match(cheaper).outcome, 'within-tolerance');
  });

  test('before anything arrived is held for goods-in, for more than arrived too', () => {
    const nothing = order(({ lines }) => {
      Object.assign(lines[0]!, { received: boxes('0') });
    });
    assert.deepEqual(held(match(bill(), nothing)), ['hold', 'DEL', 'goods-in', 'received']);
    const some = order(({ lines }) => {
      Object.assign(lines[0]!, { received: boxes('9') });
    });
    assert.deepEqual(held(match(bill(), some)), ['hold', 'QTY', 'goods-in', 'received']);
  });

  test('for more than was ordered, or for what was billed before, is held', () => {
    const more = order(({ lines }) => {
      Object.assign(lines[0]!, { quantity: boxes('9'), received: boxes('9') });
    });
    assert.deepEqual(held(match(bill(), more)), ['hold', 'QTY', 'goods-in', 'quantity']);
    const before = order(({ lines }) => {
      Object.assign(lines[0]!, { billed: boxes('10') });
    });
    const found = match(bill(), before);
    assert.deepEqual(held(found), ['hold', 'QTY', 'goods-in', 'billed']);
    assert.match(found.summary, /billed already/);
  });

  test('several lines for one line of the order count together', () => {
    const split = bill((b) => {
      const [first, second] = b.lines;
      b.lines = [
        { ...first!, number: '1', quantity: boxes('6'), netAmount: eur('252.00') },
        { ...first!, number: '3', quantity: boxes('4'), netAmount: eur('168.00') },
        second!,
      ];
    });
    assert.equal(match(split).outcome, 'matched');
    const nine = order(({ lines }) => {
      Object.assign(lines[0]!, { received: boxes('9') });
    });
    assert.deepEqual(held(match(split, nine)), ['hold', 'QTY', 'goods-in', 'received']);
  });

  test('a package of unknown or of another size is never compared as if it were the same', () => {
    const unknown = bill(({ lines }) => {
      Object.assign(lines[0]!, { quantity: { value: '10', unit: '{box}', pack: { code: 'CT' } } });
    });
    assert.deepEqual(held(match(unknown)), ['hold', 'QTY', 'goods-in', 'unit']);
    const changed = bill(({ lines }) => {
      Object.assign(lines[0]!, { quantity: boxes('10', '12') });
    });
    const found = match(changed);
    assert.equal(found.outcome, 'hold');
    assert.ok(found.differences.some(({ field }) => field === 'pack'));
  });

  test('with wrong arithmetic goes back for a new one, each sum named', () => {
    for (const [field, change] of [
      ['lineAmount', (b: Invoice) => Object.assign(b.lines[1]!, { netAmount: eur('24.03') })],
      ['netAmount', (b: Invoice) => Object.assign(b, { netAmount: eur('444.06') })],
      [
        'taxAmount',
        (b: Invoice) =>
          Object.assign(b, {
            taxes: [{ percent: '20', base: eur('444.00'), amount: eur('90.00') }],
            taxAmount: eur('90.00'),
          }),
      ],
      ['grossAmount', (b: Invoice) => Object.assign(b, { grossAmount: eur('533.80') })],
    ] as const) {
      const found = match(bill((b) => void change(b)));
      assert.equal(found.outcome, 'rejected', field);
      assert.deepEqual([found.reason, found.action, found.response], ['FIN', 'NIN', 'RE'], field);
      assert.ok(
        found.differences.some((difference) => difference.field === field),
        field,
      );
    }
    const rounded = bill(({ lines }) => {
      Object.assign(lines[1]!, { netAmount: eur('24.02') });
    });
    assert.equal(match(rounded).outcome, 'within-tolerance');
  });

  test('that repeats another one is rejected and linked, whatever the spelling; what merely looks like one is held', () => {
    const earlier = {
      number: 'inv 17',
      grossAmount: '532.80',
      issueDate: '2026-12-05',
      reference: 'BILL/2026/12/0001',
    };
    for (const number of ['INV-0017', 'INV-OO17', 'inv.0017', 'INV 17']) {
      const found = match(
        bill((b) => Object.assign(b, { number })),
        order(),
        { bills: [earlier] },
      );
      assert.equal(found.outcome, 'rejected', number);
      assert.deepEqual([found.reason, found.action], ['REF', 'CNF']);
      assert.deepEqual(found.duplicateOf, { number: 'inv 17', reference: 'BILL/2026/12/0001' });
    }
    const other = { number: 'INV-9', grossAmount: '532.80', issueDate: '2026-12-05', order: 'P00012' };
    assert.equal(match(bill(), order(), { bills: [other] }).outcome, 'hold');
    const differs = { number: 'inv 17', grossAmount: '10.00' };
    assert.equal(match(bill(), order(), { bills: [differs] }).outcome, 'hold');
    assert.equal(match(bill(), order(), { bills: [{ number: 'INV-18', grossAmount: '1' }] }).outcome, 'matched');
  });

  test('to an account that nobody verified is held for treasury, and no account is written out', () => {
    const iban = 'DE89370400440532013000';
    const paid = bill((b) => Object.assign(b, { payee: { iban } }));
    const known = (list: string[]) => ({ supplier: { bankAccounts: list.map((each) => ({ iban: each })) } });
    assert.equal(match(paid, order(), known(['DE89 3704 0044 0532 0130 00'])).outcome, 'matched');
    for (const accounts of [[], ['FR7630006000011234567890189']]) {
      const found = match(paid, order(), known(accounts));
      assert.deepEqual(held(found), ['hold', 'FIN', 'treasury', 'bankAccount']);
      assert.doesNotMatch(JSON.stringify(found), new RegExp(iban));
    }
  });

  test('without an order, for another supplier, in another currency, for an item that was not ordered', () => {
    const noOrder = matchDocuments({ mode: 'bill', tolerances: profile() }, { document: bill() });
    assert.deepEqual([noOrder.outcome, noOrder.reason], ['hold', 'UNR']);
    const nameless = matchDocuments(
      { mode: 'bill', tolerances: profile() },
      { document: bill((b) => Object.assign(b, { order: undefined })) },
    );
    assert.equal(nameless.reason, 'REF');
    const foreign = bill((b) => Object.assign(b, { issuer: { identifiers: [{ type: 'CODE', value: 'NORDIC' }] } }));
    assert.deepEqual(held(match(foreign)), ['hold', 'REF', 'accounts-payable', 'supplier']);
    const item = bill(({ lines }) => {
      Object.assign(lines[1]!, { product: sku('GLOVE-L') });
    });
    assert.deepEqual(held(match(item)), ['hold', 'ITM', 'master-data', 'item']);
    assert.deepEqual(held(match(bill(), order(), { supplier: { active: false } })).slice(0, 2), ['hold', 'OTH']);
  });

  test('freight that was not ordered passes up to its tolerance', () => {
    const freight = bill((b) => {
      b.lines.push({
        number: '3',
        description: 'Freight',
        quantity: each('1'),
        unitPrice: eur('15.00'),
        netAmount: eur('15.00'),
      });
      Object.assign(b, {
        netAmount: eur('459.00'),
        taxes: undefined,
        taxAmount: eur('88.80'),
        grossAmount: eur('547.80'),
      });
    });
    assert.deepEqual(held(match(freight)), ['hold', 'ITM', 'master-data', 'unordered']);
    assert.equal(match(freight, order(), {}, [{ unordered: '20' }]).outcome, 'within-tolerance');
    assert.equal(match(freight, order(), {}, [{ unordered: '10' }]).outcome, 'hold');
  });

  test('is held to the contract where the order was dearer', () => {
    const prices = [
      { supplier, product: sku('GLOVE-M'), unitPrice: eur('4.00'), contract: 'C-7', validTo: '2026-12-31' },
    ];
    const found = match(bill(), order(), { prices });
    assert.deepEqual(held(found), ['hold', 'PRI', 'purchasing', 'contractPrice']);
    assert.match(found.summary, /contract C-7/);
    assert.equal(
      match(
        bill((b) => Object.assign(b, { issueDate: '2027-01-02' })),
        order(),
        { prices },
      ).outcome,
      'matched',
    );
  });

  test('a credit note takes back no more than was billed', () => {
    const credit = bill((b) => Object.assign(b, { kind: 'credit' }));
    assert.equal(
      match(
        credit,
        order(({ lines }) => {
          Object.assign(lines[0]!, { billed: boxes('10') });
          Object.assign(lines[1]!, { billed: each('200') });
        }),
      ).outcome,
      'matched',
    );
    assert.equal(match(credit).outcome, 'hold');
  });
});

describe('tolerances', () => {
  const dearer = bill((b) => {
    Object.assign(b.lines[0]!, { unitPrice: eur('42.84'), netAmount: eur('428.40') });
    Object.assign(b, {
      netAmount: eur('452.40'),
      taxes: undefined,
      taxAmount: eur('88.80'),
      grossAmount: eur('541.20'),
    });
  });

  test('the rule with the most conditions holds, and the match says which', () => {
    const rules = [
      { priceUp: '1 %' },
      { supplier: 'ACME', category: 'Gloves', priceUp: '2 %' },
      { supplier: 'ACME', priceUp: '0' },
    ];
    const categories = { 'GLOVE-M': 'Consumables / Gloves' };
    const found = match(dearer, order(), { categories }, rules);
    assert.equal(found.outcome, 'within-tolerance');
    assert.deepEqual([found.differences[0]!.tolerance, found.differences[0]!.row], ['2 %', 2]);
    assert.equal(match(dearer, order(), {}, rules).outcome, 'hold');
  });

  test('a value band holds from its beginning and below its end', () => {
    for (const [from, below, outcome] of [
      ['0', '428.40', 'hold'],
      ['428.40', '', 'within-tolerance'],
      ['', '428.41', 'within-tolerance'],
      ['428.41', '', 'hold'],
    ] as const) {
      assert.equal(match(dearer, order(), {}, [{ from, below, priceUp: 'any' }]).outcome, outcome, `${from}..${below}`);
    }
  });

  test('of an amount and a share both must hold, exactly to the last digit', () => {
    for (const [priceUp, outcome] of [
      ['2 %', 'within-tolerance'],
      ['1.99 %', 'hold'],
      ['0.84', 'within-tolerance'],
      ['0.83', 'hold'],
      ['5; 1 %', 'hold'],
      ['0.5; 5 %', 'hold'],
      ['1; 2 %', 'within-tolerance'],
    ] as const) {
      assert.equal(match(dearer, order(), {}, [{ priceUp }]).outcome, outcome, priceUp);
    }
  });

  test('what cannot be read is refused at deploy, with its row', () => {
    for (const priceUp of ['two', '-1', '1 % ; 2 %', '1,5', '5 EUR']) {
      assert.throws(() => profile([{ priceUp }]), failure({ class: 'configuration', code: 'MATCH_TOLERANCE' }));
    }
    assert.throws(() => profile([{ from: 'x' }]), failure({ code: 'MATCH_TOLERANCE' }));
  });

  test('owners follow the dialog', () => {
    const found = matchDocuments(
      { mode: 'bill', tolerances: profile(), owners: { PRI: 'price desk' } },
      { document: dearer, order: order() },
    );
    assert.equal(found.owner, 'price desk');
  });

  test('a document that is none is refused', () => {
    for (const document of [
      undefined,
      'text',
      {},
      { number: '1' },
      { number: '1', lines: new Array(10_001).fill({}) },
    ]) {
      assert.throws(
        () => matchDocuments({ mode: 'bill', tolerances: profile() }, { document }),
        failure({ class: 'data-quality', code: 'MATCH_DOCUMENT' }),
      );
    }
  });
});

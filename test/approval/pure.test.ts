/** Approvals without a store: who counts, what fits, what may be changed, what a link proves, what survives storing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { applyEdits, editableFields } from '../../nodes/approval/edits.ts';
import { documentHash, messageIdOf, pack, unpack } from '../../nodes/approval/envelope.ts';
import { checkLinkKey, readTicket, signTicket } from '../../nodes/approval/link.ts';
import { authoritiesOf, closesCircle, type Delegation, peopleOf, personKey } from '../../nodes/approval/people.ts';
import { type ApprovalPolicy, assign, policyOf } from '../../nodes/approval/policy.ts';
import { seatsTaken } from '../../nodes/approval/seats.ts';
import { Teller } from '../../nodes/approval/teller.ts';
import { documentView } from '../../nodes/approval/view.ts';
import type { Store } from '../../nodes/kernel/store/index.ts';

const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

describe('the matrix', () => {
  const policy = policyOf(
    {
      name: 'purchasing',
      version: '3',
      groups: { buyers: ['Anna', 'bo'], finance: ['cy', 'anna'] },
      rules: [
        { name: 'consumables', upTo: '250.00', currency: 'EUR', category: 'consumables, office*', approvers: 'auto' },
        { name: 'small', upTo: '1000', currency: 'EUR', approvers: 'buyers' },
        { name: 'capital', category: 'capital', approvers: 'buyers; finance; dora' },
        { name: 'rest', approvers: 'buyers; finance' },
      ],
      escalateTo: 'dora',
      emergency: { people: 'eve', upTo: '5000' },
    },
    'file',
  );
  const rule = (asked: Parameters<typeof assign>[1]) => assign(policy, asked).rule;

  test('takes the first row that fits, the limit included, whatever the trailing zeros', () => {
    assert.equal(rule({ amount: '250.000', currency: 'EUR', category: 'consumables' }), 'consumables');
    assert.equal(rule({ amount: '250.01', currency: 'EUR', category: 'consumables' }), 'small');
    assert.equal(rule({ amount: '1000.00', currency: 'eur' }), 'small');
    assert.equal(rule({ amount: '1000.01', currency: 'EUR' }), 'rest');
    assert.equal(rule({ amount: '1', currency: 'EUR', category: 'Office chairs' }), 'consumables');
    assert.equal(rule({ amount: '99999', currency: 'EUR', category: 'capital' }), 'capital');
  });

  test('never compares an amount with a limit in another currency, nor an unknown amount with any', () => {
    assert.equal(rule({ amount: '10', currency: 'JPY' }), 'rest');
    assert.equal(rule({ category: 'consumables' }), 'rest');
  });

  test('takes a credit by its size', () => {
    assert.equal(rule({ amount: '-20000', currency: 'EUR' }), 'rest');
    assert.equal(rule({ amount: '-20', currency: 'EUR' }), 'small');
  });

  test('offers the emergency only up to its limit', () => {
    assert.deepEqual(assign(policy, { amount: '5000', currency: 'EUR' }).emergency, ['eve']);
    assert.deepEqual(assign(policy, { amount: '5000.01', currency: 'EUR' }).emergency, []);
    assert.deepEqual(assign(policy, {}).emergency, []);
  });

  test('says which document no row fits', () => {
    const narrow: ApprovalPolicy = { ...policy, rules: [policy.rules[1]!] };
    assert.throws(() => assign(narrow, { amount: '2000', currency: 'EUR' }), code('APPROVAL_NO_RULE'));
  });

  test('refuses a matrix that cannot mean what it says', () => {
    const refused = (rules: object[], more: object = {}) =>
      assert.throws(() => policyOf({ rules, groups: { solo: ['anna'] }, ...more }, 'x'), code('APPROVAL_POLICY'));
    refused([]);
    refused([{ approvers: '' }]);
    refused([{ approvers: 'anna; ' }]);
    refused([{ approvers: 'solo; anna' }]);
    refused([{ approvers: 'anna', upTo: '1,000', currency: 'EUR' }]);
    refused([{ approvers: 'anna', upTo: '1000' }]);
    refused([{ approvers: 'anna', upto: '1000', currency: 'EUR' }]);
    refused([{ approvers: 'a;b;c;d;e;f' }]);
    refused([{ approvers: 'anna' }], { groups: { empty: [] } });
    refused([{ approvers: 'anna' }], { emergency: { upTo: 'much' } });
  });
});

describe('who counts', () => {
  test('people are the same whatever their capitals, and named once', () => {
    assert.equal(personKey(' Ａnna '), 'anna');
    assert.deepEqual(peopleOf('buyers, ANNA, Eve', { buyers: ['Anna', 'Bo'] }), ['anna', 'bo', 'eve']);
  });

  test('one person never takes two seats, nor does one authority', () => {
    const seats = [
      ['anna', 'bo'],
      ['anna', 'cy'],
    ];
    const own = (person: string) => ({ person, authorities: [person] });
    assert.equal(seatsTaken(seats, [own('anna')]), 1);
    assert.equal(seatsTaken(seats, [own('anna'), own('anna')]), 1);
    assert.equal(seatsTaken(seats, [own('anna'), own('bo')]), 2);
    assert.equal(seatsTaken(seats, [own('anna'), own('cy')]), 2);
    assert.equal(seatsTaken(seats, [own('bo'), own('cy')]), 2);
    // Two stand-ins of one absent person.
    const standIn = (person: string) => ({ person, authorities: [person, 'anna'] });
    assert.equal(seatsTaken(seats, [standIn('x'), standIn('y')]), 1);
    // Somebody who is asked and stands in for another who is asked: one person.
    assert.equal(seatsTaken(seats, [{ person: 'bo', authorities: ['bo', 'cy'] }]), 1);
  });

  test('the best seating is found, whatever the order of votes', () => {
    const people = ['a', 'b', 'c', 'd'];
    fc.assert(
      fc.property(
        fc.array(fc.subarray(people, { minLength: 1 }), { minLength: 1, maxLength: 4 }),
        fc.shuffledSubarray(people),
        (seats, voters) => {
          const votes = voters.map((person) => ({ person, authorities: [person] }));
          const taken = seatsTaken(seats, votes);
          assert.equal(seatsTaken(seats, votes.toReversed()), taken);
          assert.ok(taken <= Math.min(seats.length, votes.length));
          // One more vote never takes an approval away.
          for (const more of people)
            assert.ok(seatsTaken(seats, [...votes, { person: more, authorities: [more] }]) >= taken);
        },
      ),
    );
  });

  const now = 1_000_000;
  const delegation = (from: string, to: string, more: Partial<Delegation> = {}): Delegation => ({
    id: `${from}-${to}`,
    from,
    to,
    process: '',
    startsAt: 0,
    endsAt: 2_000_000,
    madeBy: from,
    reason: 'on leave',
    madeAt: 0,
    endedAt: null,
    ...more,
  });

  test('authority passes to a stand-in and on, in its period and its process, and never through the requester', () => {
    const chain = [delegation('anna', 'bo'), delegation('bo', 'cy')];
    assert.deepEqual(authoritiesOf('cy', chain, 'p', now), ['cy', 'bo', 'anna']);
    assert.deepEqual(authoritiesOf('cy', chain, 'p', now, 'bo'), ['cy']);
    assert.deepEqual(authoritiesOf('cy', chain, 'p', now, 'anna'), ['cy', 'bo']);
    assert.deepEqual(authoritiesOf('cy', chain, 'p', now, 'cy'), []);
    assert.deepEqual(authoritiesOf('cy', chain, 'p', 2_000_000), ['cy']);
    assert.deepEqual(authoritiesOf('bo', [delegation('anna', 'bo', { process: 'other' })], 'p', now), ['bo']);
    assert.deepEqual(authoritiesOf('bo', [delegation('anna', 'bo', { endedAt: 5 })], 'p', now), ['bo']);
    const long = ['a', 'b', 'c', 'd', 'e'].map((name, i, all) => delegation(name, all[i + 1] ?? 'f'));
    assert.deepEqual(authoritiesOf('f', long, 'p', now), ['f', 'e', 'd', 'c']);
  });

  test('a circle is seen before it closes, and does no harm where it is', () => {
    const chain = [delegation('anna', 'bo'), delegation('bo', 'cy')];
    assert.equal(closesCircle(delegation('cy', 'anna'), chain), true);
    assert.equal(closesCircle(delegation('cy', 'anna', { startsAt: 2_000_000, endsAt: 3_000_000 }), chain), false);
    assert.equal(closesCircle(delegation('cy', 'dora'), chain), false);
    const circle = [...chain, delegation('cy', 'anna')];
    assert.deepEqual(new Set(authoritiesOf('anna', circle, 'p', now)), new Set(['anna', 'bo', 'cy']));
  });
});

describe('changes', () => {
  const order = {
    number: 'PO-1',
    note: 'urgent',
    rush: true,
    lines: [
      { sku: 'A', quantity: '10' },
      { sku: 'B', quantity: '-4.50' },
    ],
  };
  const patterns = ['lines.*.quantity', 'note', 'rush'];
  const edit = (path: string, value: unknown) => applyEdits(order, [{ path, value }], patterns, 'anna');

  test('are made to the fields that the policy names, and to a copy', () => {
    assert.deepEqual(
      editableFields(order, patterns).map(({ path }) => path),
      ['lines.0.quantity', 'lines.1.quantity', 'note', 'rush'],
    );
    const { document, edits } = edit('lines.0.quantity', '8.5');
    assert.deepEqual(edits, [{ path: 'lines.0.quantity', from: '10', to: '8.5', by: 'anna' }]);
    assert.equal((document as typeof order).lines[0]!.quantity, '8.5');
    assert.equal(order.lines[0]!.quantity, '10');
    assert.deepEqual(edit('lines.0.quantity', '10').edits, []);
    assert.deepEqual(edit('rush', 'false').edits, [{ path: 'rush', from: true, to: false, by: 'anna' }]);
  });

  test('raise no number and turn no sign', () => {
    for (const [path, value] of [
      ['lines.0.quantity', '10.01'],
      ['lines.0.quantity', '-1'],
      ['lines.1.quantity', '-5'],
      ['lines.1.quantity', '4'],
    ] as const) {
      assert.throws(() => edit(path, value), code('EDIT_RAISES'), `${path} = ${value}`);
    }
    assert.equal(edit('lines.1.quantity', '-4').edits.length, 1);
    assert.equal(edit('lines.0.quantity', '0').edits.length, 1);
  });

  test('reach no other field, no other kind of value and no prototype', () => {
    for (const path of [
      'number',
      'lines.0.sku',
      'lines.9.quantity',
      'lines.*.quantity',
      '__proto__.x',
      'constructor',
    ]) {
      assert.throws(() => edit(path, '1'), code('EDIT_NOT_ALLOWED'), path);
    }
    assert.deepEqual(editableFields(order, ['__proto__', 'constructor.name', 'lines.__proto__.x']), []);
    assert.throws(() => edit('lines.0.quantity', 'ten'), code('EDIT_INVALID'));
    assert.throws(() => edit('lines.0.quantity', { a: 1 }), code('EDIT_INVALID'));
    assert.throws(() => edit('note', 'x'.repeat(1_001)), code('EDIT_INVALID'));
    assert.throws(() => applyEdits(order, 'note', patterns, 'anna'), code('EDIT_INVALID'));
  });
});

describe('a link', () => {
  const key = 'k'.repeat(32);
  const ticket = { requestId: 'r1', person: 'Anna', expiresAt: 1_000 };

  test('proves request, person and time, and each is its own', () => {
    const text = signTicket(key, ticket);
    const { nonce, ...read } = readTicket(key, text, 999);
    assert.deepEqual(read, { ...ticket, person: 'anna' });
    assert.notEqual(readTicket(key, signTicket(key, ticket), 0).nonce, nonce);
  });

  test('is refused when expired, changed, signed with another key, or no link at all', () => {
    const text = signTicket(key, ticket);
    assert.throws(() => readTicket(key, text, 1_000), code('APPROVAL_LINK_EXPIRED'));
    for (const bad of [
      `${text}x`,
      text.slice(1),
      `x${text}`,
      text.replace('.', '..'),
      '',
      'a.b',
      `${text}.${text}`,
      'x'.repeat(5_000),
    ]) {
      assert.throws(() => readTicket(key, bad, 0), code('APPROVAL_LINK_INVALID'), bad.slice(0, 50));
    }
    assert.throws(() => readTicket('l'.repeat(32), text, 0), code('APPROVAL_LINK_INVALID'));
    // Without a key no link is good, not even one signed with none.
    assert.throws(() => readTicket('', signTicket('', ticket), 0), code('APPROVAL_LINK_INVALID'));
    assert.throws(() => checkLinkKey('short'), code('APPROVAL_LINK_KEY'));
  });
});

describe('a stored message', () => {
  test('comes back as it was, without what it owed', () => {
    const message = {
      payload: { amount: '12.50', lines: [1, null, 'x'], raw: Buffer.from([0, 255]) },
      event: { id: '1', source: '/s', type: 't' },
      topic: 'x',
      custom: { deep: [{ a: true }] },
      req: { socket: {} },
      res: {},
      delivery: { tag: '1' },
      idempotency: { key: 'k' },
      failure: { code: 'X' },
      log: () => undefined,
    } as never;
    const { message: back } = unpack(pack(message, 10_000));
    assert.deepEqual(back, {
      payload: { amount: '12.50', lines: [1, null, 'x'], raw: Buffer.from([0, 255]) },
      event: { id: '1', source: '/s', type: 't' },
      topic: 'x',
      custom: { deep: [{ a: true }] },
    });
  });

  test('is refused when it is no plain data, too deep or too large', () => {
    assert.throws(() => pack({ payload: new Map() }, 10_000), code('APPROVAL_NOT_STORABLE'));
    assert.throws(() => pack({ payload: Number.NaN }, 10_000), code('APPROVAL_NOT_STORABLE'));
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    assert.throws(() => pack({ payload: circle }, 10_000), code('APPROVAL_NOT_STORABLE'));
    assert.throws(() => pack({ payload: 'x'.repeat(200) }, 100), code('APPROVAL_TOO_LARGE'));
  });

  test('is known again by event and part, and by nothing else', () => {
    const event = { id: '1', source: '/s', type: 't' };
    assert.equal(messageIdOf({ event, payload: 1 }), messageIdOf({ event, payload: 2, _msgid: 'other' }));
    const part = (index: number) => messageIdOf({ event, parts: { id: 'p', index, type: 'array' } });
    assert.notEqual(part(0), part(1));
    assert.equal(documentHash({ payload: { a: 1, b: 2 } }), documentHash({ payload: { b: 2, a: 1 } }));
    assert.notEqual(documentHash({ payload: { a: 1 } }), documentHash({ payload: { a: 2 } }));
  });
});

describe('what an approver sees', () => {
  test('of an unknown document only what the policy names; the rest is counted, not shown', () => {
    const view = documentView(
      {
        message: { payload: { order: 'PO-1', patient: 'Marked Value', lines: [{ sku: 'A', quantity: '2' }] } },
        edits: [],
      },
      { show: ['order = Order', 'lines.*.sku'], editable: ['lines.*.quantity'] },
      true,
    );
    assert.deepEqual(
      view.fields.map(({ label, value, editable }) => [label, value, editable]),
      [
        ['Order', 'PO-1', undefined],
        ['Sku', 'A', undefined],
        ['Quantity', '2', 'decimal'],
      ],
    );
    assert.equal(view.hidden, 1);
    assert.ok(!JSON.stringify(view).includes('Marked Value'));
  });
});

test('what goes to a flow that is stopping does not count as told, and what goes to the next one does', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const told: string[] = [];
  const run = async (_: unknown, args: { told: { id: string }[] }) => void told.push(...args.told.map(({ id }) => id));
  const teller = new Teller({ run } as unknown as Store);
  const give = (id: string) => teller.given({ id, kind: 'requested', heldUntil: 30_000 });
  const pass = async (milliseconds: number) => {
    context.mock.timers.tick(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  };
  give('before the flow stands');
  teller.start();
  give('a moment ago');
  await pass(5_000);
  give('just now');
  await pass(4_000);
  teller.pause();
  give('while it stops');
  await pass(10_000);
  teller.start();
  give('after the deploy');
  await pass(5_000);
  teller.close();
  teller.start();
  give('after its end');
  await pass(5_000);
  assert.deepEqual(told, ['a moment ago', 'after the deploy']);
});

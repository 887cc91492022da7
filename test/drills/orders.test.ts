/** Drills with a supplier's orders: outages, lost replies, crashes, bad senders, poison, clocks and peaks. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { Ledger } from '../e2e/ledger.ts';
import { deliver, inParallel, post } from '../e2e/sender.ts';
import { messageId, orderPost, type Stack, startStack, supplierOrder } from '../e2e/stack.ts';
import { waitUntil } from '../support/processes.ts';
import { drill, engines, keys, size } from './drill.ts';
import { balanced, times, untaxed } from './invariants.ts';

describe(`drills with orders, ${engines} engines`, { timeout: 1_800_000 }, () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ engines });
  });
  after(() => stack?.close());

  const send = (ledger: Ledger) => async (key: string) => {
    const reply = await deliver(stack.ordersUrl, key, orderPost(key), ledger, { tries: 1_000 });
    assert.equal(reply.status, 202, `${key}: ${reply.body}`);
  };
  /** Ten gloves at 4.20 and two hundred syringes at 0.10. */
  const priceOfOrder = '62.00';
  /** The orders of one drill: what was accepted is in Odoo, or its letter waits for the data steward; all of it paid for. */
  const balance = (ledger: Ledger, letters: readonly string[] = []): string => {
    const done = ledger.accepted.filter((key) => !letters.includes(key));
    const sent = new Set(done);
    const effects = stack.effects();
    return balanced({
      accepted: ledger.accepted,
      inOdoo: (key) => effects.get(key) ?? 0,
      waiting: new Map(letters.map((key) => [key, 'the data steward'])),
      money: {
        sent: times(priceOfOrder, done.length),
        odoo: untaxed(stack.odoo.records('purchase.order').filter(({ partner_ref }) => sent.has(String(partner_ref)))),
      },
    });
  };

  drill(
    'Odoo is down through a shift',
    'everything is accepted, waits, and stands in Odoo once afterwards',
    async () => {
      const ledger = new Ledger();
      const count = 240 * size;
      await stack.odoo.down();
      try {
        await inParallel(keys('DOWN', count), 8, send(ledger));
        assert.equal(stack.effects().get('DOWN-1'), undefined);
      } finally {
        await stack.odoo.up();
      }
      await stack.assertDelivered(ledger);
      return `${count} orders sent while it was down, ${count / 4} an hour over four hours; ${balance(ledger)}`;
    },
  );

  drill('Odoo commits and its reply is lost', 'the retry finds the order: one each', async () => {
    const ledger = new Ledger();
    const count = 25 * size;
    const before = stack.odoo.log.counters.faults['drop-reply'] ?? 0;
    stack.odoo.faults.set({ kind: 'drop-reply', method: 'load', times: count });
    try {
      await inParallel(keys('LOST', count), 4, send(ledger));
      // Each lost reply waits for its time limit, and the breaker spaces them out.
      await stack.assertDelivered(ledger, 120_000 * size);
    } finally {
      stack.odoo.faults.clear();
    }
    const lost = (stack.odoo.log.counters.faults['drop-reply'] ?? 0) - before;
    assert.equal(lost, count);
    return `${lost} replies lost after the commit; ${balance(ledger)}`;
  });

  drill(
    'Node-RED is killed in the middle of a batch, and redeployed under load',
    'nothing lost, nothing twice',
    async () => {
      const ledger = new Ledger();
      const rounds = 2 * size;
      const sending = inParallel(keys('BATCH', 120 * size), 6, send(ledger));
      for (let round = 0; round < rounds; round++) {
        const accepted = ledger.accepted.length;
        await waitUntil('orders are accepted again', () => ledger.accepted.length > accepted + 10, 60_000, 5);
        await stack.nodeRed.kill();
        await stack.nodeRed.restart();
        await stack.nodeRed.deploy(stack.flows.map((node) => ({ ...node, info: `round ${round}` })));
      }
      await sending;
      await stack.assertDelivered(ledger);
      return `${rounds} kills and ${rounds} full deploys under load; ${balance(ledger)}`;
    },
  );

  drill(
    'A supplier posts thrice, late, with a bad signature and an old timestamp',
    'one effect, the bad ones are refused and visible',
    async () => {
      const ledger = new Ledger();
      const [key] = keys('THRICE', 1) as [string];
      const now = Math.floor(Date.now() / 1000);
      const foreign = `whsec_${Buffer.from('the secret of somebody else, long enough').toString('base64')}`;
      const before = await stack.console<{ records: unknown[] }>('audit?action=message.rejected');
      assert.equal((await post(stack.ordersUrl, { ...orderPost(key), secret: foreign })).status, 401);
      // Written two hours ago, arriving now as it was signed then: a replay cannot be told from it, so it is refused.
      assert.equal((await post(stack.ordersUrl, { ...orderPost(key), timestamp: now - 7_200 })).status, 401);
      // The honest supplier signs its retries afresh.
      await Promise.all([1, 2, 3].map(() => send(ledger)(key)));
      await stack.assertDelivered(ledger);
      const { records } = await stack.console<{ records: { reason?: string }[] }>('audit?action=message.rejected');
      assert.equal(records.length - before.records.length, 2);
      assert.ok(records.every(({ reason }) => reason));
      return `5 posts: 3 accepted as one order, 2 refused with 401 and their reason in the audit trail; ${balance(ledger)}`;
    },
  );

  drill(
    'Clocks: a supplier is 15 minutes off, and an hour comes twice in October',
    'the stranger is refused with the reason, both hours are told apart',
    async () => {
      const now = Math.floor(Date.now() / 1000);
      for (const skew of [-900, 900]) {
        const reply = await post(stack.ordersUrl, { ...orderPost(`SKEW${skew}`), timestamp: now + skew });
        assert.equal(reply.status, 401, reply.body);
        assert.match(reply.body, /timestamp|clock/i);
      }
      const ledger = new Ledger();
      const times = { 'DST-1': '2026-10-25T02:30:00+02:00', 'DST-2': '2026-10-25T02:30:00+01:00' };
      for (const [key, orderDate] of Object.entries(times)) {
        await deliver(stack.ordersUrl, key, { id: messageId(key), body: supplierOrder(key, { orderDate }) }, ledger);
      }
      await stack.assertDelivered(ledger);
      const dates = Object.keys(times).map(
        (key) => stack.odoo.records('purchase.order', { partner_ref: key })[0]!.date_order,
      );
      assert.deepEqual(dates, ['2026-10-25 00:30:00', '2026-10-25 01:30:00']);
      return `15 minutes early and late refused; 02:30 before and after the change stand one hour apart (${dates.join(', ')} UTC); ${balance(ledger)}`;
    },
  );

  drill('A poison message lies among others', 'it is set aside with its class, the others pass', async () => {
    const ledger = new Ledger();
    const count = 60 * size;
    const lines = [{ lineNo: 1, sku: 'NO-SUCH', qty: '1', unit: 'EA', unitPrice: '1.00', needBy: '2026-12-01' }];
    const body = supplierOrder('POISON-1', { lines: lines.map((line) => ({ ...line, description: 'unknown' })) });
    await deliver(stack.ordersUrl, 'POISON-1', { id: messageId('POISON-1'), body }, ledger);
    await inParallel(keys('BESIDE', count), 8, send(ledger));
    await waitUntil(
      'the others are in Odoo',
      () => {
        const confirmed = stack.confirmed();
        return keys('BESIDE', count).every((key) => confirmed.has(key));
      },
      120_000,
    );
    const letters = await waitUntil('the letter shows', async () => {
      const open = await stack.deadLetters();
      return open.length > 0 ? open : undefined;
    });
    assert.deepEqual(
      letters.map(({ messageId: id, class: kind }) => [id, kind]),
      [[messageId('POISON-1'), 'data-quality']],
    );
    const words = balance(ledger, ['POISON-1']);
    await stack.console('discard', { filter: { ids: [letters[0]!.id] }, expected: 1 });
    assert.deepEqual(await stack.deadLetters(), []);
    return `1 letter of class data-quality after ${letters[0]!.attempts} attempt(s); ${words}`;
  });
});

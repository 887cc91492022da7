/** Lost replies, outages and pressure: one effect each, nothing lost, and the breaker in between. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../nodes/kernel/failure.ts';
import type { BreakerState } from '../../nodes/kernel/resilience/breaker.ts';
import {
  type ActionName,
  act,
  count,
  create,
  type OdooClient,
  searchRead,
  upsert,
  write,
} from '../../nodes/odoo/index.ts';
import { clientOf, failure, order, sandbox, versions } from './support.ts';

const rounds = 200;

/** What a queue does: the same message again until it is through. @returns how often it was sent */
async function untilDone(work: () => Promise<void>): Promise<number> {
  for (let sent = 1; sent <= 20; sent++) {
    try {
      await work();
      return sent;
    } catch (error) {
      if (!(error instanceof Failure) || !error.retryable) throw error;
      assert.equal(error.class, 'dependency-outage');
      assert.equal(error.outcome, 'unknown');
    }
  }
  throw new Error('never through');
}

async function send(client: OdooClient, n: number): Promise<number> {
  const [outcome] = await upsert(client, 'purchase.order', [order(n)]);
  if (outcome?.kind !== 'done') throw outcome?.failure ?? new Error('no outcome');
  return outcome.value.id;
}

for (const version of versions) {
  describe(`lost replies on Odoo ${version}`, () => {
    test(`${rounds} upserts whose reply was lost after the commit: ${rounds} orders, none doubled`, async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { attempts: 1 });
      let sent = 0;
      for (let n = 0; n < rounds; n++) {
        odoo.faults.set({ kind: 'drop-reply', method: 'load', times: 1 });
        sent += await untilDone(async () => void (await send(client, n)));
      }
      assert.equal(sent, 2 * rounds);
      assert.equal(odoo.records('purchase.order').length, rounds);
      assert.equal(odoo.records('purchase.order.line').length, 2 * rounds);
    });

    test(`${rounds} orders confirmed, received and billed with every second reply lost: each step once`, async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const orders: number[] = [];
      const documents = Array.from({ length: rounds }, (_, n) => order(n));
      for (const outcome of await upsert(client, 'purchase.order', documents))
        if (outcome.kind === 'done') orders.push(outcome.value.id);
      assert.equal(orders.length, rounds);

      const step = async (name: ActionName, method: string, ids: number[]) => {
        odoo.faults.set({ kind: 'drop-reply', method, probability: 0.5 });
        const slices = Array.from({ length: 20 }, (_, i) => ids.filter((_id, at) => at % 20 === i));
        const results = (await Promise.all(slices.map((slice) => act(client, name, slice)))).flat();
        odoo.faults.clear();
        assert.ok(results.every(({ verdict }) => verdict === 'done'));
        assert.equal(odoo.log.list({ method }).length, ids.length);
        return results;
      };
      await step('confirm-purchase', 'button_confirm', orders);
      const pickings = await searchRead(client, 'stock.picking', [], { fields: ['state'] });
      assert.equal(pickings.length, rounds);

      const moves = await searchRead(client, 'stock.move', [], { fields: ['product_uom_qty'] });
      await Promise.all(
        [...new Set(moves.map((move) => String(move.product_uom_qty)))].map((quantity) =>
          write(
            client,
            'stock.move',
            moves.flatMap((move) => (move.product_uom_qty === quantity ? [move.id] : [])),
            { quantity, picked: true },
          ),
        ),
      );
      await step(
        'validate-picking',
        'button_validate',
        pickings.map(({ id }) => id),
      );
      assert.equal(odoo.records('stock.picking', { state: 'done' }).length, rounds);

      const billed = await step('bill-purchase', 'action_create_invoice', orders);
      const bills = billed.flatMap(({ made }) => made ?? []);
      assert.equal(odoo.records('account.move').length, rounds);
      await write(client, 'account.move', bills, { invoice_date: '2026-03-01' });
      await step('post-move', 'action_post', bills);
      assert.equal(odoo.records('account.move', { state: 'posted' }).length, rounds);
    });

    test('a plain create is never repeated after a lost reply: it fails as unknown and asks to look', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      odoo.faults.set({ kind: 'drop-reply', method: 'create', times: 1 });
      const [outcome] = await create(client, 'res.partner', [{ name: 'X', ref: 'ONCE' }]);
      assert.ok(outcome?.kind === 'failed');
      assert.deepEqual([outcome.failure.outcome, outcome.failure.retryable], ['unknown', false]);
      assert.match(outcome.failure.message, /look in Odoo first/);
      assert.equal(odoo.records('res.partner', { ref: 'ONCE' }).length, 1);
    });

    test('a reply that never comes is given up after the request’s time, and the repeat finds the record', async () => {
      const odoo = await sandbox(version);
      const hurried = clientOf(odoo, { attempts: 1, requestTimeout: 2_000 });
      odoo.faults.set({ kind: 'hang-reply', method: 'load', times: 1 });
      await assert.rejects(send(hurried, 1), failure({ code: 'ODOO_TIMEOUT', outcome: 'unknown', retryable: true }));
      await send(clientOf(odoo, { attempts: 1 }), 1);
      assert.equal(odoo.records('purchase.order').length, 1);
    });

    test('a lost reply stays unknown, also when the repeat was refused before it was sent', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { attempts: 2 });
      await send(client, 1);
      odoo.faults.set({ kind: 'drop-reply', method: 'load', times: 1 });
      const cut = new Promise<void>((resolve) => {
        const { note } = odoo.log;
        odoo.log.note = (...args) => {
          note.apply(odoo.log, args);
          if (args[0].method === 'load') resolve(odoo.down());
        };
      });
      await assert.rejects(
        send(client, 2),
        failure({ class: 'dependency-outage', outcome: 'unknown', retryable: true }),
      );
      await cut;
      await odoo.up();
      assert.equal(odoo.records('purchase.order').length, 2);
    });

    test('closing waits for the operation that runs, and takes no more', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      await client.fields('purchase.order');
      odoo.faults.set({ kind: 'slow', ms: 10 });
      const running = send(client, 1);
      await client.close();
      await running;
      assert.equal(odoo.records('purchase.order').length, 1);
      await assert.rejects(send(client, 2), failure({ code: 'ODOO_CLOSED', outcome: 'none' }));
    });

    test('a read that was cut off is simply asked again', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      await client.fields('res.partner');
      odoo.faults.set({ kind: 'drop-request', method: 'search_count', times: 2 });
      assert.ok((await count(client, 'res.partner', [])) > 0);
    });
  });

  describe(`pressure on Odoo ${version}`, () => {
    test('429 and 503 with Retry-After: the time asked for is in failure.retryAfter', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      await client.fields('res.partner');
      odoo.faults.set({ kind: 'status', status: 429, retryAfter: 30 });
      await assert.rejects(count(client, 'res.partner', []), failure({ class: 'saturation', retryAfter: 30_000 }));
      odoo.faults.set({ kind: 'status', status: 503, retryAfter: 20 });
      await assert.rejects(
        count(client, 'res.partner', []),
        failure({ class: 'dependency-outage', retryAfter: 20_000 }),
      );
    });

    test('a short Retry-After is waited for here, and the call succeeds', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      await client.fields('res.partner');
      odoo.faults.set({ kind: 'status', status: 429, retryAfter: 0, times: 1 });
      assert.ok((await count(client, 'res.partner', [])) > 0);
    });

    test('the breaker opens, refuses without a request, half-opens and closes when Odoo is back', async () => {
      const odoo = await sandbox(version);
      // A clock that this test moves: on a busy machine a real pause would be over before the last refused call.
      let now = Date.now();
      const client = clientOf(odoo, { attempts: 1, breaker: { minimum: 4, openFor: 60, now: () => now } });
      const seen: BreakerState['kind'][] = [];
      client.onBreaker((state) => seen.push(state.kind));
      await count(client, 'res.partner', []);
      odoo.faults.set({ kind: 'refuse' });
      const codes: string[] = [];
      for (let i = 0; i < 12; i++) {
        await count(client, 'res.partner', []).catch((error: Failure) => codes.push(error.code));
      }
      assert.equal(client.breaker.kind, 'open');
      assert.ok(codes.includes('BREAKER_OPEN'));
      const refused = odoo.log.counters.requests;
      await assert.rejects(count(client, 'res.partner', []), (error: Failure) => {
        assert.equal(error.code, 'BREAKER_OPEN');
        assert.ok(error.retryable && error.retryAfter! > 0 && error.outcome === 'none');
        return true;
      });
      assert.equal(odoo.log.counters.requests, refused);
      odoo.faults.clear();
      now += 60;
      for (let probe = 1; probe <= 2; probe++) await count(client, 'res.partner', []);
      assert.deepEqual(seen, ['open', 'half-open', 'closed']);
    });

    test('documents that Odoo refuses never open the breaker', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { attempts: 1, breaker: { minimum: 2 } });
      for (let i = 0; i < 10; i++) await assert.rejects(write(client, 'res.partner', [999_999], { name: 'x' }));
      assert.equal(client.breaker.kind, 'closed');
    });

    test('no more calls at a time than the bulkhead lets in', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { concurrency: 2, queue: 5 });
      await client.fields('res.partner');
      odoo.faults.set({ kind: 'slow', method: 'search_count', ms: 20 });
      const results = await Promise.allSettled(Array.from({ length: 10 }, () => count(client, 'res.partner', [])));
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 7);
      for (const result of results)
        if (result.status === 'rejected') assert.equal((result.reason as Failure).code, 'BULKHEAD_FULL');
    });
  });
}

/**
 * The procurement flow under what happens to it in a hospital: duplicates, forgeries, an Odoo that is down or drops
 * its replies, crashes and deploys. Every test ends with the ledger: nothing lost, nothing doubled.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { NodeRedVersion } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { Ledger } from './ledger.ts';
import { deliver, inParallel, post } from './sender.ts';
import { type Engines, messageId, orderPost, type Stack, startStack, supplierOrder } from './stack.ts';

/** Order numbers of one test. */
const numbers = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);

/** States the promises for one Node-RED and one set of engines; a file for each, so that they run side by side. */
export function procurementPromises(variant: { version: NodeRedVersion; engines: Engines; kills: number }): void {
  describe(`the procurement flow on Node-RED ${variant.version}, ${variant.engines} engines`, {
    timeout: 900_000,
  }, () => {
    let stack: Stack;
    before(async () => {
      stack = await startStack(variant);
    });
    after(() => stack?.close());

    it('500 orders, 200 of them sent twice and 50 in parallel pairs, are 500 orders in Odoo', async () => {
      const ledger = new Ledger();
      const keys = numbers('D', 500);
      const posts = keys.flatMap((key, index) => (index < 200 ? [[key], [key]] : index < 250 ? [[key, key]] : [[key]]));
      const replies = new Map<string, string[]>();
      await inParallel(posts, 16, async (pair) => {
        await Promise.all(
          pair.map(async (key) => {
            const reply = await deliver(stack.ordersUrl, key, orderPost(key), ledger);
            assert.equal(reply.status, 202, `${key} was answered ${reply.status}: ${reply.body}`);
            replies.set(key, [...(replies.get(key) ?? []), reply.body]);
          }),
        );
      });
      for (const [key, bodies] of replies) {
        assert.equal(
          new Set(bodies).size,
          1,
          `the duplicates of ${key} were answered differently: ${bodies.join(' | ')}`,
        );
      }
      await stack.assertDelivered(ledger);
      assert.equal(ledger.accepted.length, 500);
    });

    it('what is forged, stale, malformed or incomplete is refused with a problem and reaches nothing', async () => {
      const before = stack.effects().size;
      const now = Math.floor(Date.now() / 1000);
      const foreign = `whsec_${Buffer.from('the secret of somebody else, long enough').toString('base64')}`;
      const refused: [string, Parameters<typeof post>[1], number][] = [
        ['bad signature', { ...orderPost('R-1'), secret: foreign }, 401],
        ['stale timestamp', { ...orderPost('R-2'), timestamp: now - 3_600 }, 401],
        ['malformed JSON', { id: 'msg_R-3', body: '{"orderNumber": "R-3",' }, 400],
        ['schema violation', { id: 'msg_R-4', body: supplierOrder('R-4', { lines: [] }) }, 422],
        [
          'a price that is no number',
          {
            id: 'msg_R-5',
            body: supplierOrder('R-5', {
              lines: [{ lineNo: 1, sku: 'GLOVE-M', qty: '1', unit: 'EA', unitPrice: 'four' }],
            }),
          },
          422,
        ],
        ['another content type', { ...orderPost('R-6'), contentType: 'text/csv' }, 415],
        ['a body over the limit', { id: 'msg_R-7', body: supplierOrder('R-7', { note: 'x'.repeat(1_100_000) }) }, 413],
      ];
      for (const [what, message, status] of refused) {
        const reply = await post(stack.ordersUrl, message);
        assert.equal(reply.status, status, `${what} was answered ${reply.status}: ${reply.body}`);
        assert.match(reply.headers.get('content-type') ?? '', /^application\/problem\+json/, what);
        const problem = JSON.parse(reply.body) as { status: number; correlationId?: string; correlationid?: string };
        assert.equal(problem.status, status);
        assert.ok(problem.correlationId ?? problem.correlationid, `${what}: no correlation id in ${reply.body}`);
        assert.ok(!reply.body.includes(foreign.slice(6)) && !/\bat .*\.js/.test(reply.body), 'no secret and no stack');
      }
      // Something that is accepted afterwards has overtaken whatever the refused ones could have caused.
      const ledger = new Ledger();
      await deliver(stack.ordersUrl, 'R-ok', orderPost('R-ok'), ledger);
      await stack.assertDelivered(ledger);
      assert.equal(stack.effects().size, before + 1);
      assert.equal((await stack.console<{ waiting: number }>('now')).waiting, 0);
      const { records } = await stack.console<{ records: { reason?: string }[] }>('audit?action=message.rejected');
      assert.ok(records.length >= 2 && records.every(({ reason }) => reason), JSON.stringify(records));
    });

    it('an order that Odoo cannot take is a dead letter with its cause; corrected and replayed it is one order', async () => {
      const lines = [
        {
          lineNo: 1,
          sku: 'NOVEL-1',
          description: 'New',
          qty: '1',
          unit: 'EA',
          unitPrice: '9.90',
          needBy: '2026-12-01',
        },
      ];
      const ledger = new Ledger();
      await deliver(stack.ordersUrl, 'N-1', { id: messageId('N-1'), body: supplierOrder('N-1', { lines }) }, ledger);
      const letter = await waitUntil('the dead letter shows', async () => (await stack.deadLetters())[0]);
      assert.equal(letter.class, 'data-quality');
      assert.equal(letter.messageId, messageId('N-1'));
      assert.equal(stack.effects().get('N-1'), undefined);

      const created = await fetch(`${stack.odoo.url}/json/2/product.product/create`, {
        method: 'POST',
        headers: { authorization: 'bearer sandbox-key-admin', 'content-type': 'application/json' },
        body: JSON.stringify({ vals_list: [{ name: 'Novel product', default_code: 'NOVEL-1' }] }),
      });
      assert.equal(created.status, 200, await created.text());
      await stack.console('replay', { filter: { ids: [letter.id] }, expected: 1 });
      await stack.assertDelivered(ledger);
    });

    it('the same id with another body is refused, and the first order stands', async () => {
      const ledger = new Ledger();
      await deliver(stack.ordersUrl, 'M-1', orderPost('M-1'), ledger);
      const other = { id: messageId('M-1'), body: supplierOrder('M-1', { note: 'changed' }) };
      const reply = await post(stack.ordersUrl, other);
      assert.equal(reply.status, 422, reply.body);
      await stack.assertDelivered(ledger);
    });

    it('exact money and quantities arrive in Odoo', async () => {
      const ledger = new Ledger();
      const lines = [
        { lineNo: 1, sku: 'GLOVE-M', description: 'a', qty: '3', unit: 'EA', unitPrice: '0.1', needBy: '2026-12-01' },
        {
          lineNo: 2,
          sku: 'SYR-10',
          description: 'b',
          qty: '12',
          unit: 'EA',
          unitPrice: '235.40',
          needBy: '2026-12-01',
        },
      ];
      const message = { id: messageId('X-1'), body: supplierOrder('X-1', { lines }) };
      await deliver(stack.ordersUrl, 'X-1', message, ledger);
      await stack.assertDelivered(ledger);
      const order = stack.odoo.records('purchase.order').find((record) => record.partner_ref === 'X-1');
      assert.equal(Number(order?.amount_untaxed).toFixed(2), '2825.10');
    });

    it('with Odoo down everything is accepted, and delivered once it is back', async () => {
      const ledger = new Ledger();
      await stack.odoo.down();
      try {
        await inParallel(numbers('O', 60), 8, async (key) => {
          const reply = await deliver(stack.ordersUrl, key, orderPost(key), ledger);
          assert.equal(reply.status, 202, reply.body);
        });
      } finally {
        await stack.odoo.up();
      }
      await stack.assertDelivered(ledger);
    });

    it('a reply lost after Odoo committed leaves one order', async () => {
      const ledger = new Ledger();
      // Of writes only: a lost reply to a question commits nothing, and the breaker's probes come minutes apart.
      stack.odoo.faults.set({ kind: 'drop-reply', method: 'load', times: 20 });
      try {
        await inParallel(numbers('L', 20), 4, async (key) => {
          await deliver(stack.ordersUrl, key, orderPost(key), ledger);
        });
        await stack.assertDelivered(ledger);
      } finally {
        stack.odoo.faults.clear();
      }
    });

    it('full, flow and node deploys under load lose nothing and never answer 404', async () => {
      const ledger = new Ledger();
      let number = 0;
      let sending = true;
      const sender = async () => {
        while (sending) {
          const key = `P-${++number}`;
          const reply = await deliver(stack.ordersUrl, key, orderPost(key), ledger, { tries: 1_000 });
          assert.equal(reply.status, 202, reply.body);
        }
      };
      const senders = Array.from({ length: 8 }, sender);
      for (let round = 0; round < 9; round++) {
        const accepted = ledger.accepted.length;
        await waitUntil('orders are accepted again', () => ledger.accepted.length > accepted + 20, 60_000, 5);
        const type = (['full', 'flows', 'nodes'] as const)[round % 3]!;
        // Something must differ, else a flow or node deploy restarts nothing.
        const changed = stack.flows.map((node) =>
          node.type === 'idempotency-gate' || node.type === 'odoo-rpc' ? { ...node, info: `deploy ${round}` } : node,
        );
        await stack.nodeRed.deploy(changed, type);
      }
      sending = false;
      await Promise.all(senders);
      assert.equal(ledger.statuses()[404], undefined, JSON.stringify(ledger.statuses()));
      assert.equal(ledger.statuses()[0], undefined, 'no connection was left without an answer');
      await stack.assertDelivered(ledger);
    });

    it('kill -9 of Node-RED at random moments under load loses nothing and doubles nothing', async (t) => {
      const ledger = new Ledger();
      const kills = Number(process.env.HEALTHFLOWS_KILLS ?? variant.kills);
      let number = 0;
      let sending = true;
      const sender = async () => {
        while (sending) {
          const key = `K-${++number}`;
          await deliver(stack.ordersUrl, key, orderPost(key), ledger, { tries: 1_000 });
        }
      };
      const senders = Array.from({ length: 6 }, sender);
      for (let kill = 0; kill < kills; kill++) {
        const accepted = ledger.accepted.length;
        await waitUntil('orders are accepted again', () => ledger.accepted.length > accepted + 5, 60_000, 5);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 400));
        await stack.nodeRed.kill();
        await stack.nodeRed.restart();
      }
      sending = false;
      await Promise.all(senders);
      assert.ok(ledger.accepted.length >= kills * 6);
      await stack.assertDelivered(ledger);
      t.diagnostic(`campaign: ${ledger.accepted.length} orders accepted, replies ${JSON.stringify(ledger.statuses())}`);
    });

    it('SIGTERM with work in flight ends within 15 s, and what was accepted is delivered after the next start', async () => {
      const ledger = new Ledger();
      const keys = numbers('S', 80);
      const sending = inParallel(keys, 8, async (key) => {
        await deliver(stack.ordersUrl, key, orderPost(key), ledger, { tries: 1_000 });
      });
      await waitUntil('some are accepted', () => ledger.accepted.length >= 10, 30_000, 5);
      const exit = await stack.nodeRed.stop();
      assert.equal(exit.signal, null, 'it ended by itself');
      assert.equal(exit.code, 0);
      await stack.nodeRed.restart();
      await sending;
      await stack.assertDelivered(ledger);
    });
  });
}

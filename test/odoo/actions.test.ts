import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  act,
  attach,
  create,
  type OdooClient,
  postMessage,
  searchRead,
  upsert,
  write,
} from '../../nodes/odoo/index.ts';
import { callMethod } from '../../nodes/odoo/client/write.ts';
import { aggregate } from '../../nodes/odoo/client/read.ts';
import type { SandboxOdoo } from '../../sandbox/odoo/index.ts';
import { clientOf, failure, order, sandbox, versions } from './support.ts';

async function orderIn(client: OdooClient, n: number): Promise<number> {
  const [outcome] = await upsert(client, 'purchase.order', [order(n)]);
  if (outcome?.kind !== 'done') throw outcome?.failure ?? new Error('no outcome');
  return outcome.value.id;
}

async function receipt(client: OdooClient, po: number): Promise<number> {
  await act(client, 'confirm-purchase', [po]);
  const [picking] = await searchRead(client, 'stock.picking', [['state', '!=', 'done']], {
    fields: ['state'],
    order: 'id desc',
  });
  return picking!.id;
}

/** Puts what was received on the moves of a transfer. */
async function receive(client: OdooClient, picking: number, share: string): Promise<void> {
  const moves = await searchRead(client, 'stock.move', [['picking_id', '=', picking]], { fields: ['product_uom_qty'] });
  for (const move of moves) {
    const quantity = share === 'all' ? String(move.product_uom_qty) : '1';
    await write(client, 'stock.move', [move.id], { quantity, picked: true });
  }
}

async function bill(client: OdooClient, more: Record<string, unknown> = {}): Promise<number> {
  const [partner] = await searchRead(client, 'res.partner', [['ref', '=', 'ACME']], { fields: ['name'] });
  const [made] = await create(client, 'account.move', [
    {
      move_type: 'in_invoice',
      partner_id: partner!.id,
      invoice_date: '2026-03-01',
      ref: 'INV-1',
      invoice_line_ids: { create: [{ name: 'Gloves', quantity: '10', price_unit: '4.20' }] },
      ...more,
    },
  ]);
  if (made?.kind !== 'done') throw made?.failure ?? new Error('no outcome');
  return made.value;
}

async function sale(client: OdooClient): Promise<number> {
  const [outcome] = await upsert(client, 'sale.order', [
    {
      externalId: 'hf_test.so_1',
      values: {
        partner_id: { match: { ref: 'WARD-3E' } },
        order_line: [
          {
            externalId: 'hf_test.so_1_1',
            values: { product_id: { match: { default_code: 'GLOVE-M' } }, product_uom_qty: '2', price_unit: '6.00' },
          },
        ],
      },
    },
  ]);
  if (outcome?.kind !== 'done') throw outcome?.failure ?? new Error('no outcome');
  return outcome.value.id;
}

/** From the central store to the ward. */
async function transfer(client: OdooClient, sku: string | undefined, quantity: string): Promise<number> {
  const places = {
    location_id: { match: { barcode: 'LOC-1-STOCK' } },
    location_dest_id: { match: { barcode: 'LOC-1-WARD 3 EAST' } },
  };
  const named = (await client.version()).major < 19 ? { name: 'test' } : {};
  const [made] = await create(client, 'stock.picking', [
    {
      picking_type_id: { externalId: 'stock.picking_type_internal' },
      ...places,
      ...(sku === undefined
        ? {}
        : {
            move_ids: {
              create: [
                { ...named, product_id: { match: { default_code: sku } }, product_uom_qty: quantity, ...places },
              ],
            },
          }),
    },
  ]);
  if (made?.kind !== 'done') throw made?.failure ?? new Error('no outcome');
  return made.value;
}

/** Of the twelve gloves of the ward. */
async function scraps(client: OdooClient, quantity: string): Promise<number[]> {
  const [made] = await create(client, 'stock.scrap', [
    {
      product_id: { match: { default_code: 'GLOVE-M' } },
      location_id: { match: { barcode: 'LOC-1-WARD 3 EAST' } },
      scrap_qty: quantity,
    },
  ]);
  if (made?.kind !== 'done') throw made?.failure ?? new Error('no outcome');
  return [made.value];
}

const verdicts = async (...args: Parameters<typeof act>) => (await act(...args)).map(({ verdict }) => verdict);

for (const version of versions) {
  describe(`business steps on Odoo ${version}`, () => {
    let odoo: SandboxOdoo;
    const fresh = async () => {
      odoo = await sandbox(version);
      return clientOf(odoo);
    };

    test('confirming a purchase order: done, then already, and one transfer', async () => {
      const client = await fresh();
      const id = await orderIn(client, 1);
      assert.deepEqual(await verdicts(client, 'confirm-purchase', [id]), ['done']);
      assert.deepEqual(await verdicts(client, 'confirm-purchase', [id]), ['already']);
      assert.equal(odoo.log.list({ method: 'button_confirm' }).length, 1);
      assert.equal(odoo.records('stock.picking').length, 1);
    });

    test('a cancelled order is refused with its state, and the others of the list go on', async () => {
      const client = await fresh();
      const ids = [await orderIn(client, 1), await orderIn(client, 2)];
      await callMethod(client, 'purchase.order', 'button_cancel', [ids[0]!], undefined);
      const results = await act(client, 'confirm-purchase', ids);
      assert.deepEqual(
        results.map(({ verdict, state }) => [verdict, state]),
        [
          ['refused', 'cancel'],
          ['done', 'purchase'],
        ],
      );
    });

    test('a record that does not exist is the document’s fault', async () => {
      const client = await fresh();
      await assert.rejects(act(client, 'confirm-purchase', [999_999]), failure({ code: 'ODOO_MISSING_ERROR' }));
    });

    test('confirming a sale again, which Odoo answers with an error, is already', async () => {
      const client = await fresh();
      const id = await sale(client);
      assert.deepEqual(await verdicts(client, 'confirm-sale', [id]), ['done']);
      assert.deepEqual(await verdicts(client, 'confirm-sale', [id]), ['already']);
    });

    test('posting answers false although it happened: the state tells; draft and cancel likewise', async () => {
      const client = await fresh();
      const id = await bill(client);
      for (const [action, state] of [
        ['post-move', 'posted'],
        ['draft-move', 'draft'],
        ['cancel-move', 'cancel'],
      ] as const) {
        const [first] = await act(client, action, [id]);
        assert.deepEqual([first?.verdict, first?.state], ['done', state]);
        assert.deepEqual(await verdicts(client, action, [id]), ['already']);
      }
    });

    test('a bill without its date is refused with Odoo’s words', async () => {
      const client = await fresh();
      const [result] = await act(client, 'post-move', [await bill(client, { invoice_date: null })]);
      assert.equal(result?.verdict, 'refused');
      assert.equal(result?.failure?.code, version === '19' ? 'ODOO_USER_ERROR' : result?.failure?.code);
      assert.equal(result?.failure?.class, 'data-quality');
    });

    test('a bill of closed books is posted in the first open month, and stays there: the refusal says who decides', async () => {
      const server = await sandbox(version);
      const client = clientOf(server);
      const closed = `${new Date().getUTCFullYear() - 2}-12-31`;
      const old = `${closed.slice(0, 4)}-11-15`;
      const id = await bill(client, { invoice_date: old, date: old });
      assert.deepEqual(await verdicts(client, 'post-move', [id]), ['done']);
      const read = async () =>
        (await searchRead(client, 'account.move', [['id', '=', id]], { fields: ['invoice_date', 'date', 'name'] }))[0]!;
      const open = `${Number(closed.slice(0, 4)) + 1}-01-31`;
      assert.deepEqual([(await read()).invoice_date, (await read()).date], [old, open]);
      // Closed after it was posted.
      server.engine.transaction((env) => env.write('res.company', [1], { fiscalyear_lock_date: open }));
      const [result] = await act(client, 'draft-move', [id]);
      assert.equal(result?.verdict, 'refused');
      assert.deepEqual([result?.failure?.class, result?.failure?.code], ['policy-rejection', 'ODOO_PERIOD_LOCKED']);
      assert.match(result!.failure!.message, new RegExp(`closed up to ${open}.*Accounting`));
    });

    test('a complete receipt is validated once', async () => {
      const client = await fresh();
      const picking = await receipt(client, await orderIn(client, 1));
      await receive(client, picking, 'all');
      assert.deepEqual(await verdicts(client, 'validate-picking', [picking]), ['done']);
      assert.deepEqual(await verdicts(client, 'validate-picking', [picking]), ['already']);
    });

    test('a partial receipt asks a question: left alone it waits, else the rest is kept or cancelled', async () => {
      const client = await fresh();
      const picking = await receipt(client, await orderIn(client, 1));
      await receive(client, picking, 'some');
      const [asked] = await act(client, 'validate-picking', [picking], { backorder: 'ask' });
      assert.deepEqual([asked?.verdict, asked?.wizard], ['waiting-for-wizard', 'stock.backorder.confirmation']);
      const [kept] = await act(client, 'validate-picking', [picking], { backorder: 'create' });
      assert.equal(kept?.verdict, 'done');
      assert.equal(kept?.made?.length, 1);

      const other = await receipt(client, await orderIn(client, 2));
      await receive(client, other, 'some');
      const before = odoo.records('stock.picking').length;
      assert.deepEqual(await verdicts(client, 'validate-picking', [other], { backorder: 'cancel' }), ['done']);
      assert.equal(
        odoo.records('stock.picking', { state: 'assigned' }).filter((row) => row.backorder_id === other).length,
        0,
      );
      assert.ok(before > 0);
    });

    test('a transfer is confirmed once and its state tells what is reserved; one without goods is refused', async () => {
      const client = await fresh();
      const enough = await transfer(client, 'GLOVE-M', '30');
      const [first] = await act(client, 'confirm-picking', [enough]);
      assert.deepEqual([first?.verdict, first?.state], ['done', 'assigned']);
      assert.deepEqual(await verdicts(client, 'confirm-picking', [enough]), ['already']);
      const [waiting] = await act(client, 'confirm-picking', [await transfer(client, 'MASK-FFP2', '5')]);
      assert.deepEqual([waiting?.verdict, waiting?.state], ['done', 'confirmed']);
      // Odoo answers true and leaves a draft.
      const [empty] = await act(client, 'confirm-picking', [await transfer(client, undefined, '0')]);
      assert.deepEqual([empty?.verdict, empty?.state], ['refused', 'draft']);
    });

    test('a scrap happens once, though its reply is lost and Odoo would scrap again', async () => {
      const client = await fresh();
      const before = odoo.records('stock.quant').reduce((sum, row) => sum + Number(row.quantity), 0);
      const [id] = await scraps(client, '3');
      odoo.faults.set({ kind: 'drop-reply', method: 'action_validate', times: 1 });
      const [result] = await act(client, 'validate-scrap', [id!]);
      assert.deepEqual([result?.verdict, result?.state], ['done', 'done']);
      assert.deepEqual(await verdicts(client, 'validate-scrap', [id!]), ['already']);
      assert.equal(odoo.records('stock.move', { scrap_id: id! }).length, 1);
      const scrapped = odoo.records('stock.quant').find((row) => Number(row.quantity) === 9);
      assert.ok(scrapped, 'twelve gloves less three');
      assert.equal(
        odoo.records('stock.quant').reduce((sum, row) => sum + Number(row.quantity), 0),
        before,
      );
    });

    test('a scrap of more than is there is a question, and nothing is gone', async () => {
      const client = await fresh();
      const [id] = await scraps(client, '13');
      const [asked] = await act(client, 'validate-scrap', [id!]);
      assert.deepEqual(
        [asked?.verdict, asked?.wizard, asked?.state],
        ['waiting-for-wizard', 'stock.warn.insufficient.qty.scrap', 'draft'],
      );
      assert.equal(odoo.records('stock.move', { scrap_id: id! }).length, 0);
    });

    test('a bill is made from an order once', async () => {
      const client = await fresh();
      const po = await orderIn(client, 1);
      const picking = await receipt(client, po);
      await receive(client, picking, 'all');
      await act(client, 'validate-picking', [picking]);
      const [first] = await act(client, 'bill-purchase', [po]);
      assert.equal(first?.verdict, 'done');
      const [second] = await act(client, 'bill-purchase', [po]);
      assert.equal(second?.verdict, 'already');
      assert.deepEqual(second?.made, first?.made);
      assert.equal(odoo.records('account.move').length, 1);
    });

    test('a payment is registered once, and only on what is posted', async () => {
      const client = await fresh();
      const id = await bill(client);
      assert.deepEqual(await verdicts(client, 'register-payment', [id]), ['refused']);
      await act(client, 'post-move', [id]);
      assert.deepEqual(await verdicts(client, 'register-payment', [id]), ['done']);
      assert.deepEqual(await verdicts(client, 'register-payment', [id]), ['already']);
      assert.equal(odoo.records('account.payment').length, 1);
    });

    test('a payment of its own is posted once, its reply lost or not, and settles nothing by itself', async () => {
      const client = await fresh();
      const invoice = await bill(client);
      await act(client, 'post-move', [invoice]);
      const [outcome] = await upsert(client, 'account.payment', [
        {
          externalId: 'test.payment_1',
          values: {
            payment_type: 'outbound',
            partner_type: 'supplier',
            partner_id: { match: { ref: 'ACME' } },
            amount: '3.00',
          },
        },
      ]);
      assert.ok(outcome?.kind === 'done', JSON.stringify(outcome));
      const { id } = outcome.value;
      odoo.faults.set({ kind: 'drop-reply', method: 'action_post', times: 1 });
      assert.deepEqual(await verdicts(client, 'post-payment', [id]), ['done']);
      assert.deepEqual(await verdicts(client, 'post-payment', [id]), ['already']);
      assert.equal(odoo.records('account.move', { move_type: 'entry' }).length, 1);
      assert.equal(odoo.records('account.move', { id: invoice })[0]!.payment_state, 'not_paid');
    });

    test('a lost reply of a step: looked at again, it is done, and happened once', async () => {
      const client = await fresh();
      const id = await orderIn(client, 1);
      odoo.faults.set({ kind: 'drop-reply', method: 'button_confirm', times: 1 });
      assert.deepEqual(await verdicts(client, 'confirm-purchase', [id]), ['done']);
      assert.equal(odoo.log.list({ method: 'button_confirm' }).length, 1);
    });

    test('a step that lost against another transaction is taken again', async () => {
      const client = await fresh();
      const id = await orderIn(client, 1);
      odoo.faults.set({ kind: 'conflict', method: 'button_confirm', times: 2 });
      assert.deepEqual(await verdicts(client, 'confirm-purchase', [id]), ['done']);
    });

    test('a file is attached once by name and content', async () => {
      const client = await fresh();
      const id = await orderIn(client, 1);
      const file = { name: 'order.pdf', content: Buffer.from('%PDF-1.7') };
      const first = await attach(client, 'purchase.order', id, file);
      assert.equal(first.effect, 'created');
      assert.deepEqual(await attach(client, 'purchase.order', id, file), { ...first, effect: 'unchanged' });
      const changed = { ...file, content: Buffer.from('%PDF-1.7 changed') };
      assert.equal((await attach(client, 'purchase.order', id, changed)).effect, 'created');
    });

    test('a message is posted; without text it is refused', async () => {
      const client = await fresh();
      const id = await orderIn(client, 1);
      assert.equal((await postMessage(client, 'purchase.order', [id], 'Received by the ward.')).length, 1);
      await assert.rejects(postMessage(client, 'purchase.order', [id], ' '), failure({ code: 'ODOO_MESSAGE' }));
    });

    test('a method that returns nothing succeeded: None has no result over JSON-RPC', async () => {
      const client = await fresh();
      const id = await bill(client);
      await act(client, 'post-move', [id]);
      assert.equal(await callMethod(client, 'account.move', 'button_draft', [id], undefined), null);
      assert.equal(odoo.records('account.move', { id })[0]?.state, 'draft');
    });

    test('private methods, and those with an operation of their own, are refused before they are sent', async () => {
      const client = await fresh();
      for (const method of ['_create_invoices', '__init__', 'write', 'unlink', 'create', 'load', 'a.b', ''])
        await assert.rejects(callMethod(client, 'sale.order', method, [1], {}), failure({ code: 'ODOO_METHOD' }));
      assert.equal(odoo.log.counters.requests, 0);
    });

    test('groups come by the same keys on every version, amounts as decimals', async () => {
      const client = await fresh();
      await orderIn(client, 1);
      await orderIn(client, 2);
      const rows = await aggregate(client, 'purchase.order', [], {
        groupBy: ['partner_id', 'state', 'date_order:year'],
        aggregates: ['amount_total:sum'],
      });
      assert.equal(rows.length, 1);
      assert.equal((rows[0]!.partner_id as { name: string }).name, 'ACME Medical Supplies');
      assert.match(String(rows[0]?.['date_order:year']), /^20\d\d$/);
      assert.deepEqual([rows[0]?.state, rows[0]?.['amount_total:sum'], rows[0]?.__count], ['draft', '109.2', 2]);
    });

    test('named commands on a one2many: create, update, delete', async () => {
      const client = await fresh();
      const id = await orderIn(client, 1);
      const lines = odoo.records('purchase.order.line', { order_id: id }).map((row) => row.id as number);
      await write(client, 'purchase.order', [id], {
        order_line: {
          create: [{ product_id: { match: { default_code: 'MASK-FFP2' } }, product_qty: '7', price_unit: '0.65' }],
          update: [{ id: lines[0], values: { product_qty: '12' } }],
          delete: [lines[1]],
        },
      });
      const after = await searchRead(client, 'purchase.order.line', [['order_id', '=', id]], {
        fields: ['product_qty'],
      });
      assert.deepEqual(
        after.map((line) => line.product_qty),
        ['12', '7'],
      );
    });
  });
}

/** Buttons: what they answer, what they do, what a second press does. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Caller, type Fixture, fixture, jsonrpc, type Protocol, type Target, unique } from './target.ts';

interface WindowAction {
  type: string;
  target?: string;
  res_model: string;
  res_id?: number;
  context?: Record<string, unknown>;
}

export function actions(target: () => Target, protocol: Protocol): void {
  describe(`actions over ${protocol}`, () => {
    let odoo: Caller;
    let own: Fixture;
    before(async () => {
      odoo = new Caller(target(), protocol);
      own = await fixture(odoo);
    });
    after(() => odoo.tidy());

    const press = <T = unknown>(model: string, method: string, id: number, context: Record<string, unknown> = {}) =>
      odoo.call<T>(model, method, { ids: [id], context });
    const value = async <T>(model: string, id: number, field: string): Promise<T> =>
      (await odoo.read<Record<string, T>>(model, id, [field]))[field]!;

    const purchase = (product: number, quantity: number, values: Record<string, unknown> = {}) =>
      odoo.create('purchase.order', {
        partner_id: own.supplier,
        order_line: [[0, 0, { product_id: product, product_qty: quantity, price_unit: '4.20' }]],
        ...values,
      });
    const receipt = async (quantity: number): Promise<{ order: number; picking: number; move: number }> => {
      const order = await purchase(own.product, quantity);
      await press('purchase.order', 'button_confirm', order);
      const [picking] = await value<number[]>('purchase.order', order, 'picking_ids');
      const [move] = await value<number[]>('stock.picking', picking!, 'move_ids');
      return { order, picking: picking!, move: move! };
    };
    const bill = async (values: Record<string, unknown> = {}): Promise<number> =>
      odoo.create('account.move', {
        move_type: 'in_invoice',
        partner_id: own.supplier,
        invoice_line_ids: [[0, 0, { name: 'Carriage', quantity: 2, price_unit: '10.00', tax_ids: [[6, 0, []]] }]],
        ...values,
      });

    it('a new order takes its number from a sequence and its totals are exact', async () => {
      const order = await odoo.create('purchase.order', {
        partner_id: own.supplier,
        order_line: [
          [0, 0, { product_id: own.product, product_qty: '3', price_unit: '0.1' }],
          [0, 0, { product_id: own.service, product_qty: '12', price_unit: '235.40' }],
        ],
      });
      const row = await odoo.read<{ name: string; state: string; amount_untaxed: number }>('purchase.order', order, [
        'name',
        'state',
        'amount_untaxed',
      ]);
      assert.match(row.name, /^P\d{5,}$/);
      assert.equal(row.state, 'draft');
      assert.equal(row.amount_untaxed.toFixed(2), '2825.10');
    });

    it('purchase.order.button_confirm answers true, again true, and makes one receipt', async () => {
      const order = await purchase(own.product, 10);
      assert.equal(await press('purchase.order', 'button_confirm', order), true);
      assert.equal(await press('purchase.order', 'button_confirm', order), true);
      assert.equal(await value('purchase.order', order, 'state'), 'purchase');
      assert.equal((await value<number[]>('purchase.order', order, 'picking_ids')).length, 1);
    });

    it('nothing stops a second order or bill with the partner’s same reference', async () => {
      const reference = unique();
      await purchase(own.product, 1, { partner_ref: reference });
      await purchase(own.product, 1, { partner_ref: reference });
      const domain = [['partner_ref', '=', reference]];
      assert.equal(await odoo.call('purchase.order', 'search_count', { domain }), 2);
      const bills = [await bill({ ref: reference }), await bill({ ref: reference })];
      const invoice_date = new Date().toISOString().slice(0, 10);
      for (const id of bills) {
        await odoo.call('account.move', 'write', { ids: [id], vals: { invoice_date } });
        await press('account.move', 'action_post', id);
      }
      assert.equal(await value('account.move', bills[1]!, 'state'), 'posted');
      assert.deepEqual(await value('account.move', bills[1]!, 'duplicated_ref_ids'), [bills[0]]);
    });

    it('purchase.order.action_create_invoice answers a window action with the bill', async () => {
      const order = await purchase(own.service, 4);
      await press('purchase.order', 'button_confirm', order);
      const shown = await press<WindowAction>('purchase.order', 'action_create_invoice', order);
      assert.equal(shown.type, 'ir.actions.act_window');
      assert.equal(shown.res_model, 'account.move');
      assert.ok(Number.isInteger(shown.res_id));
      odoo.remember('account.move', shown.res_id!);
      assert.equal((await value<number>('account.move', shown.res_id!, 'amount_untaxed')).toFixed(2), '16.80');
    });

    it('account.move.action_post answers false although it posted; again it is a UserError', async () => {
      const id = await bill({ invoice_date: new Date().toISOString().slice(0, 10) });
      assert.equal(await press('account.move', 'action_post', id), false);
      assert.equal(await value('account.move', id, 'state'), 'posted');
      const again = await odoo.fault('account.move', 'action_post', { ids: [id] });
      assert.equal(again.odooName, 'odoo.exceptions.UserError');
    });

    it('a bill keeps the accounting date it was given; without one it has one of the month of its bill date', async () => {
      const today = new Date().toISOString().slice(0, 10);
      const first = `${today.slice(0, 8)}01`;
      const given = await bill({ invoice_date: first, date: first });
      const left = await bill({ invoice_date: first });
      for (const id of [given, left]) await press('account.move', 'action_post', id);
      assert.equal(await value('account.move', given, 'date'), first);
      assert.equal((await value<string>('account.move', left, 'date')).slice(0, 7), today.slice(0, 7));
    });

    it('a bill without invoice_date is not posted', async () => {
      const id = await bill();
      const fault = await odoo.fault('account.move', 'action_post', { ids: [id] });
      assert.match(fault.odooName, /^odoo\.exceptions\.(UserError|ValidationError)$/);
      assert.equal(await value('account.move', id, 'state'), 'draft');
    });

    it('account.move.button_draft answers nothing at all, and refuses a draft', async () => {
      const id = await bill({ invoice_date: new Date().toISOString().slice(0, 10) });
      await press('account.move', 'action_post', id);
      if (protocol === 'jsonrpc') {
        const { uid } = await odoo.call<{ uid: number }>('res.users', 'context_get');
        const { database, key } = target();
        const args = [database, uid, key, 'account.move', 'button_draft', [[id]]];
        const answer = (await jsonrpc(target(), 'object', 'execute_kw', args)).json as object;
        assert.deepEqual(['result' in answer, 'error' in answer], [false, false], 'neither result nor error');
      } else assert.equal(await press('account.move', 'button_draft', id), null);
      assert.equal(await value('account.move', id, 'state'), 'draft');
      const again = await odoo.fault('account.move', 'button_draft', { ids: [id] });
      assert.equal(again.odooName, 'odoo.exceptions.UserError');
    });

    it('account.payment.register pays a posted bill', async () => {
      const id = await bill({ invoice_date: new Date().toISOString().slice(0, 10) });
      await press('account.move', 'action_post', id);
      const context = { active_model: 'account.move', active_ids: [id], dont_redirect_to_payments: true };
      const wizard = await odoo.call<number[]>('account.payment.register', 'create', { vals_list: [{}], context });
      assert.equal(await press('account.payment.register', 'action_create_payments', wizard[0]!, context), true);
      assert.match(await value('account.move', id, 'payment_state'), /^(paid|in_payment)$/);
    });

    const today = new Date().toISOString().slice(0, 10);
    const posted = async (move_type: string, price: string): Promise<number> => {
      const id = await odoo.create('account.move', {
        move_type,
        partner_id: own.supplier,
        invoice_date: today,
        invoice_line_ids: [[0, 0, { name: 'Visit', quantity: 1, price_unit: price, tax_ids: [[6, 0, []]] }]],
      });
      await press('account.move', 'action_post', id);
      return id;
    };
    /** Receivable items that are not settled, of entries. */
    const openItems = (...moves: number[]) =>
      odoo.call<{ id: number; amount_residual: number }[]>('account.move.line', 'search_read', {
        domain: [
          ['move_id', 'in', moves],
          ['account_id.account_type', '=', 'asset_receivable'],
          ['reconciled', '=', false],
        ],
        fields: ['amount_residual'],
      });
    const received = async (amount: string): Promise<{ payment: number; entry: number }> => {
      const payment = await odoo.create('account.payment', {
        payment_type: 'inbound',
        partner_type: 'customer',
        partner_id: own.supplier,
        amount,
        date: today,
      });
      assert.equal(await value('account.payment', payment, 'state'), 'draft');
      await press('account.payment', 'action_post', payment);
      assert.match(await value('account.payment', payment, 'state'), /^(posted|in_process|paid)$/);
      const [entry] = await value<[number, string]>('account.payment', payment, 'move_id');
      return { payment, entry };
    };

    it('a payment settles nothing until its item is reconciled; then as far as it goes', async () => {
      const id = await posted('out_invoice', '20.00');
      const { payment, entry } = await received('15.00');
      assert.equal(await value('account.move', id, 'payment_state'), 'not_paid');
      assert.equal(await value('account.payment', payment, 'is_reconciled'), false);
      const items = await openItems(id, entry);
      assert.deepEqual(
        items.map(({ amount_residual }) => amount_residual).sort((a, b) => a - b),
        [-15, 20],
      );
      const ids = items.map((item) => item.id);
      await odoo.call('account.move.line', 'reconcile', { ids });
      assert.equal(await value('account.move', id, 'payment_state'), 'partial');
      assert.equal(await value('account.move', id, 'amount_residual'), 5);
      assert.equal(await value('account.payment', payment, 'is_reconciled'), true);
      assert.deepEqual(await value('account.payment', payment, 'reconciled_invoice_ids'), [id]);
      assert.deepEqual(
        (await openItems(id, entry)).map(({ amount_residual }) => amount_residual),
        [5],
      );
      const again = await odoo.fault('account.move.line', 'reconcile', { ids });
      assert.equal(again.odooName, 'odoo.exceptions.UserError');
      assert.equal(await value('account.move', id, 'amount_residual'), 5, 'settled once');
    });

    it('an invoice that a credit note settles is reversed, not paid; a draft gives back what settled it', async () => {
      const id = await posted('out_invoice', '20.00');
      const credit = await posted('out_refund', '20.00');
      const ids = (await openItems(id, credit)).map((item) => item.id);
      await odoo.call('account.move.line', 'reconcile', { ids });
      assert.equal(await value('account.move', id, 'payment_state'), 'reversed');
      assert.equal(await value('account.move', credit, 'payment_state'), 'paid');
      await press('account.move', 'button_draft', credit);
      assert.equal(await value('account.move', id, 'payment_state'), 'not_paid');
      assert.equal(await value('account.move', id, 'amount_residual'), 20);
    });

    it('stock.picking.button_validate with everything reserved answers true, and true again when done', async () => {
      const { order, picking } = await receipt(5);
      assert.equal(await press('stock.picking', 'button_validate', picking), true);
      assert.equal(await value('stock.picking', picking, 'state'), 'done');
      assert.equal(await press('stock.picking', 'button_validate', picking), true);
      const [line] = await value<number[]>('purchase.order', order, 'order_line');
      assert.equal(await value('purchase.order.line', line!, 'qty_received'), 5);
    });

    it('a partial receipt answers a wizard and nothing is done yet; its process makes a backorder', async () => {
      const { picking, move } = await receipt(10);
      await odoo.call('stock.move', 'write', { ids: [move], vals: { quantity: 4, picked: true } });
      const wizard = await press<WindowAction>('stock.picking', 'button_validate', picking);
      assert.deepEqual(
        [wizard.type, wizard.target, wizard.res_model],
        ['ir.actions.act_window', 'new', 'stock.backorder.confirmation'],
      );
      assert.notEqual(await value('stock.picking', picking, 'state'), 'done');
      const context = wizard.context ?? {};
      const made = await odoo.call<number[]>('stock.backorder.confirmation', 'create', { vals_list: [{}], context });
      await press('stock.backorder.confirmation', 'process', made[0]!, context);
      assert.equal(await value('stock.picking', picking, 'state'), 'done');
      const [backorder] = await value<number[]>('stock.picking', picking, 'backorder_ids');
      const [rest] = await value<number[]>('stock.picking', backorder!, 'move_ids');
      assert.equal(await value('stock.move', rest!, 'product_uom_qty'), 6);
    });

    it('skip_backorder makes the backorder at once; picking_ids_not_to_backorder cancels the rest', async () => {
      for (const cancelled of [false, true]) {
        const { picking, move } = await receipt(10);
        await odoo.call('stock.move', 'write', { ids: [move], vals: { quantity: 4, picked: true } });
        const context = { skip_backorder: true, ...(cancelled ? { picking_ids_not_to_backorder: [picking] } : {}) };
        assert.equal(await press('stock.picking', 'button_validate', picking, context), true);
        assert.equal(await value('stock.picking', picking, 'state'), 'done');
        assert.equal((await value<number[]>('stock.picking', picking, 'backorder_ids')).length, cancelled ? 0 : 1);
      }
    });

    it('nothing to move is a UserError', async () => {
      const { picking, move } = await receipt(3);
      await odoo.call('stock.move', 'write', { ids: [move], vals: { quantity: 0 } });
      const fault = await odoo.fault('stock.picking', 'button_validate', { ids: [picking] });
      assert.equal(fault.odooName, 'odoo.exceptions.UserError');
    });

    it('the first delivery asks about SMS; skip_sms does not', async (t) => {
      const { sandbox } = target();
      if (!sandbox) return t.skip('needs a server that never delivered');
      sandbox.engine.transaction((env) =>
        env.set(env.one('res.company', 1), { has_received_warning_stock_sms: false }),
      );
      const deliver = async () => {
        const order = await odoo.create('sale.order', {
          partner_id: own.supplier,
          order_line: [[0, 0, { product_id: own.product, product_uom_qty: 1, price_unit: '9.00' }]],
        });
        await press('sale.order', 'action_confirm', order);
        const [picking] = await value<number[]>('sale.order', order, 'picking_ids');
        const [move] = await value<number[]>('stock.picking', picking!, 'move_ids');
        await odoo.call('stock.move', 'write', { ids: [move], vals: { quantity: 1, picked: true } });
        return picking!;
      };
      assert.equal(await press('stock.picking', 'button_validate', await deliver(), { skip_sms: true }), true);
      const picking = await deliver();
      const wizard = await press<WindowAction>('stock.picking', 'button_validate', picking);
      assert.equal(wizard.res_model, 'confirm.stock.sms');
      assert.notEqual(await value('stock.picking', picking, 'state'), 'done');
      assert.equal(await press('stock.picking', 'button_validate', picking), true, 'asked once only');
    });

    it('sale.order.action_confirm answers true; again it is a UserError', async () => {
      const order = await odoo.create('sale.order', {
        partner_id: own.supplier,
        client_order_ref: unique(),
        order_line: [[0, 0, { product_id: own.service, product_uom_qty: 2, price_unit: '9.00' }]],
      });
      assert.equal(await press('sale.order', 'action_confirm', order), true);
      assert.equal(await value('sale.order', order, 'state'), 'sale');
      const again = await odoo.fault('sale.order', 'action_confirm', { ids: [order] });
      assert.equal(again.odooName, 'odoo.exceptions.UserError');
    });

    it('sale.advance.payment.inv makes the invoice that the private method would', async () => {
      const order = await odoo.create('sale.order', {
        partner_id: own.supplier,
        order_line: [[0, 0, { product_id: own.service, product_uom_qty: 2, price_unit: '9.00' }]],
      });
      await odoo.call('product.product', 'write', { ids: [own.service], vals: { list_price: 9 } });
      await press('sale.order', 'action_confirm', order);
      const [line] = await value<number[]>('sale.order', order, 'order_line');
      await odoo.call('sale.order.line', 'write', { ids: [line], vals: { qty_delivered: 2 } });
      const context = { active_model: 'sale.order', active_ids: [order], active_id: order };
      const wizard = await odoo.call<number[]>('sale.advance.payment.inv', 'create', { vals_list: [{}], context });
      await press('sale.advance.payment.inv', 'create_invoices', wizard[0]!, context);
      const invoices = await value<number[]>('sale.order', order, 'invoice_ids');
      odoo.remember('account.move', ...invoices);
      assert.equal(invoices.length, 1);
    });

    it('a line needs a product, a section must not have one', async () => {
      const line = { name: 'Carriage', product_qty: '1', price_unit: '1' };
      const order = { partner_id: own.supplier, order_line: [[0, 0, line]] };
      const fault = await odoo.fault('purchase.order', 'create', { vals_list: [order] });
      assert.equal(fault.odooName, 'odoo.exceptions.ValidationError');
      const section = { name: 'Consumables', display_type: 'line_section' };
      await odoo.create('purchase.order', { partner_id: own.supplier, order_line: [[0, 0, section]] });
    });

    it('an order is cancelled with a draft bill, and not with a posted one', async () => {
      const order = await purchase(own.service, 1);
      await press('purchase.order', 'button_confirm', order);
      const shown = await press<WindowAction>('purchase.order', 'action_create_invoice', order);
      const id = shown.res_id!;
      odoo.remember('account.move', id);
      const invoice_date = new Date().toISOString().slice(0, 10);
      await odoo.call('account.move', 'write', { ids: [id], vals: { invoice_date } });
      await press('account.move', 'action_post', id);
      const fault = await odoo.fault('purchase.order', 'button_cancel', { ids: [order] });
      assert.equal(fault.odooName, 'odoo.exceptions.UserError');
      await press('account.move', 'button_draft', id);
      await press('purchase.order', 'button_cancel', order);
      assert.equal(await value('purchase.order', order, 'state'), 'cancel');
    });
  });
}

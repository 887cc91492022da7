/** Taxes, journals, bills and invoices with their balancing lines, payments with their entries, what settles what. */
import { userError } from '../errors.ts';
import { difference, lineAmount, percentage, sum } from '../exact.ts';
import {
  boolean,
  char,
  date,
  float,
  html,
  integer,
  many2many,
  many2one,
  monetary,
  one2many,
  related,
  type Row,
  selection,
} from '../fields.ts';
import { action, type Database, type Env, list, number, ref, text } from '../orm.ts';
import { companyCurrency, decimalsOf, groups, lockDates, nextNumber } from './base.ts';

const kinds = {
  entry: 'Journal Entry',
  out_invoice: 'Customer Invoice',
  out_refund: 'Customer Credit Note',
  in_invoice: 'Vendor Bill',
  in_refund: 'Vendor Credit Note',
} as const;

/** Display types of the lines a person enters; the others balance the entry. */
const entered = new Set(['product', 'line_section', 'line_subsection', 'line_note']);

const isPurchase = (move: Row): boolean => text(move, 'move_type').startsWith('in_');
const isInvoice = (move: Row): boolean => move.move_type !== 'entry';

export function defineAccount(db: Database): void {
  const { profile } = db;
  const onlySystem = { write: [groups.system], create: [groups.system], unlink: [groups.system] };
  const access = {
    read: [groups.account, groups.purchase, groups.sales],
    write: [groups.account],
    create: [groups.account],
    unlink: [groups.account],
  };
  db.define({
    name: 'account.tax',
    description: 'Tax',
    fields: {
      name: char('Tax Name', { required: true }),
      amount: float('Amount', { required: true }),
      amount_type: selection('Tax Computation', { percent: 'Percentage', fixed: 'Fixed' }, { default: 'percent' }),
      type_tax_use: selection('Tax Type', { sale: 'Sales', purchase: 'Purchases', none: 'None' }, { default: 'sale' }),
      active: boolean('Active', { default: true }),
      company_id: many2one('res.company', 'Company'),
    },
    access: onlySystem,
  });
  db.define({
    name: 'account.account',
    description: 'Account',
    order: 'code',
    fields: {
      name: char('Account Name', { required: true }),
      code: char('Code', { required: true, index: true }),
      account_type: char('Type'),
    },
    access: onlySystem,
    displayName: (_env, row) => `${text(row, 'code')} ${text(row, 'name')}`,
  });
  db.define({
    name: 'account.journal',
    description: 'Journal',
    fields: {
      name: char('Journal Name', { required: true }),
      code: char('Sequence Prefix', { required: true, index: true }),
      type: selection('Type', {
        sale: 'Sales',
        purchase: 'Purchase',
        cash: 'Cash',
        bank: 'Bank',
        general: 'Miscellaneous',
      }),
      company_id: many2one('res.company', 'Company'),
    },
    access: onlySystem,
  });
  db.define({
    name: 'account.payment.method.line',
    description: 'Payment Methods',
    fields: {
      name: char('Name'),
      payment_type: selection('Payment Type', { inbound: 'Inbound', outbound: 'Outbound' }, { readonly: true }),
      payment_account_id: many2one('account.account', 'Outstanding Account'),
      journal_id: many2one('account.journal', 'Journal'),
    },
    access: onlySystem,
  });
  db.define({
    name: 'account.move',
    description: 'Journal Entry',
    order: 'date desc, name desc, id desc',
    thread: true,
    fields: {
      name: char('Number', { index: true, copy: false }),
      ref: char('Reference', { index: true, copy: false }),
      move_type: selection('Type', kinds, { default: 'entry', required: true, index: true }),
      state: selection(
        'Status',
        { draft: 'Draft', posted: 'Posted', cancel: 'Cancelled' },
        { default: 'draft', readonly: true, index: true, copy: false },
      ),
      partner_id: many2one('res.partner', 'Partner', { ondelete: 'restrict' }),
      journal_id: many2one('account.journal', 'Journal', { required: true }),
      invoice_date: date('Invoice/Bill Date', { copy: false }),
      date: date('Date', { copy: false }),
      invoice_date_due: date('Due Date', { copy: false }),
      invoice_origin: char('Origin', { index: true }),
      payment_reference: char('Payment Reference', { copy: false }),
      narration: html('Terms and Conditions'),
      currency_id: many2one('res.currency', 'Currency', {
        required: true,
        default: (env: Env) => companyCurrency(env),
      }),
      company_id: many2one('res.company', 'Company', { required: true, default: (env: Env) => env.company() }),
      line_ids: one2many('account.move.line', 'move_id', 'Journal Items'),
      invoice_line_ids: {
        ...one2many('account.move.line', 'move_id', 'Invoice lines'),
        filter: (line) => entered.has(text(line, 'display_type')),
      },
      amount_untaxed: monetary('Untaxed Amount', { readonly: true, copy: false }),
      amount_tax: monetary('Tax', { readonly: true, copy: false }),
      amount_total: monetary('Total', { readonly: true, copy: false }),
      amount_residual: monetary('Amount Due', { readonly: true, copy: false }),
      reversed_entry_id: many2one('account.move', 'Reversal of', { copy: false }),
      [paymentOf(profile.version)]: many2one('account.payment', 'Payment', { copy: false }),
      payment_state: selection(
        'Payment Status',
        {
          not_paid: 'Not Paid',
          in_payment: 'In Payment',
          paid: 'Paid',
          partial: 'Partially Paid',
          reversed: 'Reversed',
        },
        { readonly: true, default: 'not_paid', copy: false },
      ),
      duplicated_ref_ids: many2many('account.move', 'Duplicated References', {
        compute: (env, row) => duplicates(env, row),
      }),
    },
    access,
    displayName: (_env, row) => {
      const name =
        row.name === null || row.name === '/' ? `Draft ${kinds[row.move_type as 'entry']}` : text(row, 'name');
      return row.ref === null ? name : `${name} (${text(row, 'ref')})`;
    },
    prepare: (env, row) => {
      row.name ??= '/';
      row.journal_id ??= journalFor(env, row);
      row.date ??= dateFollowing(env, row, row.invoice_date as string | null);
    },
    beforeWrite: (env, rows, values) => {
      const [draft] = rows.filter((row) => row.state === 'draft' && isInvoice(row));
      if (draft !== undefined && typeof values.invoice_date === 'string' && !('date' in values)) {
        if (values.invoice_date !== draft.invoice_date) values.date = dateFollowing(env, draft, values.invoice_date);
      }
      const fixed = ['partner_id', 'invoice_date', 'date', 'currency_id', 'journal_id', 'name'];
      for (const row of rows) {
        const changed = fixed.find((field) => field in values && values[field] !== row[field]);
        if (row.state === 'posted' && changed) {
          throw userError(`You cannot modify the following readonly fields on a posted move: ${changed}`);
        }
      }
    },
    beforeUnlink: (_env, rows) => {
      if (rows.some((row) => row.state === 'posted')) {
        throw userError('You cannot delete a posted entry. Reset it to draft first.');
      }
    },
    recompute: balance,
    methods: {
      action_post: action((env, ids) => {
        env.check(env.db.get('account.move'), 'write');
        for (const move of env.browse('account.move', ids)) post(env.sudo(), move);
        env.flush();
        return false;
      }),
      button_draft: action((env, ids) => {
        env.check(env.db.get('account.move'), 'write');
        for (const move of env.browse('account.move', ids)) {
          if (move.state !== 'posted' && move.state !== 'cancel') {
            throw userError('Only posted/cancelled journal entries can be reset to draft.');
          }
          if (move.state === 'posted') refuseLocked(env, move);
          release(env.sudo(), move);
          change(env, move, 'draft');
        }
        return null;
      }),
      button_cancel: action((env, ids) => {
        env.check(env.db.get('account.move'), 'write');
        for (const move of env.browse('account.move', ids)) {
          if (move.state !== 'draft') throw userError('Only draft journal entries can be cancelled.');
          change(env, move, 'cancel');
        }
        return null;
      }),
    },
  });
  db.define({
    name: 'account.move.line',
    description: 'Journal Item',
    order: 'date desc, move_id desc, sequence, id',
    fields: {
      move_id: many2one('account.move', 'Journal Entry', { required: true, ondelete: 'cascade' }),
      sequence: integer('Sequence', { default: 100 }),
      name: char('Label'),
      display_type: selection(
        'Display Type',
        {
          product: 'Product',
          tax: 'Tax',
          payment_term: 'Payment Term',
          line_section: 'Section',
          line_subsection: 'Subsection',
          line_note: 'Note',
        },
        { default: 'product', required: true },
      ),
      product_id: many2one('product.product', 'Product', { ondelete: 'restrict' }),
      product_uom_id: many2one('uom.uom', 'Unit'),
      account_id: many2one('account.account', 'Account'),
      quantity: float('Quantity', { digits: 2, default: 1 }),
      price_unit: float('Unit Price', profile.version === '19' ? {} : { digits: 2 }),
      discount: float('Discount (%)', { digits: 2 }),
      tax_ids: many2many('account.tax', 'Taxes'),
      price_subtotal: monetary('Subtotal', { readonly: true }),
      price_total: monetary('Total', { readonly: true }),
      debit: monetary('Debit', { readonly: true }),
      credit: monetary('Credit', { readonly: true }),
      balance: monetary('Balance', { compute: (_env, row) => difference(number(row, 'debit'), number(row, 'credit')) }),
      account_type: related(char('Internal Type'), 'account_id', 'account_type'),
      amount_residual: monetary('Residual Amount', { compute: (env, row) => residualOf(env, row) }),
      reconciled: boolean('Reconciled', {
        compute: (env, row) => isOpenItem(env, row) && residualOf(env, row) === 0 && matches(env, row).length > 0,
      }),
      date: date('Date'),
      purchase_line_id: many2one('purchase.order.line', 'Purchase Order Line'),
      sale_line_ids: many2many('sale.order.line', 'Sales Order Lines'),
      partner_id: related(many2one('res.partner', 'Partner'), 'move_id', 'partner_id'),
      currency_id: related(many2one('res.currency', 'Currency'), 'move_id', 'currency_id'),
      company_id: related(many2one('res.company', 'Company'), 'move_id', 'company_id'),
      parent_state: related(
        selection('Status', { draft: 'Draft', posted: 'Posted', cancel: 'Cancelled' }),
        'move_id',
        'state',
      ),
    },
    access,
    prepare: (env, row, given) => {
      const product = env.follow(row, 'product_id');
      if (!product) return;
      row.name ??= env.sudo().label(env.db.get('product.product'), product);
      row.product_uom_id ??= env.value('product.product', product, 'uom_id');
      if (!given.has('price_unit')) row.price_unit = number(product, 'standard_price');
    },
    afterCreate: (env, row) => follow(env, row),
    beforeWrite: (env, rows, values) => {
      const fixed = ['quantity', 'price_unit', 'discount', 'account_id', 'tax_ids'].some((field) => field in values);
      for (const row of fixed ? rows : []) {
        if (env.follow(row, 'move_id')?.state === 'posted') {
          throw userError('You cannot do this modification on a posted journal entry; reset it to draft first.');
        }
      }
    },
    afterWrite: (env, rows) => {
      for (const row of rows) follow(env, row);
    },
    afterUnlink: (env, rows) => {
      for (const row of rows) follow(env, row);
    },
    methods: {
      reconcile: action((env, ids) => {
        env.check(env.db.get('account.move.line'), 'write');
        reconcile(env.sudo(), env.browse('account.move.line', ids));
        env.flush();
        return null;
      }),
    },
  });
  db.define({
    name: 'account.partial.reconcile',
    description: 'Partial Reconcile',
    fields: {
      debit_move_id: many2one('account.move.line', 'Debit Move', { required: true, ondelete: 'cascade' }),
      credit_move_id: many2one('account.move.line', 'Credit Move', { required: true, ondelete: 'cascade' }),
      amount: monetary('Amount'),
    },
    access: { read: access.read, write: onlySystem.write, create: onlySystem.create, unlink: access.unlink },
  });
  db.define({
    name: 'account.payment',
    description: 'Payments',
    order: 'date desc, name desc, id desc',
    thread: true,
    fields: {
      name: char('Number', { index: true }),
      payment_type: selection('Payment Type', { outbound: 'Send', inbound: 'Receive' }),
      partner_type: selection('Partner Type', { customer: 'Customer', supplier: 'Vendor' }),
      partner_id: many2one('res.partner', 'Customer/Vendor'),
      amount: monetary('Amount'),
      currency_id: many2one('res.currency', 'Currency'),
      journal_id: many2one('account.journal', 'Journal'),
      date: date('Date', { default: (env: Env) => env.today() }),
      [profile.version === '17' ? 'ref' : 'memo']: char('Memo'),
      state: selection(
        'Status',
        profile.version === '17'
          ? { draft: 'Draft', posted: 'Posted', cancel: 'Cancelled' }
          : { draft: 'Draft', in_process: 'In Process', paid: 'Paid', canceled: 'Canceled', rejected: 'Rejected' },
        { default: 'draft', readonly: true },
      ),
      move_id: many2one('account.move', 'Journal Entry', { copy: false }),
      is_reconciled: boolean('Is Reconciled', {
        compute: (env, row) =>
          itemsOf(env, row).length > 0 && itemsOf(env, row).every((line) => residualOf(env, line) === 0),
      }),
      reconciled_invoice_ids: many2many('account.move', 'Reconciled Invoices', {
        compute: (env, row) => [...new Set(itemsOf(env, row).flatMap((line) => settledBy(env, line)))],
      }),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    access,
    methods: {
      action_post: action((env, ids) => {
        env.check(env.db.get('account.payment'), 'write');
        for (const payment of env.browse('account.payment', ids)) postPayment(env.sudo(), payment);
        env.flush();
        return null;
      }),
    },
    prepare: (env, row) => {
      row.journal_id ??= bankJournal(env) || null;
      row.currency_id ??= companyCurrency(env) as number;
      row.name ??= `PBNK1/${env.today().slice(0, 4)}/${String(nextNumber(env, 'account.payment')).padStart(5, '0')}`;
    },
  });
  db.define({
    name: 'account.payment.register',
    description: 'Pay',
    recName: 'communication',
    transient: true,
    fields: {
      amount: monetary('Amount'),
      payment_date: date('Payment Date', { default: (env: Env) => env.today() }),
      communication: char('Memo'),
      journal_id: many2one('account.journal', 'Journal'),
      currency_id: many2one('res.currency', 'Currency'),
      group_payment: boolean('Group Payments'),
      payment_difference_handling: selection('Payment Difference Handling', {
        open: 'Keep open',
        reconcile: 'Mark as fully paid',
      }),
      move_ids: many2many('account.move', 'Entries', { hidden: true }),
    },
    prepare: (env, row, given) => {
      const moves = activeMoves(env);
      if (!given.has('amount')) row.amount = sum(moves.map((move) => number(move, 'amount_residual')));
      row.currency_id ??= moves[0]?.currency_id ?? null;
      row.move_ids = moves.map((move) => move.id);
    },
    methods: {
      action_create_payments: action((env, ids) => pay(env, ids)),
    },
  });
}

function journalFor(env: Env, move: Row): number | null {
  const type = isPurchase(move) ? 'purchase' : text(move, 'move_type').startsWith('out_') ? 'sale' : 'general';
  for (const [id, row] of env.db.get('account.journal').table.rows) if (row.type === type) return id;
  return null;
}

function accountFor(env: Env, type: string): number | null {
  for (const [id, row] of env.db.get('account.account').table.rows) if (row.account_type === type) return id;
  return null;
}

/** What a changed line makes stale: its entry and what was billed of an order. */
function follow(env: Env, line: Row): void {
  const move = ref(line, 'move_id');
  if (move !== null) env.touch('account.move', move);
  const ordered = ref(line, 'purchase_line_id');
  if (ordered !== null) env.touch('purchase.order.line', ordered);
}

function change(env: Env, move: Row, state: string): void {
  env.set(move, { state });
  for (const line of env.lines(move, 'line_ids')) follow(env, line);
  env.flush();
}

/** Amounts of an entry, and the tax and payable or receivable lines that balance it. */
function balance(env: Env, move: Row): void {
  if (env.follow(move, paymentOf(env.profile.version)) !== undefined) return;
  const decimals = decimalsOf(env, ref(move, 'currency_id'));
  const lines = env.lines(move, 'invoice_line_ids');
  const debitSide = move.move_type === 'in_invoice' || move.move_type === 'out_refund';
  const taxes = new Map<number, number>();
  const subtotals: number[] = [];
  for (const line of lines) {
    const subtotal =
      line.display_type === 'product'
        ? lineAmount(number(line, 'quantity'), number(line, 'price_unit'), number(line, 'discount'), decimals)
        : 0;
    let total = subtotal;
    for (const id of list(line, 'tax_ids')) {
      const amount = percentage(subtotal, number(env.row('account.tax', id)!, 'amount'), decimals);
      taxes.set(id, sum([taxes.get(id) ?? 0, amount]));
      total = sum([total, amount]);
    }
    subtotals.push(subtotal);
    env.set(line, {
      price_subtotal: subtotal,
      price_total: total,
      debit: debitSide ? subtotal : 0,
      credit: debitSide ? 0 : subtotal,
      account_id: ref(line, 'account_id') ?? accountFor(env, isPurchase(move) ? 'expense' : 'income'),
      date: move.date ?? null,
    });
  }
  const untaxed = sum(subtotals);
  const tax = sum(taxes.values());
  const total = sum([untaxed, tax]);
  if (isInvoice(move)) {
    automatic(env, move, 'tax', tax, debitSide, accountFor(env, 'tax'));
    const counter = isPurchase(move) ? 'liability_payable' : 'asset_receivable';
    automatic(env, move, 'payment_term', total, !debitSide, accountFor(env, counter));
  }
  const items = env.lines(move, 'line_ids').filter((line) => line.display_type === 'payment_term');
  const open = Math.abs(sum(items.map((line) => residualOf(env, line))));
  const residual = move.state === 'cancel' || !isInvoice(move) ? 0 : open;
  env.set(move, {
    amount_untaxed: untaxed,
    amount_tax: tax,
    amount_total: total,
    amount_residual: residual,
    payment_state: paymentState(env, move, items, total, residual),
  });
}

/** What is settled by credit notes alone was reversed, not paid. */
function paymentState(env: Env, move: Row, items: readonly Row[], total: number, residual: number): string {
  if (residual === total || move.state !== 'posted') return 'not_paid';
  if (residual > 0) return 'partial';
  const kinds = new Set(
    items.flatMap((line) => settledBy(env, line)).map((id) => text(env.row('account.move', id)!, 'move_type')),
  );
  const reversal = isPurchase(move) ? 'in_refund' : 'out_refund';
  return !text(move, 'move_type').endsWith('refund') && kinds.size === 1 && kinds.has(reversal) ? 'reversed' : 'paid';
}

function automatic(env: Env, move: Row, type: string, amount: number, debit: boolean, account: number | null): void {
  const found = env.lines(move, 'line_ids').find((line) => line.display_type === type);
  if (amount === 0) {
    if (found) env.tx.remove(env.db.get('account.move.line').table, found.id);
    return;
  }
  const line =
    found ??
    env.one(
      'account.move.line',
      env.create('account.move.line', { move_id: move.id, display_type: type, sequence: 10_000, quantity: 0 }),
    );
  env.set(line, {
    debit: debit ? amount : 0,
    credit: debit ? 0 : amount,
    account_id: account,
    date: move.date ?? null,
  });
}

function post(env: Env, move: Row): void {
  env.flush();
  if (move.state !== 'draft') throw userError(`The entry ${text(move, 'name')} (id ${move.id}) must be in draft.`);
  const lines = env.lines(move, 'line_ids').filter((line) => !text(line, 'display_type').startsWith('line_'));
  if (lines.length === 0) throw userError('You need to add a line before posting.');
  if (isInvoice(move) && move.partner_id === null) {
    throw userError(
      isPurchase(move)
        ? 'The field ‘Vendor’ is required, please complete it to validate the Vendor Bill.'
        : 'The ‘Customer’ field is required to validate the invoice.',
    );
  }
  if (isInvoice(move) && move.invoice_date === null) {
    if (isPurchase(move)) throw userError('The Bill/Refund date is required to validate this document.');
    env.set(move, { invoice_date: env.today(), date: env.today() });
  }
  if (env.db.refusesClosed) refuseLocked(env, move);
  // No error in a closed period: the entry moves to the next open one.
  const day =
    violated(env, move, text(move, 'date')) === undefined
      ? text(move, 'date')
      : accountingDate(env, move, (move.invoice_date as string | null) ?? text(move, 'date'));
  const name = move.name === '/' || move.name === null ? numberOf(env, move, day) : text(move, 'name');
  env.set(move, {
    state: 'posted',
    name,
    date: day,
    invoice_date_due: move.invoice_date_due ?? (isInvoice(move) ? (move.invoice_date ?? null) : null),
    payment_reference: move.payment_reference ?? (text(move, 'move_type') === 'out_invoice' ? name : null),
  });
  for (const line of env.lines(move, 'line_ids')) follow(env, line);
}

/** The field `date` of an entry where nobody gave one (`_compute_date`). */
function dateFollowing(env: Env, move: Row, invoiceDate: string | null): string {
  if (!isInvoice(move) || invoiceDate === null || invoiceDate === undefined) return env.today();
  return isPurchase(move) ? accountingDate(env, move, invoiceDate) : invoiceDate;
}

/** The latest closed day that `day` is not after, with Odoo's words for it. */
function violated(env: Env, move: Row, day: string): { day: string; words: string } | undefined {
  const company = env.sudo().follow(move, 'company_id');
  if (!company) return undefined;
  const other = isPurchase(move) ? 'sale_lock_date' : 'purchase_lock_date';
  const neither = isInvoice(move) ? [other] : ['sale_lock_date', 'purchase_lock_date'];
  const taxed = number(move, 'amount_tax') !== 0;
  const found = Object.entries(lockDates(env.profile.version))
    .filter(([field]) => !neither.includes(field) && (taxed || field !== 'tax_lock_date'))
    .map(([field, words]) => ({ day: (company[field] as string | null) ?? '', words }))
    .filter((lock) => lock.day !== '' && day <= lock.day);
  return found.sort((a, b) => a.day.localeCompare(b.day)).at(-1);
}

/**
 * `_get_accounting_date` of Odoo 17 to 19, as its source has it: a bill of a past month goes to the last day of that
 * month, so that numbers rise with dates, and one of a closed period to the first open one.
 */
function accountingDate(env: Env, move: Row, invoiceDate: string): string {
  const lock = env.db.refusesClosed ? undefined : violated(env, move, invoiceDate);
  const day = lock === undefined ? invoiceDate : dayAfter(lock.day);
  const today = env.today();
  if (text(move, 'move_type').startsWith('out_')) {
    const end = `${day.slice(0, 4)}-12-31`;
    return lock === undefined ? day : today < end ? today : end;
  }
  if (today.slice(0, 7) > day.slice(0, 7)) return endOfMonth(day);
  return day > today ? day : today;
}

const dayAfter = (day: string): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);

function endOfMonth(day: string): string {
  const [year, month] = day.split('-').map(Number) as [number, number];
  return new Date(Date.UTC(year, month, 0)).toISOString().slice(0, 10);
}

/** What was posted in a closed period stays as it is (`_check_fiscal_lock_dates`). */
function refuseLocked(env: Env, move: Row): void {
  const lock = violated(env, move, text(move, 'date'));
  if (lock === undefined) return;
  const [year, month, day] = lock.day.split('-');
  const shown = `${month}/${day}/${year}`;
  throw userError(
    env.profile.version === '17'
      ? `You cannot add/modify entries prior to and inclusive of the lock date ${shown}.`
      : `You cannot add/modify entries prior to and inclusive of: ${lock.words} (${shown}).`,
  );
}

function numberOf(env: Env, move: Row, day: string): string {
  const [year, month] = day.split('-');
  const refund = text(move, 'move_type').endsWith('refund') ? 'R' : '';
  const journal = text(env.follow(move, 'journal_id') ?? move, 'code') || 'MISC';
  const prefix = isPurchase(move) ? `${refund}${journal}/${year}/${month}/` : `${refund}${journal}/${year}/`;
  const width = isPurchase(move) ? 4 : 5;
  return prefix + String(nextNumber(env, `account.move ${prefix}`)).padStart(width, '0');
}

/** Entries of one vendor with the same reference: shown, never refused, not even on posting. */
function duplicates(env: Env, move: Row): number[] {
  if (move.ref === null || !isInvoice(move)) return [];
  return [...(env.db.get('account.move').table.lookup('ref', move.ref!) ?? [])].filter((id) => {
    const other = env.row('account.move', id)!;
    return id !== move.id && other.partner_id === move.partner_id && other.move_type === move.move_type;
  });
}

function activeMoves(env: Env): Row[] {
  const ids = (env.context.active_ids as number[] | undefined) ?? [];
  if (env.context.active_model !== 'account.move' || ids.length === 0) {
    throw userError('The register payment wizard should only be called on account.move or account.move.line records.');
  }
  const moves = env.browse('account.move', ids);
  if (moves.some((move) => move.state !== 'posted')) {
    throw userError('You can only register payment for posted journal entries.');
  }
  if (moves.every((move) => number(move, 'amount_residual') <= 0)) {
    throw userError("You can't register a payment because there is nothing left to pay on the selected journal items.");
  }
  return moves;
}

function pay(env: Env, ids: number[]): unknown {
  env.check(env.db.get('account.payment'), 'create');
  const root = env.sudo();
  const payments: number[] = [];
  for (const wizard of env.browse('account.payment.register', ids)) {
    let left = number(wizard, 'amount');
    for (const move of root.browse('account.move', list(wizard, 'move_ids'))) {
      const part = Math.min(left, number(move, 'amount_residual'));
      if (part <= 0) continue;
      left = difference(left, part);
      const payment = root.one(
        'account.payment',
        root.create('account.payment', {
          payment_type: isPurchase(move) ? 'outbound' : 'inbound',
          partner_type: isPurchase(move) ? 'supplier' : 'customer',
          partner_id: move.partner_id,
          amount: part,
          currency_id: move.currency_id,
          journal_id: wizard.journal_id ?? bankJournal(env),
          date: wizard.payment_date,
          [env.profile.version === '17' ? 'ref' : 'memo']: wizard.communication ?? text(move, 'name'),
        }),
      );
      payments.push(payment.id);
      postPayment(root, payment);
      root.flush();
      const items = root.lines(move, 'line_ids').filter((line) => line.display_type === 'payment_term');
      reconcile(root, [...items.filter((line) => residualOf(root, line) !== 0), ...itemsOf(root, payment)]);
      root.flush();
      // The wizard knows its invoices, so a payment that settles them whole is through.
      if (env.profile.version !== '17' && number(move, 'amount_residual') === 0) root.set(payment, { state: 'paid' });
    }
  }
  env.flush();
  if (env.context.dont_redirect_to_payments) return true;
  return {
    type: 'ir.actions.act_window',
    name: 'Payments',
    res_model: 'account.payment',
    view_mode: 'form',
    ...(payments.length === 1 ? { res_id: payments[0] } : { domain: [['id', 'in', payments]] }),
  };
}

function bankJournal(env: Env): number | false {
  for (const [id, row] of env.db.get('account.journal').table.rows) if (row.type === 'bank') return id;
  return false;
}

// --- Payments and what they settle ---------------------------------------------------------------------------------

/** The entry's pointer to the payment that made it. */
const paymentOf = (version: string): string => (version === '17' ? 'payment_id' : 'origin_payment_id');

/** An item that something else settles: receivable or payable. */
function isOpenItem(env: Env, line: Row): boolean {
  const type = env.follow(line, 'account_id')?.account_type;
  return type === 'asset_receivable' || type === 'liability_payable';
}

function matches(env: Env, line: Row): Row[] {
  const { table } = env.db.get('account.partial.reconcile');
  return ['debit_move_id', 'credit_move_id'].flatMap((side) =>
    [...(table.lookup(side, line.id) ?? [])].map((id) => table.rows.get(id)!),
  );
}

/** Signed as the balance is: what a customer owes is positive. */
function residualOf(env: Env, line: Row): number {
  if (!isOpenItem(env, line)) return 0;
  const settled = sum(matches(env, line).map((match) => number(match, 'amount')));
  const [debit, credit] = [number(line, 'debit'), number(line, 'credit')];
  return debit > 0 ? difference(debit, settled) : -difference(credit, settled);
}

/** Entries on the other side of an item's matches. */
function settledBy(env: Env, line: Row): number[] {
  return matches(env, line).map((match) => {
    const other = match.debit_move_id === line.id ? 'credit_move_id' : 'debit_move_id';
    return ref(env.row('account.move.line', ref(match, other)!)!, 'move_id')!;
  });
}

/** The items of a payment's entry that settle something. */
function itemsOf(env: Env, payment: Row): Row[] {
  const move = env.follow(payment, 'move_id');
  return move === undefined ? [] : env.lines(move, 'line_ids').filter((line) => isOpenItem(env, line));
}

function lacksOutstandingAccount(env: Env, payment: Row): boolean {
  const methods = [...env.db.get('account.payment.method.line').table.rows.values()];
  return methods.some(
    (method) =>
      method.journal_id === payment.journal_id &&
      method.payment_type === payment.payment_type &&
      method.payment_account_id === null,
  );
}

function postPayment(env: Env, payment: Row): void {
  const after = env.profile.version === '17' ? 'posted' : 'in_process';
  if (env.profile.version === '17' && payment.state !== 'draft') {
    throw userError(`The entry ${text(payment, 'name')} (id ${payment.id}) must be in draft.`);
  }
  if (payment.state !== 'draft') return;
  // Since 18 a method without an outstanding account has no entry until the bank statement comes.
  if (env.profile.version !== '17' && lacksOutstandingAccount(env, payment)) {
    env.set(payment, { state: after });
    return;
  }
  const inbound = payment.payment_type === 'inbound';
  const amount = number(payment, 'amount');
  const counter = payment.partner_type === 'supplier' ? 'liability_payable' : 'asset_receivable';
  const move = env.create('account.move', {
    move_type: 'entry',
    partner_id: payment.partner_id,
    currency_id: payment.currency_id,
    journal_id: payment.journal_id,
    date: payment.date,
    ref: payment[env.profile.version === '17' ? 'ref' : 'memo'],
    [paymentOf(env.profile.version)]: payment.id,
  });
  for (const [type, debit] of [
    ['asset_current', inbound],
    [counter, !inbound],
  ] as const) {
    const line = env.create('account.move.line', {
      move_id: move,
      name: text(payment, 'name'),
      display_type: type === counter ? 'payment_term' : 'product',
      account_id: accountFor(env, type),
    });
    env.set(env.one('account.move.line', line), { debit: debit ? amount : 0, credit: debit ? 0 : amount });
  }
  env.set(env.one('account.move', move), { state: 'posted', name: payment.name ?? '/', amount_total: amount });
  env.set(payment, { state: after, move_id: move });
}

/** Matches debits with credits as far as they go. */
function reconcile(env: Env, lines: readonly Row[]): void {
  for (const line of lines) {
    if (env.follow(line, 'move_id')?.state !== 'posted') throw userError('You can only reconcile posted entries.');
    if (!isOpenItem(env, line)) {
      throw userError(
        `Account ${text(env.follow(line, 'account_id') ?? line, 'name')} does not allow reconciliation. First change the configuration of this account to allow it.`,
      );
    }
    if (residualOf(env, line) === 0) {
      throw userError('You are trying to reconcile some entries that are already reconciled.');
    }
  }
  if (new Set(lines.map((line) => ref(line, 'account_id'))).size > 1) {
    throw userError('Entries are not from the same account.');
  }
  const credits = lines.filter((line) => residualOf(env, line) < 0);
  for (const debit of lines.filter((line) => residualOf(env, line) > 0)) {
    for (const credit of credits) {
      const amount = Math.min(residualOf(env, debit), -residualOf(env, credit));
      if (amount <= 0) continue;
      env.create('account.partial.reconcile', { debit_move_id: debit.id, credit_move_id: credit.id, amount });
    }
  }
  for (const line of lines) follow(env, line);
}

/** A draft settles nothing. */
function release(env: Env, move: Row): void {
  for (const line of env.lines(move, 'line_ids')) {
    for (const match of matches(env, line)) {
      const others = [ref(match, 'debit_move_id')!, ref(match, 'credit_move_id')!];
      env.unlink('account.partial.reconcile', [match.id]);
      for (const id of others) follow(env, env.one('account.move.line', id));
    }
  }
}

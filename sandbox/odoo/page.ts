/** The page a newcomer opens to see the order arrive. Read-only, refreshes itself. */
import { escapeHtml, htmlPage, shown, table } from '../html.ts';
import type { CallLog } from './calls.ts';
import type { Engine } from './engine.ts';
import type { Row } from './fields.ts';
import type { Reply } from './http.ts';
import { number, text } from './orm.ts';

type Column = readonly [heading: string, cell: (row: Row) => unknown, numeric?: boolean];

export function page(engine: Engine, log: CallLog): Reply {
  const env = engine.readEnv();
  const partner = (row: Row) => {
    const found = env.follow(row, 'partner_id');
    return found ? (found.ref ?? found.name) : '';
  };
  const currency = (row: Row) => text(env.follow(row, 'currency_id') ?? ({ id: 0 } as Row), 'name');
  const money = (row: Row, field: string) => `${number(row, field).toFixed(2)} ${currency(row)}`;
  const state = (model: string, row: Row) =>
    engine.db.get(model).fields.state?.selection?.find(([key]) => key === row.state)?.[1] ?? row.state;

  const recordsOf = (title: string, model: string, domain: unknown[], columns: readonly Column[]): string => {
    const found = engine.model(model) ? env.search(model, domain, { order: 'id desc', limit: shown }) : [];
    const total = engine.model(model) ? env.search(model, domain).length : 0;
    const rows = found.map((id) => env.one(model, id)).map((row) => columns.map(([, cell]) => cell(row)));
    const headings = columns.map(([heading, , numeric = false]) => ({ heading, numeric }));
    return table(title, headings, rows, total);
  };

  const lines = (order: Row) =>
    env
      .lines(order, 'order_line')
      .slice(0, 20)
      .map((line) => {
        const product = env.follow(line, 'product_id');
        const unit = env.follow(line, engine.profile.lineUom);
        return `${number(line, 'product_qty')} ${unit ? text(unit, 'name') : ''} ${(product && text(product, 'default_code')) || text(line, 'name')}`;
      })
      .join(', ');

  const orders = recordsOf(
    'Purchase orders',
    'purchase.order',
    [],
    [
      ['Number', (row) => row.name],
      ['Supplier', partner],
      ['Supplier’s reference', (row) => row.partner_ref],
      ['State', (row) => state('purchase.order', row)],
      ['Lines', lines],
      ['Total', (row) => money(row, 'amount_total'), true],
      ['Created (UTC)', (row) => text(row, 'create_date').slice(0, 19)],
    ],
  );
  const pickings = recordsOf(
    'Transfers',
    'stock.picking',
    [],
    [
      ['Number', (row) => row.name],
      ['For', (row) => row.origin],
      ['Partner', partner],
      ['State', (row) => state('stock.picking', row)],
      ['Moves', (row) => env.lines(row, 'move_ids').length, true],
    ],
  );
  const bills = recordsOf(
    'Vendor bills',
    'account.move',
    [['move_type', 'in', ['in_invoice', 'in_refund']]],
    [
      ['Number', (row) => row.name],
      ['Supplier', partner],
      ['Reference', (row) => row.ref],
      ['State', (row) => state('account.move', row)],
      ['Total', (row) => money(row, 'amount_total'), true],
    ],
  );

  const body = htmlPage(
    'Sandbox Odoo (stand-in, not Odoo)',
    `Plays Odoo ${escapeHtml(engine.profile.serie)} for development and tests. Database “${escapeHtml(engine.databases[0])}”,
requests so far: ${log.counters.requests}. This page is read-only and refreshes every 3 seconds.`,
    `${orders}
${pickings}
${bills}`,
  );
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body };
}

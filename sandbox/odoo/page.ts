/** The page a newcomer opens to see the order arrive. Read-only, refreshes itself. */
import type { CallLog } from './calls.ts';
import type { Engine } from './engine.ts';
import type { Row } from './fields.ts';
import type { Reply } from './http.ts';
import { number, text } from './orm.ts';
import { plainText } from './values.ts';

const shown = 50;

const escapeHtml = (value: unknown): string =>
  plainText(value ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

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

  const table = (title: string, model: string, domain: unknown[], columns: readonly Column[]): string => {
    const found = engine.model(model) ? env.search(model, domain, { order: 'id desc', limit: shown }) : [];
    const total = engine.model(model) ? env.search(model, domain).length : 0;
    const rows = found.map((id) => env.one(model, id));
    const head = columns
      .map(([name, , numeric]) => `<th${numeric ? ' class="n"' : ''}>${escapeHtml(name)}</th>`)
      .join('');
    const body = rows
      .map(
        (row) =>
          `<tr>${columns.map(([, cell, numeric]) => `<td${numeric ? ' class="n"' : ''}>${escapeHtml(cell(row))}</td>`).join('')}</tr>`,
      )
      .join('\n');
    const more = total > shown ? ` <small>latest ${shown} of ${total}</small>` : ` <small>${total}</small>`;
    return (
      `<section><h2>${escapeHtml(title)}${more}</h2>` +
      (rows.length === 0
        ? '<p>None yet.</p>'
        : `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`) +
      '</section>'
    );
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

  const orders = table(
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
  const pickings = table(
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
  const bills = table(
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

  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3">
<title>Sandbox Odoo (stand-in, not Odoo)</title>
<style>
  :root { color-scheme: light dark; --line: #8885; --soft: #8881; }
  body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1.5rem; }
  h1 { font-size: 1.35rem; margin: 0; }
  h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
  small, .lead { opacity: .75; font-weight: 400; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; }
  th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
  th { background: var(--soft); white-space: nowrap; }
  .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<h1>Sandbox Odoo (stand-in, not Odoo)</h1>
<p class="lead">Plays Odoo ${escapeHtml(engine.profile.serie)} for development and tests. Database “${escapeHtml(engine.databases[0])}”,
requests so far: ${log.counters.requests}. This page is read-only and refreshes every 3 seconds.</p>
${orders}
${pickings}
${bills}
</body>
</html>
`;
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body };
}

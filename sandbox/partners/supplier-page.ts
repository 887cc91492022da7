/** The page of the sandbox supplier: the orders it has and the documents it sent. Read-only, refreshes itself. */
import type { PlacedOrder, SentDocument } from './supplier.ts';

interface Shown {
  order: PlacedOrder;
  revision: number;
  answered: number;
  despatched: number;
  billed: number;
}

/** Rows of each table. */
const shown = 50;

const escapeHtml = (value: unknown): string => String(value ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const table = (title: string, headings: readonly string[], rows: readonly (readonly unknown[])[]): string =>
  `<section><h2>${title} <small>${rows.length > shown ? `latest ${shown} of ${rows.length}` : rows.length}</small></h2>${
    rows.length === 0
      ? '<p>None yet.</p>'
      : `<div class="scroll"><table><thead><tr>${headings.map((name) => `<th>${name}</th>`).join('')}</tr></thead><tbody>${rows
          .slice(0, shown)
          .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`)
          .join('\n')}</tbody></table></div>`
  }</section>`;

export function supplierPage(orders: readonly Shown[], documents: readonly SentDocument[]): string {
  const received = [...orders]
    .reverse()
    .map(({ order, revision, answered, despatched, billed }) => [
      order.number,
      revision === 0 ? 'as first placed' : `changed ${revision} ×`,
      order.lines
        .map(
          ({ quantity, description, unitPrice }) =>
            `${quantity.value} × ${description ?? ''}${unitPrice === undefined ? '' : ` at ${unitPrice.amount} ${unitPrice.currency}`}`,
        )
        .join(', '),
      `${answered} answers, ${despatched} despatches, ${billed} bills`,
    ]);
  const sent = [...documents]
    .reverse()
    .map(({ id, act, order, path, reply }) => [
      id,
      act,
      order,
      path,
      reply === undefined ? 'not sent' : reply.status === 0 ? 'no answer' : reply.status,
    ]);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3">
<title>Sandbox supplier (stand-in)</title>
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
</style>
</head>
<body>
<h1>Sandbox supplier (stand-in)</h1>
<p class="lead">Takes orders as UBL at <code>/supplier/orders</code> and answers them with signed webhooks. This page is
read-only and refreshes every 3 seconds; <code>POST /supplier/act</code> makes the supplier do something.</p>
${table('Orders', ['Number', 'Revision', 'Lines', 'Done so far'], received)}
${table('Documents sent', ['Message', 'Step', 'Order', 'To', 'Answer'], sent)}
</body>
</html>
`;
}

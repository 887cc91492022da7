/** The pages of the sandbox: read-only, without a script, refreshing themselves. */
import { plainText } from './odoo/values.ts';

/** Rows that a table shows. */
export const shown = 50;

export const escapeHtml = (value: unknown): string =>
  plainText(value ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export interface Column {
  heading: string;
  numeric?: boolean;
}

/** @param total how many there are; `rows` may hold the latest of them only */
export function table(
  title: string,
  columns: readonly Column[],
  rows: readonly (readonly unknown[])[],
  total: number,
): string {
  const cells = (tag: 'th' | 'td', values: readonly unknown[]) =>
    values
      .map((value, at) => `<${tag}${columns[at]?.numeric ? ' class="n"' : ''}>${escapeHtml(value)}</${tag}>`)
      .join('');
  const latest = rows.slice(0, shown);
  return (
    `<section><h2>${escapeHtml(title)} <small>${total > shown ? `latest ${shown} of ${total}` : total}</small></h2>` +
    (latest.length === 0
      ? '<p>None yet.</p>'
      : `<div class="scroll"><table><thead><tr>${cells(
          'th',
          columns.map(({ heading }) => heading),
        )}</tr></thead><tbody>${latest.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n')}</tbody></table></div>`) +
    '</section>'
  );
}

/** @param lead HTML, as is `body` */
export function htmlPage(title: string, lead: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3">
<title>${title}</title>
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
<h1>${title}</h1>
<p class="lead">${lead}</p>
${body}
</body>
</html>
`;
}

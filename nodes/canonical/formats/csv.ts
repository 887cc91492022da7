/** Comma-separated values (RFC 4180) as `{rows: [{column: text}]}`. Every value is text: no digit is lost. */
import { Failure } from '../../kernel/failure.ts';
import { isForbiddenKey } from '../../kernel/json.ts';
import type { Format, FormatOptions } from './index.ts';

const rowLimit = 100_000;
const columnLimit = 500;
/** Characters of the header line in which a separator is looked for. */
const headerLimit = 65_536;

const refuse = (code: string, message: string): Failure => new Failure('data-quality', code, message);

/**
 * Splits text into rows of cells. Line ends may be CRLF, LF or CR; a quoted cell may hold separators, quotes (doubled)
 * and line ends. Empty lines are skipped.
 */
export function parseCsv(text: string, separator = ','): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  const endRow = (): void => {
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
    if (rows.length > rowLimit) throw refuse('CSV_TOO_MANY_ROWS', `The CSV document has more than ${rowLimit} rows.`);
  };
  while (at <= text.length) {
    let cell = '';
    if (text[at] === '"') {
      const start = ++at;
      for (;;) {
        const end = text.indexOf('"', at);
        if (end < 0)
          throw refuse(
            'CSV_SYNTAX',
            `Row ${rows.length + 1} of the CSV document has a quotation mark that is never closed.`,
          );
        at = end + 1;
        if (text[at] !== '"') break;
        at++;
      }
      cell = text.slice(start, at - 1).replaceAll('""', '"');
      if (at < text.length && text[at] !== separator && text[at] !== '\r' && text[at] !== '\n') {
        throw refuse(
          'CSV_SYNTAX',
          `Row ${rows.length + 1} of the CSV document has text after a closing quotation mark.`,
        );
      }
    } else {
      let end = at;
      while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') end++;
      cell = text.slice(at, end);
      at = end;
    }
    row.push(cell);
    if (row.length > columnLimit)
      throw refuse('CSV_TOO_MANY_COLUMNS', `The CSV document has more than ${columnLimit} columns.`);
    if (at >= text.length) break;
    if (text[at] === separator) {
      at++;
      continue;
    }
    if (text[at] === '\r' && text[at + 1] === '\n') at++;
    at++;
    endRow();
  }
  endRow();
  return rows;
}

export function writeCsv(rows: readonly (readonly string[])[], separator = ','): string {
  const cell = (text: string): string =>
    /["\r\n]/.test(text) || text.includes(separator) ? `"${text.replaceAll('"', '""')}"` : text;
  return rows.map((row) => `${row.map(cell).join(separator)}\r\n`).join('');
}

/** The separator given, or the one of `;`, tab and `,` that the header line has most of. */
function separatorOf(text: string, options: FormatOptions): string {
  if (typeof options.separator === 'string' && options.separator.length === 1) return options.separator;
  const line = text.slice(0, Math.min(text.search(/[\r\n]|$/), headerLimit));
  return [',', ';', '\t', '|'].reduce((best, c) => (line.split(c).length > line.split(best).length ? c : best));
}

/**
 * Options: `separator` (default: found from the header line), `columns` (names for a file without a header line),
 * `groupBy` and `group`: rows with equal values in the columns `groupBy` become one row with a list `group` (default
 * `lines`) of all of them, for files that repeat a document's header on each of its lines.
 */
export const csv: Format = {
  read(text, options) {
    const all = parseCsv(text, separatorOf(text, options));
    const given = Array.isArray(options.columns) ? options.columns.map(String) : undefined;
    if (typeof options.group === 'string' && isForbiddenKey(options.group))
      throw refuse('CSV_FORBIDDEN_COLUMN', `The option "group" is "${options.group}", which is refused.`);
    const columns = given ?? all[0]?.map((name) => name.trim()) ?? [];
    const seen = new Set<string>();
    for (const column of columns) {
      if (isForbiddenKey(column))
        throw refuse('CSV_FORBIDDEN_COLUMN', `The CSV document has the column "${column}", which is refused.`);
      if (seen.has(column)) throw refuse('CSV_DUPLICATE_COLUMN', 'Two columns of the CSV document have the same name.');
      seen.add(column);
    }
    const rows = all.slice(given === undefined ? 1 : 0).map((cells, i) => {
      if (cells.length > columns.length && cells.slice(columns.length).some((cell) => cell !== '')) {
        throw refuse('CSV_ROW_TOO_LONG', `Row ${i + 1} of the CSV document has more cells than there are columns.`);
      }
      return Object.fromEntries(columns.map((column, c) => [column, cells[c] ?? '']));
    });
    if (!Array.isArray(options.groupBy)) return { rows };
    return { rows: grouped(rows, options.groupBy.map(String), String(options.group ?? 'lines')) };
  },
  write(tree, options) {
    const { rows } = (tree ?? {}) as { rows?: unknown };
    if (!Array.isArray(rows)) throw refuse('CSV_WRITE', 'A CSV document is written from a list "rows".');
    const columns = Array.isArray(options.columns)
      ? options.columns.map(String)
      : [...new Set(rows.flatMap((row) => Object.keys(row as object)))];
    const cells = rows.map((row) => columns.map((column) => scalarText((row as Record<string, unknown>)[column])));
    return writeCsv([columns, ...cells], typeof options.separator === 'string' ? options.separator : ',');
  },
};

function grouped(rows: Record<string, string>[], by: string[], name: string): Record<string, unknown>[] {
  const groups = new Map<string, Record<string, unknown> & { [key: string]: unknown }>();
  for (const row of rows) {
    const key = JSON.stringify(by.map((column) => row[column]));
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { ...row, [name]: [row] });
    else (known[name] as unknown[]).push(row);
  }
  return [...groups.values()];
}

function scalarText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'object')
    throw refuse('CSV_WRITE', 'A cell of a CSV document holds one value, not an object or a list.');
  return String(value);
}

/** The store's tables as the command sees them. */
import { defineOperation, query, type Row, type SqlValue } from '../operation.ts';
import type { Store } from '../store.ts';
import { Digest, type TableDigest } from './digest.ts';

export interface Table {
  name: string;
  columns: string[];
  /** The column that the engine numbers, and the last number given; that of a deleted row counts. */
  numbered?: { column: string; last: number };
  /** The columns of the primary key in its order, of a SQLite table that has no `rowid`. */
  key?: string[];
}

/** Belongs to a schema, not to its content. */
export const ownTable = 'schema_migrations';

/** Every table with its columns in order of name; on SQLite also the numbers given so far. */
export const listTables = defineOperation(
  import.meta.url,
  'listTables',
  function* (_: undefined, { dialect }) {
    const columns = yield* query<{ name: string; columnName: string; type: string; pk: number; wr: number }>(
      dialect === 'sqlite'
        ? `SELECT t.name, c.name AS "columnName", c.type, c.pk, l.wr
           FROM sqlite_schema AS t, pragma_table_info(t.name) AS c, pragma_table_list(t.name) AS l
           WHERE l.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name <> $1 ORDER BY t.name, c.name`
        : `SELECT c.table_name AS name, c.column_name AS "columnName", c.data_type AS type, 0 AS pk, 0 AS wr
           FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
           WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.table_name <> $1
           ORDER BY c.table_name COLLATE "C", c.column_name COLLATE "C"`,
      ownTable,
    );
    const numbers =
      dialect === 'sqlite' ? yield* query<{ name: string; seq: number }>('SELECT name, seq FROM sqlite_sequence') : [];
    const tables = new Map<string, Table>();
    for (const { name, columnName, pk, wr } of columns) {
      const table = tables.get(name) ?? { name, columns: [] };
      tables.set(name, table);
      table.columns.push(columnName);
      const number = numbers.find((one) => one.name === name);
      if (wr === 1 && pk > 0) {
        table.key ??= [];
        table.key[pk - 1] = columnName;
      }
      if (pk === 1 && number !== undefined) table.numbered = { column: columnName, last: number.seq };
    }
    return [...tables.values()];
  },
  { readOnly: true },
);

/** Rows of each table. With `limit` counting ends there, so that it costs little however large the table is. */
export const countRows = defineOperation(
  import.meta.url,
  'countRows',
  function* ({ tables, limit }: { tables: readonly string[]; limit?: number }) {
    const counts: Record<string, number> = {};
    for (const table of tables) {
      const rows = limit === undefined ? quoted(table) : `(SELECT 1 FROM ${quoted(table)} LIMIT ${limit}) AS counted`;
      const [row] = yield* query<{ rows: number }>(`SELECT COUNT(*) AS rows FROM ${rows}`);
      counts[table] = row!.rows;
    }
    return counts;
  },
  { readOnly: true },
);

/** Bytes of one page, unless a single row is larger: kept documents have megabytes. */
export const pageBytes = 16 * 1024 * 1024;

/**
 * At most `limit` rows and {@link pageBytes} of a SQLite table after `after`, but one row if there is any, in the order
 * of its key, or of its `rowid`, which each row has as `_rowid`.
 */
export const readRows = defineOperation(
  import.meta.url,
  'readRows',
  function* ({ table, after, limit }: { table: Table; after: readonly SqlValue[]; limit: number }) {
    const order = table.key?.map(quoted) ?? ['rowid'];
    const marks = order.map((_, index) => `$${index + 2}`).join(', ');
    const page = (columns: string, rows: number) =>
      query<Row>(
        `SELECT ${columns} FROM ${quoted(table.name)} ${after.length === 0 ? '' : `WHERE (${order.join(', ')}) > (${marks})`}
         ORDER BY ${order.join(', ')} LIMIT $1`,
        rows,
        ...after,
      );
    const lengths = table.columns.map((column) => `COALESCE(LENGTH(${quoted(column)}), 0)`).join(' + ');
    const sizes = yield* page(`${lengths} AS size`, limit);
    if (sizes.length === 0) return [];
    let fit = 0;
    for (let bytes = Number(sizes[0]!.size); fit < sizes.length && bytes <= pageBytes; ) {
      fit++;
      bytes += Number(sizes[fit]?.size ?? 0);
    }
    const columns = `${table.key === undefined ? 'rowid AS _rowid, ' : ''}${table.columns.map(quoted).join(', ')}`;
    return yield* page(columns, Math.max(1, fit));
  },
  { readOnly: true },
);

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const pageSize = 500;

/** All rows of a SQLite table, a page at a time. */
export async function* pagesOf(store: Store, table: Table): AsyncGenerator<Row[], void> {
  const places = table.key ?? ['_rowid'];
  let after: SqlValue[] = [];
  for (;;) {
    const rows = await store.run(readRows, { table, after, limit: pageSize });
    if (rows.length === 0) return;
    yield rows;
    const last = rows.at(-1)!;
    after = places.map((place) => last[place] as SqlValue);
  }
}

export async function digestOfSqlite(store: Store, table: Table): Promise<TableDigest> {
  const digest = new Digest();
  for await (const rows of pagesOf(store, table)) for (const row of rows) digest.add(row, table.columns);
  return digest.value;
}

/** With which keys the store's payloads are encrypted: tells when a former key is needed no more. */
import { defineOperation, query } from './operation.ts';
import { keyIdSql } from './sealing.ts';
import type { Store } from './store.ts';
import { listTables } from './transfer/tables.ts';

export interface KeyUse {
  table: string;
  /** Short id of the key; null for payloads that are not encrypted. */
  keyId: string | null;
  rows: number;
}

interface PayloadTable {
  name: string;
  /** The key's id stands in a column of its own (dead letters); elsewhere in the payload's first bytes. */
  ownColumn: boolean;
}

export const countKeys = defineOperation(
  import.meta.url,
  'countKeys',
  function* ({ tables }: { tables: PayloadTable[] }, { dialect }) {
    const uses: KeyUse[] = [];
    for (const { name, ownColumn } of tables) {
      const key = ownColumn ? 'body_key' : keyIdSql('body', dialect);
      const rows = yield* query<{ key_id: string | null; rows: number }>(
        `SELECT key_id, COUNT(*) AS rows FROM (SELECT ${key} AS key_id FROM "${name}" WHERE body IS NOT NULL) AS payloads
         GROUP BY key_id ORDER BY key_id`,
      );
      for (const row of rows) uses.push({ table: name, keyId: row.key_id, rows: Number(row.rows) });
    }
    return uses;
  },
  { readOnly: true },
);

/** Every table with a column `body`; reads each row's first bytes, so it takes its time on a large store. */
export async function keysInUse(store: Store): Promise<KeyUse[]> {
  const tables = (await store.run(listTables, undefined)).flatMap(({ name, columns }) =>
    columns.includes('body') ? [{ name, ownColumn: columns.includes('body_key') }] : [],
  );
  return await store.run(countKeys, { tables });
}

/** The Test button: opens the store with the values of the dialog and commits something that changes nothing. */
import { existsSync } from 'node:fs';
import { payloadKeys } from '../../kernel/payload-key.ts';
import { openPrivateStore, openStore, type StoreOptions } from '../../kernel/store/index.ts';
import { defineOperation, query } from '../../kernel/store/operation.ts';

export type ProbeResult =
  /** `key`: short id of the key that payloads are encrypted with. */
  | { kind: 'connected'; engine: string; version: string; size?: number; key?: string }
  /** SQLite: nothing is there yet; the file is made on deploy. */
  | { kind: 'absent'; file: string };

export const touch = defineOperation(import.meta.url, 'touch', function* (_: undefined) {
  yield* query('UPDATE audit_head SET entries = entries WHERE id = 1');
});

/** @throws Failure that says why it cannot be used */
export async function probe(options: StoreOptions): Promise<ProbeResult> {
  if (options.engine === 'sqlite' && !existsSync(options.file)) return { kind: 'absent', file: options.file };
  // A file can be open once only; a database is tried with the user and password given here.
  const store = options.engine === 'sqlite' ? openStore(options) : openPrivateStore(options);
  try {
    await store.run(touch, undefined);
    const { engine, version, size } = store.status();
    const key = payloadKeys().current?.id;
    return {
      kind: 'connected',
      engine,
      version: version ?? engine,
      ...(size === undefined ? {} : { size }),
      ...(key === undefined ? {} : { key }),
    };
  } finally {
    await store.close();
  }
}

/** What an operation's module must not be: one that opens a store when it is imported. */
import { defineOperation, openPrivateStore, query } from '../../../nodes/kernel/store/index.ts';

export const store = openPrivateStore({ engine: 'sqlite', file: process.env.HF_TEST_STORE_FILE! });

export const touch = defineOperation(import.meta.url, 'touch', function* (_: undefined) {
  return yield* query('SELECT 1 AS one');
});

/** Opening a store, and the contracts that operations are written against. */
import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SqliteStore, type SqliteOptions } from './sqlite/engine.ts';
import type { Store } from './store.ts';

export {
  type Dialect,
  defineOperation,
  type Operation,
  type OperationBody,
  type OperationContext,
  query,
  type Row,
  type SqlValue,
  type Statement,
} from './operation.ts';
export type { SqliteOptions } from './sqlite/engine.ts';
export type { Store, StoreStatus } from './store.ts';

export type StoreOptions = SqliteOptions;

interface Shared {
  store: Store;
  users: number;
}

const open = new Map<string, Shared>();

/**
 * Opens a store. Opening again with the same file or database gives the same engine (with the options of the first),
 * which closes with its last user. Returns at once: operations wait while the engine opens, and `onStatus` tells.
 */
export function openStore(options: StoreOptions): Store {
  const key = keyOf(options);
  let shared = open.get(key);
  if (shared === undefined) {
    shared = { store: new SqliteStore({ ...options, file: key }), users: 0 };
    open.set(key, shared);
  }
  shared.users++;
  return handle(key, shared);
}

/** One user's view of a shared store: closing it twice is closing it once. */
function handle(key: string, shared: Shared): Store {
  const { store } = shared;
  let closed: Promise<void> | undefined;
  const listeners: (() => void)[] = [];
  return {
    engine: store.engine,
    run: (operation, args) => store.run(operation, args),
    status: () => store.status(),
    onStatus: (listener) => {
      const off = store.onStatus(listener);
      listeners.push(off);
      return off;
    },
    close: () => {
      closed ??= (async () => {
        for (const off of listeners) off();
        shared.users--;
        if (shared.users > 0) return;
        open.delete(key);
        await store.close();
      })();
      return closed;
    },
  };
}

/** One file has one name here, whatever links lead to it. */
function keyOf({ file }: StoreOptions): string {
  try {
    return join(realpathSync(dirname(file)), basename(file));
  } catch {
    return file;
  }
}

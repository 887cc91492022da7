/** Opening a store, and the contracts that operations are written against. */
import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { closed as closedFailure } from './failures.ts';
import { refuseInsideWorker } from './inside-worker.ts';
import { targetOf } from './postgresql/connection.ts';
import { type PostgresqlOptions, PostgresqlStore } from './postgresql/engine.ts';
import { type SqliteOptions, SqliteStore } from './sqlite/engine.ts';
import type { Store } from './store.ts';

export {
  type Dialect,
  defineOperation,
  type Operation,
  type OperationBody,
  type OperationContext,
  query,
  type Row,
  rowsOf,
  type SqlValue,
  type Statement,
} from './operation.ts';
export type { PostgresqlAddress, TlsMode } from './postgresql/connection.ts';
export type { PostgresqlOptions } from './postgresql/engine.ts';
export type { SqliteOptions } from './sqlite/engine.ts';
export type { Store, StoreStatus } from './store.ts';

export type StoreOptions = SqliteOptions | PostgresqlOptions;

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
    shared = { store: openPrivateStore(options), users: 0 };
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
    run: (operation, args) => (closed === undefined ? store.run(operation, args) : Promise.reject(closedFailure())),
    status: () => store.status(),
    onStatus: (listener) => {
      const off = store.onStatus(listener);
      listeners.push(off);
      return off;
    },
    ...(store.backup === undefined
      ? {}
      : { backup: (file) => (closed === undefined ? store.backup!(file) : Promise.reject(closedFailure())) }),
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

/** An engine that nobody else shares. */
export function openPrivateStore(options: StoreOptions): Store {
  refuseInsideWorker();
  return options.engine === 'sqlite' ? new SqliteStore(options) : new PostgresqlStore(options);
}

/** What two users must agree in to share an engine: the file, whatever links lead to it, or database, user, schema. */
function keyOf(options: StoreOptions): string {
  if (options.engine === 'postgresql') {
    const { config, schema } = targetOf(options);
    return `postgresql ${config.host} ${config.port} ${config.database} ${config.user ?? ''} ${schema}`;
  }
  try {
    return `sqlite ${join(realpathSync(dirname(options.file)), basename(options.file))}`;
  } catch {
    return `sqlite ${options.file}`;
  }
}

import type { Dialect, Operation } from './operation.ts';

export interface StoreStatus {
  engine: Dialect;
  state: 'ready' | 'opening' | 'down';
  /** Engine and server version, e.g. `SQLite 3.53.4`. */
  version?: string;
  /** Operations waiting for a transaction. */
  pending: number;
  /** Bytes on disk, where the engine can tell. */
  size?: number;
  /** Why it is down, in words for the person at the editor. */
  problem?: string;
}

/**
 * The integration store: the one place for everything that must survive a crash.
 *
 * `run` resolves when the operation's transaction is durable (fsync on SQLite, synchronous commit on PostgreSQL).
 * It rejects with a {@link Failure}: `saturation` `STORE_BUSY` when too many operations wait, `dependency-outage`
 * `STORE_UNAVAILABLE` / `STORE_FULL` when the engine cannot commit, `conflict` `STORE_CONFLICT` on a serialization
 * failure that outlived its retries.
 */
export interface Store {
  readonly engine: Dialect;
  run<A, R>(operation: Operation<A, R>, args: A): Promise<R>;
  status(): StoreStatus;
  onStatus(listener: (status: StoreStatus) => void): () => void;
  /**
   * Writes a copy of a SQLite store as of now into a new file, while work waits; PostgreSQL has means of its own.
   *
   * @throws Failure `configuration` `STORE_BACKUP_EXISTS`: an existing file is never replaced
   */
  backup?(file: string): Promise<{ file: string; size: number }>;
  /** Finishes what was accepted, then releases file or connections. */
  close(): Promise<void>;
}

/** Whether this thread is the one in which a SQLite store runs its operations. */
import { Failure } from '../failure.ts';

const mark = Symbol.for('healthflows.store.worker');
const thread = globalThis as { [mark]?: boolean };

export function markStoreWorker(): void {
  thread[mark] = true;
}

/**
 * An operation's module is imported by the worker thread. One that opens a store when it is imported would start a
 * worker, which imports the module, which opens a store, without end.
 *
 * @throws Failure `defect` `STORE_OPENED_IN_WORKER`
 */
export function refuseInsideWorker(): void {
  if (thread[mark] !== true) return;
  throw new Failure(
    'defect',
    'STORE_OPENED_IN_WORKER',
    'The module of a store operation opens a store when it is imported. Put the operation into a module of its own.',
  );
}

/** The worker thread of one SQLite file. */
import { parentPort, workerData } from 'node:worker_threads';
import { Failure, toFailure } from '../../failure.ts';
import type { Operation, OperationBody } from '../operation.ts';
import { markStoreWorker } from '../inside-worker.ts';
import { type BoundOperation, Database, type Result } from './database.ts';
import type { RequestedOperation, WorkerData, WorkerReply, WorkerRequest, WorkerResult } from './protocol.ts';

markStoreWorker();
const port = parentPort!;
const reply = (message: WorkerReply): void => port.postMessage(message);
const bodies = new Map<string, OperationBody<unknown, unknown>>();

let database: Database | undefined;
try {
  database = new Database(workerData as WorkerData);
  reply({ kind: 'opened', version: `SQLite ${database.version}` });
} catch (error) {
  reply({ kind: 'refused', failure: toFailure(error).toRecord() });
  port.close();
}

port.on('message', (request: WorkerRequest) => {
  if (request.kind === 'close') {
    database?.close();
    port.close();
    return;
  }
  if (request.kind === 'backup') {
    try {
      database!.backup(request.file);
      reply({ kind: 'backup' });
    } catch (error) {
      reply({ kind: 'backup', failure: toFailure(error).toRecord() });
    }
    return;
  }
  void runBatch(database!, request.operations, request.clockOffset);
});

async function runBatch(db: Database, operations: RequestedOperation[], clockOffset: number): Promise<void> {
  const bound: BoundOperation[] = [];
  for (const operation of operations) bound.push(await bind(operation));
  const results = db.run(bound, Date.now() + clockOffset).map(toWorkerResult);
  try {
    reply({ kind: 'results', results });
  } catch {
    // Some result cannot be cloned; the others must not suffer.
    reply({ kind: 'results', results: results.map(cloneable) });
  }
}

/** Imports the operation's module; when that fails, an operation that throws stands in its place. */
async function bind({ module, name, args, readOnly }: RequestedOperation): Promise<BoundOperation> {
  const id = `${module}#${name}`;
  let body = bodies.get(id);
  if (body === undefined) {
    try {
      const exported = ((await import(module)) as Record<string, unknown>)[name] as Operation<unknown, unknown>;
      if (exported?.name !== name) throw new Error(`${module} does not export an operation under the name ${name}.`);
      body = exported.body;
      bodies.set(id, body);
    } catch (error) {
      return { body: failing(error), args, readOnly };
    }
  }
  return { body, args, readOnly };
}

function failing(error: unknown): OperationBody<unknown, unknown> {
  // biome-ignore lint/correctness/useYield: it throws instead
  return function* () {
    throw error;
  };
}

function toWorkerResult(result: Result): WorkerResult {
  if (result.ok) return { kind: 'value', value: result.value };
  const { error, engine } = result;
  if (error instanceof Failure) return { kind: 'failure', failure: error.toRecord(), engine };
  return { kind: 'error', error: error instanceof Error ? error : new Error(String(error)) };
}

function cloneable(result: WorkerResult): WorkerResult {
  try {
    return structuredClone(result);
  } catch (error) {
    return { kind: 'error', error: error as Error };
  }
}

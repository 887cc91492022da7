import type { FailureRecord } from '../../failure.ts';
import type { DatabaseOptions } from './database.ts';

/** What crosses the thread boundary. */
export interface RequestedOperation {
  module: string;
  name: string;
  args: unknown;
  readOnly: boolean;
}

export type WorkerRequest =
  | { kind: 'batch'; operations: RequestedOperation[]; clockOffset: number }
  | { kind: 'backup'; file: string }
  | { kind: 'close' };

/** `failure` is a Failure the operation or the engine meant; `error` is anything else. */
export type WorkerResult =
  | { kind: 'value'; value: unknown }
  | { kind: 'failure'; failure: FailureRecord; engine: boolean }
  | { kind: 'error'; error: Error };

export type WorkerReply =
  | { kind: 'opened'; version: string }
  | { kind: 'refused'; failure: FailureRecord }
  | { kind: 'results'; results: WorkerResult[] }
  /** `failure` absent: done. */
  | { kind: 'backup'; failure?: FailureRecord };

export type WorkerData = DatabaseOptions;

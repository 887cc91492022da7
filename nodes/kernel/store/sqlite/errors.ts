import { Failure } from '../../failure.ts';

/** Primary result codes of SQLite (https://sqlite.org/rescode.html) that concern the database, not one statement. */
const engineFailures: Record<number, (file: string) => Failure> = {
  // SQLITE_BUSY, SQLITE_LOCKED: only a foreign writer can cause it, since this process holds the file exclusively.
  5: (file) => new Failure('dependency-outage', 'STORE_UNAVAILABLE', `The integration store ${file} is locked.`),
  6: (file) => new Failure('dependency-outage', 'STORE_UNAVAILABLE', `The integration store ${file} is locked.`),
  8: (file) =>
    new Failure(
      'configuration',
      'STORE_READ_ONLY',
      `The integration store ${file} cannot be written. Give Node-RED's user the right to write the file and its folder.`,
      { retryable: true },
    ),
  10: (file) =>
    new Failure(
      'dependency-outage',
      'STORE_UNAVAILABLE',
      `Reading or writing the integration store ${file} failed. Check the disk it is on.`,
    ),
  11: (file) => damaged(file),
  13: (file) =>
    new Failure(
      'dependency-outage',
      'STORE_FULL',
      `The disk that holds the integration store ${file} is full. Nothing was accepted; make room and it goes on by itself.`,
    ),
  14: (file) =>
    new Failure(
      'configuration',
      'STORE_CANNOT_OPEN',
      `The integration store ${file} cannot be opened. Check the path and the rights of Node-RED's user.`,
      { retryable: true },
    ),
  26: (file) => damaged(file),
};

export function damaged(file: string): Failure {
  return new Failure(
    'configuration',
    'STORE_DAMAGED',
    `The integration store ${file} is damaged or not a SQLite database. Put the last backup in its place; it is not touched until then.`,
  );
}

/** The SQLite result code without its extended part; undefined for any other error. */
export function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ERR_SQLITE_ERROR') return undefined;
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** The Failure for an error that concerns the whole database; undefined when it concerns one statement. */
export function engineFailure(error: unknown, file: string): Failure | undefined {
  const code = resultCode(error);
  const make = code === undefined ? undefined : engineFailures[code];
  if (make === undefined) return undefined;
  const failure = make(file);
  failure.cause = error;
  return failure;
}

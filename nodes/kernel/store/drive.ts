import type { Row, Statement } from './operation.ts';

/** Runs an operation's generator against an engine that answers at once. */
export function driveSync<R>(body: Generator<Statement, R, Row[]>, execute: (statement: Statement) => Row[]): R {
  let step = body.next();
  while (step.done !== true) step = body.next(execute(step.value));
  return step.value;
}

/** Runs an operation's generator against an engine that answers later. */
export async function drive<R>(
  body: Generator<Statement, R, Row[]>,
  execute: (statement: Statement) => Promise<Row[]>,
): Promise<R> {
  let step = body.next();
  while (step.done !== true) step = body.next(await execute(step.value));
  return step.value;
}

/** What a `settle` node means to do with a message, decided from its setting and the message alone. */
import { Failure, type FailureRecord } from '../kernel/failure.ts';
import type { FlowMessage } from '../kernel/message.ts';

export const outcomes = ['auto', 'done', 'retry', 'dead-letter'] as const;
export type Outcome = (typeof outcomes)[number];

export type Intent =
  | { kind: 'done' }
  /** The consumer's retry policy decides by the failure's class. */
  | { kind: 'failed'; failure: FailureRecord }
  | { kind: 'retry'; failure: FailureRecord }
  | { kind: 'dead-letter'; failure: FailureRecord };

export function isOutcome(value: unknown): value is Outcome {
  return (outcomes as readonly unknown[]).includes(value);
}

/** `auto`: done without `msg.failure`, else failed by its class. */
export function intentOf(outcome: Outcome, message: FlowMessage): Intent {
  const failure = message.failure ?? failureOfCatch(message);
  switch (outcome) {
    case 'auto':
      return failure === undefined ? { kind: 'done' } : { kind: 'failed', failure };
    case 'done':
      return { kind: 'done' };
    case 'retry':
      return { kind: 'retry', failure: failure ?? asked('conflict', 'RETRY_REQUESTED', 'retried') };
    case 'dead-letter':
      return { kind: 'dead-letter', failure: failure ?? asked('data-quality', 'DEAD_LETTER_REQUESTED', 'set aside') };
  }
}

/**
 * A node of another package fails without `msg.failure`; Catch then leaves `msg.error`. Its text may quote the
 * document, so only the place is kept.
 */
function failureOfCatch(message: FlowMessage): FailureRecord | undefined {
  const error = message.error as { source?: { id?: unknown; type?: unknown; name?: unknown } } | undefined;
  const source = error?.source;
  if (typeof source?.id !== 'string' || typeof source.type !== 'string') return undefined;
  return new Failure(
    'defect',
    'NODE_ERROR',
    `The ${source.type} node failed; its own words are in Node-RED's log. Correct the flow, then replay.`,
  ).toRecord({
    at: new Date().toISOString(),
    node: { id: source.id, type: source.type, ...(typeof source.name === 'string' ? { name: source.name } : {}) },
    attempt: message.delivery?.attempt ?? 1,
  });
}

function asked(failureClass: 'conflict' | 'data-quality', code: string, done: string): FailureRecord {
  return new Failure(failureClass, code, `The flow asked that this message be ${done}.`).toRecord({
    at: new Date().toISOString(),
  });
}

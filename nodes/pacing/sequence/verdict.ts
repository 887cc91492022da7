/** The number of a message, and what a message that is not in order carries to whoever decides. */
import { Failure } from '../../kernel/failure.ts';
import { isForbiddenKey } from '../../kernel/json.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import type { PropertyOf } from '../key.ts';
import type { Turn, TurnVerdict } from '../turn.ts';

const digits = /^\d{1,15}$/;

/** @throws Failure `configuration` when no property is named */
export function numberReader(path: string, property: PropertyOf): (message: FlowMessage) => number {
  const trimmed = path.trim().replace(/^msg\./, '');
  if (trimmed === '' || trimmed.split(/[.[\]'"]+/).some(isForbiddenKey)) {
    throw new Failure('configuration', 'SEQUENCE_NUMBER', 'No property is named that holds the number. Open the node.');
  }
  return (message) => {
    const value = property(message, trimmed);
    // Messages carry numbers as text where a header or a lossless parser made them so.
    if (digits.test(String(value))) return Number(value);
    throw new Failure(
      'data-quality',
      'SEQUENCE_NUMBER_MISSING',
      `The message has no whole number in msg.${trimmed}, by which it would be put in order.`,
    );
  };
}

export function verdictFailure(verdict: TurnVerdict, { number }: Turn): Failure | undefined {
  switch (verdict.kind) {
    case 'wait':
      return new Failure(
        'saturation',
        'SEQUENCE_WAITING',
        `Number ${number} waits for the one after ${verdict.after} to be done.`,
      );
    case 'gap': {
      const missing =
        verdict.from === verdict.to ? `Number ${verdict.from}` : `Numbers ${verdict.from} to ${verdict.to}`;
      const why = verdict.failed ? 'has failed and is not done' : 'did not come in time';
      return new Failure(
        'data-quality',
        'SEQUENCE_GAP',
        `${missing} before ${number} ${why}. Replay it, or have it sent; replay ${number} to go on without.`,
        { detail: { from: verdict.from, to: verdict.to, number } },
      );
    }
    case 'late':
      return new Failure(
        'data-quality',
        verdict.taken ? 'SEQUENCE_NUMBER_TAKEN' : 'SEQUENCE_LATE',
        verdict.taken
          ? `Number ${number} was used by another message. Has the sender begun anew? Replay this one to let it through, or discard it.`
          : `Number ${number} comes after ${verdict.head}, with which the flow has gone on. Replay it to let it through, or discard it.`,
        { detail: { number, head: verdict.head } },
      );
    default:
      return undefined;
  }
}

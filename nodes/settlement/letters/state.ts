/** The states a dead letter goes through. Apart from the rest, because the store's worker thread loads it too. */
export const letterStates = ['open', 'replaying', 'replayed', 'resolved', 'failed-again', 'discarded'] as const;
/**
 * - `open`: waits for a person.
 * - `replaying`: a person asked for it; not sent yet.
 * - `replayed`: sent to its queue; the result is not known yet.
 * - `resolved`: the flow settled it as done.
 * - `failed-again`: it came back and waits for a person.
 * - `discarded`: a person decided, with a reason, that it shall not be delivered.
 */
export type LetterState = (typeof letterStates)[number];

/** Waits for a person. */
export const waitingStates = ['open', 'failed-again'] as const satisfies LetterState[];
/** Not at an end. */
export const unresolvedStates = ['open', 'replaying', 'replayed', 'failed-again'] as const satisfies LetterState[];

/**
 * States from which people may act. One by one also on letters whose replay has no result: a consumer outside this
 * package never reports one, and such a letter must not be stuck.
 */
export function actableStates(oneByOne: boolean): LetterState[] {
  return oneByOne ? [...waitingStates, 'replayed'] : [...waitingStates];
}

/**
 * A message that `split` has divided is accepted when all its parts are: only then may its sender be answered. Counted
 * in this node; a part that fails is answered by settle, and its message is never complete here.
 */
import type { FlowMessage } from '../../kernel/message.ts';

/** Divided messages under way at most; the oldest are forgotten, and their senders get no answer from here. */
const most = 10_000;

interface Parts {
  id?: unknown;
  index?: unknown;
  count?: unknown;
  type?: unknown;
  parts?: Parts | null;
}

export class AcceptedParts {
  readonly #wholes = new Map<string, { accepted: Set<number>; count: number | undefined }>();

  /** Notes that a message is accepted. True when with it the whole is: a message that nobody divided, or the last part. */
  complete({ parts }: FlowMessage): boolean {
    return this.#complete(parts as Parts | null | undefined);
  }

  #complete(part: Parts | null | undefined): boolean {
    if (part === undefined || part === null) return true;
    const { id, index, count, type } = part;
    // Other nodes number messages too; only one that was divided has the type of what it was before.
    if (typeof id !== 'string' || typeof index !== 'number' || typeof type !== 'string') return true;
    const whole = this.#wholes.get(id) ?? { accepted: new Set(), count: undefined };
    this.#wholes.delete(id);
    whole.accepted.add(index);
    // Of a stream only the last part says how many there are.
    if (typeof count === 'number') whole.count = count;
    if (whole.count !== undefined && whole.accepted.size >= whole.count) return this.#complete(part.parts);
    this.#wholes.set(id, whole);
    if (this.#wholes.size > most) this.#wholes.delete(this.#wholes.keys().next().value!);
    return false;
  }
}

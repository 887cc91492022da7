/** What is wrong with a verifier, for its status: several things can be, the worst is shown. */
import type { StatusKind } from '../../node/status.ts';

export type Part = 'body' | 'keys' | 'key-set' | 'rival';

type Trouble = { kind: Extract<StatusKind, 'degraded' | 'down' | 'failed'>; text: string };

const severity = { degraded: 0, failed: 1, down: 2 } as const;

export class Health {
  readonly #troubles = new Map<Part, Trouble>();
  readonly #show: (kind: StatusKind, text: string) => void;
  readonly #well: string;
  #closed = false;

  /** @param well shown when nothing is wrong */
  constructor(show: (kind: StatusKind, text: string) => void, well: string) {
    this.#show = show;
    this.#well = well;
    show('working', well);
  }

  /** A key set may still be on its way when the node has closed: its status is then another node's. */
  close(): void {
    this.#closed = true;
  }

  set(part: Part, trouble: Trouble | undefined): void {
    if (this.#closed) return;
    if (trouble === undefined) this.#troubles.delete(part);
    else this.#troubles.set(part, trouble);
    const [worst] = [...this.#troubles.values()].sort((a, b) => severity[b.kind] - severity[a.kind]);
    if (worst === undefined) this.#show('working', this.#well);
    else this.#show(worst.kind, worst.text);
  }
}

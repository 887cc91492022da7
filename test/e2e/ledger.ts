/**
 * One line an event: what was sent, what the sender was told, and what stands in Odoo in the end. The invariants are
 * those of `docs/ARCHITECTURE.md`: nothing accepted is lost, nothing is done twice, nothing is done that was not sent.
 */
export interface Line {
  key: string;
  /** HTTP statuses in the order in which they came; 0 for a connection that broke. */
  replies: number[];
}

export interface Outcome {
  /** How often each key stands in Odoo. */
  effects: Map<string, number>;
  /** Keys that lie in the dead letters. */
  dead?: Set<string>;
}

export class Ledger {
  readonly #lines = new Map<string, Line>();

  record(key: string, status: number): void {
    const line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, { key, replies: [status] });
    else line.replies.push(status);
  }

  get lines(): Line[] {
    return [...this.#lines.values()];
  }

  /** Keys for which the sender saw a 2xx at least once. */
  get accepted(): string[] {
    return this.lines
      .filter((line) => line.replies.some((status) => status >= 200 && status < 300))
      .map(({ key }) => key);
  }

  statuses(): Record<number, number> {
    const counts: Record<number, number> = {};
    for (const { replies } of this.#lines.values())
      for (const status of replies) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }

  /** Every broken invariant in words; empty when all hold. */
  violations({ effects, dead = new Set() }: Outcome): string[] {
    const found: string[] = [];
    for (const key of this.accepted) {
      if (!effects.has(key) && !dead.has(key)) found.push(`lost: ${key} was accepted and is nowhere`);
    }
    for (const [key, count] of effects) {
      if (count > 1) found.push(`doubled: ${key} stands in Odoo ${count} times`);
      if (!this.#lines.has(key)) found.push(`phantom: ${key} stands in Odoo and was never sent`);
    }
    return found;
  }
}

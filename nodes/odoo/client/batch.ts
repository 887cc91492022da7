import { type Failure, toFailure } from '../../kernel/failure.ts';

export type RowOutcome<R> = { kind: 'done'; value: R } | { kind: 'failed'; failure: Failure };

/** Thrown when Odoo itself said which rows of a call it refused; indexes count within that call. */
export class RowsRefused extends Error {
  readonly rows: ReadonlyMap<number, Failure>;

  constructor(rows: ReadonlyMap<number, Failure>) {
    super('Odoo refused some rows');
    this.rows = rows;
  }
}

/**
 * Sends items in chunks and gives the outcomes back in their order. When Odoo refuses a chunk because of its
 * content, the rows to blame are left out, or found by halving, and the others go through. A failure that is nobody's
 * row (Odoo down, no rights) ends the batch: what is left fails with it, unsent.
 */
export async function inChunks<T, R>(
  items: readonly T[],
  size: number,
  send: (chunk: readonly T[]) => Promise<readonly R[]>,
): Promise<RowOutcome<R>[]> {
  const outcomes: RowOutcome<R>[] = [];
  const open: number[][] = [];
  const all = items.map((_, i) => i);
  for (let from = 0; from < all.length; from += size) open.push(all.slice(from, from + size));
  let ended: Failure | undefined;
  for (let indexes = open.shift(); indexes !== undefined; indexes = open.shift()) {
    if (ended !== undefined) {
      for (const index of indexes) outcomes[index] = { kind: 'failed', failure: ended };
      continue;
    }
    try {
      const values = await send(indexes.map((index) => items[index]!));
      for (const [at, index] of indexes.entries()) outcomes[index] = { kind: 'done', value: values[at]! };
    } catch (error) {
      if (error instanceof RowsRefused && error.rows.size > 0) {
        const rest: number[] = [];
        for (const [at, index] of indexes.entries()) {
          const failure = error.rows.get(at);
          if (failure === undefined) rest.push(index);
          else outcomes[index] = { kind: 'failed', failure };
        }
        if (rest.length > 0) open.unshift(rest);
        continue;
      }
      const failure = toFailure(error);
      if (failure.class !== 'data-quality') {
        ended = failure;
        for (const index of indexes) outcomes[index] = { kind: 'failed', failure };
      } else if (indexes.length === 1) outcomes[indexes[0]!] = { kind: 'failed', failure };
      else {
        const half = indexes.length >> 1;
        open.unshift(indexes.slice(0, half), indexes.slice(half));
      }
    }
  }
  return outcomes;
}
